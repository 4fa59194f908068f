//! QUE-2 from the side of the messages: one comes again only when something befell whoever had it.
//!
//! A worker that leaves messages lying loses nothing: each comes again until it is a dead letter, and
//! a dead letter is a review. So neither a record that is lost nor one that is stranded shows that it
//! does nothing; this does.

use std::collections::BTreeMap;

use tidegate_model::{Message, UnixMs};
use tidegate_simulator::{Delivered, PortCall};

use crate::chaos::{book::Book, ledger::Life};

/// Who was given a message last.
struct Hand {
    life: Life,
    /// The port call that gave it.
    given: u64,
    /// How the invocation ended; `None` while it lasts.
    ended: Option<Cause>,
}

/// What befell an invocation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A port call failed, the process stood still or died, or another system refused or broke.
    Befallen,
    /// Nothing: it was to settle each message that it had.
    None,
}

/// Deliveries, by message.
#[derive(Default)]
pub struct Deliveries {
    in_hand: BTreeMap<String, Hand>,
    /// The last port call of a life that something went wrong with.
    befallen: BTreeMap<Life, u64>,
}

impl Deliveries {
    /// Something went wrong with a port call, or with the answer to it.
    pub fn befell(&mut self, call: &PortCall<'_>) {
        let life = (call.process, call.incarnation);
        self.befallen.insert(life, call.seq);
    }

    /// An invocation has ended.
    pub fn ended(&mut self, life: Life) {
        let last = self.befallen.get(&life).copied();
        let open = |hand: &&mut Hand| hand.life == life && hand.ended.is_none();
        for hand in self.in_hand.values_mut().filter(open) {
            hand.ended = Some(if last >= Some(hand.given) {
                Cause::Befallen
            } else {
                Cause::None
            });
        }
    }

    /// Messages were delivered.
    pub fn delivered(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        messages: &[Delivered],
    ) {
        let life = (call.process, call.incarnation);
        for delivered in messages {
            // One that nobody can read comes until it is a dead letter.
            let Ok(message) = Message::decode(&delivered.body) else {
                continue;
            };
            let hand = Hand {
                life,
                given: call.seq,
                ended: None,
            };
            let before = self.in_hand.insert(delivered.message_id.clone(), hand);
            let left = before.filter(|hand| hand.ended == Some(Cause::None));
            if let Some(left) = left {
                let what = format!(
                    "a message came again: {} left it lying, and nothing had befallen it",
                    left.life.0
                );
                let record = message.keys.first().map(|key| key.as_str().to_owned());
                book.fault("QUE-2", now, record.as_deref(), what);
            }
        }
    }
}
