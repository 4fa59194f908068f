mod delta;

use rstest::rstest;
use serde_json::{Value, json};
use tidegate_engine::ports::{CallError, Page, PageRequest, Source};
use tidegate_model::RecordKey;

use super::{RestSource, rfc3339};
use crate::script::{Script, TARGET, flow};

const LIST: &str = "https://src.example/api/things";

fn source(list: &str, one: &str) -> RestSource {
    let source = format!(
        r#"
[source]
type = "rest"
name = "src"
base_url = "https://src.example/api"
auth = {{ type = "bearer", secret = "TOKEN" }}
limit = {{ calls = 60, per_s = 60 }}
[source.list]
path = "/things"
page_size = 2
{list}
[source.one]
path = "/things/{{{{ key }}}}"
{one}
"#
    );
    let flow = flow(&source, TARGET);
    let source = flow.source().unwrap().clone();
    RestSource::new(flow, source)
}

fn row(id: &str, version: u64) -> Value {
    json!({"id": id, "version": version, "at": format!("t{version}")})
}

fn first() -> PageRequest {
    PageRequest {
        since_us: None,
        cursor: None,
    }
}

/// Reads pages until the end and gives the rows of each.
async fn read_all(source: &RestSource, calls: &mut Script) -> Result<Vec<usize>, CallError> {
    let mut request = first();
    let mut pages = Vec::new();
    loop {
        let Page { rows, next, .. } = source.page(calls, &request).await?;
        pages.push(rows.len());
        // As a checkpoint keeps it: through text and back.
        request.cursor = next.map(|next| serde_json::from_str(&next.to_string()).unwrap());
        if request.cursor.is_none() {
            return Ok(pages);
        }
    }
}

