//! When a row was last changed, and how large it may be.

use super::*;

const EIGHT_US: u64 = 1_795_161_600_000_000;

#[test]
fn a_row_says_when_it_was_changed_where_the_flow_names_or_needs_it() {
    let by_pages = suppliers().normalise(&row()).unwrap();
    assert_eq!(by_pages.modified_us, Some(EIGHT_US), "the keyset's time");
    let mut changed = contact();
    changed["changed"] = json!("2026-11-20T08:00:01Z");
    let by_version = contacts(&[]).normalise(&changed).unwrap();
    assert_eq!(by_version.modified_us, Some(EIGHT_US + 250_000));
    let named = contacts(&[(
        "deleted = \"row",
        "modified = \"row.changed\"\ndeleted = \"row",
    )]);
    let named = named.normalise(&changed).unwrap();
    assert_eq!(named.modified_us, Some(EIGHT_US + 1_000_000));
    let silent = contacts(&[(
        "{ by = \"time\", at = \"row.updated_at | rfc3339('America/New_York')\" }",
        "{ by = \"read\" }",
    )]);
    assert_eq!(silent.normalise(&changed).unwrap().modified_us, None);
}

#[test]
fn a_record_may_be_as_large_as_a_register_takes() {
    let flow = contacts(&[]);
    let of = |email: usize| {
        let mut row = contact();
        row["email"] = json!("x".repeat(email));
        flow.normalise(&row)
    };
    // 76 bytes are names, marks and the other fields.
    assert!(of(102_400 - 76).is_ok());
    assert!(of(102_400 - 75).is_err());
}
