//! What is wrong with a sheet, each with row, column and what would be right.

use proptest::prelude::*;

use super::*;

const GOOD: &str = "a,x,y,one-way,,10,1 d,operational,no,change,1,,,reconciled,1,1000,";

#[rstest]
#[case::open_volume(
    GOOD,
    ",10,",
    ",TBD,",
    "`records_a_day` of `a` stands open: it must be a whole number from 1, `TBD` is written"
)]
#[case::open_where_nothing_is_needed(
    GOOD,
    "1,,,reconciled",
    "1,TBD,,reconciled",
    "`runs_a_day` of `a` stands open: it must be a whole number from 1 to 1440, `TBD` is written"
)]
#[case::a_question_mark(
    GOOD,
    ",1 d,",
    ",?,",
    "`latency` of `a` stands open: it must be the time after which a delay hurts, such as `30 s`, `5 min`, `4 h` or `1 d`, `?` is written"
)]
#[case::no_latency(
    GOOD,
    ",1 d,",
    ",,",
    "`latency` of `a` is empty: it must be the time after which a delay hurts, such as `30 s`, `5 min`, `4 h` or `1 d`"
)]
#[case::latency_without_unit(
    GOOD,
    ",1 d,",
    ",24,",
    "`latency` of `a` is wrong: it must be the time after which a delay hurts, such as `30 s`, `5 min`, `4 h` or `1 d`, `24` is written"
)]
#[case::no_time_at_all(
    GOOD,
    ",1 d,",
    ",0 s,",
    "`latency` of `a` is wrong: it must be the time after which a delay hurts, such as `30 s`, `5 min`, `4 h` or `1 d`, `0 s` is written"
)]
#[case::unknown_impact(
    GOOD,
    "operational",
    "high",
    "`impact` of `a` is wrong: it must be `financial`, `compliance` or `operational`, `high` is written"
)]
#[case::perhaps(
    GOOD,
    ",no,",
    ",maybe,",
    "`someone_waits` of `a` is wrong: it must be `yes` or `no`, `maybe` is written"
)]
#[case::no_trigger(
    GOOD,
    "change",
    "",
    "`trigger` of `a` is empty: it must be `change`, `schedule` or `migration`"
)]
#[case::no_consumers(
    GOOD,
    "change,1",
    "change,",
    "`consumers` of `a` is empty: a change needs the number of its consumers, a whole number from 1 to 1000"
)]
#[case::zero_consumers(
    GOOD,
    "change,1",
    "change,0",
    "`consumers` of `a` is wrong: it must be a whole number from 1 to 1000, `0` is written"
)]
#[case::no_runs(
    GOOD,
    "change,1",
    "schedule,",
    "`runs_a_day` of `a` is empty: a schedule needs its runs a day, a whole number from 1 to 1440"
)]
#[case::no_loss(
    GOOD,
    "reconciled",
    "-",
    "`loss` of `a` is empty: it must be `zero`, `reconciled` (a daily reconciliation heals it) or `best-effort`"
)]
#[case::no_calls(
    GOOD,
    "reconciled,1,",
    "reconciled,,",
    "`calls_a_record` of `a` is empty: `a` by event-driven makes calls for each record: say how many, such as 1"
)]
#[case::no_quota(
    GOOD,
    ",1000,",
    ",,",
    "`quota_a_day` of `a` is empty: `a` by event-driven draws on the target's daily quota: calls a day that the target allows, from 10, or `none`"
)]
#[case::no_conflict_rule(
    GOOD,
    "one-way",
    "both",
    "`conflict` of `a` is empty: what goes both ways needs its conflict rule first: the system that wins (`x` or `y`), `newest` or `review`"
)]
#[case::no_rule_at_all(
    GOOD,
    "one-way,,",
    "both,whatever,",
    "`conflict` of `a` is wrong: it must be the system that wins (`x` or `y`), `newest` or `review`, `whatever` is written"
)]
#[case::no_direction(
    GOOD,
    "one-way",
    "bidirectional",
    "`direction` of `a` is wrong: it must be `one-way` or `both`, `bidirectional` is written"
)]
#[case::no_way_back(
    GOOD,
    "one-way,,",
    "both,x,",
    "`direction` of `a` is `both`: add a row for the way back, from `y` to `x`, since volume and quota differ"
)]
#[case::a_name_with_a_space(
    GOOD,
    "a,x,",
    "a,big x,",
    "`source` of `a` is wrong: it must be lower-case letters, digits and `-`, 64 at most, `big x` is written"
)]
#[case::no_flow(
    GOOD,
    "a,x",
    ",x",
    "`flow` of this row is empty: it must be lower-case letters, digits and `-`, 64 at most"
)]
#[case::into_itself(
    GOOD,
    "x,y",
    "x,x",
    "`target` of `a` is its source: name the system to which records go"
)]
#[case::too_many_cells(
    GOOD,
    "1000,",
    "1000,,,",
    "the row has 19 cells, the header 17 columns: quote a cell that holds a comma"
)]
#[case::too_rare_runs(
    GOOD,
    "1 d,operational,no,change,1,,",
    "4 h,operational,no,schedule,,2,",
    "`runs_a_day` of `a` is 2, which leaves 12 h between two runs, and a delay hurts after 4 h: make it at least 6"
)]
#[case::no_bulk_api_said(
    GOOD,
    "10,1 d,operational,no,change,1,,",
    "2000,1 d,operational,no,schedule,,1,",
    "`bulk_api` of `a` is empty: 2,000 records a run are a bulk job, or a file where the target has no bulk API: `yes` or `no`"
)]
#[case::no_bulk_quota(
    GOOD,
    "10,1 d,operational,no,change,1,,",
    "2000,1 d,operational,no,schedule,,1,yes",
    "`bulk_quota_a_day` of `a` is empty: `a` by bulk draws on the bulk API's own pool: chunks of 10,000 records a day that its bulk API takes, or `none`"
)]
fn a_mistake_names_row_column_and_what_would_be_right(
    #[case] row: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: &str,
) {
    assert!(row.contains(from), "the row does not hold {from:?}");
    assert_eq!(
        planned(&row.replacen(from, to, 1)).unwrap_err(),
        [format!("sheet.csv:2: {expected}")]
    );
}

