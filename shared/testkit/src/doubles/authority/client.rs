//! Who asks: client authentication by Basic or in the body (RFC 6749, 2.3.1).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::refusal::Refusal;
use crate::doubles::{
    Incoming,
    form::{Pairs, unescaped},
};

/// What a client says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
    /// How a refusal of them is answered.
    pub(super) refusal: Refusal,
}

/// The credentials of a call; none where it names none.
pub(super) fn credentials(call: &Incoming, form: &Pairs) -> Result<Option<Credentials>, Refusal> {
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    let Some(header) = call.headers.get("authorization") else {
        return match (id, secret) {
            (None, None) => Ok(None),
            // A client without a secret is no confidential one, and only such are known here.
            (id, secret) => Ok(Some(Credentials {
                id: id.unwrap_or_default().to_owned(),
                secret: secret.unwrap_or_default().to_owned(),
                refusal: Refusal::client(),
            })),
        };
    };
    if secret.is_some() {
        let what = "the client authenticates in more than one way";
        return Err(Refusal::request(what));
    }
    let basic = header.to_str().ok().and_then(basic);
    let basic = basic.ok_or_else(Refusal::challenged_client)?;
    if id.is_some_and(|id| id != basic.id) {
        return Err(Refusal::request("client_id is not the client's own"));
    }
    Ok(Some(basic))
}

/// `Basic` with id and secret, each escaped as in a form before they are joined.
fn basic(header: &str) -> Option<Credentials> {
    let (scheme, coded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some(Credentials {
        id: unescaped(id)?,
        secret: unescaped(secret)?,
        refusal: Refusal::challenged_client(),
    })
}
