//! The document in which a target says what it accepts, fetched where the flow file says it lies.

use serde_json::Value;
use tidegate_engine::ports::{CallError, Calls, Effect};
use tidegate_model::flow::ErrorAction;
use tidegate_policy::flow::Flow;

use crate::endpoint::{Endpoint, cannot_render, refused};

/// Reads it, with one call.
pub(crate) async fn read(
    flow: &Flow,
    endpoint: &Endpoint,
    calls: &mut dyn Calls,
) -> Result<Value, CallError> {
    let target = flow.target();
    let Some(call) = target.contract() else {
        return Err(refused(
            "the flow names no description of the target (`[target.contract]`)",
        ));
    };
    let rendered = call.render(target.contract_context());
    let rendered = rendered.map_err(|error| cannot_render(&error))?;
    let request = endpoint.request(rendered, Effect::Read, None, None);
    let answer = calls.call(request).await?;
    match answer.action {
        ErrorAction::Ok => Ok(answer.body),
        _ => Err(CallError::Gone {
            reason: format!(
                "the target answered {}: it describes nothing there",
                answer.status
            ),
        }),
    }
}
