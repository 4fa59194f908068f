//! The supplier flow's source against the double of an ERP.

use std::collections::BTreeSet;

use tidegate_connect::connect;
use tidegate_engine::ports::{CallError, PageRequest, Source, TransportError};
use tidegate_model::RecordKey;
use tidegate_testkit::doubles::{
    Action, Fault,
    erp::{ErpConfig, ErpDouble, realistic_suppliers},
};

use super::{NOW_MS, TOKEN, clock, direct::Direct, flow};

/// More than two pages of the flow's 50 rows, with many rows to a second.
const ROWS: u32 = 130;

async fn erp() -> ErpDouble {
    let suppliers = realistic_suppliers(7, ROWS, NOW_MS);
    let config = ErpConfig::new(clock(), TOKEN).suppliers(suppliers);
    ErpDouble::start(config).await.unwrap()
}

/// The keys of all rows since a time, in the order in which they came.
async fn keys_since(source: &dyn Source, since_us: Option<u64>) -> Vec<String> {
    let mut calls = Direct::new(&[]);
    let mut cursor = None;
    let mut keys = Vec::new();
    loop {
        let request = PageRequest { since_us, cursor };
        let page = source.page(&mut calls, &request).await.unwrap();
        keys.extend(
            page.rows
                .iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        cursor = page.next;
        if cursor.is_none() {
            return keys;
        }
    }
}

#[tokio::test]
async fn every_row_comes_once_although_many_share_a_second() {
    let erp = erp().await;
    // All in one second: a cursor by time alone would lose or repeat rows at each boundary.
    for supplier in erp.suppliers() {
        erp.change_at(&supplier.id, NOW_MS, |_| {});
    }
    let (source, _) = connect(&flow(&erp.url(), "http://127.0.0.1:1"));
    let keys = keys_since(source.as_ref(), None).await;
    let distinct: BTreeSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (ROWS as usize, ROWS as usize));
    let calls = erp.calls().len();
    assert_eq!(calls, 3, "130 rows are three pages of 50");
}

#[tokio::test]
async fn only_what_changed_since_the_watermark_is_listed() {
    let erp = erp().await;
    let later_ms = NOW_MS + 5_000;
    let changed = erp.suppliers()[3].id.clone();
    erp.change_at(&changed, later_ms, |row| row.legal_name.push_str(" Ltd"));
    let (source, _) = connect(&flow(&erp.url(), "http://127.0.0.1:1"));
    let since_us = u64::try_from((NOW_MS + 1_000) * 1_000).unwrap();
    assert_eq!(keys_since(source.as_ref(), Some(since_us)).await, [changed]);
}

#[tokio::test]
async fn one_record_is_fetched_until_it_is_deleted() {
    let erp = erp().await;
    let id = erp.suppliers()[0].id.clone();
    let (source, _) = connect(&flow(&erp.url(), "http://127.0.0.1:1"));
    let key = RecordKey::try_new(id.clone()).unwrap();
    let mut calls = Direct::new(&[]);
    let row = source.fetch(&mut calls, &key).await.unwrap().unwrap();
    assert_eq!(row["id"], id.as_str());
    assert!(erp.delete(&id));
    assert_eq!(source.fetch(&mut calls, &key).await.unwrap(), None);
}

#[tokio::test]
async fn a_page_that_breaks_is_a_failure_and_the_next_try_reads_it() {
    let erp = erp().await;
    let (source, _) = connect(&flow(&erp.url(), "http://127.0.0.1:1"));
    let first = PageRequest {
        since_us: None,
        cursor: None,
    };
    for (action, expected) in [
        (Action::Drop, Some(TransportError::Broken)),
        (
            Action::HugeBody(tidegate_connect::MAX_ANSWER_BYTES + 1),
            Some(TransportError::TooLarge {
                limit_bytes: tidegate_connect::MAX_ANSWER_BYTES,
            }),
        ),
        (Action::Garbage, None),
    ] {
        erp.set_fault(Fault::new(action).times(1)).unwrap();
        let mut calls = Direct::new(&[]);
        let error = source.page(&mut calls, &first).await.unwrap_err();
        assert!(matches!(error, CallError::Failed { .. }), "{error:?}");
        assert_eq!(calls.transport_error, expected);
    }
    let page = source.page(&mut Direct::new(&[]), &first).await.unwrap();
    assert_eq!(page.rows.len(), 50);
}
