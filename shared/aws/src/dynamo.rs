//! The store on DynamoDB.

mod attribute;
mod meter;
mod render;
mod table;
mod token;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{
        query::builders::QueryFluentBuilder,
        update_item::{UpdateItemError, UpdateItemOutput},
    },
    types::{
        AttributeValue, KeysAndAttributes, ReturnConsumedCapacity, ReturnValue,
        ReturnValuesOnConditionCheckFailure,
    },
};
use tidegate_engine::ports::{Consumed, Listing, ListingPage, Store, StoreError, Written};
use tidegate_model::item::{Item, ItemKey, Update};

pub use self::table::{TableError, create_table};
use self::{
    attribute::{PARTITION, Raw, Unreadable, item_of, key_of, raw_key},
    meter::Meter,
    render::{Rendered, absent_copies, render},
};
use crate::AwsFailure;

/// The index of what is in review: partition `rvf`, the flow; sort `rva`, since when.
const REVIEWS_INDEX: &str = "reviews";
const REVIEW_FLOW: &str = "rvf";
const REVIEW_SINCE: &str = "rva";

/// Keys of one `BatchGetItem`: DynamoDB's limit.
const MAX_GET_KEYS: usize = 100;
/// Rounds of one `get`: DynamoDB leaves keys over when it is throttled or the answer would pass
/// 16 MB. With the waits below the last round is 1.5 s after the first.
const MAX_GET_ROUNDS: u32 = 6;
/// Wait before the second round; doubles from round to round.
const FIRST_GET_WAIT: Duration = Duration::from_millis(50);
/// Attempts of an update that copies an attribute: one more each time the item changed between two
/// of them. Each needs a lost race, so three in a row mean that something else is wrong.
const MAX_COPY_ATTEMPTS: u32 = 3;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// The one table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
    meter: Arc<Meter>,
}

impl DynamoStore {
    /// The store on a table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
            meter: Arc::default(),
        }
    }

    /// Writes once. `Ok(Err(..))` is the item that made the condition fail.
    async fn write(
        &self,
        key: &ItemKey,
        rendered: Rendered,
    ) -> Result<Result<Option<Raw>, Option<Raw>>, AwsFailure> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(raw_key(key)))
            .set_update_expression(rendered.update)
            .set_condition_expression(rendered.condition)
            .set_expression_attribute_names(rendered.names)
            .set_expression_attribute_values(rendered.values)
            .return_values(ReturnValue::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let written = outcome(sent)?;
        match &written {
            Ok(answer) => self.meter.wrote(answer.consumed_capacity.as_ref()),
            Err(_) => self.meter.refused(),
        }
        Ok(written.map(|answer| answer.attributes))
    }

    fn query(&self, listing: &Listing) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let (query, attribute, value) = match listing {
            Listing::Partition(partition) => (query.consistent_read(true), PARTITION, partition),
            // An index is never strongly consistent.
            Listing::Reviews(flow) => (query.index_name(REVIEWS_INDEX), REVIEW_FLOW, flow),
        };
        query
            .key_condition_expression("#p = :p")
            .expression_attribute_names("#p", attribute)
            .expression_attribute_values(":p", AttributeValue::S(value.clone()))
    }

    /// Reads up to [`MAX_GET_KEYS`] different keys.
    async fn get_chunk(&self, chunk: &[&ItemKey]) -> Result<BTreeMap<ItemKey, Item>, Boxed> {
        let mut found = BTreeMap::new();
        let mut open: Vec<Raw> = chunk.iter().map(|key| raw_key(key)).collect();
        let mut wait = FIRST_GET_WAIT;
        for round in 0..MAX_GET_ROUNDS {
            if round > 0 {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(open))
                .consistent_read(true)
                .build()?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(AwsFailure::from)?;
            self.meter.read(answer.consumed_capacity().first());
            let rows = answer
                .responses
                .and_then(|mut by_table| by_table.remove(&self.table));
            for raw in rows.unwrap_or_default() {
                let key = key_of(&raw)?;
                found.extend(known(Some(raw))?.map(|item| (key, item)));
            }
            let left = answer
                .unprocessed_keys
                .and_then(|mut keys| keys.remove(&self.table));
            open = left.map(|left| left.keys).unwrap_or_default();
            if open.is_empty() {
                return Ok(found);
            }
        }
        let code = "left over in every round".to_owned();
        let count = open.len();
        Err(AwsFailure::InPart { count, code }.into())
    }
}