fn unusable(error: &CallError) -> &str {
    match error {
        CallError::Failed {
            reason,
            may_have_effect: false,
            ..
        } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listing_without_pages_is_one_call() {
    let mut calls = Script::new(&[]).answer(200, json!([row("A", 1), row("B", 2), row("C", 3)]));
    let pages = read_all(&source("", ""), &mut calls).await.unwrap();
    assert_eq!(pages, [3]);
    assert_eq!(calls.sent(), [format!("GET {LIST}")]);
}

#[tokio::test]
async fn pages_by_offset_end_with_an_empty_one() {
    let list = r#"
query = { skip = "{{ page.offset }}", top = "{{ page.size }}" }
pages = { by = "offset" }"#;
    let mut calls = Script::new(&[])
        .answer(200, json!([row("A", 1), row("B", 2)]))
        .answer(200, json!([row("C", 3), row("D", 4)]))
        .answer(200, json!([]));
    let pages = read_all(&source(list, ""), &mut calls).await.unwrap();
    assert_eq!(pages, [2, 2, 0]);
    let expected = [0, 2, 4].map(|offset| format!("GET {LIST}?skip={offset}&top=2"));
    assert_eq!(calls.sent(), expected);
}

#[tokio::test]
async fn pages_by_number_start_where_the_flow_says() {
    let list = r#"
query = { page = "{{ page.number }}" }
pages = { by = "number", first = 1 }"#;
    let mut calls = Script::new(&[])
        .answer(200, json!([row("A", 1), row("B", 2)]))
        .answer(200, json!([row("C", 3)]))
        .answer(200, json!([]));
    let pages = read_all(&source(list, ""), &mut calls).await.unwrap();
    assert_eq!(
        pages,
        [2, 1, 0],
        "a source may give fewer rows than it is asked for"
    );
    let expected = [1, 2, 3].map(|page| format!("GET {LIST}?page={page}"));
    assert_eq!(calls.sent(), expected);
}

#[rstest]
#[case::absent(json!({"rows": [row("C", 3)]}))]
#[case::null(json!({"rows": [], "meta": {"next": null}}))]
#[case::empty(json!({"rows": [], "meta": {"next": ""}}))]
#[case::is_false(json!({"rows": [], "meta": {"next": false}}))]
#[tokio::test]
async fn pages_by_a_cursor_in_the_body_end_without_one(#[case] last: Value) {
    let list = r#"
rows = "/rows"
query = { cursor = "{{ page.cursor }}" }
pages = { by = "cursor", next = "/meta/next" }"#;
    let mut calls = Script::new(&[])
        .answer(
            200,
            json!({"rows": [row("A", 1)], "meta": {"next": "a b&c"}}),
        )
        .answer(200, json!({"rows": [row("B", 2)], "meta": {"next": 7}}))
        .answer(200, last);
    let pages = read_all(&source(list, ""), &mut calls).await.unwrap();
    assert_eq!(pages.len(), 3);
    assert_eq!(
        calls.sent(),
        [
            format!("GET {LIST}"),
            format!("GET {LIST}?cursor=a%20b%26c"),
            format!("GET {LIST}?cursor=7"),
        ]
    );
}

#[tokio::test]
async fn pages_by_a_header_end_without_it() {
    let list = r#"
query = { cursor = "{{ page.cursor }}" }
pages = { by = "header", name = "X-Next" }"#;
    let mut calls = Script::new(&[])
        .answer_with(200, &[("x-next", " n2 ")], json!([row("A", 1)]))
        .answer_with(200, &[("x-next", "")], json!([row("B", 2)]));
    read_all(&source(list, ""), &mut calls).await.unwrap();
    assert_eq!(
        calls.sent(),
        [format!("GET {LIST}"), format!("GET {LIST}?cursor=n2")]
    );
}

const BY_LINK: &str = r#"
query = { since = "{{ since }}" }
pages = { by = "link" }"#;

#[rstest]
#[case::whole("https://src.example/api/things?page=2")]
#[case::default_port("https://src.example:443/api/things?page=2")]
#[case::path("/api/things?page=2")]
#[case::query("?page=2")]
#[case::other_scheme_of_letters("HTTPS://SRC.example/api/things?page=2")]
#[case::fragment("https://src.example/api/things?page=2#x")]
#[tokio::test]
async fn pages_by_link_follow_the_address_on_the_same_origin(#[case] address: &str) {
    let link = format!("<{address}>; rel=\"next\"");
    let mut calls = Script::new(&[])
        .answer_with(
            200,
            &[("link", "<x>; rel=prev"), ("link", &link)],
            json!([row("A", 1)]),
        )
        .answer(200, json!([row("B", 2)]));
    let pages = read_all(&source(BY_LINK, ""), &mut calls).await.unwrap();
    assert_eq!(pages, [1, 1]);
    assert_eq!(
        calls.sent(),
        [format!("GET {LIST}"), format!("GET {LIST}?page=2")]
    );
}

#[rstest]
#[case::host("https://evil.example/api/things?page=2")]
#[case::scheme("http://src.example/api/things?page=2")]
#[case::port("https://src.example:8443/api/things?page=2")]
#[case::subdomain("https://src.example.evil.example/")]
#[case::user("https://src.example@evil.example/")]
#[case::user_of_the_same_host("https://user:pass@src.example/api/things?page=2")]
#[case::without_scheme("//evil.example/api")]
#[case::backslash("https:\\\\evil.example\\api")]
#[case::metadata("http://169.254.169.254/latest/meta-data")]
#[case::file("file:///etc/passwd")]
#[tokio::test]
async fn a_link_that_leaves_its_origin_is_never_called(#[case] address: &str) {
    let link = format!("<{address}>; rel=next");
    let mut calls = Script::new(&[]).answer_with(200, &[("link", &link)], json!([row("A", 1)]));
    let error = read_all(&source(BY_LINK, ""), &mut calls)
        .await
        .unwrap_err();
    let CallError::Blocked { reason } = &error else {
        panic!("{error:?}");
    };
    assert!(reason.contains("leaves the origin"), "{reason}");
    assert!(!reason.contains("pass"), "{reason}");
    assert_eq!(calls.requests.len(), 1);
}

#[tokio::test]
async fn a_stored_address_that_leaves_the_origin_is_never_called() {
    let mut calls = Script::new(&[]);
    let request = PageRequest {
        since_us: None,
        cursor: Some(json!({"by": "link", "url": "https://evil.example/"})),
    };
    let error = source(BY_LINK, "").page(&mut calls, &request).await;
    assert!(matches!(error, Err(CallError::Blocked { .. })));
    assert!(calls.requests.is_empty());
}

const BY_KEYSET: &str = r#"
rows = "/items"
query = { since = "{{ page.after_time or since }}", after = "{{ page.after_id }}" }
pages = { by = "keyset", time = "row.at", id = "row.id", more = "/more" }"#;

#[tokio::test]
async fn pages_by_keyset_go_on_after_the_last_row() {
    let mut calls = Script::new(&[])
        .answer(200, json!({"items": [row("A", 1)], "more": true}))
        .answer(
            200,
            json!({"items": [row("B", 2), row("C", 3)], "more": false}),
        );
    let source = source(BY_KEYSET, "");
    let request = PageRequest {
        since_us: Some(1_700_000_000_000_000),
        cursor: None,
    };
    let page = source.page(&mut calls, &request).await.unwrap();
    let request = PageRequest {
        cursor: page.next,
        ..request
    };
    let page = source.page(&mut calls, &request).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!(
        calls.sent(),
        [
            format!("GET {LIST}?since=2023-11-14T22%3A13%3A20Z"),
            format!("GET {LIST}?after=A&since=t1"),
        ]
    );
}

#[rstest]
#[case::full_page(json!({"items": [row("A", 1), row("B", 2)]}), true)]
#[case::short_page(json!({"items": [row("A", 1)]}), true)]
#[case::empty_page(json!({"items": []}), false)]
#[case::null_flag(json!({"items": [row("A", 1), row("B", 2)], "more": null}), true)]
#[tokio::test]
async fn without_the_flag_an_empty_page_is_the_end(#[case] body: Value, #[case] goes_on: bool) {
    let mut calls = Script::new(&[]).answer(200, body);
    let page = source(BY_KEYSET, "")
        .page(&mut calls, &first())
        .await
        .unwrap();
    assert_eq!(page.next.is_some(), goes_on);
}

#[tokio::test]
async fn a_broken_last_row_is_read_again_rather_than_passed_over() {
    let body = json!({"items": [row("A", 1), 7, {"id": "B"}, {"at": "t9"}], "more": true});
    let mut calls = Script::new(&[]).answer(200, body);
    let page = source(BY_KEYSET, "")
        .page(&mut calls, &first())
        .await
        .unwrap();
    assert_eq!(
        page.rows.len(),
        4,
        "the engine tells what is wrong with a row"
    );
    assert_eq!(
        page.next,
        Some(json!({"by": "keyset", "time": "t1", "id": "A"}))
    );
}

#[rstest]
#[case::no_rows_at_all("rows = \"/items\"", json!({"data": []}), "no rows")]
#[case::rows_are_no_list("rows = \"/items\"", json!({"items": {}}), "no rows")]
#[case::empty_answer("", Value::Null, "no rows")]
#[case::error_in_a_200("", json!({"error": "down"}), "no rows")]
#[case::more_of_nothing(BY_KEYSET, json!({"items": [], "more": true}), "go on from")]
#[case::flag_is_no_flag(BY_KEYSET, json!({"items": [], "more": "maybe"}), "neither true nor false")]
#[case::cursor_is_no_text(
    "query = { c = \"{{ page.cursor }}\" }\nrows = \"/r\"\npages = { by = \"cursor\", next = \"/n\" }",
    json!({"r": [], "n": {}}), "is no text"
)]
#[tokio::test]
async fn a_page_that_is_not_whole_is_no_empty_page(
    #[case] list: &str,
    #[case] body: Value,
    #[case] said: &str,
) {
    let mut calls = Script::new(&[]).answer(200, body);
    let error = source(list, "")
        .page(&mut calls, &first())
        .await
        .unwrap_err();
    assert!(unusable(&error).contains(said), "{error}");
}

