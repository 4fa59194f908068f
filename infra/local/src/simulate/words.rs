//! Spans, counts and moments as people read them.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

/// A span: its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if left >= size {
            parts.push(format!("{} {unit}", left / size));
            left %= size;
        } else if !parts.is_empty() {
            // Nothing of the unit below the largest: the rest is too small to matter.
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        return "0 s".to_owned();
    }
    parts.join(" ")
}

/// A span that is not below this one when it is shown: an age is not told younger than it was.
pub(super) fn span_up(seconds: u64) -> String {
    let unit = match seconds {
        86_400.. => 3_600,
        3_600.. => 60,
        _ => 1,
    };
    span(seconds.div_ceil(unit) * unit)
}

/// A limit as people say it.
pub(super) fn rate(calls: u64, per_s: u32) -> String {
    let per = match per_s {
        1 => "a second".to_owned(),
        60 => "a minute".to_owned(),
        3_600 => "an hour".to_owned(),
        _ => format!("in {}", span(per_s.into())),
    };
    format!("{} {per}", counted(calls, "call", "calls"))
}

/// Why a record waits for a person, for people.
pub(super) fn review(kind: &str) -> &str {
    match kind {
        "retries_spent" => "retries spent",
        "deleted_at_source" => "deleted at the source",
        "put_back_at_source" => "put back at the source",
        "dead_letter" => "in the dead letters",
        other => other,
    }
}

/// So many records by why they went to review.
pub(super) fn reviews(kinds: &BTreeMap<&'static str, u64>) -> String {
    let of = |(kind, count): (&&str, &u64)| match kinds.len() {
        1 => review(kind).to_owned(),
        _ => format!("{} {}", number(*count), review(kind)),
    };
    kinds.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// A count with its thousands parted.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and what is counted.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// Dollars: to the cent, small sums to a hundredth of one.
pub(super) fn dollars(sum: f64) -> String {
    if sum < 1.0 {
        format!("{sum:.4} $")
    } else {
        format!("{sum:.2} $")
    }
}

/// Moments in the flow's time zone.
#[derive(Clone, Debug)]
pub(super) struct Local(TimeZone);

impl Local {
    /// In this zone; UTC where it has no such name.
    pub(super) fn new(zone: &str) -> Self {
        Self(TimeZone::get(zone).unwrap_or(TimeZone::UTC))
    }

    fn written(&self, at_ms: i64, form: &str) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.0.clone()).strftime(form).to_string()
    }

    /// Weekday and time.
    pub(super) fn day_time(&self, at_ms: i64) -> String {
        self.written(at_ms, "%a %H:%M")
    }

    /// The date.
    pub(super) fn date(&self, at_ms: i64) -> String {
        self.written(at_ms, "%A, %Y-%m-%d")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_counts_are_short_and_plain() {
        let spans = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (130, "2 min 10 s"),
            (3_600, "1 h"),
            (3_605, "1 h"),
            (32_460, "9 h 1 min"),
            (93_600, "1 d 2 h"),
        ];
        for (seconds, expected) in spans {
            assert_eq!(span(seconds), expected);
        }
        for (seconds, expected) in [
            (0, "0 s"),
            (901, "15 min 1 s"),
            (3_605, "1 h 1 min"),
            (86_401, "1 d 1 h"),
        ] {
            assert_eq!(span_up(seconds), expected);
        }
        assert_eq!(rate(50, 60), "50 calls a minute");
        assert_eq!(rate(1, 120), "1 call in 2 min");
        assert_eq!(reviews(&[("retries_spent", 1)].into()), "retries spent");
        assert_eq!(
            reviews(&[("invalid", 2), ("retries_spent", 1)].into()),
            "2 invalid, 1 retries spent"
        );
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(count), expected);
        }
        assert_eq!(counted(1, "call", "calls"), "1 call");
        assert_eq!(dollars(0.0123), "0.0123 $");
        assert_eq!(dollars(12.345), "12.35 $");
    }

    #[test]
    fn moments_are_told_by_the_clock_on_the_wall() {
        let local = Local::new("Europe/Berlin");
        assert_eq!(local.day_time(1_772_434_800_000), "Mon 08:00");
        assert_eq!(local.date(1_772_434_800_000), "Monday, 2026-03-02");
    }
}
