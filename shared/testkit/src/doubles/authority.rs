//! A double of an OAuth 2.0 token endpoint, for the connectors that must log in first.
//!
//! It follows RFC 6749 (client credentials, refresh tokens) and RFC 7523 (a signed JWT as a grant):
//! - `POST` to one path, `/oauth/token` unless another is set, as a form; a parameter that comes twice
//!   is refused, one that is not known is ignored.
//! - A client names itself by Basic or in the body, never both. With a JWT it need not.
//! - It answers `{access_token, token_type, expires_in}`, with `scope` where there are scopes, and
//!   `refresh_token` as [`Rotation`] says.
//! - Errors are `{error, error_description}`: 401 for a client that is not known, with the challenge
//!   where it came by Basic, else 400.
//!
//! A JWT is checked against a public key that is given at the start: RS256 or ES256, `iss`, `sub`,
//! `aud`, `exp` at most an hour after `iat`.
//!
//! What was given is in [`Tokens`], which another double asks whether a token is live. A test may take
//! back every token at any moment: [`Tokens::revoke_all`], or `POST /_double/revoke` with `{}` from
//! another process; `GET /_double/tokens` says how many were given.
//!
//! It keeps no quota: RFC 6749 has none, and a vendor's differs. A fault can answer 429.

mod api;
mod assertion;
mod client;
mod key;
mod refusal;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use assertion::Trust;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Map, Value, json};

pub use key::{Algorithm, KeyError, PublicKey};
pub use tokens::{Standing, Tokens};

use super::{Clock, Double, KillsOverHttp, exchange::Exchange, locked};

/// Where tokens are asked for unless another path is set.
const DEFAULT_PATH: &str = "/oauth/token";
/// How long a token lives unless another life is set: an hour, as most services have it.
const DEFAULT_LIFE_S: u32 = 3_600;

/// What the answer to a refresh says of the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Nothing: the old one goes on.
    #[default]
    Silent,
    /// The same one, which goes on.
    Echoes,
    /// A new one; the old one is refused from then on.
    Rotates,
}

/// What a refresh token stands for.
#[derive(Clone, Debug)]
struct Grant {
    client: String,
    scopes: BTreeSet<String>,
}

/// How the double is set up.
#[derive(Clone)]
pub struct AuthorityConfig {
    clock: Clock,
    rules: Rules,
    held: Held,
    port: u16,
    kills: KillsOverHttp,
}

/// What stays as it was at the start.
#[derive(Clone)]
struct Rules {
    tokens: Tokens,
    path: String,
    prefix: String,
    life_s: u32,
    rotation: Rotation,
    audience: String,
    asserted_scopes: BTreeSet<String>,
    trusts: Vec<Trust>,
    /// By client.
    scopes: BTreeMap<String, BTreeSet<String>>,
}

/// What changes while it runs.
#[derive(Clone, Default)]
struct Held {
    /// Secrets by client.
    secrets: BTreeMap<String, String>,
    /// By refresh token.
    grants: BTreeMap<String, Grant>,
}

impl AuthorityConfig {
    /// Listens on any free port, knows no client and no issuer. `clock` gives milliseconds since the
    /// epoch.
    pub fn new(clock: Clock) -> Self {
        Self {
            rules: Rules {
                tokens: Tokens::new(Arc::clone(&clock)),
                path: DEFAULT_PATH.to_owned(),
                prefix: "access-".to_owned(),
                life_s: DEFAULT_LIFE_S,
                rotation: Rotation::default(),
                audience: String::new(),
                asserted_scopes: BTreeSet::new(),
                trusts: Vec::new(),
                scopes: BTreeMap::new(),
            },
            held: Held::default(),
            clock,
            port: 0,
            kills: KillsOverHttp::Refused,
        }
    }

    /// The tokens that it will give, for the double that is to ask about them.
    pub fn tokens(&self) -> Tokens {
        self.rules.tokens.clone()
    }

    /// Gives its tokens among these, of a double that was started before it.
    #[must_use]
    pub fn given_as(mut self, tokens: Tokens) -> Self {
        self.rules.tokens = tokens;
        self
    }

