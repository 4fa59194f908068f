//! Whether a sender of events may be told to send here: the handshake by which it is kept from
//! flooding whom nobody asked (HTTP 1.1 Web Hooks for Event Delivery, 4).
//!
//! It lets nobody in: each delivery is verified all the same. Consent is given in the answer or not at
//! all, never through `WebHook-Request-Callback`, which would have us call an address that anybody may
//! name.

use tidegate_model::FlowId;

use crate::Engine;

impl Engine {
    /// Whether the flow names this origin. An unknown flow names none.
    pub fn consents(&self, flow: &str, origin: &str) -> bool {
        let flow = FlowId::try_new(flow).ok();
        let runtime = flow.and_then(|flow| self.flow(&flow).ok());
        let file = runtime.map(|runtime| runtime.flow.file());
        let webhook = file.and_then(|file| file.webhook.as_ref());
        let events = webhook.and_then(|webhook| webhook.cloud_events.as_ref());
        let consents = events.is_some_and(|events| events.consents_to(origin));
        // Flow and origin are told where both are the flow file's own: other texts are anybody's.
        let told = file.filter(|_| consents).map(|file| file.name.as_str());
        tracing::info!(
            flow = told,
            origin = told.map(|_| origin),
            request_id = self.request(),
            consents,
            "webhook handshake"
        );
        consents
    }
}
