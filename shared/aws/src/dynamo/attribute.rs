//! Items as DynamoDB has them, and as the model has them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_model::item::{Item, ItemKey, Value};

/// The table's key: partition and sort key, both texts.
pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";

/// An item with its key, as it travels.
pub(super) type Raw = HashMap<String, AttributeValue>;

/// An item that this release did not write. Names the attribute, never its value.
#[derive(Debug, thiserror::Error)]
#[error("the attribute {0} is neither a text nor a whole number of 64 bits")]
pub(super) struct Unreadable(String);

pub(super) fn raw(value: &Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::Number(number) => AttributeValue::N(number.to_string()),
    }
}

pub(super) fn raw_key(key: &ItemKey) -> Raw {
    Raw::from([
        (
            PARTITION.to_owned(),
            AttributeValue::S(key.partition.clone()),
        ),
        (SORT.to_owned(), AttributeValue::S(key.sort.clone())),
    ])
}

/// The item without its key.
pub(super) fn item_of(raw: Raw) -> Result<Item, Unreadable> {
    let attributes = raw
        .into_iter()
        .filter(|(name, _)| name != PARTITION && name != SORT);
    attributes
        .map(|(name, value)| match value {
            AttributeValue::S(text) => Ok((name, Value::Text(text))),
            AttributeValue::N(digits) => match digits.parse() {
                Ok(number) => Ok((name, Value::Number(number))),
                Err(_) => Err(Unreadable(name)),
            },
            _ => Err(Unreadable(name)),
        })
        .collect()
}

pub(super) fn key_of(raw: &Raw) -> Result<ItemKey, Unreadable> {
    Ok(ItemKey {
        partition: text(raw, PARTITION)?,
        sort: text(raw, SORT)?,
    })
}

pub(super) fn text(raw: &Raw, name: &str) -> Result<String, Unreadable> {
    match raw.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.clone()),
        _ => Err(Unreadable(name.to_owned())),
    }
}
