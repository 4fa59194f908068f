//! The webhook: verify, then make durable, then answer (HOOK-1).
//!
//! Nothing is parsed before its signature holds. A whole payload with a version is staged; anything
//! else is a hint, and the worker fetches the record. A replay changes nothing: a staged version is
//! refused by the register, and the ids of hints are remembered.

mod consent;
mod request;

use std::time::Duration;

pub use request::HookRequest;
use request::{Delivered, signing_of};

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_model::{
    Fetch, FlowId, Message, RecordKey, Tier, UnixMs,
    flow::{SecretName, Signing, VersionSpec},
    item::{Condition, Update, Value},
    metric,
};
use tidegate_policy::{
    keys,
    signature::{self, SigningSecret},
    stage::Origin,
};

use crate::{
    Engine, EngineError, FlowRuntime,
    ports::{Outgoing, SecretError},
    staging::{Reader, Staged},
};

/// Largest body that is hashed: Amazon EventBridge, Shopify and Stripe stay below it.
pub const MAX_BODY_BYTES: usize = 256 * 1_024;
/// How long the id of a hint is remembered: senders retry for up to 28 h.
const REPLAY_MEMORY: Duration = Duration::from_secs(28 * 3_600);
/// Secrets that are compared for any request, real ones and decoys together.
const SECRETS: usize = 2;

/// What a delivery came to. Only `Accepted` is a 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// Durable.
    Accepted(HookOutcome),
    /// Unknown flow or wrong signature: one answer for both.
    Unauthorized,
    /// Over [`MAX_BODY_BYTES`].
    TooLarge,
    /// Signed, but it can not be used.
    Unusable {
        /// Why, for the sender.
        reason: String,
    },
    /// Signed, and of a form that is not taken.
    Unsupported {
        /// Which forms are, for the sender.
        reason: String,
    },
}

/// What a durable delivery will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookOutcome {
    /// A critical field changed: it goes at once.
    Critical,
    /// It waits for the next window.
    NextWindow,
    /// Our own store, where the flow writes to it, holds it.
    Applied,
    /// The record is read from its source first.
    Fetching,
    /// A person must look.
    InReview,
    /// It was known already.
    Known,
    /// An event of a type that, as the flow says, tells of no record.
    Ignored,
}

impl HookOutcome {
    /// The outcome in answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::NextWindow => "next_window",
            Self::Applied => "applied",
            Self::Fetching => "fetching",
            Self::InReview => "in_review",
            Self::Known => "known",
            Self::Ignored => "ignored",
        }
    }
}

