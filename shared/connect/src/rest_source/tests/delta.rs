//! Pages by links in the body, the last of which tells what changes later.

use super::*;
use crate::script::flow_by_reads;

const FIRST: &str = "https://src.example/api/things?select=name";

fn delta() -> RestSource {
    listing("name")
}

fn listing(select: &str) -> RestSource {
    let source = format!(
        r#"
[source]
type = "rest"
name = "src"
base_url = "https://src.example/api"
limit = {{ calls = 60, per_s = 60 }}
headers = {{ Prefer = "odata.track-changes" }}
[source.list]
path = "/things"
rows = "/value"
query = {{ select = "{select}" }}
pages = {{ by = "delta", next = "/@odata.nextLink", delta = "/@odata.deltaLink" }}
"#
    );
    let flow = flow_by_reads(&source, TARGET);
    let source = flow.source().unwrap().clone();
    RestSource::new(flow, source)
}

fn page(ids: &[&str], link: (&str, &str)) -> Value {
    let rows: Vec<Value> = ids.iter().map(|id| row(id, 1)).collect();
    json!({"value": rows, link.0: link.1})
}

fn next(address: &str) -> (&str, &str) {
    ("@odata.nextLink", address)
}

fn later(address: &str) -> (&str, &str) {
    ("@odata.deltaLink", address)
}

fn at(cursor: Option<Value>) -> PageRequest {
    PageRequest {
        since_us: Some(1),
        cursor,
    }
}

/// What a complete run keeps.
async fn kept(source: &RestSource) -> Value {
    let link = later("https://src.example/api/things?token=7");
    let mut calls = Script::new(&[]).answer(200, page(&["A"], link));
    let page = source.page(&mut calls, &first()).await.unwrap();
    page.from.unwrap()
}

#[tokio::test]
async fn pages_go_on_by_their_links_and_the_last_tells_where_later_changes_begin() {
    let source = delta();
    let mut calls = Script::new(&[])
        .answer(200, page(&["A", "B"], next("?skip=2")))
        .answer(200, page(&["C"], later("/api/things?token=7")))
        .answer(200, page(&[], later("/api/things?token=7")));
    let one = source.page(&mut calls, &first()).await.unwrap();
    assert_eq!((one.from, one.rows.len()), (None, 2));
    let two = source.page(&mut calls, &at(one.next)).await.unwrap();
    assert_eq!(two.next, None);
    assert!(two.from.is_some());
    let three = source
        .page(&mut calls, &at(two.from.clone()))
        .await
        .unwrap();
    assert_eq!(
        three.from, two.from,
        "nothing has changed, which is no loop"
    );
    assert_eq!((three.next, three.anew), (None, None));
    let tail = ["?select=name", "?skip=2", "?token=7"];
    assert_eq!(
        calls.sent(),
        tail.map(|tail| format!("GET https://src.example/api/things{tail}"))
    );
    for request in &calls.requests {
        assert_eq!(request.headers[0].name, "Prefer");
    }
}

#[rstest]
#[case::gone(410)]
#[case::not_found(404)]
#[tokio::test]
async fn a_link_that_is_gone_begins_the_listing_anew_and_says_so(#[case] status: u16) {
    let source = delta();
    let link = kept(&source).await;
    let mut calls = Script::new(&[])
        .answer(
            status,
            json!({"error": {"code": "0x1", "message": "expired"}}),
        )
        .answer(200, page(&["A", "B"], next("?skip=2")));
    let page = source.page(&mut calls, &at(Some(link))).await.unwrap();
    assert_eq!(page.rows.len(), 2);
    assert_eq!(page.anew, Some(format!("its link is gone ({status})")));
    assert_eq!(calls.sent()[1], format!("GET {FIRST}"));
}

#[tokio::test]
async fn an_error_that_is_named_missing_begins_anew_too() {
    let row =
        json!({"status": 400, "code_at": "/error/code", "code": "expired", "action": "missing"});
    let row = serde_json::from_value(row);
    let source = delta();
    let link = kept(&source).await;
    let mut calls = Script::new(&[row.unwrap()])
        .answer(400, json!({"error": {"code": "expired"}}))
        .answer(200, page(&["A"], later("?token=8")));
    let page = source.page(&mut calls, &at(Some(link))).await.unwrap();
    assert!(page.anew.is_some() && page.from.is_some());
}

#[tokio::test]
async fn a_first_address_that_is_gone_is_an_error_and_not_asked_for_again() {
    let source = delta();
    let link = kept(&source).await;
    for cursor in [None, Some(link)] {
        let mut calls = Script::new(&[]);
        for _ in 0..=usize::from(cursor.is_some()) {
            calls = calls.answer(410, json!(null));
        }
        let error = source.page(&mut calls, &at(cursor)).await.unwrap_err();
        assert_eq!(unusable(&error), "the listing answered 410");
    }
}

#[tokio::test]
async fn a_link_of_another_listing_is_not_followed() {
    let link = kept(&listing("name")).await;
    let mut calls = Script::new(&[]).answer(200, page(&["A"], later("?token=8")));
    let source = listing("name%2Cphone");
    let page = source.page(&mut calls, &at(Some(link))).await.unwrap();
    let told = "the flow asks otherwise than when it was given its link";
    assert_eq!(page.anew.as_deref(), Some(told));
    assert_eq!(calls.requests.len(), 1);
    assert!(calls.sent()[0].contains("select=name%252Cphone"));
}

#[rstest]
#[case::a_next_page(next("https://evil.example/api/things?skip=2"))]
#[case::later_changes(later("https://evil.example/api/things?token=7"))]
#[case::another_scheme(later("http://src.example/api/things?token=7"))]
#[tokio::test]
async fn a_link_in_the_body_that_leaves_the_origin_stops_the_flow(#[case] link: (&str, &str)) {
    let mut calls = Script::new(&[]).answer(200, page(&["A"], link));
    let error = delta().page(&mut calls, &first()).await.unwrap_err();
    let CallError::Blocked { reason } = &error else {
        panic!("{error:?}");
    };
    assert!(reason.contains("leaves the origin"), "{reason}");
    assert!(!reason.contains("token"), "{reason}");
}

#[rstest]
#[case::no_link(json!({"value": []}), "neither the link of a next page")]
#[case::null(json!({"value": [], "@odata.deltaLink": null}), "neither the link of a next page")]
#[case::no_text(json!({"value": [], "@odata.nextLink": 7}), "is no text")]
#[case::too_long(
    json!({"value": [], "@odata.deltaLink": format!("?token={}", "t".repeat(4_096))}),
    "has 4103 bytes, at most 4096 are kept"
)]
#[case::no_rows(json!({"@odata.deltaLink": "?token=7"}), "no rows")]
#[tokio::test]
async fn a_page_whose_links_can_not_be_followed_is_no_end(#[case] body: Value, #[case] why: &str) {
    let mut calls = Script::new(&[]).answer(200, body);
    let error = delta().page(&mut calls, &first()).await.unwrap_err();
    assert!(unusable(&error).contains(why), "{error}");
}

#[tokio::test]
async fn a_next_page_that_is_this_page_would_never_end() {
    let source = delta();
    let link = kept(&source).await;
    let mut calls = Script::new(&[]).answer(200, page(&["A"], next("?token=7")));
    let error = source.page(&mut calls, &at(Some(link))).await.unwrap_err();
    assert!(unusable(&error).contains("never end"), "{error}");
}
