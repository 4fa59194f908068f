//! Commands that read flow files and nothing else.

use std::io::Write as _;

use anyhow::bail;
use serde_json::Value;
use tidegate_engine::Event;
use tidegate_model::metric;
use tidegate_policy::{check, flow};

use crate::cli::{Outcome, SchemaArgs};

/// Prints the JSON Schema of a flow file, of events, the description of the HTTP API, or the
/// metrics.
pub(crate) fn schema(args: &SchemaArgs) -> anyhow::Result<Outcome> {
    let text = match &args.events {
        _ if args.openapi => tidegate_api::openapi_text(),
        _ if args.metrics => metric::markdown(),
        None => flow::json_schema(),
        Some(None) => format!("{:#}\n", Value::Object(Event::schemas())),
        Some(Some(name)) => match Event::schemas().get(name) {
            Some(schema) => format!("{schema:#}\n"),
            None => bail!(
                "there is no event {name}; there are {}",
                Event::schemas()
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        },
    };
    print(&text)?;
    Ok(Outcome::Fine)
}

/// Prints the mistakes of flow files and how many they are.
pub(crate) fn told(mistakes: &[check::Mistake]) -> anyhow::Result<Outcome> {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let noun = if lines.len() == 1 {
        "mistake"
    } else {
        "mistakes"
    };
    print(&format!("{}\n{} {noun}\n", lines.join("\n"), lines.len()))?;
    Ok(Outcome::Found)
}

/// Writes to standard output. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
