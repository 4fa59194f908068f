//! The token endpoint, sent raw over HTTP. The refusals have their own table.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header::HeaderMap;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Algorithm, AuthorityConfig, AuthorityDouble, PublicKey, Rotation, Standing};
use crate::doubles::{
    Action, Fault,
    tests::{NOON_MS, StandingClock, client},
};

pub(super) const AUDIENCE: &str = "https://auth.example/token";
/// an-app:a+secret, which is the client below with its secret escaped.
pub(super) const BASIC: &str = "Basic YW4tYXBwOmErc2VjcmV0";
pub(super) const NOW_S: i64 = NOON_MS / 1_000;

/// A request as it is.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) mime: &'static str,
    pub(super) authorization: &'static str,
    pub(super) body: &'static str,
}

/// A private key that lives for one test.
pub(super) enum Signer {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
}

impl Signer {
    fn rs256() -> Self {
        Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(super) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn public(&self) -> PublicKey {
        match self {
            Self::Rs256(pair) => {
                let der = pair.public_key().as_der().unwrap();
                PublicKey::from_der(Algorithm::Rs256, der.as_ref()).unwrap()
            }
            Self::Es256(pair) => {
                let der = pair.public_key().as_der().unwrap();
                PublicKey::from_der(Algorithm::Es256, der.as_ref()).unwrap()
            }
        }
    }

    pub(super) fn jwt_of(&self, header: &str, claims: &str) -> String {
        let coded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", coded(header), coded(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    signed.as_bytes(),
                    &mut signature,
                )
                .unwrap();
                signature
            }
            Self::Es256(pair) => {
                let signature = pair.sign(&random, signed.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) struct Keys {
    rs256: Signer,
    pub(super) es256: Signer,
    clock: StandingClock,
}

/// What the issuer says for the user, sound until five minutes on.
pub(super) fn claims_of(issuer: &str) -> String {
    json!({
        "iss": issuer, "sub": "a-user", "aud": [AUDIENCE], "iat": NOW_S, "exp": NOW_S + 300,
    })
    .to_string()
}

impl Keys {
    pub(super) async fn ask(&self, authority: &AuthorityDouble, jwt: &str) -> (u16, Value) {
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let form = format!("grant_type={grant}&assertion={jwt}");
        let (status, _, body) = post(authority, "", &form).await;
        (status, body)
    }
}

fn config(clock: &StandingClock) -> AuthorityConfig {
    AuthorityConfig::new(clock.clock())
        .client("an-app", "a secret", &["orders", "stock"])
        .client("other", "s", &[])
        .refresh_token("a-refresh", "an-app", &["orders"])
        .refresh_token("of-another", "other", &[])
        .audience(AUDIENCE, &["orders"])
}

pub(super) async fn start() -> (AuthorityDouble, Keys) {
    let keys = Keys {
        rs256: Signer::rs256(),
        es256: Signer::es256(),
        clock: StandingClock::new(NOON_MS),
    };
    let config = config(&keys.clock)
        .trust("an-app-rs", "a-user", keys.rs256.public())
        .trust("an-app-es", "a-user", keys.es256.public());
    (AuthorityDouble::start(config).await.unwrap(), keys)
}

pub(super) async fn raw(authority: &AuthorityDouble, sent: Sent) -> (u16, HeaderMap, Value) {
    let url = format!("{}{}", authority.url(), sent.path);
    let mut request = client().request(sent.method.parse().unwrap(), url);
    for (name, value) in [
        ("authorization", sent.authorization),
        ("content-type", sent.mime),
    ] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    let answer = request.body(sent.body).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    (status, headers, serde_json::from_str(&text).unwrap())
}

async fn post(authority: &AuthorityDouble, basic: &str, form: &str) -> (u16, HeaderMap, Value) {
    let mime = "application/x-www-form-urlencoded;charset=UTF-8";
    let mut request = client()
        .post(authority.token_url())
        .header("Content-Type", mime);
    if !basic.is_empty() {
        request = request.header("Authorization", basic);
    }
    let answer = request.body(form.to_owned()).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    (status, headers, serde_json::from_str(&text).unwrap())
}

fn token(body: &Value) -> &str {
    body["access_token"].as_str().unwrap()
}

#[rstest]
#[case::by_basic(BASIC, "grant_type=client_credentials")]
#[case::in_the_body(
    "",
    "grant_type=client_credentials&client_id=an-app&client_secret=a+secret"
)]
#[case::what_is_not_known_is_ignored(BASIC, "grant_type=client_credentials&audience=x")]
#[tokio::test]
async fn a_client_gets_a_token_by_its_credentials(#[case] basic: &str, #[case] form: &str) {
    let (authority, _) = start().await;
    let (status, headers, body) = post(&authority, basic, form).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["content-type"], "application/json");
    let token = token(&body).to_owned();
    assert_eq!(
        body,
        json!({
            "access_token": token, "token_type": "bearer", "expires_in": 3_600,
            "scope": "orders stock",
        })
    );
    let call = &authority.calls()[0];
    assert_eq!((call.key.as_deref(), call.effect), (Some("an-app"), true));
}