#[test]
fn all_mistakes_of_all_rows_are_told_at_once() {
    let rows = "# a comment\n\
                a,x,y,one-way,,TBD,1 d,operational,perhaps,change,1,,,reconciled,1,none,\n\
                a,x,y,one-way,,5,1 d,operational,no,change,,,,reconciled,1,none,\n";
    let told = planned(rows).unwrap_err();
    let starts: Vec<&str> = told
        .iter()
        .map(|line| line.split(" of ").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "sheet.csv:3: `records_a_day`",
            "sheet.csv:3: `someone_waits`",
            "sheet.csv:4: `consumers`"
        ]
    );
}

#[test]
fn two_rows_of_one_name_are_refused() {
    assert_eq!(
        planned(&format!("{GOOD}\n{GOOD}\n")).unwrap_err(),
        ["sheet.csv:3: `flow` is `a`, as in sheet.csv:2: give each row its own name"]
    );
}

#[test]
fn both_ways_need_one_rule() {
    let there = "a,x,y,both,x,10,1 d,operational,no,change,1,,,reconciled,1,none,";
    let back = "b,y,x,both,newest,10,1 d,operational,no,change,1,,,reconciled,1,none,";
    assert_eq!(
        planned(&format!("{there}\n{back}")).unwrap_err(),
        [
            "sheet.csv:2: `conflict` of `a` is `x`, but `newest` on the way back in sheet.csv:3: name one rule in both rows",
            "sheet.csv:3: `conflict` of `b` is `newest`, but `x` on the way back in sheet.csv:2: name one rule in both rows",
        ]
    );
    let one_rule = planned(&format!("{there}\n{}", back.replace("newest", "x"))).unwrap();
    assert!(
        one_rule.rows[1]
            .reason
            .ends_with("; in a conflict `x` wins")
    );
}

#[test]
fn a_way_back_is_from_the_one_system_to_the_other() {
    let there = "a,x,y,both,x,10,1 d,operational,no,change,1,,,reconciled,1,none,";
    for other in [
        "b,y,z,one-way,",
        "b,z,x,one-way,",
        "b,y,z,both,x",
        "b,z,x,both,x",
    ] {
        let told = planned(&format!(
            "{there}\n{other},10,1 d,operational,no,change,1,,,reconciled,1,none,"
        ))
        .unwrap_err();
        assert!(
            told[0].contains("add a row for the way back, from `y` to `x`"),
            "{told:?}"
        );
    }
}

#[test]
fn a_long_cell_is_cut_where_a_message_repeats_it() {
    let told = |length: usize| {
        let cell = "w".repeat(length);
        planned(&GOOD.replacen("operational", &cell, 1))
            .unwrap_err()
            .remove(0)
    };
    let forty = "w".repeat(40);
    assert!(
        told(40).ends_with(&format!("`{forty}` is written")),
        "{}",
        told(40)
    );
    for length in [41, 60] {
        let told = told(length);
        assert!(
            told.ends_with(&format!("`{forty}...` is written")),
            "{told}"
        );
    }
}

#[rstest]
#[case::unknown("flow,sorce", &["there is no column `sorce`; did you mean `source`?", "the column `source` is missing"])]
#[case::twice("flow,flow", &["the column `flow` stands there twice", "the column `source` is missing"])]
#[case::nothing("", &["s.csv is empty"])]
fn a_wrong_header_is_told(#[case] header: &str, #[case] expected: &[&str]) {
    let mistakes = plan(Some(("s.csv", header)), &[]).unwrap_err();
    let told: Vec<&str> = mistakes
        .iter()
        .map(|mistake| mistake.message.as_str())
        .take(expected.len())
        .collect();
    assert_eq!(told, expected);
    assert!(mistakes.iter().all(|mistake| mistake.line == 1));
}

