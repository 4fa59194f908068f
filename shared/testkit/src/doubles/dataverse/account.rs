//! What an account holds, and the columns that there are.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::doubles::Seed;

/// Every column that can be selected. A true account has some hundreds.
pub(super) const COLUMNS: [&str; 14] = [
    "accountid",
    "name",
    "accountnumber",
    "emailaddress1",
    "telephone1",
    "websiteurl",
    "address1_city",
    "address1_country",
    "creditlimit",
    "creditonhold",
    "statecode",
    CURRENCY_COLUMN,
    "createdon",
    "modifiedon",
];
/// The column in which amounts of money are told, in the currency of the account.
const MONEY: &str = "creditlimit";
/// That currency, which comes along with each amount whether or not it was selected.
const CURRENCY_COLUMN: &str = "_transactioncurrencyid_value";
/// The one currency of the environment.
const CURRENCY: &str = "c0de0000-0000-4000-8000-000000000978";
/// In front of the number of an account in its id: no random one, so that a test can name it.
const ID_PREFIX: &str = "a0c0de00-0000-4000-8000-";

const STEMS: [&str; 12] = [
    "Fourth Coffee",
    "Litware",
    "Adventure Works",
    "Contoso Pharma",
    "Fabrikam",
    "Blue Yonder",
    "City Power",
    "Coho Winery",
    "Alpine Ski House",
    "Tailspin Toys",
    "Wide World Importers",
    "Woodgrove Bank",
];
const FORMS: [&str; 5] = ["Inc.", "GmbH", "B.V.", "Ltd", "S.A."];
const CITIES: [(&str, &str); 6] = [
    ("Utrecht", "Netherlands"),
    ("Leipzig", "Germany"),
    ("Lyon", "France"),
    ("Leeds", "United Kingdom"),
    ("Redmond", "United States"),
    ("Malmö", "Sweden"),
];

pub(super) fn id_of(number: u64) -> String {
    format!("{ID_PREFIX}{number:012x}")
}

pub(super) fn number_of(id: &str) -> Option<u64> {
    let digits = id.strip_prefix(ID_PREFIX)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (number > 0 && id_of(number) == id).then_some(number)
}

/// Whether a text is an id at all.
pub(super) fn is_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(is_hex)
}

/// A realistic account of this number, made and last changed at `at_ms`.
pub(super) fn made(mut choices: Seed, number: u64, at_ms: i64) -> Map<String, Value> {
    let stem = choices.pick(&STEMS);
    let (city, country) = choices.pick(&CITIES);
    let domain = stem.replace(' ', "-").to_ascii_lowercase();
    let body = json!({
        "name": format!("{stem} {}", choices.pick(&FORMS)),
        "accountnumber": format!("ACC-{number:06}"),
        "emailaddress1": format!("office{number}@{domain}.example"),
        "telephone1": format!("+31 555 {:04}", choices.below(10_000)),
        "websiteurl": choices.chance(70).then(|| format!("https://{domain}.example")),
        "address1_city": city,
        "address1_country": country,
        "creditonhold": choices.chance(5),
        "statecode": i32::from(choices.chance(8)),
        CURRENCY_COLUMN: CURRENCY,
        "createdon": time(at_ms),
        // Some have none.
        MONEY: choices.chance(70).then(|| f64::from(500 * (1 + choices.below(100)))),
    });
    let body = body.as_object().cloned().unwrap_or_default();
    stamped(body, number, 1, at_ms)
}

/// What the environment keeps itself of an account.
pub(super) fn stamped(
    mut body: Map<String, Value>,
    number: u64,
    version: u64,
    at_ms: i64,
) -> Map<String, Value> {
    body.insert("@odata.etag".to_owned(), json!(format!("W/\"{version}\"")));
    body.insert("accountid".to_owned(), json!(id_of(number)));
    body.insert("modifiedon".to_owned(), json!(time(at_ms)));
    body
}

/// An account with the columns that were selected: its id and its tag always, its currency beside an
/// amount, all where none is named.
pub(super) fn selected(body: &Map<String, Value>, select: &[String]) -> Map<String, Value> {
    let is_named = |name: &str| select.iter().any(|selected| selected == name);
    let is_meant = |name: &str| {
        select.is_empty()
            || name == "accountid"
            || name.starts_with('@')
            || is_named(name)
            || (name == CURRENCY_COLUMN && is_named(MONEY))
    };
    let kept = body.iter().filter(|(name, _)| is_meant(name));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// As the API writes a time: whole seconds in UTC.
pub(super) fn time(at_ms: i64) -> String {
    let at = Timestamp::from_second(at_ms.div_euclid(1_000)).unwrap_or_default();
    format!("{at:.0}")
}
