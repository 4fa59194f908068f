//! What no story reaches: a page that lists one record several times.

#![allow(clippy::unwrap_used, reason = "tests fail by panic")]

use tidegate_model::{Content, RecordKey, SourceVersion, UnixMs, Version};
use tidegate_policy::stage::{Incoming, Origin};

use super::newest_of_each;

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

/// A row of a record at a version; `by` tells rows of one version apart.
fn row(of: &str, source: u64, by: &str) -> (RecordKey, Incoming) {
    let incoming = Incoming {
        version: Version {
            source: SourceVersion(source),
            revision: 1,
            read: 1,
        },
        content: Content::Deleted,
        origin: Origin::Batch,
        by: by.to_owned(),
        search: None,
        look_first: false,
        link: None,
        review: None,
        next_window: UnixMs::EPOCH,
    };
    (key(of), incoming)
}

fn newest(rows: Vec<(RecordKey, Incoming)>) -> (Vec<(String, u64, String)>, u64) {
    let (kept, superseded) = newest_of_each(rows);
    let kept = kept.into_iter().map(|(key, incoming)| {
        let source = incoming.version.source.0;
        (key.to_string(), source, incoming.by)
    });
    (kept.collect(), superseded)
}

#[test]
fn of_a_record_that_a_page_lists_twice_the_newest_row_is_staged_in_any_order_reg_1() {
    let expected = vec![
        ("A".to_owned(), 3, "second".to_owned()),
        ("B".to_owned(), 1, "first".to_owned()),
    ];
    let rising = vec![
        row("A", 2, "first"),
        row("A", 3, "second"),
        row("B", 1, "first"),
    ];
    assert_eq!(newest(rising), (expected.clone(), 1));
    let falling = vec![
        row("A", 3, "second"),
        row("B", 1, "first"),
        row("A", 2, "first"),
    ];
    assert_eq!(newest(falling), (expected, 1));
}

#[test]
fn of_rows_of_one_version_the_last_is_staged() {
    let rows = vec![row("A", 2, "first"), row("A", 2, "second")];
    let expected = vec![("A".to_owned(), 2, "second".to_owned())];
    assert_eq!(newest(rows), (expected, 1));
}
