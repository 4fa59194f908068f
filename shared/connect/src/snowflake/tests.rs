use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rstest::rstest;
use serde_json::{Value, json};
use tidegate_engine::{
    CachedSecrets,
    ports::{
        Clock, Column, Effect, HeaderValue, NotLoaded, Request, Sent, Shelf, ShelfError, Sums,
        TransportError, Unsound, Warehouse, WarehouseError, WarehouseRow,
    },
};
use tidegate_model::{
    FlowId, SourceVersion, UnixMs, Version,
    flow::{Method, WarehouseSpec},
};
use tidegate_testkit::memory::{ManualClock, MemoryHttp, MemoryVault, SeededChance};

use super::{Snowflake, result::MAX_ROWS};

const NOW: UnixMs = UnixMs(1_780_000_000_000);
const DEADLINE: UnixMs = UnixMs(NOW.0 + 100_000);
const MERGE_ID: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

pub(super) fn spec() -> WarehouseSpec {
    serde_json::from_value(json!({
        "name": "snow",
        "place": "s3://staged/orders/",
        "base_url": "https://org-acc.example/",
        "account": "org-acc",
        "user": "loader",
        "key": "SNOW_KEY",
        "role": "tidegate_load",
        "warehouse": "tidegate_wh",
        "database": "tidegate",
        "schema": "market",
        "view": "orders",
        "timeout_s": 30,
    }))
    .unwrap()
}

/// Keeps what was put.
#[derive(Default)]
struct Kept(Mutex<Vec<(String, String, Vec<u8>)>>);

#[async_trait]
impl Shelf for Kept {
    async fn put(&self, place: &str, name: &str, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let file = (place.to_owned(), name.to_owned(), bytes);
        self.0.lock().unwrap().push(file);
        Ok(())
    }
}

type Answers = Vec<Result<Sent, TransportError>>;

/// A warehouse that answers as it is told, in this order.
struct Place {
    http: Arc<MemoryHttp>,
    clock: Arc<ManualClock>,
    vault: MemoryVault,
    shelf: Arc<Kept>,
    snowflake: Snowflake,
}

impl Place {
    fn new(answers: Answers) -> Self {
        let http = Arc::new(MemoryHttp::default());
        let clock = Arc::new(ManualClock::new(NOW));
        let vault = MemoryVault::new([("SNOW_KEY", "the first key")]);
        let shelf = Arc::new(Kept::default());
        let answers: Mutex<VecDeque<_>> = Mutex::new(answers.into());
        http.answer(move |request| {
            let next = answers.lock().unwrap().pop_front();
            next.unwrap_or_else(|| panic!("no answer left for {}", request.url))
        });
        let snowflake = Snowflake::new(
            http.clone(),
            Arc::new(CachedSecrets::new(vault.clone(), clock.clone())),
            clock.clone(),
            Arc::new(SeededChance::new(1)),
            shelf.clone(),
        );
        Self {
            http,
            clock,
            vault,
            shelf,
            snowflake,
        }
    }

    async fn waiting(&self) -> Result<u64, WarehouseError> {
        self.snowflake.waiting(&spec(), DEADLINE).await
    }

    async fn merge(&self, again: bool) -> Result<(), WarehouseError> {
        let (spec, by) = (spec(), DEADLINE);
        self.snowflake.merge(&spec, MERGE_ID, again, by).await
    }

    fn urls(&self) -> Vec<String> {
        let requests = self.http.requests();
        requests.into_iter().map(|request| request.url).collect()
    }
}

fn flow() -> FlowId {
    FlowId::try_new("orders-amazon").unwrap()
}

#[allow(clippy::unnecessary_wraps, reason = "as it stands among the answers")]
fn sent(status: u16, body: Value) -> Result<Sent, TransportError> {
    Ok(MemoryHttp::json(status, body))
}

/// A result of these rows, in one partition.
fn result(rows: &Value) -> Result<Sent, TransportError> {
    let count = rows.as_array().unwrap().len();
    sent(200, parts(rows, count, 1))
}

fn parts(rows: &Value, count: usize, partitions: usize) -> Value {
    json!({
        "resultSetMetaData": { "numRows": count, "partitionInfo": vec![json!({}); partitions] },
        "data": rows,
        "statementHandle": "01aa-7",
    })
}

fn running(url: &str) -> Result<Sent, TransportError> {
    let told = json!({ "code": "333334", "statementHandle": "01aa-7", "statementStatusUrl": url });
    sent(202, told)
}

