//! Calls without permits, breaker or claim: classified as the engine does, then passed on.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tidegate_connect::HttpClient;
use tidegate_engine::ports::{
    Answer, CallError, Calls, Doubt, Http, Request, Secret, SecretError, Secrets, TransportError,
};
use tidegate_model::{
    UnixMs,
    flow::{ErrorAction, ErrorRow},
};
use tidegate_policy::answer::{classify, refusal, scrub};

use super::{API_KEY, TOKEN};

struct TwoSecrets {
    api_key: String,
}

#[async_trait]
impl Secrets for TwoSecrets {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        match name {
            "ERP_TOKEN" => Ok(Secret::new(TOKEN)),
            "QUALIO_API_KEY" => Ok(Secret::new(self.api_key.clone())),
            _ => Err(SecretError::Missing(name.to_owned())),
        }
    }

    async fn renew(&self, _: &str, _: Doubt, _: UnixMs) -> Result<bool, SecretError> {
        Ok(false)
    }
}

pub(crate) struct Direct {
    http: HttpClient,
    rows: Vec<ErrorRow>,
    pub(crate) transport_error: Option<TransportError>,
}

impl Direct {
    pub(crate) fn new(rows: &[ErrorRow]) -> Self {
        Self::with_key(rows, API_KEY)
    }

    pub(crate) fn with_key(rows: &[ErrorRow], api_key: &str) -> Self {
        let api_key = api_key.to_owned();
        Self {
            http: HttpClient::new(Arc::new(TwoSecrets { api_key })),
            rows: rows.to_vec(),
            transport_error: None,
        }
    }
}

fn failed(reason: &str) -> CallError {
    CallError::Failed {
        reason: reason.to_owned(),
        started: UnixMs(0),
        may_have_effect: true,
        attempt: Some(0),
    }
}

#[async_trait]
impl Calls for Direct {
    async fn call(&mut self, request: Request) -> Result<Answer, CallError> {
        let sent = match self.http.send(&request).await {
            Ok(sent) => sent,
            Err(error) => {
                self.transport_error = Some(error.clone());
                return Err(failed(&error.to_string()));
            }
        };
        let action = classify(&self.rows, sent.status, sent.body.as_ref());
        let body = sent.body.clone().unwrap_or_default();
        let (field, reason) = refusal(&body);
        let reason = scrub(&reason, request.json());
        match action {
            ErrorAction::Ok if sent.body.is_none() => Err(failed("not JSON")),
            ErrorAction::Ok | ErrorAction::Missing | ErrorAction::Stale => Ok(Answer {
                status: sent.status,
                action,
                headers: sent.headers,
                body: Value::clone(&body),
            }),
            ErrorAction::Defer => Err(CallError::Throttled { until: UnixMs(1) }),
            ErrorAction::Blocked => Err(CallError::Blocked { reason }),
            ErrorAction::Review => Err(CallError::Refused { reason, field }),
            ErrorAction::Retry => Err(failed(&reason)),
        }
    }
}
