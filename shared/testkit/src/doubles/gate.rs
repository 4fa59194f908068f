//! A gate in the way of a call: a test sees that the call has come to it, and lets it go on.
//!
//! This is how a test makes a call late or two calls overlap without waiting for a clock.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds every call that comes to it until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    reached: Arc<watch::Sender<u64>>,
    open: Arc<watch::Sender<bool>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            reached: Arc::new(watch::Sender::new(0)),
            open: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until `calls` calls have come to the gate since it was made.
    pub async fn reached(&self, calls: u64) {
        let mut reached = self.reached.subscribe();
        // The sender lives in `self`, so the only outcome is that the count was reached.
        drop(reached.wait_for(|count| *count >= calls).await);
    }

    /// Lets every held call go on, and every later one through.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Comes to the gate and waits until it is open.
    pub(super) async fn hold(&self) {
        self.reached.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        drop(open.wait_for(|open| *open).await);
    }
}
