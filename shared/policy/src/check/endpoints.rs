//! What holds for a source and a target alike: address, header names, error rows, secrets.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_model::flow::SecretName;

use super::{
    Findings, document::child, places::literal_text, rendered::in_context, secrets::is_named_at,
};
use crate::{
    expr::Context,
    flow::{Settings, base_url, token_url, warehouse_url},
};

/// Headers that no request of a flow may set: the connector refuses them too.
const OF_THE_CLIENT: [&str; 6] = [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Expect",
];

pub(super) fn check(findings: &mut Findings<'_>, settings: &Settings) {
    for side in ["/source", "/target"] {
        check_address(findings, &format!("{side}/base_url"), settings, base_url);
        check_address(
            findings,
            &format!("{side}/auth/token_url"),
            settings,
            token_url,
        );
        check_header_names(findings, side);
        check_error_rows(findings, &format!("{side}/errors"));
    }
    check_address(findings, "/warehouse/base_url", settings, warehouse_url);
    check_webhook_secrets(findings);
    check_webhook_headers(findings);
}

fn check_webhook_headers(findings: &mut Findings<'_>) {
    let document = findings.document;
    for pointer in ["/webhook/signed/header", "/webhook/id"] {
        if let Some(name) = document.text(pointer) {
            refuse_header(findings, pointer, name);
        }
    }
    let signed = document.text("/webhook/signed/by");
    let is_standard =
        document.get("/webhook").is_some() && signed.is_none_or(|by| by == "standard");
    if is_standard && document.get("/webhook/id").is_some() {
        findings.wrong(
            "/webhook/id",
            "Standard Webhooks names a delivery in `webhook-id`, which is signed: leave `id` out",
        );
    }
}

/// The address can be judged where every setting in it is set; a missing one is told elsewhere.
fn check_address(
    findings: &mut Findings<'_>,
    pointer: &str,
    settings: &Settings,
    read: fn(&str, &Context) -> Result<String, String>,
) {
    let Some((text, context)) = in_context(findings.document, pointer, settings) else {
        return;
    };
    if let Err(why) = read(text, &context) {
        findings.wrong(pointer, why);
    }
}

fn check_header_names(findings: &mut Findings<'_>, side: &str) {
    let document = findings.document;
    let mut tables = vec![format!("{side}/headers")];
    tables.extend(
        ["upsert", "create", "update", "delete", "archive"]
            .map(|call| format!("{side}/{call}/headers")),
    );
    for table in tables {
        for name in document.names(&table) {
            let pointer = child(&table, name);
            refuse_header(findings, &pointer, name);
            let value = document.text(&pointer).map(literal_text);
            if value.is_some_and(|value| value.contains(char::is_control)) {
                findings.wrong(
                    &pointer,
                    format!("`{name}` holds a line break or another control character, which no header takes"),
                );
            }
        }
    }
    for place in ["auth/header", "list/pages/name", "idempotency_header"] {
        let pointer = format!("{side}/{place}");
        if let Some(name) = document.text(&pointer) {
            refuse_header(findings, &pointer, name);
        }
    }
}

/// A header's name is a token (RFC 9110, 5.6.2).
fn refuse_header(findings: &mut Findings<'_>, pointer: &str, name: &str) {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        let what = if is_named_at(pointer) {
            "what is written".to_owned()
        } else {
            format!("`{name}`")
        };
        findings.wrong(
            pointer,
            format!("{what} is no name of a header; letters, digits and `-` make one"),
        );
    } else if OF_THE_CLIENT.iter().any(|of| of.eq_ignore_ascii_case(name)) {
        findings.wrong(
            pointer,
            format!("`{name}` frames the request, and is set by the client alone"),
        );
    }
}

fn check_error_rows(findings: &mut Findings<'_>, pointer: &str) {
    let document = findings.document;
    let Some(rows) = document.get(pointer).and_then(Value::as_array) else {
        return;
    };
    for (index, row) in rows.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        match (row.get("status"), row.get("code_at"), row.get("code")) {
            (_, Some(_), None) => findings.wrong(
                &at,
                "`code_at` says where a code stands, but not which: add `code`",
            ),
            (_, None, Some(_)) => findings.wrong(
                &at,
                "`code` needs `code_at`, a JSON pointer to where it stands",
            ),
            (None, None, None) => {
                findings.wrong(
                    &at,
                    "this row would match every answer: give it a `status` or a `code`",
                );
            }
            _ => {}
        }
    }
}

fn check_webhook_secrets(findings: &mut Findings<'_>) {
    let document = findings.document;
    let Some(secrets) = document.get("/webhook/secrets").and_then(Value::as_array) else {
        return;
    };
    let mut seen = BTreeSet::new();
    for (index, name) in secrets
        .iter()
        .enumerate()
        // What is no name is told by its shape, and not repeated.
        .filter_map(|(index, name)| Some((index, SecretName::try_new(name.as_str()?).ok()?)))
    {
        if !seen.insert(name.as_str().to_owned()) {
            findings.wrong(
                &format!("/webhook/secrets/{index}"),
                format!("the secret `{name}` stands there twice: name two different ones, or one"),
            );
        }
    }
}
