//! What stands at a target: which record a row is, and what of it is compared.

use super::*;

/// The shipped listing names what it compares.
#[test]
fn a_row_is_compared_as_the_flow_shows_it() {
    let flow = contacts(&[]);
    let list = flow.target().list().unwrap();
    let fields = fields(json!({
        "email": "a@b.example", "name": "Ada", "language": null, "subscribed": true, "tags": ["a", "b"],
    }));
    let body = flow.body(&key("4711"), &fields).unwrap();
    let row = json!({
        "id": "4711", "email_address": "A@b.example", "full_name": "Ada", "status": "subscribed",
        "tags": [{"id": 2, "name": "b"}, {"id": 1, "name": "a"}], "rating": 4,
    });
    assert_eq!(list.key(&row).unwrap(), Some(key("4711")));
    let mut shown = list.shown(&row).unwrap();
    assert_eq!(shown.remove("language"), Some(Value::Null));
    assert_eq!(shown, list.sent(&body));
}

#[test]
fn the_listing_of_the_target_carries_its_position() {
    let flow = contacts(&[]);
    let listing = flow.target().list().unwrap().listing();
    let at = |offset| ListPosition {
        offset,
        ..ListPosition::default()
    };
    let first = listing.call(&at(0)).unwrap();
    assert_eq!(first.path_and_query, "/3.0/members?count=500&offset=0");
    let later = listing.call(&at(1_000)).unwrap();
    assert_eq!(later.path_and_query, "/3.0/members?count=500&offset=1000");
}

/// Without `compare` each property of the body is compared by its name, and what the target adds to a
/// row, or to a table in it, is not.
#[test]
fn left_to_itself_every_property_that_is_sent_is_compared() {
    let start = CONTACTS.find("[target.list.compare]").unwrap();
    let end = CONTACTS.find("# Each leaf is").unwrap();
    let flow = contacts(&[
        (&CONTACTS[start..end], ""),
        (
            "tags = \"fields.tags\"",
            "tags = \"fields.tags\"\nmore = { level = \"1\", deep = { name = \"key\" } }",
        ),
    ]);
    let list = flow.target().list().unwrap();
    let row = json!({
        "id": 7, "status": "subscribed", "rating": 4,
        "more": {"level": 1, "since": "2026", "deep": {"name": "7", "other": true}},
    });
    let shown = json!({"status": "subscribed", "more": {"level": 1, "deep": {"name": "7"}}});
    assert_eq!(Value::Object(list.shown(&row).unwrap()), shown);
    let body = flow
        .body(&key("7"), &fields(json!({"subscribed": true})))
        .unwrap();
    assert_eq!(Value::Object(list.sent(&body)), shown);
}

#[rstest]
#[case::text(json!({"id": "K-1"}), Some("K-1"))]
#[case::number(json!({"id": 4711}), Some("4711"))]
#[case::nothing(json!({"id": null}), None)]
#[case::absent(json!({}), None)]
#[case::empty(json!({"id": ""}), None)]
#[case::no_table(json!(7), None)]
fn a_row_without_a_key_is_not_ours(#[case] row: Value, #[case] found: Option<&str>) {
    let flow = contacts(&[]);
    let list = flow.target().list().unwrap();
    assert_eq!(list.key(&row).unwrap(), found.map(key));
}

#[rstest]
#[case::a_flag(json!({"id": true}))]
#[case::a_table(json!({"id": {"of": "x"}}))]
#[case::a_fraction(json!({"id": 1.5}))]
fn a_key_of_another_kind_is_a_change_of_shape(#[case] row: Value) {
    let flow = contacts(&[]);
    let error = flow.target().list().unwrap().key(&row).unwrap_err();
    assert!(error.to_string().contains("row.id"), "{error}");
}
