//! The table that one machine and the tests make.

use tidegate_aws::create_table;

use crate::served::{TABLE, connect};

#[tokio::test]
async fn the_table_is_made_once_with_index_and_time_to_live() {
    let client = connect().await.dynamo();
    create_table(&client, TABLE).await.unwrap();
    create_table(&client, TABLE).await.unwrap();
    let described = client
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let table = described.table.unwrap();
    assert_eq!(
        table.global_secondary_indexes()[0].index_name(),
        Some("reviews")
    );
    let expiry = client
        .describe_time_to_live()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name(), Some("ttl"));
}
