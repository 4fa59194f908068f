//! Limits, breakers and retries: figures that contradict one another.

use serde::Deserialize;
use tidegate_model::flow::{BreakerPreset, BreakerSpec, Rate};

use super::Findings;

pub(super) fn check(findings: &mut Findings<'_>) {
    check_account(findings);
    for side in ["/source", "/target"] {
        check_breaker(findings, side);
    }
    check_first_retry(findings);
}

/// The most calls that a rate lets into a window of `per_s` seconds (LIM-1 holds for every start of
/// its own window, so a longer window holds a whole number of them, rounded up).
pub(super) fn most_in(rate: Rate, per_s: u32) -> u64 {
    u64::from(rate.calls) * u64::from(per_s.div_ceil(rate.per_s.max(1)))
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
    let together = most_in(real_time, account.per_s) + most_in(batch, account.per_s);
    if together > u64::from(account.calls) {
        findings.wrong(
            "/target/limits/account",
            format!(
                "both tiers together may make {together} calls in {} s, but the account allows {}: lower `real_time` or `batch`",
                account.per_s, account.calls
            ),
        );
    }
}

fn check_breaker(findings: &mut Findings<'_>, side: &str) {
    let pointer = format!("{side}/breaker");
    let Some(spec) = findings
        .document
        .get(&pointer)
        .and_then(|spec| BreakerSpec::deserialize(spec).ok())
    else {
        return;
    };
    // What the presets say of themselves: 5 of 10, slow over 3 s.
    let of = spec.of.unwrap_or(10);
    for (name, needed) in [("slow", spec.slow), ("failures", spec.failures)] {
        if needed.unwrap_or(5) > of {
            findings.wrong(
                &format!("{pointer}/{name}"),
                format!(
                    "`{name}` is {}, `of` is {of}: the breaker would never open",
                    needed.unwrap_or(5)
                ),
            );
        }
    }
    let timeout_ms = findings
        .document
        .number(&format!("{side}/timeout_s"))
        .unwrap_or(10)
        * 1_000;
    let slow_ms = u64::from(spec.slow_ms.unwrap_or(3_000));
    if spec.preset == BreakerPreset::SlowAnswers && slow_ms >= timeout_ms {
        findings.wrong(
            &format!("{pointer}/slow_ms"),
            format!("no answer can be slow: `slow_ms` is {slow_ms}, and a call is cut after {timeout_ms} ms (`timeout_s`)"),
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
    let timeout = document.number("/target/timeout_s").unwrap_or(10);
    let settle = document.number("/target/settle_s").unwrap_or(20);
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
