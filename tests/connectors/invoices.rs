//! The flow of invoices as it ships: files that are dropped, to our own store.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_engine::{RunEnd, ports::Files};
use tidegate_policy::{
    files::{MAX_ROW_BYTES, PIECE_BYTES},
    register::{Register, State},
    run::Counts,
};
use tidegate_testkit::memory::MemoryFiles;

use crate::{
    orders::example,
    place::{Hands, Place},
};

const HEADER: &str = "number,supplier,issued,due,currency,total,status\n";

fn line(number: u32, total: &str, status: &str) -> String {
    format!("R-{number},Acme GmbH,2026-11-19 09:30,2026-12-19 00:00,eur,\"{total}\",{status}\n")
}

fn place(files: &Arc<MemoryFiles>) -> Place {
    let files: Arc<dyn Files> = Arc::<MemoryFiles>::clone(files);
    let settings = [("INVOICES", "drop".to_owned())];
    let text = example("invoices.toml");
    Place::with_files(&Hands::new(), &text, (&settings, &[]), &files)
}

async fn run(place: &Place) -> Counts {
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    report.counts
}

fn of(total: &str) -> Value {
    json!({
        "supplier": "Acme GmbH",
        "issued_at": "2026-11-19T08:30:00Z",
        "due_at": "2026-12-18T23:00:00Z",
        "currency": "EUR",
        "total": total,
        "status": "open",
    })
}

#[tokio::test]
async fn a_file_comes_to_our_store_and_each_line_that_is_none_is_named_out_1() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    let good = [line(1, "10,50", "open"), line(2, "7", "open")];
    let short = "R-3,Acme GmbH\n";
    let no_key = ",Acme GmbH,2026-11-19 09:30,,EUR,1,open\n";
    let no_time = "R-5,Acme GmbH,yesterday,,EUR,1,open\n";
    let no_sum = line(6, "much", "open");
    let text = [HEADER, &good[0], short, no_key, &good[1], no_time, &no_sum].concat();
    files.drop_file("2026-11-19.csv", text);
    let counts = run(&place).await;
    assert_eq!((counts.received, counts.rejected), (6, 3));
    assert_eq!((counts.staged, counts.in_review), (2, 1));

    let registers = place.registers();
    let content = |key: &str| json!(registers[key].desired.content.fields().unwrap());
    assert_eq!(content("R-1"), of("10.50"));
    assert_eq!(content("R-2"), of("7"));
    let cause = registers["R-6"].review.as_ref().unwrap();
    assert_eq!(cause.field.as_deref(), Some("total"));
    assert!(
        cause.reason.starts_with("line 7 of 2026-11-19.csv: "),
        "{}",
        cause.reason
    );
    let told: Vec<String> = place.orphans().into_keys().collect();
    assert_eq!(
        told,
        [
            "line 3 of 2026-11-19.csv: it has 2 fields, and the file 7 columns",
            "line 4 of 2026-11-19.csv: the key is refused: it is empty",
            "line 6 of 2026-11-19.csv: the field `issued_at` cannot be read: `row.issued | rfc3339('Europe/Berlin')` gives no value: `rfc3339` was given a text that is no date and time",
        ]
    );
    assert!(place.orphans()[&told[0]].contains(short.trim()));
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing_and_a_newer_one_does() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    let first = [
        HEADER,
        &line(1, "10,50", "open"),
        &line(2, "7", "open"),
        "x\n",
    ]
    .concat();
    files.drop_file("a.csv", first.clone());
    run(&place).await;
    let (before, orphans) = (place.registers(), place.orphans());

    // Nothing is read again, and of what is dropped again nothing is new.
    let reads = files.reads().len();
    assert_eq!(run(&place).await, Counts::default());
    assert_eq!(files.reads().len(), reads);
    files.drop_file("a.csv", first);
    let counts = run(&place).await;
    assert_eq!(
        (counts.received, counts.unchanged, counts.rejected),
        (3, 2, 1)
    );
    assert_eq!(place.orphans(), orphans);
    for (key, register) in place.registers() {
        assert_eq!(register.desired.content, before[&key].desired.content);
        assert_eq!(register.applied, before[&key].applied, "{key}");
    }

    let void = line(2, "7", "void");
    files.drop_file("b.csv", [HEADER, &line(1, "11", "open"), &void].concat());
    let counts = run(&place).await;
    assert_eq!((counts.received, counts.staged), (2, 2));
    let registers = place.registers();
    assert_eq!(
        registers["R-1"].desired.content.fields().unwrap()["total"],
        "11"
    );
    assert_eq!(registers["R-2"].desired.content.fields(), None);
    assert!(
        registers
            .values()
            .all(|register| Register::state(register) == State::Applied)
    );
}

