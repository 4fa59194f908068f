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
    Event::SweepRequested {
        flow,
        request_id: None,
    }
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
    let refused = json!({"FailedEntryCount": 1, "Entries": entries});
    double.answers([(200, refused.clone()), (200, refused)]);
    let error = aws
        .events("tidegate-test")
        .emit(&sweep())
        .await
        .unwrap_err();
    assert_eq!(error.operation, "emit SweepRequested");
    assert!(error.source.to_string().ends_with("ThrottlingException"));
}

fn several(count: u32) -> Vec<Event> {
    let flow = |number| FlowId::try_new(format!("f{number}")).unwrap();
    let sweep = |number| Event::SweepRequested {
        flow: flow(number),
        request_id: None,
    };
    (0..count).map(sweep).collect()
}

/// Flows of the entries of a request.
fn told(body: &Value) -> Vec<String> {
    let entries = body["Entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            detail["flow"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn ten_events_share_a_call() {
    let (double, aws) = Double::connect().await;
    let taken = json!({"FailedEntryCount": 0, "Entries": []});
    double.answers([(200, taken.clone()), (200, taken.clone()), (200, taken)]);
    let bus = aws.events("tidegate-test");
    bus.emit_all(&several(23)).await.unwrap();
    let sizes: Vec<usize> = double
        .asked()
        .iter()
        .map(|asked| told(&asked.body).len())
        .collect();
    assert_eq!(sizes, [10, 10, 3]);
    bus.emit_all(&[]).await.unwrap();
    assert_eq!(double.asked().len(), 3, "nothing is no call");
}

#[tokio::test]
async fn of_several_events_only_those_that_were_not_taken_are_sent_again() {
    let (double, aws) = Double::connect().await;
    let refused = json!({"ErrorCode": "InternalFailure", "ErrorMessage": "again"});
    let first = json!([{"EventId": "1"}, refused, {"EventId": "3"}]);
    double.answers([
        (200, json!({"FailedEntryCount": 1, "Entries": first})),
        (
            200,
            json!({"FailedEntryCount": 0, "Entries": [{"EventId": "2"}]}),
        ),
    ]);
    aws.events("tidegate-test")
        .emit_all(&several(3))
        .await
        .unwrap();
    let asked = double.asked();
    assert_eq!(told(&asked[0].body), ["f0", "f1", "f2"]);
    assert_eq!(told(&asked[1].body), ["f1"]);
}

#[tokio::test]
async fn a_batch_that_is_not_taken_does_not_keep_the_next_one_back() {
    let (double, aws) = Double::connect().await;
    let refused = json!([{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]);
    let refused = json!({"FailedEntryCount": 1, "Entries": refused});
    let taken = json!({"FailedEntryCount": 0, "Entries": []});
    double.answers([(200, refused.clone()), (200, refused), (200, taken)]);
    let told = aws.events("tidegate-test").emit_all(&several(11)).await;
    assert!(
        told.unwrap_err()
            .source
            .to_string()
            .ends_with("ThrottlingException")
    );
    assert_eq!(double.asked().len(), 3);
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
