//! Events and mail.

use serde_json::{Value, json};
use tidegate_engine::{
    Event,
    ports::{Events, Mail, Mailer},
};
use tidegate_model::FlowId;

use crate::double::Double;

fn sweep() -> Event {
    let flow = FlowId::try_new("suppliers").unwrap();
    Event::SweepRequested { flow }
}

#[tokio::test]
async fn an_event_goes_to_the_bus_under_its_name() {
    let (double, aws) = Double::connect().await;
    double.answers([(
        200,
        json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}),
    )]);
    aws.events("tidegate-test").emit(&sweep()).await.unwrap();
    let entry = double.asked()[0].body["Entries"][0].clone();
    assert_eq!(entry["EventBusName"], "tidegate-test");
    assert_eq!(entry["Source"], "tidegate");
    assert_eq!(entry["DetailType"], "SweepRequested");
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail, json!({"flow": "suppliers"}));
}

#[tokio::test]
async fn an_event_that_the_bus_did_not_take_is_an_error_in_spite_of_200() {
    let (double, aws) = Double::connect().await;
    let entries = json!([{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]);
    double.answers([(200, json!({"FailedEntryCount": 1, "Entries": entries}))]);
    let error = aws
        .events("tidegate-test")
        .emit(&sweep())
        .await
        .unwrap_err();
    assert_eq!(error.operation, "emit SweepRequested");
    assert!(error.source.to_string().ends_with("ThrottlingException"));
}

#[tokio::test]
async fn a_mail_goes_to_all_who_are_to_get_it() {
    let (double, aws) = Double::connect().await;
    double.answers([(200, json!({"MessageId": "1"}))]);
    let to = vec!["a@example.com".to_owned(), "b@example.com".to_owned()];
    let mail = Mail {
        subject: "3 suppliers wait".to_owned(),
        text: "Grüße".to_owned(),
    };
    aws.mailer("sync@example.com", to)
        .send(&mail)
        .await
        .unwrap();
    let asked = &double.asked()[0];
    assert_eq!(asked.what, "/v2/email/outbound-emails");
    assert_eq!(asked.body["FromEmailAddress"], "sync@example.com");
    assert_eq!(
        asked.body["Destination"]["ToAddresses"],
        json!(["a@example.com", "b@example.com"])
    );
    let message = &asked.body["Content"]["Simple"];
    assert_eq!(message["Subject"]["Data"], "3 suppliers wait");
    assert_eq!(message["Body"]["Text"]["Data"], "Grüße");
}
