//! The one path that the authority has, and what it answers there.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    Authority, Rotation, assertion,
    client::{Credentials, credentials},
    refusal::{Refusal, uncached},
};
use crate::doubles::{Acted, Incoming, Reply, Subject, System, form::Pairs, locked};

const CLIENT_CREDENTIALS: &str = "client_credentials";
const REFRESH_TOKEN: &str = "refresh_token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The one encoding of a request: RFC 6749, 3.2 and 4.
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

impl System for Authority {
    /// The key is the client's id.
    fn subject(&self, call: &Incoming) -> Subject {
        let form = form(call).unwrap_or_default();
        let named = credentials(call, &form).ok().flatten();
        Subject {
            key: named.map(|named| named.id).filter(|id| !id.is_empty()),
            id: None,
        }
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        match self.answer(call, now_ms) {
            Ok(reply) => Acted::wrote(reply),
            Err(refusal) => Acted::read(refusal.reply()),
        }
    }
}

impl Authority {
    fn answer(&self, call: &Incoming, now_ms: i64) -> Result<Reply, Refusal> {
        if call.uri.path() != self.rules.path {
            return Err(Refusal::path());
        }
        if call.method != "POST" {
            return Err(Refusal::method());
        }
        if call.uri.query().is_some_and(names_credentials) {
            let what = "credentials are sent in the body, never in the address";
            return Err(Refusal::request(what));
        }
        if !is_form(call) {
            return Err(Refusal::request("the body is sent as a form"));
        }
        let form = form(call).ok_or_else(|| Refusal::request("the body can not be read"))?;
        if let Some(name) = form.repeated() {
            return Err(Refusal::request(&format!("{name} is repeated")));
        }
        let grant_type = needed(&form, "grant_type")?;
        let client = self.client(call, &form)?;
        match grant_type {
            CLIENT_CREDENTIALS => {
                let client = client.ok_or_else(Refusal::client)?;
                let scopes = self.rules.scopes.get(&client.id);
                let scopes = wanted(&form, scopes.unwrap_or(&BTreeSet::new()))?;
                Ok(self.give(&scopes, None))
            }
            REFRESH_TOKEN => self.refresh(&form, client),
            JWT_BEARER => {
                let jwt = needed(&form, "assertion")?;
                assertion::check(
                    jwt,
                    &self.rules.trusts,
                    &self.rules.audience,
                    now_ms.div_euclid(1_000),
                )?;
                let scopes = wanted(&form, &self.rules.asserted_scopes)?;
                Ok(self.give(&scopes, None))
            }
            _ => Err(Refusal::grant_type()),
        }
    }

    /// The client that asks, once it has shown that it is the one; none where none is named.
    fn client(&self, call: &Incoming, form: &Pairs) -> Result<Option<Credentials>, Refusal> {
        let Some(named) = credentials(call, form)? else {
            return Ok(None);
        };
        let held = locked(&self.held);
        if held.secrets.get(&named.id) == Some(&named.secret) {
            return Ok(Some(named));
        }
        Err(named.refusal)
    }

    fn refresh(&self, form: &Pairs, client: Option<Credentials>) -> Result<Reply, Refusal> {
        let token = needed(form, REFRESH_TOKEN)?;
        let client = client.ok_or_else(Refusal::client)?;
        let grants = &mut locked(&self.held).grants;
        let found = grants.get(token).filter(|grant| grant.client == client.id);
        let Some(grant) = found.cloned() else {
            let what = "the refresh token is unknown, revoked or another client's";
            return Err(Refusal::grant(what));
        };
        let scopes = wanted(form, &grant.scopes)?;
        let next = match self.rules.rotation {
            Rotation::Silent => None,
            Rotation::Echoes => Some(token.to_owned()),
            Rotation::Rotates => {
                let next = self.rules.tokens.other("refresh-");
                grants.remove(token);
                grants.insert(next.clone(), grant);
                Some(next)
            }
        };
        Ok(self.give(&scopes, next))
    }

    fn give(&self, scopes: &[String], refresh: Option<String>) -> Reply {
        let token = self
            .rules
            .tokens
            .give(&self.rules.prefix, self.rules.life_s);
        let mut body = json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.rules.life_s,
        });
        if let Some(members) = body.as_object_mut() {
            if !scopes.is_empty() {
                members.insert("scope".to_owned(), json!(scopes.join(" ")));
            }
            if let Some(refresh) = refresh {
                members.insert(REFRESH_TOKEN.to_owned(), json!(refresh));
            }
        }
        uncached(Reply::json(200, &body))
    }
}

fn names_credentials(query: &str) -> bool {
    let names = ["client_secret", "refresh_token", "assertion"];
    let query = Pairs::read(query).unwrap_or_default();
    query.names().any(|name| names.contains(&name))
}

fn is_form(call: &Incoming) -> bool {
    let mime = call.headers.get("content-type");
    let mime = mime.and_then(|mime| mime.to_str().ok()).unwrap_or_default();
    let mime = mime.split(';').next().unwrap_or_default().trim();
    mime.eq_ignore_ascii_case(FORM_TYPE)
}

fn form(call: &Incoming) -> Option<Pairs> {
    Pairs::read(std::str::from_utf8(&call.body).ok()?)
}

fn needed<'a>(form: &'a Pairs, name: &str) -> Result<&'a str, Refusal> {
    let value = form.get(name);
    value.ok_or_else(|| Refusal::request(&format!("{name} is missing")))
}

/// The scopes that are asked for, all that may be had where none is named.
fn wanted(form: &Pairs, may: &BTreeSet<String>) -> Result<Vec<String>, Refusal> {
    let Some(text) = form.get("scope") else {
        return Ok(may.iter().cloned().collect());
    };
    // RFC 6749, 3.3: tokens with one space between two.
    let asked: Vec<String> = text.split(' ').map(str::to_owned).collect();
    if let Some(beyond) = asked.iter().find(|scope| !may.contains(*scope)) {
        return Err(Refusal::scope(&format!("{beyond} is no scope to be had")));
    }
    Ok(asked)
}
