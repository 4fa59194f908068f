//! The store where DynamoDB is slow, throttled or refuses. What it does otherwise: see the contract.

use serde_json::json;
use tidegate_engine::ports::{Store, Written};
use tidegate_model::item::{Condition, ItemKey, Op, Update};

use crate::double::Double;

fn key(sort: &str) -> ItemKey {
    ItemKey {
        partition: "p".to_owned(),
        sort: sort.to_owned(),
    }
}

#[tokio::test]
async fn keys_that_dynamodb_leaves_over_are_read_in_another_round() {
    let (double, aws) = Double::connect().await;
    let raw = |sort: &str| json!({"pk": {"S": "p"}, "sk": {"S": sort}});
    let item = |sort: &str| json!({"pk": {"S": "p"}, "sk": {"S": sort}, "a": {"N": "1"}});
    double.answers([
        (
            200,
            json!({"Responses": {"t": [item("1")]}, "UnprocessedKeys": {"t": {"Keys": [raw("2")]}}}),
        ),
        (200, json!({"Responses": {"t": [item("2")]}, "UnprocessedKeys": {}})),
    ]);
    let found = aws
        .store("t")
        .get(&[key("2"), key("1"), key("3")])
        .await
        .unwrap();
    let present: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(present, [true, true, false]);
    let asked = double.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[1].body["RequestItems"]["t"]["Keys"],
        json!([raw("2")])
    );
    assert_eq!(asked[1].body["RequestItems"]["t"]["ConsistentRead"], true);
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_is_refused_with_the_item_that_was_written() {
    let (double, aws) = Double::connect().await;
    let written = json!({"pk": {"S": "p"}, "sk": {"S": "1"}, "owner": {"S": "me"}});
    let refused = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": written
    });
    double.answers([
        (500, json!({"__type": "InternalServerError"})),
        (400, refused),
    ]);
    let claim = Update::when(Condition::Absent("owner".to_owned())).set("owner", "me");
    let Written::Refused { current } = aws.store("t").update(&key("1"), &claim).await.unwrap()
    else {
        panic!("the second attempt was refused");
    };
    assert_eq!(current.unwrap()["owner"], "me".into());
    let asked = double.asked();
    assert_eq!(asked.len(), 2, "the SDK tried again");
    assert_eq!(
        asked[0].body["ReturnValuesOnConditionCheckFailure"],
        "ALL_OLD"
    );
}

#[tokio::test]
async fn a_failure_names_the_item_and_shows_no_value() {
    let (double, aws) = Double::connect().await;
    double.answers([(
        400,
        json!({"__type": "ValidationException", "message": "no such table"}),
    )]);
    let update = Update::when(Condition::is("a", Op::Eq, "hush")).set("a", "hush");
    let error = aws.store("t").update(&key("1"), &update).await.unwrap_err();
    assert_eq!(error.to_string(), "update p/1 failed");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        cause,
        "the service answered ValidationException: no such table"
    );
    assert!(!format!("{error:?}").contains("hush"));
}
