//! The statements that ship, with the names of an account put in.

use tidegate_engine::ports::WarehouseError;
use tidegate_model::flow::WarehouseSpec;

/// A file of `infra/snowflake`.
#[derive(Clone, Copy)]
pub(super) struct Shipped {
    name: &'static str,
    text: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        Shipped {
            name: $name,
            text: include_str!(concat!("../../../../infra/snowflake/", $name)),
        }
    };
}

pub(super) const MERGE: Shipped = shipped!("11_merge.sql");
pub(super) const COLUMNS: Shipped = shipped!("12_columns.sql");
pub(super) const FLOWS: Shipped = shipped!("21_reconcile_flows.sql");
pub(super) const BUCKETS: Shipped = shipped!("22_reconcile_buckets.sql");
pub(super) const ROWS: Shipped = shipped!("23_reconcile_rows.sql");
pub(super) const UNSOUND: Shipped = shipped!("24_unsound.sql");
pub(super) const NOT_LOADED: Shipped = shipped!("31_files_not_loaded.sql");
pub(super) const LANDING_AGE: Shipped = shipped!("33_landing_age.sql");

/// One request's statements and what is bound in them.
#[derive(Debug)]
pub(super) struct Statement {
    name: &'static str,
    texts: Vec<String>,
    bindings: Vec<String>,
}

impl Statement {
    /// The statements of a file, of this account.
    pub(super) fn new(shipped: Shipped, spec: &WarehouseSpec) -> Result<Self, WarehouseError> {
        let text = without_comments(shipped.text)
            .replace("&{database}", &name("database", &spec.database)?)
            .replace("&{schema}", &name("schema", &spec.schema)?);
        // No literal holds a semicolon: tests/warehouse sees to it.
        let texts = text.split(';').map(str::trim);
        Ok(Self {
            name: shipped.name,
            texts: texts
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
            bindings: Vec::new(),
        })
    }

    /// Binds the next value.
    pub(super) fn bind(mut self, value: impl Into<String>) -> Self {
        self.bindings.push(value.into());
        self
    }

    /// The file that it is from.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// How many statements it is.
    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }

    /// The statements as one text.
    pub(super) fn text(&self) -> String {
        self.texts.join(";\n")
    }

    /// What is bound, in the order of its places.
    pub(super) fn bindings(&self) -> &[String] {
        &self.bindings
    }
}

/// No literal holds two dashes: tests/warehouse sees to it.
fn without_comments(text: &str) -> String {
    let bare = |line: &str| {
        let code = line.split_once("--").map_or(line, |(code, _)| code);
        code.trim_end().to_owned()
    };
    let lines: Vec<String> = text.lines().map(bare).collect();
    lines.join("\n")
}

/// A name as Snowflake keeps it where it is not quoted: in capital letters. It goes into a text, so that one
/// that could end its place there is refused.
pub(super) fn name(of: &str, name: &str) -> Result<String, WarehouseError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_$".contains(character);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(WarehouseError::Refused {
            reason: format!(
                "the name of the {of} may hold letters, digits, `_` and `$` and nothing else: {name:?} does not stand for itself in a statement"
            ),
        });
    }
    Ok(name.to_uppercase())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{super::tests::spec, *};

    #[rstest]
    #[case(MERGE, 5, 0)]
    #[case(COLUMNS, 1, 1)]
    #[case(FLOWS, 1, 0)]
    #[case(BUCKETS, 1, 1)]
    #[case(ROWS, 1, 3)]
    #[case(UNSOUND, 1, 2)]
    #[case(NOT_LOADED, 1, 1)]
    #[case(LANDING_AGE, 1, 0)]
    fn a_file_is_its_statements_with_every_name_put_in(
        #[case] shipped: Shipped,
        #[case] count: usize,
        #[case] bindings: usize,
    ) {
        let statement = Statement::new(shipped, &spec()).unwrap();
        let text = statement.text();
        assert_eq!(statement.count(), count);
        assert_eq!(text.matches('?').count(), bindings, "{text}");
        assert!(text.contains("TIDEGATE."), "{text}");
        for left in ["&{", "--"] {
            assert!(!text.contains(left), "{left} in {text}");
        }
        assert!(!text.ends_with(';'));
    }

    /// By a shorter part its reader would take the bucket to be at its end.
    #[test]
    fn a_part_of_a_bucket_is_as_long_as_its_reader_believes() {
        let limit = format!("LIMIT {}\n", super::super::result::MAX_ROWS);
        let text = ROWS.text.replace(';', "");
        assert!(text.contains(&limit), "{text}");
    }

    #[rstest]
    #[case("")]
    #[case("a b")]
    #[case("a;b")]
    #[case("a.b")]
    #[case("a'b")]
    #[case("a\"b")]
    #[case("größe")]
    #[case("a\n")]
    fn what_is_no_plain_name_is_refused_with_its_place(#[case] wrong: &str) {
        for place in ["database", "schema"] {
            let mut spec = spec();
            match place {
                "database" => wrong.clone_into(&mut spec.database),
                _ => wrong.clone_into(&mut spec.schema),
            }
            let refused = Statement::new(MERGE, &spec).unwrap_err();
            assert!(
                matches!(&refused, WarehouseError::Refused { reason } if reason.contains(place)),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_name_stands_in_capital_letters() {
        assert_eq!(name("role", "load_Role$1").unwrap(), "LOAD_ROLE$1");
    }
}
