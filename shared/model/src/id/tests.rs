use rstest::rstest;

use super::*;

#[rstest]
#[case::plain("suppliers", true)]
#[case::digits_and_dashes("erp-2-qualio", true)]
#[case::longest(&"a".repeat(64), true)]
#[case::too_long(&"a".repeat(65), false)]
#[case::empty("", false)]
#[case::capital("Suppliers", false)]
#[case::separator("a#b", false)]
#[case::path("a/b", false)]
#[case::umlaut("händler", false)]
fn a_name_stands_in_keys_paths_and_logs(#[case] text: &str, #[case] allowed: bool) {
    assert_eq!(FlowId::try_new(text).is_ok(), allowed);
    assert_eq!(EndpointId::try_new(text).is_ok(), allowed);
}

#[rstest]
#[case::plain("SUP-000123", true)]
#[case::what_systems_use("a#b/c d%é", true)]
#[case::longest(&"k".repeat(256), true)]
#[case::too_long_in_bytes(&"é".repeat(129), false)]
#[case::empty("", false)]
#[case::line_break("a\nb", false)]
#[case::nul("a\0", false)]
fn a_key_is_the_sources_own_as_far_as_it_can_be_stored(#[case] text: &str, #[case] allowed: bool) {
    assert_eq!(RecordKey::try_new(text).is_ok(), allowed);
    assert_eq!(RunId::try_new(text).is_ok(), allowed);
}

#[test]
fn each_broken_rule_is_told_by_its_name() {
    assert_eq!(
        RecordKey::try_new("").unwrap_err().to_string(),
        "the key of a record is empty"
    );
    assert_eq!(
        FlowId::try_new("a".repeat(70)).unwrap_err().to_string(),
        "the name of a flow has 70 bytes, at most 64 are allowed"
    );
    assert_eq!(
        FlowId::try_new("a b").unwrap_err().to_string(),
        "the name of a flow may hold lower-case letters, digits and -; it has ' '"
    );
}

#[test]
fn an_id_is_checked_where_it_is_read() {
    let read: FlowId = serde_json::from_str(r#""suppliers""#).unwrap();
    assert_eq!(read.as_str(), "suppliers");
    assert_eq!(serde_json::to_string(&read).unwrap(), r#""suppliers""#);
    assert!(serde_json::from_str::<FlowId>(r#""No""#).is_err());
    assert!(serde_json::from_str::<RecordKey>(r#""""#).is_err());
}
