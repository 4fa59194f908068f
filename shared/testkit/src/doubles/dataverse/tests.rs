//! Dataverse, sent raw over HTTP. The refusals have their own table.

use serde_json::{Value, json};

use super::{DataverseConfig, DataverseDouble, login};
use crate::doubles::{
    Quota,
    authority::Tokens,
    tests::{NOON_MS, StandingClock, client},
};

pub(super) const LIST: &str = "/api/data/v9.2/accounts";
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// The double, its clock and a token that it takes.
pub(super) struct World {
    pub(super) double: DataverseDouble,
    pub(super) clock: StandingClock,
    pub(super) tokens: Tokens,
    pub(super) token: String,
}

pub(super) async fn world(quota: Quota) -> World {
    let clock = StandingClock::new(NOON_MS);
    let tokens = login(clock.clock(), "app", "secret", "scope").tokens();
    let config = DataverseConfig::new(clock.clock(), tokens.clone()).accounts(7, 40);
    World {
        double: DataverseDouble::start(config.quota(quota)).await.unwrap(),
        clock,
        token: tokens.give("", 30 * 24 * 3_600),
        tokens,
    }
}

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) body: Value,
}

impl World {
    /// Sends a request as it is, with this token and this preference where they are not empty.
    pub(super) async fn raw(
        &self,
        (method, path): (&str, &str),
        prefer: &str,
        token: &str,
    ) -> Answered {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.double.url())
        };
        let mut request = client().request(method.parse().unwrap(), url);
        if !token.is_empty() {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if !prefer.is_empty() {
            request = request.header("Prefer", prefer);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        Answered {
            status,
            retry_after,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    }

    async fn list(&self, path: &str, size: usize) -> Value {
        let prefer = format!("odata.track-changes,odata.maxpagesize={size}");
        let answered = self.raw(("GET", path), &prefer, &self.token).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.body);
        answered.body
    }

    /// A listing to its end: its rows, and the link to what changes later.
    async fn whole(&self, path: &str, size: usize) -> (Vec<Value>, String) {
        let (mut rows, mut path) = (Vec::new(), path.to_owned());
        loop {
            let page = self.list(&path, size).await;
            assert!(page["value"].as_array().unwrap().len() <= size);
            rows.extend(page["value"].as_array().unwrap().iter().cloned());
            match (&page["@odata.nextLink"], &page["@odata.deltaLink"]) {
                (Value::String(next), Value::Null) => path.clone_from(next),
                (Value::Null, Value::String(delta)) => return (rows, delta.clone()),
                _ => panic!("{page}"),
            }
        }
    }

    fn rename(&self, number: u64, name: &str) {
        let set = |account: &mut serde_json::Map<String, Value>| {
            account.insert("name".to_owned(), json!(name));
        };
        self.double.change(&id(number), set).unwrap();
    }
}

pub(super) fn id(number: u64) -> String {
    DataverseDouble::id_of(number)
}

fn ids<'a>(rows: &'a [Value]) -> Vec<&'a str> {
    let id = |row: &'a Value| row.get("accountid").or_else(|| row.get("id"));
    rows.iter()
        .map(|row| id(row).unwrap().as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn pages_have_links_and_the_last_one_a_link_to_what_changes_later() {
    let world = world(Quota::CountOnly).await;
    let (rows, delta) = world.whole(&format!("{LIST}?$select=name"), 15).await;
    assert_eq!(rows.len(), 40);
    assert_eq!(ids(&rows)[39], id(40));
    let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["@odata.etag", "accountid", "name"]);
    let (rows, again) = world.whole(&delta, 15).await;
    assert_eq!((rows.len(), again), (0, delta));
}

