//! What a flow needs of the template beside schedules and rules: its settings and secrets.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use tidegate_lambda::{SECRET_PREFIX, SETTING_PREFIX};
use tidegate_model::flow::FlowFile;

use crate::flows;

/// How an expression names a setting.
const SETTING: &str = "env.";

/// Names every setting and secret of `flows` that the template gives no function.
pub(super) fn check(template: &str, flows: &[FlowFile]) -> anyhow::Result<()> {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let lines = template.lines().filter(|line| !is_comment(line));
    let template = lines.collect::<Vec<_>>().join("\n");
    let mut missing = BTreeSet::new();
    for flow in flows {
        let settings = settings(flow)?.into_iter();
        let settings = settings.map(|name| format!("{SETTING_PREFIX}{name}"));
        let secrets = flows::secrets(flow).into_iter();
        let secrets = secrets.map(|name| format!("{SECRET_PREFIX}{name}"));
        let variables = settings.chain(secrets);
        missing.extend(variables.filter(|name| !template.contains(&format!(" {name}: "))));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = missing.into_iter().collect();
    bail!(
        "it gives no function {}, which flows need: add a parameter for each setting, and for each \
         secret a resource, the variable and the permission, as those of the other flows",
        missing.join(", ")
    )
}

/// The settings that the expressions of a flow name. Read from the file without its comments.
fn settings(flow: &FlowFile) -> anyhow::Result<BTreeSet<String>> {
    let text = serde_json::to_string(flow)
        .with_context(|| format!("the flow {} can not be written as JSON", flow.name))?;
    let named = text.match_indices(SETTING).filter_map(|(at, _)| {
        let (before, rest) = text.split_at(at);
        // `test-env.acme.com` is a host.
        let is_part = |last: char| last.is_ascii_alphanumeric() || "_-.".contains(last);
        let name: String = rest
            .chars()
            .skip(SETTING.len())
            .take_while(|next| next.is_ascii_alphanumeric() || *next == '_')
            .collect();
        let is_setting = !before.ends_with(is_part) && name.starts_with(char::is_uppercase);
        is_setting.then_some(name)
    });
    Ok(named.collect())
}
