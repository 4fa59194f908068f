//! Secrets: looked up, kept for five minutes, never shown.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use tidegate_engine::ports::{Doubt, SecretError, Secrets};
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
    let secrets = aws.secrets(
        (values("hush"), None),
        Arc::new(ManualClock::new(UnixMs::EPOCH)),
    );
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
    let secrets = aws.secrets((values(ARN), None), clock.clone());
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "old");
    clock.set(UnixMs(299_999));
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "old");
    assert_eq!(double.asked().len(), 1);
    assert_eq!(double.asked()[0].body["SecretId"], ARN);
    clock.advance(Duration::from_millis(1));
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "new");
}

#[tokio::test]
async fn what_is_not_named_is_looked_up_below_the_path() {
    let (double, aws) = Double::connect().await;
    double.answers([(200, json!({"SecretString": "kept"}))]);
    let clock = Arc::new(ManualClock::new(UnixMs::EPOCH));
    let secrets = aws.secrets((values("hush"), Some("tidegate/dev/".to_owned())), clock);
    assert_eq!(secrets.get("OTHER").await.unwrap().reveal(), "kept");
    assert_eq!(double.asked()[0].body["SecretId"], "tidegate/dev/OTHER");
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "hush");
    assert_eq!(double.asked().len(), 1);
    let unknown = json!({"__type": "ResourceNotFoundException", "message": "no such secret"});
    double.answers([(400, unknown)]);
    let missing = secrets.get("NONE").await;
    assert!(matches!(missing, Err(SecretError::Missing(_))));
}

#[tokio::test]
async fn a_secret_that_can_not_be_read_says_why_and_is_not_remembered() {
    let (double, aws) = Double::connect().await;
    let denied = json!({"__type": "AccessDeniedException", "message": "not yours"});
    double.answers([(400, denied), (200, json!({"SecretString": "hush"}))]);
    let secrets = aws.secrets(
        (values(ARN), None),
        Arc::new(ManualClock::new(UnixMs::EPOCH)),
    );
    let error = secrets.get("KEY").await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        cause,
        "the service answered AccessDeniedException: not yours"
    );
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "hush");
}

#[tokio::test]
async fn a_refused_secret_is_looked_up_once_and_is_worth_a_call_only_when_it_was_replaced() {
    let (double, aws) = Double::connect().await;
    double.answers(["old", "old", "new", "new"].map(|text| (200, json!({"SecretString": text}))));
    let clock = Arc::new(ManualClock::new(UnixMs(1_000)));
    let secrets = aws.secrets((values(ARN), None), clock.clone());
    secrets.get("KEY").await.unwrap();
    clock.set(UnixMs(2_000));
    assert!(
        !secrets
            .renew("KEY", Doubt::Refused, UnixMs(1_500))
            .await
            .unwrap(),
        "the same is kept"
    );
    assert_eq!(double.asked().len(), 2);
    clock.set(UnixMs(3_000));
    assert!(
        secrets
            .renew("KEY", Doubt::Refused, UnixMs(2_500))
            .await
            .unwrap()
    );
    // Another call that began with the old one, and one that began with the new one.
    assert!(
        secrets
            .renew("KEY", Doubt::Refused, UnixMs(2_600))
            .await
            .unwrap()
    );
    assert_eq!(double.asked().len(), 3, "it is known to have been replaced");
    clock.set(UnixMs(4_000));
    assert!(
        !secrets
            .renew("KEY", Doubt::Refused, UnixMs(3_500))
            .await
            .unwrap()
    );
    assert_eq!(double.asked().len(), 4);
}

#[tokio::test]
async fn a_refused_secret_is_not_used_again_while_it_can_not_be_looked_up() {
    let (double, aws) = Double::connect().await;
    let denied = json!({"__type": "AccessDeniedException", "message": "not yours"});
    double.answers([
        (200, json!({"SecretString": "old"})),
        (400, denied.clone()),
        (400, denied),
        (200, json!({"SecretString": "new"})),
    ]);
    let clock = Arc::new(ManualClock::new(UnixMs(1_000)));
    let secrets = aws.secrets((values(ARN), None), clock.clone());
    secrets.get("KEY").await.unwrap();
    assert!(
        secrets
            .renew("KEY", Doubt::Refused, UnixMs(1_000))
            .await
            .is_err()
    );
    assert!(secrets.get("KEY").await.is_err());
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "new");
}

/// Or whoever forges a webhook while the vault is in trouble would take it from everybody.
#[tokio::test]
async fn a_secret_that_a_caller_does_not_match_is_kept_while_it_can_not_be_looked_up() {
    let (double, aws) = Double::connect().await;
    let denied = json!({"__type": "AccessDeniedException", "message": "not yours"});
    double.answers([(200, json!({"SecretString": "good"})), (400, denied)]);
    let clock = Arc::new(ManualClock::new(UnixMs(1_000)));
    let secrets = aws.secrets((values(ARN), None), clock.clone());
    secrets.get("KEY").await.unwrap();
    let renewed = secrets.renew("KEY", Doubt::Unmatched, UnixMs(1_000)).await;
    assert!(renewed.is_err());
    assert_eq!(secrets.get("KEY").await.unwrap().reveal(), "good");
}
