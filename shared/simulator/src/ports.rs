//! The ports of one life of a process: each call is numbered, decided upon, made, seen and counted.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use tidegate_engine::{
    CachedSecrets, Event,
    ports::{
        Body, Clock, Doubt, Events, FormValue, HeaderValue, Http, Listing, ListingPage, Mail,
        Mailer, Outgoing, PortError, Queue, Receipt, Request, Secret, SecretError, Secrets, Sent,
        Store, StoreError, TransportError, Written,
    },
};
use tidegate_model::{
    Tier, UnixMs,
    item::{Item, ItemKey, Update},
};
use tidegate_testkit::memory::MemoryVault;

use crate::{
    CallMade, Delivered, Effect, Fate, Operation, PortCall, ProcessId, ProcessKind, life::Life,
    world::Shared,
};

/// What the cause of an injected failure says.
const INJECTED: &str = "the simulator let it fail";

tokio::task_local! {
    static CALLER: ProcessId;
}

/// The process whose call is being sent, for an [`Http`] that keeps a log by its callers.
pub fn caller() -> Option<ProcessId> {
    CALLER.try_with(|caller| *caller).ok()
}

/// The ports of one life of a process.
#[derive(Clone)]
pub(crate) struct ProcessPorts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) life: Arc<Life>,
    pub(crate) process: ProcessId,
    pub(crate) incarnation: u32,
    pub(crate) secrets: Arc<CachedSecrets<MemoryVault>>,
}

impl ProcessPorts {
    fn call<'a>(&self, operation: Operation<'a>) -> PortCall<'a> {
        PortCall {
            seq: self.shared.next_call(),
            at: self.shared.clock.now(),
            process: self.process,
            incarnation: self.incarnation,
            operation,
        }
    }

    /// Takes a call past the interposer. `act` makes it; `failed` is what its caller sees of a failure
    /// before and after it was made.
    async fn pass<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        call: &PortCall<'_>,
        act: impl Fn() -> F,
        failed: impl FnOnce(Moment) -> E,
    ) -> Result<T, E> {
        if self.life.is_dead() {
            // Whoever is dead calls nobody; the keeper is about to drop it.
            return std::future::pending().await;
        }
        match self.shared.interposer.decide(call) {
            Fate::Proceed => act().await,
            Fate::FailUnsent => {
                tokio::time::sleep(self.shared.latencies.store).await;
                Err(failed(Moment::Unsent))
            }
            Fate::LoseAnswer => {
                drop(act().await);
                Err(failed(Moment::Done))
            }
            Fate::Repeat if matches!(call.operation, Operation::Http { .. }) => {
                drop(act().await);
                Err(failed(Moment::Done))
            }
            Fate::Repeat => {
                drop(act().await);
                act().await
            }
            Fate::CrashBefore => {
                self.life.die().await;
                Err(failed(Moment::Unsent))
            }
            Fate::CrashAfter => {
                drop(act().await);
                self.life.die().await;
                Err(failed(Moment::Done))
            }
            Fate::StallBefore(span) => {
                self.life.stall(span).await;
                act().await
            }
            Fate::StallAfter(span) => {
                let result = act().await;
                self.life.stall(span).await;
                result
            }
        }
    }

    fn observe(&self, call: &PortCall<'_>, effect: &Effect<'_>) {
        self.shared.interposer.observe(call, effect);
    }

    /// Puts secrets in, as the transport does. One that the world has not stays a name.
    async fn with_secrets(&self, request: &Request) -> Result<Request, TransportError> {
        let mut request = request.clone();
        for header in &mut request.headers {
            let revealed = match &header.value {
                HeaderValue::Secret { prefix, secret } => {
                    let found = self.secret(secret).await?;
                    found.map(|found| format!("{prefix}{}", found.reveal()))
                }
                HeaderValue::Token { prefix, token, .. } => {
                    let token = token.as_ref();
                    token.map(|token| format!("{prefix}{}", token.reveal()))
                }
                HeaderValue::Plain(_)
                | HeaderValue::Basic { .. }
                | HeaderValue::Client { .. }
                | HeaderValue::KeyPair { .. } => None,
            };
            if let Some(text) = revealed {
                header.value = HeaderValue::Plain(text);
            }
        }
        let form = match &mut request.body {
            Some(Body::Form(form)) => form.as_mut_slice(),
            Some(Body::Json(_)) | None => &mut [],
        };
        for (_, value) in form {
            if let FormValue::Secret(secret) = value
                && let Some(found) = self.secret(secret).await?
            {
                *value = FormValue::Plain(found.reveal().to_owned());
            }
        }
        Ok(request)
    }

    async fn secret(&self, name: &str) -> Result<Option<Secret>, TransportError> {
        match self.secrets.get(name).await {
            Ok(found) => Ok(Some(found)),
            Err(SecretError::Missing(_)) => Ok(None),
            Err(SecretError::Unavailable { name, .. }) => {
                Err(TransportError::SecretUnavailable(name))
            }
        }
    }

    async fn half(latency: Duration) {
        if !latency.is_zero() {
            tokio::time::sleep(latency / 2).await;
        }
    }

    /// The host's own receive.
    pub(crate) async fn receive(&self, tier: Tier) -> Result<Vec<Delivered>, PortError> {
        let call = self.call(Operation::Receive { tier });
        let act = || async {
            let delivered = self.shared.sqs.receive(
                tier,
                |visible| self.shared.interposer.pick(&call, visible),
                || self.shared.interposer.redeliver(&call),
            );
            self.observe(
                &call,
                &Effect::Delivered {
                    messages: &delivered,
                },
            );
            if !delivered.is_empty() {
                self.shared
                    .meter(|meters| meters.received(tier, delivered.len()));
            }
            Self::half(self.shared.latencies.queue).await;
            Ok(delivered)
        };
        self.pass(&call, act, |_| PortError::new("receive", INJECTED))
            .await
    }

    /// The host's own deletion of what was handled.
    pub(crate) async fn delete(&self, tier: Tier, receipts: &[Receipt]) -> Result<(), PortError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let call = self.call(Operation::Delete { receipts });
        let act = || async {
            Self::half(self.shared.latencies.queue).await;
            for receipt in receipts {
                self.shared.sqs.delete(receipt);
            }
            self.observe(&call, &Effect::Done);
            self.shared
                .meter(|meters| meters.deleted(tier, receipts.len()));
            Ok(())
        };
        self.pass(&call, act, |_| PortError::new("delete", INJECTED))
            .await
    }
}

