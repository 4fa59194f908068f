//! Words of the log: what has a name in an account has the same in a log line, and a moment is written
//! as RFC 3339 has it.

use tidegate_model::{FlowId, RunId, UnixMs};
use tidegate_policy::{run::Mode, schedule::utc};

use crate::{
    HookAnswer, RunEnd, Staged,
    ports::{Answer, CallError},
};

/// How a run reads, by its name.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Incremental => "incremental",
        Mode::Initial => "initial",
    }
}

/// What came of a call.
pub(crate) fn outcome(of: &Result<Answer, CallError>) -> &'static str {
    match of {
        Ok(_) => "answered",
        Err(CallError::Deferred { .. }) => "deferred",
        Err(CallError::Lapsed) => "lapsed",
        Err(CallError::Throttled { .. }) => "throttled",
        Err(CallError::Blocked { .. }) => "blocked",
        Err(CallError::Refused { .. }) => "refused",
        Err(CallError::Gone { .. }) => "gone",
        Err(CallError::Failed { .. }) => "failed",
        Err(CallError::Store(_)) => "not_sent",
    }
}

impl RunEnd {
    /// Its name, as in an account (`ended`).
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::AlreadyDone => "already_done",
            Self::Busy { .. } => "busy",
            Self::Continues => "continues",
            Self::Cut => "cut",
            Self::Interrupted { .. } => "interrupted",
            Self::Stopped { .. } => "stopped",
            Self::LeaseLost => "lease_lost",
        }
    }

    /// Why, where it has a reason of its own.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Interrupted { reason } | Self::Stopped { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whether a person may have to look: it neither did what it was to do, nor waits for another or for
    /// whoever stopped the flow.
    fn needs_a_look(&self) -> bool {
        matches!(self, Self::Cut | Self::Interrupted { .. } | Self::LeaseLost)
    }

    /// Logs that a run, or what `work` names, did not complete or did not even begin (OUT-1).
    pub(crate) fn log(
        &self,
        work: &'static str,
        request_id: Option<&str>,
        flow: &FlowId,
        run: Option<&RunId>,
        window: Option<UnixMs>,
    ) {
        let (end, reason, until) = (self.as_str(), self.reason(), self.until());
        let window = window.map(utc);
        if self.needs_a_look() {
            let run = run.map(RunId::as_str);
            tracing::warn!(flow = %flow, work, run, request_id, window, end, reason, "not complete");
        } else if run.is_none() && !matches!(self, Self::Complete | Self::Continues) {
            tracing::info!(flow = %flow, work, request_id, window, end, reason, until, "not begun");
        }
    }

    /// When the lease of another ends, if one holds it.
    fn until(&self) -> Option<String> {
        match self {
            Self::Busy { until } => Some(utc(*until)),
            _ => None,
        }
    }
}

impl Staged {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::InReview => "in_review",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
        }
    }
}

impl HookAnswer {
    /// Its name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Unauthorized => "unauthorized",
            Self::TooLarge => "too_large",
            Self::Unusable { .. } => "unusable",
            Self::Unsupported { .. } => "unsupported",
        }
    }

    /// What a durable delivery will do.
    pub(crate) fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Accepted(outcome) => Some(outcome.as_str()),
            _ => None,
        }
    }

    /// Why a delivery can not be used.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Unusable { reason } | Self::Unsupported { reason } => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_the_same_name_in_the_log_as_in_a_request() {
        for each in [Mode::Incremental, Mode::Initial] {
            assert_eq!(serde_json::to_value(each).unwrap(), mode(each));
        }
    }

    #[test]
    fn an_end_has_the_same_name_in_the_log_as_in_its_account() {
        let reason = "why".to_owned();
        let until = UnixMs(1_795_140_000_000);
        for end in [
            RunEnd::Complete,
            RunEnd::AlreadyDone,
            RunEnd::Busy { until },
            RunEnd::Continues,
            RunEnd::Cut,
            RunEnd::Interrupted {
                reason: reason.clone(),
            },
            RunEnd::Stopped { reason },
            RunEnd::LeaseLost,
        ] {
            let account = serde_json::to_value(&end).unwrap();
            assert_eq!(account["ended"], end.as_str());
            assert_eq!(
                account.get("reason").and_then(|told| told.as_str()),
                end.reason()
            );
        }
        assert_eq!(
            RunEnd::Busy { until }.until().unwrap(),
            "2026-11-20T02:00:00Z"
        );
    }
}