#[tokio::test]
async fn a_listing_that_is_not_there_is_no_empty_page() {
    let mut calls = Script::new(&[]).answer(404, json!({}));
    let error = source("", "").page(&mut calls, &first()).await.unwrap_err();
    assert!(unusable(&error).contains("404"), "{error}");
}

#[rstest]
#[case::cursor(
    "query = { c = \"{{ page.cursor }}\" }\nrows = \"/r\"\npages = { by = \"cursor\", next = \"/n\" }",
    json!({"by": "given", "at": "x"}), &[], json!({"r": [row("A", 1)], "n": "x"})
)]
#[case::header(
    "query = { c = \"{{ page.cursor }}\" }\npages = { by = \"header\", name = \"n\" }",
    json!({"by": "given", "at": "x"}), &[("n", "x")], json!([row("A", 1)])
)]
#[case::link(
    BY_LINK, json!({"by": "link", "url": "https://src.example/p?2"}),
    &[("link", "<HTTPS://src.example/p?2>; rel=next")], json!([row("A", 1)])
)]
#[case::keyset(
    BY_KEYSET, json!({"by": "keyset", "time": "t1", "id": "A"}),
    &[], json!({"items": [row("A", 1)], "more": true})
)]
#[tokio::test]
async fn a_next_page_that_is_this_page_is_an_error(
    #[case] list: &str,
    #[case] cursor: Value,
    #[case] headers: &[(&str, &str)],
    #[case] body: Value,
) {
    let mut calls = Script::new(&[]).answer_with(200, headers, body);
    let request = PageRequest {
        since_us: None,
        cursor: Some(cursor),
    };
    let error = source(list, "")
        .page(&mut calls, &request)
        .await
        .unwrap_err();
    assert!(unusable(&error).contains("never end"), "{error}");
}

