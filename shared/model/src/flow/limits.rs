//! Limits and breakers, as a flow file describes them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// How many calls a system takes: `calls` in every window of `per_s` seconds, or as many as its bucket
/// has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Rate {
    /// So many in every window.
    Window(CallWindow),
    /// A bucket that leaks, which is the same as one of tokens that are filled in.
    Bucket(CallBucket),
}

/// At most `calls` calls in every window of `per_s` seconds, whatever its start (LIM-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallWindow {
    /// Calls in a window. Up to 300: each call of a window has a slot in one item of 1 KB to 8 KB.
    #[schemars(range(min = 1, max = 300))]
    pub calls: u32,
    /// Length of the window in seconds.
    #[schemars(range(min = 1, max = 3_600))]
    pub per_s: u32,
}

/// A bucket that holds `bucket` calls and leaks `leak_per_s` of them a second: at no moment do our
/// calls overflow it (LIM-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallBucket {
    /// Calls that it holds, which an idle one takes at once: the burst.
    #[schemars(range(min = 1, max = 1_000))]
    pub bucket: u32,
    /// Calls that leak a second, to a millionth: 2, or 0.0167.
    #[schemars(with = "serde_json::Number", range(min = 0.0001, max = 300.0))]
    pub leak_per_s: PerSecond,
}

/// Calls a second, in millionths: 0.0167 is exact, and two can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerSecond(u32);

impl PerSecond {
    /// A call in 2 h 47 min, less than any plan that we know of.
    pub const MIN: Self = Self(100);
    /// What one item of the store can grant: a few dozen writes of several calls a second.
    pub const MAX: Self = Self(300_000_000);
    const PARTS: u32 = 1_000_000;

    /// So many millionths of a call a second, from [`Self::MIN`] to [`Self::MAX`].
    pub fn of_millionths(millionths: u64) -> Option<Self> {
        let rate = Self(u32::try_from(millionths).ok()?);
        (Self::MIN..=Self::MAX).contains(&rate).then_some(rate)
    }

    /// So many calls in so many seconds, rounded down to a millionth.
    pub fn of_calls(calls: u64, seconds: u64) -> Option<Self> {
        let parts = calls.checked_mul(Self::PARTS.into())?;
        Self::of_millionths(parts.checked_div(seconds)?)
    }

    /// A number of calls a second, to the nearest millionth.
    pub fn of_number(calls: f64) -> Option<Self> {
        // Printed in full and without an exponent; what is no number has other signs.
        let digits: String = format!("{calls:.6}").split('.').collect();
        Self::of_millionths(digits.parse().ok()?)
    }

    /// Millionths of a call a second.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// From one call to the next, rounded up to a microsecond.
    pub fn gap(self) -> Duration {
        const MICROS_OF_A_MILLIONTH: u64 = 1_000_000_000_000;
        Duration::from_micros(MICROS_OF_A_MILLIONTH.div_ceil(self.0.max(1).into()))
    }
}

impl Serialize for PerSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / f64::from(Self::PARTS))
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_number(f64::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("must be from 0.0001 to 300 calls a second"))
    }
}

impl Rate {
    /// Calls that may be made at once, where none was made for long.
    pub fn calls(self) -> u32 {
        match self {
            Self::Window(window) => window.calls,
            Self::Bucket(bucket) => bucket.bucket,
        }
    }

    /// How long it takes until so many may be made again: the window, or until a full bucket is empty.
    pub fn per(self) -> Duration {
        match self {
            Self::Window(window) => Duration::from_secs(window.per_s.into()),
            Self::Bucket(bucket) => bucket.leak_per_s.gap().saturating_mul(bucket.bucket),
        }
    }

    /// The same in whole seconds, for people; never zero.
    pub fn per_s(self) -> u32 {
        let per = self.per();
        u32::try_from(per.as_millis().div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
    }

    /// Calls a second under backlog, in millionths, rounded down.
    pub fn millionths_a_second(self) -> u64 {
        match self {
            Self::Window(_) => self.steady_in(Duration::from_secs(PerSecond::PARTS.into())),
            Self::Bucket(bucket) => bucket.leak_per_s.millionths().into(),
        }
    }

    /// Calls under backlog in so long a time, rounded down.
    pub fn steady_in(self, span: Duration) -> u64 {
        let calls = span.as_micros() * u128::from(self.calls()) / self.per().as_micros().max(1);
        u64::try_from(calls).unwrap_or(u64::MAX)
    }

    /// The most calls in so long a time, whatever its start and whatever was unused before it.
    pub fn most_in(self, span: Duration) -> u64 {
        match self {
            // LIM-1 holds for windows of its own length: a longer one holds whole ones, rounded up.
            Self::Window(window) => {
                let windows = span.as_micros().div_ceil(self.per().as_micros().max(1));
                u64::from(window.calls).saturating_mul(u64::try_from(windows).unwrap_or(u64::MAX))
            }
            Self::Bucket(bucket) => u64::from(bucket.bucket).saturating_add(self.steady_in(span)),
        }
    }
}

/// Limits of a target, shared by all flows that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetLimits {
    /// Limit of the real-time tier.
    pub real_time: Rate,
    /// Limit of the batch tier.
    pub batch: Rate,
    /// What the provider allows over all; the tiers together must stay within it.
    #[serde(default)]
    pub account: Option<Rate>,
    /// Quota of a day.
    #[serde(default)]
    pub day: Option<DayLimit>,
}

