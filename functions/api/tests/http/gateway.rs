//! The same calls as API Gateway hands them over.

use serde_json::{Value, json};
use tidegate_api::router;
use tower::ServiceExt;

use crate::caller::{Caller, rows};

const EVENT: &str = include_str!("../../../../infra/events/api.json");
/// The token of infra/events/local.env.
const LOCAL_TOKEN: &str = "local-api-token";

async fn status_of(caller: &Caller, event: &Value) -> u16 {
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let answer = router(caller.host.engine.clone()).oneshot(request).await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_shipped_event_is_answered() {
    let caller = Caller::with_secrets(&[("API_TOKEN", LOCAL_TOKEN)]);
    let event: Value = serde_json::from_str(EVENT).unwrap();
    assert_eq!(status_of(&caller, &event).await, 200);
}

#[tokio::test]
async fn a_path_that_the_gateway_decoded_is_found_all_the_same() {
    let caller = Caller::with_secrets(&[("API_TOKEN", LOCAL_TOKEN)]);
    let mut row = rows(1).remove(0);
    row["id"] = json!("Zürich 7/2");
    caller.batch("suppliers", vec![row]).await;
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    for path in [
        "/v1/flows/suppliers/records/Zürich 7/2",
        "/v1/flows/suppliers/records/Z%C3%BCrich%207%2F2",
    ] {
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        assert_eq!(status_of(&caller, &event).await, 200, "{path}");
    }
}
