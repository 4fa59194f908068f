//! What another system's answers do to a value without changing it: space around a text, line breaks,
//! an empty text or list that is left out, 101.0 as 101. None of it is a difference in a comparison.

use serde_json::{Map, Value};

/// A value as it is compared; none for one that says nothing.
pub(crate) fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => {
            let text = text.replace("\r\n", "\n");
            match text.trim() {
                "" => None,
                text => Some(Value::from(text)),
            }
        }
        // JSON has one kind of number: 101.0 and 101 are the same.
        Value::Number(number) => Some(
            number
                .as_f64()
                .map_or_else(|| Value::Number(number.clone()), Value::from),
        ),
        Value::Array(entries) => {
            let entries: Vec<Value> = entries.iter().filter_map(plain).collect();
            (!entries.is_empty()).then_some(Value::Array(entries))
        }
        Value::Object(table) => {
            let table = plain_table(table);
            (!table.is_empty()).then_some(Value::Object(table))
        }
    }
}

/// A table as it is compared.
pub(crate) fn plain_table(table: &Map<String, Value>) -> Map<String, Value> {
    let plain = |(name, value): (&String, &Value)| plain(value).map(|value| (name.clone(), value));
    table.iter().filter_map(plain).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::space(json!(" a\r\nb "), json!("a\nb"))]
    #[case::empty_text(json!({"a": " ", "b": 1}), json!({"b": 1.0}))]
    #[case::null_and_empty(json!({"a": null, "b": [], "c": {"d": ""}, "e": false}), json!({"e": false}))]
    #[case::number(json!([101, 101.0]), json!([101.0, 101.0]))]
    fn what_says_nothing_is_no_difference(#[case] one: Value, #[case] other: Value) {
        assert_eq!(plain(&one), Some(other));
    }

    #[rstest]
    #[case::letters(json!("a"), json!("A"))]
    #[case::order(json!(["a", "b"]), json!(["b", "a"]))]
    #[case::kind(json!("1"), json!(1))]
    #[case::no_and_nothing(json!(false), json!(null))]
    #[case::nought_and_nothing(json!(0), json!(""))]
    fn what_says_something_else_is_a_difference(#[case] one: Value, #[case] other: Value) {
        assert_ne!(plain(&one), plain(&other));
    }
}
