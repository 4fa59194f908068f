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

/// What is written out in an expression is sent as well.
#[rstest]
#[case::by_its_look(
    "name = \"row.legal_name\"",
    "name = \"row.legal_name or 'ghp_A1B2c3D4e5F6g7H8'\"",
    "name"
)]
#[case::by_its_name(
    "name = \"fields.name\"",
    "name = \"fields.name\"\napi_key = \"'hunter2'\"",
    "api_key"
)]
fn a_secret_in_an_expression_is_odd(#[case] from: &str, #[case] to: &str, #[case] name: &str) {
    let report = check_text(edited(SUPPLIERS, from, to));
    let told = lines(&report.warnings).concat();
    assert!(
        told.contains(&format!("`{name}` may hold a secret")),
        "{report}"
    );
}

#[test]
fn a_secret_of_capitals_and_digits_is_no_name_of_one() {
    let text = edited(
        SUPPLIERS,
        "\"ERP_TOKEN\"",
        "\"PLANTED0123456789ABCDEF0A2B4C6D8E\"",
    );
    let line = line_of(&text, "auth = {");
    let expected = format!(
        "{line}: `secret` looks like a secret and not like the name of one, as `ERP_TOKEN`; what is written may be the secret itself, so it is not repeated"
    );
    assert_eq!(lines(&check_text(text).mistakes), [expected]);
    for name in ["S3_B2B_CREDENTIALS_V2", "AUTH0_M2M_SUPPLIERS1"] {
        let text = edited(SUPPLIERS, "\"ERP_TOKEN\"", &format!("\"{name}\""));
        assert_eq!(lines(&check_text(text).mistakes), [""; 0], "{name}");
    }
}

/// All records would be one, or none would ever be newer.
#[rstest]
#[case::key("key = \"row.id\"", "key = \"'const'\"", "record.key")]
#[case::version("at = \"row.version\"", "at = \"7\"", "record.version.at")]
fn what_tells_records_apart_is_read_from_the_row(
    #[case] from: &str,
    #[case] to: &str,
    #[case] place: &str,
) {
    let text = edited(SUPPLIERS, from, to);
    let told = lines(&check_text(text).mistakes).concat();
    assert!(
        told.contains(&format!("`{place}` reads nothing of the row: ")),
        "{told}"
    );
}

#[test]
fn a_header_that_frames_the_request_is_not_the_flows() {
    let header = "[source.headers]\ncontent-length = \"3\"\n\n[source.list]";
    let text = edited(SUPPLIERS, "[source.list]", header);
    let line = line_of(&text, "content-length");
    let expected =
        format!("{line}: `content-length` frames the request, and is set by the client alone");
    assert_eq!(lines(&check_text(text).mistakes), [expected]);
}
