//! Secrets: looked up, kept for five minutes, never shown.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use tidegate_engine::ports::{SecretError, Secrets};
use tidegate_model::UnixMs;
use tidegate_testkit::memory::ManualClock;

use crate::double::Double;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tidegate/dev/KEY-a1b2c3";

fn values(value: &str) -> BTreeMap<String, String> {
    [("KEY".to_owned(), value.to_owned())].into()
}

#[tokio::test]
async fn a_value_that_is_no_address_is_the_secret_itself() {
    let (double, aws) = Double::connect().await;
    let secrets = aws.secrets(values("hush"), Arc::new(ManualClock::new(UnixMs::EPOCH)));
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "hush");
    assert!(matches!(
        secrets.get("OTHER").await,
        Err(SecretError::Missing(_))
    ));
    assert!(double.asked().is_empty());
    assert!(!format!("{secrets:?}").contains("hush"));
}

#[tokio::test]
async fn an_address_is_looked_up_and_kept_for_five_minutes() {
    let (double, aws) = Double::connect().await;
    double.answers([
        (200, json!({"SecretString": "old"})),
        (200, json!({"SecretString": "new"})),
    ]);
    let clock = Arc::new(ManualClock::new(UnixMs::EPOCH));
    let secrets = aws.secrets(values(ARN), clock.clone());
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "old");
    clock.set(UnixMs(299_999));
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "old");
    assert_eq!(double.asked().len(), 1);
    assert_eq!(double.asked()[0].body["SecretId"], ARN);
    clock.advance(Duration::from_millis(1));
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "new");
}

#[tokio::test]
async fn a_secret_that_can_not_be_read_says_why_and_is_not_remembered() {
    let (double, aws) = Double::connect().await;
    let denied = json!({"__type": "AccessDeniedException", "message": "not yours"});
    double.answers([(400, denied), (200, json!({"SecretString": "hush"}))]);
    let secrets = aws.secrets(values(ARN), Arc::new(ManualClock::new(UnixMs::EPOCH)));
    let error = secrets.get("KEY").await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        cause,
        "the service answered AccessDeniedException: not yours"
    );
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "hush");
}
