//! By which invocation the engine is asked: its id stands in the log and in what it queues, so that a
//! change can be followed from function to function.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, request::Parts},
};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use tidegate_engine::Engine;
use tidegate_model::RequestId;

/// The engine, asked by this invocation; by the one with which its work began, where the event bears
/// that.
pub fn asked(engine: &Engine, event: &LambdaEvent<Value>) -> Engine {
    let first = event.payload.pointer("/detail/request_id");
    let first = first.and_then(Value::as_str);
    let first = first.filter(|id| RequestId::try_new(*id).is_ok());
    engine.asked_by(first.unwrap_or(&event.context.request_id))
}

/// The same for a request over HTTP. A host that is not Lambda says in the request's extensions how it
/// names it.
pub struct Asked(pub Engine);

impl FromRequestParts<Arc<Engine>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        engine: &Arc<Engine>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(engine.asked_by(request_id(&parts.extensions))))
    }
}

/// How a request is named; empty where it is not.
pub fn request_id(extensions: &Extensions) -> &str {
    let named = extensions.get::<RequestId>().map(RequestId::as_str);
    let context = extensions.get::<Context>();
    let of_lambda = context.map(|context| context.request_id.as_str());
    named.or(of_lambda).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde_json::json;
    use tidegate_testkit::host::Host;

    use super::*;

    fn engine() -> Arc<Engine> {
        Host::of_flows(&[], [], |_| unreachable!("there is no flow")).engine
    }

    fn context(request_id: &str) -> Context {
        let mut context = Context::default();
        request_id.clone_into(&mut context.request_id);
        context
    }

    #[test]
    fn an_invocation_asks_in_its_own_name_unless_its_event_bears_another() {
        let asks = |event: Value| {
            let asked = asked(&engine(), &LambdaEvent::new(event, context("own")));
            asked.request_id().map(|id| id.to_string())
        };
        assert_eq!(asks(json!({})).as_deref(), Some("own"));
        let event = json!({"detail": {"request_id": "first"}});
        assert_eq!(asks(event).as_deref(), Some("first"));
        for wrong in [json!("a".repeat(65)), json!("a b"), json!(7), json!(null)] {
            let event = json!({"detail": {"request_id": wrong}});
            assert_eq!(asks(event).as_deref(), Some("own"));
        }
    }

    #[tokio::test]
    async fn a_request_is_named_by_lambda_or_by_who_hosts_it() {
        let asks = async |parts: &mut Parts| {
            let Ok(Asked(engine)) = Asked::from_request_parts(parts, &engine()).await;
            engine.request_id().map(|id| id.to_string())
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        assert_eq!(asks(&mut parts).await, None);
        parts.extensions.insert(context("of-lambda"));
        assert_eq!(asks(&mut parts).await.as_deref(), Some("of-lambda"));
        parts
            .extensions
            .insert(RequestId::try_new("of-host").unwrap());
        assert_eq!(asks(&mut parts).await.as_deref(), Some("of-host"));
    }
}
