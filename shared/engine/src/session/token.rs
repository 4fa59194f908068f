//! Tokens for calls, each kept by the process until its end.
//!
//! To ask for one is a call like another: behind the breaker, and with a permit of the system that it
//! is for (LIM-1), since many have one door for both. Calls of one process that need the same token
//! ask for it once.

use std::{sync::Arc, time::Duration};

use tidegate_model::{
    UnixMs,
    flow::{ClientAuth, Grant, JwtBearer, Method, Oauth2, SecretName},
};
use tidegate_policy::{
    answer,
    token::{self, Life, Need, NoToken},
};

use super::Session;
use crate::{
    Engine,
    ports::{
        Body, CallError, Doubt, Effect, FormValue, Header, HeaderValue, Request, Secret,
        SecretError, Sent, Wait,
    },
};

/// Within which a token endpoint answers.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A token at hand.
pub(crate) struct Kept {
    token: Secret,
    life: Life,
}

/// Where a token is kept.
#[derive(Default)]
pub(crate) enum Slot {
    /// There is none.
    #[default]
    Empty,
    /// This one.
    Kept(Kept),
    /// There is none, since the one before was refused: the next is its successor.
    Refused,
    /// There is none, and the server asks not to be asked before this moment.
    Held(UnixMs),
}

impl Session<'_> {
    /// Puts in the tokens that a request needs, and asks for those that are not at hand.
    pub(super) async fn with_tokens(&mut self, mut request: Request) -> Result<Request, CallError> {
        for header in &mut request.headers {
            if let HeaderValue::Token { grant, token, .. } = &mut header.value {
                *token = Some(self.token(grant, Need::Call).await?);
            }
        }
        Ok(request)
    }

    /// The token at hand, or another where that does not do.
    pub(crate) async fn token(
        &mut self,
        grant: &Arc<Grant>,
        need: Need,
    ) -> Result<Secret, CallError> {
        let slot = self.engine.token_slot(grant);
        let mut slot = slot.lock().await;
        let now = self.engine.now();
        match &*slot {
            Slot::Kept(kept) if kept.life.serves(need, now) => return Ok(kept.token.clone()),
            Slot::Held(until) if now < *until => {
                let (until, why) = (*until, Wait::Provider);
                return Err(CallError::Deferred { until, why });
            }
            _ => {}
        }
        let is_successor = matches!(*slot, Slot::Refused);
        match self.ask_for_token(grant).await? {
            Asked::Given(mut given) => {
                given.life.is_successor = is_successor;
                let token = Secret::new(given.text);
                *slot = Slot::Kept(Kept {
                    token: token.clone(),
                    life: given.life,
                });
                Ok(token)
            }
            Asked::Later(until) => {
                *slot = Slot::Held(until);
                let why = Wait::Provider;
                Err(CallError::Deferred { until, why })
            }
        }
    }

    async fn ask_for_token(&mut self, grant: &Grant) -> Result<Asked, CallError> {
        // The claim of a record does not matter here: a token has no effect on it (EFF-1).
        let epoch = self.gate(TIMEOUT, None).await?;
        let started = self.engine.now();
        let request = request(grant, self.engine.token().as_str(), started);
        let result = self.send(&request).await;
        let status = result.as_ref().map_or(0, |sent| sent.status);
        tracing::info!(
            flow = %self.scope.runtime.flow.id(),
            endpoint = %self.scope.budget.endpoint,
            client = grant.client(),
            status,
            run = self.engine.run_id(),
            request_id = self.engine.request(),
            took_ms = self.engine.ms_since(started),
            "token"
        );
        let sent = match result {
            Ok(sent) => sent,
            Err(error) => {
                let broken = self.broken(&request, error, started, epoch).await;
                return Err(nobodys_attempt(broken));
            }
        };
        match token::read(sent.status, sent.body.as_ref(), started) {
            Ok(given) => Ok(Asked::Given(given)),
            Err(NoToken::Refused(code)) => {
                Err(self.no_token(grant, &sent, code.as_deref(), started).await)
            }
            Err(NoToken::TooMany) => {
                let mut headers = sent.headers.iter();
                let said = headers.find(|(name, _)| name == "retry-after");
                let now = self.engine.now();
                let hold = answer::hold(said.map(|(_, value)| value.as_str()), now);
                Ok(Asked::Later(now + hold))
            }
            Err(NoToken::Failed) => {
                let reason = format!(
                    "{}: no token, {status} was answered",
                    self.scope.budget.endpoint
                );
                let failed = self.unhealthy(reason, started, epoch, false).await;
                Err(nobodys_attempt(failed))
            }
        }
    }

    /// The credentials themselves are refused: a person may have replaced them where they are kept.
    async fn no_token(
        &self,
        grant: &Grant,
        sent: &Sent,
        code: Option<&str>,
        started: UnixMs,
    ) -> CallError {
        let names: Vec<&str> = grant.secrets().map(SecretName::as_str).collect();
        match self.any_replaced(&names, started).await {
            Err(error) => error,
            Ok(true) => CallError::Deferred {
                until: self.engine.now(),
                why: Wait::Secret,
            },
            Ok(false) => {
                let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
                CallError::Blocked {
                    reason: format!(
                        "{}: no token for {}, its credentials are refused with {}{code}: set {} anew, then resume the flow",
                        self.scope.budget.endpoint,
                        grant.client(),
                        sent.status,
                        names.join(", "),
                    ),
                }
            }
        }
    }

    /// Whether one of these secrets has been replaced since a call that began at `used`.
    pub(super) async fn any_replaced(
        &self,
        names: &[&str],
        used: UnixMs,
    ) -> Result<bool, CallError> {
        let mut replaced = false;
        for name in names {
            match self
                .engine
                .ports
                .secrets
                .renew(name, Doubt::Refused, used)
                .await
            {
                Ok(other) => replaced |= other,
                Err(SecretError::Missing(_)) => {}
                Err(error) => {
                    let endpoint = &self.scope.budget.endpoint;
                    return Err(CallError::Store(format!(
                        "{endpoint}: {}",
                        crate::chain(&error)
                    )));
                }
            }
        }
        if replaced {
            tracing::info!(endpoint = %self.scope.budget.endpoint, "a refused secret was replaced");
        }
        Ok(replaced)
    }
}

