//! Webhooks that take events of CloudEvents.

use super::*;

/// The flow of the CRM's contacts, with this instead of the key of its webhook.
fn contacts(webhook: &str) -> CheckReport {
    check_text(edited(CONTACTS, "key = \"body.contact_id\"", webhook))
}

fn line(of: &str) -> usize {
    let text = edited(CONTACTS, "key = \"body.contact_id\"", of);
    let at = text.find("key = \"event").unwrap_or_default();
    text.get(..at).unwrap().lines().count() + 1
}

#[test]
fn a_flow_may_take_events_and_read_their_attributes() {
    for webhook in [
        "key = \"event.subject\"\ncloud_events = {}",
        "key = \"event.subject | trim\"\n[webhook.cloud_events]\ntypes = [\"com.example.changed\"]\norigins = [\"eventgrid.azure.net\"]",
        "key = \"body.id\"\nrow = \"body\"\ncloud_events = {}",
        "key = \"event.id\"\nrow = \"dict(body, seq=event.sequence)\"\ncloud_events = {}\nsigned = { by = \"header\", header = \"X-Key\" }",
    ] {
        let report = contacts(webhook);
        assert_eq!(report.mistakes, [], "{webhook}");
        assert_eq!(report.warnings, [], "{webhook}");
    }
}

#[test]
fn a_mistake_in_what_is_said_of_events_is_named_with_what_would_be_right() {
    for (webhook, told) in [
        (
            "key = \"event.subject\"",
            "`event` is known with CloudEvents only: read `body`, or add `cloud_events = {}`",
        ),
        (
            "key = \"event.data.id\"\ncloud_events = {}",
            "`webhook.key` reads `event.data`: the data of an event is `body`",
        ),
        (
            "key = \"event.partitionKey\"\ncloud_events = {}",
            "`webhook.key` reads `event.partitionKey`, and names of attributes are of small letters and digits",
        ),
        (
            "key = \"event.subject\"\nid = \"X-Id\"\nsigned = { by = \"query\", parameter = \"code\" }\ncloud_events = {}",
            "an event of CloudEvents is named by its `source` and `id`: leave `id` out",
        ),
        (
            "key = \"event.subject\"\ncloud_events = { origin = [] }",
            "unknown key `origin` in `webhook.cloud_events`; did you mean `origins`?",
        ),
        (
            "key = \"event.subject\"\ncloud_events = { origins = [\"*\"] }",
            "`origins[0]` must be a DNS name, as `eventgrid.azure.net`, `*` is written",
        ),
        (
            "key = \"event.subject\"\ncloud_events = { types = [\"\"] }",
            "`types[0]` must not be empty, an empty text is written",
        ),
        (
            "key = \"event.subject\"\ncloud_events = true",
            "`cloud_events` must be ",
        ),
    ] {
        let report = contacts(webhook);
        let found: Vec<&str> = report
            .mistakes
            .iter()
            .map(|one| one.message.as_str())
            .collect();
        assert_eq!(found.len(), 1, "{webhook}: {found:?}");
        assert!(found[0].starts_with(told), "{webhook}: {found:?}");
    }
    let report = contacts("key = \"event.subject\"");
    assert_eq!(report.mistakes[0].line, line("key = \"event.subject\""));
}

#[test]
fn a_row_of_what_no_signature_covers_is_warned_of() {
    let hmac = "signed = { by = \"hmac\", header = \"X-Signature\", encoding = \"hex\" }";
    for signed in ["", hmac] {
        let webhook = format!(
            "key = \"event.subject\"\nrow = \"dict(body, id=event.subject)\"\ncloud_events = {{}}\n{signed}"
        );
        let report = contacts(&webhook);
        assert_eq!(report.mistakes, [], "{webhook}");
        let warned = "`webhook.row` reads `event`, which no signature covers in binary mode: whoever repeats a delivery can alter it, so take what counts from `body`";
        assert_eq!(report.warnings.len(), 1, "{report}");
        assert_eq!(report.warnings[0].message, warned);
    }
}
