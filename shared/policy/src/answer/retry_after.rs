//! `Retry-After` (RFC 9110, 10.2.3): seconds, or a date in one of the three forms of HTTP.

use std::time::Duration;

use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::{rfc2822, strtime},
    tz::TimeZone,
};
use tidegate_model::UnixMs;

use super::{DEFAULT_HOLD, MAX_HOLD, MIN_HOLD};

/// The forms that HTTP has given up and that a recipient still must read.
const OLD_FORMS: [&str; 2] = [
    "%A, %d-%b-%y %H:%M:%S GMT", // RFC 850
    "%a %b %e %H:%M:%S %Y",      // asctime
];

/// How long no call is made after an answer with this `Retry-After`, if it had one.
pub fn hold(value: Option<&str>, now: UnixMs) -> Duration {
    value
        .and_then(|value| read(value.trim(), now))
        .unwrap_or(DEFAULT_HOLD)
        .clamp(MIN_HOLD, MAX_HOLD)
}

pub(super) fn read(value: &str, now: UnixMs) -> Option<Duration> {
    // Whole by the standard; Shopify sends `2.0`.
    if let Ok(seconds) = value.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    Some(date(value)?.since(now))
}

/// A date of HTTP.
pub(super) fn date(value: &str) -> Option<UnixMs> {
    let moment = rfc2822::parse(value)
        .map(|zoned| zoned.timestamp())
        .ok()
        .or_else(|| OLD_FORMS.iter().find_map(|form| old_form(form, value)))?;
    Some(UnixMs(moment.as_millisecond()))
}

fn old_form(form: &str, value: &str) -> Option<Timestamp> {
    let civil: DateTime = strtime::parse(form, value).ok()?.to_datetime().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 1994-11-06T08:47:37Z: two minutes before the example of RFC 9110.
    const NOW: UnixMs = UnixMs(784_111_657_000);

    #[rstest]
    #[case::seconds(Some("120"), 120)]
    #[case::with_blanks(Some(" 7 "), 7)]
    #[case::with_a_fraction(Some("2.0"), 2)]
    #[case::no_number(Some("NaN"), 60)]
    #[case::without_end(Some("inf"), 60)]
    #[case::a_date(Some("Sun, 06 Nov 1994 08:49:37 GMT"), 120)]
    #[case::rfc_850(Some("Sunday, 06-Nov-94 08:49:37 GMT"), 120)]
    #[case::asctime(Some("Sun Nov  6 08:49:37 1994"), 120)]
    #[case::zero(Some("0"), 1)]
    #[case::a_date_that_is_over(Some("Sun, 06 Nov 1994 08:00:00 GMT"), 1)]
    #[case::too_long(Some("86400"), 900)]
    #[case::a_day_too_far(Some("Mon, 07 Nov 1994 08:49:37 GMT"), 900)]
    #[case::neither(Some("soon"), 60)]
    #[case::below_zero(Some("-5"), 60)]
    #[case::none(None, 60)]
    fn retry_after_is_read_as_seconds_or_as_a_date(
        #[case] value: Option<&str>,
        #[case] seconds: u64,
    ) {
        assert_eq!(hold(value, NOW), Duration::from_secs(seconds));
    }
}
