//! The checked flow: a flow file in which everything is compiled and nothing can be wrong.
//!
//! Made by [`Flow::load`] only, which reports every mistake of the file at once. All fields are
//! private; the file as it was written stays at hand by [`Flow::file`].

mod address;
mod call;
mod decide;
mod fault;
mod listing;
mod row;
mod settings;
mod source;
mod standing;
mod target;
mod text;
mod warehouse;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jsonschema::Validator;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidegate_model::{
    Fields, FlowId, RecordKey, SourceVersion, UnixMs,
    flow::{Deletion, FlowFile, SecretName, TargetLimits, VersionSpec, WarehouseSpec},
};

pub(crate) use address::{base_url, token_url, warehouse_url};
pub use call::{CallTemplate, Rendered};
pub use decide::{Decide, Question, Said};
pub use fault::FieldFault;
pub(crate) use fault::{compile_known_schema, compile_schema, type_words};
pub use listing::{ListPosition, Listing};
pub use row::{MAX_CONTENT_BYTES, NormalRow, Pushed, RowError};
pub(crate) use settings::named_settings;
pub use source::{Origin, Source};
pub use standing::Standing;
pub use target::{Find, Target};
pub use text::{Connectors, FlowText};

use crate::{
    audit::Audit,
    check::{Mistake, Sound},
    contract::Writes,
    expr::{Context, ExprError},
    schedule::CompiledSchedule,
};

/// Values of `env.NAME` in a flow file: addresses and ids that differ between places, never secrets.
pub type Settings = BTreeMap<String, String>;

/// Hex digits of the file's hash that are kept: enough to tell two versions of a file apart.
const HASH_DIGITS: usize = 12;

/// A flow that is known to be right.
#[derive(Debug)]
pub struct Flow {
    file: FlowFile,
    hash: String,
    settings: Settings,
    retry_steps: Vec<Duration>,
    schedule: CompiledSchedule,
    rows: row::Rows,
    schema: Validator,
    origin: Origin,
    target: Target,
    writes: Option<Writes>,
    audit: Option<Audit>,
    decide: Option<Decide>,
    warehouse: Option<WarehouseSpec>,
}

impl Flow {
    /// Checks and compiles a flow file that names no connector. `file_name` stands in the mistakes.
    pub fn load(file_name: &str, text: &str, settings: &Settings) -> Result<Self, Vec<Mistake>> {
        Self::load_text(&FlowText::alone(file_name, text), settings)
    }

    /// Checks and compiles a flow file. A setting that the file names and `settings` lacks is a
    /// mistake.
    pub fn load_text(text: &FlowText, settings: &Settings) -> Result<Self, Vec<Mistake>> {
        let sound = crate::check::sound(text, settings)?;
        Self::compile(sound, settings).map_err(|why| vec![Mistake::new(&text.name, 1, why)])
    }

    fn compile(sound: Sound, settings: &Settings) -> Result<Self, String> {
        let Sound { file, hash, schema } = sound;
        let base = Context::new().with("env", settings);
        let target = Target::compile(&file.target, &base)?;
        Ok(Self {
            hash,
            retry_steps: file
                .retry
                .after_s
                .iter()
                .map(|&s| Duration::from_secs(u64::from(s)))
                .collect(),
            schedule: CompiledSchedule::compile(&file.schedule)
                .map_err(|error| error.to_string())?,
            rows: row::Rows::compile(&file, &base).map_err(|error| error.to_string())?,
            schema,
            origin: Origin::compile(&file.source, &base)?,
            writes: file
                .target
                .contract()
                .map(|_| Writes::of(&file, target.base_url())),
            target,
            audit: file
                .audit
                .as_ref()
                .map(|spec| Audit::compile(spec, &base))
                .transpose()?,
            decide: file
                .decide
                .as_ref()
                .zip(file.source.rest())
                .map(|(spec, source)| Decide::compile(spec, source, &base))
                .transpose()
                .map_err(|error| error.to_string())?,
            warehouse: file
                .warehouse
                .as_ref()
                .map(|spec| warehouse::compile(spec, &base))
                .transpose()?,
            settings: settings.clone(),
            file,
        })
    }

    /// The flow's name.
    pub fn id(&self) -> &FlowId {
        &self.file.name
    }