/// When a call failed.
enum Moment {
    Unsent,
    Done,
}

fn store_error(operation: &str) -> StoreError {
    StoreError {
        operation: operation.to_owned(),
        source: INJECTED.into(),
    }
}

#[async_trait]
impl Store for ProcessPorts {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        let call = self.call(Operation::Update { key, update });
        let act = || async {
            Self::half(self.shared.latencies.store).await;
            let written = self.shared.store.update(key, update).await?;
            match &written {
                Written::Done { before, after } => {
                    self.shared
                        .meter(|meters| meters.wrote(key, before.as_ref(), after));
                    let before = before.as_ref();
                    self.observe(&call, &Effect::Written { before, after });
                }
                Written::Refused { current } => {
                    let current = current.as_ref();
                    self.shared.meter(|meters| meters.refused(key, current));
                    self.observe(&call, &Effect::Refused { current });
                }
            }
            Self::half(self.shared.latencies.store).await;
            Ok(written)
        };
        self.pass(&call, act, |_| store_error("update")).await
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        let call = self.call(Operation::Get { keys });
        let act = || async {
            Self::half(self.shared.latencies.store).await;
            let items = self.shared.store.get(keys).await?;
            self.shared.meter(|meters| meters.read(keys, &items));
            self.observe(&call, &Effect::Read { items: &items });
            Self::half(self.shared.latencies.store).await;
            Ok(items)
        };
        self.pass(&call, act, |_| store_error("get")).await
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        let call = self.call(Operation::List { listing });
        let act = || async {
            Self::half(self.shared.latencies.store).await;
            let page = self.shared.store.list(listing, after, limit).await?;
            let from_index = matches!(listing, Listing::Reviews(_));
            self.shared
                .meter(|meters| meters.listed(&page.items, from_index));
            self.observe(&call, &Effect::Listed { items: &page.items });
            Self::half(self.shared.latencies.store).await;
            Ok(page)
        };
        self.pass(&call, act, |_| store_error("list")).await
    }
}

