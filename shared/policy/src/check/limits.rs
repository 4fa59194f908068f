//! Limits, breakers and retries: figures that contradict one another.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tidegate_model::flow::{BreakerSpec, DayLimit, Expected, Rate};

use super::{Findings, facts};
use crate::{
    breaker,
    limiter::{Limit, REACH},
};

/// What a file that leaves out `timeout_s` and `settle_s` gets (the model's defaults).
const DEFAULT_TIMEOUT_S: u64 = 10;
const DEFAULT_SETTLE_S: u64 = 20;

pub(super) fn check(findings: &mut Findings<'_>) {
    check_account(findings);
    check_record_fits(findings);
    check_day_fits(findings);
    check_expected(findings);
    for side in ["/source", "/target"] {
        check_breaker(findings, side);
    }
    check_first_retry(findings);
}

/// A day of a quota.
pub(super) const DAY: Duration = Duration::from_hours(24);

/// What says how many calls there are of a limit.
fn calls_named(rate: Option<Rate>) -> &'static str {
    match rate {
        Some(Rate::Bucket(_)) => "bucket",
        Some(Rate::Window(_)) | None => "calls",
    }
}

/// Calls that one record takes when the outcome of its create is not known, the most of all, and
/// what they are (policy's `calls_of`; a connector's test holds the figures equal).
fn most_calls(findings: &Findings<'_>) -> Option<(u32, &'static str)> {
    let document = findings.document;
    let has = |name: &str| document.get(&format!("/target/{name}")).is_some();
    match document.text("/target/type")? {
        "qualio" => Some((7, "5 to look it up, 2 to update it")),
        "rest" if has("upsert") => None,
        "rest" if has("idempotency_header") => Some((2, "the create again, an update")),
        "rest" if has("find") => Some((2, "one to look it up, one to update it")),
        _ => None,
    }
}

/// A record that takes more calls than a tier's window holds would wait for ever. One whose calls
/// take longer than slots are reserved for may wait until smaller ones leave room.
fn check_record_fits(findings: &mut Findings<'_>) {
    let Some((most, what)) = most_calls(findings) else {
        return;
    };
    for tier in ["real_time", "batch"] {
        let limits = format!("/target/limits/{tier}");
        let pointer = format!("{limits}/calls");
        let document = findings.document;
        if document
            .number(&pointer)
            .is_some_and(|calls| (1..u64::from(most)).contains(&calls))
        {
            findings.wrong(
                &pointer,
                format!("a record whose create went unanswered takes {most} calls in one window ({what}): allow at least {most}"),
            );
            continue;
        }
        let rate = document
            .get(&limits)
            .and_then(|rate| Rate::deserialize(rate).ok())
            .filter(|rate| rate.calls() > 0);
        let fewest = rate.and_then(|rate| Limit::of_source(rate).falls_short_of(most));
        if let (Some(rate), Some(fewest)) = (rate, fewest) {
            let reach = REACH.as_secs();
            let with = format!(
                "with {} calls in {} s it waits behind the records of few calls while there is a backlog",
                rate.calls(),
                rate.per_s()
            );
            let cure = match rate {
                Rate::Window(_) => format!("allow at least {fewest}"),
                Rate::Bucket(_) => format!(
                    "allow a leak of at least {} in {reach} s",
                    most.saturating_sub(1)
                ),
            };
            findings.odd(
                &format!("{limits}/{}", calls_named(Some(rate))),
                format!(
                    "a record whose create went unanswered takes {most} calls ({what}), and room for them is kept {reach} s ahead: {with}; {cure}"
                ),
            );
        }
    }
}

/// Of a day that leaves a tier fewer calls than a record may take, such a record waits for ever.
fn check_day_fits(findings: &mut Findings<'_>) {
    let day = findings.document.get("/target/limits/day");
    let day = day.and_then(|day| DayLimit::deserialize(day).ok());
    let Some(day) = day else {
        return;
    };
    let (most, takes) = most_calls(findings).map_or_else(
        || (1, "a record takes 1 call".to_owned()),
        |(most, what)| {
            let takes =
                format!("a record whose create went unanswered takes {most} calls ({what})");
            (most, takes)
        },
    );
    let (usable, kept) = facts::usable(day);
    let batch = usable.saturating_sub(kept);
    if batch < u64::from(most) {
        findings.odd(
            "/target/limits/day/calls",
            format!(
                "{takes}, and of {} a day the batch tier may make {batch}: allow more, or lower `headroom_percent` or `real_time_percent`",
                day.calls
            ),
        );
    }
}

