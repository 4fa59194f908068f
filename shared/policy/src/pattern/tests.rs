use rstest::rstest;

use super::*;

mod quotas;
mod reading;

const SUPPLIERS: &str = include_str!("../../../../infra/flows/suppliers.toml");
const CONTACTS: &str = include_str!("../../../../infra/flows/examples/contacts.toml");
const SHEET: &str = include_str!("../../../../infra/flows/examples/sheet.csv");

const HEADER: &str = "flow,source,target,direction,conflict,records_a_day,latency,impact,someone_waits,trigger,consumers,runs_a_day,bulk_api,loss,calls_a_record,quota_a_day,bulk_quota_a_day";

fn flows(texts: &[&str]) -> Vec<(String, FlowFile)> {
    texts
        .iter()
        .map(|text| {
            let file: FlowFile = toml::from_str(text).unwrap();
            (format!("{}.toml", file.name), file)
        })
        .collect()
}

/// Plans these rows below the usual header.
fn planned(rows: &str) -> Result<Plan, Vec<String>> {
    let text = format!("{HEADER}\n{rows}");
    plan(Some(("sheet.csv", &text)), &[])
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

/// A change of records with one consumer that may wait for a day.
const CHANGE: Needs = Needs {
    records_a_day: 999,
    latency_s: DAY_S,
    impact: Impact::Operational,
    someone_waits: false,
    trigger: Trigger::Change { consumers: 1 },
    loss: Loss::Reconciled,
};

fn scheduled(records_a_day: u64, runs_a_day: u64, bulk_api: bool) -> Needs {
    Needs {
        records_a_day,
        trigger: Trigger::Schedule {
            runs_a_day,
            bulk_api,
        },
        ..CHANGE
    }
}

#[rstest]
// Somebody waits, and for what (rule 1).
#[case::financial(Needs { someone_waits: true, impact: Impact::Financial, ..CHANGE }, Pattern::RealTime, "somebody waits for a financial decision")]
#[case::compliance(Needs { someone_waits: true, impact: Impact::Compliance, ..CHANGE }, Pattern::RealTime, "somebody waits for a compliance decision")]
#[case::waits_for_something_else(Needs { someone_waits: true, ..CHANGE }, Pattern::EventDriven, "a change with one consumer, 999 a day: an event under 1,000")]
#[case::nobody_waits(Needs { impact: Impact::Financial, ..CHANGE }, Pattern::EventDriven, "a change with one consumer, 999 a day: an event under 1,000")]
// 5 minutes would hurt.
#[case::below_five_minutes(Needs { latency_s: 299, ..CHANGE }, Pattern::RealTime, "5 min would hurt: it is needed within 4 min 59 s")]
#[case::five_minutes(Needs { latency_s: 300, ..CHANGE }, Pattern::EventDriven, "a change with one consumer, 999 a day: an event under 1,000")]
#[case::five_minutes_of_many(Needs { latency_s: 300, records_a_day: 1_000, ..CHANGE }, Pattern::MicroBatch, "a change with one consumer, 1,000 a day: a batch from 1,000, every 5 min")]
#[case::a_schedule_below_five_minutes(Needs { latency_s: 299, ..scheduled(1, 1_440, false) }, Pattern::RealTime, "5 min would hurt: it is needed within 4 min 59 s")]
// A migration.
#[case::migration(Needs { trigger: Trigger::Migration, loss: Loss::Zero, ..CHANGE }, Pattern::File, "a migration is a file")]
#[case::migration_of_little(Needs { trigger: Trigger::Migration, records_a_day: 1, ..CHANGE }, Pattern::File, "a migration is a file")]
// Zero loss, whatever the volume.
#[case::zero_loss(Needs { loss: Loss::Zero, records_a_day: 50_000, ..CHANGE }, Pattern::EventDriven, "no change may be lost: an event, with replay and dead letters")]
#[case::zero_loss_of_a_decision(Needs { loss: Loss::Zero, latency_s: 1, ..CHANGE }, Pattern::RealTime, "5 min would hurt: it is needed within 1 s, with replay and dead letters")]
// Consumers.
#[case::two_consumers(Needs { trigger: Trigger::Change { consumers: 2 }, records_a_day: 1_000, ..CHANGE }, Pattern::EventDriven, "a change with 2 consumers: an event")]
#[case::best_effort_for_two(Needs { trigger: Trigger::Change { consumers: 2 }, loss: Loss::BestEffort, ..CHANGE }, Pattern::EventDriven, "a change with 2 consumers: an event, with a reconciliation report")]
// Best effort.
#[case::best_effort(Needs { loss: Loss::BestEffort, ..CHANGE }, Pattern::Batch, "best effort is enough: a batch, with a reconciliation report")]
// One consumer, by volume.
#[case::under_a_thousand(
    CHANGE,
    Pattern::EventDriven,
    "a change with one consumer, 999 a day: an event under 1,000"
)]
#[case::a_thousand(Needs { records_a_day: 1_000, ..CHANGE }, Pattern::Batch, "a change with one consumer, 1,000 a day: a batch from 1,000")]
// Cadence (R37).
#[case::below_an_hour(Needs { records_a_day: 1_000, latency_s: 3_599, ..CHANGE }, Pattern::MicroBatch, "a change with one consumer, 1,000 a day: a batch from 1,000, every 59 min")]
#[case::an_hour(Needs { records_a_day: 1_000, latency_s: 3_600, ..CHANGE }, Pattern::Batch, "a change with one consumer, 1,000 a day: a batch from 1,000")]
#[case::hourly_runs(scheduled(1_999 * 24, 24, false), Pattern::Batch, "1,999 records a run: REST under 2,000")]
#[case::more_than_hourly_runs(scheduled(1_999 * 25, 25, false), Pattern::MicroBatch, "1,999 records a run: REST under 2,000, every 57 min")]
#[case::every_five_minutes(
    scheduled(288, 288, false),
    Pattern::MicroBatch,
    "1 records a run: REST under 2,000, every 5 min"
)]
// Schedules, by the records of a run.
#[case::rest(
    scheduled(1_999, 1, true),
    Pattern::Batch,
    "1,999 records a run: REST under 2,000"
)]
#[case::bulk_job(
    scheduled(2_000, 1, true),
    Pattern::Bulk,
    "2,000 records a run: one bulk job from 2,000 to 150,000"
)]
#[case::rounded_up(
    scheduled(3_999, 2, true),
    Pattern::Bulk,
    "2,000 records a run: one bulk job from 2,000 to 150,000"
)]
#[case::largest_job(
    scheduled(150_000, 1, true),
    Pattern::Bulk,
    "150,000 records a run: one bulk job from 2,000 to 150,000"
)]
#[case::chunks(
    scheduled(150_001, 1, true),
    Pattern::Bulk,
    "150,001 records a run: bulk in chunks of 10,000 above 150,000"
)]
#[case::no_bulk_api(
    scheduled(2_000, 1, false),
    Pattern::File,
    "2,000 records a run: a file, since the target has no bulk API"
)]
#[case::no_bulk_api_and_many(
    scheduled(150_001, 1, false),
    Pattern::File,
    "150,001 records a run: a file, since the target has no bulk API"
)]
#[case::zero_loss_of_a_schedule(Needs { loss: Loss::Zero, ..scheduled(1_999, 1, true) }, Pattern::Batch, "1,999 records a run: REST under 2,000, with replay and dead letters")]
fn each_rule_and_each_boundary_decides_as_said(
    #[case] needs: Needs,
    #[case] pattern: Pattern,
    #[case] reason: &str,
) {
    assert_eq!(decide(&needs), decided(pattern, reason));
}

