//! A review as Trustpilot's private API shows it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::doubles::{
    Seed,
    erp::names,
    ledger::Times,
    opinions::{opinion_of, reply_to},
};

/// Ids are of 24 hexadecimal digits, the last twelve the number of the review.
const ID_START: &str = "65f0c0de0000";
const ID_DIGITS: usize = 24;

/// Between the experience and the review.
const EXPERIENCED_S: i64 = 3 * 24 * 3_600;

/// The id of the review of this number.
pub(super) fn id_of(number: u64) -> String {
    format!("{ID_START}{number:012x}")
}

/// The number of the review of this id.
pub(super) fn number_of(id: &str) -> Option<u64> {
    let number = u64::from_str_radix(id.strip_prefix(ID_START)?, 16).ok()?;
    (id == id_of(number)).then_some(number)
}

/// Whether a text has the shape of an id, of a review or of a business unit.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A time as Trustpilot tells it: in UTC, to the millisecond.
fn told(at_s: i64) -> String {
    let at = Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Writes into a review what the double keeps about it, whatever a test wrote there.
pub(super) fn stamp(
    body: &mut Map<String, Value>,
    number: u64,
    created_s: i64,
    edited_s: Option<i64>,
) {
    for (name, value) in [
        ("id", json!(id_of(number))),
        ("createdAt", json!(told(created_s))),
        ("updatedAt", json!(edited_s.map(told))),
    ] {
        body.insert(name.to_owned(), value);
    }
}

/// When the reviewer last edited a review.
pub(super) fn edited_at(body: &Map<String, Value>) -> Option<i64> {
    let at: Timestamp = body.get("updatedAt")?.as_str()?.parse().ok()?;
    Some(at.as_second())
}

/// Writes the times of a reply that a test gave or changed: the vendor keeps them beside the reply.
pub(super) fn stamp_reply(body: &mut Map<String, Value>, old: &Map<String, Value>, at_s: i64) {
    let stood = old.get("companyReply").filter(|reply| reply.is_object());
    let changed = body.get_mut("companyReply").and_then(Value::as_object_mut);
    let Some(reply) = changed else { return };
    if stood.and_then(Value::as_object) == Some(&*reply) {
        return;
    }
    let created = stood.and_then(|stood| stood.get("createdAt")).cloned();
    let updated = created.as_ref().map(|_| told(at_s));
    reply.insert("updatedAt".to_owned(), json!(updated));
    let created = created.unwrap_or_else(|| json!(told(at_s)));
    reply.insert("createdAt".to_owned(), created);
}

/// Whether the reviewer has written nothing: only the shop's reply is another one.
pub(super) fn differs_by_reply_alone(new: &Map<String, Value>, old: &Map<String, Value>) -> bool {
    let own = |body: &Map<String, Value>| {
        let mut body = body.clone();
        body.remove("companyReply");
        body
    };
    new.get("companyReply") != old.get("companyReply") && own(new) == own(old)
}

/// How many stars and in which language, without making the review.
pub(super) fn said(body: Option<&Map<String, Value>>, mut seed: Seed) -> (u64, String) {
    let Some(body) = body else {
        let opinion = opinion_of(&mut seed);
        return (u64::from(opinion.stars), opinion.language.to_owned());
    };
    let stars = body.get("stars").and_then(Value::as_u64);
    let language = body.get("language").and_then(Value::as_str);
    (
        stars.unwrap_or_default(),
        language.unwrap_or_default().to_owned(),
    )
}

/// The review of this number as nobody has touched it.
pub(super) fn made(
    mut seed: Seed,
    number: u64,
    times: Times,
    business_unit: &str,
) -> Map<String, Value> {
    // First, so that `said` finds the same.
    let opinion = opinion_of(&mut seed);
    let (first, last) = names::person(&mut seed);
    let reply = reply_to(opinion, &mut seed)
        .map(|text| json!({ "text": text, "createdAt": told(times.updated_s), "updatedAt": null }));
    let initial: String = last.chars().take(1).collect();
    let made = json!({
        "stars": opinion.stars,
        "title": opinion.title,
        "text": opinion.text,
        "language": opinion.language,
        "experiencedAt": told(times.created_s - EXPERIENCED_S),
        "companyReply": reply,
        "consumer": {
            "id": format!("5a0b00000000{number:012x}"),
            "displayName": format!("{first} {initial}."),
            "displayLocation": null,
            "numberOfReviews": 1 + seed.below(9),
        },
        "businessUnit": {
            "id": business_unit,
            "identifyingName": "tea-and-cup.example",
            "displayName": "Tea and Cup",
        },
        // RFC 2606: nobody can be reached there.
        "referralEmail": format!("{first}.{last}{number}@mail.example").to_lowercase(),
        "referenceId": format!("#{}", 1_000 + number),
        "isVerified": seed.chance(70),
        "source": "InvitationApi",
        "status": "active",
        "numberOfLikes": seed.below(4),
        "reportData": null,
        "location": null,
        "tags": [],
    });
    let mut body = match made {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    stamp(&mut body, number, times.created_s, None);
    body
}
