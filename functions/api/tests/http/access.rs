//! Who may ask.

use std::time::Duration;

use axum::{body::Body, http::Request};

use crate::caller::{Caller, TOKEN};

/// Every path with each of its methods.
const PATHS: [(&str, &str); 18] = [
    ("GET", "/v1/flows"),
    ("POST", "/v1/events"),
    ("POST", "/v1/flows/suppliers/runs"),
    ("GET", "/v1/flows/suppliers/reconcile"),
    ("POST", "/v1/flows/suppliers/reconcile"),
    ("GET", "/v1/flows/suppliers/audit"),
    ("POST", "/v1/flows/suppliers/audit"),
    ("POST", "/v1/flows/suppliers/pause"),
    ("POST", "/v1/flows/suppliers/resume"),
    ("GET", "/v1/flows/suppliers/records"),
    ("GET", "/v1/flows/suppliers/records/SUP-000001"),
    ("POST", "/v1/flows/suppliers/records/SUP-000001/sync"),
    ("POST", "/v1/flows/suppliers/records/SUP-000001/forget"),
    ("GET", "/v1/reviews"),
    ("GET", "/v1/reviews/suppliers~SUP-000001"),
    ("PATCH", "/v1/reviews/suppliers~SUP-000001"),
    ("POST", "/v1/reviews/suppliers~SUP-000001/replay"),
    ("POST", "/v1/reviews/suppliers~SUP-000001/discard"),
];

#[tokio::test]
async fn no_path_answers_without_the_token() {
    let caller = Caller::new();
    let mut told = None;
    for (method, path) in PATHS {
        for given in [
            None,
            Some("Bearer wrong"),
            Some("Bearer "),
            Some("Basic dGhlLXRva2Vu"),
            Some(TOKEN),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(given) = given {
                request = request.header("authorization", given);
            }
            let answer = caller.send(request, Body::empty()).await;
            let challenge = answer.headers["www-authenticate"].clone();
            assert_eq!(challenge, "Bearer realm=\"tidegate\"");
            let body = answer.problem(401);
            // One answer for every cause and every path.
            assert_eq!(*told.get_or_insert_with(|| body.clone()), body);
        }
    }
    assert!(caller.host.events.all().is_empty());
}

#[tokio::test]
async fn the_case_of_the_scheme_does_not_matter() {
    let caller = Caller::new();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request =
            Request::get("/v1/flows").header("authorization", format!("{scheme} {TOKEN}"));
        caller.send(request, Body::empty()).await.ok(200);
    }
}

#[tokio::test]
async fn without_a_token_of_its_own_the_api_is_closed() {
    let bare = Caller::with_secrets(&[]);
    bare.get("/v1/flows").await.problem(500);
    let empty = Caller::with_secrets(&[("API_TOKEN", "")]);
    let request = Request::get("/v1/flows").header("authorization", "Bearer ");
    empty.send(request, Body::empty()).await.problem(401);
}

/// A rotated token is good at once, and so many wrong ones cost one look at the vault.
#[tokio::test]
async fn a_rotated_token_is_known_at_once_and_guessing_costs_a_look_in_twenty_seconds() {
    let caller = Caller::new();
    let ask = async |token: &str| {
        let request = Request::get("/v1/flows").header("authorization", format!("Bearer {token}"));
        caller.send(request, Body::empty()).await
    };
    ask(TOKEN).await.ok(200);
    caller.host.vault.put("API_TOKEN", "the-next-token");
    ask("the-next-token").await.ok(200);
    ask(TOKEN).await.problem(401);
    assert_eq!(caller.host.vault.fetched("API_TOKEN"), 2);
    for _ in 0..10 {
        ask("a-guess").await.problem(401);
    }
    assert_eq!(caller.host.vault.fetched("API_TOKEN"), 2);
    caller.host.clock.advance(Duration::from_secs(20));
    ask("a-guess").await.problem(401);
    assert_eq!(caller.host.vault.fetched("API_TOKEN"), 3);
}
