//! One life of a process: it can die at a port call, or stand still.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::locked;

/// The process died before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process died")]
pub struct Died;

/// What the ports of a process and its keeper share.
#[derive(Debug, Default)]
pub(crate) struct Life {
    dead: AtomicBool,
    died: Notify,
    frozen_until: std::sync::Mutex<Option<Instant>>,
    stalled: AtomicBool,
}

impl Life {
    /// Dies here: this never returns, and the keeper drops the work that waits for it.
    pub(crate) async fn die(&self) {
        self.end();
        std::future::pending::<()>().await;
    }

    /// Ends the life from outside.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_waiters();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Freezes the whole process for a while.
    pub(crate) async fn stall(&self, span: Duration) {
        let until = Instant::now() + span;
        self.stalled.store(true, Ordering::SeqCst);
        {
            let mut frozen = locked(&self.frozen_until);
            *frozen = Some(frozen.map_or(until, |earlier| earlier.max(until)));
        }
        tokio::time::sleep_until(until).await;
    }

    /// The end of the freeze that lasts now.
    fn thaws_at(&self) -> Option<Instant> {
        let mut frozen = locked(&self.frozen_until);
        if frozen.is_some_and(|until| Instant::now() >= until) {
            *frozen = None;
        }
        *frozen
    }

    /// Runs one invocation to its end; several may share a life, and all of them end with it. One that
    /// takes longer than `limit` is killed, as a host does; but not one that was frozen, since zombies
    /// are what a freeze is for.
    pub(crate) async fn live<T>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Died> {
        self.stalled.store(false, Ordering::SeqCst);
        let mut work = std::pin::pin!(Thawed {
            life: Arc::clone(self),
            work: Box::pin(work),
            nap: None,
        });
        // It hears of a death from here on, whoever dies first.
        let mut died = std::pin::pin!(self.died.notified());
        died.as_mut().enable();
        if self.is_dead() {
            return Err(Died);
        }
        let end = Instant::now() + limit;
        loop {
            tokio::select! {
                biased;
                () = &mut died => return Err(Died),
                done = &mut work => return Ok(done),
                () = tokio::time::sleep_until(end), if !self.stalled.load(Ordering::SeqCst) => {
                    if !self.stalled.load(Ordering::SeqCst) {
                        self.end();
                        return Err(Died);
                    }
                }
            }
        }
    }
}

/// Work that is not looked at while its process is frozen. It has a timer of its own for the end:
/// what wakes the work meanwhile is not heard, and may not call again.
struct Thawed<T> {
    life: Arc<Life>,
    work: Pin<Box<T>>,
    nap: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<T: Future> Future for Thawed<T> {
    type Output = T::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        while let Some(until) = self.life.thaws_at() {
            let mut nap = Box::pin(tokio::time::sleep_until(until));
            if nap.as_mut().poll(cx).is_pending() {
                self.nap = Some(nap);
                return Poll::Pending;
            }
        }
        self.nap = None;
        self.work.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_invocations_of_a_life_end_with_it() {
        let life = Arc::new(Life::default());
        let work = || life.live(Duration::from_hours(1), std::future::pending::<()>());
        let killer = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            life.end();
        };
        let began = Instant::now();
        let (first, second, ()) = tokio::join!(work(), work(), killer);
        assert_eq!((first, second), (Err(Died), Err(Died)));
        assert_eq!(
            began.elapsed(),
            Duration::from_secs(1),
            "neither waits for its limit"
        );
    }
}
