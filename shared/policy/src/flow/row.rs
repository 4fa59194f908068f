//! From a row of the source to a key, a version and canonical fields.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use tidegate_model::{
    Content, Fields, IdError, RecordKey, SourceVersion,
    flow::{FlowFile, Pages, VersionSpec},
};

use crate::{
    cloud_event::Attributes,
    expr::{Context, ExprError, Expression},
    files,
};

/// Largest content of a record as JSON, in bytes. A register is one DynamoDB item of at most 400 KB
/// and each write pays for its size; fields above this are rejected with that reason.
pub const MAX_CONTENT_BYTES: usize = 100 * 1024;

/// A row as the register takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalRow {
    /// Names the record.
    pub key: RecordKey,
    /// What the source says about order; none where its reads are ordered by the lease.
    pub source_version: Option<SourceVersion>,
    /// When the source last changed it, in microseconds since 1970: moves the watermark. None where
    /// the row does not say so readably; the next run then starts no later because of it.
    pub modified_us: Option<u64>,
    /// The canonical fields, or that the row is a tombstone.
    pub content: Content,
}

/// What a webhook brought.
#[derive(Clone, Copy, Debug)]
pub struct Pushed<'a> {
    /// Its body; of an event, the data.
    pub body: &'a Value,
    /// The attributes of an event.
    pub event: Option<&'a Attributes>,
}

impl<'a> Pushed<'a> {
    /// A body that is no event.
    pub fn plain(body: &'a Value) -> Self {
        Self { body, event: None }
    }
}