/// What the flow is expected to carry in a day against what its limits let through.
fn check_expected(findings: &mut Findings<'_>) {
    let document = findings.document;
    let expected = document.get("/expected");
    let Some(expected) = expected.and_then(|expected| Expected::deserialize(expected).ok()) else {
        return;
    };
    let critical = document.get("/critical").and_then(Value::as_array);
    let (critical, ordinary) = expected.split(critical.is_some_and(|names| !names.is_empty()));
    let each = match document.text("/target/type") {
        Some("qualio") => facts::QUALIO_CALLS,
        _ => 1,
    };
    let day = document.get("/target/limits/day");
    let day = day.and_then(|day| DayLimit::deserialize(day).ok());
    let (usable, kept) = day.map_or((u64::MAX, 0), facts::usable);
    for (tier, changes, quota) in [
        ("real_time", critical, usable),
        ("batch", ordinary, usable.saturating_sub(kept)),
    ] {
        let pointer = format!("/target/limits/{tier}");
        let rate = document.get(&pointer);
        let rate = rate.and_then(|rate| Rate::deserialize(rate).ok());
        // One that allows nothing is told by itself.
        let Some(rate) = rate.filter(|rate| rate.calls() > 0) else {
            continue;
        };
        let (calls, allowed) = (changes * u64::from(each), rate.most_in(DAY).min(quota));
        if calls > allowed {
            findings.odd(
                &format!("{pointer}/{}", calls_named(Some(rate))),
                format!(
                    "`[expected]` brings this tier {changes} changes a day, which are {calls} calls, and {allowed} are allowed: what waits grows day by day"
                ),
            );
        }
    }
}

fn check_account(findings: &mut Findings<'_>) {
    let rate = |name: &str| {
        Rate::deserialize(findings.document.get(&format!("/target/limits/{name}"))?).ok()
    };
    let (Some(real_time), Some(batch), Some(account)) =
        (rate("real_time"), rate("batch"), rate("account"))
    else {
        return;
    };
    // What is allowed at once and what comes on top of it: a bucket has both, a window is one figure.
    let together = match account {
        Rate::Window(window) => {
            let both = real_time.most_in(account.per()) + batch.most_in(account.per());
            (both > u64::from(window.calls)).then(|| {
                format!(
                    "make {both} calls in {} s, but the account allows {}",
                    window.per_s, window.calls
                )
            })
        }
        Rate::Bucket(bucket) => {
            let both = u64::from(real_time.calls()) + u64::from(batch.calls());
            let leak = real_time.millionths_a_second() + batch.millionths_a_second();
            if both > u64::from(bucket.bucket) {
                Some(format!(
                    "make {both} calls at once, but the account's bucket holds {}",
                    bucket.bucket
                ))
            } else if leak > account.millionths_a_second() {
                Some("make more calls than leak from the account's bucket".to_owned())
            } else {
                None
            }
        }
    };
    if let Some(together) = together {
        findings.wrong(
            "/target/limits/account",
            format!("both tiers together may {together}: lower `real_time` or `batch`"),
        );
    }
}

fn check_breaker(findings: &mut Findings<'_>, side: &str) {
    let pointer = format!("{side}/breaker");
    let document = findings.document;
    let Some(spec) = document
        .get(&pointer)
        .and_then(|spec| BreakerSpec::deserialize(spec).ok())
    else {
        return;
    };
    let settings = breaker::Settings::from(&spec);
    if let Some(of) = spec.of {
        for (name, needed) in [("slow", settings.slow), ("failures", settings.failures)] {
            if needed > of {
                findings.wrong(
                    &format!("{pointer}/of"),
                    format!("`of` is {of}, but `{name}` asks for {needed} among them: raise `of` or lower `{name}`"),
                );
            }
        }
    }
    let timeout_s = document
        .number(&format!("{side}/timeout_s"))
        .unwrap_or(DEFAULT_TIMEOUT_S);
    if let Some(slow) = settings.slow_after
        && slow >= Duration::from_secs(timeout_s)
    {
        findings.wrong(
            &format!("{pointer}/slow_ms"),
            format!(
                "no answer can be slow: `slow_ms` is {}, and a call is cut after {timeout_s} s (`timeout_s`)",
                slow.as_millis()
            ),
        );
    }
}

/// A call whose outcome is not known may take effect until time-out and settling are over, and its
/// record stays quiet until then (PROTOCOL, T and D).
fn check_first_retry(findings: &mut Findings<'_>) {
    let document = findings.document;
    let Some(first) = document.number("/retry/after_s/0") else {
        return;
    };
    let timeout = document
        .number("/target/timeout_s")
        .unwrap_or(DEFAULT_TIMEOUT_S);
    let settle = document
        .number("/target/settle_s")
        .unwrap_or(DEFAULT_SETTLE_S);
    if first < timeout + settle {
        findings.odd(
            "/retry/after_s",
            format!(
                "the first retry is named after {first} s, but after a time-out a record stays quiet for {} s (`timeout_s` {timeout} and `settle_s` {settle})",
                timeout + settle
            ),
        );
    }
}