#[tokio::test]
async fn a_large_file_is_read_in_pieces_once() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    let lines: String = (0..5_000).map(|number| line(number, "1", "open")).collect();
    let bytes = HEADER.len() + lines.len();
    files.drop_file("large.csv", format!("{HEADER}{lines}"));
    files.drop_file("ignored.csv.part", "no file yet");
    let counts = run(&place).await;
    assert_eq!((counts.received, counts.staged), (5_000, 5_000));
    let reads = files.reads();
    assert!(
        reads
            .iter()
            .all(|(name, _, most)| name == "large.csv" && *most < MAX_ROW_BYTES)
    );
    let read: usize = reads.iter().map(|(_, _, most)| most).sum();
    // Until it is known how long a line is, a piece is as large as it may be.
    let most = 2 * PIECE_BYTES + bytes + bytes / 2;
    assert!(read < most, "{read} bytes asked for of {bytes}");
    assert!(
        reads.windows(2).all(|pair| pair[0].1 < pair[1].1),
        "each piece goes on"
    );
}

#[tokio::test]
async fn a_file_that_is_none_is_told_and_the_next_one_is_read() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    files.drop_file("a.csv", "number,number\n1,2\n");
    files.drop_file("b.csv", format!("{HEADER}{}", line(1, "1", "open")));
    files.drop_file("c.csv", "");
    let counts = run(&place).await;
    assert_eq!((counts.received, counts.rejected, counts.staged), (2, 1, 1));
    let told: Vec<String> = place.orphans().into_keys().collect();
    assert_eq!(
        told,
        ["line 1 of a.csv: the file can not be read: column 2 has the name of another"]
    );
}

#[tokio::test]
async fn a_file_with_another_delimiter_or_other_names_is_one_review() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    let lines = "R-1;Acme;2026-11-19 09:30;;EUR;1;open\n".repeat(2_000);
    files.drop_file("a.csv", HEADER.replace(',', ";") + &lines);
    files.drop_file("b.csv", "nr,lieferant\n1,Acme\n2,Acme\n");
    let counts = run(&place).await;
    assert_eq!((counts.received, counts.rejected, counts.staged), (2, 2, 0));
    let why = "the file can not be read: its header has no column that the key needs (`number`)";
    let hint = "it is one column with a delimiter in its name: `delimiter` in the flow may be another than the file's";
    let told: Vec<_> = place.orphans().into_iter().collect();
    assert_eq!(told[0].0, format!("line 1 of a.csv: {why}; {hint}"));
    assert_eq!(told[1].0, format!("line 1 of b.csv: {why}"));
    assert!(
        told[0]
            .1
            .contains("`number;supplier;issued;due;currency;tota...`"),
        "{}",
        told[0].1
    );
    assert!(told[1].1.contains("`nr`, `lieferant`"), "{}", told[1].1);
    assert_eq!(told.len(), 2);

    files.drop_file("a.csv", format!("{HEADER}{}", line(1, "1", "open")));
    run(&place).await;
    let told: Vec<String> = place.orphans().into_keys().collect();
    assert_eq!(told, [format!("line 1 of b.csv: {why}")]);
}

#[tokio::test]
async fn what_was_told_of_an_earlier_content_goes_when_the_file_is_read_again() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    let (good, short) = (line(1, "1", "open"), "R-3,Acme\n");
    let no_key = ",Acme,2026-11-19 09:30,,EUR,1,open\n";
    files.drop_file("a.csv", [HEADER, &good, short, no_key, short].concat());
    files.drop_file("b.csv", [HEADER, short].concat());
    run(&place).await;
    assert_eq!(place.orphans().len(), 4);

    // One line is mended, one stays as it is, and one is wrong in another way.
    files.drop_file("a.csv", [HEADER, &good, &good, no_key, "x\n"].concat());
    run(&place).await;
    let told: Vec<String> = place.orphans().into_keys().collect();
    assert_eq!(
        told,
        [
            "line 2 of b.csv: it has 2 fields, and the file 7 columns",
            "line 4 of a.csv: the key is refused: it is empty",
            "line 5 of a.csv: it has 1 fields, and the file 7 columns",
        ]
    );

    // What was wrong before, and right, and is wrong again, is told again and stays.
    files.drop_file("a.csv", [HEADER, &good, short].concat());
    run(&place).await;
    let told = place.orphans();
    let again = "line 3 of a.csv: it has 2 fields, and the file 7 columns";
    assert!(told.len() == 2 && told.contains_key(again), "{told:?}");
}

#[tokio::test]
async fn of_very_many_bad_lines_the_first_are_told_each_and_the_others_counted_out_1() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    // Both ways to be none, in turn: what has no columns, and what has no key.
    let bad = "x\n,Acme,2026-11-19 09:30,,EUR,1,open\n".repeat(2_000);
    files.drop_file("a.csv", [HEADER, &bad, &line(1, "1", "open")].concat());
    let counts = run(&place).await;
    assert_eq!(
        (counts.received, counts.rejected, counts.staged),
        (4_001, 4_000, 1)
    );
    let told = place.orphans();
    assert_eq!(told.len(), 1_001);
    let more = "a.csv: 3000 more lines are no rows, behind the first 1000, which stand here each; all are in the log";
    assert!(told.contains_key(more));
    let last = |line: u32| {
        told.keys()
            .any(|told| told.starts_with(&format!("line {line} of ")))
    };
    assert!(last(1_001) && !last(1_002));

    files.drop_file("a.csv", [HEADER, &line(1, "2", "open")].concat());
    run(&place).await;
    assert_eq!(place.orphans().len(), 0);
}