/// The quota of a day (UTC), drawn on by both tiers (R32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DayLimit {
    /// Calls that the provider allows in a day.
    #[schemars(range(min = 10))]
    pub calls: u32,
    /// Per cent of the quota that stays unused, for other clients of the account.
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 90))]
    pub headroom_percent: u32,
    /// Per cent of the usable quota that batch work can not use (LIM-3).
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 90))]
    pub real_time_percent: u32,
}

/// 30 % (R32).
fn thirty() -> u32 {
    30
}

/// When calls to a system pause, and for how long. A preset, and what differs from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerSpec {
    /// Where to start from.
    #[serde(default)]
    pub preset: BreakerPreset,
    /// An answer is slow after this many milliseconds.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub slow_ms: Option<u32>,
    /// So many slow answers ...
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub slow: Option<u32>,
    /// ... among so many calls open it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub of: Option<u32>,
    /// So many failures of different records among those calls open it.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub failures: Option<u32>,
    /// Seconds until one probe is let through.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400))]
    pub cool_down_s: Option<u32>,
}

/// The two presets of R6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerPreset {
    /// 5 slow answers (over 3 s) or 5 failures of 10 calls; 5 minutes until the probe.
    #[default]
    SlowAnswers,
    /// 5 failures of 10 calls; 60 s until the probe. Slow answers are not judged.
    Failures,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(bucket: u32, leak_per_s: f64) -> Rate {
        Rate::Bucket(CallBucket {
            bucket,
            leak_per_s: PerSecond::of_number(leak_per_s).unwrap(),
        })
    }

    #[test]
    fn a_limit_is_read_in_both_forms_and_written_as_it_was_read() {
        for (text, rate) in [
            (
                r#"{"calls":50,"per_s":60}"#,
                Rate::Window(CallWindow {
                    calls: 50,
                    per_s: 60,
                }),
            ),
            (r#"{"bucket":20,"leak_per_s":0.0167}"#, bucket(20, 0.0167)),
            (r#"{"bucket":40,"leak_per_s":2.0}"#, bucket(40, 2.0)),
        ] {
            assert_eq!(serde_json::from_str::<Rate>(text).unwrap(), rate);
            assert_eq!(serde_json::to_string(&rate).unwrap(), text);
        }
        let whole: Rate = serde_json::from_str(r#"{"bucket":40,"leak_per_s":2}"#).unwrap();
        assert_eq!(whole, bucket(40, 2.0));
    }

    #[test]
    fn a_limit_of_both_forms_or_of_none_is_refused() {
        for text in [
            r#"{"calls":50,"per_s":60,"bucket":40}"#,
            r#"{"calls":50,"leak_per_s":2}"#,
            r#"{"bucket":40,"leak_per_s":0}"#,
            r#"{"bucket":40,"leak_per_s":-2}"#,
            r#"{"bucket":40,"leak_per_s":301}"#,
            "{}",
        ] {
            assert!(serde_json::from_str::<Rate>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_a_second_are_exact_to_a_millionth() {
        for (number, millionths) in [
            (0.0167, Some(16_700)),
            (0.016_666_7, Some(16_667)),
            (2.0, Some(2_000_000)),
            (0.000_1, Some(100)),
            (0.000_01, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ] {
            let rate = PerSecond::of_number(number).map(PerSecond::millionths);
            assert_eq!(rate, millionths, "{number}");
        }
        assert_eq!(
            PerSecond::of_calls(100, 60),
            PerSecond::of_number(1.666_666)
        );
        assert_eq!(PerSecond::of_calls(1, 0), None);
    }

    #[test]
    fn a_bucket_tells_its_figures_as_a_window_does() {
        let minute = Duration::from_mins(1);
        let (shop, orders) = (bucket(40, 2.0), bucket(20, 0.0167));
        assert_eq!((shop.calls(), shop.per_s()), (40, 20));
        assert_eq!((shop.steady_in(minute), shop.most_in(minute)), (120, 160));
        assert_eq!((orders.calls(), orders.per_s()), (20, 1_198));
        assert_eq!((orders.steady_in(minute), orders.most_in(minute)), (1, 21));
        let window = Rate::Window(CallWindow {
            calls: 50,
            per_s: 60,
        });
        assert_eq!((window.calls(), window.per_s()), (50, 60));
        assert_eq!(
            (window.steady_in(minute / 2), window.most_in(minute / 2)),
            (25, 50)
        );
    }
}
