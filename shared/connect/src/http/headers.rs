//! Headers of a request, secrets included.

use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::byte_serialize;
use reqwest::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue as WireValue, TRANSFER_ENCODING, UPGRADE,
};
use tidegate_engine::{
    chain,
    ports::{Body, Header, HeaderValue, Request, Secret, SecretError, Secrets, TransportError},
};

use super::{hidden::Hidden, jwt::key_pair_token};

/// Headers that frame the message. A flow that sets one could make a server read two requests.
const OF_THE_CLIENT: [HeaderName; 6] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    UPGRADE,
    EXPECT,
];

const JSON: WireValue = WireValue::from_static("application/json");
const FORM: WireValue = WireValue::from_static("application/x-www-form-urlencoded");

/// Puts a header in; a later one of the same name replaces an earlier one. A secret is told to `hidden`.
pub(super) async fn insert(
    map: &mut HeaderMap,
    header: &Header,
    secrets: &dyn Secrets,
    hidden: &mut Hidden,
) -> Result<(), TransportError> {
    let bad = |why: &str| TransportError::BadRequest(format!("the header {} {why}", header.name));
    let name = HeaderName::from_bytes(header.name.as_bytes())
        .map_err(|_| TransportError::BadRequest("a header's name has a wrong character".into()))?;
    if OF_THE_CLIENT.contains(&name) {
        return Err(bad("is set by the client alone"));
    }
    let (text, secret_of) = match &header.value {
        HeaderValue::Plain(text) => (text.clone(), None),
        HeaderValue::Secret { prefix, secret } => {
            let found = get(secrets, secret).await?;
            let value = format!("{prefix}{}", found.reveal());
            hidden.add(found.reveal(), &value);
            (value, Some(secret))
        }
        HeaderValue::Basic { user, secret } => {
            if user.contains(':') {
                return Err(bad("cannot hold a user with a colon (RFC 7617)"));
            }
            let found = get(secrets, secret).await?;
            let pair = STANDARD.encode(format!("{user}:{}", found.reveal()));
            hidden.add(found.reveal(), &pair);
            (format!("Basic {pair}"), Some(secret))
        }
        HeaderValue::Client { id, secret } => {
            let found = get(secrets, secret).await?;
            let form = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", form(id), form(found.reveal())));
            hidden.add(found.reveal(), &pair);
            (format!("Basic {pair}"), Some(secret))
        }
        HeaderValue::KeyPair {
            account,
            user,
            secret,
            issued,
        } => {
            let key = get(secrets, secret).await?;
            let token = key_pair_token(account, user, key.reveal(), *issued);
            // Configured, but no key of this kind. Why would repeat parts of it.
            let token = token.ok_or_else(|| TransportError::NoSecret(secret.clone()))?;
            let value = format!("Bearer {token}");
            hidden.add(&token, &value);
            (value, Some(secret))
        }
        HeaderValue::Token { prefix, token, .. } => {
            let token = token.as_ref().ok_or_else(|| bad("lacks its token"))?;
            let value = format!("{prefix}{}", token.reveal());
            hidden.add(token.reveal(), &value);
            return put_token(map, name, &value);
        }
    };
    let mut value = WireValue::from_str(&text)
        .or_else(|_| WireValue::from_bytes(text.as_bytes()))
        .map_err(|_| match secret_of {
            // Configured, but not rightly: it concerns every record, not this one.
            Some(name) => TransportError::NoSecret(name.clone()),
            None => bad("has a value that no header can hold"),
        })?;
    value.set_sensitive(secret_of.is_some());
    map.insert(name, value);
    Ok(())
}

fn put_token(map: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), TransportError> {
    let mut value = WireValue::from_str(value).map_err(|_| {
        TransportError::BadRequest("a token was given that no header can hold".to_owned())
    })?;
    value.set_sensitive(true);
    map.insert(name, value);
    Ok(())
}

pub(super) async fn get(secrets: &dyn Secrets, name: &str) -> Result<Secret, TransportError> {
    secrets.get(name).await.map_err(|error| match error {
        SecretError::Missing(name) => TransportError::NoSecret(name),
        // What the place that keeps it says is for the log; an account shows the name.
        SecretError::Unavailable { name, source } => {
            tracing::warn!(secret = name, error = %chain(source.as_ref()), "a secret could not be read");
            TransportError::SecretUnavailable(name)
        }
    })
}

/// JSON both ways, unless the flow says otherwise.
pub(super) fn add_defaults(map: &mut HeaderMap, body: Option<&Body>) {
    map.entry(ACCEPT).or_insert(JSON);
    let content_type = match body {
        None => return,
        Some(Body::Json(_)) => JSON,
        Some(Body::Form(_)) => FORM,
    };
    map.entry(CONTENT_TYPE).or_insert(content_type);
}

/// The secret that a request waits for.
pub(super) fn secret_name(request: &Request) -> String {
    let mut named = request
        .headers
        .iter()
        .filter_map(|header| header.value.secret());
    named.next().unwrap_or_default().to_owned()
}