fn one() -> Result<Sent, TransportError> {
    result(&json!([["1", null]]))
}

fn reason(error: &WarehouseError) -> &str {
    match error {
        WarehouseError::Refused { reason }
        | WarehouseError::Undone { reason }
        | WarehouseError::Later { reason }
        | WarehouseError::Failed { reason } => reason,
    }
}

#[tokio::test]
async fn a_read_is_one_request_with_its_names_bindings_and_key_pair() {
    let place = Place::new(vec![result(&json!([]))]);
    let (spec, flow) = (spec(), flow());
    let rows = place.snowflake.rows(&spec, &flow, 10, DEADLINE);
    assert_eq!(rows.await.unwrap(), []);
    let requests = place.http.requests();
    let [request] = requests.as_slice() else {
        panic!("one request: {requests:?}")
    };
    assert_eq!(request.method, Method::Post);
    assert_eq!(request.effect, Effect::Read);
    assert_eq!(request.timeout, Duration::from_secs(30));
    let id = id_of(request);
    assert_eq!(
        request.url,
        format!("https://org-acc.example/api/v2/statements?requestId={id}")
    );
    let mut body = request.json().unwrap().clone();
    let text = body["statement"].take();
    let text = text.as_str().unwrap();
    assert!(
        text.starts_with("SELECT record_key, source_version"),
        "{text}"
    );
    assert!(text.contains("FROM TIDEGATE.MARKET.records_checked"));
    let expected = json!({
        "statement": null,
        "timeout": 100,
        "database": "TIDEGATE",
        "schema": "MARKET",
        "warehouse": "TIDEGATE_WH",
        "role": "TIDEGATE_LOAD",
        "parameters": { "MULTI_STATEMENT_COUNT": "1" },
        "bindings": {
            "1": { "type": "TEXT", "value": "orders-amazon" },
            "2": { "type": "TEXT", "value": "0a" },
            "3": { "type": "TEXT", "value": "" },
        },
    });
    assert_eq!(body, expected);
    let header = |name: &str| {
        let mut of_name = request.headers.iter().filter(|header| header.name == name);
        of_name.next().map(|header| header.value.clone())
    };
    let key = HeaderValue::KeyPair {
        account: "org-acc".to_owned(),
        user: "loader".to_owned(),
        secret: "SNOW_KEY".to_owned(),
        issued: UnixMs(NOW.0 - 10_000),
    };
    assert_eq!(header("Authorization"), Some(key));
    let kind = HeaderValue::Plain("KEYPAIR_JWT".to_owned());
    assert_eq!(header("X-Snowflake-Authorization-Token-Type"), Some(kind));
}

/// The id of a request, which is a UUID of version 4.
fn id_of(request: &Request) -> String {
    let (_, id) = request.url.split_once("requestId=").unwrap();
    let id = id.trim_end_matches("&retry=true");
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(id.chars().nth(14), Some('4'), "{id}");
    assert!("89ab".contains(id.chars().nth(19).unwrap()), "{id}");
    id.to_owned()
}

#[tokio::test]
async fn a_merge_is_five_statements_under_the_id_of_its_caller() {
    let place = Place::new(vec![sent(200, json!({})), sent(200, json!({}))]);
    place.merge(false).await.unwrap();
    place.merge(true).await.unwrap();
    let base = "https://org-acc.example/api/v2/statements?requestId=";
    assert_eq!(
        place.urls(),
        [
            format!("{base}{MERGE_ID}"),
            format!("{base}{MERGE_ID}&retry=true")
        ]
    );
    let request = &place.http.requests()[0];
    let body = request.json().unwrap();
    assert_eq!(request.effect, Effect::Write);
    assert_eq!(body["parameters"], json!({ "MULTI_STATEMENT_COUNT": "5" }));
    assert_eq!(body["timeout"], 600, "it goes on when nobody waits for it");
    assert_eq!(body.get("bindings"), None);
}

