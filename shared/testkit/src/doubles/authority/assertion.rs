//! Whether a JWT is one that this authority takes: RFC 7523, 3.
//!
//! Invariants: the algorithm is the key's, whatever the header says of another; no claim but `iss`,
//! which finds the key, is looked at before the signature holds.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{PublicKey, refusal::Refusal};

/// The longest life of an assertion, from `iat` to `exp`: what Google's and others' endpoints take.
const MAX_LIFE_S: i64 = 3_600;

/// How far ahead of ours an issuer's clock may be.
const MAX_AHEAD_S: i64 = 60;

/// An issuer, whom it may speak for, and the key that it signs with.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) key: PublicKey,
}

/// Reads `jwt`, and checks that one of `trusts` stands behind it, for `audience`, at `now_s`.
pub(super) fn check(
    jwt: &str,
    trusts: &[Trust],
    audience: &str,
    now_s: i64,
) -> Result<(), Refusal> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err(Refusal::grant("the assertion is no JWT of three parts"));
    };
    let unread = || Refusal::grant("the assertion can not be read");
    let stated = object(header).ok_or_else(unread)?;
    let said = object(claims).ok_or_else(unread)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| unread())?;

    let issuer = text(&said, "iss")?;
    let signed = jwt.rsplit_once('.').map_or("", |(signed, _)| signed);
    if stated.contains_key("crit") {
        return Err(Refusal::grant("crit names what is not understood"));
    }
    let mut known = trusts.to_vec();
    known.retain(|trust| trust.issuer == issuer);
    if known.is_empty() {
        return Err(Refusal::grant("iss is not known"));
    }
    let algorithm = stated.get("alg").and_then(Value::as_str);
    known.retain(|trust| {
        algorithm == Some(trust.key.algorithm.name())
            && trust.key.signed(signed.as_bytes(), &signature)
    });
    if known.is_empty() {
        return Err(Refusal::grant("the signature does not hold"));
    }
    let subject = text(&said, "sub")?;
    if !known.iter().any(|trust| trust.subject == subject) {
        return Err(Refusal::grant("sub is not one that iss may speak for"));
    }
    if !is_for(&said, audience) {
        return Err(Refusal::grant("aud is not this endpoint"));
    }
    times(&said, now_s)
}

fn times(said: &Map<String, Value>, now_s: i64) -> Result<(), Refusal> {
    let (issued, ends) = (seconds(said, "iat")?, seconds(said, "exp")?);
    if ends <= now_s {
        return Err(Refusal::grant("exp has passed"));
    }
    if issued > now_s + MAX_AHEAD_S {
        return Err(Refusal::grant("iat lies in the future"));
    }
    if ends.saturating_sub(issued) > MAX_LIFE_S {
        return Err(Refusal::grant("exp lies more than an hour after iat"));
    }
    if said.contains_key("nbf") && seconds(said, "nbf")? > now_s + MAX_AHEAD_S {
        return Err(Refusal::grant("nbf lies in the future"));
    }
    Ok(())
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn text<'a>(said: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    let value = said.get(name).and_then(Value::as_str);
    value.ok_or_else(|| Refusal::grant(&format!("{name} is missing")))
}

/// A time in seconds; its fraction, which RFC 7519 allows, is cut.
fn seconds(said: &Map<String, Value>, name: &str) -> Result<i64, Refusal> {
    let number = match said.get(name) {
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let whole = number.split('.').next().unwrap_or_default().parse();
    whole.map_err(|_| Refusal::grant(&format!("{name} is missing or no time")))
}

/// `aud` is one text or several.
fn is_for(said: &Map<String, Value>, audience: &str) -> bool {
    match said.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    }
}
