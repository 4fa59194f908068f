//! How an alarm comes to its state, as AWS documents it ("Using Amazon `CloudWatch` alarms": evaluation,
//! missing data). The emulator stores alarms and values, but looks at neither dimensions nor periods nor
//! missing data.
//!
//! Simpler than AWS in one way: it looks at the last periods only, and not at older values in the place
//! of missing ones.

use serde_json::Value;

/// What an alarm says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not known.
    InsufficientData,
    /// Nothing is wrong.
    Ok,
    /// Somebody is told.
    Alarm,
}

/// What a period without a value counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// As beyond the threshold.
    Breaching,
    /// As within it.
    NotBreaching,
    /// As nothing: the state stays.
    Ignore,
    /// As nothing: where all are missing, nothing is known.
    Unknown,
}

/// When an alarm fires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// `GreaterThanThreshold` and the like.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Periods that are looked at.
    pub periods: usize,
    /// How many of them must be beyond the threshold.
    pub to_alarm: usize,
    /// What a period without a value counts as.
    pub missing: Missing,
}

/// How a value is beyond a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Above it.
    Greater,
    /// At it or above.
    GreaterOrEqual,
    /// Below it.
    Less,
    /// At it or below.
    LessOrEqual,
}

impl Rule {
    /// Reads what `DescribeAlarms` says.
    pub fn read(alarm: &Value) -> Self {
        let text = |name: &str| alarm[name].as_str().unwrap_or_default();
        let number = |name: &str| usize::try_from(alarm[name].as_u64()?).ok();
        let periods = number("EvaluationPeriods").expect("evaluation periods");
        Self {
            comparison: match text("ComparisonOperator") {
                "GreaterThanThreshold" => Comparison::Greater,
                "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
                "LessThanThreshold" => Comparison::Less,
                "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
                other => panic!("{other} compares with something else than a number"),
            },
            threshold: alarm["Threshold"].as_f64().expect("a threshold"),
            periods,
            to_alarm: number("DatapointsToAlarm").unwrap_or(periods),
            missing: match text("TreatMissingData") {
                "breaching" => Missing::Breaching,
                "notBreaching" => Missing::NotBreaching,
                "ignore" => Missing::Ignore,
                _ => Missing::Unknown,
            },
        }
    }

    /// The state after these values of the last periods, the newest last.
    pub fn next(&self, state: State, values: &[Option<f64>]) -> State {
        assert_eq!(values.len(), self.periods);
        let known = values.iter().flatten().count();
        if known == 0 && self.missing == Missing::Unknown {
            return State::InsufficientData;
        }
        let beyond: Vec<Option<bool>> = values
            .iter()
            .map(|value| match (value, self.missing) {
                (Some(value), _) => Some(self.is_beyond(*value)),
                (None, Missing::Breaching) => Some(true),
                (None, Missing::NotBreaching) => Some(false),
                (None, Missing::Ignore | Missing::Unknown) => None,
            })
            .collect();
        let count = |wanted| beyond.iter().filter(|one| **one == wanted).count();
        let (bad, open) = (count(Some(true)), count(None));
        if bad >= self.to_alarm {
            State::Alarm
        } else if bad + open < self.to_alarm {
            State::Ok
        } else {
            state
        }
    }

    fn is_beyond(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
        }
    }
}

fn rule(periods: usize, missing: Missing) -> Rule {
    Rule {
        comparison: Comparison::GreaterOrEqual,
        threshold: 10.0,
        periods,
        to_alarm: periods,
        missing,
    }
}

#[test]
fn all_periods_must_be_beyond_the_threshold_unless_fewer_are_asked_for() {
    let all = rule(3, Missing::Unknown);
    let two = Rule { to_alarm: 2, ..all };
    for (values, of_all, of_two) in [
        ([10.0, 11.0, 12.0], State::Alarm, State::Alarm),
        ([10.0, 0.0, 12.0], State::Ok, State::Alarm),
        ([10.0, 0.0, 0.0], State::Ok, State::Ok),
    ] {
        let values = values.map(Some);
        assert_eq!(all.next(State::Ok, &values), of_all, "{values:?}");
        assert_eq!(two.next(State::Ok, &values), of_two, "{values:?}");
    }
}

#[test]
fn each_comparison_has_its_own_edge() {
    for (comparison, below, at, above) in [
        (Comparison::Greater, State::Ok, State::Ok, State::Alarm),
        (
            Comparison::GreaterOrEqual,
            State::Ok,
            State::Alarm,
            State::Alarm,
        ),
        (Comparison::Less, State::Alarm, State::Ok, State::Ok),
        (
            Comparison::LessOrEqual,
            State::Alarm,
            State::Alarm,
            State::Ok,
        ),
    ] {
        let rule = Rule {
            comparison,
            ..rule(1, Missing::Unknown)
        };
        for (value, expected) in [(9.0, below), (10.0, at), (11.0, above)] {
            let state = rule.next(State::InsufficientData, &[Some(value)]);
            assert_eq!(state, expected, "{comparison:?} {value}");
        }
    }
}

#[test]
fn what_is_missing_counts_as_the_alarm_says() {
    for (missing, of_none, of_one_bad) in [
        (Missing::Breaching, State::Alarm, State::Alarm),
        (Missing::NotBreaching, State::Ok, State::Ok),
        (Missing::Unknown, State::InsufficientData, State::Ok),
        (Missing::Ignore, State::Ok, State::Ok),
    ] {
        let rule = rule(2, missing);
        assert_eq!(rule.next(State::Ok, &[None, None]), of_none, "{missing:?}");
        let one_bad = [Some(10.0), None];
        assert_eq!(rule.next(State::Ok, &one_bad), of_one_bad, "{missing:?}");
    }
    // What is open keeps the state, whichever it is.
    let ignores = rule(2, Missing::Ignore);
    assert_eq!(ignores.next(State::Alarm, &[None, None]), State::Alarm);
    assert_eq!(
        ignores.next(State::Alarm, &[Some(10.0), None]),
        State::Alarm
    );
    assert_eq!(ignores.next(State::Alarm, &[Some(0.0), None]), State::Ok);
}
