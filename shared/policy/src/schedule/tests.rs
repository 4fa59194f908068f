use jiff::civil::DateTime;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn at(text: &str) -> UnixMs {
    UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond())
}

fn spec(zone: &str, windows: &[&str], every_minutes: Option<u32>) -> Schedule {
    Schedule {
        time_zone: zone.to_owned(),
        windows: windows
            .iter()
            .map(|at| WindowSpec {
                at: (*at).to_owned(),
                lookback_s: None,
            })
            .collect(),
        every_minutes,
        lookback_s: 300,
        max_run_minutes: 120,
    }
}

fn windows(zone: &str, windows: &[&str]) -> CompiledSchedule {
    CompiledSchedule::compile(&spec(zone, windows, None)).unwrap()
}

fn every(zone: &str, minutes: u32) -> CompiledSchedule {
    CompiledSchedule::compile(&spec(zone, &[], Some(minutes))).unwrap()
}

/// The four windows of R1.
const FOUR: [&str; 4] = ["02:00", "10:00", "14:00", "18:00"];

#[rstest]
#[case::ordinary_day("Europe/Berlin", &FOUR, "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")]
#[case::on_the_dot_is_past("Europe/Berlin", &FOUR, "2026-11-20T09:00:00Z", "2026-11-20T13:00:00Z")]
#[case::over_midnight("Europe/Berlin", &FOUR, "2026-11-20T17:00:00Z", "2026-11-21T01:00:00Z")]
// Clocks go from 02:00 to 03:00 on 29 March 2026: the first instant after the gap is 01:00Z.
#[case::gap("Europe/Berlin", &["02:00"], "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z")]
#[case::middle_of_the_gap("Europe/Berlin", &["02:30"], "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z")]
#[case::after_the_gap("Europe/Berlin", &["02:30"], "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z")]
// Clocks go from 03:00 back to 02:00 on 25 October 2026: 02:30 is first at 00:30Z, then at 01:30Z.
#[case::repeated_hour("Europe/Berlin", &["02:30"], "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z")]
#[case::not_repeated("Europe/Berlin", &["02:30"], "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")]
#[case::new_york_gap("America/New_York", &["02:15"], "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z")]
#[case::new_york_repeated("America/New_York", &["01:15"], "2026-10-31T12:00:00Z", "2026-11-01T05:15:00Z")]
#[case::new_york_not_repeated("America/New_York", &["01:15"], "2026-11-01T05:15:00Z", "2026-11-02T06:15:00Z")]
// Lord Howe Island moves by 30 minutes: 02:00 to 02:30 on 4 October 2026, from +10:30 to +11.
#[case::half_hour_gap("Australia/Lord_Howe", &["02:15"], "2026-10-03T10:00:00Z", "2026-10-03T15:30:00Z")]
#[case::outside_the_half_hour("Australia/Lord_Howe", &["02:45"], "2026-10-03T10:00:00Z", "2026-10-03T15:45:00Z")]
// And back from 02:00 to 01:30 on 5 April 2026.
#[case::half_hour_repeated("Australia/Lord_Howe", &["01:45"], "2026-04-04T10:00:00Z", "2026-04-04T14:45:00Z")]
#[case::half_hour_not_repeated("Australia/Lord_Howe", &["01:45"], "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z")]
#[case::utc_has_no_gap("UTC", &["02:30"], "2026-03-28T12:00:00Z", "2026-03-29T02:30:00Z")]
// Samoa left out the whole of 30 December 2011.
#[case::skipped_day("Pacific/Apia", &["12:00"], "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z")]
fn the_next_window(
    #[case] zone: &str,
    #[case] times: &[&str],
    #[case] now: &str,
    #[case] expected: &str,
) {
    assert_eq!(
        utc(windows(zone, times).next_after(at(now)).unwrap().at),
        expected
    );
}

#[test]
fn the_latest_window_is_the_one_at_or_before_now() {
    let schedule = windows("Europe/Berlin", &FOUR);
    let latest = |now: &str| utc(schedule.latest_due(at(now)).unwrap().at);
    assert_eq!(latest("2026-11-20T09:00:00Z"), "2026-11-20T09:00:00Z");
    assert_eq!(latest("2026-11-20T08:59:59.999Z"), "2026-11-20T01:00:00Z");
    assert_eq!(latest("2026-11-20T00:00:00Z"), "2026-11-19T17:00:00Z");
}

