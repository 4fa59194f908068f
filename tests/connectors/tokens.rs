//! Every way of asking for a token that a flow can name, against an authorisation server that checks it.

use rstest::rstest;
use tidegate_testkit::doubles::authority::{AuthorityConfig, AuthorityDouble};

use crate::{
    keys,
    pages::{Pages, Way},
    place::{Hands, Place},
};

const CLIENT: &str = r#"type = "oauth2", client_id = "client 7", secret = "KEY""#;
const ASSERTION: &str = r#"type = "jwt_bearer", issuer = "client-7", subject = "robot", audience = "tidegate", secret = "KEY""#;
const SECRET: &str = "s3cret&+ %";

/// What the flow has as its secret.
#[derive(Clone, Copy)]
enum Key {
    Text(&'static str),
    Rsa,
    Curve,
    /// A key that the server does not know.
    Another,
}

async fn run(auth: &str, key: Key) -> (Place, u64) {
    let hands = Hands::new();
    let (rsa, curve) = (keys::rsa(), keys::curve());
    let secret = match key {
        Key::Text(text) => text.to_owned(),
        Key::Rsa => rsa.private,
        Key::Curve => curve.private,
        Key::Another => keys::curve().private,
    };
    let config = AuthorityConfig::new(hands.for_double())
        .client("client 7", SECRET, &["orders", "stock"])
        .refresh_token("refresh-1", "client 7", &["orders"])
        .audience("tidegate", &["orders"])
        .trust("client-7", "robot", rsa.public)
        .trust("client-7", "robot", curve.public);
    let tokens = config.tokens();
    let authority = AuthorityDouble::start(config).await.unwrap();
    let pages = Pages::start(Way::Header, Some(tokens.clone())).await;
    let auth = format!(
        "auth = {{ {auth}, token_url = \"{}\" }}",
        authority.token_url()
    );
    let secrets = [("KEY", secret.as_str()), ("REFRESH", "refresh-1")];
    let place = pages.place(&hands, &auth, &secrets);
    place.run_part().await;
    for reason in place.blocked() {
        assert!(!reason.contains(&secret), "{reason}");
    }
    (place, tokens.given())
}

#[rstest]
#[case::in_the_form(CLIENT, Key::Text(SECRET))]
#[case::as_basic(&format!("{CLIENT}, client_auth = \"basic\""), Key::Text(SECRET))]
#[case::with_a_scope(&format!("{CLIENT}, scope = \"orders stock\""), Key::Text(SECRET))]
#[case::by_a_refresh_token(&format!("{CLIENT}, refresh_token = \"REFRESH\""), Key::Text(SECRET))]
#[case::signed_with_rsa(ASSERTION, Key::Rsa)]
#[case::signed_with_a_curve(&format!("{ASSERTION}, algorithm = \"ES256\""), Key::Curve)]
#[case::signed_with_a_scope(&format!("{ASSERTION}, scope = \"orders\", key_id = \"k1\""), Key::Rsa)]
#[tokio::test]
async fn a_token_is_given_and_taken(#[case] auth: &str, #[case] key: Key) {
    let (place, given) = run(auth, key).await;
    assert_eq!(place.blocked(), [] as [String; 0]);
    assert_eq!((place.registers().len(), given), (5, 1));
}

#[rstest]
#[case::a_wrong_secret(
    CLIENT,
    Key::Text("another"),
    "no token for client 7, its credentials are refused with 401 (invalid_client): set KEY anew"
)]
#[case::a_scope_too_many(&format!("{CLIENT}, scope = \"all\""), Key::Text(SECRET), "refused with 400 (invalid_scope): set KEY anew")]
#[case::another_s_key(&format!("{ASSERTION}, algorithm = \"ES256\""), Key::Another, "refused with 400 (invalid_grant): set KEY anew")]
#[case::no_key(ASSERTION, Key::Text("hunter2"), "the secret KEY is not configured")]
#[case::a_key_of_another_kind(ASSERTION, Key::Curve, "the secret KEY is not configured")]
#[tokio::test]
async fn what_the_server_refuses_stops_the_flow_and_names_the_secret(
    #[case] auth: &str,
    #[case] key: Key,
    #[case] told: &str,
) {
    let (place, given) = run(auth, key).await;
    let blocked = place.blocked();
    assert!(
        blocked.len() == 1 && blocked[0].contains(told),
        "{blocked:?}"
    );
    assert_eq!(given, 0);
}
