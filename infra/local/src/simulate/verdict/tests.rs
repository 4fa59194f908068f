use crate::simulate::figures::{BrokenWindow, Quota, QuotaDay};

use super::*;

fn figures() -> Figures {
    let class = |goal_s, worst_s| Freshness {
        goal_s,
        came: 100,
        held: 100,
        worst_s,
        worst_at_ms: 1_772_434_800_000,
        worst_key: "REC-7".to_owned(),
        worst_in_review: false,
        median_s: 10,
        p95_s: 20,
    };
    Figures {
        target: "qualio".to_owned(),
        source: "erp".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        days: 1,
        changes: (20, 100, 880),
        critical: class(900, 60),
        other: class(32_400, 29_000),
        longest_gap_s: 28_800,
        windows: 4,
        calls_per_update: 2,
        batch: Lane {
            limit: 50,
            per_s: 60,
            ..Lane::default()
        },
        real_time: Lane {
            limit: 20,
            per_s: 60,
            ..Lane::default()
        },
        changed_records: 1_000,
        most_pending: (400, 1_772_434_800_000),
        most_pending_real_time: 40,
        longest_drain_s: 960,
        ..Figures::default()
    }
}

fn quota(left_batch: u64, left: u64) -> Quota {
    let day = QuotaDay {
        used: 100 - left,
        left,
        left_batch,
    };
    Quota {
        usable: 100,
        takes: 2,
        fullest: day,
        fullest_for_batch: day,
    }
}

#[test]
fn what_is_kept_is_said_with_its_load_and_its_limit() {
    let told = sentences(&figures());
    assert_eq!(
        told[0],
        "Kept: with 1,000 changes in 1 day and 50 calls a minute in the batch tier, 15 min for critical fields and 9 h for the others hold, and every window was done before the next one began."
    );
    assert!(
        told[2].contains("at most 8 h 4 min old (goal 9 h): REC-7 changed Mon 08:00"),
        "{told:?}"
    );
    assert!(
        told[3].contains("50 calls a minute, which is 25 updates (2 calls each)"),
        "{told:?}"
    );
}

#[test]
fn a_goal_below_the_schedule_is_the_schedules_fault() {
    let mut figures = figures();
    figures.other.goal_s = 14_400;
    let told = sentences(&figures).join("\n");
    assert!(told.starts_with("Not kept: "), "{told}");
    assert!(
        told.contains("4 h can not be kept for the other fields"),
        "{told}"
    );
    assert!(
        told.contains("The schedule by itself lets 8 h pass"),
        "{told}"
    );
    assert!(
        told.contains("windows at most 3 h 44 min apart could"),
        "{told}"
    );
}

#[test]
fn a_goal_that_the_limit_breaks_names_a_limit_that_would_do() {
    let mut figures = figures();
    figures.other.worst_s = 40_000;
    figures.most_pending = (3_000, 1_772_434_800_000);
    figures.spells = vec![(false, true, 1_772_300_000_000, 1_772_301_000_000)];
    let told = sentences(&figures).join("\n");
    // An outage long before has no part in it. 6,000 calls in the hour that the schedule leaves of the goal.
    assert!(told.contains("about 100 calls a minute would do"), "{told}");
}

fn told(change: impl FnOnce(&mut Figures)) -> String {
    let mut figures = figures();
    change(&mut figures);
    sentences(&figures).join("\n")
}

#[test]
fn each_broken_goal_has_one_cause_the_first_that_fits() {
    let began = 1_772_434_800_000;
    let away = |figures: &mut Figures| {
        figures.other.worst_s = 60_000;
        figures.spells = vec![(false, true, began, began + 40_000_000)];
    };
    let text = told(away);
    assert!(
        text.contains("a system was away or slow for 11 h 6 min"),
        "{text}"
    );
    assert!(
        !text.contains("would do") && !text.contains("no limit would"),
        "{text}"
    );
    let text = told(|figures| {
        figures.other.worst_s = 60_000;
        let until = began + 40_000_000;
        figures.spells = vec![(false, true, began, until), (true, true, began, until)];
    });
    assert!(
        text.contains("a system was away or slow for 11 h 6 min of the wait"),
        "{text}"
    );
    let text = told(|figures| {
        figures.other.goal_s = 14_400;
        figures.spells = vec![(false, true, began, began + 600_000)];
    });
    assert!(
        text.contains("The schedule by itself lets 8 h pass"),
        "{text}"
    );
    assert!(!text.contains("of the wait"), "{text}");
    let text = told(|figures| {
        figures.other.worst_s = 40_000;
        figures.quota = Some(quota(0, 30));
    });
    assert!(
        text.contains("for the other fields: the day's quota was used up"),
        "{text}"
    );
    let text = told(|figures| figures.critical.worst_s = 1_000);
    // 80 calls in 15 minutes are less than the limit; what is asked for is always more than it.
    assert!(
        text.contains("the real-time tier's limit. The goal leaves 15 min"),
        "{text}"
    );
    assert!(text.contains("about 21 calls a minute would do"), "{text}");
    let text = told(|figures| {
        figures.critical.worst_s = 1_000;
        figures.critical.worst_in_review = true;
        figures.critical.held = 99;
        figures.in_review = 1;
        figures.reviewed = [("retries_spent", 1)].into();
    });
    assert!(
        text.contains("1 record waits for a person (retries spent)"),
        "{text}"
    );
    assert!(
        text.contains("for critical fields: REC-7 waited for a person"),
        "{text}"
    );
}

