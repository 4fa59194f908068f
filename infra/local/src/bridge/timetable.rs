//! Which schedule is due when. Pure: the list and the time come from the caller.

use std::{collections::BTreeMap, time::Duration};

use tidegate_model::UnixMs;

use super::expression::{Cadence, ExpressionError};

/// Stands for the scheduled time in an input.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// A schedule as EventBridge Scheduler holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When.
    pub expression: String,
    /// Of which time zone.
    pub zone: String,
    /// The function that it starts, without the prefix.
    pub function: &'static str,
    /// What the function gets.
    pub input: String,
    /// Tries after the first.
    pub retries: u32,
    /// How long after its time it may still be tried.
    pub oldest: Duration,
    /// Whether it goes once it has fired, where it fires once.
    pub goes: bool,
    /// Whether AWS fires it too.
    pub is_enabled: bool,
}

/// A schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Firing {
    /// The schedule.
    pub listed: Listed,
    /// The scheduled time.
    pub at: UnixMs,
    /// Whether it fires once.
    pub is_last: bool,
}

impl Firing {
    /// The schedule's group and name.
    pub(super) fn key(&self) -> (String, String) {
        (self.listed.group.clone(), self.listed.name.clone())
    }

    /// What the function gets: the schedule's input with the scheduled time in it.
    pub(super) fn input(&self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.at.0).unwrap_or_default();
        self.listed.input.replace(SCHEDULED_TIME, &at.to_string())
    }
}

/// The schedules that are followed.
#[derive(Debug)]
pub(super) struct Timetable {
    started: UnixMs,
    entries: BTreeMap<(String, String), Entry>,
}

#[derive(Debug)]
struct Entry {
    listed: Listed,
    /// None where the expression is not understood.
    cadence: Option<Cadence>,
    since: UnixMs,
    next: Option<UnixMs>,
}

impl Entry {
    fn new(listed: Listed, cadence: Option<Cadence>, started: UnixMs, now: UnixMs) -> Self {
        let next = match &cadence {
            // Scheduler starts a rate when it is made.
            Some(Cadence::Every(_)) => Some(now),
            // It may have been made, and have come, since the last list.
            Some(cadence @ Cadence::Once(_)) => cadence.next_after(started, now),
            Some(cadence) => cadence.next_after(now, now),
            None => None,
        };
        Self {
            listed,
            cadence,
            since: now,
            next,
        }
    }
}

impl Timetable {
    /// An empty one. What fires once and was due before `started` is passed over.
    pub(super) fn new(started: UnixMs) -> Self {
        Self {
            started,
            entries: BTreeMap::new(),
        }
    }

    /// Follows what is listed now. Gives those that were not known as they are, and why one is
    /// not followed.
    pub(super) fn take(
        &mut self,
        listed: Vec<Listed>,
        now: UnixMs,
    ) -> Vec<(Listed, Result<(), ExpressionError>)> {
        let mut old = std::mem::take(&mut self.entries);
        let mut news = Vec::new();
        for listed in listed {
            let key = (listed.group.clone(), listed.name.clone());
            let known = old.remove(&key).filter(|entry| entry.listed == listed);
            let entry = known.unwrap_or_else(|| {
                let read = Cadence::read(&listed.expression, &listed.zone);
                let cadence = read.as_ref().ok().cloned();
                news.push((listed.clone(), read.map(drop)));
                Entry::new(listed, cadence, self.started, now)
            });
            self.entries.insert(key, entry);
        }
        news
    }

    /// What is due by `now`. A time that passed several times over is due once, the last time.
    pub(super) fn due(&mut self, now: UnixMs) -> Vec<Firing> {
        let mut due = Vec::new();
        for entry in self.entries.values_mut() {
            let Some(cadence) = &entry.cadence else {
                continue;
            };
            let Some(mut at) = entry.next.filter(|at| *at <= now) else {
                continue;
            };
            entry.next = cadence.next_after(at, entry.since);
            while let Some(later) = entry.next.filter(|later| *later <= now) {
                at = later;
                entry.next = cadence.next_after(at, entry.since);
            }
            due.push(Firing {
                listed: entry.listed.clone(),
                at,
                is_last: matches!(cadence, Cadence::Once(_)),
            });
        }
        due
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<UnixMs> {
        self.entries.values().filter_map(|entry| entry.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMs = UnixMs(1_795_140_000_000); // 2026-11-20T02:00:00Z

    fn listed(name: &str, expression: &str) -> Listed {
        Listed {
            name: name.to_owned(),
            group: "default".to_owned(),
            expression: expression.to_owned(),
            zone: "UTC".to_owned(),
            function: "batch-sync",
            input: format!("{{\"window\":\"{SCHEDULED_TIME}\"}}"),
            retries: 0,
            oldest: Duration::from_hours(1),
            goes: false,
            is_enabled: false,
        }
    }

    fn names(due: &[Firing]) -> Vec<&str> {
        due.iter()
            .map(|firing| firing.listed.name.as_str())
            .collect()
    }

    #[test]
    fn a_window_fires_once_at_its_time_and_tells_it() {
        let mut table = Timetable::new(START);
        let schedules = vec![listed("windows", "cron(0 2,10 * * ? *)")];
        table.take(schedules.clone(), START - Duration::from_secs(1));
        assert_eq!(table.due(START - Duration::from_secs(1)), []);
        assert_eq!(table.next(), Some(START));
        // The list is read again in between.
        assert!(table.take(schedules, START).is_empty());
        let due = table.due(START + Duration::from_secs(3));
        assert_eq!(due[0].input(), r#"{"window":"2026-11-20T02:00:00Z"}"#);
        assert_eq!(table.due(START + Duration::from_secs(4)), []);
        assert_eq!(table.next(), Some(START + Duration::from_hours(8)));
    }

    #[test]
    fn times_that_passed_while_the_machine_slept_are_one() {
        let mut table = Timetable::new(START);
        table.take(vec![listed("tick", "rate(5 minutes)")], START);
        assert_eq!(names(&table.due(START)), ["tick"], "at once");
        let due = table.due(START + Duration::from_mins(61));
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].at, START + Duration::from_mins(60));
        assert_eq!(table.next(), Some(START + Duration::from_mins(65)));
    }

    #[test]
    fn one_time_is_followed_from_the_start_on_and_never_afterwards() {
        let mut table = Timetable::new(START);
        let past = listed("past", "at(2026-11-20T01:59:59)");
        let soon = listed("soon", "at(2026-11-20T02:00:01)");
        // It was made and came between two lists.
        let later = START + Duration::from_secs(2);
        table.take(vec![past.clone(), soon.clone()], later);
        let due = table.due(later);
        assert_eq!(names(&due), ["soon"]);
        assert!(due[0].is_last);
        table.take(vec![past, soon], later);
        assert_eq!(table.due(later), []);
        assert_eq!(table.next(), None);
    }

    #[test]
    fn a_changed_schedule_is_followed_anew_and_one_that_is_gone_no_more() {
        let mut table = Timetable::new(START);
        table.take(
            vec![listed("a", "cron(0 3 * * ? *)"), listed("b", "rate(1 day)")],
            START,
        );
        let news = table.take(vec![listed("a", "cron(0 4 * * ? *)")], START);
        assert_eq!(news.len(), 1);
        assert_eq!(table.next(), Some(START + Duration::from_hours(2)));
        let news = table.take(vec![listed("a", "cron(0 4 ? * MON *)")], START);
        assert!(news[0].1.is_err());
        assert_eq!(table.next(), None);
    }
}
