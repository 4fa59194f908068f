//! The table as code, for one machine and for tests. On AWS the template makes it.

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    operation::create_table::{CreateTableError, builders::CreateTableFluentBuilder},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification,
        TimeToLiveStatus,
    },
};

use super::{
    REVIEW_FLOW, REVIEW_SINCE, REVIEWS_INDEX,
    attribute::{PARTITION, SORT},
};
use crate::AwsFailure;

/// The attribute by which DynamoDB removes an item: seconds since 1970.
const TIME_TO_LIVE: &str = "ttl";
/// Looks at a table that is being made: AWS takes some seconds, an emulator none.
const MAX_LOOKS: u32 = 60;
/// Between two looks.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// DynamoDB refused or did not answer.
    #[error("the table {table} could not be made")]
    Failed {
        /// Its name.
        table: String,
        /// The cause.
        #[source]
        source: AwsFailure,
    },
    /// It is still being made.
    #[error("the table {0} did not become active")]
    NotActive(String),
}

/// Makes the table with its index and time to live, unless it exists.
pub async fn create_table(client: &Client, table: &str) -> Result<(), TableError> {
    let failed = |source: AwsFailure| TableError::Failed {
        table: table.to_owned(),
        source,
    };
    let definition =
        definition(client, table).map_err(|_| failed(AwsFailure::Incomplete("definition")))?;
    match definition.send().await {
        Ok(_) => {}
        Err(error) => match error.as_service_error() {
            Some(CreateTableError::ResourceInUseException(_)) => {}
            _ => return Err(failed(error.into())),
        },
    }
    wait_until_active(client, table).await?;
    let described = client
        .describe_time_to_live()
        .table_name(table)
        .send()
        .await;
    let described = described.map_err(|error| failed(error.into()))?;
    let status = described
        .time_to_live_description
        .and_then(|ttl| ttl.time_to_live_status);
    if matches!(
        status,
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    ) {
        return Ok(());
    }
    let expiry = TimeToLiveSpecification::builder()
        .attribute_name(TIME_TO_LIVE)
        .enabled(true)
        .build()
        .map_err(|_| failed(AwsFailure::Incomplete("time to live")))?;
    let update = client.update_time_to_live().table_name(table);
    let updated = update.time_to_live_specification(expiry).send().await;
    updated.map(drop).map_err(|error| failed(error.into()))
}

fn definition(client: &Client, table: &str) -> Result<CreateTableFluentBuilder, BuildError> {
    use ScalarAttributeType::{N, S};
    let reviews = GlobalSecondaryIndex::builder()
        .index_name(REVIEWS_INDEX)
        .key_schema(key(REVIEW_FLOW, KeyType::Hash)?)
        .key_schema(key(REVIEW_SINCE, KeyType::Range)?)
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::All)
                .build(),
        )
        .build()?;
    let mut definition = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(PARTITION, KeyType::Hash)?)
        .key_schema(key(SORT, KeyType::Range)?)
        .global_secondary_indexes(reviews);
    for (name, kind) in [
        (PARTITION, S),
        (SORT, S),
        (REVIEW_FLOW, S),
        (REVIEW_SINCE, N),
    ] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind);
        definition = definition.attribute_definitions(attribute.build()?);
    }
    Ok(definition)
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
}

async fn wait_until_active(client: &Client, table: &str) -> Result<(), TableError> {
    for _ in 0..MAX_LOOKS {
        let described = client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| TableError::Failed {
            table: table.to_owned(),
            source: error.into(),
        })?;
        let status = described.table.and_then(|table| table.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(TableError::NotActive(table.to_owned()))
}
