//! Changes that come together, or again, or with an answer that was lost: what is staged, what is told,
//! and which messages are sent (REG-1, QUE-2).

use std::time::Duration;

use tidegate_engine::{HookAnswer, HookOutcome, RunEnd};
use tidegate_model::{Fetch, Tier, TierReason};
use tidegate_policy::{
    keys,
    run::{Mode, RunRequest},
};
use tidegate_simulator::Fate;
use tidegate_testkit::doubles::erp::{ErpSupplier, webhook::Told};

use crate::{
    hand::{Hand, flow, flow_with},
    world::{MANUAL, WEBHOOK_SECRETS, suppliers_flow},
};

/// Repeats of the messages that were sent since, and their tiers.
type Sent = Vec<(Tier, bool)>;

async fn push(hand: &Hand, row: &ErpSupplier, id: &str) -> HookOutcome {
    let told = Told::Whole(row);
    let answer = hand.world.webhook(told, id, WEBHOOK_SECRETS[0]).await;
    let HookAnswer::Accepted(outcome) = answer else {
        panic!("{answer:?}")
    };
    outcome
}

fn change(hand: &Hand, alter: impl FnOnce(&mut ErpSupplier)) -> ErpSupplier {
    let key = hand.keys[0].as_str();
    hand.world.erp.change(key, alter).unwrap()
}

fn critical(hand: &Hand) -> ErpSupplier {
    change(hand, |row| row.quality.blocked = !row.quality.blocked)
}

fn other(hand: &Hand, phone: &str) -> ErpSupplier {
    change(hand, |row| phone.clone_into(&mut row.contact.phone))
}

fn sent_since(hand: &Hand, before: usize) -> Sent {
    let sent = hand.world.queue().sent().split_off(before);
    let of = |message: tidegate_model::Message| (message.tier, message.repeat);
    sent.into_iter().map(|copy| of(copy.message)).collect()
}

/// What a push is told, and what it sends.
async fn pushed(hand: &Hand, row: &ErpSupplier, id: &str) -> (HookOutcome, Sent) {
    let before = hand.world.queue().sent().len();
    let outcome = push(hand, row, id).await;
    (outcome, sent_since(hand, before))
}

/// Two pushes, each of which reads the register before the other writes it; the first writes first.
async fn both(hand: &Hand, one: &ErpSupplier, other: &ErpSupplier) -> (HookOutcome, HookOutcome) {
    tokio::join!(push(hand, one, "m1"), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        push(hand, other, "m2").await
    })
}

async fn settled() -> Hand {
    Hand::settled(1, suppliers_flow()).await
}

/// Both were read against what stood there before; the second takes back what the first made urgent.
#[tokio::test(start_paused = true)]
async fn what_takes_an_urgent_change_back_is_urgent_although_it_did_not_see_it_r3() {
    let hand = settled().await;
    let first = critical(&hand);
    let second = change(&hand, |row| {
        row.quality.blocked = !row.quality.blocked;
        row.contact.phone = "+49 30 1".to_owned();
    });
    let before = hand.world.queue().sent().len();
    let outcomes = both(&hand, &first, &second).await;
    assert_eq!(outcomes, (HookOutcome::Critical, HookOutcome::Critical));
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!(register.desired.version.source.0, second.version);
    assert_eq!(register.tier, Tier::RealTime);
    let fields = vec!["blocked".to_owned()];
    assert_eq!(register.tier_reason, TierReason::Critical { fields });
    let sent = sent_since(&hand, before);
    assert_eq!(sent, [(Tier::RealTime, false), (Tier::RealTime, true)]);
}

#[tokio::test(start_paused = true)]
async fn of_two_equal_pushes_one_is_news_and_the_other_repeats_its_message() {
    let hand = settled().await;
    let row = critical(&hand);
    let before = hand.world.queue().sent().len();
    let outcomes = both(&hand, &row, &row).await;
    assert_eq!(outcomes, (HookOutcome::Critical, HookOutcome::Known));
    let sent = sent_since(&hand, before);
    assert_eq!(sent, [(Tier::RealTime, false), (Tier::RealTime, true)]);
}

