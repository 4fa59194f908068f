//! The flow of invoices as it ships: files that are dropped, to our own store.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_engine::{RunEnd, ports::Files};
use tidegate_policy::{
    files::MAX_ROW_BYTES,
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
    assert!(cause.reason.starts_with("line 7 of 2026-11-19.csv: "), "{}", cause.reason);
    let told: Vec<String> = place.orphans().into_keys().collect();
    assert_eq!(
        told,
        [
            "line 3 of 2026-11-19.csv: it has 2 fields, and the file 7 columns",
            "line 4 of 2026-11-19.csv: the key is refused: it is empty",
            "line 6 of 2026-11-19.csv: the field `issued_at` cannot be read: `row.issued | rfc3339('Europe/Berlin')` gives no value: `rfc3339` was given a text that is no date and time",
        ]
    );
    assert_eq!(place.orphans().values().next().unwrap().contains(short.trim()), true);
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing_and_a_newer_one_does() {
    let files = Arc::new(MemoryFiles::default());
    let place = place(&files);
    let first = [HEADER, &line(1, "10,50", "open"), &line(2, "7", "open"), "x\n"].concat();
    files.drop_file("a.csv", first.clone());
    run(&place).await;
    let (before, orphans) = (place.registers(), place.orphans());

    // Nothing is read again, and of what is dropped again nothing is new.
    let reads = files.reads().len();
    assert_eq!(run(&place).await, Counts::default());
    assert_eq!(files.reads().len(), reads);
    files.drop_file("a.csv", first);
    let counts = run(&place).await;
    assert_eq!((counts.received, counts.unchanged, counts.rejected), (3, 2, 1));
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
    assert_eq!(registers["R-1"].desired.content.fields().unwrap()["total"], "11");
    assert_eq!(registers["R-2"].desired.content.fields(), None);
    assert!(registers.values().all(|register| Register::state(register) == State::Applied));
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
    assert!(reads.iter().all(|(name, _, most)| name == "large.csv" && *most < MAX_ROW_BYTES));
    let read: usize = reads.iter().map(|(_, _, most)| most).sum();
    assert!(2 * read < 3 * bytes, "{read} bytes asked for of {bytes}");
    assert!(reads.windows(2).all(|pair| pair[0].1 < pair[1].1), "each piece goes on");
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