#[test]
fn the_shipped_sheet_has_every_pattern_and_keeps_every_quota() {
    let plan = plan(Some(("sheet.csv", SHEET)), &flows(&[SUPPLIERS, CONTACTS])).unwrap();
    let told: Vec<String> = plan
        .rows
        .iter()
        .map(|row| format!("{} {}: {}", row.flow, row.pattern, row.reason))
        .collect();
    assert_eq!(
        told,
        [
            "credit-check real-time: somebody waits for a financial decision, with replay and dead letters",
            "stock-alerts real-time: 5 min would hurt: it is needed within 1 min",
            "order-events event-driven: a change with 3 consumers: an event",
            "invoices event-driven: no change may be lost: an event, with replay and dead letters",
            "accounts event-driven: a change with one consumer, 700 a day: an event under 1,000; in a conflict `crm` wins",
            "accounts-back event-driven: a change with one consumer, 300 a day: an event under 1,000; in a conflict `crm` wins",
            "suppliers batch: a change with one consumer, 1,500 a day: a batch from 1,000",
            "prices micro-batch: best effort is enough: a batch, every 15 min, with a reconciliation report",
            "returns batch: 300 records a run: REST under 2,000",
            "catalogue bulk: 120,000 records a run: one bulk job from 2,000 to 150,000",
            "sales-history bulk: 450,000 records a run: bulk in chunks of 10,000 above 150,000",
            "ledger-export file: 50,000 records a run: a file, since the target has no bulk API, with replay and dead letters",
            "go-live file: a migration is a file",
            "contacts micro-batch: 52 records a run: REST under 2,000, every 15 min",
            "contacts real-time: critical fields: A letter to somebody who unsubscribed breaks the law",
        ]
    );
    assert!(plan.fits(), "{:?}", plan.providers);
    // What the flow file carries besides, and the sheet does not name.
    assert_eq!(
        plan.notes,
        [
            "sheet.csv:10: the runs of suppliers.toml list `qualio` by 20 calls a day, which the sheet leaves out",
            "sheet.csv:10: suppliers.toml carries 150 a day of `suppliers` as real-time (critical fields: Nobody may buy from a supplier that was blocked or lost its certificate), which the sheet counts as batch",
        ]
    );
}

