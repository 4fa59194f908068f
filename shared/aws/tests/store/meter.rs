//! What the table was asked for is told in the units that are billed.
#![allow(clippy::float_cmp, reason = "units are halves")]

use tidegate_engine::ports::{Consumed, Listing, Store};
use tidegate_model::item::{Condition, Update};

use crate::served::{key, store};

#[tokio::test]
async fn units_are_counted_as_dynamodb_tells_them_and_told_once() {
    let store = store().await;
    let put = Update::when(Condition::Absent("n".to_owned())).set("n", 1);
    // One write that happens and one that is refused.
    for _ in 0..2 {
        store.update(&key("p", "a"), &put).await.unwrap();
    }
    let Consumed { reads, writes } = store.consumed();
    assert_eq!((reads, writes), (0.0, 2.0));

    let large = "x".repeat(6_000);
    let put = Update::when(Condition::ALWAYS).set("text", large);
    store.update(&key("p", "a"), &put).await.unwrap();
    store.get(&[key("p", "a"), key("p", "b")]).await.unwrap();
    let listing = Listing::Partition("p".to_owned());
    store.list(&listing, None, 10).await.unwrap();
    let Consumed { reads, writes } = store.consumed();
    assert_eq!(writes, 6.0, "6 KB");
    // Two units for 6 KB, one for what is not there, and two for the listing.
    assert_eq!(reads, 5.0);
    assert_eq!(store.consumed(), Consumed::default());
}