#[tokio::test]
async fn a_token_is_live_until_its_life_is_over_or_it_is_taken_back() {
    let clock = StandingClock::new(NOON_MS);
    let config = config(&clock).life_s(60).prefix("Atza|");
    let tokens = config.tokens();
    let authority = AuthorityDouble::start(config).await.unwrap();
    let form = "grant_type=client_credentials&scope=stock";
    let (_, _, one) = post(&authority, BASIC, form).await;
    assert_eq!(
        (&one["expires_in"], &one["scope"]),
        (&json!(60), &json!("stock"))
    );
    assert!(token(&one).starts_with("Atza|"));
    clock.set(NOON_MS + 59_999);
    assert!(tokens.is_live(token(&one)));
    let (_, _, two) = post(&authority, BASIC, form).await;
    clock.set(NOON_MS + 60_000);
    assert_eq!(tokens.standing(token(&one)), Standing::Expired);
    assert!(tokens.is_live(token(&two)));
    let (_, _, three) = post(&authority, BASIC, form).await;
    assert!(tokens.revoke(token(&three)));
    assert!(tokens.is_live(token(&two)), "the other goes on");
    tokens.revoke_all();
    assert_eq!(tokens.standing(token(&two)), Standing::Revoked);
    assert_eq!(tokens.standing("access-x"), Standing::Unknown);
    assert!(!tokens.revoke("access-x"));
    let (_, _, four) = post(&authority, BASIC, form).await;
    assert!(tokens.is_live(token(&four)), "what comes later is live");
    assert_eq!(authority.tokens().given(), 4);
}

