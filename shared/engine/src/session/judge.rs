//! What an answer, or none, means for the record it was made for.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_model::{UnixMs, flow::ErrorAction};
use tidegate_policy::answer;

use super::Session;
use crate::ports::{
    Answer, CallError, Doubt, Effect, Request, SecretError, Sent, TransportError, Wait,
};

impl Session<'_> {
    pub(super) async fn judge(
        &mut self,
        request: &Request,
        sent: Sent,
        started: UnixMs,
        epoch: Option<u64>,
    ) -> Result<Answer, CallError> {
        let took = self.engine.now().since(started);
        let writes = request.effect == Effect::Write;
        let action = answer::classify(self.scope.errors, sent.status, sent.body.as_ref());
        match action {
            ErrorAction::Defer => Err(self.hold(&sent).await),
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
            ErrorAction::Review => {
                self.healthy(took, epoch, request.effect).await;
                let null = Value::Null;
                let (field, said) = answer::refusal(sent.body.as_ref().unwrap_or(&null));
                // What it calls a field may be what it was sent, too; a look-up is sent in its address.
                let values = (answer::query_values(&request.url), &request.body);
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

    /// The refused secret may have been replaced where it is kept: then the work comes back at once
    /// and its call bears the new one, which is no attempt (TRY-1). It ends: only a secret that
    /// differs from the refused one is worth a call.
    async fn refused_credentials(
        &self,
        request: &Request,
        status: u16,
        started: UnixMs,
    ) -> CallError {
        let endpoint = &self.scope.budget.endpoint;
        let mut replaced = false;
        for name in request
            .headers
            .iter()
            .filter_map(|header| header.value.secret())
        {
            match self
                .engine
                .ports
                .secrets
                .renew(name, Doubt::Refused, started)
                .await
            {
                Ok(other) => replaced |= other,
                Err(SecretError::Missing(_)) => {}
                Err(error) => {
                    return CallError::Store(format!("{endpoint}: {}", crate::chain(&error)));
                }
            }
        }
        if replaced {
            tracing::info!(endpoint = %endpoint, status, "a refused secret was replaced");
            return CallError::Deferred {
                until: self.engine.now(),
                why: Wait::Secret,
            };
        }
        let secrets = request.headers.iter();
        let named: Vec<&str> = secrets.filter_map(|header| header.value.secret()).collect();
        let cure = match named.as_slice() {
            [] => String::new(),
            secrets => format!(": set {} anew, then resume the flow", secrets.join(", ")),
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
