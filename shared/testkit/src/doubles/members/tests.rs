use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Lie, MembersDouble};
use crate::doubles::Incoming;

fn double(count: usize) -> MembersDouble {
    let double = MembersDouble::unserved_of(Arc::new(|| 0), "t");
    for n in 0..count {
        double.put_standing(Some(&format!("K{n}")), serde_json::Map::new());
    }
    double
}

async fn ask(double: &MembersDouble, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer t"));
    let call = Incoming {
        method: method.to_owned(),
        uri: path.parse().unwrap(),
        headers,
        body: Bytes::from(body.to_owned()),
    };
    let reply = double.call(call).await.unwrap();
    (
        reply.status,
        serde_json::from_slice(&reply.body).unwrap_or_default(),
    )
}

/// Keys page by page, at most nine pages.
async fn listed(double: &MembersDouble) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    while pages.len() < 9 {
        let (status, page) = ask(double, "GET", &format!("/v1/members?limit=2{cursor}"), "").await;
        assert_eq!(status, 200, "{page}");
        let rows = page["members"].as_array().unwrap().iter();
        pages.push(
            rows.map(|row| row["ref"].as_str().unwrap().to_owned())
                .collect(),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    pages
}

#[tokio::test]
async fn a_put_creates_once_and_replaces_then() {
    let double = double(0);
    let (status, made) = ask(&double, "PUT", "/v1/members/K%201", r#"{"name":"a","x":1}"#).await;
    assert_eq!((status, &made["ref"]), (201, &json!("K 1")));
    let (status, again) = ask(&double, "PUT", "/v1/members/K%201", r#"{"name":"b"}"#).await;
    assert_eq!(
        (status, again),
        (200, json!({"name": "b", "id": "m-1", "ref": "K 1"}))
    );
    assert_eq!(ask(&double, "DELETE", "/v1/members/K%201", "").await.0, 204);
    assert_eq!(ask(&double, "DELETE", "/v1/members/K%201", "").await.0, 404);
    assert!(double.members().is_empty());
}

#[rstest]
#[case::honest(None, &["K0 K1", "K2 K3", "K4"], None)]
#[case::repeats(Some(Lie::Repeats), &["K0 K1", "K1 K2 K3", "K3 K4"], None)]
#[case::reorders(Some(Lie::Reorders), &["K4", "K3 K2", "K1 K0"], None)]
#[case::circle(Some(Lie::Circle), &["K0 K1", "K2 K3", "K4", "K0 K1"], Some(9))]
#[case::same_page(Some(Lie::SamePage), &["K0 K1", "K0 K1"], Some(9))]
#[case::to_itself(Some(Lie::ToItself), &["K0 K1", "K0 K1"], Some(9))]
#[case::empty(Some(Lie::Empty), &[""], None)]
#[tokio::test]
async fn a_listing_comes_in_pages_and_lies_as_it_is_told(
    #[case] lie: Option<Lie>,
    #[case] first: &[&str],
    #[case] pages: Option<usize>,
) {
    let double = double(5);
    double.lie(lie);
    let found = listed(&double).await;
    assert_eq!(found.len(), pages.unwrap_or(first.len()));
    let found: Vec<String> = found.iter().map(|page| page.join(" ")).collect();
    assert_eq!(&found[..first.len()], first);
}

#[rstest]
#[case::limit("/v1/members?limit=0", 400)]
#[case::large("/v1/members?limit=201", 400)]
#[case::no_number("/v1/members?limit=x", 400)]
#[case::no_cursor_of_ours("/v1/members?cursor=7", 400)]
#[case::not_known("/v1/members?page=2", 400)]
#[case::offset_elsewhere("/v1/members?offset=2", 400)]
#[case::offset("/v1/members/by-offset?offset=-1", 400)]
#[case::one("/v1/members/K1", 405)]
#[case::path("/v2/members", 404)]
#[tokio::test]
async fn what_the_service_does_not_know_is_refused(#[case] path: &str, #[case] status: u16) {
    assert_eq!(ask(&double(5), "GET", path, "").await.0, status);
}

#[tokio::test]
async fn a_body_that_is_no_table_and_a_caller_without_its_token_are_refused() {
    let double = double(1);
    assert_eq!(ask(&double, "PUT", "/v1/members/K0", "[]").await.0, 422);
    let call = Incoming {
        method: "GET".to_owned(),
        uri: "/v1/members".parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    assert_eq!(double.call(call).await.unwrap().status, 401);
}

#[tokio::test]
async fn an_offset_beyond_the_end_gives_an_empty_list() {
    let double = double(3);
    let (_, page) = ask(&double, "GET", "/v1/members/by-offset?offset=2&limit=2", "").await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    let (_, page) = ask(&double, "GET", "/v1/members/by-offset?offset=3&limit=2", "").await;
    assert_eq!(page, json!([]));
}