#[tokio::test]
async fn each_question_is_read_from_its_columns() {
    let answers = [
        json!([
            ["RECORDS", "FLOW", "TEXT"],
            ["ORDERS", "TOTAL", "NUMBER(18,4)"]
        ]),
        json!([
            ["a-flow", "1", "0", "0", "5"],
            ["orders-amazon", "3", "1", "2", "3458764513820540925"]
        ]),
        json!([["a-flow", "1", "0", "0", "5"]]),
        json!([
            ["0a", "2", "1", "7"],
            ["ff", "1", "0", "340282366920938463463374607431768211455"]
        ]),
        json!([[
            "k'1",
            "18446744073709551615",
            "4294967295",
            "0",
            "true",
            "d1"
        ]]),
        json!([["landing", "k", "1", "1", "0"]]),
        json!([["a.jsonl.gz", "Load failed", "0", "0", "1", "bad", "1"]]),
        json!([["12", "34"]]),
    ];
    let place = Place::new(answers.iter().map(result).collect());
    let (of, spec, flow, by) = (&place.snowflake, spec(), flow(), DEADLINE);
    let column = |table: &str, name: &str, kind: &str| Column {
        table: table.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
    };
    assert_eq!(
        of.columns(&spec, by).await.unwrap(),
        [
            column("RECORDS", "FLOW", "VARCHAR"),
            column("ORDERS", "TOTAL", "NUMBER")
        ]
    );
    let sums = |held, deleted, duplicates, checksum| Sums {
        held,
        deleted,
        duplicates,
        checksum,
    };
    let held = of.held(&spec, &flow, by).await.unwrap();
    assert_eq!(held, sums(3, 1, 2, 3_458_764_513_820_540_925));
    let held = of.held(&spec, &flow, by).await.unwrap();
    assert_eq!(held, Sums::default(), "nothing is held of it");
    assert_eq!(
        of.buckets(&spec, &flow, by).await.unwrap(),
        [(10, sums(2, 1, 0, 7)), (255, sums(1, 0, 0, u128::MAX))]
    );
    let row = WarehouseRow {
        key: "k'1".to_owned(),
        version: Version {
            source: SourceVersion(u64::MAX),
            revision: u32::MAX,
            read: 0,
        },
        digest: "d1".to_owned(),
    };
    assert_eq!(of.rows(&spec, &flow, 1, by).await.unwrap(), [row]);
    let unsound = Unsound {
        held_in: "landing".to_owned(),
        key: "k".to_owned(),
    };
    assert_eq!(of.unsound(&spec, &flow, by).await.unwrap(), [unsound]);
    let file = NotLoaded {
        file: "a.jsonl.gz".to_owned(),
        status: "Load failed".to_owned(),
    };
    assert_eq!(of.not_loaded(&spec, &flow, by).await.unwrap(), [file]);
    assert_eq!(of.waiting(&spec, by).await.unwrap(), 12);
}

#[rstest]
#[case::null(json!([["0a", null, "1", "7"]]))]
#[case::no_number(json!([["0a", "many", "1", "7"]]))]
#[case::no_bucket(json!([["xx", "1", "1", "7"]]))]
#[case::short(json!([["0a", "1"]]))]
#[case::no_text(json!([["0a", 1, 1, 7]]))]
#[case::no_row(json!(["0a"]))]
#[tokio::test]
async fn a_row_that_is_none_of_its_columns_fails_without_a_cell_of_it(#[case] rows: Value) {
    let place = Place::new(vec![result(&rows)]);
    let (spec, flow) = (spec(), flow());
    let buckets = place.snowflake.buckets(&spec, &flow, DEADLINE);
    let error = buckets.await.unwrap_err();
    assert!(matches!(error, WarehouseError::Failed { .. }), "{error:?}");
    assert!(!reason(&error).contains("many"), "{error}");
}

#[tokio::test]
async fn a_bucket_is_read_in_parts_each_after_the_last_key_and_to_its_end_only_so_far() {
    let full = |from: usize| {
        let row = |number: usize| json!([format!("k{number:06}"), "1", "1", "0", "false", "d"]);
        let rows: Vec<Value> = (from..from + MAX_ROWS).map(row).collect();
        result(&json!(rows))
    };
    let rest = json!([["z", "1", "1", "0", "false", "d"]]);
    let place = Place::new(vec![full(0), full(MAX_ROWS), result(&rest)]);
    let (spec, flow) = (spec(), flow());
    let rows = place.snowflake.rows(&spec, &flow, 10, DEADLINE).await;
    assert_eq!(rows.unwrap().len(), 2 * MAX_ROWS + 1);
    let after: Vec<Value> = place
        .http
        .requests()
        .iter()
        .map(|request| request.json().unwrap()["bindings"]["3"]["value"].clone())
        .collect();
    assert_eq!(after, ["", "k009999", "k019999"]);

    let place = Place::new((0..20).map(|part| full(part * MAX_ROWS)).collect());
    let rows = place.snowflake.rows(&spec, &flow, 10, DEADLINE).await;
    let error = rows.unwrap_err();
    assert!(reason(&error).contains("more than 200000 rows"), "{error}");
}

