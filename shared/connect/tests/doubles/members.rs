//! The listing of a target that upserts, against its double.

use std::{collections::BTreeSet, sync::Arc};

use rstest::rstest;
use serde_json::{Map, Value, json};
use tidegate_connect::connect;
use tidegate_engine::ports::{CallError, Standing, Target, TransportError, Write};
use tidegate_model::{Fields, RecordKey};
use tidegate_policy::{
    contract::{Contract, differences},
    flow::{Flow, Settings},
};
use tidegate_testkit::doubles::{
    Action, Fault,
    members::{Lie, MembersDouble},
};

use super::{TOKEN, clock, direct::Direct};

const BY_CURSOR: &str = r#"
path = "/v1/members"
query = { cursor = "{{ page.cursor }}", limit = "{{ page.size }}" }
rows = "/members"
page_size = 20
pages = { by = "cursor", next = "/next" }
key = "row.ref"
id = "/id"
"#;

const BY_OFFSET: &str = r#"
path = "/v1/members/by-offset"
query = { offset = "{{ page.offset }}", limit = "{{ page.size }}" }
page_size = 20
pages = { by = "offset" }
key = "row.ref"
id = "/id"
"#;

fn target(url: &str, list: &str) -> Arc<dyn Target> {
    connect(&flow(url, list)).1
}

fn flow(url: &str, list: &str) -> Arc<Flow> {
    let text = format!(
        r#"
name = "members"
revision = 1
[source]
type = "rest"
name = "src"
base_url = "http://127.0.0.1:1"
limit = {{ calls = 60, per_s = 60 }}
[source.list]
path = "/things"
[source.one]
path = "/things/{{{{ key }}}}"
[record]
key = "row.id"
version = {{ by = "sequence", at = "row.version" }}
[fields]
name = "row.name"
score = "row.score"
[schema]
type = "object"
[schedule]
time_zone = "UTC"
windows = [{{ at = "02:00" }}]
[freshness]
critical_s = 100_000
other_s = 100_000
[target]
type = "rest"
name = "dst"
base_url = "{url}"
auth = {{ type = "bearer", secret = "ERP_TOKEN" }}
contract = {{ openapi = "/openapi.json" }}
body = {{ name = "fields.name", about = {{ score = "fields.score" }} }}
upsert = {{ method = "PUT", path = "/v1/members/{{{{ key }}}}", id = "/id" }}
[target.list]
{list}
[target.limits]
real_time = {{ calls = 20, per_s = 60 }}
batch = {{ calls = 50, per_s = 60 }}
"#
    );
    let flow = Flow::load("members.toml", &text, &Settings::new());
    Arc::new(flow.unwrap_or_else(|wrong| panic!("{wrong:#?}")))
}

fn key(n: usize) -> RecordKey {
    RecordKey::try_new(format!("K {n}")).unwrap()
}

fn fields(n: usize) -> Fields {
    let Value::Object(fields) = json!({"name": format!("N{n}"), "score": n}) else {
        unreachable!()
    };
    fields
}

/// So many members, sent as the flow sends them, and one that a person made.
async fn filled(count: usize) -> MembersDouble {
    let double = MembersDouble::start(clock(), TOKEN).await.unwrap();
    let target = target(&double.url(), BY_CURSOR);
    for n in 0..count {
        let write = Write {
            key: &key(n),
            fields: &fields(n),
            target_id: None,
            etag: None,
            idempotency_key: "",
        };
        target.create(&mut Direct::new(&[]), write).await.unwrap();
    }
    double.put_standing(None, Map::new());
    double
}

/// Pages until the end, or until an error; at most `most`.
async fn pages(target: &dyn Target, most: usize) -> Result<Vec<Vec<Standing>>, CallError> {
    let mut calls = Direct::new(target.errors());
    let (mut found, mut cursor) = (Vec::new(), None);
    while found.len() < most {
        let page = target.standing(&mut calls, cursor.as_ref()).await?;
        found.push(page.standing);
        // As a checkpoint keeps it: through text and back.
        let next = page.next.map(|next| next.to_string());
        cursor = next.map(|next| serde_json::from_str(&next).unwrap());
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}

/// Keys with the print of what stands, each once.
fn told(pages: &[Vec<Standing>]) -> BTreeSet<(String, String)> {
    let standing = pages.iter().flatten();
    let keyed = standing.flat_map(|one| one.keys.iter().map(|key| (key, &one.print)));
    keyed
        .map(|(key, print)| (key.to_string(), print.0.clone()))
        .collect()
}

fn wanted(target: &dyn Target, count: usize) -> BTreeSet<(String, String)> {
    (0..count)
        .map(|n| {
            let print = target.print(&key(n), &fields(n)).unwrap();
            (key(n).to_string(), print.0)
        })
        .collect()
}

#[rstest]
#[case::by_cursor(BY_CURSOR, 3)]
#[case::by_offset(BY_OFFSET, 4)]
#[tokio::test]
async fn what_was_sent_is_listed_with_its_print_and_a_persons_own_without_a_key(
    #[case] list: &str,
    #[case] count: usize,
) {
    let double = filled(45).await;
    let target = target(&double.url(), list);
    let pages = pages(target.as_ref(), 9).await.unwrap();
    assert_eq!(pages.len(), count);
    assert_eq!(told(&pages), wanted(target.as_ref(), 45));
    let unmarked = pages.iter().flatten().filter(|one| one.keys.is_empty());
    let ids: Vec<&str> = unmarked.map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["m-46"]);
}

