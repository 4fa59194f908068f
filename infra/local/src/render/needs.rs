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
    let named = text.split(SETTING).skip(1).map(|rest| {
        rest.chars()
            .take_while(|next| next.is_ascii_alphanumeric() || *next == '_')
            .collect::<String>()
    });
    Ok(named.filter(|name| !name.is_empty()).collect())
}
