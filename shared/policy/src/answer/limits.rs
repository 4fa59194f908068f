//! What an answer tells of its provider's limits: nothing left until a moment, or a rate.
//!
//! Providers say it in forms of their own; those read here are a table, with one test a row:
//!
//! | field | says | as in |
//! |---|---|---|
//! | `Retry-After: 120` | no call before, on an answer of 400 or above | RFC 9110, 10.2.3 |
//! | `RateLimit: "default";r=0;t=30` | nothing left for 30 s | draft-ietf-httpapi-ratelimit-headers-08 to -11 |
//! | `RateLimit: limit=100, remaining=0, reset=30` | the same | -07 |
//! | `RateLimit-Remaining: 0`, `RateLimit-Reset: 30` | the same | -00 to -06 |
//! | `X-RateLimit-Remaining: 0`, `X-RateLimit-Reset: 1700000030` | the same; seconds from now or since 1970 | docs.github.com, "Rate limits for the REST API"; gitbook.com, "Rate limiting" |
//! | `X-Shopify-Shop-Api-Call-Limit: 40/40` | the bucket is full now | help.shopify.com, "REST Admin API rate limits" |
//! | `RateLimit-Policy: "default";q=100;w=60` | 100 calls in 60 s | -08 to -11 |
//! | `RateLimit-Policy: 100;w=60`, `RateLimit-Limit: 100, 100;w=60` | the same | -00 to -07 |
//! | `x-amzn-RateLimit-Limit: 0.0167` | calls a second | developer-docs.amazon.com, "Usage Plans and Rate Limits" |
//!
//! A field that can not be read, or says what can not be, says nothing: whoever writes it badly must
//! neither stop a flow nor speed it up. Where `Retry-After` is there it is what counts for the moment,
//! as the draft asks.

use std::time::Duration;

use tidegate_model::{UnixMs, flow::PerSecond};

use super::{MAX_HOLD, MIN_HOLD, retry_after};

/// What an answer tells of its provider's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// No call before this moment.
    pub until: Option<UnixMs>,
    /// At most so many calls a second.
    pub rate: Option<PerSecond>,
}

/// The two spellings of the fields that came before the draft.
const OLD_NAMES: [&str; 2] = ["x-ratelimit", "x-rate-limit"];
/// Policies and states of a field that are read: a provider has one for each length of window.
const MAX_ITEMS: usize = 16;
/// The longest window whose quota is a rate, as in a flow file. That of a day is a sum, which may be
/// spent at any rate; once it is spent, the answer says until when.
const MAX_WINDOW_S: u64 = 3_600;
/// A moment that is over by more is no end of a window: clocks are not that far apart.
const STALE: Duration = Duration::from_mins(1);
/// No window ends later: a quota of a year, and a day.
const LATEST: Duration = Duration::from_hours(24 * 367);
/// From this number on seconds are counted since 1970: in 2001, or 31 years from now.
const SINCE_1970_S: f64 = 1e9;
/// From this one on they are milliseconds: in 2001, or in the year 33,658.
const SINCE_1970_MS: f64 = 1e12;
/// The first status that refuses something. Below it `Retry-After` is about what was asked for alone:
/// when to look for the outcome (202), or for what has moved (301).
const REFUSALS: u16 = 400;

/// Reads the limits that an answer tells. Names of headers are in lower case.
pub fn limits(status: u16, headers: &[(String, String)], now: UnixMs) -> Told {
    let fields = Fields(headers);
    let retry_after = fields
        .one("retry-after")
        .filter(|_| status >= REFUSALS)
        .and_then(|value| retry_after::read(value, now));
    let until = match retry_after {
        Some(wait) => Some(now + wait.clamp(MIN_HOLD, MAX_HOLD)),
        None => spent_until(fields, now),
    };
    let amazons = fields
        .one("x-amzn-ratelimit-limit")
        .and_then(|value| value.parse().ok())
        .and_then(PerSecond::of_number);
    let policies = ["ratelimit-policy", "ratelimit-limit"].map(|name| fields.items(name));
    let rate = policies
        .iter()
        .flatten()
        .filter_map(Part::rate)
        .chain(amazons)
        .min();
    Told { until, rate }
}

