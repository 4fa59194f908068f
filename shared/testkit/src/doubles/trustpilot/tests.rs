//! Trustpilot, sent raw over HTTP. The refusals have their own table.

use serde_json::{Value, json};

use super::{BUSINESS_UNIT, TrustpilotConfig, TrustpilotDouble, login};
use crate::doubles::{
    Quota,
    tests::{NOON_MS, StandingClock, client},
};

/// The double, its clock and a token that it takes.
pub(super) struct World {
    pub(super) double: TrustpilotDouble,
    pub(super) clock: StandingClock,
    pub(super) tokens: crate::doubles::authority::Tokens,
    pub(super) token: String,
}

pub(super) async fn world(quota: Quota) -> World {
    let clock = StandingClock::new(NOON_MS);
    let tokens = login(clock.clock(), "key", "secret").tokens();
    let config = TrustpilotConfig::new(clock.clock(), tokens.clone()).reviews(7, 40);
    World {
        double: TrustpilotDouble::start(config.quota(quota)).await.unwrap(),
        clock,
        token: tokens.give("", 3_600),
        tokens,
    }
}

impl World {
    /// Sends a request as it is, with this token where it is not empty.
    pub(super) async fn raw(&self, (method, path): (&str, &str), token: &str) -> (u16, Value) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.double.url())
        };
        let mut request = client().request(method.parse().unwrap(), url);
        if !token.is_empty() {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn list(&self, query: &str) -> Value {
        let path = format!("/v1/private/business-units/{BUSINESS_UNIT}/reviews{query}");
        let (status, page) = self.raw(("GET", &path), &self.token).await;
        assert_eq!(status, 200, "{query}: {page}");
        page
    }

    async fn control(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/_double/{path}", self.double.url());
        let request = client()
            .post(url)
            .header("Content-Type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap())
    }
}

fn rows(page: &Value) -> &Vec<Value> {
    page["reviews"].as_array().unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    let rows = rows(page).iter();
    rows.map(|row| row["id"].as_str().unwrap()).collect()
}

fn id(number: u64) -> String {
    TrustpilotDouble::id_of(number)
}

#[tokio::test]
async fn pages_are_numbered_and_one_behind_the_last_is_empty() {
    let world = world(Quota::CountOnly).await;
    let (one, three) = (
        world.list("?orderBy=createdat.asc&perPage=15&page=1").await,
        world.list("?orderBy=createdat.asc&perPage=15&page=3").await,
    );
    assert_eq!((ids(&one)[0], ids(&one)[14]), (&*id(1), &*id(15)));
    assert_eq!((ids(&three)[0], ids(&three).len()), (&*id(31), 10));
    assert_eq!(three["links"], json!([]));
    let four = world.list("?orderBy=createdat.asc&perPage=15&page=4").await;
    assert_eq!(ids(&four), [""; 0]);
    let usual = world.list("").await;
    assert_eq!((ids(&usual)[0], ids(&usual).len()), (&*id(40), 20));
}

#[tokio::test]
async fn the_link_of_a_page_leads_to_the_next_with_the_same_query() {
    let world = world(Quota::CountOnly).await;
    let one = world.list("?page=1&orderBy=createdat.asc&perPage=15").await;
    let link = &one["links"][0];
    assert_eq!(link["rel"], "next-page");
    let href = link["href"].as_str().unwrap();
    assert!(
        href.ends_with("?orderBy=createdat.asc&perPage=15&page=2"),
        "{href}"
    );
    let (status, two) = world.raw(("GET", href), &world.token).await;
    assert_eq!((status, ids(&two)[0]), (200, &*id(16)));
}

#[tokio::test]
async fn the_two_times_bound_the_creation_in_utc_both_ends_included() {
    let world = world(Quota::CountOnly).await;
    let one = world.double.review(&id(21)).unwrap();
    let at = one["createdAt"].as_str().unwrap();
    let local = at.strip_suffix(".000Z").unwrap();
    for from in [at, local, &format!("{local}Z"), &local.replace('T', "%20")] {
        let page = world
            .list(&format!("?orderBy=createdat.asc&startDateTime={from}"))
            .await;
        assert_eq!((ids(&page)[0], ids(&page).len()), (&*id(21), 20), "{from}");
        let page = world.list(&format!("?endDateTime={from}")).await;
        assert_eq!((ids(&page)[0], ids(&page).len()), (&*id(21), 20), "{from}");
    }
    let day = world
        .list(&format!(
            "?orderBy=createdat.asc&startDateTime={}",
            &local[..10]
        ))
        .await;
    assert!(ids(&day).len() <= 21 && ids(&day).contains(&&*id(21)));
    let edited = world.double.change(&id(2), |review| {
        review.insert("text".to_owned(), json!("another"));
    });
    assert!(edited.unwrap()["updatedAt"].is_string());
    let page = world
        .list(&format!("?startDateTime={at}&perPage=100"))
        .await;
    assert!(!ids(&page).contains(&&*id(2)), "an edit moves no creation");
}

#[tokio::test]
async fn stars_and_languages_may_be_named_several_times() {
    let world = world(Quota::CountOnly).await;
    let all = world.list("?perPage=100").await;
    let poor = world.list("?perPage=100&stars=1&stars=2,3").await;
    let dutch = world.list("?perPage=100&language=nl&language=de").await;
    let is_poor = |row: &&Value| row["stars"].as_u64().unwrap() <= 3;
    let is_foreign = |row: &&Value| row["language"] != "en";
    assert_eq!(rows(&all).iter().filter(is_poor).count(), rows(&poor).len());
    assert_eq!(
        rows(&all).iter().filter(is_foreign).count(),
        rows(&dutch).len()
    );
    assert!(!rows(&poor).is_empty() && rows(&poor).iter().all(|row| is_poor(&row)));
    world.double.change(&id(1), |review| {
        review.insert("language".to_owned(), json!("fi"));
    });
    assert_eq!(ids(&world.list("?language=fi").await), [&*id(1)]);
}

#[tokio::test]
async fn a_review_is_shown_by_its_id_until_it_is_removed() {
    let world = world(Quota::CountOnly).await;
    let path = format!("/v1/private/reviews/{}", id(5));
    let (status, review) = world.raw(("GET", &path), &world.token).await;
    assert_eq!((status, Some(review)), (200, world.double.review(&id(5))));
    assert_eq!(world.double.calls()[0].key, Some(id(5)));
    assert!(world.double.delete(&id(5)) && !world.double.delete(&id(5)));
    assert_eq!(world.raw(("GET", &path), &world.token).await.0, 404);
    assert!(!ids(&world.list("?perPage=100").await).contains(&&*id(5)));
}

#[tokio::test]
async fn a_reply_has_times_of_its_own_and_moves_not_those_of_the_review() {
    let world = world(Quota::CountOnly).await;
    world.clock.set(NOON_MS + 1_000);
    let added = world.double.add(|_| {});
    assert_eq!(
        (&added["id"], &added["updatedAt"]),
        (&json!(id(41)), &Value::Null)
    );
    let reply = async |text: &str| {
        let set = json!({ "companyReply": { "text": text } });
        let body = json!({ "id": id(41), "set": set });
        world.control("change", body).await.1
    };
    world.clock.set(NOON_MS + 2_000);
    let replied = reply("Thank you").await;
    assert_eq!(replied["updatedAt"], Value::Null);
    assert_eq!(
        replied["companyReply"]["createdAt"],
        "2026-09-21T14:13:22.000Z"
    );
    assert_eq!(replied["companyReply"]["updatedAt"], Value::Null);
    world.clock.set(NOON_MS + 3_000);
    let again = reply("Thank you!").await;
    assert_eq!(
        again["companyReply"]["createdAt"],
        "2026-09-21T14:13:22.000Z"
    );
    assert_eq!(
        again["companyReply"]["updatedAt"],
        "2026-09-21T14:13:23.000Z"
    );
    world.clock.set(NOON_MS + 4_000);
    let edit = json!({ "id": id(41), "set": { "stars": 1 } });
    let (_, edited) = world.control("change", edit).await;
    assert_eq!(edited["updatedAt"], "2026-09-21T14:13:24.000Z");
    assert_eq!(edited["createdAt"], added["createdAt"]);
    assert_eq!(edited["companyReply"], again["companyReply"]);
    let after = reply("Sorry").await;
    assert_eq!(
        after["updatedAt"], edited["updatedAt"],
        "it stays as it was"
    );
}

#[tokio::test]
async fn reviews_are_inserted_and_deleted_over_http() {
    let world = world(Quota::CountOnly).await;
    let (status, new) = world
        .control("insert", json!({ "set": { "title": "New" } }))
        .await;
    assert_eq!(
        (status, &new["title"], &new["id"]),
        (200, &json!("New"), &json!(id(41)))
    );
    let gone = json!({ "id": id(41) });
    assert_eq!(world.control("delete", gone.clone()).await, (200, new));
    assert_eq!(world.control("delete", gone).await.0, 404);
    assert!(world.double.calls().is_empty());
}

#[tokio::test]
async fn reviews_are_the_same_for_the_same_seed_and_differ_in_what_they_say() {
    let (one, two) = (world(Quota::Kept).await, world(Quota::Kept).await);
    let page = one.list("?perPage=100").await;
    assert_eq!(page, two.list("?perPage=100").await);
    for row in rows(&page) {
        assert!((1..=5).contains(&row["stars"].as_u64().unwrap()), "{row}");
        let poor = row["stars"].as_u64().unwrap() <= 3;
        assert_eq!(row["companyReply"].is_object(), poor, "{row}");
        assert!(row["experiencedAt"].as_str() < row["createdAt"].as_str());
    }
    let languages = rows(&page)
        .iter()
        .map(|row| row["language"].as_str().unwrap());
    let languages: std::collections::BTreeSet<_> = languages.collect();
    assert_eq!(languages.len(), 3);
}

#[tokio::test]
async fn five_minutes_have_833_calls_and_refused_ones_cost_nothing() {
    let world = world(Quota::Kept).await;
    let path = format!("/v1/private/reviews/{}", id(1));
    for _ in 0..833 {
        assert_eq!(world.raw(("GET", &path), &world.token).await.0, 200);
    }
    assert_eq!(world.raw(("GET", &path), "other").await.0, 401);
    let (status, body) = world.raw(("GET", &path), &world.token).await;
    assert_eq!(
        (status, body),
        (429, json!({ "message": "Too many requests" }))
    );
    world.clock.set(NOON_MS + 299_999);
    assert_eq!(world.raw(("GET", &path), &world.token).await.0, 429);
    world.clock.set(NOON_MS + 300_000);
    assert_eq!(world.raw(("GET", &path), &world.token).await.0, 200);
    assert_eq!(world.double.calls().len(), 837);
}

#[tokio::test]
async fn what_lies_beyond_a_hundred_thousand_reviews_of_a_query_is_not_told() {
    let clock = StandingClock::new(NOON_MS);
    let tokens = login(clock.clock(), "key", "secret").tokens();
    let config = TrustpilotConfig::new(clock.clock(), tokens.clone()).reviews(7, 100_050);
    let double = TrustpilotDouble::start(config).await.unwrap();
    let token = tokens.give("", 3_600);
    let world = World {
        double,
        clock,
        tokens,
        token,
    };
    let last = world
        .list("?orderBy=createdat.asc&perPage=100&page=1000")
        .await;
    assert_eq!((ids(&last).len(), ids(&last)[99]), (100, &*id(100_000)));
    let beyond = world
        .list("?orderBy=createdat.asc&perPage=100&page=1001")
        .await;
    assert_eq!(beyond, json!({ "links": [], "reviews": [] }));
    let since = last["reviews"][99]["createdAt"].as_str().unwrap();
    let rest = format!("?orderBy=createdat.asc&perPage=100&startDateTime={since}");
    assert!((51..=54).contains(&ids(&world.list(&rest).await).len()));
}