    /// The revision of mapping and schema: part of each version (REG-1).
    pub fn revision(&self) -> u32 {
        self.file.revision
    }

    /// The file as it was written.
    pub fn file(&self) -> &FlowFile {
        &self.file
    }

    /// First 12 hex digits of the SHA-256 of the file's text, and of its connectors' where it names some.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The settings it was loaded with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Hashes of the settings that the file names, by name: two places can be compared by them, and none
    /// shows what it has.
    pub fn setting_hashes(&self) -> BTreeMap<String, String> {
        let named = named_settings(&self.file).into_iter();
        named
            .filter_map(|name| {
                let hash = hash_of(self.settings.get(&name)?);
                Some((name, hash))
            })
            .collect()
    }

    /// Waits before each further attempt (R8).
    pub fn retry_steps(&self) -> &[Duration] {
        &self.retry_steps
    }

    /// What a deletion at the source does.
    pub fn deletion(&self) -> Deletion {
        self.file.deletion
    }

    /// Names of the critical fields.
    pub fn critical_fields(&self) -> &[String] {
        &self.file.critical
    }

    /// Names of the fields that hold personal data.
    pub fn private_fields(&self) -> &[String] {
        &self.file.private
    }

    /// Goal for the age of critical fields.
    pub fn critical_goal(&self) -> Duration {
        Duration::from_secs(u64::from(self.file.freshness.critical_s))
    }

    /// Goal for the age of the other fields.
    pub fn other_goal(&self) -> Duration {
        Duration::from_secs(u64::from(self.file.freshness.other_s))
    }

    /// When batches start.
    pub fn schedule(&self) -> &CompiledSchedule {
        &self.schedule
    }

    /// After how long a run is cut (R34).
    pub fn max_run(&self) -> Duration {
        Duration::from_secs(u64::from(self.file.schedule.max_run_minutes) * 60)
    }

    /// The target's limits.
    pub fn limits(&self) -> &TargetLimits {
        self.file.target.limits()
    }

    /// Where its records come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The source's calls; none where it is files.
    pub fn source(&self) -> Option<&Arc<Source>> {
        match &self.origin {
            Origin::Rest(source) => Some(source),
            Origin::Files(_) => None,
        }
    }

    /// The target's calls.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it writes, where its target says what it accepts (`[target.contract]`).
    pub fn writes(&self) -> Option<&Writes> {
        self.writes.as_ref()
    }

