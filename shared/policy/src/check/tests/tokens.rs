//! What a flow file can get wrong about an authorisation server.

use rstest::rstest;

use super::*;

const OAUTH2: &str = r#"auth = { type = "oauth2", token_url = "https://login.example.com/token", client_id = "tidegate", secret = "CLIENT_SECRET", refresh_token = "REFRESH_TOKEN" }"#;
const JWT_BEARER: &str = r#"auth = { type = "jwt_bearer", token_url = "https://login.example.com/token", issuer = "tidegate", secret = "PRIVATE_KEY" }"#;
const PLAIN_HTTP: &str = "`token_url` must be an address of `https://`: what proves who we are goes there, and over `http://` all on the way can read it; that is for this machine alone, as `http://127.0.0.1:8080`";

/// What is told of the supplier flow whose source asks for tokens so, all of it of that line.
fn told(auth: &str) -> Vec<String> {
    let bearer = r#"auth = { type = "bearer", secret = "ERP_TOKEN" }"#;
    let text = edited(SUPPLIERS, bearer, auth);
    let at = line_of(&text, "auth = {");
    let mut settings = settings();
    settings.insert("NOBODY".to_owned(), String::new());
    settings.insert("LOGIN".to_owned(), "http://login.example.com".to_owned());
    let found = check(&[FlowText::alone("flow.toml", text)], &settings, NOW).mistakes;
    assert!(found.iter().all(|one| one.line == at), "{at}: {found:?}");
    found.into_iter().map(|mistake| mistake.message).collect()
}

#[rstest]
fn a_secret_is_not_sent_in_the_clear(#[values(OAUTH2, JWT_BEARER)] auth: &str) {
    let asked = |url: &str| told(&edited(auth, "https://login.example.com", url));
    assert_eq!(asked("http://login.example.com"), [PLAIN_HTTP]);
    assert_eq!(asked("{{ env.LOGIN }}"), [PLAIN_HTTP]);
    for fine in [
        "https://login.example.com",
        "http://127.0.0.1:9900",
        "http://localhost:9900",
        "http://[::1]:9900",
        "{{ env.UNKNOWN }}",
    ] {
        assert_eq!(asked(fine), [""; 0], "{fine}");
    }
}

#[rstest]
#[case::client(OAUTH2, "client_id")]
#[case::assertion(JWT_BEARER, "issuer")]
fn no_token_is_asked_for_by_nobody(#[case] auth: &str, #[case] name: &str) {
    let asked = |who: &str| told(&edited(auth, "\"tidegate\"", who));
    let right = format!("`{name}` must say who asks for a token");
    assert_eq!(
        asked("\"\""),
        [format!("{right}, an empty text is written")]
    );
    assert_eq!(
        asked("\"{{ env.NOBODY }}\""),
        [format!(
            "{right}, an empty text is what its settings make of it"
        )]
    );
    assert_eq!(asked("\"{{ env.UNKNOWN }}\""), [""; 0]);
}

#[test]
fn the_secret_of_a_client_is_no_refresh_token() {
    assert_eq!(
        told(&edited(OAUTH2, "REFRESH_TOKEN", "CLIENT_SECRET")),
        [
            "`refresh_token` names `CLIENT_SECRET`, as `secret` does: the client's secret is no refresh token, so name a secret for each"
        ]
    );
}