#[test]
fn columns_may_stand_in_any_order_and_cells_in_quotes() {
    let columns: Vec<&str> = HEADER.split(',').rev().collect();
    let cells: Vec<String> = GOOD
        .split(',')
        .rev()
        .map(|cell| format!("\" {cell} \""))
        .collect();
    let text = format!("\u{feff}{}\r\n{}\r\n", columns.join(","), cells.join(","));
    let turned = plan(Some(("sheet.csv", &text)), &[]).unwrap();
    assert_eq!(turned, planned(GOOD).unwrap());
}

#[test]
fn a_sheet_without_rows_or_beyond_any_size_is_refused() {
    assert_eq!(
        planned("").unwrap_err(),
        ["sheet.csv:1: the sheet has no rows below its header"]
    );
    let row = |n: usize| GOOD.replacen('a', &format!("f{n}"), 1);
    let rows: Vec<String> = (0..2_000).map(row).collect();
    assert_eq!(planned(&rows.join("\n")).unwrap().rows.len(), 2_000);
    let rows: Vec<String> = (0..2_001).map(row).collect();
    assert_eq!(
        planned(&rows.join("\n")).unwrap_err(),
        ["sheet.csv:1: the sheet has more than 2000 rows"]
    );
    assert_eq!(
        planned(&"#".repeat(1_048_576)).unwrap_err(),
        [format!(
            "sheet.csv:1: the sheet has {} bytes, at most 1048576 are read",
            1_048_577 + HEADER.len()
        )]
    );
    let comment = "#".repeat(1_048_576 - HEADER.len() - GOOD.len() - 2);
    assert_eq!(
        planned(&format!("{GOOD}\n{comment}")).unwrap().rows.len(),
        1
    );
}

#[test]
fn a_comment_may_end_the_sheet() {
    for end in ["# the end", "# the end\n"] {
        assert_eq!(planned(&format!("{GOOD}\n{end}")), planned(GOOD));
    }
}

#[test]
fn what_a_cell_holds_can_not_write_to_the_terminal() {
    let told = planned(&GOOD.replacen("operational", "\u{1b}[31mred", 1)).unwrap_err();
    assert!(told[0].ends_with("`\\u{1b}[31mred` is written"), "{told:?}");
}

proptest! {
    #[test]
    fn no_text_makes_the_plan_panic(text in "[\\PC\n\",]{0,300}") {
        let found = plan(Some(("s.csv", &text)), &[]);
        prop_assert!(found.is_err(), "no header is made of chance");
    }

    #[test]
    fn no_edit_of_a_sheet_makes_the_plan_panic(
        at in 0..SHEET.len(), cut in 0..20_usize, put in "[\\PC\n\",0-9]{0,8}"
    ) {
        let end = (at + cut).min(SHEET.len());
        let text = format!("{}{put}{}", &SHEET[..at], &SHEET[end..]);
        let lines = text.lines().count().max(1);
        match plan(Some(("s.csv", &text)), &flows(&[SUPPLIERS])) {
            Ok(plan) => prop_assert!(plan.rows.iter().all(|row| !row.reason.is_empty())),
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                prop_assert!(mistakes.iter().all(|mistake| (1..=lines + 1).contains(&mistake.line)));
                prop_assert!(mistakes.iter().all(|mistake| !mistake.message.contains(char::is_control)));
            }
        }
    }

    #[test]
    fn every_row_that_is_whole_gets_a_pattern(
        records in 1..=10_000_000_000_u64, latency in 1..100_000_u64, waits in any::<bool>(),
        consumers in 1..5_u64, loss in 0..3_usize, impact in 0..3_usize, calls in 1..=100_u64
    ) {
        let loss = ["zero", "reconciled", "best-effort"][loss];
        let impact = ["financial", "compliance", "operational"][impact];
        let waits = if waits { "yes" } else { "no" };
        let row = format!("a,x,y,one-way,,{records},{latency} s,{impact},{waits},change,{consumers},,,{loss},{calls},100000,");
        let plan = planned(&row).unwrap();
        prop_assert_eq!(plan.rows[0].calls_a_day, records * calls);
        prop_assert_eq!(plan.fits(), plan.providers[0].faults.is_empty());
    }
}

#[test]
fn a_file_that_is_no_sheet_is_told_by_what_it_is() {
    let semicolons = format!("{}\n{}\n", HEADER.replace(',', ";"), GOOD.replace(',', ";"));
    let tabs = HEADER.replace(',', "\t");
    let marked = format!("\u{feff}{HEADER}\n{GOOD}\n");
    let told = |text: &str| {
        plan(Some(("s.csv", text)), &[])
            .map(|plan| plan.rows.len())
            .map_err(|mistakes| mistakes[0].to_string())
    };
    let rows = [
        (
            semicolons.as_str(),
            "s.csv:1: the header is parted by `;`: save the sheet with commas",
        ),
        (
            tabs.as_str(),
            "s.csv:1: the header is parted by tabs: save the sheet with commas",
        ),
        ("", "s.csv:1: s.csv is empty"),
        ("# only a comment\n\n", "s.csv:1: s.csv is empty"),
    ];
    for (text, expected) in rows {
        assert_eq!(told(text), Err(expected.to_owned()));
    }
    assert_eq!(
        told(&marked),
        Ok(1),
        "the mark at the beginning is no part of a name"
    );
}