#[rstest]
#[case::silent(Rotation::Silent, None, 200)]
#[case::echoes(Rotation::Echoes, Some("a-refresh"), 200)]
#[case::rotates(Rotation::Rotates, Some("refresh-"), 400)]
#[tokio::test]
async fn a_refresh_token_gives_tokens_and_goes_on_or_is_replaced(
    #[case] rotation: Rotation,
    #[case] told: Option<&str>,
    #[case] again: u16,
) {
    let clock = StandingClock::new(NOON_MS);
    let config = config(&clock).rotation(rotation).path("/auth/o2/token");
    let authority = AuthorityDouble::start(config).await.unwrap();
    let form = "grant_type=refresh_token&refresh_token=a-refresh";
    let (status, _, body) = post(&authority, BASIC, form).await;
    assert_eq!((status, &body["scope"]), (200, &json!("orders")), "{body}");
    let next = body["refresh_token"].as_str();
    assert!(
        next.unwrap_or_default()
            .starts_with(told.unwrap_or_default())
    );
    assert_eq!(next.is_some(), told.is_some());
    assert_eq!(post(&authority, BASIC, form).await.0, again);
    let newest = next.unwrap_or("a-refresh");
    let form = format!("grant_type=refresh_token&refresh_token={newest}");
    assert_eq!(post(&authority, BASIC, &form).await.0, 200);
    authority.forget_refresh_tokens();
    let (status, _, body) = post(&authority, BASIC, &form).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn a_signed_assertion_gives_a_token_by_either_algorithm() {
    let (authority, keys) = start().await;
    for (signer, alg, issuer) in [
        (&keys.rs256, "RS256", "an-app-rs"),
        (&keys.es256, "ES256", "an-app-es"),
    ] {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": "1" }).to_string();
        let jwt = signer.jwt_of(&header, &claims_of(issuer));
        let (status, body) = keys.ask(&authority, &jwt).await;
        assert_eq!((status, &body["scope"]), (200, &json!("orders")), "{body}");
        assert!(authority.tokens().is_live(token(&body)));
        keys.clock.set(NOON_MS + 299_999);
        assert_eq!(keys.ask(&authority, &jwt).await.0, 200, "until its end");
        keys.clock.set(NOON_MS + 300_000);
        assert_eq!(keys.ask(&authority, &jwt).await.0, 400, "not at its end");
        keys.clock.set(NOON_MS);
    }
}

#[tokio::test]
async fn a_rotated_secret_replaces_the_old_one() {
    let (authority, _) = start().await;
    authority.set_secret("an-app", "new");
    let form = "grant_type=client_credentials";
    assert_eq!(post(&authority, BASIC, form).await.0, 401);
    let form = format!("{form}&client_id=an-app&client_secret=new");
    assert_eq!(post(&authority, "", &form).await.0, 200);
}

#[tokio::test]
async fn tokens_are_counted_and_taken_back_over_http_and_faults_strike() {
    let (authority, _) = start().await;
    let form = "grant_type=client_credentials";
    let (_, _, body) = post(&authority, BASIC, form).await;
    let control = |path: &str| format!("{}/_double/{path}", authority.url());
    let given = client().get(control("tokens")).send().await.unwrap();
    assert_eq!(given.text().await.unwrap(), r#"{"given":1}"#);
    let revoke = || client().post(control("revoke")).body("{}");
    assert_eq!(revoke().send().await.unwrap().status(), 415);
    let revoke = revoke().header("Content-Type", "application/json");
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    assert_eq!(authority.tokens().standing(token(&body)), Standing::Revoked);
    let busy = Fault::new(Action::answer(429, json!({ "error": "slow_down" })));
    authority.set_fault(busy.key("an-app").times(1)).unwrap();
    assert_eq!(post(&authority, BASIC, form).await.0, 429);
    assert_eq!(post(&authority, BASIC, form).await.0, 200);
}

/// RFC 7515, A.3: key, what was signed, signature.
const RFC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END PUBLIC KEY-----
";
const RFC_SIGNED: &str = concat!(
    "eyJhbGciOiJFUzI1NiJ9.",
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
);
const RFC_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// Made with OpenSSL, so that not one library alone agrees with itself.
const RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyhXZ7Fd6n/ad6oyXkCaa
RvheX5+J+94r8gujqTLRRIhOGk9Nsk4QBJAoA+fqBJhdI7hU8x3NmRFty2hSl4YS
45oS45U0LophMmmstCOUZnNwq1pb2kt9zVeXj9b8xPtE9KJXTkTwDTY+3y5388eR
yx8DO1b1goD/DMjqSFuAc65xFIhLs+QMahDUvbVSoQq6sQoJW12xc5F+iDfEjJrY
l5SdT3d2FTiLwRZtH8VLTv/WamFvpTvbjDYa0r7Aw13LG30tM8bCADXM3bISI+7V
NoRCdqP6PobOOXvrFgBRIxL/3w+D3j34xzl6Z9TbLeFgtV5FeOC8hVfiGvZV5RBK
XQIDAQAB
-----END PUBLIC KEY-----
";
const RSA_SIGNED: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.",
    "eyJpc3MiOiAiYW4tYXBwIiwgInN1YiI6ICJhLXVzZXIiLCAiYXVkIjogImh0dHBzOi8vYXV0aC5leGFtcGxlL3Rva2VuIiwgImlhdCI6IDE3ODk5OTk5OTAsICJleHAiOiAxNzkwMDAwMjkwfQ",
);
const RSA_SIGNATURE: &str = concat!(
    "XkqbrluX1xXQzvK2cssBsi7_FO9wwDPMYRxeo4zMW7jeGQeerCDfwf5W9pt0dsajYQxNL8k1EBNr0k4fzKmwaz",
    "fS0SQsTOgcQjn0CSgioTBkDqUQFGAw4qoep6ah_WUR381y_vvsFNl-pc5AnrxAB3224z_I0Nngv2HmIFsLtYic",
    "_JRvTZC7BtxKK0u1CFxEWDN-4d3qwUH9KYuLS7Bx-9uPe9Mjci3hH_JViK1aX1-fwsHVqsrgxMEa0eJNnrfptF",
    "-yeQ7yL-qJEoTXg3ikb4UMvYWzZnk1S5IAUEUc2NwvFYHVNLUqXd4H7EokwmRnImF_vU2-vF1uH62xCa3IyA",
);

#[rstest]
#[case::es256_of_the_rfc(Algorithm::Es256, RFC_KEY, RFC_SIGNED, RFC_SIGNATURE)]
#[case::rs256_of_openssl(Algorithm::Rs256, RSA_KEY, RSA_SIGNED, RSA_SIGNATURE)]
fn a_signature_made_elsewhere_holds_and_an_altered_one_does_not(
    #[case] algorithm: Algorithm,
    #[case] pem: &str,
    #[case] signed: &str,
    #[case] signature: &str,
) {
    let key = PublicKey::from_pem(algorithm, pem).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(key.signed(signed.as_bytes(), &signature));
    assert!(!key.signed(&signed.as_bytes()[1..], &signature));
    let mut altered = signature;
    altered[7] ^= 1;
    assert!(!key.signed(signed.as_bytes(), &altered));
}

#[test]
fn a_key_of_the_other_kind_or_none_is_refused_at_the_start() {
    assert!(PublicKey::from_pem(Algorithm::Rs256, RFC_KEY).is_err());
    assert!(PublicKey::from_pem(Algorithm::Es256, RSA_KEY).is_err());
    let error = PublicKey::from_pem(Algorithm::Es256, "MFkw").unwrap_err();
    assert_eq!(error.to_string(), "this is no public key for ES256 in PEM");
}
