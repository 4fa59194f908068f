//! What was pasted and must not be read again elsewhere.

use rstest::rstest;

use super::*;

/// What may be a secret is not repeated, wherever it was pasted.
#[rstest]
#[case::a_path(
    "/api/suppliers\"",
    "https://me:hunter2@erp.example/suppliers\"",
    "hunter2"
)]
#[case::a_setting(
    "{{ env.ERP_URL }}",
    "{{ env.a8d1b3c5e7f90a1b2c3d }}",
    "a8d1b3c5e7f90a1b2c3d"
)]
#[case::a_field("row.legal_name", "f81d4fae7dec11d0a7650", "f81d4fae7dec11d0a7650")]
#[case::an_unknown_key(
    "[source.list]",
    "[source.list]\nf81d4fae7dec11d0a7650 = 1",
    "f81d4fae7dec11d0a7650"
)]
#[case::a_preset(
    "preset = \"slow-answers\"",
    "preset = \"f81d4fae7dec11d0a7650\"",
    "f81d4fae7dec11d0a7650"
)]
#[case::a_call("row.legal_name", "f81d4fae7dec11d0a7650()", "f81d4fae7dec11d0a7650")]
#[case::a_parameter("\"/api/suppliers\"", "\"api/suppliers?token=hunter2\"", "hunter2")]
fn a_pasted_secret_is_not_repeated(#[case] from: &str, #[case] to: &str, #[case] secret: &str) {
    let report = check_text(edited(SUPPLIERS, from, to));
    assert!(report.mistakes.len() + report.warnings.len() > 0);
    assert!(!report.to_string().contains(secret), "{report}");
}

/// A flow would work with them: they are warned of.
#[rstest]
#[case::generated("X-Tag = \"9f86d081884c7d659a2feaa0c55ad015\"")]
#[case::by_its_name("Authorization = \"Bearer hunter2\"")]
fn a_secret_in_a_header_is_odd(#[case] header: &str) {
    let with = |header: &str| {
        let text = edited(
            SUPPLIERS,
            "[source.list]",
            &format!("[source.headers]\n{header}\n\n[source.list]"),
        );
        check_text(text)
    };
    let report = with(header);
    let name = header.split(' ').next().unwrap();
    assert_eq!(report.mistakes, []);
    let told = lines(&report.warnings).concat();
    assert!(
        told.contains(&format!(
            "`{name}` may hold a secret, for all who read the file"
        )),
        "{told}"
    );
    assert!(
        !told.contains("hunter2") && !told.contains("9f86"),
        "{told}"
    );
    assert_eq!(with("X-Tag = \"suppliers-of-2026\"").warnings, []);
}

#[test]
fn a_header_has_no_line_break() {
    let header = "[source.headers]\nX-Tag = \"one\\ntwo {{ env.ERP_URL }}\"\n\n[source.list]";
    let text = edited(SUPPLIERS, "[source.list]", header);
    let line = line_of(&text, "X-Tag");
    let expected = format!(
        "{line}: `X-Tag` holds a line break or another control character, which no header takes"
    );
    assert_eq!(lines(&check_text(text).mistakes), [expected]);
}