/// The latest moment before which nothing is left.
fn spent_until(fields: Fields<'_>, now: UnixMs) -> Option<UnixMs> {
    let states = fields.items("ratelimit");
    let of_policies = states
        .iter()
        .filter_map(|state| spent(None, state.get("r"), state.get("t"), now));
    let member = |name: &str| states.iter().find_map(|state| state.member(name));
    let combined = spent(member("limit"), member("remaining"), member("reset"), now);
    let separate = ["ratelimit"].into_iter().chain(OLD_NAMES);
    let separate = separate.filter_map(|name| {
        let one = |what: &str| fields.one(&format!("{name}-{what}"));
        spent(one("limit"), one("remaining"), one("reset"), now)
    });
    let shop = fields
        .one("x-shopify-shop-api-call-limit")
        .and_then(|value| value.split_once('/'))
        .and_then(|(used, size)| Some((used.parse::<u32>().ok()?, size.parse::<u32>().ok()?)))
        // What leaks next it does not say.
        .filter(|(used, size)| *size > 0 && used >= size)
        .map(|_| now + MIN_HOLD);
    of_policies
        .chain(combined)
        .chain(separate)
        .chain(shop)
        .max()
}

/// When the window ends of which nothing remains.
fn spent(
    limit: Option<&str>,
    remaining: Option<&str>,
    reset: Option<&str>,
    now: UnixMs,
) -> Option<UnixMs> {
    // Some say `0` of `0` for a caller without a limit.
    let is_none = limit.is_some_and(|limit| number(first(limit)) == Some(0.0));
    let remaining = number(remaining?)?;
    if is_none || remaining >= 1.0 {
        return None;
    }
    Some(now + ends(reset?, now)?.clamp(MIN_HOLD, MAX_HOLD))
}

/// How long until the moment: seconds from now, seconds or milliseconds since 1970, or a date.
fn ends(reset: &str, now: UnixMs) -> Option<Duration> {
    let span = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
    let at = match number(reset) {
        Some(seconds) if seconds < SINCE_1970_S => now + span(seconds)?,
        Some(seconds) if seconds < SINCE_1970_MS => UnixMs::EPOCH + span(seconds)?,
        Some(millis) => UnixMs::EPOCH + span(millis / 1_000.0)?,
        None => retry_after::date(reset)?,
    };
    let is_near = now.since(at) <= STALE && at.since(now) <= LATEST;
    is_near.then(|| at.since(now))
}

/// A number that is not below zero.
fn number(value: &str) -> Option<f64> {
    let number: f64 = value.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// The first item of a list, without what is said of it: `100` of `100, 100;w=60`.
fn first(value: &str) -> &str {
    value.split([',', ';']).next().unwrap_or(value)
}

/// The header fields of an answer.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [(String, String)]);

impl<'a> Fields<'a> {
    /// The only value of a field. Two that differ say nothing.
    fn one(self, name: &str) -> Option<&'a str> {
        let mut values = self.all(name);
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }

    fn all(self, name: &str) -> impl Iterator<Item = &'a str> {
        let same = move |(found, _): &&(String, String)| found == name;
        // The name is borrowed for as long as the answer lasts at most.
        let values: Vec<&'a str> = self
            .0
            .iter()
            .filter(same)
            .map(|(_, it)| it.trim())
            .collect();
        values.into_iter()
    }

    /// The items of a list (RFC 9651, 3.1), which several fields of one name continue.
    fn items(self, name: &str) -> Vec<Part<'a>> {
        self.all(name)
            .flat_map(|value| split(value, ','))
            .take(MAX_ITEMS)
            .map(|item| Part(split(item, ';')))
            .collect()
    }
}

/// An item with its parameters: `"default";q=100;w=60`.
struct Part<'a>(Vec<&'a str>);

impl<'a> Part<'a> {
    /// A parameter.
    fn get(&self, name: &str) -> Option<&'a str> {
        let parameters = self.0.iter().skip(1);
        parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.trim_matches('"'))
    }

    /// The value of a member of a dictionary: `remaining=50`.
    fn member(&self, name: &str) -> Option<&'a str> {
        let (found, value) = self.0.first()?.split_once('=')?;
        (found == name).then_some(value)
    }

    /// The calls a second of a policy: by its `q`, by the `l` of drafts between, or by the item itself.
    fn rate(&self) -> Option<PerSecond> {
        let counts_calls = self
            .get("qu")
            .is_none_or(|unit| matches!(unit, "request" | "requests"));
        let calls = self.get("q").or_else(|| self.get("l"));
        let calls = calls.or_else(|| self.0.first().copied())?;
        let window_s = self.get("w")?.parse().ok()?;
        let is_rate = counts_calls && (1..=MAX_WINDOW_S).contains(&window_s);
        PerSecond::of_calls(calls.parse().ok()?, window_s).filter(|_| is_rate)
    }
}

