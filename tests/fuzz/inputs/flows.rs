//! Flow files, and the rows of a source.

use serde_json::Value;
use tidegate_engine::chain;
use tidegate_model::{Content, UnixMs, flow::FlowFile};
use tidegate_policy::{
    check,
    flow::{Flow, FlowText, Pushed},
    pattern,
};
use tidegate_testkit::host::settings;

use super::promises::{FLOWS, is_name, tells_nothing};

/// 2026-11-20T08:00:00Z.
const NOW: UnixMs = UnixMs(1_795_161_600_000);

/// A flow file is whole, or each mistake has its line; what is loaded was checked.
pub fn flow_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let files = [FlowText::alone("flow.toml", text)];
    let report = check::check(&files, &settings(), NOW);
    let lines = text.matches('\n').count() + 1;
    for found in report.mistakes.iter().chain(&report.warnings) {
        assert!((1..=lines).contains(&found.line), "{found}");
        assert!(!found.message.is_empty());
        assert!(!found.message.contains(char::is_control), "{found:?}");
    }
    assert_eq!(report.is_ok(), report.flows.len() == 1, "{report}");
    let Ok(flow) = Flow::load("flow.toml", text, &settings()) else {
        return;
    };
    assert!(report.is_ok(), "{report}");
    let written = serde_json::to_value(flow.file()).unwrap();
    let read: FlowFile = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    if let Ok(plan) = pattern::plan(None, &[("flow.toml".to_owned(), read)]) {
        assert!(plan.rows.iter().all(|row| !row.reason.is_empty()));
    }
}

/// A row is a key, a version and fields that the schema judges, or is refused without its values.
pub fn row(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let may_tell = is_name(&value);
    let quiet = |text: &str| {
        if !may_tell {
            tells_nothing(text);
        }
    };
    for flow in FLOWS.iter() {
        for error in [
            flow.webhook_key(Pushed::plain(&value)).err(),
            flow.webhook_row(Pushed::plain(&value)).err(),
        ]
        .into_iter()
        .flatten()
        {
            quiet(&chain(&error));
        }
        let normal = match flow.normalise(&value) {
            Ok(normal) => normal,
            Err(error) => {
                quiet(&chain(&error));
                continue;
            }
        };
        assert_eq!(flow.key_of_row(&value).as_ref(), Ok(&normal.key));
        assert_eq!(flow.normalise(&value).as_ref(), Ok(&normal));
        let Content::Record(fields) = &normal.content else {
            continue;
        };
        for fault in flow.validate(fields) {
            quiet(&format!("{} {}", fault.field, fault.reason));
        }
        let _critical = flow.critical_changes(None, fields);
        assert_eq!(
            flow.critical_changes(Some(fields), fields),
            Vec::<String>::new(),
            "no change is none"
        );
        if let Err(error) = flow.body(&normal.key, fields) {
            quiet(&chain(&error));
        }
        // As a register keeps it.
        let stored = serde_json::to_string(fields).unwrap();
        let read = Content::Record(serde_json::from_str(&stored).unwrap());
        assert_eq!(read.hash(), normal.content.hash(), "{stored}");
    }
}
