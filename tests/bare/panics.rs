//! A Lambda function that is hosted as each of ours, and panics with what it was sent: what must be told of
//! that is its place alone.

use std::convert::Infallible;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use tidegate_lambda::{LogFilter, guarded, start_telemetry};

#[tokio::main]
async fn main() -> Result<(), Error> {
    start_telemetry(&LogFilter("info".to_owned()))?;
    run(service_fn(|event: LambdaEvent<Value>| {
        guarded(async move { panic_with(&event.payload) })
    }))
    .await
}

#[allow(clippy::panic, reason = "that is what it is for")]
fn panic_with(event: &Value) -> Result<Value, Infallible> {
    panic!("{event}")
}
