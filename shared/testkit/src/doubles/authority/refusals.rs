//! What a token endpoint refuses: one row per rule, with the source of the rule and the raw request
//! that it refuses.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::tests::{AUDIENCE, BASIC, NOW_S, Sent, Signer, claims_of, raw, start};

/// Rule, source, the request, status, `error`.
type Rule = (&'static str, &'static str, Sent, u16, &'static str);

const FORM: &str = "application/x-www-form-urlencoded";
const CREDENTIALS: &str = "grant_type=client_credentials";
const REFRESH: &str = "grant_type=refresh_token&client_id=an-app&client_secret=a%20secret";

const fn post(mime: &'static str, authorization: &'static str, body: &'static str) -> Sent {
    Sent {
        method: "POST",
        path: "/oauth/token",
        mime,
        authorization,
        body,
    }
}

const RULES: [Rule; 25] = [
    (
        "a token is asked for by POST",
        "RFC 6749 3.2; the status is assumed",
        Sent {
            method: "GET",
            ..post(FORM, BASIC, CREDENTIALS)
        },
        405,
        "invalid_request",
    ),
    (
        "there is no other path",
        "assumed",
        Sent {
            path: "/oauth/tokens",
            ..post(FORM, BASIC, CREDENTIALS)
        },
        404,
        "not_found",
    ),
    (
        "credentials stand in no address",
        "RFC 6749 2.3.1",
        Sent {
            path: "/oauth/token?client_id=an-app&client_secret=a%20secret",
            ..post(FORM, "", CREDENTIALS)
        },
        400,
        "invalid_request",
    ),
    (
        "a body is a form, not JSON",
        "RFC 6749 4.4.2",
        post(
            "application/json",
            BASIC,
            r#"{"grant_type":"client_credentials"}"#,
        ),
        400,
        "invalid_request",
    ),
    (
        "a body has a type",
        "RFC 6749 4.4.2",
        post("", BASIC, CREDENTIALS),
        400,
        "invalid_request",
    ),
    (
        "a body is UTF-8",
        "RFC 6749 B",
        post(FORM, BASIC, "grant_type=%ff"),
        400,
        "invalid_request",
    ),
    (
        "a grant type is named",
        "RFC 6749 4.4.2",
        post(FORM, BASIC, "scope=orders"),
        400,
        "invalid_request",
    ),
    (
        "a parameter without a value is none",
        "RFC 6749 3.2",
        post(FORM, BASIC, "grant_type="),
        400,
        "invalid_request",
    ),
    (
        "a parameter comes once",
        "RFC 6749 3.2",
        post(
            FORM,
            BASIC,
            "grant_type=client_credentials&scope=orders&scope=stock",
        ),
        400,
        "invalid_request",
    ),
    (
        "a grant type is one of three here",
        "RFC 6749 5.2",
        post(FORM, BASIC, "grant_type=password&username=u&password=p"),
        400,
        "unsupported_grant_type",
    ),
    (
        "a client says who it is",
        "RFC 6749 4.4.2",
        post(FORM, "", CREDENTIALS),
        401,
        "invalid_client",
    ),
    (
        "a client that is named has a secret",
        "RFC 6749 2.3.1",
        post(FORM, "", "grant_type=client_credentials&client_id=an-app"),
        401,
        "invalid_client",
    ),
    (
        "the secret is the client's",
        "RFC 6749 5.2",
        post(
            FORM,
            "",
            "grant_type=client_credentials&client_id=an-app&client_secret=other",
        ),
        401,
        "invalid_client",
    ),
    (
        "the client is known",
        "RFC 6749 5.2",
        // nobody:a+secret
        post(FORM, "Basic bm9ib2R5OmErc2VjcmV0", CREDENTIALS),
        401,
        "invalid_client",
    ),
    (
        "id and secret are escaped before they are joined",
        "RFC 6749 2.3.1",
        // an-app:a%secret, which is no escape of anything known
        post(FORM, "Basic YW4tYXBwOmElc2VjcmV0", CREDENTIALS),
        401,
        "invalid_client",
    ),
    (
        "the header is base64",
        "RFC 7617 2",
        post(FORM, "Basic an-app:a+secret", CREDENTIALS),
        401,
        "invalid_client",
    ),
    (
        "a bearer token names no client",
        "RFC 6749 5.2; the scheme is assumed",
        post(FORM, "Bearer access-1", CREDENTIALS),
        401,
        "invalid_client",
    ),
    (
        "a client authenticates in one way",
        "RFC 6749 2.3",
        post(
            FORM,
            BASIC,
            "grant_type=client_credentials&client_id=an-app&client_secret=a%20secret",
        ),
        400,
        "invalid_request",
    ),
    (
        "the id in the body is the client's own",
        "assumed",
        post(FORM, BASIC, "grant_type=client_credentials&client_id=other"),
        400,
        "invalid_request",
    ),
    (
        "a scope is known",
        "RFC 6749 3.3",
        post(
            FORM,
            BASIC,
            "grant_type=client_credentials&scope=orders+everything",
        ),
        400,
        "invalid_scope",
    ),
    (
        "scopes have one space between them",
        "RFC 6749 3.3",
        post(
            FORM,
            BASIC,
            "grant_type=client_credentials&scope=orders++stock",
        ),
        400,
        "invalid_scope",
    ),
    (
        "a refresh names its token",
        "RFC 6749 6",
        post(FORM, "", REFRESH),
        400,
        "invalid_request",
    ),
    (
        "a refresh token is known",
        "RFC 6749 5.2",
        post(
            FORM,
            BASIC,
            "grant_type=refresh_token&refresh_token=never-given",
        ),
        400,
        "invalid_grant",
    ),
    (
        "a refresh token is the client's own",
        "RFC 6749 6",
        post(
            FORM,
            BASIC,
            "grant_type=refresh_token&refresh_token=of-another",
        ),
        400,
        "invalid_grant",
    ),
    (
        "a refresh asks for no more than was granted",
        "RFC 6749 6",
        post(
            FORM,
            BASIC,
            "grant_type=refresh_token&refresh_token=a-refresh&scope=stock",
        ),
        400,
        "invalid_scope",
    ),
];

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_refused_and_gives_no_token() {
    let (authority, _) = start().await;
    for (rule, source, sent, status, error) in RULES {
        let (answered, headers, body) = raw(&authority, sent).await;
        assert_eq!(answered, status, "{rule} ({source}): {body}");
        assert_eq!(body["error"], error, "{rule} ({source})");
        assert!(body["error_description"].is_string(), "{rule}");
        assert_eq!(headers["cache-control"], "no-store", "{rule}");
        let is_challenged = error == "invalid_client" && !sent.authorization.is_empty();
        assert_eq!(
            headers.contains_key("www-authenticate"),
            is_challenged,
            "{rule}"
        );
    }
    assert_eq!(authority.tokens().given(), 0);
    assert_eq!(authority.calls().len(), RULES.len());
    assert!(authority.calls().iter().all(|call| !call.effect));
}

/// Rule, source, header, what of the sound claims is replaced (null takes it out), and what the
/// description holds.
type ClaimRule = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const SOUND: &str = r#"{"alg":"ES256"}"#;

const CLAIM_RULES: [ClaimRule; 19] = [
    (
        "an assertion is signed",
        "RFC 7523 3, 9",
        r#"{"alg":"none"}"#,
        "{}",
        "signature",
    ),
    (
        "a public key is no shared secret",
        "RFC 8725 3.1",
        r#"{"alg":"HS256"}"#,
        "{}",
        "signature",
    ),
    (
        "the algorithm is the key's",
        "RFC 8725 3.1",
        r#"{"alg":"RS256"}"#,
        "{}",
        "signature",
    ),
    (
        "an algorithm is named",
        "RFC 7515 4.1.1",
        "{}",
        "{}",
        "signature",
    ),
    (
        "what is critical is understood",
        "RFC 7515 4.1.11",
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        "{}",
        "crit",
    ),
    ("a header is an object", "RFC 7515 4", "[]", "{}", "read"),
    (
        "iss is there",
        "RFC 7523 3, 1",
        SOUND,
        r#"{"iss":null}"#,
        "iss",
    ),
    (
        "iss is known",
        "RFC 7523 3, 1",
        SOUND,
        r#"{"iss":"nobody"}"#,
        "iss",
    ),
    (
        "sub is there",
        "RFC 7523 3, 2",
        SOUND,
        r#"{"sub":null}"#,
        "sub",
    ),
    (
        "sub is one that iss may speak for",
        "RFC 7523 3, 2",
        SOUND,
        r#"{"sub":"a-king"}"#,
        "sub",
    ),
    (
        "aud is there",
        "RFC 7523 3, 3",
        SOUND,
        r#"{"aud":null}"#,
        "aud",
    ),
    (
        "aud is this endpoint",
        "RFC 7523 3, 3",
        SOUND,
        r#"{"aud":["https://other.example"]}"#,
        "aud",
    ),
    (
        "exp is there",
        "RFC 7523 3, 4",
        SOUND,
        r#"{"exp":null}"#,
        "exp",
    ),
    (
        "exp lies ahead",
        "RFC 7523 3, 4",
        SOUND,
        r#"{"exp":1790000000}"#,
        "exp has passed",
    ),
    (
        "exp lies at most an hour after iat",
        "developers.google.com/identity/protocols/oauth2/service-account",
        SOUND,
        r#"{"exp":1790003601}"#,
        "an hour",
    ),
    (
        "iat is no future",
        "RFC 7523 3, 6",
        SOUND,
        r#"{"iat":1790000061,"exp":1790000300}"#,
        "iat lies in the future",
    ),
    (
        "iat is there",
        "RFC 7523 3, 6; assumed to be needed, as Google does",
        SOUND,
        r#"{"iat":null}"#,
        "iat is missing",
    ),
    (
        "a time is a number",
        "RFC 7519 2, NumericDate",
        SOUND,
        r#"{"exp":"1790000300"}"#,
        "exp is missing or no time",
    ),
    (
        "nbf has come",
        "RFC 7523 3, 5",
        SOUND,
        r#"{"nbf":1790000061}"#,
        "nbf",
    ),
];

#[tokio::test]
async fn an_assertion_that_breaks_a_rule_is_an_invalid_grant() {
    let (authority, keys) = start().await;
    for (rule, source, header, change, told) in CLAIM_RULES {
        let mut claims = json!({
            "iss": "an-app-es", "sub": "a-user", "aud": AUDIENCE,
            "iat": NOW_S, "exp": NOW_S + 3_600,
        });
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let jwt = keys.es256.jwt_of(header, &claims.to_string());
        let (status, body) = keys.ask(&authority, &jwt).await;
        assert_eq!(status, 400, "{rule} ({source}): {body}");
        assert_eq!(body["error"], "invalid_grant", "{rule}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(told), "{rule}: {description}");
    }
    assert_eq!(authority.tokens().given(), 0);
}

#[tokio::test]
async fn an_assertion_that_was_altered_cut_or_signed_by_another_is_an_invalid_grant() {
    let (authority, keys) = start().await;
    let claims = claims_of("an-app-es");
    let sound = keys.es256.jwt_of(SOUND, &claims);
    let (signed, signature) = sound.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let king = URL_SAFE_NO_PAD.encode(claims.replace("a-user", "a-king"));
    for (rule, jwt) in [
        (
            "claims are those that were signed",
            format!("{header}.{king}.{signature}"),
        ),
        ("a signature is there", format!("{signed}.")),
        ("a JWT has three parts", signed.to_owned()),
        ("a JWT is base64 for addresses", format!("{signed}.+/=")),
        (
            "the key is the issuer's",
            Signer::es256().jwt_of(SOUND, &claims),
        ),
        (
            "the issuer is the key's",
            keys.es256.jwt_of(SOUND, &claims_of("an-app-rs")),
        ),
    ] {
        let (status, body) = keys.ask(&authority, &jwt).await;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("invalid_grant")),
            "{rule}"
        );
    }
    let (status, _) = keys.ask(&authority, &sound).await;
    assert_eq!(status, 200, "and as it was, it is taken");
}
