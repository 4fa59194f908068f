//! What a flow file can get wrong about the columns of its files.

use rstest::rstest;

use super::*;

const INVOICES: &str = include_str!("../../../../../infra/flows/examples/invoices.toml");
const FORMAT: &str = "format = { type = \"csv\" }";

fn invoices(columns: &str) -> String {
    let format = format!("format = {{ type = \"csv\", columns = [\n{columns}\n] }}");
    edited(INVOICES, FORMAT, &format)
}

#[rstest]
#[case::twice(
    "\"number\",\n\"supplier\",\n\"number\",",
    2,
    "columns 1 and 3 of `source.format.columns` are both called `number`: a row would hold one of them alone"
)]
#[case::thrice(
    "\"number\", \"number\",\n\"number\",",
    1,
    "columns 1 and 3 of `source.format.columns` are both called `number`: a row would hold one of them alone"
)]
#[case::no_name(
    "\"number\",\n\" \",",
    1,
    "column 2 of `source.format.columns` has no name"
)]
#[case::ours(
    "\"_line\",",
    0,
    "column 1 of `source.format.columns` is called `_line`, as what says in each row where it stands"
)]
fn a_column_that_no_row_can_hold_is_told_with_its_line(
    #[case] columns: &str,
    #[case] lines_below: usize,
    #[case] message: &str,
) {
    let text = invoices(columns);
    let line = 1 + line_of(&text, "columns = [") + lines_below;
    let told = lines(&check_text(text).mistakes);
    assert!(told.contains(&format!("{line}: {message}")), "{told:#?}");
}

#[test]
fn columns_of_different_names_are_no_mistake() {
    let text = invoices("\"number\", \"Number\", \"supplier\"");
    let told = lines(&check_text(text).mistakes);
    assert!(
        !told.iter().any(|told| told.contains("column")),
        "{told:#?}"
    );
}
