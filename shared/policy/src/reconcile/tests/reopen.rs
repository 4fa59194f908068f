//! The write that heals a hand's edit: nothing but what was compared may stand.

use tidegate_model::item::Item;

use super::*;
use crate::register::{self, Committed, Stage};

fn applied() -> Item {
    let content = named("a");
    let stage = Stage {
        version: version(5),
        content: content.clone(),
        by: "s".to_owned(),
        tier: Tier::RealTime,
        tier_reason: TierReason::ForceSync,
        search: Some("a".to_owned()),
        link: None,
        look_first: false,
        due: None,
        review: None,
    };
    let item = register::stage(&stage, NOW).evaluate(None).unwrap();
    let token = ClaimToken::try_new("t").unwrap();
    let claim = register::claim(&token, NOW + Duration::from_secs(60), NOW, true);
    let item = claim.evaluate(Some(&item)).unwrap();
    let claimed = Register::read(&item).unwrap().unwrap();
    let done = Committed {
        hash: content.hash(),
        version: version(5),
        target_id: Some("q-1".to_owned()),
        etag: None,
        deleted: false,
        started: NOW,
    };
    let commit = register::commit(&token, &done, &claimed, NOW);
    commit.evaluate(Some(&item)).unwrap()
}

fn read(item: &Item) -> Register {
    Register::read(item).unwrap().unwrap()
}

#[test]
fn it_makes_the_record_dirty_and_keeps_what_is_desired() {
    let item = applied();
    let compared = read(&item);
    let after = register::reopen(&compared, NOW).evaluate(Some(&item));
    let after = read(&after.unwrap());
    assert_eq!(after.desired, compared.desired, "REG-1");
    assert_eq!(after.applied, None);
    assert_eq!(after.dirty_since, Some(NOW));
    assert_eq!(after.target_id.as_deref(), Some("q-1"));
    assert_eq!(
        (after.tier, after.tier_reason),
        (Tier::Batch, TierReason::Reconciled)
    );
    // PROTOCOL rule 3: with nothing known to be applied, no call is skipped.
    let token = ClaimToken::try_new("u").unwrap();
    let until = NOW + Duration::from_secs(60);
    let claimed = register::claim(&token, until, NOW, true)
        .evaluate(
            register::reopen(&compared, NOW)
                .evaluate(Some(&item))
                .as_ref(),
        )
        .unwrap();
    let traits = crate::plan::TargetTraits {
        upsert: false,
        idempotent_create: false,
        searchable: true,
        listable: true,
        own: false,
        create_calls: 1,
        update_calls: 2,
        find_calls: 5,
        deletes: false,
        archives: false,
    };
    let step = crate::plan::step(&read(&claimed), &token, traits, Deletion::Review);
    assert!(matches!(step, crate::plan::Step::Update(_)), "{step:?}");
}

fn step_after(item: &Item, upsert: bool) -> crate::plan::Step {
    let token = ClaimToken::try_new("u").unwrap();
    let until = NOW + Duration::from_secs(60);
    let claimed = register::claim(&token, until, NOW, true).evaluate(Some(item));
    let traits = crate::plan::TargetTraits {
        upsert,
        idempotent_create: false,
        searchable: true,
        listable: true,
        own: false,
        create_calls: 1,
        update_calls: 2,
        find_calls: 5,
        deletes: true,
        archives: false,
    };
    crate::plan::step(&read(&claimed.unwrap()), &token, traits, Deletion::Delete)
}

/// EFF-2: its id is tried first; an open call makes `apply` create anew what that says is gone.
#[test]
fn of_a_missing_record_it_leaves_a_call_open() {
    let item = applied();
    let by = ClaimToken::try_new("r").unwrap();
    let after = register::reopen_missing(&read(&item), &by, NOW).evaluate(Some(&item));
    let after = after.unwrap();
    assert_eq!(read(&after).unknown, Some(by));
    let step = step_after(&after, false);
    assert!(matches!(step, crate::plan::Step::Update(_)), "{step:?}");
}

/// Without the id `apply` would take it for a record that never reached the target.
#[test]
fn of_a_deletion_it_names_what_to_delete() {
    let mut item = applied();
    let deleted = Content::Deleted;
    item.insert(
        "df".to_owned(),
        serde_json::to_string(&deleted).unwrap().into(),
    );
    item.insert("dh".to_owned(), deleted.hash().0.into());
    item.insert("ah".to_owned(), deleted.hash().0.into());
    item.remove("tid");
    let compared = read(&item);
    let remove = crate::plan::Step::Remove(crate::plan::Removal::Delete);
    let with_id = register::reopen_deleted(&compared, Some("q-1"), NOW);
    let after = with_id.evaluate(Some(&item)).unwrap();
    assert_eq!(step_after(&after, false), remove);
    let by_key = register::reopen_deleted(&compared, None, NOW);
    let after = by_key.evaluate(Some(&item)).unwrap();
    assert_eq!(step_after(&after, true), remove);
}

#[test]
fn it_is_refused_when_anything_that_was_compared_has_moved() {
    let item = applied();
    let compared = read(&item);
    let with = |change: fn(Register) -> Register| change(compared.clone());
    let others = [
        with(|mut r| {
            r.desired.version = version(6);
            r
        }),
        with(|mut r| {
            r.desired.hash = ContentHash("other".to_owned());
            r
        }),
        with(|mut r| {
            r.applied.as_mut().unwrap().hash = ContentHash("other".to_owned());
            r
        }),
        with(|mut r| {
            r.applied.as_mut().unwrap().version = version(4);
            r
        }),
        with(|mut r| {
            r.applied.as_mut().unwrap().at = NOW - Duration::from_secs(1);
            r
        }),
        with(|mut r| {
            r.applied = None;
            r
        }),
    ];
    for other in others {
        let write = register::reopen(&other, NOW);
        assert_eq!(write.evaluate(Some(&item)), None, "{other:?}");
    }
}

#[test]
fn it_is_refused_while_there_is_work() {
    let item = applied();
    let compared = read(&item);
    let write = register::reopen(&compared, NOW);
    let with = |name: &str, value: tidegate_model::item::Value| {
        let mut item = item.clone();
        item.insert(name.to_owned(), value);
        item
    };
    for (name, value) in [
        ("du", NOW.0.into()),
        ("rv", "{}".into()),
        ("un", "t".into()),
        ("cu", (NOW.0 + 1).into()),
    ] {
        assert_eq!(write.evaluate(Some(&with(name, value))), None, "{name}");
    }
    let long_ended = with("cu", (NOW - CLOCK_SKEW - CLOCK_SKEW).0.into());
    assert!(write.evaluate(Some(&long_ended)).is_some());
}
