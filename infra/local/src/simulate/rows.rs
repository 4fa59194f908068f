//! Rows of a source that exist nowhere: made up from a flow's expressions and schema, so that the
//! flow takes them.
//!
//! Each path that the flow reads (`row.quality.audit_score`) has a role: it is the key, the version,
//! a time, or it feeds fields and has a value that their schema allows. What was made up is tried
//! on the flow itself; what the flow does not take is an error that names the field, and a person
//! gives a row instead, which is then varied.

mod leaf;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tidegate_engine::{FlowRuntime, chain};
use tidegate_model::{Content, Fields, RecordKey, SourceVersion, flow::VersionSpec};
use tidegate_policy::flow::{Flow, NormalRow, Pushed};
use tidegate_testkit::doubles::Seed;

use super::{day::Kind, shape};
use leaf::Leaf;

/// Rows on which what was made up is tried.
const TRIED: u32 = 5;
/// Tries to make a change that the flow sees as one of its kind.
const TRIES: u32 = 20;

/// Why no rows can be made up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowsError {
    /// A part of a row.
    #[error(
        "no row of the source can be made up: {what}: {why}; give one with --sample FILE (JSON, as the source gives it)"
    )]
    NotMadeUp {
        /// The field or expression.
        what: String,
        /// Why.
        why: String,
    },
    /// The sample.
    #[error("the sample is no row of this flow: {0}")]
    Sample(String),
}

fn not_made_up(what: impl Into<String>, why: impl Into<String>) -> RowsError {
    RowsError::NotMadeUp {
        what: what.into(),
        why: why.into(),
    }
}

/// A record at the source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    /// The row as the source gives it.
    pub row: Value,
    /// The row as the flow reads it.
    pub normal: NormalRow,
    /// The row's number, by which its key was made.
    pub number: u32,
    /// Changes so far.
    pub version: u64,
}

impl Made {
    /// Its fields.
    pub(crate) fn fields(&self) -> Option<&Fields> {
        match &self.normal.content {
            Content::Record(fields) => Some(fields),
            Content::Deleted | Content::Forgotten => None,
        }
    }
}

/// Makes rows up.
pub(crate) struct Rows {
    base: Value,
    leaves: Vec<Leaf>,
    /// Leaves whose change is critical, and those whose change is not.
    critical: Vec<usize>,
    other: Vec<usize>,
}

impl Rows {
    /// Learns what the flow reads, and tries it.
    pub(crate) fn of(runtime: &FlowRuntime, sample: Option<&Value>) -> Result<Self, RowsError> {
        let flow = &runtime.flow;
        let mut rows = Self {
            base: sample.cloned().unwrap_or_else(|| Value::Object(Map::new())),
            leaves: leaf::leaves_of(flow, sample)?,
            critical: Vec::new(),
            other: Vec::new(),
        };
        let mut seed = Seed::new(1);
        rows.find_times(flow, &mut seed)?;
        for number in 0..TRIED {
            let made = rows.first(flow, number, 0, &mut seed)?;
            Self::judge(runtime, &made, sample.is_some())?;
        }
        rows.sort_leaves(runtime, &mut seed)?;
        Ok(rows)
    }