/// The client made the write again, and the second time it was refused by the first.
#[tokio::test(start_paused = true)]
async fn a_stage_whose_answer_was_lost_is_told_as_what_it_did() {
    let hand = settled().await;
    let again = |n| hand.strike_write(n, Fate::Repeat, keys::register(&flow(), &hand.keys[0]));
    again(1);
    // A newer version of what the target has.
    let row = change(&hand, |_| {});
    let told = pushed(&hand, &row, "m1").await;
    assert_eq!(told, (HookOutcome::Known, vec![]));
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!(register.desired.version.source.0, row.version);

    again(1);
    let row = other(&hand, "+49 30 1");
    let told = pushed(&hand, &row, "m2").await;
    assert_eq!(told, (HookOutcome::NextWindow, vec![]));

    again(1);
    let row = critical(&hand);
    let told = pushed(&hand, &row, "m3").await;
    let sent = vec![(Tier::RealTime, false)];
    assert_eq!(told, (HookOutcome::Critical, sent));

    again(1);
    let row = change(&hand, |row| row.legal_name = String::new());
    let told = pushed(&hand, &row, "m4").await;
    assert_eq!(told, (HookOutcome::InReview, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_of_equal_content_is_no_news_and_queues_what_is_to_be_applied_again_reg_1()
{
    let hand = settled().await;
    let told = pushed(&hand, &change(&hand, |_| {}), "m1").await;
    assert_eq!(told, (HookOutcome::Known, vec![]), "it is applied");

    pushed(&hand, &other(&hand, "+49 30 1"), "m2").await;
    let told = pushed(&hand, &change(&hand, |_| {}), "m3").await;
    assert_eq!(told, (HookOutcome::Known, vec![]), "it waits");

    pushed(&hand, &critical(&hand), "m4").await;
    let told = pushed(&hand, &change(&hand, |_| {}), "m5").await;
    let sent = vec![(Tier::RealTime, true)];
    assert_eq!(told, (HookOutcome::Known, sent), "its message may be lost");
}

#[tokio::test(start_paused = true)]
async fn a_message_repeats_another_only_where_one_of_its_tier_is_on_its_way() {
    let anew = vec![(Tier::RealTime, false)];
    let hand = settled().await;
    for id in ["m1", "m2"] {
        // The second time the last change of the record was urgent too, and is applied.
        let (_, sent) = pushed(&hand, &critical(&hand), id).await;
        assert_eq!(sent, anew);
        hand.handle(hand.message(1, Tier::RealTime)).await;
        assert!(!hand.world.register(hand.keys[0].as_str()).is_dirty());
    }
    // It waits for its window, without a message.
    pushed(&hand, &other(&hand, "+49 30 1"), "m3").await;
    let (_, sent) = pushed(&hand, &critical(&hand), "m4").await;
    assert_eq!(sent, anew);
    let (_, sent) = pushed(&hand, &critical(&hand), "m5").await;
    assert_eq!(sent, [(Tier::RealTime, true)]);

    let hand = settled().await;
    pushed(&hand, &other(&hand, "+49 30 1"), "m1").await;
    other(&hand, "+49 30 2");
    for repeats in [false, true] {
        // A run queues what waited for its window, and then again what it queued.
        let before = hand.world.queue().sent().len();
        hand.world.run(MANUAL).await;
        assert_eq!(sent_since(&hand, before), [(Tier::Batch, repeats)]);
        other(&hand, "+49 30 3");
    }
    let (_, sent) = pushed(&hand, &critical(&hand), "m2").await;
    assert_eq!(sent, anew, "the other waits in the batch queue");
}

/// A listing by time of change shows what changed meanwhile once more, on a later page.
#[tokio::test(start_paused = true)]
async fn where_reads_are_the_versions_the_later_row_of_a_run_wins_reg_1() {
    let by_read = flow_with(&[
        (
            r#"version = { by = "sequence", at = "row.version" }"#,
            r#"version = { by = "read" }"#,
        ),
        ("page_size = 50", "page_size = 12"),
    ]);
    let hand = Hand::empty(40, by_read);
    let mode = Some(Mode::Incremental);
    let phone = |n: usize| format!("+49 30 {n}");
    let (report, changed) = tokio::join!(hand.world.run(RunRequest { mode, ..MANUAL }), async {
        // The first page is staged, and the others are not.
        while hand.world.registers().len() < 12 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let staged = hand.world.registers().into_keys().map(|(_, key)| key);
        let changed: Vec<String> = staged.take(6).collect();
        for (n, key) in changed.iter().enumerate() {
            let alter = |row: &mut ErpSupplier| row.contact.phone = phone(n);
            hand.world.erp.change(key, alter).unwrap();
        }
        changed
    });
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(report.counts.received, 46, "six rows came twice");
    for (n, key) in changed.iter().enumerate() {
        let content = hand.world.register(key).desired.content;
        assert_eq!(content.fields().unwrap()["phone"], phone(n), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_register_that_can_not_be_read_is_left_alone_and_told_to_a_person() {
    let hand = settled().await;
    let key = keys::register(&flow(), &hand.keys[0]);
    let mut item = hand.world.table().item(&key).unwrap();
    item.insert("dv".to_owned(), "no version".into());
    hand.world.table().put(key.clone(), item.clone());
    other(&hand, "+49 30 1");
    let report = hand.world.run(MANUAL).await;
    assert_eq!((report.end, report.counts.rejected), (RunEnd::Complete, 1));
    assert_eq!(hand.world.table().item(&key), Some(item));
    let mail = hand.world.engine.daily_digest("").await.unwrap();
    assert!(mail.text.contains("rejected: 1"), "{}", mail.text);
    assert!(mail.text.contains(hand.keys[0].as_str()), "{}", mail.text);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_what_was_never_read_leaves_nothing() {
    let hand = Hand::empty(1, suppliers_flow());
    hand.world.erp.delete(hand.keys[0].as_str());
    let hint = hand.message(1, Tier::RealTime).fetching(Fetch::Hint);
    let handled = hand.handle(hint).await;
    assert!(handled.sent.is_empty());
    assert_eq!(hand.world.erp.calls().len(), 1);
    assert!(hand.world.registers().is_empty());
}
