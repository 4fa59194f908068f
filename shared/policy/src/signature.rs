//! Whether a webhook comes from whom it says: Standard Webhooks 1.0.0 (`v1,` HMAC-SHA256 over
//! `{id}.{timestamp}.{raw body}`), and what is in use beside it, an HMAC of the body alone or the secret
//! itself.
//!
//! Compared in constant time, over every secret and every signature of the header, so that the time
//! taken tells nothing; an unknown flow is checked against decoys as one of Standard Webhooks is (HOOK-1).
//! What another way costs differs from that.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tidegate_model::{
    UnixMs,
    flow::{Encoding, Signing},
};

/// How far the sender's clock may be off (Standard Webhooks recommends 5 minutes).
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Signatures of a header that are looked at: one, or two while the sender rotates its secret.
const MAX_SIGNATURES: usize = 4;
/// Bytes of a secret (Standard Webhooks: 24 to 64).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Characters of a secret that a sender chose: 32 at Shopify and in GitHub's examples. A shorter one
/// could be guessed, a longer one is a mistake.
const PLAIN_CHARS: std::ops::RangeInclusive<usize> = 16..=512;
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
    /// Too short or too long, where it is used as it stands.
    #[error("a webhook secret of this kind has 16 to 512 characters")]
    PlainLength,
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

    /// Reads the text of a secret as this way of signing has it.
    pub fn of(signing: &Signing, text: &str) -> Result<Self, SecretFault> {
        if *signing == Signing::Standard {
            return Self::try_new(text);
        }
        let text = text.trim();
        if PLAIN_CHARS.contains(&text.len()) {
            Ok(Self {
                bytes: text.as_bytes().to_vec(),
                decoy: false,
            })
        } else {
            Err(SecretFault::PlainLength)
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

/// How a delivery shows that its sender knows a secret.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// By Standard Webhooks.
    Standard(Signed<'a>),
    /// By an HMAC-SHA256 of the body.
    Hmac {
        /// How it is written.
        encoding: Encoding,
        /// As it was given, without what stands before it.
        given: &'a str,
        /// The body as it came.
        body: &'a [u8],
    },
    /// By the secret itself.
    Secret(&'a str),
}

impl Proof<'_> {
    /// Whether it was made with one of the secrets, and recently where it says when.
    pub fn holds(&self, secrets: &[SigningSecret], now: UnixMs) -> bool {
        match *self {
            Proof::Standard(signed) => verify(signed, secrets, now),
            Proof::Hmac {
                encoding,
                given,
                body,
            } => {
                let given = match encoding {
                    Encoding::Hex => hex::decode(given).unwrap_or_default(),
                    Encoding::Base64 => STANDARD.decode(given).unwrap_or_default(),
                };
                any_fits(secrets, |secret| {
                    mac(&secret.bytes, &[body]).is_some_and(|mac| mac.verify_slice(&given).is_ok())
                })
            }
            // By what both hash to, so that the time taken tells neither text nor length.
            Proof::Secret(given) => any_fits(secrets, |secret| {
                let hashed = |text| mac(b"either", &[text]);
                let (ours, theirs) = (hashed(&secret.bytes), hashed(given.as_bytes()));
                ours.zip(theirs).is_some_and(|(ours, theirs)| {
                    theirs.verify_slice(&ours.finalize().into_bytes()).is_ok()
                })
            }),
        }
    }
}

/// Compares every secret, so that the time taken tells nothing.
fn any_fits(secrets: &[SigningSecret], fits: impl Fn(&SigningSecret) -> bool) -> bool {
    let mut matched = false;
    for secret in secrets {
        // Compared first, so that a decoy costs what a secret does.
        let fits = fits(secret);
        matched |= fits && !secret.decoy;
    }
    matched
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
    for candidate in &candidates {
        matched |= any_fits(secrets, |secret| is_signed(signed, secret, candidate));
    }
    recent & matched
}

fn is_signed(signed: Signed<'_>, secret: &SigningSecret, candidate: &[u8]) -> bool {
    let (id, timestamp) = (signed.id.as_bytes(), signed.timestamp.as_bytes());
    mac(&secret.bytes, &[id, b".", timestamp, b".", signed.body])
        .is_some_and(|mac| mac.verify_slice(candidate).is_ok())
}

/// HMAC takes a key of any length, so this has no failing case.
fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
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

    const BODY: &[u8] = br#"{"id":7}"#;
    const PLAIN: &str = "hush-hush-hush-hush";

    fn by_hmac(encoding: Encoding) -> Signing {
        Signing::Hmac {
            header: "X".to_owned(),
            encoding,
            prefix: String::new(),
        }
    }

    /// The vector of GitHub's documentation ("Validating webhook deliveries").
    #[test]
    fn the_vector_of_github_verifies() {
        let signing = by_hmac(Encoding::Hex);
        let secret = SigningSecret::of(&signing, "It's a Secret to Everybody").unwrap();
        let proof = Proof::Hmac {
            encoding: Encoding::Hex,
            given: "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            body: b"Hello, World!",
        };
        assert!(proof.holds(&[SigningSecret::decoy(), secret], UnixMs(0)));
    }

    #[test]
    fn an_hmac_of_the_body_verifies_as_it_is_written_and_nothing_else_does_hook_1() {
        for encoding in [Encoding::Hex, Encoding::Base64] {
            let secret = || SigningSecret::of(&by_hmac(encoding), PLAIN).unwrap();
            let made = mac(PLAIN.as_bytes(), &[BODY])
                .unwrap()
                .finalize()
                .into_bytes();
            let written = match encoding {
                Encoding::Hex => hex::encode(made),
                Encoding::Base64 => STANDARD.encode(made),
            };
            let holds = |given: &str, body: &[u8], secrets: &[SigningSecret]| {
                let proof = Proof::Hmac {
                    encoding,
                    given,
                    body,
                };
                proof.holds(secrets, UnixMs(0))
            };
            assert!(holds(&written, BODY, &[SigningSecret::decoy(), secret()]));
            let shorter = written.get(2..).unwrap();
            for given in ["", "x", shorter, &written.replace(['0', 'A'], "1a")] {
                assert!(
                    given == written || !holds(given, BODY, &[secret()]),
                    "{given}"
                );
            }
            assert!(!holds(&written, b"{}", &[secret()]));
            let other = SigningSecret::of(&by_hmac(encoding), "another-secret-text").unwrap();
            assert!(!holds(&written, BODY, &[other]));
            let decoy = mac(&SigningSecret::decoy().bytes, &[BODY]).unwrap();
            let decoy = decoy.finalize().into_bytes();
            let decoy = [hex::encode(decoy), STANDARD.encode(decoy)];
            for given in decoy {
                assert!(!holds(&given, BODY, &[SigningSecret::decoy()]), "{given}");
            }
        }
    }

    #[test]
    fn the_secret_itself_is_compared_as_a_whole_hook_1() {
        let signing = Signing::Query {
            parameter: "code".to_owned(),
        };
        let secret = SigningSecret::of(&signing, &format!(" {PLAIN}\n")).unwrap();
        let decoy = String::from_utf8(SigningSecret::decoy().bytes).unwrap();
        let secrets = [secret, SigningSecret::decoy()];
        assert!(Proof::Secret(PLAIN).holds(&secrets, UnixMs(0)));
        for given in [
            "",
            "hush",
            &PLAIN.to_uppercase(),
            &format!("{PLAIN} "),
            &decoy,
        ] {
            assert!(!Proof::Secret(given).holds(&secrets, UnixMs(0)), "{given}");
        }
    }

    #[test]
    fn a_secret_that_is_used_as_it_stands_is_neither_short_nor_endless() {
        let signing = by_hmac(Encoding::Hex);
        for (chars, fits) in [(15, false), (16, true), (512, true), (513, false)] {
            let read = SigningSecret::of(&signing, &"s".repeat(chars));
            assert_eq!(read.is_ok(), fits, "{chars}");
        }
        assert!(SigningSecret::of(&Signing::Standard, &"s".repeat(16)).is_err());
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
