use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_model::Content;

use super::*;

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

fn content(name: &str) -> ContentHash {
    Content::Record(std::iter::once(("name".to_owned(), name.into())).collect()).hash()
}

fn entries(count: u32) -> Vec<Entry> {
    let mut all: Vec<Entry> = (0..count)
        .map(|n| {
            let key = key(&format!("SUP-{n:06}"));
            Entry {
                key: KeyPrint::of(&key),
                state: StatePrint::of(&key, SourceVersion(7), 1, &content("a")),
            }
        })
        .collect();
    all.sort();
    all
}

/// The index after these writes.
fn stored(writes: &[(u32, Update)]) -> Vec<Item> {
    let items = writes.iter().map(|(_, write)| write.evaluate(None));
    items.map(Option::unwrap).collect()
}

#[test]
fn a_print_tells_every_part_that_orders_or_changes_a_record() {
    let of = |name: &str, version, revision, text: &str| {
        StatePrint::of(&key(name), SourceVersion(version), revision, &content(text))
    };
    let known = of("a", 1, 1, "x");
    for other in [
        of("b", 1, 1, "x"),
        // Rule 9: equal content of another version is not what was compared.
        of("a", 2, 1, "x"),
        of("a", 1, 2, "x"),
        of("a", 1, 1, "y"),
        StatePrint::LOOK,
        StatePrint::GONE,
    ] {
        assert_ne!(known, other);
    }
    assert_eq!(known, of("a", 1, 1, "x"));
}

#[test]
fn a_print_leads_to_the_shard_of_its_register() {
    for n in 0..200 {
        let key = key(&format!("SUP-{n}"));
        assert_eq!(KeyPrint::of(&key).shard(), keys::shard_of(&key));
    }
}

#[test]
fn the_prints_of_a_shard_begin_where_those_of_the_one_before_end() {
    for shard in 1..REGISTER_SHARDS {
        let first = KeyPrint::first_of(shard);
        assert_eq!(first.shard(), shard);
        assert_eq!(KeyPrint(first.0 - 1).shard(), shard - 1);
    }
    assert_eq!(KeyPrint::first_of(0), KeyPrint(0));
}

#[test]
fn keys_and_texts_have_prints_of_their_own() {
    let all = entries(5_000);
    let keys: BTreeSet<KeyPrint> = all.iter().map(|entry| entry.key).collect();
    let states: BTreeSet<StatePrint> = all.iter().map(|entry| entry.state).collect();
    let texts: BTreeSet<u64> = (0..5_000).map(|n| print_of_text(&n.to_string())).collect();
    assert_eq!(
        (keys.len(), states.len(), texts.len()),
        (5_000, 5_000, 5_000)
    );
}

#[test]
fn a_flow_s_index_lies_in_all_its_buckets_and_in_no_other_flow_s() {
    let written = writes(&[], &entries(5_000), 1);
    assert_eq!(written.len(), BUCKETS as usize);
    for item in stored(&written) {
        let count = read(&item, 1).len();
        assert!((1..60).contains(&count), "{count} of 5,000");
    }
    let of = |flow: &str, bucket| bucket_key(&FlowId::try_new(flow).unwrap(), bucket);
    assert_ne!(of("suppliers", 1), of("suppliers", 17));
    assert_ne!(of("suppliers", 1).partition, of("contacts", 1).partition);
}

#[test]
fn an_index_is_read_as_it_was_written_and_only_what_differs_is_written() {
    let first = entries(3_000);
    let writes_of_all = writes(&[], &first, 4);
    let items = stored(&writes_of_all);
    let read: Vec<Entry> = items.iter().flat_map(|item| read(item, 4)).collect();
    assert_eq!(read, first);
    assert_eq!(writes(&read, &first, 5), []);
    let mut changed = first.clone();
    changed[70].state = StatePrint::LOOK;
    assert_eq!(writes(&first, &changed, 5).len(), 1);
    assert_eq!(writes(&first, &[], 5).len(), writes_of_all.len());
}

/// CP-1, rule 9.
#[test]
fn an_index_written_before_its_checkpoint_is_not_believed() {
    let item = write(&entries(3), 9).evaluate(None).unwrap();
    assert_eq!(read(&item, 8), []);
    assert_eq!(read(&item, 9).len(), 3);
}

#[test]
fn a_run_that_another_has_followed_writes_no_index() {
    let newer = write(&entries(3), 9).evaluate(None).unwrap();
    assert_eq!(write(&entries(2), 8).evaluate(Some(&newer)), None);
    assert!(write(&entries(2), 9).evaluate(Some(&newer)).is_some());
}

#[test]
fn a_bucket_holds_no_more_than_an_item_can() {
    let many: Vec<Entry> = (0..MAX_BUCKET_ENTRIES as u64 + 5)
        .map(|n| Entry {
            key: KeyPrint(n),
            state: StatePrint::LOOK,
        })
        .collect();
    let written = writes(&[], &many, 1);
    let items = stored(&written);
    assert_eq!(items.len(), 1);
    let text = items[0].get(ENTRIES).and_then(Value::as_text).unwrap();
    assert!(text.len() < 390 * 1024, "{}", text.len());
}

/// At most 0.01 read units a record: a unit is 4 KB, and a query rounds its whole answer up once.
#[test]
fn an_entry_costs_less_than_a_hundredth_of_a_read_unit() {
    let items = writes(&[], &entries(5_000), 1);
    let bytes: usize = items
        .iter()
        .map(|(bucket, write)| {
            let at = bucket_key(&FlowId::try_new("suppliers").unwrap(), *bucket);
            let item = write.evaluate(None).unwrap();
            let text = item.get(ENTRIES).and_then(Value::as_text).unwrap();
            at.partition.len() + at.sort.len() + text.len() + "pk".len() + "sk".len() + 12
        })
        .sum();
    let units = bytes.div_ceil(4_096);
    assert!(units <= 50, "{units} units for 5,000 records");
}

#[test]
fn a_text_that_is_no_bucket_holds_nothing() {
    for text in ["", "!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(unpack(text), [], "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn entries_survive_their_text(numbers in prop::collection::vec(any::<(u64, u64)>(), 0..50)) {
        let all: Vec<Entry> = numbers
            .into_iter()
            .map(|(key, state)| Entry { key: KeyPrint(key), state: StatePrint(state) })
            .collect();
        prop_assert_eq!(unpack(&pack(&all)), all);
    }

    #[test]
    fn writes_turn_any_index_into_any_other(
        before in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..60),
        after in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..60),
    ) {
        let list = |map: std::collections::BTreeMap<u64, u64>| -> Vec<Entry> {
            map.into_iter()
                .map(|(key, state)| Entry { key: KeyPrint(key), state: StatePrint(state) })
                .collect()
        };
        let (before, after) = (list(before), list(after));
        let mut table = std::collections::BTreeMap::new();
        for (bucket, write) in writes(&[], &before, 1) {
            table.insert(bucket, write.evaluate(None).unwrap());
        }
        for (bucket, write) in writes(&before, &after, 2) {
            let item = write.evaluate(table.get(&bucket)).unwrap();
            table.insert(bucket, item);
        }
        let found: Vec<Entry> = table.values().flat_map(|item| read(item, 2)).collect();
        prop_assert_eq!(found, after);
    }
}
