//! The check of flow files: every mistake at once, with its line and what would be right.
//!
//! A file passes four steps, each of which finds what it can even where another step found
//! mistakes: the TOML itself, its shape against the JSON Schema of a flow file, each text that holds
//! an expression, a template or the like, and what its parts say about each other. Then the flows
//! are compared with one another. Nothing is called and nothing but the given texts is read.

mod across;
mod against;
mod audit;
mod auth;
mod calls;
mod columns;
mod connectors;
mod decide;
mod document;
mod endpoints;
mod events;
mod facts;
mod fields;
mod files;
mod keywords;
mod limits;
mod listings;
mod places;
mod rendered;
mod secrets;
mod shape;
mod stages;
mod tiers;
mod timing;
mod triggers;
mod warehouse;
pub(crate) mod words;

use std::fmt;

use jsonschema::Validator;
use serde::Deserialize as _;
use tidegate_model::{UnixMs, flow::FlowFile};

pub use self::against::{Between, Elsewhere, against, against_instance, between};
use self::document::Document;
pub use self::{
    facts::{AuditFacts, FlowFacts, TierFacts},
    secrets::hide as without_secrets,
    stages::{filled_in, stage, stages},
};
use crate::flow::{FlowText, Settings};

/// One thing wrong with a flow file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right. What looks like a secret is left out.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: shown(&message.into()),
        }
    }
}

/// A message as it is shown: without what looks like a secret, on one line.
fn shown(message: &str) -> String {
    printable(secrets::hide(message))
}

/// A message without what could write to a terminal or forge a line: it may repeat the file.
fn printable(message: String) -> String {
    if !message.contains(char::is_control) {
        return message;
    }
    let escaped = |c: char| -> String {
        if c.is_control() {
            c.escape_debug().collect()
        } else {
            c.to_string()
        }
    };
    message.chars().map(escaped).collect()
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Bytes of a flow file: the largest in use have some thousand, and each is checked as a whole.
const MAX_FILE_BYTES: usize = 256 * 1_024;

/// What a check found. Its `Display` is what a person reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What must be put right before the flow can run, by file and line.
    pub mistakes: Vec<Mistake>,
    /// What works, but perhaps not as meant.
    pub warnings: Vec<Mistake>,
    /// What each flow without mistakes promises, in the order of the files.
    pub flows: Vec<FlowFacts>,
}

impl CheckReport {
    /// Whether every flow can run.
    pub fn is_ok(&self) -> bool {
        self.mistakes.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.mistakes {
            writeln!(f, "{mistake}")?;
        }
        for warning in &self.warnings {
            writeln!(
                f,
                "{}:{}: warning: {}",
                warning.file, warning.line, warning.message
            )?;
        }
        for flow in &self.flows {
            write!(f, "{flow}")?;
        }
        match self.mistakes.len() {
            0 => writeln!(f, "{}: no mistakes", words::count(self.flows.len(), "flow")),
            found => writeln!(f, "{}", words::count(found, "mistake")),
        }
    }
}

/// What the steps of a check find in one file.
struct Findings<'a> {
    document: &'a Document,
    purpose: Purpose,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
    /// The flow's `[schema]`, compiled.
    schema: Option<Validator>,
}

impl Findings<'_> {
    /// Something that must be put right, at a JSON pointer into the file.
    fn wrong(&mut self, pointer: &str, message: impl Into<String>) {
        self.mistakes.push(self.document.mistake(pointer, message));
    }

    /// Something that works, but perhaps not as meant.
    fn odd(&mut self, pointer: &str, message: impl Into<String>) {
        self.warnings.push(self.document.mistake(pointer, message));
    }
}

/// What a file is looked at for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To tell a person its mistakes, perhaps where its settings are not at hand.
    Check,
    /// To run: it needs its settings. It was checked before, so what takes long to find and would lose
    /// nothing (a goal that its windows can not meet, a text that looks like a secret, an expression that
    /// always costs too much) is not looked for at each start.
    Run,
}

/// One file after the steps that look at it alone.
struct Checked {
    document: Option<Document>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
    sound: Option<Sound>,
}

/// A file with which nothing is wrong, what its connectors know filled in.
pub(crate) struct Sound {
    pub(crate) file: FlowFile,
    /// First digits of the hash of all that it was read from.
    pub(crate) hash: String,
    /// Its `[schema]`, compiled.
    pub(crate) schema: Validator,
}

