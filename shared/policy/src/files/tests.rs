use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use tidegate_model::flow::Delimiter;

use super::*;

const COMMA: FileFormat = FileFormat::Csv {
    delimiter: Delimiter::Comma,
    columns: Vec::new(),
};

/// Reads a file to its end in pieces of so many bytes, and more where no row fits.
fn read_all(
    format: &FileFormat,
    text: &[u8],
    piece_bytes: usize,
    most_rows: usize,
) -> Result<(Vec<Value>, Vec<BadLine>), BadFile> {
    let (mut place, mut rows, mut bad) = (Place::default(), Vec::new(), Vec::new());
    let mut most = piece_bytes;
    loop {
        let from = usize::try_from(place.at).unwrap();
        let to = text.len().min(from + most);
        let is_last = to == text.len();
        let form = Form {
            format,
            key_columns: &BTreeSet::new(),
        };
        let piece = read(form, "f.csv", &place, &text[from..to], is_last, most_rows)?;
        if piece.next == place && !is_last {
            most = (most * 2).min(MAX_ROW_BYTES);
            continue;
        }
        most = piece_bytes;
        assert!(piece.rows.len() + piece.bad.len() <= most_rows + 1);
        rows.extend(piece.rows);
        bad.extend(piece.bad);
        place = piece.next;
        if place.at >= text.len() as u64 {
            return Ok((rows, bad));
        }
    }
}

fn whole(format: &FileFormat, text: &str) -> (Vec<Value>, Vec<BadLine>) {
    read_all(format, text.as_bytes(), PIECE_BYTES, 1_000).unwrap()
}

fn told_of(bad: &[BadLine]) -> Vec<String> {
    let line = |bad: &BadLine| format!("{}: {}", bad.line, bad.reason);
    bad.iter().map(line).collect()
}

#[test]
fn a_row_of_csv_has_the_columns_of_its_header_and_says_where_it_stands() {
    let text = "\u{feff}id, amount\r\n1,\"2,50\"\r\n\r\n2,\"a \"\"b\"\"\nc\"\r\n3,\r\n";
    let (rows, bad) = whole(&COMMA, text);
    assert_eq!(
        rows,
        [
            json!({"id": "1", "amount": "2,50", "_file": "f.csv", "_line": 2}),
            json!({"id": "2", "amount": "a \"b\"\nc", "_file": "f.csv", "_line": 4}),
            json!({"id": "3", "amount": "", "_file": "f.csv", "_line": 6}),
        ]
    );
    assert_eq!(bad, []);
}

#[test]
fn columns_may_be_named_by_the_flow() {
    let format = FileFormat::Csv {
        delimiter: Delimiter::Semicolon,
        columns: vec!["id".to_owned(), "amount".to_owned()],
    };
    let (rows, _) = whole(&format, "1;2,50");
    assert_eq!(
        rows,
        [json!({"id": "1", "amount": "2,50", "_file": "f.csv", "_line": 1})]
    );
}

#[test]
fn a_bad_line_is_named_and_the_good_ones_go_on() {
    let text = b"id,amount\n1,2\n1,2,3\nx\n\xff,4\n5,6\n";
    let (rows, bad) = read_all(&COMMA, text, PIECE_BYTES, 1_000).unwrap();
    let ids: Vec<&Value> = rows.iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, ["1", "5"]);
    assert_eq!(
        told_of(&bad),
        [
            "3: it has 3 fields, and the file 2 columns",
            "4: it has 1 fields, and the file 2 columns",
            "5: `id` is no UTF-8 text",
        ]
    );
    assert_eq!(bad[0].text, "1,2,3");
}

#[test]
fn json_lines_are_objects_and_what_is_none_is_named() {
    let text = "{\"id\":1}\r\n\n[1]\n{\"id\":\n{\"_line\":1}\n{\"id\":2}";
    let (rows, bad) = whole(&FileFormat::JsonLines, text);
    assert_eq!(
        rows,
        [
            json!({"id": 1, "_file": "f.csv", "_line": 1}),
            json!({"id": 2, "_file": "f.csv", "_line": 6}),
        ]
    );
    assert_eq!(
        told_of(&bad),
        [
            "3: it is no JSON object",
            "4: it is no JSON, at column 6",
            "5: it has `_file` or `_line`, which tell where a row stands",
        ]
    );
}

#[rstest]
#[case::no_name("id,,amount\n", BadFile::NoName(2))]
#[case::twice("id,amount,id\n", BadFile::Twice(3))]
#[case::ours("id,_line\n", BadFile::Ours(2))]
fn a_file_whose_header_tells_no_columns_is_refused(#[case] text: &str, #[case] why: BadFile) {
    assert_eq!(read_all(&COMMA, text.as_bytes(), 64, 10), Err(why));
}

#[test]
fn a_header_that_no_checkpoint_holds_is_refused() {
    for text in [
        "a,".repeat(MAX_ROW_BYTES),
        format!("{}\n1\n", "a".repeat(MAX_HEADER_BYTES + 1)),
    ] {
        let read = read_all(&COMMA, text.as_bytes(), PIECE_BYTES, 10);
        assert_eq!(read, Err(BadFile::TooLong));
    }
}

