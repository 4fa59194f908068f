//! Reading several items.

use tidegate_engine::ports::{Listing, Store};
use tidegate_model::item::{Condition, Item, ItemKey, Update};

use crate::served::{item, key, store};

/// Lists to the end in pages of `limit`; every page must obey it.
async fn all(store: &impl Store, listing: &Listing, limit: u32) -> Vec<(ItemKey, Item)> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(listing, after.as_deref(), limit).await.unwrap();
        assert!(page.items.len() <= usize::try_from(limit).unwrap());
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

#[tokio::test]
async fn a_partition_is_listed_by_sort_key_in_pages_without_loss() {
    let store = store().await;
    for number in 0..23 {
        for partition in ["p", "q"] {
            let put = Update::when(Condition::ALWAYS).set("n", number);
            store
                .update(&key(partition, &format!("Ü {number:02}/")), &put)
                .await
                .unwrap();
        }
    }
    let listed = all(&store, &Listing::Partition("p".to_owned()), 5).await;
    let expected: Vec<_> = (0..23)
        .map(|number| {
            (
                key("p", &format!("Ü {number:02}/")),
                item([("n", number.into())]),
            )
        })
        .collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn reviews_are_listed_oldest_first_and_leave_the_index_when_done() {
    let store = store().await;
    for (sort, flow, since) in [
        ("a", "f", 30),
        ("b", "f", 10),
        ("c", "g", 5),
        ("d", "f", 20),
    ] {
        let review = Update::when(Condition::ALWAYS)
            .set("rvf", flow)
            .set("rva", since);
        store.update(&key("p", sort), &review).await.unwrap();
    }
    store
        .update(&key("p", "e"), &Update::when(Condition::ALWAYS).set("a", 1))
        .await
        .unwrap();
    let reviews = Listing::Reviews("f".to_owned());
    let sorts = |listed: Vec<(ItemKey, Item)>| -> Vec<String> {
        listed.into_iter().map(|(key, _)| key.sort).collect()
    };
    assert_eq!(sorts(all(&store, &reviews, 2).await), ["b", "d", "a"]);
    let done = Update::when(Condition::ALWAYS).remove(&["rvf", "rva"]);
    store.update(&key("p", "d"), &done).await.unwrap();
    assert_eq!(sorts(all(&store, &reviews, 1).await), ["b", "a"]);
}

#[tokio::test]
async fn items_come_in_the_order_of_their_keys_however_many_and_however_often() {
    let store = store().await;
    for number in (0..130).step_by(2) {
        let put = Update::when(Condition::ALWAYS).set("n", number);
        store
            .update(&key("p", &number.to_string()), &put)
            .await
            .unwrap();
    }
    // Backwards, half of them absent, one of them twice, and more than one request takes.
    let mut wanted: Vec<_> = (0..130)
        .rev()
        .map(|number: i64| (number, number % 2 == 0))
        .collect();
    wanted.push((4, true));
    let keys: Vec<_> = wanted
        .iter()
        .map(|(number, _)| key("p", &number.to_string()))
        .collect();
    let found = store.get(&keys).await.unwrap();
    let expected: Vec<_> = wanted
        .iter()
        .map(|&(number, exists)| exists.then(|| item([("n", number.into())])))
        .collect();
    assert_eq!(found, expected);
    assert!(store.get(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cursor_that_was_not_given_is_an_error_and_leads_nowhere() {
    let store = store().await;
    let listing = Listing::Partition("p".to_owned());
    assert!(store.list(&listing, Some("bm8"), 5).await.is_err());
}
