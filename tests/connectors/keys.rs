//! Keys that are made for one test and forgotten.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_testkit::doubles::authority::{Algorithm, PublicKey};

/// A private key as PEM, and its public half.
pub struct Pair {
    pub private: String,
    pub public: PublicKey,
}

pub fn rsa() -> Pair {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    of(Algorithm::Rs256, private.as_ref(), public.as_ref())
}

pub fn curve() -> Pair {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    of(Algorithm::Es256, private.as_ref(), public.as_ref())
}

fn of(algorithm: Algorithm, private: &[u8], public: &[u8]) -> Pair {
    let text = STANDARD.encode(private);
    Pair {
        private: format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"),
        public: PublicKey::from_der(algorithm, public).unwrap(),
    }
}