#[test]
fn a_window_can_have_a_lookback_of_its_own() {
    let mut spec = spec("UTC", &["02:00", "10:00"], None);
    spec.windows[0].lookback_s = Some(86_400);
    let schedule = CompiledSchedule::compile(&spec).unwrap();
    let night = schedule.next_after(at("2026-01-01T00:00:00Z")).unwrap();
    let day = schedule.next_after(night.at).unwrap();
    assert_eq!(
        (night.lookback, day.lookback),
        (Duration::from_hours(24), Duration::from_mins(5))
    );
}

#[test]
fn two_windows_in_one_gap_are_one_run_with_the_longer_lookback() {
    let mut spec = spec("Europe/Berlin", &["02:15", "02:45"], None);
    spec.windows[1].lookback_s = Some(86_400);
    let schedule = CompiledSchedule::compile(&spec).unwrap();
    let due = schedule.next_after(at("2026-03-28T12:00:00Z")).unwrap();
    assert_eq!(
        (utc(due.at).as_str(), due.lookback),
        ("2026-03-29T01:00:00Z", Duration::from_hours(24))
    );
    assert_eq!(
        utc(schedule.next_after(due.at).unwrap().at),
        "2026-03-30T00:15:00Z"
    );
}

#[test]
fn every_so_many_minutes_goes_on_through_a_repeated_hour() {
    let schedule = every("Europe/Berlin", 15);
    let mut now = at("2026-10-25T00:00:00Z");
    for _ in 0..16 {
        let next = schedule.next_after(now).unwrap().at;
        assert_eq!(next.since(now), Duration::from_mins(15));
        now = next;
    }
}

#[rstest]
#[case::four_windows(windows("Europe/Berlin", &FOUR), 9, 8, "2026-10-25 02:00", "2026-10-25 10:00")]
#[case::four_windows_in_utc(windows("UTC", &FOUR), 8, 8, "2026-01-01 02:00", "2026-01-01 10:00")]
#[case::once_a_day(windows("America/New_York", &["03:00"]), 25, 24, "2026-10-31 03:00", "2026-11-01 03:00")]
#[case::every_hour(
    every("Europe/Berlin", 60),
    1,
    1,
    "2026-01-01 00:00",
    "2026-01-01 01:00"
)]
fn the_worst_gap_counts_changes_of_the_clock(
    #[case] schedule: CompiledSchedule,
    #[case] hours: u64,
    #[case] usual_hours: u64,
    #[case] from: &str,
    #[case] to: &str,
) {
    let gap = schedule.worst_gap();
    let hours_long = |hours: u64| Duration::from_hours(hours);
    assert_eq!(
        (gap.span, gap.usual),
        (hours_long(hours), hours_long(usual_hours))
    );
    assert_eq!((gap.from.as_str(), gap.to.as_str()), (from, to));
}

#[rstest]
#[case(spec("Europe/Brelin", &["02:00"], None), ScheduleError::Zone("Europe/Brelin".to_owned()))]
#[case(spec("", &["02:00"], None), ScheduleError::Zone(String::new()))]
#[case(spec("UTC", &["25:00"], None), ScheduleError::Window("25:00".to_owned()))]
#[case(spec("UTC", &["24:00"], None), ScheduleError::Window("24:00".to_owned()))]
#[case(spec("UTC", &["2:00"], None), ScheduleError::Window("2:00".to_owned()))]
#[case(spec("UTC", &["02:60"], None), ScheduleError::Window("02:60".to_owned()))]
#[case(spec("UTC", &["-2:00"], None), ScheduleError::Window("-2:00".to_owned()))]
#[case(spec("UTC", &["+2:00"], None), ScheduleError::Window("+2:00".to_owned()))]
#[case(spec("UTC", &["02:+5"], None), ScheduleError::Window("02:+5".to_owned()))]
#[case(spec("UTC", &["02:00", "02:00"], None), ScheduleError::Twice("02:00".to_owned()))]
#[case(spec("UTC", &[], None), ScheduleError::Empty)]
#[case(spec("UTC", &["02:00"], Some(5)), ScheduleError::Both)]
#[case(spec("UTC", &[], Some(0)), ScheduleError::Every)]
#[case(spec("UTC", &[], Some(1_441)), ScheduleError::Every)]
fn a_schedule_that_is_none_is_refused(#[case] spec: Schedule, #[case] expected: ScheduleError) {
    assert_eq!(CompiledSchedule::compile(&spec).unwrap_err(), expected);
}

