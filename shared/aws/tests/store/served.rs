//! DynamoDB's protocol, served in the process.

use std::collections::BTreeMap;

use dynoxide::Database;
use tidegate_aws::{Aws, DynamoStore, create_table};
use tidegate_model::item::{Item, ItemKey, Value};
use tokio::net::TcpListener;

pub const TABLE: &str = "tidegate";

/// Serves an empty database for as long as the runtime lives, and connects to it.
pub async fn connect() -> Aws {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let config = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let config: BTreeMap<_, _> = config
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    Aws::connect(&config).await.unwrap()
}

/// A store on an empty table.
pub async fn store() -> DynamoStore {
    let aws = connect().await;
    create_table(&aws.dynamo(), TABLE).await.unwrap();
    aws.store(TABLE)
}

pub fn key(partition: &str, sort: &str) -> ItemKey {
    ItemKey {
        partition: partition.to_owned(),
        sort: sort.to_owned(),
    }
}

pub fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}
