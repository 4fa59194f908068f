//! Where a listing goes on, as a text that is safe in a URL.
//!
//! A token holds the last key without the listing itself: it cannot lead into another partition or
//! another flow, whoever made it.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tidegate_engine::ports::Listing;

use super::{
    REVIEW_FLOW, REVIEW_SINCE,
    attribute::{PARTITION, Raw, SORT, Unreadable, text},
};

/// A token that this store did not give for this listing.
#[derive(Debug, thiserror::Error)]
#[error("the cursor is not one of this listing")]
pub(super) struct BadToken;

pub(super) fn encode(last: &Raw, listing: &Listing) -> Result<String, Unreadable> {
    let sort = text(last, SORT)?;
    let parts = match listing {
        Listing::Partition(_) => vec![sort],
        Listing::Reviews(_) => vec![sort, text(last, PARTITION)?, since(last)?],
    };
    let json = serde_json::Value::from(parts).to_string();
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

pub(super) fn decode(token: &str, listing: &Listing) -> Result<Raw, BadToken> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken)?;
    let parts: Vec<String> = serde_json::from_slice(&json).map_err(|_| BadToken)?;
    let text = |text: &String| AttributeValue::S(text.clone());
    let key = match (listing, parts.as_slice()) {
        (Listing::Partition(partition), [sort]) => {
            vec![(PARTITION, text(partition)), (SORT, text(sort))]
        }
        (Listing::Reviews(flow), [sort, partition, since]) => {
            let since: i64 = since.parse().map_err(|_| BadToken)?;
            vec![
                (PARTITION, text(partition)),
                (SORT, text(sort)),
                (REVIEW_FLOW, text(flow)),
                (REVIEW_SINCE, AttributeValue::N(since.to_string())),
            ]
        }
        _ => return Err(BadToken),
    };
    Ok(key
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

fn since(last: &Raw) -> Result<String, Unreadable> {
    match last.get(REVIEW_SINCE) {
        Some(AttributeValue::N(digits)) => Ok(digits.clone()),
        _ => text(last, REVIEW_SINCE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_one_listing_is_refused_by_another_kind() {
        let partition = Listing::Partition("p".to_owned());
        let last = Raw::from([
            (PARTITION.to_owned(), AttributeValue::S("p".to_owned())),
            (SORT.to_owned(), AttributeValue::S("ü/1".to_owned())),
        ]);
        let token = encode(&last, &partition).unwrap();
        assert!(
            token
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        );
        assert_eq!(decode(&token, &partition).unwrap(), last);
        assert!(decode(&token, &Listing::Reviews("p".to_owned())).is_err());
        assert!(decode("%", &partition).is_err());
    }
}
