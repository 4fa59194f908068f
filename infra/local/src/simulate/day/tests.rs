use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: SimulateArgs,
}

fn planned(words: &str) -> Plan {
    tried(words).unwrap()
}

fn tried(words: &str) -> Result<Plan, PlanError> {
    let words = ["simulate"].into_iter().chain(words.split(' '));
    let args = Line::parse_from(words).args;
    plan(&args, &TimeZone::get("Europe/Berlin").unwrap())
}

#[test]
fn what_no_day_can_have_is_refused_with_what_to_do() {
    let rows = [
        ("f --outage 3@09:00-11:00", "say --days 3"),
        (
            "f --date 2026-03-29 --outage 02:00-03:00",
            "the clock skips",
        ),
        ("f --date 2026-03-29 --slow 01:00-02:30", "the clock skips"),
        ("f --date 0001-01-01", "from 1971 to 9000"),
        ("f --date 1970-01-01", "from 1971 to 9000"),
        ("f --date 9999-12-31", "from 1971 to 9000"),
        ("f --changes 1000000 --peak 100", "100000000 changes in all"),
        ("f --critical 100 --new 100", "more than 100 %"),
        ("f --outage 09:00-11:00=5", "or say --slow"),
    ];
    for (words, part) in rows {
        let error = tried(words).unwrap_err().to_string();
        assert!(error.contains(part), "{words}: {error}");
    }
    assert_eq!(planned("f --changes 0").changes, []);
    assert!(tried("f --date 1971-01-01").is_ok());
    assert!(tried("f --date 2026-10-25 --outage 02:00-03:00").is_ok());
}

#[test]
fn changes_and_their_shares_are_those_that_the_flow_expects() {
    let line = Line::parse_from(["simulate", "f", "--peak", "3"]);
    let mut args = line.args;
    args.expected = Some(tidegate_model::flow::Expected {
        changes_a_day: 1_500,
        critical_percent: 20,
    });
    assert_eq!((args.changes(), args.changes_from()), (1_500, "[expected]"));
    let planned = plan(&args, &TimeZone::UTC).unwrap();
    assert_eq!(planned.changes.len(), 4_500);
    assert_eq!(count(&planned, Kind::Critical), 900);
    args.changes = Some(10);
    assert_eq!((args.changes(), args.changes_from()), (10, "--changes"));
}

fn count(plan: &Plan, kind: Kind) -> usize {
    plan.changes
        .iter()
        .filter(|change| change.kind == kind)
        .count()
}

#[test]
fn shares_are_exact_and_changes_come_in_order() {
    let rows = [
        ("f --changes 1000", (100, 20, 880)),
        ("f --changes 1000 --critical 0 --new 0", (0, 0, 1_000)),
        ("f --changes 100 --critical 12 --new 88", (12, 88, 0)),
        ("f --changes 100 --critical 100", (100, 0, 0)),
        ("f --changes 500 --peak 3 --days 2", (300, 60, 2_640)),
    ];
    for (words, (critical, new, other)) in rows {
        let plan = planned(words);
        assert_eq!(count(&plan, Kind::Critical), critical, "{words}");
        assert_eq!(count(&plan, Kind::New), new, "{words}");
        assert_eq!(count(&plan, Kind::Other), other, "{words}");
        assert!(plan.changes.is_sorted_by_key(|change| change.at), "{words}");
        assert!(plan.changes.iter().all(|change| plan.begin <= change.at));
        assert!(plan.changes.iter().all(|change| change.at < plan.end));
    }
}

#[test]
fn most_changes_of_an_office_day_come_in_office_hours() {
    let share = |words| {
        let plan = planned(words);
        let (from, until) = (plan.begin + hours_of(7), plan.begin + hours_of(18));
        let within = plan
            .changes
            .iter()
            .filter(|change| change.at >= from && change.at < until);
        within.count() * 100 / plan.changes.len()
    };
    assert_eq!(share("f --changes 10000"), 84);
    assert_eq!(share("f --changes 10000 --spread even"), 45);
    assert_eq!(share("f --changes 10000 --spread burst"), 100);
}

fn hours_of(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

#[test]
fn equal_seeds_give_equal_plans_and_others_do_not() {
    assert_eq!(planned("f --seed 7"), planned("f --seed 7"));
    assert_ne!(planned("f --seed 7"), planned("f --seed 8"));
}

#[test]
fn a_day_on_which_the_clock_is_changed_has_its_own_length() {
    let length = |date: &str| {
        let plan = planned(&format!("f --date {date}"));
        assert_eq!(plan.changes.len(), 1_000);
        plan.end.since(plan.begin)
    };
    assert_eq!(length("2026-03-28"), hours_of(24));
    assert_eq!(length("2026-03-29"), hours_of(23));
    assert_eq!(length("2026-10-25"), hours_of(25));
}

#[test]
fn spans_lie_on_their_day_by_the_clock_on_the_wall() {
    let plan = planned(
        "f --days 3 --outage 09:00-11:00 --outage source:2@22:00-24:00 --slow 3@23:00-01:00=8",
    );
    let at = |hours| plan.begin + hours_of(hours);
    let spell = |of, trouble, from, until| Spell {
        of,
        trouble,
        from: at(from),
        until: at(until),
    };
    let slow = Trouble::Slow(Duration::from_secs(8));
    let expected = [
        spell(Of::Target, Trouble::Away, 9, 11),
        spell(Of::Source, Trouble::Away, 46, 48),
        spell(Of::Target, slow, 71, 73),
    ];
    assert_eq!(plan.spells, expected);
}

#[test]
fn spans_of_one_trouble_that_overlap_or_touch_are_one() {
    assert_eq!(
        merged([(50, 60), (0, 10), (5, 20), (20, 30)].into_iter()),
        [(0, 30), (50, 60)]
    );
    let plan = planned(
        "f --outage 09:00-11:00 --outage source:10:00-12:00 --outage 10:00-12:00 --outage 09:00-11:00",
    );
    let spans = plan
        .spells
        .iter()
        .map(|spell| (spell.of, spell.from, spell.until));
    let at = |hours| plan.begin + hours_of(hours);
    assert_eq!(
        spans.collect::<Vec<_>>(),
        [(Of::Target, at(9), at(12)), (Of::Source, at(10), at(12))]
    );
}
