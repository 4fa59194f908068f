//! JSON Web Tokens: assertions for a token endpoint, and the proof that a user of Snowflake holds a key.

use std::time::Duration;

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tidegate_model::{UnixMs, flow::SigningAlgorithm};

/// How long a key-pair token holds. Snowflake takes none after an hour, whatever it says; this one is made for
/// one call, and what a log of the other side may keep of it is soon worth nothing.
const KEY_PAIR_LIFE: Duration = Duration::from_mins(5);

/// A token for a user of Snowflake, which knows the key by its fingerprint; none where the text is no
/// RSA key. Names stand in capital letters, and a period within the account's is a hyphen: periods part the
/// names.
pub(super) fn key_pair_token(
    account: &str,
    user: &str,
    pem: &str,
    issued: UnixMs,
) -> Option<String> {
    let name = format!("{}.{user}", account.replace('.', "-")).to_uppercase();
    let key = RsaKeyPair::from_pkcs8(&der(pem)?).ok()?;
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).ok()?;
    let print = STANDARD.encode(digest(&SHA256, public.as_ref()));
    let seconds = |moment: UnixMs| moment.0 / 1_000;
    let claims = json!({
        "iss": format!("{name}.SHA256:{print}"),
        "sub": name,
        "iat": seconds(issued),
        "exp": seconds(issued + KEY_PAIR_LIFE),
    });
    sign(SigningAlgorithm::Rs256, None, pem, &claims)
}

/// A JSON Web Token (RFC 7519) in its compact form (RFC 7515, 7.1); none where the text is no private key
/// of this kind. By the library that TLS is made with: one for tokens alone took a function that makes calls
/// over the size that its zip may have.
pub(super) fn sign(
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