/// Why a row cannot be taken. Names fields and expressions, never their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The key's expression failed.
    #[error("the key cannot be read")]
    KeyExpression(#[source] ExprError),
    /// The key's expression gives nothing that can be a key.
    #[error("the key is {0}; it must be a text or a whole number")]
    KeyKind(&'static str),
    /// The key breaks a rule of keys.
    #[error("the key is refused")]
    Key(#[source] KeyFault),
    /// The version's expression failed.
    #[error("the version cannot be read")]
    VersionExpression(#[source] ExprError),
    /// The version is no whole number that a register can hold.
    #[error("the version is {0}; a sequence must be a whole number from 0")]
    Sequence(&'static str),
    /// The version is no time.
    #[error("the version is {0}; it must be an RFC 3339 time with an offset, from 1970 on")]
    Time(&'static str),
    /// The tombstone's expression failed.
    #[error("`record.deleted` cannot be read")]
    DeletedExpression(#[source] ExprError),
    /// A field's expression failed.
    #[error("the field `{field}` cannot be read")]
    Field {
        /// The field's name.
        field: String,
        /// What is wrong with its expression.
        #[source]
        source: ExprError,
    },
    /// The fields are larger than a register holds.
    #[error("the fields take {bytes} bytes as JSON, at most {MAX_CONTENT_BYTES} are allowed")]
    TooLarge {
        /// What they take.
        bytes: usize,
    },
    /// The flow has no webhook.
    #[error("the flow has no `[webhook]`")]
    NoWebhook,
}

/// Which rule a key breaks, without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than a key may be.
    #[error("it is longer than 256 bytes")]
    TooLong,
    /// It has a control character.
    #[error("it has a control character")]
    Character,
}

/// The compiled expressions over a row.
#[derive(Debug)]
pub(super) struct Rows {
    base: Context,
    key: Expression,
    version: Order,
    modified: Option<Expression>,
    deleted: Option<Expression>,
    fields: Vec<(String, Expression)>,
    webhook: Option<(Expression, Option<Expression>)>,
}

#[derive(Debug)]
enum Order {
    Sequence(Expression),
    Time(Expression),
    Read,
}

impl Rows {
    pub(super) fn compile(file: &FlowFile, base: &Context) -> Result<Self, ExprError> {
        let optional = |text: &Option<String>| text.as_deref().map(Expression::compile).transpose();
        let webhook = match &file.webhook {
            Some(webhook) => Some((Expression::compile(&webhook.key)?, optional(&webhook.row)?)),
            None => None,
        };
        Ok(Self {
            base: base.clone(),
            key: Expression::compile(&file.record.key)?,
            version: match &file.record.version {
                VersionSpec::Sequence { at } => Order::Sequence(Expression::compile(at)?),
                VersionSpec::Time { at } => Order::Time(Expression::compile(at)?),
                VersionSpec::Read => Order::Read,
            },
            modified: modified_text(file).map(Expression::compile).transpose()?,
            deleted: optional(&file.record.deleted)?,
            fields: file
                .fields
                .iter()
                .map(|(name, text)| Ok((name.clone(), Expression::compile(text)?)))
                .collect::<Result<_, ExprError>>()?,
            webhook,
        })
    }

    pub(super) fn normalise(&self, row: &Value) -> Result<NormalRow, RowError> {
        let context = self.base.clone().with("row", row);
        let key = read_key(&self.key, &context)?;
        let source_version = self.version.read(&context)?;
        let modified_us = self
            .modified
            .as_ref()
            .and_then(|modified| modified.eval(&context).ok())
            .and_then(|value| time(&value).ok())
            .map(|version| version.0);
        let context = context.with("key", key.as_str());
        if let Some(deleted) = &self.deleted
            && deleted
                .eval(&context)
                .map_err(RowError::DeletedExpression)?
                == Value::Bool(true)
        {
            return Ok(NormalRow {
                key,
                source_version,
                modified_us,
                content: Content::Deleted,
            });
        }
        let mut fields = Fields::new();
        for (name, expression) in &self.fields {
            let value = expression
                .eval(&context)
                .map_err(|source| RowError::Field {
                    field: name.clone(),
                    source,
                })?;
            fields.insert(name.clone(), value);
        }
        let bytes = serde_json::to_string(&fields).map_or(usize::MAX, |text| text.len());
        if bytes > MAX_CONTENT_BYTES {
            return Err(RowError::TooLarge { bytes });
        }
        Ok(NormalRow {
            key,
            source_version,
            modified_us,
            content: Content::Record(fields),
        })
    }

    pub(super) fn key(&self, row: &Value) -> Result<RecordKey, RowError> {
        read_key(&self.key, &self.base.clone().with("row", row))
    }

    pub(super) fn key_columns(&self) -> BTreeSet<String> {
        files::key_columns(&self.key)
    }

    pub(super) fn webhook_key(&self, pushed: Pushed<'_>) -> Result<RecordKey, RowError> {
        let (key, _) = self.webhook.as_ref().ok_or(RowError::NoWebhook)?;
        read_key(key, &self.of(pushed))
    }

    pub(super) fn webhook_row(&self, pushed: Pushed<'_>) -> Result<Option<Value>, RowError> {
        let (_, row) = self.webhook.as_ref().ok_or(RowError::NoWebhook)?;
        let Some(row) = row else { return Ok(None) };
        let row = row
            .eval(&self.of(pushed))
            .map_err(|source| RowError::Field {
                field: "webhook.row".to_owned(),
                source,
            })?;
        Ok(Some(row).filter(Value::is_object))
    }

    fn of(&self, pushed: Pushed<'_>) -> Context {
        let context = self.base.clone().with("body", pushed.body);
        match pushed.event {
            Some(event) => context.with("event", event),
            None => context,
        }
    }
}

/// Where a row says when it was last changed: named, or the time that orders its versions or pages.
fn modified_text(file: &FlowFile) -> Option<&str> {
    let pages = file.source.rest().map(|source| &source.list.pages);
    match (&file.record.modified, &file.record.version, pages) {
        (Some(named), _, _) => Some(named),
        (None, VersionSpec::Time { at }, _) => Some(at),
        (None, _, Some(Pages::Keyset { time, .. })) => Some(time),
        _ => None,
    }
}

fn read_key(expression: &Expression, context: &Context) -> Result<RecordKey, RowError> {
    let value = expression.eval(context).map_err(RowError::KeyExpression)?;
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        other => return Err(RowError::KeyKind(kind_of(other))),
    };
    RecordKey::try_new(text).map_err(|error| {
        RowError::Key(match error {
            IdError::Empty { .. } => KeyFault::Empty,
            IdError::TooLong { .. } => KeyFault::TooLong,
            IdError::Character { .. } => KeyFault::Character,
        })
    })
}

impl Order {
    fn read(&self, context: &Context) -> Result<Option<SourceVersion>, RowError> {
        let eval = |expression: &Expression| {
            expression
                .eval(context)
                .map_err(RowError::VersionExpression)
        };
        match self {
            Self::Read => Ok(None),
            Self::Sequence(expression) => sequence(&eval(expression)?).map(Some),
            Self::Time(expression) => time(&eval(expression)?).map(Some),
        }
    }
}

/// A whole number, or a text of digits: some sources write large numbers as text.
fn sequence(value: &Value) -> Result<SourceVersion, RowError> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    number
        .map(SourceVersion)
        .ok_or(RowError::Sequence(kind_of(value)))
}

fn time(value: &Value) -> Result<SourceVersion, RowError> {
    let bad = RowError::Time(kind_of(value));
    let moment: Timestamp = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad.clone())?;
    u64::try_from(moment.as_microsecond())
        .map(SourceVersion)
        .map_err(|_| bad)
}

/// Whether two values are the same to a person: 80 and 80.0 are.
pub(super) fn same_value(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null)) {
        (Value::Number(old), Value::Number(new)) if old.is_f64() || new.is_f64() => {
            old.as_f64() == new.as_f64()
        }
        (old, new) => old == new,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "missing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number out of range",
        Value::String(text) if text.is_empty() => "empty",
        Value::String(_) => "a text of another form",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
