//! Events that start runs.

use super::*;

fn event(id: &str) -> RunRequest {
    RunRequest {
        trigger: Some(trigger(id)),
        ..by_hand()
    }
}

fn trigger(id: &str) -> Trigger {
    Trigger {
        id: EventId::try_new(id).unwrap(),
        at: NOW,
    }
}

fn waits(table: &Table) -> Option<String> {
    let lease = table.read();
    let waiting = lease.triggers.waiting();
    waiting.map(|trigger| trigger.id.to_string())
}

#[test]
fn a_repeated_delivery_of_an_event_is_the_same_run() {
    let mut table = Table::default();
    let (holder, progress) = table.begin("w", &event("e1"), NOW);
    assert_eq!(progress.run.as_str(), "event-e1");
    assert_eq!(
        table.plan(&event("e1"), NOW),
        Start::AlreadyDone,
        "under way"
    );
    assert!(matches!(table.plan(&event("e2"), NOW), Start::Busy { .. }));
    assert!(table.write(&finish(&holder, &progress, None)));
    assert_eq!(table.plan(&event("e1"), NOW), Start::AlreadyDone, "done");
    assert!(matches!(table.plan(&event("e2"), NOW), Start::Go(_)));
}

#[test]
fn an_event_that_finds_another_run_waits_and_the_next_run_covers_it() {
    for next in [event("e1"), event("e2"), window(NOW), by_hand()] {
        let mut table = Table::default();
        let (holder, progress) = table.begin("w", &by_hand(), NOW);
        assert!(table.write(&let_wait(&table.read().triggers, &trigger("e1"))));
        assert_eq!(waits(&table).as_deref(), Some("e1"));
        assert!(
            table.write(&finish(&holder, &progress, None)),
            "it touches no checkpoint"
        );
        assert_eq!(
            waits(&table).as_deref(),
            Some("e1"),
            "that run began before"
        );
        table.complete("x", &next, NOW, 0);
        assert_eq!(waits(&table), None, "{next:?}");
        assert_eq!(
            table.plan(&event("e1"), NOW),
            Start::AlreadyDone,
            "{next:?}"
        );
    }
}

#[test]
fn a_run_that_goes_on_began_before_the_event_and_does_not_cover_it() {
    let mut table = Table::default();
    table.complete("first", &by_hand(), NOW, 1);
    let (mut holder, mut progress) = table.begin("w", &window(NOW), NOW);
    table.page(&mut holder, &mut progress, 2);
    assert!(table.write(&yield_lease(&holder)));
    let (holder, progress) = table.begin("x", &event("e1"), NOW);
    assert_eq!(progress.run.as_str(), format!("window-{}", NOW.0));
    assert_eq!(waits(&table).as_deref(), Some("e1"));
    assert!(table.write(&finish(&holder, &progress, None)));
    let waiting = table.read().triggers.waiting().cloned();
    let tick = RunRequest {
        trigger: waiting,
        ..by_hand()
    };
    assert_eq!(table.progress(&tick, NOW).run.as_str(), "event-e1");
}

#[test]
fn a_run_of_an_event_that_goes_on_waits_for_nothing() {
    let mut table = Table::default();
    let (mut holder, mut progress) = table.begin("w", &event("e1"), NOW);
    table.page(&mut holder, &mut progress, 2);
    assert!(table.write(&yield_lease(&holder)));
    let resume = RunRequest {
        resume: Some(progress.run.clone()),
        ..by_hand()
    };
    let (_, progress) = table.begin("x", &resume, NOW);
    assert_eq!((progress.run.as_str(), waits(&table)), ("event-e1", None));
}

#[test]
fn what_waits_a_second_time_after_its_run_began_waits_no_more() {
    let mut table = Table::default();
    table.complete("w", &event("e1"), NOW, 0);
    // The repeat looked at the lease before it was taken.
    assert!(table.write(&let_wait(&table.read().triggers, &trigger("e1"))));
    assert_eq!(waits(&table), None);
}

#[test]
fn an_event_waits_only_if_no_run_has_begun_for_one_meanwhile() {
    let mut table = Table::default();
    let before = table.read().triggers;
    assert!(table.write(&let_wait(&before, &trigger("e1"))));
    let waiting = let_wait(&before, &trigger("e2"));
    table.complete("w", &event("e3"), NOW, 0);
    assert!(!table.write(&waiting), "its own run may have been that");
    let seen = table.read().triggers;
    assert!(table.write(&let_wait(&seen, &trigger("e2"))));
    assert_eq!(waits(&table).as_deref(), Some("e2"));
}

#[test]
fn a_lease_remembers_few_events_and_the_newest() {
    let mut table = Table::default();
    for number in 0..20 {
        table.complete("w", &event(&format!("e{number}")), NOW, 0);
    }
    let has_begun = |number: u32| {
        let id = EventId::try_new(format!("e{number}")).unwrap();
        table.read().triggers.has_begun(&id)
    };
    assert!((12..20).all(has_begun));
    assert!(!(0..12).any(has_begun));
    let marks = table.item.as_ref().unwrap()["events"].as_text().unwrap();
    assert!(marks.len() <= 104, "each advance pays for them: {marks}");
}
