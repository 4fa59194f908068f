//! Random writes: DynamoDB's expressions and [`Update::evaluate`] agree.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::{prelude::*, test_runner::Config};
use tidegate_engine::ports::{Store, Written};
use tidegate_model::item::{Change, Condition, Item, Op, Update, Value};
use tidegate_testkit::memory::MemoryStore;
use tokio::runtime::Runtime;

use crate::served::{item, key, store};

/// Attributes that hold texts, numbers, and now this, now that. Few names and few values, so that
/// comparisons meet equal ones.
const TEXTS: [&str; 2] = ["ta", "tb"];
const NUMBERS: [&str; 2] = ["na", "nb"];
const MIXED: [&str; 1] = ["m"];

fn one_of(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(names)
}

fn any_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![one_of(&TEXTS), one_of(&NUMBERS), one_of(&MIXED)]
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "Z", "a", "aa", "é"]).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -1_i64..3, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Text),
        number().prop_map(Value::Number)
    ]
}

fn test() -> impl Strategy<Value = Condition> {
    let op = || prop::sample::select(vec![Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    prop_oneof![
        1 => any_name().prop_map(Condition::Exists),
        1 => any_name().prop_map(|name| Condition::Absent(name.to_owned())),
        2 => (one_of(&TEXTS), op(), text()).prop_map(|(a, op, value)| Condition::is(a, op, value)),
        2 => (one_of(&NUMBERS), op(), -1_i64..3).prop_map(|(a, op, n)| Condition::is(a, op, n)),
        1 => (any_name(), op(), any_value()).prop_map(|(a, op, value)| Condition::is(a, op, value)),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let tree = test().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Condition::All),
            prop::collection::vec(inner, 0..4).prop_map(Condition::Any),
        ]
    });
    prop_oneof![1 => Just(Condition::ALWAYS), 3 => test(), 2 => tree]
}

fn change() -> impl Strategy<Value = (&'static str, Change)> {
    let texts = || one_of(&TEXTS);
    let numbers = || one_of(&NUMBERS);
    prop_oneof![
        (texts(), text()).prop_map(|(a, text)| (a, Change::Set(Value::Text(text)))),
        (numbers(), -1_i64..3).prop_map(|(a, n)| (a, Change::Set(Value::Number(n)))),
        (one_of(&MIXED), any_value()).prop_map(|(a, value)| (a, Change::Set(value))),
        (one_of(&MIXED), any_value()).prop_map(|(a, value)| (a, Change::Default(value))),
        (texts(), texts(), text())
            .prop_map(|(a, b, text)| (a, Change::DefaultCopy(b, text.into()))),
        (numbers(), numbers(), -1_i64..3)
            .prop_map(|(a, b, n)| (a, Change::DefaultCopy(b, n.into()))),
        (numbers(), -1_i64..3).prop_map(|(a, n)| (a, Change::Add(n))),
        (texts(), texts()).prop_map(|(a, b)| (a, Change::Copy(b))),
        (numbers(), numbers()).prop_map(|(a, b)| (a, Change::Copy(b))),
        (one_of(&MIXED), any_name()).prop_map(|(a, b)| (a, Change::Copy(b))),
        any_name().prop_map(|a| (a, Change::Remove)),
    ]
}

fn update() -> impl Strategy<Value = Update> {
    (condition(), prop::collection::vec(change(), 0..5)).prop_map(|(condition, changes)| {
        let empty = Update::when(condition);
        changes
            .into_iter()
            .fold(empty, |update, (name, change)| update.change(name, change))
    })
}

#[test]
fn random_writes_end_as_they_do_in_memory() {
    let runtime = Runtime::new().unwrap();
    let dynamo = runtime.block_on(store());
    let memory = MemoryStore::default();
    let next = AtomicU32::new(0);
    let config = Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    };
    // Each case writes several times to an item of its own.
    proptest!(config, |(updates in prop::collection::vec(update(), 6..12))| {
        let at = key("p", &next.fetch_add(1, Ordering::Relaxed).to_string());
        for update in &updates {
            let here = runtime.block_on(memory.update(&at, update)).unwrap();
            let there = runtime.block_on(dynamo.update(&at, update)).unwrap();
            prop_assert_eq!(&there, &here, "{:?}", update);
        }
        let stored = runtime.block_on(dynamo.get(std::slice::from_ref(&at))).unwrap();
        prop_assert_eq!(&stored[0], &memory.item(&at));
    });
    assert!(memory.refused() > 100, "{} refused", memory.refused());
    assert!(memory.writes() > 200, "{} written", memory.writes());
}

#[tokio::test]
async fn a_refused_write_shows_the_item_that_refused_it() {
    let store = store().await;
    let at = key("p", "s");
    let first = Update::when(Condition::Absent("owner".to_owned())).set("owner", "a");
    let written = store.update(&at, &first).await.unwrap();
    let after = item([("owner", "a".into())]);
    assert_eq!(
        written,
        Written::Done {
            before: None,
            after: after.clone()
        }
    );
    let current = Some(after);
    assert_eq!(
        store.update(&at, &first).await.unwrap(),
        Written::Refused { current }
    );
    let never = Update::when(Condition::Exists("owner"));
    let nothing: Option<Item> = None;
    let refused = store.update(&key("p", "other"), &never).await.unwrap();
    assert_eq!(refused, Written::Refused { current: nothing });
}