#[test]
fn a_record_that_waits_for_a_person_is_not_kept_however_young_it_is() {
    let text = told(|figures| {
        figures.critical.held = 99;
        figures.in_review = 1;
        figures.reviewed = [("retries_spent", 1)].into();
    });
    assert!(text.starts_with("Not kept: "), "{text}");
    assert!(
        text.contains("1 record waits for a person (retries spent)."),
        "{text}"
    );
}

#[test]
fn a_limit_over_minutes_is_told_in_its_own_window() {
    let text = told(|figures| {
        figures.batch.limit = 1;
        figures.batch.per_s = 120;
        figures.other.worst_s = 40_000;
    });
    assert!(
        text.contains("and 1 call in 2 min in the batch tier"),
        "{text}"
    );
    // 800 calls in the hour that the schedule leaves.
    assert!(text.contains("about 27 calls in 2 min would do"), "{text}");
    assert!(text.contains("0.5 updates (2 calls each)"), "{text}");
}

#[test]
fn what_the_schedule_allows_stands_beside_what_was_seen() {
    let text = told(|figures| figures.other.goal_s = 29_500);
    assert!(text.starts_with("Kept: "), "{text}");
    assert!(
        text.contains("seen 8 h 4 min; the schedule allows 8 h between two windows + 16 min"),
        "{text}"
    );
    assert!(text.contains("more than the goal of 8 h 11 min"), "{text}");
    let text = told(|figures| figures.critical.came = 0);
    assert!(!text.contains("for critical fields"), "{text}");
}

#[test]
fn the_gap_that_check_tells_stands_beside_that_of_the_days() {
    let text = told(|figures| figures.worst_gap_s = 32_400);
    assert!(
        text.contains("the schedule allows 8 h (9 h when the clock is changed) between two windows + 16 min to work off. When the clock is changed that is more than the goal of 9 h"),
        "{text}"
    );
    let text = told(|figures| (figures.worst_gap_s, figures.other.goal_s) = (32_400, 36_000));
    assert!(
        text.contains("(9 h when") && !text.contains("more than the goal"),
        "{text}"
    );
    let text = told(|figures| figures.worst_gap_s = 28_800);
    assert!(!text.contains("clock is changed"), "{text}");
}

#[test]
fn the_first_sentence_names_systems_that_were_away_or_slow() {
    let (began, hour) = (1_772_434_800_000, 3_600_000);
    let text = told(|figures| {
        figures.critical.worst_s = 7_500;
        figures.spells = vec![
            (false, true, began, began + hour),
            (false, true, began + 2 * hour, began + 3 * hour),
            (true, false, began, began + hour),
        ];
    });
    assert!(
        text.starts_with("Not kept: with 1,000 changes in 1 day, 50 calls a minute in the batch tier, erp slow for 1 h and qualio away for 2 h, 15 min can not be kept for critical fields."),
        "{text}"
    );
}

#[test]
fn changes_that_fall_on_few_records_are_told() {
    let mut figures = figures();
    assert_eq!(crowded(&figures), None);
    figures.changed_records = 700;
    assert_eq!(
        crowded(&figures).unwrap(),
        "1,000 changes fell on 700 records; with more --records more calls are needed"
    );
}

#[test]
fn windows_spans_and_what_never_came_are_told() {
    let mut figures = figures();
    figures.left = 1;
    figures.broken = vec![BrokenWindow {
        at_ms: 0,
        next_ms: 1,
        left: 5,
        cut: false,
    }];
    figures.spells = vec![(false, true, 1_772_434_800_000, 1_772_442_000_000)];
    let told = sentences(&figures).join("\n");
    assert!(
        told.contains("1 of 4 windows were not done when the next one began"),
        "{told}"
    );
    assert!(
        told.contains("1 change had not reached qualio when the simulation ended"),
        "{told}"
    );
    assert!(
        told.contains("qualio was away from Mon 08:00 to Mon 10:00."),
        "{told}"
    );
}

#[test]
fn what_the_systems_hold_at_the_end_is_told() {
    let mut figures = figures();
    figures.equal = 1_200;
    let told = sentences(&figures);
    assert!(figures.is_kept(), "{told:?}");
    assert_eq!(
        told.last().unwrap(),
        "At the end 1,200 records are alike in erp and qualio, and none differs, is missing or stands twice, by what the simulated systems hold."
    );
    figures.differing = 3;
    let told = sentences(&figures);
    assert!(!figures.is_kept());
    assert!(
        told[0].ends_with("3 records differ between erp and qualio at the end."),
        "{told:?}"
    );
    assert!(
        told.last()
            .unwrap()
            .contains("and 3 not: different, missing or there twice"),
        "{told:?}"
    );
}

#[test]
fn a_quota_whose_rest_takes_no_update_is_used_up() {
    let with = |left_batch, left_real_time| {
        told(|figures| {
            figures.other.worst_s = 40_000;
            figures.quota = Some(quota(left_batch, left_real_time));
        })
    };
    let text = with(1, 31);
    assert!(
        text.contains("The cause for the other fields: the day's quota was used up."),
        "{text}"
    );
    assert!(
        text.contains("The day's quota was used up for the batch tier, which leaves what is kept for real-time: 69 of 100 calls that its headroom leaves. 1 call was left, and an update takes 2."),
        "{text}"
    );
    let text = with(0, 0);
    assert!(
        text.contains("The day's quota was used up: 100 of 100 calls that its headroom leaves."),
        "{text}"
    );
    let text = with(2, 32);
    assert!(!text.contains("quota"), "{text}");
    assert!(text.contains("the batch tier's limit"), "{text}");
}
