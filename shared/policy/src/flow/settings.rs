//! The settings that a flow file names.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_model::flow::FlowFile;

/// How an expression names a setting.
const SETTING: &str = "env.";

/// Names of the settings in the expressions and templates of a flow. Read from the file as a whole,
/// without its comments, so that no place of it can be forgotten.
pub(crate) fn named_settings(flow: &FlowFile) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // A flow file was read of text keys, so it always has a JSON form.
    if let Ok(whole) = serde_json::to_value(flow) {
        add_named(&whole, &mut names);
    }
    names
}

fn add_named(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(named_in(text)),
        Value::Array(items) => items.iter().for_each(|item| add_named(item, names)),
        Value::Object(table) => {
            for (key, value) in table {
                names.extend(named_in(key));
                add_named(value, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn named_in(text: &str) -> Vec<String> {
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
    named.collect()
}
