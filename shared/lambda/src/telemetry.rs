//! Logs: JSON lines on standard output, one line an event, fields beside the message.
//!
//! Lambda's own JSON format keeps such lines as they are, and `CloudWatch` Logs Insights finds
//! their fields by name.

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::{ParseError, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{LogFilter, panic::log_panics};

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `TIDEGATE_LOG` is not a filter.
    #[error("TIDEGATE_LOG is not a log filter: {filter}")]
    Filter {
        /// What it says.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The process logs already.
    #[error("logging was started before")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging for the whole process.
pub fn start_telemetry(filter: &LogFilter) -> Result<(), TelemetryError> {
    start_telemetry_to(filter, std::io::stdout)
}

/// The same, to another place.
pub fn start_telemetry_to<W>(filter: &LogFilter, writer: W) -> Result<(), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    subscriber(filter, writer)?.try_init()?;
    log_panics();
    Ok(())
}

fn subscriber<W>(
    filter: &LogFilter,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let targets: Targets = filter.0.parse().map_err(|source| TelemetryError::Filter {
        filter: filter.0.clone(),
        source,
    })?;
    Ok(tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(LevelFilter::TRACE)
        .with_writer(writer)
        .finish()
        .with(targets))
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use tidegate_testkit::log::Log;

    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_fields_at_the_top() {
        let log = Arc::new(Log::default());
        let filter = LogFilter("info".to_owned());
        let subscriber = subscriber(&filter, Arc::clone(&log)).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(flow = "suppliers", applied = 3, "run finished");
            tracing::debug!("not logged");
        });
        let text = log.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "run finished");
        assert_eq!(line["flow"], "suppliers");
        assert_eq!(line["applied"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_line_tells_its_own_invocation_beside_the_one_with_which_the_work_began() {
        let log = Arc::new(Log::default());
        let filter = LogFilter("info".to_owned());
        let subscriber = subscriber(&filter, Arc::clone(&log)).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let mut context = lambda_runtime::Context::default();
            context.request_id = "own".to_owned();
            let _invocation = lambda_runtime::layers::trace::request_span(&context).entered();
            tracing::info!(request_id = "first", run = None::<&str>, "verdict");
        });
        let line: serde_json::Value = serde_json::from_str(&log.text()).unwrap();
        assert_eq!(line["span"]["requestId"], "own");
        assert_eq!(line["request_id"], "first");
        assert!(line.get("run").is_none(), "{line}");
    }

    #[test]
    fn a_filter_that_can_not_be_read_is_an_error() {
        let filter = LogFilter("info,tidegate=loud".to_owned());
        assert!(subscriber(&filter, io::stdout).is_err());
    }
}