    /// Knows this client, which may have these scopes.
    #[must_use]
    pub fn client(mut self, id: &str, secret: &str, scopes: &[&str]) -> Self {
        let id = id.to_owned();
        self.rules.scopes.insert(id.clone(), set_of(scopes));
        self.held.secrets.insert(id, secret.to_owned());
        self
    }

    /// Knows this refresh token, which stands for these scopes of this client's.
    #[must_use]
    pub fn refresh_token(mut self, token: &str, client: &str, scopes: &[&str]) -> Self {
        let grant = Grant {
            client: client.to_owned(),
            scopes: set_of(scopes),
        };
        self.held.grants.insert(token.to_owned(), grant);
        self
    }

    /// Takes what `issuer` says for `subject` under this key.
    #[must_use]
    pub fn trust(mut self, issuer: &str, subject: &str, key: PublicKey) -> Self {
        self.rules.trusts.push(Trust {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            key,
        });
        self
    }

    /// What a JWT must name as `aud`, and the scopes that one may ask for.
    #[must_use]
    pub fn audience(mut self, audience: &str, scopes: &[&str]) -> Self {
        audience.clone_into(&mut self.rules.audience);
        self.rules.asserted_scopes = set_of(scopes);
        self
    }

    /// How long a token lives, in seconds.
    #[must_use]
    pub const fn life_s(mut self, life_s: u32) -> Self {
        self.rules.life_s = life_s;
        self
    }

    /// What a refresh says of the refresh token.
    #[must_use]
    pub const fn rotation(mut self, rotation: Rotation) -> Self {
        self.rules.rotation = rotation;
        self
    }

    /// Where tokens are asked for, from the slash on.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.rules.path);
        self
    }

    /// How each token begins.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.rules.prefix);
        self
    }

    /// Listens on this port of 127.0.0.1.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether faults set over HTTP may kill a process.
    #[must_use]
    pub const fn kills_over_http(mut self, kills: KillsOverHttp) -> Self {
        self.kills = kills;
        self
    }
}

/// What the double knows.
pub struct Authority {
    rules: Rules,
    held: Mutex<Held>,
}

/// A running double of a token endpoint.
pub type AuthorityDouble = Double<Authority>;

impl Double<Authority> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: AuthorityConfig) -> io::Result<Self> {
        let (clock, port, kills) = (config.clock.clone(), config.port, config.kills);
        let routes: Router<Arc<Exchange<Authority>>> = Router::new()
            .route("/_double/tokens", get(tokens_given))
            .route("/_double/revoke", post(revoke_all));
        let system = Authority::new(config.rules, config.held);
        Self::serve_with(system, clock, port, kills, routes).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: AuthorityConfig) -> Self {
        Self::unserved(Authority::new(config.rules, config.held), config.clock)
    }

    /// The tokens that it has given.
    pub fn tokens(&self) -> Tokens {
        self.system().rules.tokens.clone()
    }

    /// Where tokens are asked for, whole.
    pub fn token_url(&self) -> String {
        format!("{}{}", self.url(), self.system().rules.path)
    }

    /// Knows this secret of a client's from now on, and no other: as after a rotation.
    pub fn set_secret(&self, client: &str, secret: &str) {
        let mut held = locked(&self.system().held);
        held.secrets.insert(client.to_owned(), secret.to_owned());
    }

    /// Refuses every refresh token that was given up to now: as when a person withdraws consent.
    pub fn forget_refresh_tokens(&self) {
        locked(&self.system().held).grants.clear();
    }
}

impl Authority {
    fn new(rules: Rules, held: Held) -> Self {
        let held = Mutex::new(held);
        Self { rules, held }
    }
}

fn set_of(scopes: &[&str]) -> BTreeSet<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

async fn tokens_given(State(exchange): State<Arc<Exchange<Authority>>>) -> Json<Value> {
    Json(json!({ "given": exchange.system.rules.tokens.given() }))
}

/// Its body says nothing, but must be JSON: no web page can send that unasked.
async fn revoke_all(
    State(exchange): State<Arc<Exchange<Authority>>>,
    Json(_): Json<Map<String, Value>>,
) -> StatusCode {
    exchange.system.rules.tokens.revoke_all();
    StatusCode::NO_CONTENT
}