/// Checks flow files alone and against one another. `now` decides only which windows are shown as the
/// next ones.
pub fn check(files: &[FlowText], settings: &Settings, now: UnixMs) -> CheckReport {
    let checked: Vec<Checked> = files
        .iter()
        .map(|flow| check_file(flow, settings, Purpose::Check))
        .collect();
    let documents: Vec<&Document> = checked
        .iter()
        .filter_map(|one| one.document.as_ref())
        .collect();
    let mut report = CheckReport {
        mistakes: across::mistakes(&documents),
        ..CheckReport::default()
    };
    for one in checked {
        report.mistakes.extend(one.mistakes);
        report.warnings.extend(one.warnings);
        if let (Some(document), Some(sound)) = (one.document, one.sound) {
            report
                .flows
                .extend(facts::of(&document.file, &document.hash, &sound.file, now));
        }
    }
    report.mistakes = in_order(report.mistakes, files);
    report.warnings = in_order(report.warnings, files);
    report
}

/// What a flow file without mistakes says, what its connectors know filled in. For what needs no
/// compiled flow; otherwise [`Flow::load_text`](crate::flow::Flow::load_text).
pub fn read(flow: &FlowText) -> Option<FlowFile> {
    let (document, _) = Document::of_flow(flow).ok()?;
    FlowFile::deserialize(&document.value).ok()
}

/// One file by itself, or its mistakes in the order of its lines.
pub(crate) fn sound(flow: &FlowText, settings: &Settings) -> Result<Sound, Vec<Mistake>> {
    let checked = check_file(flow, settings, Purpose::Run);
    let mut mistakes = checked.mistakes;
    mistakes.sort();
    mistakes.dedup();
    checked.sound.ok_or(mistakes)
}

fn check_file(flow: &FlowText, settings: &Settings, purpose: Purpose) -> Checked {
    let FlowText { name, text, .. } = flow;
    let parsed = if text.len() > MAX_FILE_BYTES {
        let told = format!(
            "the file has {} bytes, a flow file has at most {MAX_FILE_BYTES}",
            text.len()
        );
        Err(vec![Mistake::new(name, 1, told)])
    } else {
        Document::of_flow(flow)
    };
    let (document, of_connectors) = match parsed {
        Ok(parsed) => parsed,
        Err(mistakes) => {
            return Checked {
                document: None,
                mistakes,
                warnings: Vec::new(),
                sound: None,
            };
        }
    };
    let mut findings = Findings {
        document: &document,
        purpose,
        mistakes: Vec::new(),
        warnings: Vec::new(),
        schema: None,
    };
    if of_connectors.is_empty() {
        shape::check(&mut findings);
    } else {
        // Whatever is missing now may be what a connector would fill in.
        findings.mistakes = of_connectors;
    }
    places::check(&mut findings, settings);
    fields::check(&mut findings);
    tiers::check(&mut findings);
    keywords::check(&mut findings);
    timing::check(&mut findings);
    endpoints::check(&mut findings, settings);
    auth::check(&mut findings, settings);
    files::check(&mut findings, settings);
    warehouse::check(&mut findings, settings);
    events::check(&mut findings);
    if purpose == Purpose::Check {
        secrets::check(&mut findings);
    }
    calls::check(&mut findings);
    listings::check(&mut findings);
    columns::check(&mut findings);
    limits::check(&mut findings);
    triggers::check(&mut findings);
    audit::check(&mut findings);
    decide::check(&mut findings);
    let (mut mistakes, warnings) = (findings.mistakes, findings.warnings);
    let mut sound = None;
    if mistakes.is_empty() {
        match FlowFile::deserialize(&document.value) {
            Ok(file) => {
                sound = findings.schema.map(|schema| Sound {
                    file,
                    hash: document.hash.clone(),
                    schema,
                });
            }
            // What the schema cannot say. Read from the text once more, the mistake has its line.
            Err(error) => mistakes.push(match toml::from_str::<FlowFile>(text) {
                Err(error) if document.is_whole() => document::syntax_mistake(name, text, &error),
                _ => document.mistake("", error.to_string()),
            }),
        }
    }
    Checked {
        document: Some(document),
        mistakes,
        warnings,
        sound,
    }
}

fn in_order(mut findings: Vec<Mistake>, files: &[FlowText]) -> Vec<Mistake> {
    let place = |file: &str| files.iter().position(|flow| flow.name == file);
    findings.sort_by(|a, b| {
        (place(&a.file), a.line, &a.message).cmp(&(place(&b.file), b.line, &b.message))
    });
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
