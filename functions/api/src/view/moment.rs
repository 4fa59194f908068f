//! Moments.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use tidegate_model::UnixMs;

/// A moment, shown as `2026-11-20T01:00:00.000Z`: always with milliseconds, so that texts sort as
/// moments do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) UnixMs);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What lies outside of the years that RFC 3339 can write is shown as the nearest it can.
        let nearest = if self.0 < UnixMs::EPOCH {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let time = Timestamp::from_millisecond(self.0.0).unwrap_or(nearest);
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A moment in UTC, with milliseconds.",
            "type": "string",
            "format": "date-time",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ms: i64) -> String {
        serde_json::to_string(&Moment(UnixMs(ms))).unwrap()
    }

    #[test]
    fn a_moment_is_rfc_3339_in_utc() {
        assert_eq!(shown(1_795_140_000_000), "\"2026-11-20T02:00:00.000Z\"");
        assert_eq!(shown(1_795_140_000_007), "\"2026-11-20T02:00:00.007Z\"");
    }

    #[test]
    fn the_end_of_time_does_not_break_an_answer() {
        assert!(shown(i64::MAX).starts_with("\"9999-12-30"));
    }
}
