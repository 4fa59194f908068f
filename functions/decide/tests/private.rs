//! Nothing of question and answer is logged or kept. A binary of its own: others at work beside it would take its log.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

#[path = "decisions/asker.rs"]
#[allow(dead_code, reason = "it is that of the other tests too")]
mod asker;

use std::sync::Arc;

use serde_json::json;
use tidegate_testkit::log::Log;

use asker::{Asker, DECIDE, approved};

#[tokio::test]
async fn neither_log_nor_table_nor_bus_has_anything_of_question_and_answer() {
    let log = Arc::new(Log::default());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(Arc::clone(&log))
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let asker = Asker::new(DECIDE);
    let answered = [
        (
            200,
            json!({"decision": "approved", "limit": 731_911, "said": "731912"}),
        ),
        (
            422,
            json!({"message": "no more than 731911", "limit": 731_911}),
        ),
        (500, json!({"message": "731911"})),
        (200, approved("731911 or so")),
    ];
    for (status, body) in answered {
        asker.source_says(status, body);
        let question = json!({"key": "C-1", "ask": {"amount": 518_327}});
        asker.ask_for(question).await.why();
    }
    let (items, events) = (asker.host.store.items(), asker.host.events.all());
    let text = format!("{} {items:?} {events:?}", log.text());
    for line in [
        "decided",
        "why=\"approved\"",
        "key=\"C-1\"",
        "why=\"refused\"",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for value in ["518327", "731911", "731912"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}
