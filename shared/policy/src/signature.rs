//! Standard Webhooks 1.0.0: `v1,` HMAC-SHA256 over `{id}.{timestamp}.{raw body}`.
//!
//! Compared in constant time, over every secret and every signature of the header, so that the time
//! taken tells nothing; an unknown flow is checked against a decoy and costs the same (HOOK-1).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tidegate_model::UnixMs;

/// How far the sender's clock may be off (Standard Webhooks recommends 5 minutes).
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Signatures of a header that are looked at: one, or two while the sender rotates its secret.
const MAX_SIGNATURES: usize = 4;
/// Bytes of a secret (Standard Webhooks: 24 to 64).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Prefix of a secret's text.
const SECRET_PREFIX: &str = "whsec_";

/// A secret that can not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Not `whsec_` and base64.
    #[error("a webhook secret is `whsec_` and base64")]
    Form,
    /// Too short or too long.
    #[error("a webhook secret has 24 to 64 bytes")]
    Length,
}

/// A webhook's secret, or what stands in for one. Never shown.
pub struct SigningSecret {
    bytes: Vec<u8>,
    decoy: bool,
}

impl SigningSecret {
    /// Reads the text of a secret; the prefix may be left out.
    pub fn try_new(text: &str) -> Result<Self, SecretFault> {
        let text = text.trim();
        let encoded = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretFault::Form)?;
        if SECRET_BYTES.contains(&bytes.len()) {
            Ok(Self {
                bytes,
                decoy: false,
            })
        } else {
            Err(SecretFault::Length)
        }
    }

    /// Costs what a secret costs and verifies nothing: for a flow that does not exist, or that has
    /// fewer secrets than another.
    pub fn decoy() -> Self {
        Self {
            bytes: vec![0x5a; *SECRET_BYTES.start()],
            decoy: true,
        }
    }
}

/// The signed parts of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or more, separated by spaces.
    pub signature: &'a str,
    /// The body as it came.
    pub body: &'a [u8],
}

/// Whether one of the signatures was made with one of the secrets, recently.
pub fn verify(signed: Signed<'_>, secrets: &[SigningSecret], now: UnixMs) -> bool {
    let recent = signed
        .timestamp
        .parse::<i64>()
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000))
        .map(UnixMs)
        .is_some_and(|sent| now.since(sent).max(sent.since(now)) <= TOLERANCE);
    let candidates: Vec<Vec<u8>> = signed
        .signature
        .split(' ')
        .filter_map(|part| part.strip_prefix("v1,"))
        .take(MAX_SIGNATURES)
        .map(|encoded| STANDARD.decode(encoded).unwrap_or_default())
        .collect();
    let mut matched = false;
    for secret in secrets {
        for candidate in &candidates {
            // Compared first, so that a decoy costs what a secret does.
            let fits = is_signed(signed, secret, candidate);
            matched |= fits && !secret.decoy;
        }
    }
    recent & matched
}

fn is_signed(signed: Signed<'_>, secret: &SigningSecret, candidate: &[u8]) -> bool {
    // HMAC takes a key of any length, so this has no failing case.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.bytes) else {
        return false;
    };
    mac.update(signed.id.as_bytes());
    mac.update(b".");
    mac.update(signed.timestamp.as_bytes());
    mac.update(b".");
    mac.update(signed.body);
    mac.verify_slice(candidate).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of FACTS: made by other implementations.
    const VECTORS: [(&str, &str, &str, &str, &str); 2] = [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            "1649367553",
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];

    fn at(timestamp: &str) -> UnixMs {
        UnixMs(timestamp.parse::<i64>().unwrap() * 1_000)
    }

    #[test]
    fn signatures_of_other_implementations_verify() {
        for (secret, id, timestamp, body, signature) in VECTORS {
            let secrets = [
                SigningSecret::decoy(),
                SigningSecret::try_new(secret).unwrap(),
            ];
            let signed = Signed {
                id,
                timestamp,
                signature,
                body: body.as_bytes(),
            };
            assert!(verify(signed, &secrets, at(timestamp)));
            let several = format!("v1a,other v1,AAAA {signature}");
            assert!(verify(
                Signed {
                    signature: &several,
                    ..signed
                },
                &secrets,
                at(timestamp)
            ));
        }
    }

    #[test]
    fn any_change_of_what_is_signed_is_refused() {
        let (secret, id, timestamp, body, signature) = VECTORS[0];
        let secrets = [SigningSecret::try_new(secret).unwrap()];
        let good = Signed {
            id,
            timestamp,
            signature,
            body: body.as_bytes(),
        };
        let now = at(timestamp);
        let bad = [
            Signed {
                id: "msg_other",
                ..good
            },
            Signed {
                timestamp: "1649367554",
                ..good
            },
            Signed {
                body: b"{}",
                ..good
            },
            Signed {
                signature: "v1,",
                ..good
            },
            Signed {
                signature: "",
                ..good
            },
            Signed {
                signature: signature.trim_start_matches("v1,"),
                ..good
            },
        ];
        for signed in bad {
            assert!(!verify(signed, &secrets, now), "{signed:?}");
        }
        assert!(!verify(good, &[SigningSecret::decoy()], now));
        assert!(!verify(good, &[], now));
    }

    #[test]
    fn a_delivery_older_or_newer_than_five_minutes_is_refused() {
        let (secret, id, timestamp, body, signature) = VECTORS[0];
        let secrets = [SigningSecret::try_new(secret).unwrap()];
        let signed = Signed {
            id,
            timestamp,
            signature,
            body: body.as_bytes(),
        };
        let sent = at(timestamp);
        assert!(verify(signed, &secrets, sent + TOLERANCE));
        assert!(verify(signed, &secrets, sent - TOLERANCE));
        assert!(!verify(
            signed,
            &secrets,
            sent + TOLERANCE + Duration::from_millis(1)
        ));
        assert!(!verify(
            signed,
            &secrets,
            sent - TOLERANCE - Duration::from_millis(1)
        ));
    }

    #[test]
    fn what_is_signed_with_the_decoy_is_refused() {
        let (_, id, timestamp, body, _) = VECTORS[0];
        let mut mac = Hmac::<Sha256>::new_from_slice(&SigningSecret::decoy().bytes).unwrap();
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let signed = Signed {
            id,
            timestamp,
            signature: &signature,
            body: body.as_bytes(),
        };
        let real = SigningSecret::try_new(VECTORS[1].0).unwrap();
        assert!(
            !verify(signed, &[real, SigningSecret::decoy()], at(timestamp)),
            "HOOK-1"
        );
    }

    #[test]
    fn a_secret_of_a_wrong_form_or_length_is_refused() {
        let of_bytes = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (text, fault) in [
            (of_bytes(23), Some(SecretFault::Length)),
            (of_bytes(24), None),
            (of_bytes(64), None),
            (of_bytes(65), Some(SecretFault::Length)),
            (format!("  {}\n", of_bytes(24)), None),
            (of_bytes(24).replace("whsec_", ""), None),
            ("whsec_%".to_owned(), Some(SecretFault::Form)),
            (
                of_bytes(24).replace("whsec_", "whsec:"),
                Some(SecretFault::Form),
            ),
            (of_bytes(25).replace('=', ""), Some(SecretFault::Form)),
            ("whsec_AAAA".to_owned(), Some(SecretFault::Length)),
            (String::new(), Some(SecretFault::Length)),
        ] {
            assert_eq!(SigningSecret::try_new(&text).err(), fault, "{text}");
        }
    }
}