    /// Finds the form in which each time is written, by trying.
    fn find_times(&mut self, flow: &Flow, seed: &mut Seed) -> Result<(), RowsError> {
        let moment_us = 1_772_434_800_123_000_u64;
        let forms = leaf::time_forms(flow);
        let mut fault = not_made_up(
            "the time or version of a row",
            "it is not read back as it was written",
        );
        for form in &forms {
            for leaf in &mut self.leaves {
                leaf.role.write_times_as(form);
            }
            match self.first(flow, 0, moment_us, seed) {
                Ok(made) if times_fit(flow, &made, moment_us) => return Ok(()),
                Ok(_) => {}
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    fn judge(runtime: &FlowRuntime, made: &Made, is_sample: bool) -> Result<(), RowsError> {
        let fault = |what: String, why: String| {
            if is_sample {
                RowsError::Sample(format!("{what}: {why}"))
            } else {
                not_made_up(what, why)
            }
        };
        let Some(fields) = made.fields() else {
            return Err(fault(
                "record.deleted".to_owned(),
                "the row counts as deleted".to_owned(),
            ));
        };
        if let Some(first) = runtime.flow.validate(fields).into_iter().next() {
            let expression = runtime.flow.file().fields.get(&first.field);
            let what = format!(
                "field {} = {}",
                first.field,
                expression.map_or("?", String::as_str)
            );
            return Err(fault(what, first.reason));
        }
        if let Some((field, why)) = runtime.target.reject(&made.normal.key, fields) {
            return Err(fault(
                field.unwrap_or_else(|| "the target's body".to_owned()),
                why,
            ));
        }
        Ok(())
    }

    /// Parts the leaves into those whose change is critical and the others, by trying.
    fn sort_leaves(&mut self, runtime: &FlowRuntime, seed: &mut Seed) -> Result<(), RowsError> {
        let flow = &runtime.flow;
        for index in 0..self.leaves.len() {
            let Some(leaf) = self.leaves.get(index).filter(|leaf| leaf.role.is_field()) else {
                continue;
            };
            let is_critical = leaf
                .feeds
                .iter()
                .any(|name| flow.critical_fields().contains(name));
            let before = self.first(flow, 0, 0, seed)?;
            let kind = if is_critical {
                Kind::Critical
            } else {
                Kind::Other
            };
            let changes = (0..TRIES).any(|_| {
                self.vary(flow, &before, index, 1, seed)
                    .is_some_and(|after| is_of_kind(runtime, &before, &after, kind))
            });
            match kind {
                _ if !changes => {}
                Kind::Critical => self.critical.push(index),
                _ => self.other.push(index),
            }
        }
        if self.other.is_empty() && self.critical.is_empty() {
            return Err(not_made_up(
                "a change",
                "no field could be given another value",
            ));
        }
        Ok(())
    }

    /// The first version of a record.
    pub(crate) fn first(
        &self,
        flow: &Flow,
        number: u32,
        at_us: u64,
        seed: &mut Seed,
    ) -> Result<Made, RowsError> {
        let mut row = self.base.clone();
        for leaf in &self.leaves {
            let value = leaf
                .role
                .value(number, 1, at_us, row.pointer(&leaf.pointer()), seed)
                .map_err(|error| not_made_up(leaf.name(), error.to_string()))?;
            let Some(value) = value else { continue };
            if !shape::put(&mut row, &leaf.path, value) {
                return Err(not_made_up(
                    leaf.name(),
                    "two expressions read it in different ways",
                ));
            }
        }
        let normal = flow
            .normalise(&row)
            .map_err(|error| not_made_up(format!("row {row}"), chain(&error)))?;
        Ok(Made {
            row,
            normal,
            number,
            version: 1,
        })
    }

    /// The record after a change of this kind, or of the other kind where the flow has no field of
    /// this one; and the kind that it became.
    pub(crate) fn change(
        &self,
        runtime: &FlowRuntime,
        before: &Made,
        kind: Kind,
        at_us: u64,
        seed: &mut Seed,
    ) -> Option<(Made, Kind)> {
        let (wanted, kind) = match kind {
            Kind::Critical if !self.critical.is_empty() => (&self.critical, Kind::Critical),
            _ if !self.other.is_empty() => (&self.other, Kind::Other),
            _ => (&self.critical, Kind::Critical),
        };
        (0..TRIES).find_map(|_| {
            let nth = usize::try_from(seed.below(u32::try_from(wanted.len()).ok()?)).ok()?;
            let after = self.vary(&runtime.flow, before, *wanted.get(nth)?, at_us, seed)?;
            let of_kind = is_of_kind(runtime, before, &after, kind);
            of_kind.then_some((after, kind))
        })
    }

    /// The record with another value in one leaf, and a newer version.
    fn vary(
        &self,
        flow: &Flow,
        before: &Made,
        index: usize,
        at_us: u64,
        seed: &mut Seed,
    ) -> Option<Made> {
        let mut row = before.row.clone();
        let version = before.version + 1;
        for (at, leaf) in self.leaves.iter().enumerate() {
            if leaf.role.is_field() && at != index {
                continue;
            }
            let old = row.pointer(&leaf.pointer()).cloned();
            let value = leaf
                .role
                .value(before.number, version, at_us, old.as_ref(), seed);
            if let Some(value) = value.ok()? {
                shape::put(&mut row, &leaf.path, value);
            }
        }
        let normal = flow.normalise(&row).ok()?;
        Some(Made {
            row,
            normal,
            number: before.number,
            version,
        })
    }
}

/// Whether the flow and its target take the change, and see it as one of this kind.
fn is_of_kind(runtime: &FlowRuntime, before: &Made, after: &Made, kind: Kind) -> bool {
    let (Some(old), Some(new)) = (before.fields(), after.fields()) else {
        return false;
    };
    let critical = !runtime.flow.critical_changes(Some(old), new).is_empty();
    old != new
        && critical == (kind == Kind::Critical)
        && runtime.flow.validate(new).is_empty()
        && runtime.target.reject(&after.normal.key, new).is_none()
}

/// Whether the flow reads the times as they were meant.
fn times_fit(flow: &Flow, made: &Made, moment_us: u64) -> bool {
    let modified = made.normal.modified_us;
    let by_time = matches!(flow.file().record.version, VersionSpec::Time { .. });
    let version = made.normal.source_version;
    modified.is_none_or(|modified| modified == moment_us)
        && (!by_time || version == Some(SourceVersion(moment_us)))
}

/// A key as a simulated source gives it.
pub(crate) fn key_text(number: u32) -> String {
    format!("REC-{number:07}")
}

/// A webhook's body about a row, made up from the flow's `[webhook]`: the whole row where the flow
/// takes it from the body, else the key alone. None where the flow has no webhook, takes events of
/// CloudEvents, or reads the key in a way that can not be made up.
pub(crate) fn hook_body(flow: &Flow, row: &Value, key: &RecordKey) -> Option<Value> {
    let webhook = flow.file().webhook.as_ref()?;
    if webhook.cloud_events.is_some() {
        return None;
    }
    let mut bodies = Vec::new();
    if let Some(path) = webhook.row.as_deref().and_then(leaf::plain_path) {
        let mut body = json!({});
        shape::put(&mut body, &path, row.clone());
        bodies.push(body);
    }
    for path in leaf::paths_of(&webhook.key, "body") {
        let mut body = bodies.first().cloned().unwrap_or_else(|| json!({}));
        shape::put(&mut body, &path, json!(key.as_str()));
        bodies.push(body);
        let mut body = json!({});
        shape::put(&mut body, &path, json!(key.as_str()));
        bodies.push(body);
    }
    bodies.into_iter().find(|body| {
        flow.webhook_key(Pushed::plain(body))
            .is_ok_and(|found| found == *key)
    })
}

/// A moment in microseconds as an RFC 3339 text.
pub(crate) fn rfc3339(at_us: u64) -> String {
    let at = i64::try_from(at_us)
        .ok()
        .and_then(|us| Timestamp::from_microsecond(us).ok());
    at.map_or_else(String::new, |at| format!("{at:.6}"))
}

#[cfg(test)]
mod tests;
