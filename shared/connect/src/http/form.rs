//! Forms, with secrets and signed assertions in them.

use form_urlencoded::Serializer;
use tidegate_engine::ports::{FormValue, Secrets, TransportError};

use super::{headers::get, hidden::Hidden, jwt::sign};

/// The form as it is sent. Each secret in it is told to `hidden`.
pub(super) async fn encode(
    form: &[(&'static str, FormValue)],
    secrets: &dyn Secrets,
    hidden: &mut Hidden,
) -> Result<String, TransportError> {
    let mut pairs = Vec::with_capacity(form.len());
    for (name, value) in form {
        let text = match value {
            FormValue::Plain(text) => text.clone(),
            FormValue::Secret(secret) => {
                let found = get(secrets, secret).await?;
                hidden.add(found.reveal(), found.reveal());
                found.reveal().to_owned()
            }
            FormValue::Assertion {
                algorithm,
                key_id,
                secret,
                claims,
            } => {
                let key = get(secrets, secret).await?;
                let signed = sign(*algorithm, key_id.as_deref(), key.reveal(), claims);
                // Configured, but no private key of this kind. Why would repeat parts of it.
                let signed = signed.ok_or_else(|| TransportError::NoSecret(secret.clone()))?;
                hidden.add(&signed, &signed);
                signed
            }
        };
        pairs.push((*name, text));
    }
    Ok(Serializer::new(String::new()).extend_pairs(pairs).finish())
}