#[tokio::test]
async fn the_parts_of_a_result_are_one_result() {
    let place = Place::new(vec![
        sent(200, parts(&json!([["a", "x", "VARCHAR"]]), 3, 3)),
        sent(200, json!({ "data": [["b", "x", "VARCHAR"]] })),
        sent(200, json!({ "data": [["c", "x", "VARCHAR"]] })),
    ]);
    let columns = place.snowflake.columns(&spec(), DEADLINE).await;
    let tables: Vec<String> = columns.unwrap().into_iter().map(|c| c.table).collect();
    assert_eq!(tables, ["a", "b", "c"]);
    assert_eq!(
        place.urls()[1..],
        [1, 2].map(|number| format!(
            "https://org-acc.example/api/v2/statements/01aa-7?partition={number}"
        ))
    );
}

#[rstest]
#[case::fewer_rows_than_told(vec![sent(200, parts(&json!([["1", "1"]]), 2, 1))])]
#[case::more_rows_than_told(vec![sent(200, parts(&json!([["1", "1"], ["1", "1"]]), 1, 1))])]
#[case::too_many_rows(vec![sent(200, parts(&json!([["1", "1"]]), 10_001, 1))])]
#[case::too_many_parts(vec![sent(200, parts(&json!([["1", "1"]]), 1, 65))])]
#[case::no_part(vec![sent(200, parts(&json!([["1", "1"]]), 1, 0))])]
#[case::a_handle_that_is_a_path(vec![sent(200, {
    let mut body = parts(&json!([["1", "1"]]), 2, 2);
    body["statementHandle"] = json!("../x");
    body
})])]
#[case::no_result(vec![sent(200, json!({}))])]
#[case::no_json(vec![Ok(Sent { status: 200, headers: Vec::new(), body: None })])]
#[tokio::test]
async fn what_is_no_whole_result_is_a_failure(#[case] answers: Answers) {
    let place = Place::new(answers);
    let error = place.waiting().await.unwrap_err();
    assert!(matches!(error, WarehouseError::Failed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_statement_that_runs_on_is_asked_after_with_growing_pauses() {
    let url = "/api/v2/statements/01aa-7?requestId=1";
    let mut answers: Answers = (0..6).map(|_| running(url)).collect();
    answers.push(one());
    let place = Place::new(answers);
    assert_eq!(place.waiting().await.unwrap(), 1);
    let requests = place.http.requests();
    assert_eq!(requests.len(), 7);
    for look in &requests[1..] {
        assert_eq!(look.method, Method::Get);
        assert_eq!(look.url, format!("https://org-acc.example{url}"));
        assert_eq!(look.body, None);
    }
    // 0.5, 1, 2, 4, 5 and 5 s.
    assert_eq!(place.clock.now().since(NOW), Duration::from_millis(17_500));
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_for_later_and_nothing_begins_after_it() {
    let place = Place::new(vec![]);
    place.http.answer(|_| running("/api/v2/statements/01aa-7"));
    let error = place.merge(false).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Later { .. }), "{error:?}");
    let last = place.http.requests().pop().unwrap();
    assert!(place.clock.now() < DEADLINE);
    assert!(last.timeout <= DEADLINE.since(place.clock.now()));
    place.clock.set(DEADLINE);
    let before = place.http.requests().len();
    let error = place.waiting().await.unwrap_err();
    assert!(matches!(error, WarehouseError::Later { .. }), "{error:?}");
    assert_eq!(place.http.requests().len(), before);
}

#[rstest]
#[case::another_host("https://elsewhere.example/api/v2/statements/1")]
#[case::another_host_without_scheme("//elsewhere.example/api/v2/statements/1")]
#[case::another_scheme("http://org-acc.example/api/v2/statements/1")]
#[case::another_port("https://org-acc.example:444/api/v2/statements/1")]
#[tokio::test]
async fn the_token_goes_to_no_other_origin(#[case] url: &str) {
    let place = Place::new(vec![running(url)]);
    let error = place.waiting().await.unwrap_err();
    assert!(matches!(error, WarehouseError::Failed { .. }), "{error:?}");
    assert_eq!(place.urls().len(), 1);
}

/// The class of an error, in a row of the table.
fn class(error: &WarehouseError) -> &'static str {
    match error {
        WarehouseError::Refused { .. } => "refused",
        WarehouseError::Undone { .. } => "undone",
        WarehouseError::Later { .. } => "later",
        WarehouseError::Failed { .. } => "failed",
    }
}

#[rstest]
#[case::redirect(302, "", "", "refused")]
#[case::body(400, "390142", "", "refused")]
#[case::forbidden(403, "390403", "", "refused")]
#[case::no_account(404, "", "", "refused")]
#[case::method(405, "", "", "refused")]
#[case::too_long(408, "000630", "57014", "undone")]
#[case::type_of_content(415, "", "", "refused")]
#[case::too_many(429, "390505", "", "later")]
#[case::no_such_object(422, "002003", "42S02", "refused")]
#[case::no_privilege(422, "003001", "42501", "refused")]
#[case::syntax(422, "001003", "42000", "refused")]
#[case::no_such_name(422, "002043", "02000", "refused")]
#[case::no_such_name_in_the_body(422, "390201", "08004", "refused")]
#[case::no_virtual_warehouse(422, "000606", "57P03", "refused")]
#[case::another_count(422, "000008", "0A000", "refused")]
#[case::not_for_the_api(422, "391911", "0A000", "refused")]
#[case::handle(422, "000709", "02000", "failed")]
#[case::cancelled(422, "000604", "57014", "undone")]
#[case::a_lock(422, "000625", "57014", "undone")]
#[case::a_value(422, "100038", "22018", "undone")]
#[case::no_reason(422, "", "", "undone")]
#[case::internal(500, "", "", "failed")]
#[case::gateway(502, "", "", "failed")]
#[case::busy(503, "", "", "later")]
#[case::gateway_late(504, "", "", "failed")]
#[case::unheard_of(204, "", "", "failed")]
#[tokio::test]
async fn a_status_means_who_has_to_act(
    #[case] status: u16,
    #[case] code: &str,
    #[case] state: &str,
    #[case] expected: &str,
) {
    let body = json!({ "code": code, "sqlState": state, "message": "SQL\n says: 'a value'" });
    for is_merge in [false, true] {
        let place = Place::new(vec![sent(status, body.clone())]);
        let error = if is_merge {
            place.merge(false).await.unwrap_err()
        } else {
            place.waiting().await.unwrap_err()
        };
        assert_eq!(class(&error), expected, "{error}");
        assert_eq!(place.urls().len(), 1, "an answer is not asked for again");
        assert!(reason(&error).contains(code), "{error}");
        // The text of a statement holds no value; what is told of rows may.
        let is_told = reason(&error).contains("SQL says: 'a value'");
        assert_eq!(is_told, status == 422 && expected == "refused", "{error}");
    }
}

#[tokio::test]
async fn a_failure_while_it_runs_on_means_the_same() {
    let failed = json!({ "code": "002003", "sqlState": "42S02", "message": "gone" });
    let place = Place::new(vec![running("/api/v2/statements/1"), sent(422, failed)]);
    assert_eq!(class(&place.merge(false).await.unwrap_err()), "refused");
}

#[rstest]
#[case(TransportError::NotConnected, "failed", 1)]
#[case(TransportError::TimedOut(Duration::from_secs(30)), "failed", 2)]
#[case(TransportError::Broken, "failed", 2)]
#[case(TransportError::TooLarge { limit_bytes: 1 }, "failed", 1)]
#[case(TransportError::NoSecret("SNOW_KEY".to_owned()), "refused", 1)]
#[case(TransportError::SecretUnavailable("SNOW_KEY".to_owned()), "failed", 1)]
#[case(TransportError::BadRequest("no".to_owned()), "refused", 1)]
#[tokio::test]
async fn a_read_whose_answer_is_lost_is_sent_once_more_under_its_id_and_a_merge_is_not(
    #[case] error: TransportError,
    #[case] expected: &str,
    #[case] calls: usize,
) {
    let place = Place::new(vec![Err(error.clone()), Err(error.clone())]);
    assert_eq!(class(&place.waiting().await.unwrap_err()), expected);
    let urls = place.urls();
    assert_eq!(urls.len(), calls);
    if let [first, second] = urls.as_slice() {
        assert_eq!(*second, format!("{first}&retry=true"));
    }
    let place = Place::new(vec![Err(error)]);
    assert_eq!(class(&place.merge(false).await.unwrap_err()), expected);
}

#[tokio::test]
async fn a_lost_answer_is_read_at_the_second_time() {
    let place = Place::new(vec![Err(TransportError::Broken), one()]);
    assert_eq!(place.waiting().await.unwrap(), 1);
    // A look at a merge changes nothing either.
    let looks = vec![
        running("/api/v2/statements/1"),
        Err(TransportError::Broken),
        sent(200, json!({})),
    ];
    let place = Place::new(looks);
    place.merge(false).await.unwrap();
}

#[tokio::test]
async fn a_time_out_that_the_deadline_made_is_for_later() {
    let place = Place::new(vec![]);
    let (clock, deadline) = (place.clock.clone(), DEADLINE);
    clock.set(UnixMs(deadline.0 - 2_000));
    place.http.answer(move |request| {
        clock.set(deadline);
        Err(TransportError::TimedOut(request.timeout))
    });
    assert_eq!(class(&place.merge(false).await.unwrap_err()), "later");
    let request = place.http.requests().pop().unwrap();
    assert_eq!(request.timeout, Duration::from_secs(2));
}

fn unauthorised() -> Result<Sent, TransportError> {
    sent(
        401,
        json!({ "code": "390144", "message": "JWT token is invalid." }),
    )
}

#[tokio::test]
async fn a_refused_key_is_looked_up_once_and_tried_again_where_it_is_another() {
    let place = Place::new(vec![one(), unauthorised(), one(), unauthorised()]);
    let key = place.secrets_read().await;
    assert_eq!(key, 1);
    place.waiting().await.unwrap();
    place.vault.put("SNOW_KEY", "the second key");
    place.waiting().await.unwrap();
    assert_eq!(place.urls().len(), 3);
    place.clock.advance(Duration::from_secs(1));
    let error = place.waiting().await.unwrap_err();
    assert_eq!(class(&error), "refused", "it is the one that is kept");
    assert!(reason(&error).contains("set SNOW_KEY anew"), "{error}");
    assert!(reason(&error).contains("390144"), "{error}");
    assert!(!reason(&error).contains("second"), "{error}");
}

#[tokio::test]
async fn two_refused_keys_are_refused() {
    let place = Place::new(vec![unauthorised(), unauthorised()]);
    place.secrets_read().await;
    place.vault.put("SNOW_KEY", "the second key");
    let vault = place.vault.clone();
    let seen = Mutex::new(0);
    place.http.answer(move |_| {
        *seen.lock().unwrap() += 1;
        assert!(*seen.lock().unwrap() <= 2, "a third call");
        vault.put("SNOW_KEY", &format!("key {}", seen.lock().unwrap()));
        unauthorised()
    });
    assert_eq!(class(&place.waiting().await.unwrap_err()), "refused");
    assert_eq!(place.urls().len(), 2);
}

#[tokio::test]
async fn a_key_that_can_not_be_looked_up_now_is_a_failure() {
    let place = Place::new(vec![unauthorised()]);
    place.vault.set_down(true);
    assert_eq!(class(&place.waiting().await.unwrap_err()), "failed");
}

impl Place {
    /// Lets the key be kept, as the transport does when it signs; how often it was looked up by then.
    async fn secrets_read(&self) -> u32 {
        self.snowflake.secrets.get("SNOW_KEY").await.unwrap();
        self.vault.fetched("SNOW_KEY")
    }
}

#[rstest]
#[case::role("role", "a b")]
#[case::warehouse("warehouse", "a;b")]
#[case::database("database", "")]
#[case::schema("schema", "a'")]
#[case::address("base_url", "no address")]
#[tokio::test]
async fn what_is_not_set_up_as_it_must_be_is_refused_and_nothing_is_sent(
    #[case] place_of: &str,
    #[case] wrong: &str,
) {
    let mut table = serde_json::to_value(spec()).unwrap();
    table[place_of] = json!(wrong);
    let spec: WarehouseSpec = serde_json::from_value(table).unwrap();
    let place = Place::new(vec![]);
    let error = place
        .snowflake
        .merge(&spec, MERGE_ID, false, DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(class(&error), "refused", "{error}");
    assert_eq!(place.urls(), [] as [String; 0]);
}

#[tokio::test]
async fn a_file_goes_on_the_shelf() {
    let place = Place::new(vec![]);
    place
        .snowflake
        .put(&spec(), "a/b.jsonl.gz", vec![1])
        .await
        .unwrap();
    assert_eq!(
        *place.shelf.0.lock().unwrap(),
        [(
            "s3://staged/orders/".to_owned(),
            "a/b.jsonl.gz".to_owned(),
            vec![1]
        )]
    );
}