#[test]
fn the_newest_window_of_some_times_is_found_on_the_days_of_a_changed_clock_too() {
    let schedule = windows("Europe/Berlin", &["02:00", "02:30", "10:00"]);
    let night = [parse_time("02:00").unwrap()];
    for (now, latest) in [
        ("2026-11-20T01:00:00Z", "2026-11-20T01:00:00Z"),
        ("2026-11-20T00:59:59Z", "2026-11-19T01:00:00Z"),
        ("2026-11-20T09:00:00Z", "2026-11-20T01:00:00Z"),
        // The hour is skipped: the first instant after it.
        ("2026-03-29T09:00:00Z", "2026-03-29T01:00:00Z"),
        // The hour comes twice: the first.
        ("2026-10-25T09:00:00Z", "2026-10-25T00:00:00Z"),
    ] {
        assert_eq!(
            schedule.latest_of(&night, at(now)),
            Some(at(latest)),
            "{now}"
        );
    }
    assert_eq!(schedule.latest_of(&[], at("2026-11-20T01:00:00Z")), None);
}

const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "UTC",
    "Pacific/Apia",
];

prop_compose! {
    fn any_windows()(zone in prop::sample::select(&ZONES[..]), minutes in prop::collection::btree_set(0_u32..1_440, 1..6))
        -> (CompiledSchedule, Vec<(i8, i8)>)
    {
        let times: Vec<(i8, i8)> = minutes.iter().map(|m| (i8::try_from(m / 60).unwrap(), i8::try_from(m % 60).unwrap())).collect();
        let texts: Vec<String> = times.iter().map(|(hour, minute)| format!("{hour:02}:{minute:02}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        (windows(zone, &texts), times)
    }
}

/// 2000 to 2100, in milliseconds.
const CENTURY: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

proptest! {
    #[test]
    fn the_next_window_lies_after_now_and_no_window_lies_between((schedule, _) in any_windows(), now in CENTURY) {
        let now = UnixMs(now);
        let next = schedule.next_after(now).unwrap();
        prop_assert!(next.at > now);
        prop_assert!(next.at.since(now) <= Duration::from_hours(49));
        let latest = schedule.latest_due(now).unwrap();
        prop_assert!(latest.at <= now);
        prop_assert_eq!(schedule.next_after(latest.at).unwrap().at, next.at);
        prop_assert_eq!(schedule.latest_due(UnixMs(next.at.0 - 1)).unwrap().at, latest.at);
        prop_assert_eq!(schedule.latest_due(next.at).unwrap().at, next.at);
    }

    #[test]
    fn each_local_day_has_each_window_once((schedule, times) in any_windows(), now in CENTURY) {
        // Twelve days of windows, read one after the other as the tick does.
        let mut starts = Vec::new();
        let mut at = UnixMs(now);
        while at.since(UnixMs(now)) < Duration::from_hours(12 * 24) {
            at = schedule.next_after(at).unwrap().at;
            starts.push(Timestamp::from_millisecond(at.0).unwrap().to_zoned(schedule.zone.clone()).datetime());
        }
        let day_of = |days: i64| starts[0].date().checked_add(Span::new().days(days)).unwrap();
        for day in (2..10).map(day_of) {
            let begin = day.to_zoned(schedule.zone.clone()).unwrap();
            if begin.date() != day { continue; } // A day that the zone leaves out.
            for &(hour, minute) in &times {
                let wanted: DateTime = day.at(hour, minute, 0, 0);
                let exact = starts.iter().filter(|start| **start == wanted).count();
                // A time in a gap runs at its end, which no wall clock shows as the wanted time.
                let gap_end = wanted.to_zoned(schedule.zone.clone()).unwrap().datetime() != wanted;
                prop_assert_eq!(exact, usize::from(!gap_end), "{} in {:?}", wanted, schedule.zone.iana_name());
            }
        }
    }

    #[test]
    fn every_so_many_minutes_never_waits_longer(minutes in 1_u32..=1_440, zone in prop::sample::select(&ZONES[..]), now in CENTURY) {
        let schedule = every(zone, minutes);
        let next = schedule.next_after(UnixMs(now)).unwrap();
        let latest = schedule.latest_due(UnixMs(now)).unwrap();
        prop_assert!(next.at > UnixMs(now) && latest.at <= UnixMs(now));
        prop_assert!(next.at.since(latest.at) <= Duration::from_mins(minutes.into()));
    }

    #[test]
    fn no_moment_and_no_text_makes_a_schedule_panic(now in any::<i64>(), zone in "\\PC{0,20}", time in "\\PC{0,8}") {
        let schedule = windows("Europe/Berlin", &FOUR);
        schedule.next_after(UnixMs(now));
        schedule.latest_due(UnixMs(now));
        schedule.local(UnixMs(now));
        let _refused = CompiledSchedule::compile(&spec(&zone, &[&time], None));
    }
}
