//! Webwinkelkeur, sent raw over HTTP. The refusals have their own table.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{WebwinkelkeurConfig, WebwinkelkeurDouble, unexpected};
use crate::doubles::{
    Quota,
    tests::{NOON_MS, StandingClock, client},
};

pub(super) const ID: &str = "id=1001&code=shop-code";
const PUBLIC: &str = "id=1001&public_code=page-code";

pub(super) fn config(clock: &StandingClock) -> WebwinkelkeurConfig {
    WebwinkelkeurConfig::new(clock.clock(), "shop-code", "page-code").ratings(7, 40)
}

async fn source() -> (WebwinkelkeurDouble, StandingClock) {
    let clock = StandingClock::new(NOON_MS);
    let config = config(&clock).quota(Quota::CountOnly);
    (WebwinkelkeurDouble::start(config).await.unwrap(), clock)
}

/// Sends a request as it is.
pub(super) async fn raw(
    source: &WebwinkelkeurDouble,
    (method, path): (&str, &str),
) -> (u16, Value) {
    let url = format!("{}{path}", source.url());
    let request = client().request(method.parse().unwrap(), url);
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap())
}

async fn list(source: &WebwinkelkeurDouble, query: &str) -> Value {
    let path = format!("/api/1.0/ratings.json?{query}");
    let (status, page) = raw(source, ("GET", &path)).await;
    assert_eq!(
        (status, &page["status"]),
        (200, &json!("success")),
        "{page}"
    );
    page
}

fn rows(page: &Value) -> &Vec<Value> {
    page["ratings"].as_array().unwrap()
}

/// Every row of the listing, part by part.
async fn all(source: &WebwinkelkeurDouble) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let query = format!("{ID}&limit=100&offset={}", seen.len());
        let page = list(source, &query).await;
        if rows(&page).is_empty() {
            return seen;
        }
        assert!(seen.len() < 2_000, "the listing does not end");
        seen.extend(rows(&page).iter().cloned());
    }
}

/// What tells a rating from another one, as far as the source lets one tell.
fn told(row: &Value) -> (String, String, String) {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("name"), text("created"), text("comment"))
}

#[tokio::test]
async fn the_newest_come_first_and_parts_are_named_by_offset_and_limit() {
    let (source, _) = source().await;
    let page = list(&source, ID).await;
    assert_eq!((rows(&page).len(), &page["total"]), (10, &json!(40)));
    let page = list(&source, &format!("{ID}&limit=100")).await;
    let created = rows(&page)
        .iter()
        .map(|row| row["created"].as_str().unwrap());
    assert!(created.rev().is_sorted(), "{page}");
    let part = list(&source, &format!("{ID}&offset=35&limit=3")).await;
    assert_eq!(rows(&part)[..], rows(&page)[35..38]);
    let end = list(&source, &format!("{ID}&offset=40")).await;
    assert_eq!((rows(&end).len(), &end["total"]), (0, &json!(40)));
}

#[tokio::test]
async fn a_rating_has_no_id_and_a_local_time_without_an_offset() {
    let (source, clock) = source().await;
    // Noon of the tests is 16:13:20 in Amsterdam's summer, three months later 15:13:20.
    for (later_days, created) in [(0, "2026-09-21 16:13:20"), (91, "2026-12-21 15:13:20")] {
        clock.set(NOON_MS + later_days * 24 * 3_600_000);
        source.add(|_| {});
        let page = list(&source, &format!("{ID}&limit=1")).await;
        let row = &rows(&page)[0];
        assert_eq!(
            (&row["created"], &row["date"]),
            (&json!(created), &json!(created[..10]))
        );
        let names: BTreeSet<&str> = row
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert!(
            !names.contains("id") && !names.contains("number"),
            "{names:?}"
        );
        assert_eq!(names.len(), 13);
    }
}

#[tokio::test]
async fn an_edit_is_seen_at_its_old_place_and_only_by_its_text() {
    let (source, clock) = source().await;
    let before = all(&source).await;
    clock.set(NOON_MS + 60_000);
    let edited = source.change(20, |rating| {
        rating.insert("comment".to_owned(), json!("On second thoughts: good."));
    });
    let edited = edited.unwrap();
    let after = all(&source).await;
    let differ = |at: &usize| before[*at] != after[*at];
    let changed: Vec<usize> = (0..40).filter(differ).collect();
    let [at] = changed[..] else {
        panic!("{changed:?}")
    };
    assert_eq!(after[at]["comment"], edited["comment"]);
    assert_eq!(after[at]["created"], before[at]["created"]);
}

