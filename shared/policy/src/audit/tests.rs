use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use tidegate_model::{
    ClaimToken, RunId, UnixMs,
    flow::{AuditRule, UniqueSpec},
};

use super::*;
use crate::reconcile::{Holder, Start, end, take, yield_lease};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn spec() -> AuditSpec {
    let rule = |name: &str, holds: &str, review| AuditRule {
        name: name.to_owned(),
        holds: holds.to_owned(),
        review,
    };
    AuditSpec {
        after: vec!["02:00".to_owned()],
        required: vec!["email".to_owned()],
        rules: vec![
            rule(
                "approved-is-certified",
                "not fields.approved or fields.certified",
                true,
            ),
            rule("score-is-known", "fields.score + 0 >= 0", false),
        ],
        unique: vec![UniqueSpec {
            fields: vec!["tax_id".to_owned(), "country".to_owned()],
        }],
    }
}

fn audit() -> Audit {
    Audit::compile(&spec(), &Context::new()).unwrap()
}

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

/// A record with which nothing is wrong, but for these fields.
fn record(changed: &Value) -> Fields {
    let sound = json!({
        "email": "a@b.example", "approved": true, "certified": true, "score": 7,
        "tax_id": "1", "country": "DE",
    });
    let mut fields = sound.as_object().unwrap().clone();
    for (name, value) in changed.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    fields
}

fn told(fields: &Fields, shared: bool) -> Vec<(FindingKind, String, bool)> {
    let audit = audit();
    let found = audit.judge(&key("a"), fields, |_| shared);
    let told = |finding: &Finding<'_>| (finding.kind, finding.name.to_owned(), finding.review);
    found.iter().map(told).collect()
}

