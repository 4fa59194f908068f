//! Deliveries that are CloudEvents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a DNS name is; `*` names nobody.
pub const ORIGIN_PATTERN: &str = "^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$";

/// Which events tell of a record, and to whose question for consent the answer is yes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudEventsSpec {
    /// Types of events that tell of a record; others are answered as taken and ignored. Left out: all do.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub types: Vec<String>,
    /// DNS names of the senders to which the handshake of the webhook specification consents, such as
    /// `eventgrid.azure.net`. It lets nobody in: that is the signature's to say.
    #[serde(default)]
    #[schemars(
        length(max = 16),
        inner(regex(pattern = ORIGIN_PATTERN))
    )]
    pub origins: Vec<String>,
}

impl CloudEventsSpec {
    /// Whether events of this type tell of a record.
    pub fn takes(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|taken| taken == kind)
    }

    /// Whether this sender may be told to send here. DNS names know no case.
    pub fn consents_to(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|named| named.eq_ignore_ascii_case(origin))
    }
}