/// Why a delivery could not be made durable; the sender tries again.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No secret of the flow is one; this is the last of them.
    #[error("the webhook secret {name} can not be used")]
    BadSecret {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: signature::SecretFault,
    },
    /// Store or queue failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Takes a delivery.
    pub async fn webhook(&self, request: HookRequest<'_>) -> Result<HookAnswer, HookError> {
        if request.body.len() > MAX_BODY_BYTES {
            return Ok(HookAnswer::TooLarge);
        }
        let flow = FlowId::try_new(request.flow).ok();
        let runtime = flow.and_then(|flow| self.flow(&flow).ok());
        let runtime = runtime.map(AsRef::as_ref);
        let began = self.now();
        let webhook = runtime.and_then(|runtime| runtime.flow.file().webhook.as_ref());
        let proof = request.proof(signing_of(webhook));
        let (mut secrets, mut faults) = self.signing_secrets(runtime).await;
        let mut verified = proof.holds(&secrets, self.now());
        if !verified && self.are_replaced(runtime, began).await {
            (secrets, faults) = self.signing_secrets(runtime).await;
            verified = proof.holds(&secrets, self.now());
        }
        let flow = runtime.map(|runtime| runtime.flow.id().as_str());
        // One that could not be used may have signed it: then its sender is to come again.
        let refusing = if verified { None } else { faults.pop() };
        for fault in faults {
            tracing::error!(flow, request_id = self.request(), error = %crate::chain(&fault), "a webhook secret verifies nothing");
        }
        if let Some(fault) = refusing {
            return Err(fault);
        }
        let Some(runtime) = runtime.filter(|_| verified) else {
            // Of a flow that is there only: the text of another's name is anybody's.
            tracing::warn!(
                flow,
                request_id = self.request(),
                took_ms = self.ms_since(began),
                "webhook refused: no active secret signed it, within five minutes where it says when"
            );
            return Ok(HookAnswer::Unauthorized);
        };
        let delivered = request.read(webhook);
        let id = delivered
            .as_ref()
            .map_or("", |delivered| &delivered.id)
            .to_owned();
        let (key, answer) = match delivered {
            Ok(delivered) => self.take_hook(runtime, delivered).await?,
            Err(refused) => (None, refused),
        };
        let taken = matches!(answer, HookAnswer::Accepted(_));
        self.measure_count(&metric::WEBHOOKS, &[runtime.flow.id().as_str()], taken);
        self.tell_noted().await;
        tracing::info!(flow = %runtime.flow.id(), key = key.as_ref().map(RecordKey::as_str), webhook_id = id, request_id = self.request(), answer = answer.as_str(), outcome = answer.outcome(), reason = answer.reason(), took_ms = self.ms_since(began), "webhook");
        Ok(answer)
    }

    /// Whether a secret that was read after `began` has been replaced since. Where that can not be
    /// learnt, the delivery is as wrong as before: its sender comes again.
    async fn are_replaced(&self, runtime: Option<&FlowRuntime>, began: UnixMs) -> bool {
        let names = runtime.map_or(&[][..], |runtime| runtime.flow.webhook_secrets());
        let renewed = self
            .renew_secrets(names.iter().map(SecretName::as_str), began)
            .await;
        renewed.unwrap_or_else(|error| {
            tracing::warn!(error = %crate::chain(&error), "a webhook secret could not be looked up");
            false
        })
    }

    /// The flow's secrets, filled up with decoys: comparing costs the same for every request. And why others can not
    /// be used: a slip while they are rotated does not stop what the other has signed.
    async fn signing_secrets(
        &self,
        runtime: Option<&FlowRuntime>,
    ) -> (Vec<SigningSecret>, Vec<HookError>) {
        let mut secrets = Vec::new();
        let mut faults = Vec::new();
        let webhook = runtime.and_then(|runtime| runtime.flow.file().webhook.as_ref());
        for name in runtime.map_or(&[][..], |runtime| runtime.flow.webhook_secrets()) {
            match self
                .signing_secret(signing_of(webhook), name.as_str())
                .await
            {
                Ok(secret) => secrets.push(secret),
                Err(fault) => faults.push(fault),
            }
        }
        while secrets.len() < SECRETS {
            secrets.push(SigningSecret::decoy());
        }
        (secrets, faults)
    }

    async fn signing_secret(
        &self,
        signing: &Signing,
        name: &str,
    ) -> Result<SigningSecret, HookError> {
        let secret = self.ports.secrets.get(name).await?;
        SigningSecret::of(signing, secret.reveal()).map_err(|source| HookError::BadSecret {
            name: name.to_owned(),
            source,
        })
    }

    /// What comes of a signed delivery, and the record that it is of, where it names one.
    async fn take_hook(
        &self,
        runtime: &FlowRuntime,
        delivered: Delivered,
    ) -> Result<(Option<RecordKey>, HookAnswer), EngineError> {
        if delivered.is_of_no_record {
            return Ok((None, HookAnswer::Accepted(HookOutcome::Ignored)));
        }
        let key = match runtime.flow.webhook_key(delivered.pushed()) {
            Ok(key) => key,
            Err(error) => {
                let reason = crate::chain(&error);
                return Ok((None, HookAnswer::Unusable { reason }));
            }
        };
        let has_version = !matches!(runtime.flow.file().record.version, VersionSpec::Read);
        let row = runtime
            .flow
            .webhook_row(delivered.pushed())
            .ok()
            .flatten()
            .filter(|_| has_version);
        if let Some(row) = row
            && let Some(outcome) = self.stage_pushed(runtime, &key, &row).await?
        {
            return Ok((Some(key), HookAnswer::Accepted(outcome)));
        }
        let outcome = self.take_hint(runtime, key.clone(), delivered.name).await?;
        Ok((Some(key), HookAnswer::Accepted(outcome)))
    }

    /// Stages a whole payload; `None` when it is none, and so only a hint.
    async fn stage_pushed(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        row: &serde_json::Value,
    ) -> Result<Option<HookOutcome>, EngineError> {
        let reader = Reader {
            origin: Origin::Push,
            by: self.token().to_string(),
            read: 0,
        };
        let now = self.now();
        let incoming = match runtime.incoming(row, &reader, 0, now) {
            Ok((found, incoming, _)) if found == *key => incoming,
            Ok(_) | Err(_) => return Ok(None),
        };
        let seen = self
            .registers(runtime, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        let result = self.stage(runtime, key, &incoming, seen).await?;
        // What waits for its window needs no message. Under a newer revision equal content has no
        // such time (QUE-2).
        let waits = |tier| tier == Tier::Batch && result.waits;
        let queue_in = result.message.filter(|tier| !waits(*tier));
        if let Some(tier) = queue_in {
            let flow = runtime.flow.id().clone();
            let message = Message::new(flow, vec![key.clone()], tier, self.now());
            self.send_one(message.repeating(result.repeats)).await?;
        }
        Ok(Some(match result.staged {
            Staged::New { .. } if runtime.target.traits().own => HookOutcome::Applied,
            Staged::New {
                tier: Tier::RealTime,
            } => HookOutcome::Critical,
            Staged::New { tier: Tier::Batch } => HookOutcome::NextWindow,
            Staged::InReview => HookOutcome::InReview,
            Staged::Unchanged | Staged::Superseded => HookOutcome::Known,
        }))
    }

    /// Sends the worker to read the record. The id is remembered after the message is durable: a
    /// crash between the two makes a second read, never a lost hint.
    async fn take_hint(
        &self,
        runtime: &FlowRuntime,
        key: RecordKey,
        name: Option<String>,
    ) -> Result<HookOutcome, EngineError> {
        let flow = runtime.flow.id();
        let now = self.now();
        let Some(name) = name else {
            // A repeat costs one read more. To take an equal body for a repeat would lose the next change.
            self.ask_read(runtime, key, Fetch::Hint).await?;
            return Ok(HookOutcome::Fetching);
        };
        let memory = keys::memory("hook", flow, &name);
        if self.is_remembered(&memory, now).await? {
            return Ok(HookOutcome::Known);
        }
        self.ask_read(runtime, key, Fetch::Hint).await?;
        self.remember_until(&memory, now + REPLAY_MEMORY).await?;
        Ok(HookOutcome::Fetching)
    }

    pub(crate) async fn send_one(&self, message: Message) -> Result<(), EngineError> {
        let delay = Duration::ZERO;
        self.send(vec![Outgoing { message, delay }]).await?;
        Ok(())
    }

    /// Whether something was remembered and its time is not over: a table forgets late.
    pub(crate) async fn is_remembered(
        &self,
        key: &tidegate_model::item::ItemKey,
        now: UnixMs,
    ) -> Result<bool, EngineError> {
        let item = self.read(key).await?;
        let until = item.and_then(|item| item.get("until").and_then(Value::as_number));
        Ok(until.is_some_and(|until| until > now.0))
    }

    pub(crate) async fn remember_until(
        &self,
        key: &tidegate_model::item::ItemKey,
        until: UnixMs,
    ) -> Result<(), EngineError> {
        let write = Update::when(Condition::ALWAYS)
            .set("until", until.0)
            .set("ttl", until.0 / 1_000 + 1);
        self.write(key, &write).await?;
        Ok(())
    }
}
