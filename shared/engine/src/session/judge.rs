//! What an answer, or none, means for the record it was made for.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_model::{
    UnixMs,
    flow::{ErrorAction, SecretName},
};
use tidegate_policy::answer::{self, Told};

use super::Session;
use crate::ports::{Answer, CallError, Effect, HeaderValue, Request, Sent, TransportError, Wait};

impl Session<'_> {
    /// Judges an answer, and heeds what it tells of the provider's limits. That comes last: a probe that
    /// closes the breaker ends what was held before it.
    pub(super) async fn judge(
        &mut self,
        request: &Request,
        sent: Sent,
        started: UnixMs,
        epoch: Option<u64>,
    ) -> Result<Answer, CallError> {
        let told = answer::limits(sent.status, &sent.headers, self.engine.now());
        let outcome = self.judged(request, sent, told, (started, epoch)).await;
        self.heed(told).await;
        outcome
    }

    async fn judged(
        &mut self,
        request: &Request,
        sent: Sent,
        told: Told,
        (started, epoch): (UnixMs, Option<u64>),
    ) -> Result<Answer, CallError> {
        let took = self.engine.now().since(started);
        let writes = request.effect == Effect::Write;
        let action = answer::classify(self.scope.errors, sent.status, sent.body.as_ref());
        match action {
            ErrorAction::Defer => Err(self.hold(&sent, told).await),
            ErrorAction::Retry => {
                let reason = format!("{} answered {}", self.scope.budget.endpoint, sent.status);
                Err(self.unhealthy(reason, started, epoch, writes).await)
            }
            ErrorAction::Blocked => {
                self.healthy_but_refused(took, epoch, request.effect).await;
                Err(self
                    .refused_credentials(request, sent.status, started)
                    .await)
            }
            // Nothing that is said of a decision is logged (R28).
            ErrorAction::Review if self.scope.hurry.is_some() => {
                self.healthy(took, epoch, request.effect).await;
                Err(CallError::Refused {
                    reason: format!("{} answered {}", self.scope.budget.endpoint, sent.status),
                    field: None,
                })
            }
            ErrorAction::Review => {
                self.healthy(took, epoch, request.effect).await;
                let null = Value::Null;
                let (field, said) = answer::refusal(sent.body.as_ref().unwrap_or(&null));
                // What it calls a field may be what it was sent, too; a look-up is sent in its address.
                let values = (answer::query_values(&request.url), request.json());
                let values = json!([values.0, values.1]);
                let scrub = |text: &str| answer::scrub(text, Some(&values));
                let (field, said) = (field.as_deref().map(scrub), scrub(&said));
                let reason = format!(
                    "{} answered {}: {said}",
                    self.scope.budget.endpoint, sent.status
                );
                Err(CallError::Refused { reason, field })
            }
            ErrorAction::Ok | ErrorAction::Missing | ErrorAction::Stale => match sent.body {
                Some(body) => {
                    self.healthy(took, epoch, request.effect).await;
                    Ok(Answer {
                        status: sent.status,
                        action,
                        headers: sent.headers,
                        body,
                    })
                }
                None if action != ErrorAction::Ok => {
                    self.healthy(took, epoch, request.effect).await;
                    Ok(Answer {
                        status: sent.status,
                        action,
                        headers: sent.headers,
                        body: Value::Null,
                    })
                }
                None => {
                    let reason = format!(
                        "{} answered {} with something that is not JSON",
                        self.scope.budget.endpoint, sent.status
                    );
                    Err(self.unhealthy(reason, started, epoch, writes).await)
                }
            },
        }
    }

    /// The refused secret may have been replaced where it is kept, and a refused token have a successor:
    /// then the work comes back at once and its call bears the new one, which is no attempt (TRY-1). It
    /// ends: only a secret that differs from the refused one is worth a call, and one token after it.
    async fn refused_credentials(
        &self,
        request: &Request,
        status: u16,
        started: UnixMs,
    ) -> CallError {
        let endpoint = &self.scope.budget.endpoint;
        let again = CallError::Deferred {
            until: self.engine.now(),
            why: Wait::Secret,
        };
        let mut named: Vec<&str> = Vec::new();
        for header in &request.headers {
            named.extend(header.value.secret());
            if let HeaderValue::Token { grant, .. } = &header.value {
                if self.engine.token_refused(grant, started).await {
                    tracing::info!(endpoint = %endpoint, status, "a refused token is replaced");
                    return again;
                }
                named.extend(grant.secrets().map(SecretName::as_str));
            }
        }
        match self.any_replaced(&named, started).await {
            Err(error) => return error,
            Ok(true) => return again,
            Ok(false) => {}
        }
        let cure = if named.is_empty() {
            String::new()
        } else {
            format!(": set {} anew, then resume the flow", named.join(", "))
        };
        CallError::Blocked {
            reason: format!("{endpoint} refused the credentials with {status}{cure}"),
        }
    }

    /// The system is up but refuses the credentials: it closes no blocker.
    async fn healthy_but_refused(&mut self, took: Duration, epoch: Option<u64>, effect: Effect) {
        self.scope.checking = false;
        self.healthy(took, epoch, effect).await;
    }

    pub(super) async fn broken(
        &mut self,
        request: &Request,
        error: TransportError,
        started: UnixMs,
        epoch: Option<u64>,
    ) -> CallError {
        let reason = format!("{}: {error}", self.scope.budget.endpoint);
        let writes = request.effect == Effect::Write;
        match error {
            TransportError::NoSecret(_) => CallError::Blocked { reason },
            TransportError::SecretUnavailable(_) => CallError::Store(reason),
            TransportError::BadRequest(_) => CallError::Refused {
                reason,
                field: None,
            },
            TransportError::NotConnected => self.unhealthy(reason, started, epoch, false).await,
            TransportError::TimedOut(_)
            | TransportError::Broken
            | TransportError::TooLarge { .. } => {
                self.unhealthy(reason, started, epoch, writes).await
            }
        }
    }
}