/// Tells a refused condition from a failure.
fn outcome(
    sent: Result<UpdateItemOutput, SdkError<UpdateItemError>>,
) -> Result<Result<UpdateItemOutput, Option<Raw>>, AwsFailure> {
    let error = match sent {
        Ok(answer) => return Ok(Ok(answer)),
        Err(error) => error,
    };
    match error {
        SdkError::ServiceError(context) => match context.into_err() {
            UpdateItemError::ConditionalCheckFailedException(failed) => Ok(Err(failed.item)),
            other => Err(AwsFailure::from(SdkError::<_, ()>::service_error(
                other,
                (),
            ))),
        },
        other => Err(AwsFailure::from(other)),
    }
}

/// The item, if it has an attribute beside its key. One without counts as absent: the server of one
/// machine answers both alike, and no write can tell them apart.
fn known(raw: Option<Raw>) -> Result<Option<Item>, Unreadable> {
    let item = raw.map(item_of).transpose()?;
    Ok(item.filter(|item| !item.is_empty()))
}

#[async_trait]
impl Store for DynamoStore {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        let failed = |source: Boxed| StoreError {
            operation: format!("update {}/{}", key.partition, key.sort),
            source,
        };
        let mut absent = Vec::new();
        for _ in 0..MAX_COPY_ATTEMPTS {
            let written = self.write(key, render(update, &absent)).await;
            match written.map_err(|error| failed(error.into()))? {
                Ok(raw) => {
                    let before = known(raw).map_err(|error| failed(error.into()))?;
                    let Some(after) = update.evaluate(before.as_ref()) else {
                        return Err(failed("DynamoDB wrote where evaluate would not".into()));
                    };
                    return Ok(Written::Done { before, after });
                }
                Err(raw) => {
                    let current = known(raw).map_err(|error| failed(error.into()))?;
                    if update.evaluate(current.as_ref()).is_none() {
                        return Ok(Written::Refused { current });
                    }
                    // The condition holds: refused only because a copied attribute is absent, or
                    // exists, against what was assumed.
                    absent = absent_copies(update, current.as_ref());
                }
            }
        }
        Err(failed("the item changed between all attempts".into()))
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        let mut different: Vec<&ItemKey> = keys.iter().collect();
        different.sort();
        different.dedup();
        let mut found = BTreeMap::new();
        for chunk in different.chunks(MAX_GET_KEYS) {
            let read = self.get_chunk(chunk).await.map_err(|source| StoreError {
                operation: format!("get {} items", chunk.len()),
                source,
            })?;
            found.extend(read);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        let failed = |source: Boxed| StoreError {
            operation: format!("list {listing:?}"),
            source,
        };
        let start: Option<HashMap<_, _>> = after
            .map(|token| token::decode(token, listing))
            .transpose()
            .map_err(|error| failed(error.into()))?;
        let answer = self
            .query(listing)
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| failed(AwsFailure::from(error).into()))?;
        self.meter.read(answer.consumed_capacity.as_ref());
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let next = next.map(|key| token::encode(&key, listing)).transpose();
        let items: Result<Vec<_>, _> = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|raw| Ok((key_of(&raw)?, item_of(raw)?)))
            .collect();
        Ok(ListingPage {
            items: items.map_err(|error: Unreadable| failed(error.into()))?,
            next: next.map_err(|error| failed(error.into()))?,
        })
    }

    fn consumed(&self) -> Consumed {
        self.meter.take()
    }
}
