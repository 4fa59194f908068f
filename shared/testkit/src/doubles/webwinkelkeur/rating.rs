//! A rating as Webwinkelkeur lists it.

use jiff::{Timestamp, Zoned, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value, json};

use crate::doubles::{
    Seed,
    erp::names,
    ledger::Ledger,
    opinions::{opinion_of, reply_to},
};

/// Of so many ratings in a row the last is the one before it, listed twice. A multiple of how often
/// the ledger lets two share a second.
const TWIN_EVERY: u64 = 100;

/// The rating that the one of this number repeats, or its own.
const fn original(number: u64) -> u64 {
    if number.is_multiple_of(TWIN_EVERY) {
        number - 1
    } else {
        number
    }
}

fn local(zone: &TimeZone, at_s: i64) -> Zoned {
    let at = Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone())
}

/// Writes the time of a rating as the vendor tells it: local, without an offset.
pub(super) fn stamp(body: &mut Map<String, Value>, created_s: i64, zone: &TimeZone) {
    let at = local(zone, created_s);
    for (name, format) in [("created", "%Y-%m-%d %H:%M:%S"), ("date", "%Y-%m-%d")] {
        let text = at.strftime(format).to_string();
        body.insert(name.to_owned(), Value::String(text));
    }
}

/// The time that a rating says. Of a local hour that comes twice, the first.
pub(super) fn created_at(body: &Map<String, Value>, zone: &TimeZone) -> Option<i64> {
    let at: DateTime = body.get("created")?.as_str()?.parse().ok()?;
    Some(zone.to_timestamp(at).ok()?.as_second())
}

/// A rating with what names it to a test.
pub(super) fn numbered(mut body: Map<String, Value>, number: u64) -> Value {
    body.insert("number".to_owned(), json!(number));
    Value::Object(body)
}

/// The language of a rating, without making it.
pub(super) fn language(ledger: &Ledger, number: u64) -> String {
    let language = match ledger.body(number) {
        Some(body) => body.get("language").and_then(Value::as_str),
        None => Some(opinion_of(&mut ledger.choices(original(number))).language),
    };
    language.unwrap_or_default().to_owned()
}

/// The rating of this number as nobody has touched it.
pub(super) fn untouched(
    ledger: &Ledger,
    number: u64,
    created_s: i64,
    zone: &TimeZone,
) -> Map<String, Value> {
    let number = original(number);
    made(ledger.choices(number), number, created_s, zone)
}

pub(super) fn made(
    mut seed: Seed,
    number: u64,
    created_s: i64,
    zone: &TimeZone,
) -> Map<String, Value> {
    // First, so that `language` finds the same.
    let opinion = opinion_of(&mut seed);
    let (first, last) = names::person(&mut seed);
    // Some give stars and no word.
    let comment = (!seed.chance(10)).then_some(opinion.text);
    let mut part = || (u32::from(opinion.stars) + seed.below(3)).clamp(2, 6) - 1;
    let parts = json!({
        "shippingtime": part(),
        "customerservice": part(),
        "pricequality": part(),
        "aftersale": part(),
    });
    let made = json!({
        "name": format!("{first} {last}"),
        // RFC 2606: nobody can be reached there.
        "email": format!("{first}.{last}{number}@mail.example").to_lowercase(),
        "rating": opinion.stars,
        "ratings": parts,
        "comment": comment,
        "country": match opinion.language {
            "nl" => "NL",
            "de" => "DE",
            _ => "GB",
        },
        "language": opinion.language,
        "read": seed.chance(80),
        "quarantine": false,
        "verified": seed.chance(60),
        "reaction": reply_to(opinion, &mut seed).unwrap_or_default(),
    });
    let mut body = match made {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    stamp(&mut body, created_s, zone);
    body
}
