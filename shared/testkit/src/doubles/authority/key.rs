//! The public keys under which assertions are signed.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// How an assertion is signed: the two that RFC 7518, 3.1, recommends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA of 2,048 to 8,192 bits with SHA-256, padded as PKCS #1 1.5.
    Rs256,
    /// ECDSA on P-256 with SHA-256, the two numbers side by side.
    Es256,
}

impl Algorithm {
    /// `alg` of a header.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
        }
    }
}

/// The text holds no public key for this algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no public key for {} in PEM", .0.name())]
pub struct KeyError(Algorithm);

/// A public key, and the one algorithm that it is used with.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.algorithm).finish()
    }
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// When there is no key of this kind.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let body = pem
            .split_once("-----BEGIN PUBLIC KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"));
        let body: String = body
            .map(|(body, _)| body.split_whitespace().collect())
            .ok_or(KeyError(algorithm))?;
        let der = STANDARD.decode(body).map_err(|_| KeyError(algorithm))?;
        Self::from_der(algorithm, &der)
    }

    /// Reads the same without its armour: a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// When there is no key of this kind.
    pub fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let key = ParsedPublicKey::new(algorithm.verification(), der);
        let key = key.map_err(|_| KeyError(algorithm))?;
        Ok(Self { algorithm, key })
    }

    /// Whether `signature` is that of `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}
