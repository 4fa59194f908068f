//! How rows are listed: places by key, and pages of another size.

use tidegate_model::flow::Method;

use super::*;

#[test]
fn a_keyset_s_place_is_the_time_and_id_of_a_row() {
    let flow = suppliers();
    let list = flow.source().unwrap().list();
    let place = list.keyset_place(&json!({"id": "SUP-1", "modified_at": "2026-11-20T08:00:00Z"}));
    let time = json!("2026-11-20T08:00:00Z");
    assert_eq!(place, Some((time, "SUP-1".to_owned())));
    let by_number = list.keyset_place(&json!({"id": 7, "modified_at": 9}));
    assert_eq!(by_number, Some((json!(9), "7".to_owned())));
    for lacking in [
        json!({"id": "SUP-1", "modified_at": null}),
        json!({"modified_at": 9}),
    ] {
        assert_eq!(list.keyset_place(&lacking), None);
    }
    let by_cursor = contacts(&[]);
    let row = json!({"id": "SUP-1", "modified_at": 9});
    assert_eq!(by_cursor.source().unwrap().list().keyset_place(&row), None);
}

#[test]
fn pages_vary_where_the_call_names_their_size_and_their_place_does_not_follow_from_it() {
    let flow = suppliers();
    assert!(flow.source().unwrap().list().can_vary_page_size(), "keyset");
    let flow = contacts(&[]);
    let offset = flow.target().list().unwrap().listing();
    assert!(offset.can_vary_page_size(), "offset");
    assert!(!flow.source().unwrap().list().can_vary_page_size(), "cursor");
    let fixed = contacts(&[("count = \"{{ page.size }}\"", "count = \"500\"")]);
    let fixed = fixed.target().list().unwrap().listing();
    assert!(!fixed.can_vary_page_size(), "the call names no size");
}

#[test]
fn a_page_is_asked_for_in_the_size_that_is_wanted() {
    let flow = suppliers();
    let position = ListPosition {
        size: Some(7),
        ..ListPosition::default()
    };
    assert_eq!(
        flow.source().unwrap().list_call(&position).unwrap().path_and_query,
        "/api/suppliers?limit=7"
    );
}

#[test]
fn the_calls_say_what_the_file_says_of_them() {
    let flow = contacts(&[(
        "type = \"rest\"\nname = \"newsletter\"",
        "type = \"rest\"\nidempotency_header = \"Idempotency-Key\"\nname = \"newsletter\"",
    )]);
    let (source, target) = (flow.source().unwrap(), flow.target());
    assert_eq!(source.name().as_str(), "crm");
    assert_eq!(target.name().as_str(), "newsletter");
    assert_eq!(source.base_url(), "https://example.com/api");
    assert_eq!(target.base_url(), "https://example.com/api");
    assert_eq!(texts(source.auth().secrets()), ["CRM_API_KEY"]);
    assert_eq!(texts(target.auth().secrets()), ["NEWSLETTER_TOKEN"]);
    assert_eq!(source.spec().list.page_size, 200);
    assert_eq!(source.list().spec().rows, "/data");
    assert_eq!(target.idempotency_header(), Some("Idempotency-Key"));
    let (upsert, delete) = (target.upsert().unwrap(), target.delete().unwrap());
    assert!(upsert.sends_body() && !delete.sends_body());
    assert_eq!(upsert.method(), Method::Put);
    assert_eq!(delete.method(), Method::Delete);
    assert_eq!(upsert.id_pointer(), None);
    assert!(target.create().is_none() && target.update().is_none());
    assert!(target.archive().is_none() && target.find().is_none());
    assert_eq!(target.list().unwrap().id_pointer(), None);
    let archives = contacts(&[
        ("deletion = \"delete\"", "deletion = \"archive\""),
        (
            "[target.delete]\nmethod = \"DELETE\"",
            "[target.archive]\nmethod = \"POST\"",
        ),
    ]);
    let target = archives.target();
    assert!(target.archive().is_some() && target.delete().is_none());
    let (one, row) = source.one_call(&key("a/b")).unwrap().unwrap();
    assert_eq!(row, "/data");
    assert_eq!(one.path_and_query, "/v2/contacts/a%2Fb");
}
