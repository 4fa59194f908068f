//! What a flow's schema has against the fields of a record, told without their values.

use jsonschema::{
    Draft, Registry, ValidationError, ValidationOptions, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidegate_model::Fields;

/// Faults of one record that are told. A record with more is as broken as one with these.
const MAX_FAULTS: usize = 50;

/// What a schema that was checked before is called.
const KNOWN: &str = "tidegate:record";

/// One thing wrong with one field. Never holds the field's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    /// The field's name, with the path below it where the fault lies deeper: `certificates/2`.
    pub field: String,
    /// What is wrong: `must be at most 100`.
    pub reason: String,
}

/// What is wrong with a flow's schema.
pub(crate) struct SchemaFault {
    /// JSON pointer into the schema.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) why: String,
}

/// Compiles a flow's schema. References to other documents are refused, since a check makes no call.
pub(crate) fn compile_schema(schema: &Map<String, Value>) -> Result<Validator, SchemaFault> {
    let built = options().build(&Value::Object(schema.clone()));
    built.map_err(|error| SchemaFault::of(&error))
}

/// The same of a schema that was checked before. It is not held against the schema of schemas, which alone
/// takes 2 ms to compile, at each start of a function; but it must compile. Of what the schema of schemas
/// refuses, an `items` that is no schema was seen to compile: it is passed over.
pub(crate) fn compile_known_schema(schema: &Map<String, Value>) -> Result<Validator, SchemaFault> {
    let schema = Value::Object(schema.clone());
    let draft = Draft::default().detect(&schema);
    let known = Registry::new()
        .add(KNOWN, draft.create_resource(schema))
        .and_then(jsonschema::RegistryBuilder::prepare)
        .map_err(|error| SchemaFault {
            pointer: String::new(),
            why: error.to_string(),
        })?;
    // Only the document that is named here is held against the schema of its draft, and that of this one
    // is small.
    let built = options()
        .with_draft(Draft::Draft4)
        .with_registry(&known)
        .build(&json!({ "$ref": KNOWN }));
    built.map_err(|error| SchemaFault::of(&error))
}

fn options<'a>() -> ValidationOptions<'a> {
    jsonschema::options().should_validate_formats(true)
}

impl SchemaFault {
    fn of(error: &ValidationError<'_>) -> Self {
        let pointer = error.instance_path().to_string();
        let why = if pointer.ends_with("/type") {
            "`type` must be one of string, number, integer, boolean, array, object, null".to_owned()
        } else {
            error.to_string()
        };
        Self { pointer, why }
    }
}

pub(super) fn faults(schema: &Validator, fields: &Fields) -> Vec<FieldFault> {
    let document = Value::Object(fields.clone());
    let mut faults: Vec<FieldFault> = schema
        .iter_errors(&document)
        .take(MAX_FAULTS)
        .flat_map(|error| faults_of(&error))
        .collect();
    faults.dedup();
    faults
}

fn faults_of(error: &ValidationError<'_>) -> Vec<FieldFault> {
    let path = error.instance_path().to_string();
    let path = path.strip_prefix('/').unwrap_or(&path);
    let at = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        }
    };
    let whole = if path.is_empty() { "(record)" } else { path };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![FieldFault {
                field: at(property.as_str().unwrap_or_default()),
                reason: "is required".to_owned(),
            }]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| FieldFault {
                field: at(name),
                reason: "is not in the schema".to_owned(),
            })
            .collect(),
        kind => vec![FieldFault {
            field: whole.to_owned(),
            reason: reason(kind, error.instance()),
        }],
    }
}

/// What is wrong, in words that name the schema's side only.
fn reason(kind: &ValidationErrorKind, instance: &Value) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { .. } | Kind::Enum { .. } if instance.is_null() => "has no value".to_owned(),
        Kind::Type { kind } => format!("must be {}", type_words(kind)),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} entries"),
        Kind::MaxItems { limit } => format!("must have at most {limit} entries"),
        Kind::MinProperties { limit } => format!("must have at least {limit} names"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} names"),
        Kind::UniqueItems => "must not hold an entry twice".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::Format { format } => format!("must be of the format `{format}`"),
        Kind::Contains => "lacks an entry that the schema asks for".to_owned(),
        Kind::FalseSchema => "is not allowed".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "matches none of the forms that the schema allows".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => "matches more than one form of the schema".to_owned(),
        Kind::Not { .. } => "has a form that the schema forbids".to_owned(),
        other => format!("breaks the schema's rule `{}`", other.keyword()),
    }
}

pub(crate) fn type_words(kind: &TypeKind) -> String {
    let word = |name: &str| match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => "null",
    };
    match kind {
        TypeKind::Single(kind) => word(&kind.to_string()).to_owned(),
        TypeKind::Multiple(kinds) => {
            let words: Vec<&str> = kinds.iter().map(|kind| word(&kind.to_string())).collect();
            words.join(" or ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(of_field: &Value) -> Map<String, Value> {
        let schema = json!({"type": "object", "properties": {"a": of_field}, "required": ["a"]});
        schema.as_object().unwrap().clone()
    }

    #[test]
    fn a_schema_that_was_checked_before_finds_the_same_faults() {
        for of_field in [
            json!({"type": "number", "minimum": 3, "maximum": 4}),
            json!({"type": "string", "minLength": 2, "format": "email"}),
            json!({"enum": ["x", "y"]}),
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 1}),
            json!({"type": ["string", "null"], "pattern": "^x+$"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "boolean"}),
        ] {
            let schema = schema(&of_field);
            let Ok(whole) = compile_schema(&schema) else {
                panic!("{of_field}");
            };
            let Ok(known) = compile_known_schema(&schema) else {
                panic!("{of_field}");
            };
            for value in [
                json!(1),
                json!("x"),
                json!("no mail"),
                json!([]),
                json!(["x"]),
                json!(null),
            ] {
                let fields = Fields::from_iter([("a".to_owned(), value)]);
                assert_eq!(
                    faults(&whole, &fields),
                    faults(&known, &fields),
                    "{of_field} {fields:?}"
                );
            }
        }
    }

    #[test]
    fn items_that_are_no_schema_are_for_the_check_to_refuse() {
        let schema = schema(&json!({"items": 3}));
        assert!(compile_schema(&schema).is_err());
        assert!(compile_known_schema(&schema).is_ok());
    }

    #[test]
    fn what_can_not_be_judged_by_does_not_compile_however_it_was_checked() {
        for of_field in [
            json!({"type": "nmber"}),
            json!({"minimum": "3"}),
            json!({"minLength": -1}),
            json!({"enum": "x"}),
            json!({"required": "a"}),
            json!({"properties": []}),
            json!({"pattern": "("}),
            json!({"allOf": {}}),
            json!({"multipleOf": "x"}),
            json!({"$ref": "https://example.com/other"}),
            json!({"$ref": "#/definitions/none"}),
            json!({"additionalProperties": 7}),
            json!({"format": 1}),
            json!(7),
        ] {
            let schema = schema(&of_field);
            assert!(compile_schema(&schema).is_err(), "{of_field}");
            assert!(compile_known_schema(&schema).is_err(), "{of_field}");
        }
    }
}
