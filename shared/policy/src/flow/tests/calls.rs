//! What a flow sends: addresses, bodies and look-ups; and rows of any shape.

use proptest::prelude::*;

use super::*;

#[test]
fn create_update_and_find_carry_the_id_and_the_search_value() {
    let flow = contacts(&[
        (
            "[target.upsert]\nmethod = \"PUT\"\npath = \"/3.0/members/{{ key }}\"",
            r#"[target.create]
method = "POST"
path = "/3.0/members"
id = "/id"
headers = { X-Mail = "{{ fields.email or '' }}" }

[target.update]
method = "PATCH"
path = "/3.0/members/{{ target_id }}"

[target.find]
path = "/3.0/search"
query = { email = "{{ search }}" }
by = "fields.email"
rows = "/members"
id = "/id""#,
        ),
        (
            "key = \"row.id\"\n\n# How",
            "key = \"row.id\"\nid = \"/id\"\n\n# How",
        ),
    ]);
    let fields = fields(json!({"email": "a+b@c.example"}));
    let target = flow.target();
    let create = target.create().unwrap();
    assert_eq!(create.id_pointer(), Some("/id"));
    assert_eq!(target.list().unwrap().id_pointer(), Some("/id"));
    for (email, search) in [
        (json!("a@b.example"), Some("a@b.example")),
        (json!(7), Some("7")),
        (json!(""), None),
        (Value::Null, None),
    ] {
        let value = target.search_value(&key("K"), &super::fields(json!({"email": email})));
        assert_eq!(value.unwrap().as_deref(), search);
    }
    let list = super::fields(json!({"email": ["a"]}));
    assert!(target.search_value(&key("K"), &list).is_err());
    let find = target.find().unwrap();
    assert_eq!(
        (find.rows_pointer(), find.id_pointer()),
        ("/members", "/id")
    );
    let call = create
        .render(&target.context(&key("K"), None, &fields))
        .unwrap();
    assert_eq!(
        call.headers,
        [("X-Mail".to_owned(), "a+b@c.example".to_owned())]
    );
    let update = target.update().unwrap();
    assert_eq!(
        update
            .render(&target.context(&key("K"), Some("9/9"), &fields))
            .unwrap()
            .path_and_query,
        "/3.0/members/9%2F9"
    );
    let without_id = update
        .render(&target.context(&key("K"), None, &fields))
        .unwrap_err();
    assert_eq!(
        without_id.why(),
        "a value in a path is empty",
        "an update never reaches the whole collection"
    );
    let search = target.search_value(&key("K"), &fields).unwrap().unwrap();
    let find = target
        .find()
        .unwrap()
        .call()
        .render(&target.find_context(&search))
        .unwrap();
    assert_eq!(find.path_and_query, "/3.0/search?email=a%2Bb%40c.example");
    assert_eq!(
        target.search_value(&key("K"), &Fields::new()).unwrap(),
        None
    );
    let split = Fields::from_iter([("email".to_owned(), json!("a\r\nX-Evil: 1"))]);
    let split = create
        .render(&target.context(&key("K"), None, &split))
        .unwrap_err();
    assert_eq!(split.why(), "a header cannot hold a control character");
}

#[rstest]
#[case::one_dot(".")]
#[case::two_dots("..")]
fn a_key_cannot_walk_up_the_path(#[case] text: &str) {
    let error = suppliers()
        .source()
        .unwrap()
        .one_call(&key(text))
        .unwrap()
        .unwrap_err();
    assert_eq!(error.why(), "a value makes a path segment `.` or `..`");
}

#[rstest]
#[case("https://api.example.com", Some("https://api.example.com"))]
#[case("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080"))]
#[case("https://api.example.com/v1/", Some("https://api.example.com/v1"))]
#[case("https://", None)]
#[case("https://:80", None)]
#[case("ftp://api.example.com", None)]
#[case("api.example.com", None)]
#[case("https://user@api.example.com", None)]
#[case("https://api.example.com?x=1", None)]
#[case("https://api.example.com#x", None)]
#[case("https://api example.com", None)]
#[case("", None)]
fn a_base_address_is_http_with_a_host_and_nothing_after_the_path(
    #[case] text: &str,
    #[case] expected: Option<&str>,
) {
    let settings: Settings = [("URL".to_owned(), text.to_owned())].into();
    let rendered = base_url("{{ env.URL }}", &Context::new().with("env", &settings));
    assert_eq!(rendered.ok().as_deref(), expected);
}

/// Any JSON, three levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::select(vec![
            "id",
            "version",
            "contact",
            "quality",
            "legal_name",
            "email",
            "tags",
            "supplier",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6).prop_map(|table| Value::Object(
                table
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

static FLOWS: std::sync::LazyLock<[Flow; 2]> =
    std::sync::LazyLock::new(|| [suppliers(), contacts(&[])]);

proptest! {
    #[test]
    fn no_row_makes_a_flow_panic(row in any_json()) {
        for flow in FLOWS.iter() {
            if let Ok(normal) = flow.normalise(&row)
                && let Content::Record(fields) = normal.content
            {
                flow.validate(&fields);
                let _body = flow.body(&normal.key, &fields);
            }
            let _key = flow.webhook_key(Pushed::plain(&row));
            let _row = flow.webhook_row(Pushed::plain(&row));
        }
    }
}