#[tokio::test]
async fn what_changed_came_or_went_since_is_told_once_and_deletions_by_their_id() {
    let world = world(Quota::CountOnly).await;
    let (_, delta) = world.whole(&format!("{LIST}?$select=name"), 5_000).await;
    world.rename(3, "One");
    world.rename(7, "Two");
    world.rename(3, "Three");
    let new = world.double.add(|_| {});
    assert!(world.double.delete(&id(9)) && !world.double.delete(&id(9)));
    let (rows, delta) = world.whole(&delta, 2).await;
    assert_eq!(ids(&rows), [id(7), id(3), id(41), id(9)]);
    assert_eq!(rows[1]["name"], "Three");
    assert_eq!(new["accountid"], id(41));
    let gone = rows[3].as_object().unwrap();
    assert!(
        gone["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("$metadata#accounts/$deletedEntity")
    );
    assert_eq!((&gone["reason"], gone.len()), (&json!("deleted"), 3));
    let (rows, _) = world.whole(&delta, 2).await;
    assert_eq!(rows, [] as [Value; 0]);
}

#[tokio::test]
async fn what_changes_while_pages_are_read_comes_with_the_changes_after_them() {
    let world = world(Quota::CountOnly).await;
    let page = world.list(LIST, 20).await;
    world.rename(1, "Seen before");
    world.rename(30, "Seen after");
    let next = page["@odata.nextLink"].as_str().unwrap();
    let (rows, delta) = world.whole(next, 20).await;
    assert_eq!(rows.len(), 20);
    let (rows, delta) = world.whole(&delta, 20).await;
    assert_eq!(ids(&rows), [id(1), id(30)]);
    world.rename(1, "A");
    world.rename(2, "B");
    let page = world.list(&delta, 1).await;
    world.rename(2, "C");
    let next = page["@odata.nextLink"].as_str().unwrap();
    let (rows, delta) = world.whole(next, 1).await;
    assert_eq!(rows.len(), 0, "it has moved on");
    let (rows, _) = world.whole(&delta, 1).await;
    assert_eq!(rows[0]["name"], "C");
}

#[tokio::test]
async fn a_listing_that_tracks_nothing_has_no_link_to_what_changes() {
    let world = world(Quota::CountOnly).await;
    let plain = world.raw(("GET", LIST), "", &world.token).await.body;
    assert_eq!(plain["value"].as_array().unwrap().len(), 40);
    assert_eq!(
        (&plain["@odata.nextLink"], &plain["@odata.deltaLink"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_link_is_good_for_seven_days_and_then_gone() {
    let world = world(Quota::CountOnly).await;
    let (_, delta) = world.whole(LIST, 5_000).await;
    let page = world.list(LIST, 5).await;
    let next = page["@odata.nextLink"].as_str().unwrap();
    world.clock.set(NOON_MS + 7 * DAY_MS - 1_000);
    let (_, fresh) = world.whole(&delta, 5_000).await;
    world.whole(next, 5).await;
    world.clock.set(NOON_MS + 7 * DAY_MS);
    for link in [delta.as_str(), next] {
        let answered = world.raw(("GET", link), "", &world.token).await;
        assert_eq!(answered.status, 410);
        assert_eq!(answered.body["error"]["code"], "0x80044352");
    }
    world.whole(&fresh, 5_000).await;
    world.double.forget_changes();
    assert_eq!(
        world.raw(("GET", &fresh), "", &world.token).await.status,
        410
    );
    let (_, anew) = world.whole(LIST, 5_000).await;
    world.whole(&anew, 5_000).await;
}

#[tokio::test]
async fn an_account_is_shown_by_its_id_until_it_is_removed() {
    let world = world(Quota::CountOnly).await;
    let path = format!("{LIST}({})?$select=name", id(5));
    let shown = world
        .raw(("GET", &path), "odata.track-changes", &world.token)
        .await;
    assert_eq!(shown.status, 200);
    assert_eq!(
        shown.body["name"],
        world.double.account(&id(5)).unwrap()["name"]
    );
    assert_eq!(world.double.calls()[0].key, Some(id(5)));
    world.double.delete(&id(5));
    assert_eq!(
        world.raw(("GET", &path), "", &world.token).await.status,
        404
    );
    assert!(!ids(&world.whole(LIST, 50).await.0).contains(&&*id(5)));
}

#[tokio::test]
async fn a_limit_comes_with_its_currency_and_only_where_it_is_asked_for() {
    let world = world(Quota::CountOnly).await;
    let shown = async |select: &str| {
        let path = format!("{LIST}({})?$select={select}", id(1));
        let shown = world.raw(("GET", &path), "", &world.token).await;
        assert_eq!(shown.status, 200);
        shown.body
    };
    let credit = shown("creditlimit,creditonhold").await;
    let names: Vec<&String> = credit.as_object().unwrap().keys().collect();
    let expected = [
        "@odata.context",
        "@odata.etag",
        "_transactioncurrencyid_value",
        "accountid",
        "creditlimit",
        "creditonhold",
    ];
    assert_eq!(names, expected);
    let context = credit["@odata.context"].as_str().unwrap();
    assert!(context.ends_with("$metadata#accounts(creditlimit,creditonhold)/$entity"));
    assert!(credit["creditonhold"].is_boolean());
    let hold = shown("creditonhold").await;
    assert!(hold.get("creditlimit").is_none());
    assert!(hold.get("_transactioncurrencyid_value").is_none());
}

#[tokio::test]
async fn some_accounts_have_a_limit_some_have_none_which_is_null_and_some_are_on_hold() {
    let world = world(Quota::CountOnly).await;
    let (rows, _) = world.whole(LIST, 50).await;
    let count = |is_meant: fn(&Value) -> bool| rows.iter().filter(|row| is_meant(row)).count();
    let with = count(|row| row["creditlimit"].as_f64().is_some_and(|limit| limit > 0.0));
    let without = count(|row| row.get("creditlimit") == Some(&Value::Null));
    let on_hold = count(|row| row["creditonhold"] == true);
    assert_eq!(with + without, rows.len());
    assert!(with > 20 && without > 5, "{with} with, {without} without");
    assert!((1..20).contains(&on_hold), "{on_hold} on hold");
}

#[tokio::test]
async fn limit_and_hold_are_changed_by_hand_and_a_limit_is_taken_away_by_null() {
    let world = world(Quota::CountOnly).await;
    for (limit, hold) in [
        (json!(750.5), json!(true)),
        (Value::Null, json!(false)),
        (json!(2_000), json!(false)),
    ] {
        let set = json!({"creditlimit": limit, "creditonhold": hold});
        let changed = client()
            .post(format!("{}/_double/change", world.double.url()))
            .header("Content-Type", "application/json")
            .body(json!({"id": id(2), "set": set}).to_string())
            .send();
        assert_eq!(changed.await.unwrap().status(), 200);
        let path = format!("{LIST}({})?$select=creditlimit,creditonhold", id(2));
        let shown = world.raw(("GET", &path), "", &world.token).await.body;
        assert_eq!(
            (&shown["creditlimit"], &shown["creditonhold"]),
            (&limit, &hold)
        );
    }
}

#[tokio::test]
async fn a_change_keeps_what_is_the_environment_s_own() {
    let world = world(Quota::CountOnly).await;
    let before = world.double.account(&id(1)).unwrap();
    world.clock.set(NOON_MS + 5_000);
    let after = world
        .double
        .change(&id(1), |account| {
            for name in ["accountid", "createdon", "modifiedon", "@odata.etag"] {
                account.insert(name.to_owned(), json!("mine"));
            }
        })
        .unwrap();
    assert_eq!(after["accountid"], before["accountid"]);
    assert_eq!(after["createdon"], before["createdon"]);
    assert_eq!(after["modifiedon"], "2026-09-21T14:13:25Z");
    assert_eq!(after["@odata.etag"], "W/\"1\"");
}

#[tokio::test]
async fn five_minutes_have_6000_calls_and_then_it_is_told_when_to_come_back() {
    let world = world(Quota::Kept).await;
    let path = format!("{LIST}({})", id(1));
    for _ in 0..6_000 {
        assert_eq!(
            world.raw(("GET", &path), "", &world.token).await.status,
            200
        );
    }
    world.clock.set(NOON_MS + 299_500);
    let refused = world.raw(("GET", &path), "", &world.token).await;
    assert_eq!(
        (refused.status, refused.retry_after.as_deref()),
        (429, Some("1"))
    );
    assert_eq!(refused.body["error"]["code"], "0x80072322");
    world.clock.set(NOON_MS + 300_000);
    assert_eq!(
        world.raw(("GET", &path), "", &world.token).await.status,
        200
    );
}

#[tokio::test]
async fn accounts_are_the_same_for_the_same_seed_and_differ_in_what_they_say() {
    let (one, two) = (world(Quota::Kept).await, world(Quota::Kept).await);
    let (rows, _) = one.whole(LIST, 50).await;
    assert_eq!(rows, two.whole(LIST, 50).await.0);
    let names = rows.iter().map(|row| row["name"].as_str().unwrap());
    let names: std::collections::BTreeSet<_> = names.collect();
    assert!(names.len() > 10);
}
