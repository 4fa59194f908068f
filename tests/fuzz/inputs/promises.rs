//! What every input may rely on: the shipped flows, a world in memory, and the promises that hold
//! for each.

#![allow(
    dead_code,
    reason = "not every input of the guided search needs all of it"
)]

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
};

use serde_json::Value;
use tidegate_policy::flow::Flow;
use tidegate_testkit::{
    host::{Host, settings},
    openapi::Described,
};

pub const SUPPLIERS: &str = include_str!("../../../infra/flows/suppliers.toml");
const CONTACTS: &str = include_str!("../../../infra/flows/examples/contacts.toml");

/// Stands for a field's value: corpus and edits put it in, no error may show it.
pub const VALUE: &str = "c4n4ry";

/// A webhook's secret, and what no answer may show of it.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEXT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const TOKEN: &str = "t0ken-of-the-api-0123456789abcdef";

/// An engine with the shipped flows, whose world is in memory and answers nothing.
pub fn host() -> Host {
    let secrets = [
        ("SUPPLIERS_WEBHOOK_1", SECRET),
        ("SUPPLIERS_WEBHOOK_2", NEXT_SECRET),
        ("CRM_WEBHOOK", SECRET),
        ("ERP_TOKEN", TOKEN),
        ("CRM_API_KEY", TOKEN),
        ("QUALIO_API_KEY", TOKEN),
        ("NEWSLETTER_TOKEN", TOKEN),
        ("API_TOKEN", TOKEN),
    ];
    Host::of_flows(&FLOWS, secrets, tidegate_connect::connect)
}

/// What a future gives at once. With a world in memory nothing ever has to be waited for.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    // A body in parts may take some polls.
    for _ in 0..1_000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("it waits for something that never comes");
}

/// An error's text that shows neither secrets nor values, and writes nothing to a terminal.
pub fn tells_nothing(text: &str) {
    for hidden in [VALUE, SECRET, NEXT_SECRET, TOKEN, "C2FVsBQIhrscChlQIMV"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert!(!text.contains(char::is_control), "control in {text:?}");
}

/// Whether the value that stands for a field's stands where a name belongs, which may be told.
pub fn is_name(value: &Value) -> bool {
    match value {
        Value::Object(table) => table
            .iter()
            .any(|(name, below)| name.contains(VALUE) || is_name(below)),
        Value::Array(entries) => entries.iter().any(is_name),
        _ => false,
    }
}

/// What the API says of itself.
pub static DESCRIBED: LazyLock<Described> =
    LazyLock::new(|| Described::try_new(&tidegate_api::openapi()).unwrap());

/// The shipped flows, compiled.
pub static FLOWS: LazyLock<Vec<Arc<Flow>>> = LazyLock::new(|| {
    [SUPPLIERS, CONTACTS]
        .map(|text| {
            Flow::load("flow.toml", text, &settings())
                .map(Arc::new)
                .unwrap()
        })
        .into()
});
