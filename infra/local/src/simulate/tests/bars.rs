//! Bars that are counts: what an outage costs, what five changes of a record cost.

use std::{collections::BTreeSet, time::Duration};

use tidegate_testkit::doubles::Seed;

use super::*;
use day::{Change, Kind, Plan};

/// A plan of the options' days with changes of its own.
fn told(text: &str, words: &str, changes: impl Fn(&Plan) -> Vec<Change>) -> Figures {
    let args = args(words);
    let loaded = load::load_text(
        &FlowText::alone("flow.toml", text),
        &std::collections::BTreeMap::new(),
    )
    .unwrap();
    let zone = TimeZone::get(&loaded.runtime.flow.file().schedule.time_zone).unwrap();
    let mut plan = day::plan(&args, &zone).unwrap();
    plan.changes = changes(&plan);
    let parts = Parts {
        args: &args,
        loaded: &loaded,
        plan: &plan,
        sample: None,
    };
    story::tell(&parts).unwrap()
}

/// Chance that picks this record of so many: as the traffic draws it.
fn dice_for(record: u32, records: u32) -> u64 {
    (0..u64::MAX)
        .find(|dice| Seed::new(*dice).below(records) == record)
        .unwrap()
}

/// Five changes of each record, of a field that is not critical, one every half second.
fn five_of_each(plan: &Plan, after: Duration, records: u32) -> Vec<Change> {
    let one = |nth: u32| Change {
        at: plan.begin + after + Duration::from_millis(500) * nth,
        kind: Kind::Other,
        dice: dice_for(nth % records, records),
    };
    let changes: Vec<Change> = (0..records * 5).map(one).collect();
    let picked: BTreeSet<u32> = changes
        .iter()
        .map(|change| Seed::new(change.dice).below(records))
        .collect();
    assert_eq!(picked.len(), usize::try_from(records).unwrap());
    changes
}

#[test]
fn five_changes_of_each_record_in_one_backlog_cost_one_upsert_each() {
    // A quarter of an hour has one window: all fall between 06:00 and 06:15.
    let at = Duration::from_secs(6 * 3_600 + 120);
    let figures = told(CONTACTS, "f --records 100", |plan| {
        five_of_each(plan, at, 100)
    });
    assert_eq!((figures.other.came, figures.other.held), (500, 500));
    assert_eq!(figures.applied, 100);
    assert_eq!(
        figures.batch.calls + figures.real_time.calls,
        100,
        "1.00 calls a record"
    );
}

#[test]
fn five_changes_of_each_record_in_one_backlog_cost_one_read_and_one_replace_at_qualio() {
    let at = Duration::from_secs(6 * 3_600);
    let figures = told(SUPPLIERS, "f --records 100", |plan| {
        five_of_each(plan, at, 100)
    });
    assert_eq!((figures.other.came, figures.other.held), (500, 500));
    assert_eq!(figures.applied, 100);
    assert_eq!(
        figures.batch.calls + figures.real_time.calls,
        200,
        "2.00 calls a record"
    );
}

#[test]
fn creates_at_qualio_cost_one_call_each_and_at_most_a_listing_a_run() {
    // Without webhook the windows alone find what is new.
    let text = SUPPLIERS
        .split("# The ERP pushes what changes")
        .next()
        .unwrap()
        .to_owned()
        + SUPPLIERS
            .split_once("# --- Where suppliers go")
            .unwrap()
            .1
            .split_once('\n')
            .unwrap()
            .1;
    let figures = simulated(&text, "f --records 100 --changes 60 --critical 0 --new 100");
    assert_eq!(figures.at_target, 160);
    let listings = figures.windows * 5;
    let calls = figures.batch.calls + figures.real_time.calls;
    assert!(
        (60..=60 + listings).contains(&calls),
        "{calls} calls for 60 creates"
    );
}

#[test]
fn a_day_without_target_costs_no_retry_no_review_and_a_probe_every_five_minutes() {
    let words = "f --records 200 --changes 500 --new 2 --outage 00:00-24:00";
    let figures = simulated(SUPPLIERS, words);
    let told = verdict::sentences(&figures).join("\n");
    assert_eq!(figures.attempts_spent, 0, "TRY-1: {told}");
    assert!(figures.reviewed.is_empty(), "TRY-1: {:?}", figures.reviewed);
    assert!(figures.probes <= 288, "BRK-1: {} probes", figures.probes);
    assert!(
        figures.probes > 200,
        "the target was not looked after: {} probes",
        figures.probes
    );
    assert_eq!(figures.left, 0, "{told}");
    for recovery in &figures.recovery {
        let most = recovery.allowed_ms * 102 / 100;
        assert!(recovery.took_ms <= most, "LIM-2: {recovery:?}");
        assert!(recovery.calls >= 100, "too few to tell: {recovery:?}");
    }
    assert_eq!(figures.recovery.len(), 2, "both tiers: {told}");
    assert!(
        !figures.is_kept(),
        "a day's outage breaks the goals: {told}"
    );
}
