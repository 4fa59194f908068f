//! JSON made up from a schema, and put at a path.

use serde_json::{Map, Value, json};
use tidegate_testkit::doubles::Seed;

/// Entries of an array whose schema names no least number.
const MOST_ENTRIES: u32 = 3;
/// The range of a number whose schema names none.
const NUMBERS: (f64, f64) = (1.0, 100.0);
/// Nesting of a schema that is followed.
const MAX_DEPTH: u32 = 8;
/// Digits of the chance that makes a text unlike every other.
const DIGITS: usize = 7;

/// Why no value can be made up for a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its schema uses `{0}`, which nothing is made up for")]
pub(super) struct NotMadeUp(pub(super) String);

/// A value that a schema allows.
pub(super) fn value_of(schema: &Value, seed: &mut Seed) -> Result<Value, NotMadeUp> {
    make(schema, seed, 0)
}

fn make(schema: &Value, seed: &mut Seed, depth: u32) -> Result<Value, NotMadeUp> {
    if depth > MAX_DEPTH {
        return Err(NotMadeUp("nesting".to_owned()));
    }
    if let Some(constant) = schema.get("const") {
        return Ok(constant.clone());
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        let values: Vec<Value> = values
            .iter()
            .filter(|value| !value.is_null())
            .cloned()
            .collect();
        return Ok(seed.pick(&values));
    }
    for either in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(either).and_then(|of| of.get(0)) {
            return make(first, seed, depth + 1);
        }
    }
    for unread in ["$ref", "allOf", "not", "if", "pattern", "patternProperties"] {
        if schema.get(unread).is_some() {
            return Err(NotMadeUp(unread.to_owned()));
        }
    }
    match kind(schema) {
        "string" => text(schema, seed),
        "integer" => Ok(integer(schema, seed)),
        "number" => Ok(number(schema, seed)),
        "boolean" => Ok(Value::Bool(seed.chance(50))),
        "array" => array(schema, seed, depth),
        "object" => object(schema, seed, depth),
        "null" => Ok(Value::Null),
        other => Err(NotMadeUp(format!("type: {other}"))),
    }
}

/// The type; of several the first that is not null. A text where none is named.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("null"),
        _ if schema.get("items").is_some() => "array",
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    }
}

fn text(schema: &Value, seed: &mut Seed) -> Result<Value, NotMadeUp> {
    let unlike = digits(seed);
    let made = match schema.get("format").and_then(Value::as_str) {
        None => format!("text {unlike}"),
        Some("email") => return Ok(json!(format!("{unlike}@example.com"))),
        Some("uri" | "url" | "iri") => return Ok(json!(format!("https://example.com/{unlike}"))),
        Some("uuid") => {
            let (one, two) = (seed.next_u64(), seed.next_u64());
            return Ok(json!(format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                one >> 32,
                (one >> 16) & 0xffff,
                one & 0xfff,
                (two >> 48) & 0xfff,
                two & 0xffff_ffff_ffff
            )));
        }
        Some("date") => {
            let day = 1 + seed.below(28);
            let month = 1 + seed.below(12);
            return Ok(json!(format!("2025-{month:02}-{day:02}")));
        }
        Some("date-time") => {
            let (day, hour, minute) = (1 + seed.below(28), seed.below(24), seed.below(60));
            return Ok(json!(format!("2025-01-{day:02}T{hour:02}:{minute:02}:00Z")));
        }
        Some(other) => return Err(NotMadeUp(format!("format: {other}"))),
    };
    let length = |name: &str| schema.get(name).and_then(Value::as_u64);
    let most = length("maxLength").map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    let least = length("minLength").map_or(0, |least| usize::try_from(least).unwrap_or(0));
    let mut made = if made.len() > most { unlike } else { made };
    made.truncate(most);
    while made.len() < least {
        made.push('x');
    }
    Ok(Value::String(made))
}

/// A text that is unlike every other made so far, as good as always.
fn digits(seed: &mut Seed) -> String {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u',
        'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9', '1',
    ];
    (0..DIGITS).map(|_| seed.pick(&ALPHABET)).collect()
}

fn bounds(schema: &Value) -> (f64, f64) {
    let of = |name: &str| schema.get(name).and_then(Value::as_f64);
    let least = of("minimum").or_else(|| of("exclusiveMinimum").map(|least| least + 1.0));
    let most = of("maximum").or_else(|| of("exclusiveMaximum").map(|most| most - 1.0));
    match (least, most) {
        (Some(least), Some(most)) => (least, most.max(least)),
        (Some(least), None) => (least, least + NUMBERS.1),
        (None, Some(most)) => (most - NUMBERS.1, most),
        (None, None) => NUMBERS,
    }
}

fn integer(schema: &Value, seed: &mut Seed) -> Value {
    let (least, most) = bounds(schema);
    let step = schema
        .get("multipleOf")
        .and_then(Value::as_f64)
        .unwrap_or(1.0)
        .max(1.0);
    let steps = ((most / step).floor() - (least / step).ceil()).max(0.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let choices = steps.min(1_000_000.0) as u32;
    let value = ((least / step).ceil() + f64::from(seed.below(choices + 1))) * step;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a whole number within the schema's bounds"
    )]
    let value = value as i64;
    json!(value)
}