#[rstest]
#[case::repeats(Lie::Repeats)]
#[case::reorders(Lie::Reorders)]
#[tokio::test]
async fn pages_that_repeat_or_reorder_tell_the_same(#[case] lie: Lie) {
    let double = filled(45).await;
    double.lie(Some(lie));
    let target = target(&double.url(), BY_CURSOR);
    let pages = pages(target.as_ref(), 9).await.unwrap();
    assert_eq!(pages.len(), 3);
    assert_eq!(told(&pages), wanted(target.as_ref(), 45));
}

/// A circle of more pages is found by who follows them: here each page is true by itself.
#[rstest]
#[case::to_itself(Lie::ToItself, BY_CURSOR, true)]
#[case::circle(Lie::Circle, BY_CURSOR, false)]
#[case::same_page(Lie::SamePage, BY_OFFSET, false)]
#[tokio::test]
async fn a_page_that_leads_to_itself_is_refused(
    #[case] lie: Lie,
    #[case] list: &str,
    #[case] refused: bool,
) {
    let double = filled(45).await;
    double.lie(Some(lie));
    let target = target(&double.url(), list);
    match pages(target.as_ref(), 9).await {
        Err(CallError::Failed { reason, .. }) if refused => {
            assert!(reason.contains("never end"), "{reason}");
        }
        Ok(pages) if !refused => assert_eq!(pages.len(), 9),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hand_in_the_target_changes_the_print_and_what_it_adds_does_not() {
    let double = filled(3).await;
    let target = target(&double.url(), BY_CURSOR);
    assert!(double.edit("K 0", |body| {
        body.insert("name".to_owned(), json!("another"));
    }));
    assert!(double.edit("K 1", |body| {
        body.insert("rating".to_owned(), json!(5));
        body.insert("name".to_owned(), json!(" N1 "));
        body["about"]["since"] = json!("2026");
        body["about"]["score"] = json!(1.0);
    }));
    assert!(double.edit("K 2", |body| {
        body["about"]["score"] = Value::Null;
    }));
    let told = told(&pages(target.as_ref(), 9).await.unwrap());
    let wanted = wanted(target.as_ref(), 3);
    let same: Vec<&str> = told
        .intersection(&wanted)
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(same, ["K 1"]);
}

/// Each page has the time-out and the bound of every call, and a mistaken flow is told by the target.
#[tokio::test]
async fn a_page_that_breaks_is_too_large_or_is_refused_says_nothing() {
    let double = filled(3).await;
    let list = target(&double.url(), BY_CURSOR);
    for (action, expected) in [
        (Action::Drop, Some(TransportError::Broken)),
        (
            Action::HugeBody(tidegate_connect::MAX_ANSWER_BYTES + 1),
            Some(TransportError::TooLarge {
                limit_bytes: tidegate_connect::MAX_ANSWER_BYTES,
            }),
        ),
        (Action::Garbage, None),
        (Action::answer(200, json!({"members": {}})), None),
        (Action::answer(404, json!({})), None),
    ] {
        double.set_fault(Fault::new(action).times(1)).unwrap();
        let mut calls = Direct::new(&[]);
        let error = list.standing(&mut calls, None).await.unwrap_err();
        assert!(matches!(error, CallError::Failed { .. }), "{error:?}");
        assert_eq!(calls.transport_error, expected);
    }
    let too_many = BY_CURSOR.replace("page_size = 20", "page_size = 500");
    let refused = pages(target(&double.url(), &too_many).as_ref(), 9).await;
    assert!(
        matches!(refused, Err(CallError::Refused { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_the_target_says_of_itself_is_fetched_and_held_against_what_the_flow_writes() {
    let double = MembersDouble::start(clock(), TOKEN).await.unwrap();
    let flow = flow(&double.url(), BY_CURSOR);
    let target = connect(&flow).1;
    let mut calls = Direct::new(target.errors());
    let none = target.contract(&mut calls).await;
    assert!(matches!(none, Err(CallError::Gone { .. })), "{none:?}");
    for (member, told) in [
        (
            json!({"properties": {"name": {}, "about": {"properties": {"score": {}}}}}),
            0,
        ),
        (
            json!({"properties": {"name": {}, "about": {"properties": {"points": {}}}}}),
            1,
        ),
    ] {
        double.describe(member);
        let document = target.contract(&mut calls).await.unwrap();
        let writes = flow.writes().unwrap();
        let contract = Contract::read(&document, writes).unwrap();
        assert_eq!(differences(writes, &contract).len(), told);
    }
}
