//! What a flow says of CloudEvents.

use super::{Findings, words::dotted};
use crate::expr::{Expression, Names};

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    let takes_events = document.get("/webhook/cloud_events").is_some();
    let signed = document.text("/webhook/signed/by").unwrap_or("standard");
    // With Standard Webhooks an id is refused anyway.
    if takes_events && signed != "standard" && document.get("/webhook/id").is_some() {
        findings.wrong(
            "/webhook/id",
            "an event of CloudEvents is named by its `source` and `id`: leave `id` out",
        );
    }
    for pointer in ["/webhook/key", "/webhook/row"] {
        let text = document.text(pointer).filter(|text| text.contains("event"));
        // One that does not parse is told elsewhere.
        let Some(Ok(expression)) = text.map(Expression::compile) else {
            continue;
        };
        let names = expression.names();
        if !names.roots.contains("event") {
            continue;
        }
        if !takes_events {
            findings.wrong(
                pointer,
                "`event` is known with CloudEvents only: read `body`, or add `cloud_events = {}`",
            );
            continue;
        }
        check_attributes(findings, pointer, &names);
        if pointer == "/webhook/row" && matches!(signed, "standard" | "hmac") {
            findings.odd(
                pointer,
                "`webhook.row` reads `event`, which no signature covers in binary mode: whoever repeats a delivery can alter it, so take what counts from `body`",
            );
        }
    }
}

fn check_attributes(findings: &mut Findings<'_>, pointer: &str, names: &Names) {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    for path in &names.paths {
        let mut steps = path.split('.');
        let (Some("event"), Some(name)) = (steps.next(), steps.next()) else {
            continue;
        };
        let place = dotted(pointer);
        if name == "data" {
            let message = format!("`{place}` reads `event.data`: the data of an event is `body`");
            findings.wrong(pointer, message);
        } else if !name.chars().all(is_name) {
            let message = format!(
                "`{place}` reads `event.{name}`, and names of attributes are of small letters and digits"
            );
            findings.wrong(pointer, message);
        }
    }
}
