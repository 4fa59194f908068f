//! Cursors of listings: where the table goes on, and a check digit of what they belong to.
//!
//! A cursor that was cut, misspelt or taken from another listing is the caller's mistake (400). The
//! table would refuse it too, but as a failure of its own. The check is no protection: the table's
//! token leads nowhere outside its own listing, whoever made it.

use sha2::{Digest, Sha256};
use tidegate_lambda::Problem;

use crate::query;

/// Bytes of the check: enough for mistakes, which are not adversaries.
const CHECK_BYTES: usize = 4;

/// Makes a cursor of `listing`, which names flow and kind.
pub(crate) fn encode(listing: &str, token: &str) -> String {
    format!("{token}_{}", check(listing, token))
}

/// The table's token of a cursor of this listing.
pub(crate) fn decode<'a>(listing: &str, cursor: &'a str) -> Result<&'a str, Problem> {
    cursor
        .rsplit_once('_')
        .filter(|(token, found)| check(listing, token) == *found)
        .map(|(token, _)| token)
        .ok_or_else(|| query::at_fault("cursor", "is not one that this listing gave"))
}

fn check(listing: &str, token: &str) -> String {
    let digest = Sha256::new()
        .chain_update(listing.as_bytes())
        .chain_update(b"\n")
        .chain_update(token.as_bytes())
        .finalize();
    hex::encode(digest.get(..CHECK_BYTES).unwrap_or(&digest))
}