/// Splits where no quoted text is.
fn split(value: &str, by: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = value.split(move |sign: char| {
        let is_end = sign == by && !is_quoted;
        is_quoted ^= sign == '"' && !is_escaped;
        is_escaped = sign == '\\' && is_quoted && !is_escaped;
        is_end
    });
    parts.map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 2023-11-14T22:13:20Z.
    const NOW: UnixMs = UnixMs(1_700_000_000_000);

    fn told(status: u16, headers: &[(&str, &str)]) -> Told {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<(String, String)> = headers.iter().map(owned).collect();
        limits(status, &headers, NOW)
    }

    fn wait_ms(told: Told) -> Option<u64> {
        let wait = told.until?.since(NOW);
        Some(u64::try_from(wait.as_millis()).unwrap())
    }

    #[rstest]
    // draft-ietf-httpapi-ratelimit-headers-08 to -11, RateLimit.
    #[case::a_state(&[("ratelimit", r#""default";r=0;t=30"#)], Some(30_000))]
    #[case::a_state_named_by_a_token(&[("ratelimit", "default;r=0;t=30")], Some(30_000))]
    #[case::a_state_with_blanks(&[("ratelimit", r#" "default"; r=0; t=30 "#)], Some(30_000))]
    #[case::a_name_with_signs(&[("ratelimit", r#""a,;\"r=1";r=0;t=30"#)], Some(30_000))]
    #[case::some_left(&[("ratelimit", r#""default";r=1;t=30"#)], None)]
    #[case::one_policy_of_two_is_spent(&[("ratelimit", "permin;r=0;t=23, perhr;r=399;t=2402")], Some(23_000))]
    #[case::both_are(&[("ratelimit", "permin;r=0;t=23, perhr;r=0;t=402")], Some(402_000))]
    #[case::in_two_fields(&[("ratelimit", "a;r=9;t=5"), ("ratelimit", "b;r=0;t=7")], Some(7_000))]
    #[case::without_a_moment(&[("ratelimit", "default;r=0")], None)]
    // -07.
    #[case::combined(&[("ratelimit", "limit=100, remaining=0, reset=50")], Some(50_000))]
    #[case::combined_and_some_left(&[("ratelimit", "limit=100, remaining=50, reset=50")], None)]
    // -00 to -06.
    #[case::separate(&[("ratelimit-limit", "100"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "50")], Some(50_000))]
    #[case::separate_without_a_limit(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "50")], Some(50_000))]
    #[case::separate_with_a_policy(&[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "50")], Some(50_000))]
    // docs.github.com and gitbook.com: seconds since 1970.
    #[case::since_1970(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000030")], Some(30_000))]
    #[case::with_a_fraction(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000030.250")], Some(30_250))]
    #[case::in_milliseconds(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000030000")], Some(30_000))]
    #[case::from_now(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")], Some(30_000))]
    #[case::the_other_spelling(&[("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1700000030")], Some(30_000))]
    #[case::a_date(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "Tue, 14 Nov 2023 22:13:50 GMT")], Some(30_000))]
    // help.shopify.com, "REST Admin API rate limits".
    #[case::a_full_bucket(&[("x-shopify-shop-api-call-limit", "40/40")], Some(1_000))]
    #[case::room_for_one(&[("x-shopify-shop-api-call-limit", "39/40")], None)]
    #[case::no_bucket(&[("x-shopify-shop-api-call-limit", "0/0")], None)]
    #[case::half_a_bucket(&[("x-shopify-shop-api-call-limit", "40")], None)]
    // The limits of a hold.
    #[case::at_once(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "0")], Some(1_000))]
    #[case::tomorrow(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "80000")], Some(900_000))]
    #[case::just_over_by_our_clock(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1699999960")], Some(1_000))]
    // What says nothing.
    #[case::long_over(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1377013266")], None)]
    #[case::never(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999999999")], None)]
    #[case::years_from_now(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "999999999")], None)]
    #[case::below_zero(&[("ratelimit-remaining", "-1"), ("ratelimit-reset", "30")], None)]
    #[case::a_moment_below_zero(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "-30")], None)]
    #[case::no_number(&[("ratelimit-remaining", "none"), ("ratelimit-reset", "30")], None)]
    #[case::no_moment(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "soon")], None)]
    #[case::without_end(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "inf")], None)]
    #[case::nothing_of_nothing(&[("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")], None)]
    #[case::two_that_differ(&[("ratelimit-remaining", "0"), ("ratelimit-remaining", "5"), ("ratelimit-reset", "30")], None)]
    #[case::remaining_alone(&[("x-ratelimit-remaining", "0")], None)]
    #[case::nothing(&[], None)]
    fn nothing_left_until_a_moment_is_read(
        #[case] headers: &[(&str, &str)],
        #[case] ms: Option<u64>,
    ) {
        let found = told(200, headers);
        assert_eq!(wait_ms(found), ms);
        assert_eq!(told(503, headers).until, found.until, "of any status");
    }

    #[rstest]
    // RFC 9110, 10.2.3.
    #[case::unavailable(503, "120", Some(120_000))]
    #[case::too_many(429, "120", Some(120_000))]
    #[case::too_many_by_another_status(403, "120", Some(120_000))]
    #[case::when_to_look_for_the_outcome(202, "120", None)]
    #[case::when_to_look_elsewhere(301, "120", None)]
    #[case::not_to_be_read(503, "soon", None)]
    #[case::too_long(503, "86400", Some(900_000))]
    fn retry_after_is_heeded_where_something_was_refused(
        #[case] status: u16,
        #[case] value: &str,
        #[case] ms: Option<u64>,
    ) {
        assert_eq!(wait_ms(told(status, &[("retry-after", value)])), ms);
    }

    #[test]
    fn retry_after_comes_before_the_end_of_a_window() {
        let headers = [("retry-after", "5"), ("ratelimit", "default;r=0;t=30")];
        assert_eq!(wait_ms(told(429, &headers)), Some(5_000));
        assert_eq!(wait_ms(told(200, &headers)), Some(30_000));
    }

    #[rstest]
    // draft-ietf-httpapi-ratelimit-headers-08 to -11, RateLimit-Policy.
    #[case::a_policy(&[("ratelimit-policy", r#""default";q=100;w=60"#)], Some(1_666_666))]
    #[case::named_by_a_token(&[("ratelimit-policy", "default;q=100;w=10")], Some(10_000_000))]
    #[case::in_calls(&[("ratelimit-policy", r#""default";q=100;qu="requests";w=10"#)], Some(10_000_000))]
    #[case::of_a_partition(&[("ratelimit-policy", r#""peruser";q=100;w=10;pk=:cHsdsRa894==:"#)], Some(10_000_000))]
    #[case::the_lowest(&[("ratelimit-policy", r#""burst";q=100;w=1, "permin";q=60;w=60"#)], Some(1_000_000))]
    #[case::a_day_is_no_rate(&[("ratelimit-policy", r#""permin";q=60;w=60,"daily";q=1000;w=86400"#)], Some(1_000_000))]
    #[case::a_day_alone(&[("ratelimit-policy", r#""daily";q=1000;w=86400"#)], None)]
    #[case::in_bytes(&[("ratelimit-policy", r#""default";q=100;qu="content-bytes";w=10"#)], None)]
    #[case::at_once(&[("ratelimit-policy", r#""default";q=5;qu="concurrent-requests";w=10"#)], None)]
    #[case::without_a_window(&[("ratelimit-policy", r#""default";q=100"#)], None)]
    // Between -07 and -08.
    #[case::by_l(&[("ratelimit-policy", "permin;l=50;w=60, perhr;l=1000;w=3600")], Some(277_777))]
    // -00 to -07.
    #[case::by_the_item(&[("ratelimit-policy", "100;w=60")], Some(1_666_666))]
    #[case::in_the_limit(&[("ratelimit-limit", "100, 100;w=60")], Some(1_666_666))]
    #[case::a_limit_alone(&[("ratelimit-limit", "100")], None)]
    #[case::an_old_limit(&[("x-ratelimit-limit", "5000")], None)]
    // developer-docs.amazon.com, "Usage Plans and Rate Limits".
    #[case::of_amazon(&[("x-amzn-ratelimit-limit", "0.0167")], Some(16_700))]
    #[case::of_amazon_with_blanks(&[("x-amzn-ratelimit-limit", " 2.0 ")], Some(2_000_000))]
    // What says nothing.
    #[case::nothing_a_second(&[("x-amzn-ratelimit-limit", "0")], None)]
    #[case::below_zero(&[("x-amzn-ratelimit-limit", "-1")], None)]
    #[case::no_number(&[("x-amzn-ratelimit-limit", "NaN")], None)]
    #[case::no_calls(&[("ratelimit-policy", "0;w=60")], None)]
    #[case::no_time(&[("ratelimit-policy", "100;w=0")], None)]
    #[case::a_part_of_a_call(&[("ratelimit-policy", "1.5;w=60")], None)]
    #[case::more_than_a_number_holds(&[("ratelimit-policy", "99999999999999999999;w=60")], None)]
    #[case::a_quote_without_end(&[("ratelimit-policy", r#""default;q=100;w=60"#)], None)]
    fn a_rate_is_read(#[case] headers: &[(&str, &str)], #[case] millionths: Option<u32>) {
        let found = told(200, headers);
        assert_eq!(found.rate.map(PerSecond::millionths), millionths);
        assert_eq!(found.until, None);
        assert_eq!(told(404, headers), found, "of any status");
    }

    #[test]
    fn of_many_items_the_first_are_read() {
        let many = vec!["9000;w=60"; MAX_ITEMS + 1].join(", ") + ", 1;w=60";
        let found = told(200, &[("ratelimit-policy", &many)]);
        assert_eq!(found.rate, PerSecond::of_calls(150, 1));
    }
}