#[test]
fn rare_runs_of_a_row_that_is_real_time_anyway_are_let_pass() {
    let row = |impact, waits| {
        format!("a,x,y,one-way,,10,1 h,{impact},{waits},schedule,,1,,reconciled,1,1000,\n")
    };
    let plan = planned(&row("financial", "yes")).unwrap();
    assert_eq!(plan.rows[0].pattern, Pattern::RealTime);
    for other in [row("financial", "no"), row("operational", "yes")] {
        let told = planned(&other).unwrap_err().join("\n");
        assert!(told.contains("between two runs"), "{told}");
    }
}

#[test]
fn flow_files_alone_are_planned_by_what_they_expect() {
    let plan = plan(None, &flows(&[SUPPLIERS])).unwrap();
    let rows: Vec<_> = plan
        .rows
        .iter()
        .map(|row| {
            (
                row.pattern,
                row.records_a_day,
                row.calls_a_day,
                row.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            // 1,350 x 2 calls and four listings of 5 calls; the longest gap is 8 h.
            (
                Pattern::Batch,
                1_350,
                2_720,
                "450 records a run: REST under 2,000"
            ),
            (
                Pattern::RealTime,
                150,
                300,
                "critical fields: Nobody may buy from a supplier that was blocked or lost its certificate"
            ),
        ]
    );
}

#[test]
fn a_flow_file_that_runs_every_hour_lists_its_target_every_hour() {
    let windows = SUPPLIERS.find("windows = [").unwrap();
    let end = windows + SUPPLIERS[windows..].find("\n]\n").unwrap() + "\n]\n".len();
    let text = SUPPLIERS.replace(&SUPPLIERS[windows..end], "every_minutes = 60\n");
    let plan = plan(None, &flows(&[&text])).unwrap();
    // 1,350 x 2 calls and 24 listings of 5 calls.
    assert_eq!(plan.rows[0].calls_a_day, 2_820);
    assert_eq!(plan.providers[0].bulk, None);
}

#[test]
fn a_flow_file_that_expects_nothing_can_not_be_planned() {
    let text = SUPPLIERS.replace(
        "[expected]\nchanges_a_day = 1_500\ncritical_percent = 10\n",
        "",
    );
    let mistakes = plan(None, &flows(&[&text])).unwrap_err();
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "suppliers.toml:1: `[expected]` is missing: a plan needs `changes_a_day`, and `critical_percent` where fields are critical"
        ]
    );
}

#[test]
fn a_flow_file_whose_runs_are_large_is_told_what_the_rule_says() {
    let text = SUPPLIERS.replace("changes_a_day = 1_500", "changes_a_day = 20_000");
    let plan = plan(None, &flows(&[&text])).unwrap();
    assert_eq!(plan.rows[0].pattern, Pattern::Batch);
    assert_eq!(
        plan.rows[0].reason,
        "6,000 records a run: one bulk job from 2,000 to 150,000; the flow file sends them one by one"
    );
}

#[test]
fn a_flow_file_that_carries_a_row_otherwise_is_told() {
    let row = "suppliers,erp,qualio,one-way,,999,1 d,compliance,no,change,1,,,reconciled,,,";
    let text = format!("{HEADER}\n{row}\n");
    let plan = plan(Some(("s.csv", &text)), &flows(&[SUPPLIERS])).unwrap();
    assert_eq!(
        plan.notes,
        [
            "s.csv:2: `suppliers` should be event-driven, and suppliers.toml carries it as batch and real-time",
            "s.csv:2: the runs of suppliers.toml list `qualio` by 20 calls a day, which the sheet leaves out",
            "s.csv:2: suppliers.toml carries 150 a day of `suppliers` as real-time (critical fields: Nobody may buy from a supplier that was blocked or lost its certificate), which the sheet counts as event-driven",
        ]
    );
    assert_eq!(plan.rows.len(), 1, "the sheet's row stands for the flow");
    assert_eq!(
        plan.rows[0].calls_a_day, 1_998,
        "two calls a record, as the flow file's target takes"
    );
}

#[rstest]
#[case(0, "0 calls")]
#[case(1, "1 call")]
#[case(2, "2 calls")]
#[case(150_001, "150,001 calls")]
fn calls_are_told_as_a_person_writes_them(#[case] number: u64, #[case] said: &str) {
    assert_eq!(calls(number), said);
}