#[rstest]
#[case::csv(COMMA, "id,text\n1,a\n2,\"", "\n3,b\n")]
#[case::json(
    FileFormat::JsonLines,
    "{\"id\":\"0\"}\n{\"id\":\"1\"}\n",
    "\n{\"id\":\"3\"}\n"
)]
fn a_row_that_is_too_long_costs_its_line_and_no_other(
    #[case] format: FileFormat,
    #[case] before: &str,
    #[case] behind: &str,
) {
    let text = format!("{before}{}{behind}", "x".repeat(3 * MAX_ROW_BYTES));
    let (rows, bad) = read_all(&format, text.as_bytes(), PIECE_BYTES, 10).unwrap();
    assert_eq!(rows.last().unwrap()["id"], "3");
    let expected = format!("3: it is longer than {MAX_ROW_BYTES} bytes, or a quote has no end");
    assert_eq!(told_of(&bad), [expected]);
    assert!(bad[0].text.len() <= PIECE_BYTES);
}

#[test]
fn a_quote_without_an_end_costs_its_line_and_no_other() {
    let rest = "9,z\n".repeat(MAX_ROW_BYTES / 2);
    let text = format!("id,text\n1,a\n2,\"b\n{rest}");
    let (rows, bad) = read_all(&COMMA, text.as_bytes(), PIECE_BYTES, 1_000).unwrap();
    assert_eq!(rows.len(), 1 + MAX_ROW_BYTES / 2);
    assert_eq!(bad.len(), 1);
    assert_eq!((bad[0].line, &rows[1]["_line"]), (3, &json!(4)));
}

#[test]
fn an_empty_file_has_nothing_in_it() {
    for format in [COMMA, FileFormat::JsonLines] {
        assert_eq!(whole(&format, ""), (vec![], vec![]));
    }
}

proptest! {
    /// However a file is cut into pieces, it says the same, and every line is a row or is named.
    #[test]
    fn pieces_of_any_size_give_the_same_rows(
        lines in prop::collection::vec("[a1,\" {}\\[\\]:\r]{0,12}", 0..30),
        piece_bytes in 1_usize..64,
        most_rows in 1_usize..5,
        is_csv: bool,
    ) {
        let format = if is_csv { COMMA } else { FileFormat::JsonLines };
        let text = format!("a,b\n{}", lines.join("\n"));
        let once = read_all(&format, text.as_bytes(), MAX_ROW_BYTES, 1_000).unwrap();
        let parts = read_all(&format, text.as_bytes(), piece_bytes, most_rows).unwrap();
        prop_assert_eq!(&once, &parts);
    }

    #[test]
    fn no_bytes_stop_it(bytes in prop::collection::vec(any::<u8>(), 0..400), is_csv: bool) {
        let format = if is_csv { COMMA } else { FileFormat::JsonLines };
        drop(read_all(&format, &bytes, 32, 3));
    }
}

fn header_for(key: &str, text: &str) -> Result<usize, BadFile> {
    let form = Form {
        format: &COMMA,
        key_columns: &key_columns(&Expression::compile(key).unwrap()),
    };
    let piece = read(form, "f.csv", &Place::default(), text.as_bytes(), true, 9)?;
    Ok(piece.rows.len())
}

#[test]
fn a_header_without_any_column_of_the_key_is_none_and_says_what_is_there() {
    let bad = header_for("row.number | trim", "number;supplier\n1;a\n").unwrap_err();
    assert_eq!(
        bad.to_string(),
        "its header has no column that the key needs (`number`); it is one column with a delimiter in its \
         name: `delimiter` in the flow may be another than the file's"
    );
    assert_eq!(bad.found(), "`number;supplier`");
    let bad = header_for("[row.number, row.site] | join('-')", "nr,lieferant\n1,a\n").unwrap_err();
    assert_eq!(
        bad.to_string(),
        "its header has no column that the key needs (`number`, `site`)"
    );
    assert_eq!(bad.found(), "`nr`, `lieferant`");
    let wide: Vec<String> = (0..200).map(|n| format!("{n:0>50}")).collect();
    let bad = header_for("row.number", &wide.join(",")).unwrap_err();
    assert!(
        bad.found().ends_with("...`, and 180 more"),
        "{}",
        bad.found()
    );
    assert!(bad.found().len() < 1_200);
}

#[rstest]
#[case::one_of_two("row.number or row.nr")]
#[case::in_each_row("row._file ~ row._line")]
#[case::or_in_each_row("row.number or row._line")]
#[case::by_a_text("row['a number']")]
#[case::by_both("row.number or row['a number']")]
#[case::the_whole_row("row | hash")]
#[case::no_column("'one'")]
fn a_header_that_may_give_a_key_is_read(#[case] key: &str) {
    assert_eq!(header_for(key, "nr,lieferant\n1,a\n"), Ok(1));
}