fn number(schema: &Value, seed: &mut Seed) -> Value {
    if schema.get("multipleOf").is_some() {
        return integer(schema, seed);
    }
    let (least, most) = bounds(schema);
    // Tenths, as scores and prices are written.
    let tenths = ((most - least) * 10.0).clamp(0.0, 1_000_000.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let choices = tenths as u32;
    let value = least + f64::from(seed.below(choices + 1)) / 10.0;
    json!((value * 10.0).round() / 10.0)
}

fn array(schema: &Value, seed: &mut Seed, depth: u32) -> Result<Value, NotMadeUp> {
    let count = |name: &str| {
        let count = schema.get(name).and_then(Value::as_u64)?;
        u32::try_from(count).ok()
    };
    let least = count("minItems").unwrap_or(0);
    let most = count("maxItems")
        .unwrap_or(MOST_ENTRIES)
        .min(least.max(MOST_ENTRIES));
    let anything = json!({ "type": "string" });
    let of = schema.get("items").unwrap_or(&anything);
    let mut entries: Vec<Value> = Vec::new();
    for _ in 0..(least + seed.below(most.saturating_sub(least) + 1)) {
        let entry = make(of, seed, depth + 1)?;
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    Ok(Value::Array(entries))
}

fn object(schema: &Value, seed: &mut Seed, depth: u32) -> Result<Value, NotMadeUp> {
    let mut made = Map::new();
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, of) in properties {
            made.insert(name.clone(), make(of, seed, depth + 1)?);
        }
    }
    Ok(Value::Object(made))
}

/// Puts a value at a path of names, and makes the objects on the way. False where something else
/// than an object stands there.
pub(super) fn put(at: &mut Value, path: &[String], value: Value) -> bool {
    let Some((last, way)) = path.split_last() else {
        *at = value;
        return true;
    };
    let mut place = at;
    for name in way {
        let Value::Object(object) = place else {
            return false;
        };
        place = object
            .entry(name.clone())
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(object) = place else {
        return false;
    };
    object.insert(last.clone(), value);
    true
}

/// Puts a value at a JSON pointer, and makes objects and arrays on the way: a part of digits is a
/// place in an array.
pub(super) fn put_at_pointer(at: &mut Value, pointer: &str, value: Value) {
    let mut place = at;
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let index = name
            .parse::<usize>()
            .ok()
            .filter(|index| *index < MOST_PLACES);
        place = match index {
            Some(index) => place_in_array(place, index),
            None => place_in_object(place, name),
        };
    }
    *place = value;
}

/// Places of an array that a pointer may name: answers hold the first, or the first few.
const MOST_PLACES: usize = 16;

fn place_in_array(place: &mut Value, index: usize) -> &mut Value {
    let mut entries = match place.take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    if entries.len() <= index {
        entries.resize(index + 1, Value::Null);
    }
    *place = Value::Array(entries);
    #[allow(clippy::indexing_slicing, reason = "made so long above")]
    &mut place[index]
}

fn place_in_object(place: &mut Value, name: String) -> &mut Value {
    let object = match place.take() {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    *place = Value::Object(object);
    #[allow(
        clippy::indexing_slicing,
        reason = "an object, in which an absent name is made"
    )]
    &mut place[name]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_satisfies_its_schema() {
        let schemas = [
            json!({ "type": "string", "minLength": 12, "maxLength": 20 }),
            json!({ "type": "string", "maxLength": 3 }),
            json!({ "type": ["integer", "null"] }),
            json!({ "type": "integer", "minimum": -5, "maximum": -5 }),
            json!({ "type": "integer", "minimum": 10, "multipleOf": 7 }),
            json!({ "type": "number", "minimum": 0, "maximum": 100 }),
            json!({ "type": "number", "exclusiveMinimum": 3 }),
            json!({ "enum": ["a", null, "b"] }),
            json!({ "const": 7 }),
            json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "string" } }),
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "boolean" } } }),
            json!({ "oneOf": [{ "type": "boolean" }, { "type": "null" }] }),
            json!({ "type": "string", "format": "email" }),
            json!({ "type": "string", "format": "uuid" }),
            json!({ "type": "string", "format": "date-time" }),
            json!({}),
        ];
        let mut seed = Seed::new(1);
        for schema in schemas {
            for _ in 0..50 {
                let made = value_of(&schema, &mut seed).unwrap();
                assert!(fits(&schema, &made), "{schema} {made}");
            }
        }
    }

    fn fits(schema: &Value, made: &Value) -> bool {
        jsonschema::validator_for(schema).unwrap().is_valid(made)
    }

    #[test]
    fn what_cannot_be_made_up_is_named() {
        let mut seed = Seed::new(1);
        let made = value_of(&json!({ "type": "string", "pattern": "^x" }), &mut seed);
        assert_eq!(made, Err(NotMadeUp("pattern".to_owned())));
    }

    #[test]
    fn a_value_stands_at_its_path_and_at_its_pointer() {
        let mut row = json!({});
        assert!(put(&mut row, &["a".to_owned(), "b".to_owned()], json!(1)));
        assert!(!put(
            &mut row,
            &["a".to_owned(), "b".to_owned(), "c".to_owned()],
            json!(1)
        ));
        assert_eq!(row, json!({ "a": { "b": 1 } }));
        for (pointer, expected) in [
            ("", json!(7)),
            ("/a/b", json!({ "a": { "b": 7 } })),
            ("/value/0/x~1y", json!({ "value": [{ "x/y": 7 }] })),
        ] {
            let mut body = Value::Null;
            put_at_pointer(&mut body, pointer, json!(7));
            assert_eq!(body, expected, "{pointer}");
        }
    }
}