impl Engine {
    /// Has the token at hand that the calls of a batch bear (R24). That there is none now is told by the
    /// first call that needs it.
    pub(crate) async fn warm(&self, mut session: Session<'_>, grant: Option<&Arc<Grant>>) {
        if let Some(grant) = grant
            && let Err(error) = session.token(grant, Need::Batch).await
        {
            tracing::info!(endpoint = %session.scope.budget.endpoint, request_id = self.request(), reason = %error, "no token ahead of the calls");
        }
        session.end().await;
    }

    /// A token was refused by a call that began at `used`. True when another may help: the work comes
    /// back, and asks for it.
    pub(super) async fn token_refused(&self, grant: &Arc<Grant>, used: UnixMs) -> bool {
        let slot = self.token_slot(grant);
        let mut slot = slot.lock().await;
        let Slot::Kept(kept) = &*slot else {
            // Another call met the same refusal and was quicker.
            return true;
        };
        let helps = kept.life.another_may_help(used);
        if helps && kept.life.got <= used {
            *slot = Slot::Refused;
        } else if !helps {
            *slot = Slot::Empty;
        }
        helps
    }
}

/// What a request for a token came to.
enum Asked {
    Given(token::Given),
    /// Not before this moment.
    Later(UnixMs),
}

/// TRY-1: that no token is to be had is not the fault of the record that needs one. The breaker knows.
fn nobodys_attempt(error: CallError) -> CallError {
    match error {
        CallError::Failed {
            reason,
            started,
            may_have_effect,
            ..
        } => CallError::Failed {
            reason,
            started,
            may_have_effect,
            attempt: None,
        },
        other => other,
    }
}

/// The request for a token (RFC 6749, 4.4.2 and 6; RFC 7523, 2.1).
fn request(grant: &Grant, id: &str, now: UnixMs) -> Request {
    let plain = |text: &str| FormValue::Plain(text.to_owned());
    let mut headers = Vec::new();
    let mut form = Vec::new();
    let scope = match grant {
        Grant::Client(client) => {
            match &client.refresh_token {
                None => form.push(("grant_type", plain("client_credentials"))),
                Some(token) => {
                    form.push(("grant_type", plain("refresh_token")));
                    form.push(("refresh_token", FormValue::Secret(token.to_string())));
                }
            }
            say_who(client, &mut headers, &mut form);
            &client.scope
        }
        Grant::Assertion(client) => {
            let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            form.push(("grant_type", plain(kind)));
            form.push(("assertion", assertion(client, id, now)));
            &client.scope
        }
    };
    if let Some(scope) = scope {
        form.push(("scope", plain(scope)));
    }
    Request {
        method: Method::Post,
        url: grant.token_url().to_owned(),
        headers,
        body: Some(Body::Form(form)),
        effect: Effect::Read,
        timeout: TIMEOUT,
    }
}

fn say_who(client: &Oauth2, headers: &mut Vec<Header>, form: &mut Vec<(&'static str, FormValue)>) {
    match client.client_auth {
        ClientAuth::Body => {
            form.push(("client_id", FormValue::Plain(client.client_id.clone())));
            form.push((
                "client_secret",
                FormValue::Secret(client.secret.to_string()),
            ));
        }
        ClientAuth::Basic => headers.push(Header {
            name: "Authorization".to_owned(),
            value: HeaderValue::Client {
                id: client.client_id.clone(),
                secret: client.secret.to_string(),
            },
        }),
    }
}

fn assertion(client: &JwtBearer, id: &str, now: UnixMs) -> FormValue {
    FormValue::Assertion {
        algorithm: client.algorithm,
        key_id: client.key_id.clone(),
        secret: client.secret.to_string(),
        claims: token::claims(client, id, now),
    }
}