#[rstest]
#[case::sound(json!({}), None)]
#[case::null(json!({"email": null}), Some((FindingKind::Missing, "email")))]
#[case::empty(json!({"email": ""}), Some((FindingKind::Missing, "email")))]
#[case::blank(json!({"email": "  "}), Some((FindingKind::Missing, "email")))]
#[case::no_entries(json!({"email": []}), Some((FindingKind::Missing, "email")))]
#[case::false_is_something(json!({"email": false}), None)]
#[case::zero_is_something(json!({"email": 0}), None)]
#[case::broken(json!({"certified": false}), Some((FindingKind::Broken, "approved-is-certified")))]
#[case::not_for_the_others(json!({"certified": false, "approved": false}), None)]
#[case::nothing_is_not_true(json!({"certified": null}), Some((FindingKind::Broken, "approved-is-certified")))]
#[case::what_is_only_like_true(json!({"certified": "yes"}), Some((FindingKind::Broken, "approved-is-certified")))]
#[case::no_value(json!({"score": "seven"}), Some((FindingKind::Failed, "score-is-known")))]
fn a_record_is_judged_by_what_its_flow_asks(
    #[case] changed: Value,
    #[case] expected: Option<(FindingKind, &str)>,
) {
    let found = told(&record(&changed), false);
    let named: Vec<_> = found
        .iter()
        .map(|(kind, name, _)| (*kind, name.as_str()))
        .collect();
    assert_eq!(named, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_field_that_is_not_there_at_all_is_missing() {
    let mut fields = record(&json!({}));
    fields.remove("email");
    assert_eq!(
        told(&fields, false),
        [(FindingKind::Missing, "email".to_owned(), false)]
    );
}

#[test]
fn only_a_rule_that_asks_for_it_puts_a_record_to_a_person() {
    let fields = record(&json!({"email": null, "certified": false, "score": "x"}));
    let reviewed = told(&fields, true)
        .into_iter()
        .filter(|(_, _, review)| *review);
    let names: Vec<String> = reviewed.map(|(_, name, _)| name).collect();
    assert_eq!(names, ["approved-is-certified"]);
}

#[test]
fn values_are_shared_by_all_of_them_together_and_nothing_is_like_nothing() {
    let prints = |changed: Value| audit().prints(&record(&changed)).collect::<Vec<_>>();
    let one = prints(json!({}));
    assert_eq!(one.len(), 1);
    assert_eq!(one, prints(json!({"email": "other"})));
    assert_ne!(one, prints(json!({"country": "AT"})));
    assert_ne!(one, prints(json!({"tax_id": 1})), "a number is no text");
    assert_eq!(prints(json!({"tax_id": null})), []);
    assert_eq!(prints(json!({"country": ""})), []);
    let shared = told(&record(&json!({})), true);
    assert_eq!(
        shared,
        [(FindingKind::Shared, "tax_id, country".to_owned(), false)]
    );
}

#[test]
fn a_report_names_the_first_by_key_whatever_the_order() {
    let note = |number: usize| Note {
        key: format!("{number:05}"),
        kind: FindingKind::Missing,
        name: "email".to_owned(),
    };
    let mut notes = Vec::new();
    for number in (0..3 * MAX_NOTES).rev() {
        note(number).add(&mut notes);
    }
    assert_eq!(notes, (0..MAX_NOTES).map(note).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tallies_add_up_to_the_counts_of_their_kinds(found in prop::collection::vec((0..4_usize, 0..3_usize), 0..60)) {
        let (mut counts, mut tallies) = (Counts::default(), Vec::new());
        for (kind, name) in found {
            let kind = FindingKind::ALL[kind];
            counts.count(kind);
            Tally::count(&mut tallies, &Finding { kind, name: ["a", "b", "c"][name], review: false });
        }
        for kind in FindingKind::ALL {
            let of = tallies.iter().filter(|tally| tally.kind == kind);
            prop_assert_eq!(of.map(|tally| tally.count).sum::<u64>(), counts.of(kind));
        }
        let places: std::collections::BTreeSet<_> = tallies.iter().map(|tally| (tally.kind, &tally.name)).collect();
        prop_assert_eq!(places.len(), tallies.len());
    }
}

fn token(text: &str) -> ClaimToken {
    ClaimToken::try_new(text).unwrap()
}

fn of(window: i64) -> AuditRequest {
    AuditRequest {
        window: Some(UnixMs(window)),
        resume: None,
    }
}

/// The item of a flow's audits.
#[derive(Default)]
struct Table(Option<tidegate_model::item::Item>);

impl Table {
    fn seen(&self) -> Checkpoint {
        Checkpoint::read(self.0.as_ref())
    }

    fn write(&mut self, update: &tidegate_model::item::Update) {
        self.0 = Some(
            update
                .evaluate(self.0.as_ref())
                .expect("its condition holds"),
        );
    }

    fn plan(&self, request: &AuditRequest, now: UnixMs) -> Start<Progress> {
        plan(&self.seen(), request, true, &token("b"), now)
    }

    fn begin(&mut self, request: &AuditRequest, now: UnixMs) -> (Holder, Progress) {
        let Start::Go(progress) = self.plan(request, now) else {
            panic!("{:?}", self.plan(request, now));
        };
        self.write(&take(&token("b"), &self.seen(), &*progress, now));
        let Checkpoint { fence, seq, .. } = self.seen();
        let until = now + crate::run::LEASE;
        let holder = Holder {
            token: token("b"),
            fence,
            seq,
            until,
        };
        (holder, *progress)
    }
}

#[test]
fn a_repeated_request_of_a_window_is_the_same_audit() {
    let mut table = Table::default();
    let (holder, progress) = table.begin(&of(5), NOW);
    assert_eq!(progress.run.as_str(), "audit-5");
    assert!(matches!(table.plan(&of(5), NOW), Start::Busy { .. }));
    table.write(&end(&holder, UnixMs(5)));
    assert_eq!(table.plan(&of(5), NOW), Start::AlreadyDone);
    assert!(matches!(table.plan(&of(6), NOW), Start::Go(_)));
}

#[test]
fn one_that_was_cut_goes_on_where_it_was() {
    let mut table = Table::default();
    let (holder, mut progress) = table.begin(&of(5), NOW);
    progress.shard = 3;
    progress.counts.audited = 7;
    table.write(&yield_lease(&holder, &progress));
    for request in [of(5), AuditRequest::default(), of(4)] {
        assert_eq!(
            table.plan(&request, NOW),
            Start::Go(Box::new(progress.clone()))
        );
    }
    let Start::Go(newer) = table.plan(&of(6), NOW) else {
        panic!("a later window sees what its run brought");
    };
    assert_eq!((newer.shard, newer.counts.audited), (0, 0));
}

#[test]
fn the_rest_of_one_that_has_ended_or_is_too_old_is_not_asked_for_anew() {
    let mut table = Table::default();
    let rest = AuditRequest {
        resume: Some(RunId::try_new("audit-5").unwrap()),
        ..of(5)
    };
    assert_eq!(table.plan(&rest, NOW), Start::Over);
    let (holder, progress) = table.begin(&of(5), NOW);
    table.write(&yield_lease(&holder, &progress));
    assert!(matches!(table.plan(&rest, NOW), Start::Go(_)));
    let late = NOW + crate::reconcile::RESUME_WITHIN;
    assert_eq!(table.plan(&rest, late), Start::Over);
}

#[test]
fn records_are_gathered_only_where_something_has_to_be_unique() {
    for (compares, phase) in [(true, Phase::Gather), (false, Phase::Judge)] {
        let start = plan(&Checkpoint::default(), &of(5), compares, &token("b"), NOW);
        assert!(matches!(start, Start::Go(progress) if progress.phase == phase));
    }
}

#[test]
fn tick_asks_for_the_audit_of_a_window_that_has_none_and_for_the_rest_of_one() {
    let mut table = Table::default();
    assert_eq!(to_ask_for(&table.seen(), None, NOW), None);
    let due = Some(UnixMs(5));
    assert_eq!(to_ask_for(&table.seen(), due, NOW), Some(of(5)));
    let (holder, progress) = table.begin(&of(5), NOW);
    assert_eq!(to_ask_for(&table.seen(), due, NOW), None, "it is under way");
    let late = NOW + Duration::from_hours(1);
    assert_eq!(to_ask_for(&table.seen(), due, late), Some(of(5)), "it died");
    table.write(&end(&holder, UnixMs(5)));
    assert_eq!(to_ask_for(&table.seen(), due, late), None);
    assert_eq!(
        to_ask_for(&table.seen(), Some(UnixMs(6)), late),
        Some(of(6))
    );
    let (holder, by_hand) = table.begin(&AuditRequest::default(), late);
    table.write(&yield_lease(&holder, &by_hand));
    let rest = AuditRequest {
        window: None,
        resume: Some(by_hand.run.clone()),
    };
    assert_ne!(progress.run, by_hand.run);
    assert_eq!(to_ask_for(&table.seen(), due, late), Some(rest));
    let next_day = late + crate::reconcile::RESUME_WITHIN;
    assert_eq!(to_ask_for(&table.seen(), due, next_day), None);
}
