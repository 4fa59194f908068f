use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn content(value: Value) -> Content {
    match value {
        Value::Object(fields) => Content::Record(fields),
        other => panic!("{other}"),
    }
}

#[rstest]
#[case::split_elsewhere(json!({"a": ["a", "b"]}), json!({"a": ["ab"]}))]
#[case::name_and_value(json!({"ab": "c"}), json!({"a": "bc"}))]
#[case::two_fields_or_one(json!({"a": "b", "c": "d"}), json!({"a": "bcd"}))]
#[case::text_or_number(json!({"a": "1"}), json!({"a": 1}))]
#[case::text_or_flag(json!({"a": "true"}), json!({"a": true}))]
#[case::flags(json!({"a": true}), json!({"a": false}))]
#[case::null_or_absent(json!({"a": null}), json!({}))]
#[case::null_or_empty(json!({"a": null}), json!({"a": ""}))]
#[case::empty_kinds(json!({"a": []}), json!({"a": {}}))]
#[case::nested(json!({"a": [["b"], "c"]}), json!({"a": [["b", "c"]]}))]
#[case::order_of_a_list(json!({"a": ["b", "c"]}), json!({"a": ["c", "b"]}))]
#[case::object_or_list(json!({"a": {"b": "c"}}), json!({"a": ["b", "c"]}))]
#[case::blank(json!({"a": "b"}), json!({"a": "b "}))]
#[case::case(json!({"a": "b"}), json!({"a": "B"}))]
fn contents_of_different_structure_have_different_hashes(#[case] one: Value, #[case] other: Value) {
    assert_ne!(content(one).hash(), content(other).hash());
}

#[test]
fn a_deletion_is_no_record() {
    assert_ne!(
        Content::Deleted.hash(),
        Content::Record(Fields::new()).hash()
    );
    assert_eq!(Content::Deleted.fields(), None);
}

#[test]
fn a_hash_never_changes_between_releases() {
    // A new hash for an old content would send every record again.
    let known = content(json!({"name": "Acme", "score": 87.5, "tags": ["a", null]}));
    assert_eq!(known.hash().0, "036c596216d2254e0295988142b859d2");
    assert_eq!(
        Content::Deleted.hash().0,
        "18ac3e7343f016890c510e93f9352611"
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{0,2}", inner, 0..3)
                .prop_map(|map| map.into_iter().collect::<Fields>().into()),
        ]
    })
}

fn fields() -> impl Strategy<Value = Vec<(String, Value)>> {
    prop::collection::btree_map("[a-c]{1,2}", value(), 0..5)
        .prop_map(|map| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hash_does_not_depend_on_the_order_of_fields(
        (sorted, shuffled) in fields().prop_flat_map(|fields| {
            (Just(fields.clone()), Just(fields).prop_shuffle())
        }),
    ) {
        let one = Content::Record(sorted.into_iter().collect());
        let other = Content::Record(shuffled.into_iter().collect());
        prop_assert_eq!(one.hash(), other.hash());
    }

    #[test]
    fn contents_are_equal_when_their_hashes_are(one in fields(), other in fields()) {
        let one = Content::Record(one.into_iter().collect());
        let other = Content::Record(other.into_iter().collect());
        prop_assert_eq!(one == other, one.hash() == other.hash());
    }

    #[test]
    fn a_content_that_was_stored_has_the_same_hash(one in fields()) {
        let one = Content::Record(one.into_iter().collect());
        let stored = serde_json::to_string(&one).unwrap();
        let read: Content = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(one.hash(), read.hash());
    }
}