    /// What is looked at in its data (`[audit]`).
    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
    }

    /// The decision that its source makes while somebody waits (`[decide]`).
    pub fn decide(&self) -> Option<&Decide> {
        self.decide.as_ref()
    }

    /// The warehouse that its records are loaded into (`[warehouse]`), with settings in place.
    pub fn warehouse(&self) -> Option<&WarehouseSpec> {
        self.warehouse.as_ref()
    }

    /// The newest window, at or before this one, whose complete run is followed by an audit.
    pub fn audit_window(&self, window: UnixMs) -> Option<UnixMs> {
        self.schedule.latest_of(self.audit()?.after(), window)
    }

    /// Reads a row of the source: its key, its version and its canonical fields.
    pub fn normalise(&self, row: &Value) -> Result<NormalRow, RowError> {
        self.rows.normalise(row)
    }

    /// The key of a row.
    pub fn key_of_row(&self, row: &Value) -> Result<RecordKey, RowError> {
        self.rows.key(row)
    }

    /// The columns of which a file's keys are made; none where any file may have keys.
    pub fn key_columns(&self) -> BTreeSet<String> {
        self.rows.key_columns()
    }

    /// What the flow's schema has against these fields; no value is repeated.
    pub fn validate(&self, fields: &Fields) -> Vec<FieldFault> {
        fault::faults(&self.schema, fields)
    }

    /// Names of the critical fields whose value differs, in the flow's order (R3). A field that is
    /// missing is null; without old fields each critical field that has a value counts.
    pub fn critical_changes(&self, old: Option<&Fields>, new: &Fields) -> Vec<String> {
        let value = |fields: Option<&Fields>, name: &str| {
            fields.and_then(|fields| fields.get(name)).cloned()
        };
        self.file
            .critical
            .iter()
            .filter(|name| {
                !row::same_value(value(old, name).as_ref(), value(Some(new), name).as_ref())
            })
            .cloned()
            .collect()
    }

    /// What is sent to the target: the body's expressions over `fields` and `key`; what is null is
    /// left out.
    pub fn body(&self, key: &RecordKey, fields: &Fields) -> Result<Value, ExprError> {
        self.target.body(key, fields)
    }

    /// The canonical fields of which a part of the target's body is made, `contact.phone`.
    pub fn fields_of_body(&self, part: &str) -> BTreeSet<String> {
        self.target.fields_of_body(part)
    }

    /// A version as the source's people say it: the time or the number that it stands for.
    pub fn version_words(&self, version: SourceVersion) -> String {
        let us = i64::try_from(version.0).ok();
        match (
            &self.file.record.version,
            us.map(jiff::Timestamp::from_microsecond),
        ) {
            (VersionSpec::Time { .. }, Some(Ok(time))) => time.to_string(),
            _ => version.0.to_string(),
        }
    }

    /// The key in what a webhook brought. An error when the flow has no webhook.
    pub fn webhook_key(&self, pushed: Pushed<'_>) -> Result<RecordKey, RowError> {
        self.rows.webhook_key(pushed)
    }

    /// The whole row in what a webhook brought; none when it is only a hint.
    pub fn webhook_row(&self, pushed: Pushed<'_>) -> Result<Option<Value>, RowError> {
        self.rows.webhook_row(pushed)
    }

    /// Names of every secret that the flow needs.
    pub fn secret_names(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self
            .webhook_secrets()
            .iter()
            .map(SecretName::as_str)
            .collect();
        names.extend(self.file.system_secrets().map(SecretName::as_str));
        names.extend(self.file.warehouse_secrets().map(SecretName::as_str));
        names
    }

    /// Names of the active secrets for webhooks: none without a webhook, two while one rotates.
    pub fn webhook_secrets(&self) -> &[SecretName] {
        self.file
            .webhook
            .as_ref()
            .map_or(&[], |webhook| webhook.secrets.as_slice())
    }
}

/// The JSON Schema of a flow file, as an editor wants it: pretty, with a line break at its end.
pub fn json_schema() -> String {
    format!("{:#}\n", schema_of_flow_file())
}

/// The same as a value. What serde reads into 32 or 16 bits is said as a largest value, since
/// editors and validators do not know the formats `uint32` and `uint16`.
pub(crate) fn schema_of_flow_file() -> Value {
    let mut schema = schemars::schema_for!(FlowFile).to_value();
    say_largest_values(&mut schema);
    say_connectors(&mut schema);
    schema
}

/// A file as it is written may leave out what the connector that it names knows; the types describe it
/// as a whole.
fn say_connectors(schema: &mut Value) {
    let names_one = json!({ "required": ["connector"] });
    for side in ["source", "target"] {
        if let Some(whole) = schema.pointer_mut(&format!("/properties/{side}")) {
            let connector = json!({
                "type": "string",
                "description": "A connector, `connectors/NAME/connector.toml` beside the flow file: it fills in what is left out here.",
            });
            let named = json!({ "type": "object", "properties": { "connector": connector } });
            *whole = json!({ "if": names_one, "then": named, "else": whole.take() });
        }
    }
    let Some(table) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(required)) = table.get_mut("required") {
        required.retain(|name| name != "record");
    }
    let source_names_one = json!({ "properties": { "source": names_one }, "required": ["source"] });
    table.insert("if".to_owned(), source_names_one);
    table.insert("else".to_owned(), json!({ "required": ["record"] }));
}

fn say_largest_values(schema: &mut Value) {
    match schema {
        Value::Object(table) => {
            let largest = match table.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(u32::MAX),
                Some("uint16") => Some(u32::from(u16::MAX)),
                _ => None,
            };
            if let Some(largest) = largest {
                table.remove("format");
                table.entry("maximum").or_insert_with(|| largest.into());
            }
            table.values_mut().for_each(say_largest_values);
        }
        Value::Array(entries) => entries.iter_mut().for_each(say_largest_values),
        _ => {}
    }
}

/// First 12 hex digits of the SHA-256 of a text.
pub(crate) fn hash_of(text: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(text.as_bytes()));
    hash.truncate(HASH_DIGITS);
    hash
}

#[cfg(test)]
mod tests;