#[tokio::test]
async fn a_rating_may_be_listed_twice_with_nothing_to_tell_them_apart() {
    let (source, clock) = source().await;
    clock.set(NOON_MS + 60_000);
    assert_eq!(source.repeat(30).unwrap()["number"], 41);
    assert_eq!(source.repeat(99), None);
    let rows = all(&source).await;
    let distinct: BTreeSet<_> = rows.iter().map(told).collect();
    assert_eq!((rows.len(), distinct.len()), (41, 40));
    let twin = |row: &&Value| told(row) == told(&source.rating(30).unwrap());
    let twins: Vec<&Value> = rows.iter().filter(twin).collect();
    assert_eq!((twins.len(), twins[0]), (2, twins[1]));
    assert!(source.delete(30) && !source.delete(30));
    assert_eq!(all(&source).await.len(), 40);
}

#[tokio::test]
async fn every_hundredth_of_those_made_is_the_one_before_it() {
    let clock = StandingClock::new(NOON_MS);
    let config = config(&clock).ratings(7, 1_000).quota(Quota::CountOnly);
    let source = WebwinkelkeurDouble::start(config).await.unwrap();
    let rows = all(&source).await;
    let distinct: BTreeSet<_> = rows.iter().map(told).collect();
    assert_eq!((rows.len(), distinct.len()), (1_000, 990));
    // The newest is one of them.
    assert_eq!(rows[0], rows[1]);
    assert!(rows.iter().any(|row| row["comment"].is_null()));
    assert!(rows.iter().any(|row| row["reaction"] != ""));
}

#[tokio::test]
async fn the_code_of_web_pages_reads_no_addresses() {
    let (source, _) = source().await;
    let (own, public) = (list(&source, ID).await, list(&source, PUBLIC).await);
    for (own, public) in rows(&own).iter().zip(rows(&public)) {
        let mut expected = own.as_object().unwrap().clone();
        assert!(expected.remove("email").unwrap().is_string());
        assert_eq!(public, &Value::Object(expected));
    }
}

#[tokio::test]
async fn a_language_is_listed_alone_with_its_own_total() {
    let (source, _) = source().await;
    source.change(3, |rating| {
        rating.insert("language".to_owned(), json!("fi"));
    });
    let mut sum = 0;
    for language in ["nl", "de", "en", "fi"] {
        let page = list(&source, &format!("{ID}&limit=100&language={language}")).await;
        assert!(
            rows(&page).iter().all(|row| row["language"] == language),
            "{page}"
        );
        assert_eq!(page["total"], rows(&page).len());
        assert!(!rows(&page).is_empty(), "{language}");
        sum += rows(&page).len();
    }
    assert_eq!(sum, 40);
}

#[tokio::test]
async fn ratings_are_inserted_changed_and_deleted_over_http_by_their_number() {
    let (source, clock) = source().await;
    let send = async |path: &str, body: Value| {
        let url = format!("{}/_double/{path}", source.url());
        let request = client()
            .post(url)
            .header("Content-Type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    clock.set(NOON_MS + 60_000);
    let row = rows(&list(&source, &format!("{ID}&offset=12&limit=1")).await)[0].clone();
    let (status, again) = send("insert", json!({ "set": row })).await;
    assert_eq!((status, &again["number"]), (200, &json!(41)));
    let page = list(&source, &format!("{ID}&offset=12&limit=2")).await;
    assert_eq!((&rows(&page)[0], &rows(&page)[1]), (&row, &row));
    let set = json!({ "created": "2026-09-01 08:00:00", "number": 7 });
    let (_, moved) = send("change", json!({ "id": 41, "set": set })).await;
    assert_eq!(
        (&moved["date"], &moved["number"]),
        (&json!("2026-09-01"), &json!(41))
    );
    assert_eq!(send("delete", json!({ "id": 41 })).await, (200, moved));
    assert_eq!(send("delete", json!({ "id": 41 })).await.0, 404);
    assert_eq!(all(&source).await.len(), 40);
}

#[tokio::test]
async fn the_shops_own_failure_is_told_with_status_200_too() {
    let (source, _) = source().await;
    source.set_fault(unexpected().times(1)).unwrap();
    let path = format!("/api/1.0/ratings.json?{ID}");
    let (status, body) = raw(&source, ("GET", &path)).await;
    assert_eq!((status, &body["status"]), (200, &json!("error")));
    list(&source, ID).await;
}

#[tokio::test]
async fn a_minute_has_sixty_calls() {
    let clock = StandingClock::new(NOON_MS);
    let source = WebwinkelkeurDouble::start(config(&clock)).await.unwrap();
    for _ in 0..60 {
        list(&source, ID).await;
    }
    let path = format!("/api/1.0/ratings.json?{ID}");
    let (status, body) = raw(&source, ("GET", &path)).await;
    assert_eq!((status, &body["status"]), (429, &json!("error")));
    clock.set(NOON_MS + 60_000);
    list(&source, ID).await;
    assert_eq!(source.calls().len(), 62);
}
