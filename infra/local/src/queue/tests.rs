//! The semantics of SQS, one each.

use tidegate_model::{Fetch, FlowId, RecordKey};
use tidegate_testkit::memory::ManualClock;

use super::*;

struct World {
    clock: Arc<ManualClock>,
    queue: LocalQueue,
    folder: tempfile::TempDir,
}

fn world() -> World {
    let clock = Arc::new(ManualClock::new(UnixMs(1_000_000)));
    let folder = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(folder.path()).unwrap();
    let queue = LocalQueue::new(clock.clone(), Arc::new(spool));
    World {
        clock,
        queue,
        folder,
    }
}

fn message(key: &str, tier: Tier) -> Message {
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new(key).unwrap();
    Message::new(flow, vec![key], tier, UnixMs::EPOCH)
}

fn outgoing(key: &str, delay_s: u64) -> Outgoing {
    Outgoing {
        message: message(key, Tier::Batch),
        delay: Duration::from_secs(delay_s),
    }
}

async fn work(queue: &LocalQueue, tier: Tier) -> Delivery {
    match queue.next(tier).await {
        Next::Work(delivery) => delivery,
        Next::Dead(_) => panic!("a dead letter"),
    }
}

fn key_of(delivery: &Delivery) -> &str {
    delivery.message.keys[0].as_str()
}

#[tokio::test]
async fn messages_come_when_they_are_due_the_earliest_first() {
    let world = world();
    let sent = vec![outgoing("late", 60), outgoing("soon", 0)];
    world.queue.send(sent).await.unwrap();
    let soon = work(&world.queue, Tier::Batch).await;
    assert_eq!(key_of(&soon), "soon");
    world.queue.delete(&soon.receipt);
    let late = work(&world.queue, Tier::Batch).await;
    assert_eq!(key_of(&late), "late");
    assert_eq!(world.clock.now(), UnixMs(1_060_000), "it waited its delay");
}

#[tokio::test]
async fn what_is_not_deleted_comes_back_and_in_the_end_is_dead() {
    let world = world();
    world.queue.send(vec![outgoing("k", 0)]).await.unwrap();
    let first = work(&world.queue, Tier::Batch).await;
    for _ in 1..MAX_RECEIVES {
        work(&world.queue, Tier::Batch).await;
    }
    world.queue.delete(&first.receipt);
    let Next::Dead(dead) = world.queue.next(Tier::Batch).await else {
        panic!("an old receipt deleted the message, or it came once more");
    };
    assert_eq!(dead.message.keys[0].as_str(), "k");
}

#[tokio::test]
async fn a_held_message_comes_when_the_hold_is_over() {
    let world = world();
    world.queue.send(vec![outgoing("k", 0)]).await.unwrap();
    let delivery = work(&world.queue, Tier::Batch).await;
    let hold = Duration::from_mins(5);
    world.queue.hold(&delivery.receipt, hold).await.unwrap();
    work(&world.queue, Tier::Batch).await;
    assert_eq!(world.clock.now(), UnixMs(1_300_000));
    assert!(world.queue.hold(&delivery.receipt, hold).await.is_err());
}

#[tokio::test]
async fn the_queues_do_not_wait_for_each_other() {
    let world = world();
    world.queue.send(vec![outgoing("slow", 0)]).await.unwrap();
    let critical = Outgoing {
        message: message("quick", Tier::RealTime),
        delay: Duration::ZERO,
    };
    world.queue.send(vec![critical]).await.unwrap();
    assert_eq!(key_of(&work(&world.queue, Tier::RealTime).await), "quick");
}

#[tokio::test]
async fn a_message_that_asks_for_a_fetch_survives_until_it_is_deleted() {
    let world = world();
    let hint = message("hint", Tier::RealTime).fetching(Fetch::Hint);
    let sent = vec![
        Outgoing {
            message: hint.clone(),
            delay: Duration::ZERO,
        },
        outgoing("in its register", 0),
    ];
    world.queue.send(sent).await.unwrap();
    let (_, kept) = Spool::open(world.folder.path()).unwrap();
    let texts: Vec<_> = kept.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts, [hint.encode()]);
    let delivery = work(&world.queue, Tier::RealTime).await;
    world.queue.delete(&delivery.receipt);
    assert!(Spool::open(world.folder.path()).unwrap().1.is_empty());
}

#[tokio::test]
async fn who_waits_is_woken_by_what_comes() {
    let world = world();
    let queue = Arc::new(world.queue);
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { work(&queue, Tier::Batch).await }
    });
    tokio::task::yield_now().await;
    queue.send(vec![outgoing("k", 0)]).await.unwrap();
    assert_eq!(key_of(&waiting.await.unwrap()), "k");
}
