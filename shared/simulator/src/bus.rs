//! What waits for a consumer until its time: events on the bus.

use std::{collections::BTreeMap, sync::Mutex};

use tidegate_engine::ports::Clock;
use tidegate_model::UnixMs;
use tokio::sync::Notify;

use crate::{TrueClock, locked};

struct State<T> {
    next: u64,
    due: BTreeMap<(UnixMs, u64), T>,
}

/// Things by the time at which they are due.
pub(crate) struct Due<T> {
    state: Mutex<State<T>>,
    came: Notify,
}

impl<T> Default for Due<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                next: 0,
                due: BTreeMap::new(),
            }),
            came: Notify::new(),
        }
    }
}

impl<T> Due<T> {
    /// Puts one in.
    pub(crate) fn put(&self, at: UnixMs, thing: T) {
        let mut state = locked(&self.state);
        state.next += 1;
        let place = (at, state.next);
        state.due.insert(place, thing);
        drop(state);
        self.came.notify_waiters();
    }

    /// Takes the next one out when it is due.
    pub(crate) async fn take(&self, clock: &TrueClock) -> T {
        loop {
            let came = self.came.notified();
            let next = {
                let mut state = locked(&self.state);
                match state.due.first_entry() {
                    Some(entry) if entry.key().0 <= clock.now() => return entry.remove(),
                    Some(entry) => Some(entry.key().0),
                    None => None,
                }
            };
            match next {
                Some(at) => tokio::select! {
                    biased;
                    () = came => {}
                    () = clock.wait_until(at) => {}
                },
                None => came.await,
            }
        }
    }
}
