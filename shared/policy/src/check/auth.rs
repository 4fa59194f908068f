//! What an authorisation server is told of a client: names that are none, and secrets that are mixed up.

use tidegate_model::flow::SecretName;

use super::{Findings, rendered::Rendered};
use crate::flow::Settings;

/// What no token is given without.
const NEEDED: [&str; 2] = ["client_id", "issuer"];

pub(super) fn check(findings: &mut Findings<'_>, settings: &Settings) {
    for side in ["/source", "/target"] {
        for name in NEEDED {
            refuse_empty(findings, &format!("{side}/auth/{name}"), name, settings);
        }
        refuse_one_for_two(findings, &format!("{side}/auth"));
    }
}

fn refuse_empty(findings: &mut Findings<'_>, pointer: &str, name: &str, settings: &Settings) {
    let rendered = Rendered::at(findings, pointer, settings);
    if let Some(rendered) = rendered.filter(|rendered| rendered.text.trim().is_empty()) {
        let but = rendered.but_written();
        findings.wrong(
            pointer,
            format!("`{name}` must say who asks for a token{but}"),
        );
    }
}

/// What is no name of a secret is told by its shape, and not repeated.
fn refuse_one_for_two(findings: &mut Findings<'_>, auth: &str) {
    let named = |part: &str| {
        let text = findings.document.text(&format!("{auth}/{part}"))?;
        SecretName::try_new(text).ok()
    };
    let (Some(secret), Some(token)) = (named("secret"), named("refresh_token")) else {
        return;
    };
    if secret == token {
        findings.wrong(
            &format!("{auth}/refresh_token"),
            format!("`refresh_token` names `{token}`, as `secret` does: the client's secret is no refresh token, so name a secret for each"),
        );
    }
}
