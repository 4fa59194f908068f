//! A load from its first file to the last question about it.

use serde_json::json;
use tidegate_engine::ports::{Sums, Unsound, Warehouse as _, WarehouseRow};

use crate::place::{Place, Record, deadline, flow};

const ORDERS: &str = "orders-amazon";

fn order<'a>(key: &'a str, source: u64, content: Option<&'a str>) -> Record<'a> {
    Record {
        flow: ORDERS,
        key,
        source,
        content,
    }
}

fn sums<'a>(records: impl IntoIterator<Item = &'a Record<'a>>) -> Sums {
    let mut sums = Sums::default();
    for record in records {
        sums.held += 1;
        sums.deleted += u64::from(record.content.is_none());
        sums.checksum += record.term();
    }
    sums
}

#[tokio::test]
async fn what_is_landed_and_merged_is_held_by_count_sum_bucket_and_row() {
    let place = Place::new();
    let (of, spec, orders, by) = (&place.snowflake, &place.spec, flow(ORDERS), deadline());
    let held = of.held(spec, &orders, by).await.unwrap();
    assert_eq!(held, Sums::default(), "nothing yet");
    let content = r#"{"number":"ü'\"; --","total":"12.50"}"#;
    let older = order("a:1", 1, Some("{}"));
    let records = [
        order("a:1", 2, Some(content)),
        order("a:2", u64::MAX, None),
        order("ключ'; DROP TABLE records", 1, Some("{}")),
    ];
    let other = Record {
        flow: "returns",
        ..order("a:1", 1, Some("{}"))
    };
    let lines = [&older, &records[0], &records[1], &other].map(Record::line);
    place.land("orders/one", &lines).await;
    place.land("orders/two", &[records[2].line()]).await;
    assert_eq!(place.waiting().await.unwrap(), 5);
    let id = "6f7bdbcd-9bd0-4f6a-8a85-0c3a7c3ef0a1";
    place.merge(id, false).await.unwrap();
    assert_eq!(place.waiting().await.unwrap(), 0);

    let held = of.held(spec, &orders, by).await.unwrap();
    assert_eq!(held, sums(&records));
    let mut total = Sums::default();
    for (bucket, part) in of.buckets(spec, &orders, by).await.unwrap() {
        let of_bucket = records.iter().filter(|record| record.bucket() == bucket);
        let of_bucket: Vec<&Record<'_>> = of_bucket.collect();
        assert_eq!(part, sums(of_bucket.iter().copied()));
        total.held += part.held;
        let rows = of.rows(spec, &orders, bucket, by).await.unwrap();
        let expected = of_bucket.iter().map(|record| WarehouseRow {
            key: record.key.to_owned(),
            version: record.version(),
            digest: record.digest(),
        });
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }
    assert_eq!(total.held, 3);
    let log = place.double.log().await;
    assert!(log.iter().all(|call| call["status"] == 200), "{log:?}");
}

#[tokio::test]
async fn what_is_not_as_it_was_sent_or_not_loaded_is_named_and_columns_are_told() {
    let place = Place::new();
    let (of, spec, by) = (&place.snowflake, &place.spec, deadline());
    assert_eq!(of.unsound(spec, &flow(ORDERS), by).await.unwrap(), []);
    assert_eq!(of.not_loaded(spec, &flow(ORDERS), by).await.unwrap(), []);
    let line = order("a:1", 1, Some("{}")).line();
    place
        .land("wrong", &[line.replace("\"a:1\"", "\"a:2\"")])
        .await;
    place
        .land(&format!("{ORDERS}/bad"), &["{\n".to_owned()])
        .await;
    let unsound = Unsound {
        held_in: "landing".to_owned(),
        key: "a:2".to_owned(),
    };
    assert_eq!(
        of.unsound(spec, &flow(ORDERS), by).await.unwrap(),
        [unsound]
    );
    let files = of.not_loaded(spec, &flow(ORDERS), by).await.unwrap();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|file| (file.file.as_str(), file.status.as_str()))
        .collect();
    let bad = format!("{ORDERS}/bad.jsonl.gz");
    assert_eq!(files, [(bad.as_str(), "Load failed")]);

    // In parts of two rows, all but the first of which come compressed.
    let whole = of.columns(spec, by).await.unwrap();
    place.double.behave(json!({ "partition_rows": 2 })).await;
    assert_eq!(of.columns(spec, by).await.unwrap(), whole);
    let told = |table: &str, name: &str| {
        let is_it = |column: &&_| is_column(column, table, name);
        whole.iter().find(is_it).map(|column| column.kind.as_str())
    };
    assert_eq!(told("RECORDS", "CONTENT"), Some("VARCHAR"));
    assert_eq!(told("LANDING", "SOURCE_VERSION"), Some("NUMBER"));
    assert_eq!(told("ORDERS", "PLACED_AT"), Some("TIMESTAMP_TZ"));
    assert_eq!(told("ORDERS", "BUYER_EMAIL"), None);
    let log = place.double.log().await;
    let parts = log.iter().filter(|call| call["method"] == "GET").count();
    assert_eq!(parts, whole.len().div_ceil(2) - 1);
}

fn is_column(column: &tidegate_engine::ports::Column, table: &str, name: &str) -> bool {
    column.table == table && column.name == name
}
