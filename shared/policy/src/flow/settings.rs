//! The settings that a flow file names.

use std::collections::BTreeSet;

use tidegate_model::flow::FlowFile;

/// How an expression names a setting.
const SETTING: &str = "env.";

/// Names of the settings in the expressions and templates of a flow. Read from the file as a whole,
/// without its comments, so that no place of it can be forgotten.
pub(super) fn named_settings(flow: &FlowFile) -> BTreeSet<String> {
    // A flow file was read of text keys, so it always has a JSON form.
    let text = serde_json::to_string(flow).unwrap_or_default();
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