#[async_trait]
impl Queue for ProcessPorts {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError> {
        let call = self.call(Operation::Send {
            messages: &messages,
        });
        let act = || async {
            Self::half(self.shared.latencies.queue).await;
            for outgoing in &messages {
                let copies = self.shared.interposer.copies(&call, Some(outgoing));
                self.shared.sqs.send(outgoing, &copies)?;
            }
            let tiers: Vec<Tier> = messages.iter().map(|sent| sent.message.tier).collect();
            self.shared.meter(|meters| meters.sent(&tiers));
            self.observe(&call, &Effect::Done);
            Self::half(self.shared.latencies.queue).await;
            Ok(())
        };
        self.pass(&call, act, |_| PortError::new("send", INJECTED))
            .await
    }

    async fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        let call = self.call(Operation::Hold { receipt, after });
        let act = || async {
            Self::half(self.shared.latencies.queue).await;
            self.shared.sqs.hold(receipt, after)?;
            self.shared.meter(|meters| meters.held(receipt.tier));
            self.observe(&call, &Effect::Done);
            Self::half(self.shared.latencies.queue).await;
            Ok(())
        };
        self.pass(&call, act, |_| PortError::new("hold", INJECTED))
            .await
    }
}

#[async_trait]
impl Events for ProcessPorts {
    async fn emit_all(&self, events: &[Event]) -> Result<(), PortError> {
        let call = self.call(Operation::Emit { events });
        let act = || async {
            Self::half(self.shared.latencies.queue).await;
            for event in events {
                for extra in self.shared.interposer.copies(&call, None) {
                    self.shared.publish(event, extra);
                }
            }
            let published = u64::try_from(events.len()).unwrap_or(u64::MAX);
            self.shared.meter(|meters| meters.events += published);
            self.observe(&call, &Effect::Done);
            Self::half(self.shared.latencies.queue).await;
            Ok(())
        };
        self.pass(&call, act, |_| PortError::new("emit", INJECTED))
            .await
    }
}

#[async_trait]
impl Mailer for ProcessPorts {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        let call = self.call(Operation::Mail { mail });
        let act = || async {
            Self::half(self.shared.latencies.queue).await;
            self.shared.keep_mail(mail);
            self.shared.meter(|meters| meters.mails += 1);
            self.observe(&call, &Effect::Done);
            Ok(())
        };
        self.pass(&call, act, |_| PortError::new("mail", INJECTED))
            .await
    }
}

#[async_trait]
impl Http for ProcessPorts {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        let call = self.call(Operation::Http { request });
        let act = || async {
            let left = self.shared.clock.now();
            let request = &self.with_secrets(request).await?;
            // The answer that arrives at the very end of the time-out is in time.
            let sending = CALLER.scope(self.process, self.shared.http.send(request));
            let answer = tokio::time::timeout(request.timeout, sending)
                .await
                .unwrap_or(Err(TransportError::TimedOut(request.timeout)));
            self.observe(
                &call,
                &Effect::Answered {
                    left,
                    answer: &answer,
                },
            );
            let made = CallMade {
                at: left,
                took: self.shared.clock.now().since(left),
                endpoint: self.shared.endpoint(&request.url),
                tier: match self.process.kind {
                    ProcessKind::Worker(tier) => tier,
                    _ => Tier::Batch,
                },
                process: self.process,
                effect: request.effect,
                status: answer.as_ref().ok().map(|sent| sent.status),
            };
            self.shared.meter(|meters| meters.calls.push(made));
            answer
        };
        self.pass(&call, act, |moment| match moment {
            Moment::Unsent => TransportError::NotConnected,
            Moment::Done => TransportError::Broken,
        })
        .await
    }
}

#[async_trait]
impl Secrets for ProcessPorts {
    async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let call = self.call(Operation::Secret { name });
        let act = || async {
            let secret = self.secrets.get(name).await;
            self.observe(&call, &Effect::Done);
            secret
        };
        self.pass(&call, act, |_| SecretError::Unavailable {
            name: name.to_owned(),
            source: INJECTED.into(),
        })
        .await
    }

    /// Not among the calls that go wrong: what comes of a vault that does not answer is as if `get`
    /// had failed.
    async fn renew(&self, name: &str, doubt: Doubt, used: UnixMs) -> Result<bool, SecretError> {
        self.secrets.renew(name, doubt, used).await
    }
}