#[tokio::test]
async fn a_cursor_of_another_way_of_paging_starts_the_listing_anew() {
    let mut calls = Script::new(&[]).answer(200, json!({"items": [], "more": false}));
    let request = PageRequest {
        since_us: None,
        cursor: Some(json!({"by": "offset", "at": 400})),
    };
    source(BY_KEYSET, "")
        .page(&mut calls, &request)
        .await
        .unwrap();
    assert_eq!(calls.sent(), [format!("GET {LIST}")]);
}

#[rstest]
#[case::whole_seconds(1_700_000_000_000_000, "2023-11-14T22:13:20Z")]
#[case::micros(1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z")]
#[case::half(1_700_000_000_500_000, "2023-11-14T22:13:20.500000Z")]
#[case::epoch(0, "1970-01-01T00:00:00Z")]
fn the_watermark_is_written_as_rfc_3339(#[case] us: u64, #[case] text: &str) {
    assert_eq!(rfc3339(us).unwrap(), text);
}

#[rstest]
#[case::body("", 200, json!({"id": "A/1", "version": 1}), true)]
#[case::pointer("row = \"/item\"", 200, json!({"item": {"id": "A/1"}}), true)]
#[case::first_of_a_list("row = \"/items/0\"", 200, json!({"items": [{"id": "A/1"}]}), true)]
#[case::not_found("", 404, json!({"error": "no"}), false)]
#[case::gone("", 410, json!(null), false)]
#[case::empty_list("row = \"/items/0\"", 200, json!({"items": []}), false)]
#[case::null("row = \"/item\"", 200, json!({"item": null}), false)]
#[tokio::test]
async fn one_record_is_read_by_its_key(
    #[case] one: &str,
    #[case] status: u16,
    #[case] body: Value,
    #[case] found: bool,
) {
    let mut calls = Script::new(&[]).answer(status, body);
    let key = RecordKey::try_new("A/1").unwrap();
    let row = source("", one).fetch(&mut calls, &key).await.unwrap();
    assert_eq!(row.is_some(), found);
    assert_eq!(calls.sent(), [format!("GET {LIST}/A%2F1")]);
}

#[rstest]
#[case::no_body("", json!(null))]
#[case::another_shape("row = \"/item\"", json!({"thing": {"id": "A"}}))]
#[case::no_list("row = \"/items/0\"", json!({"data": []}))]
#[case::another_record("", json!({"id": "B"}))]
#[tokio::test]
async fn an_answer_without_the_record_is_no_deletion(#[case] one: &str, #[case] body: Value) {
    let mut calls = Script::new(&[]).answer(200, body);
    let key = RecordKey::try_new("A").unwrap();
    let error = source("", one).fetch(&mut calls, &key).await.unwrap_err();
    unusable(&error);
}

#[tokio::test]
async fn a_request_names_its_secret_and_does_not_hold_it() {
    let mut calls = Script::new(&[]).answer(200, json!([]));
    source("", "").page(&mut calls, &first()).await.unwrap();
    let header = &calls.requests[0].headers[0];
    assert_eq!(header.name, "Authorization");
    assert_eq!(header.value.to_string(), "Bearer <TOKEN>");
}
