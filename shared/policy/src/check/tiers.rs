//! Batch is the default: what makes changes real-time must say why (R37).

use serde_json::Value;

use super::{
    Findings,
    words::{is_placeholder, written},
};

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    let critical = document
        .get("/critical")
        .and_then(Value::as_array)
        .is_some_and(|names| !names.is_empty());
    let made_by = match (critical, document.get("/webhook").is_some()) {
        (true, _) => Some(("/critical", "`critical`")),
        (false, true) => Some(("/webhook", "`[webhook]`")),
        (false, false) => None,
    };
    match (made_by, document.get("/real_time_reason")) {
        (Some((pointer, what)), None) => findings.wrong(
            pointer,
            format!("{what} makes changes real-time, and batch is the default: say in `real_time_reason` why they cannot wait, or leave {what} out"),
        ),
        (None, Some(_)) => findings.wrong(
            "/real_time_reason",
            "nothing here is real-time: leave `real_time_reason` out, or name `critical` fields or a `[webhook]`",
        ),
        (Some(_), Some(reason)) if reason.as_str().is_some_and(is_placeholder) => findings.wrong(
            "/real_time_reason",
            format!("`real_time_reason` must say why changes cannot wait for a batch, {} is written", written(reason)),
        ),
        _ => {}
    }
}
