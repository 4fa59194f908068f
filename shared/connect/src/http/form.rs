//! Forms, with secrets and signed assertions in them.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use form_urlencoded::Serializer;
use serde_json::{Value, json};
use tidegate_engine::ports::{FormValue, Secrets, TransportError};
use tidegate_model::flow::SigningAlgorithm;

use super::{headers::get, hidden::Hidden};

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

/// A JSON Web Token (RFC 7519) in its compact form (RFC 7515, 7.1); none where the text is no private key
/// of this kind. By the library that TLS is made with: one for tokens alone took a function that makes calls
/// over the size that its zip may have.
fn sign(
    algorithm: SigningAlgorithm,
    key_id: Option<&str>,
    pem: &str,
    claims: &Value,
) -> Option<String> {
    let mut header = json!({ "typ": "JWT", "alg": algorithm_name(algorithm) });
    if let (Some(key_id), Some(header)) = (key_id, header.as_object_mut()) {
        header.insert("kid".to_owned(), key_id.into());
    }
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = signature(algorithm, &der(pem)?, signed.as_bytes())?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// As RFC 7518, 3.1, calls it.
fn algorithm_name(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::Rs256 => "RS256",
        SigningAlgorithm::Es256 => "ES256",
    }
}

fn signature(algorithm: SigningAlgorithm, key: &[u8], signed: &[u8]) -> Option<Vec<u8>> {
    let chance = SystemRandom::new();
    match algorithm {
        SigningAlgorithm::Rs256 => {
            let key = RsaKeyPair::from_pkcs8(key).ok()?;
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &chance, signed, &mut signature)
                .ok()?;
            Some(signature)
        }
        SigningAlgorithm::Es256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).ok()?;
            Some(key.sign(&chance, signed).ok()?.as_ref().to_vec())
        }
    }
}

/// What stands in the armour of a PEM text (RFC 7468).
fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}
