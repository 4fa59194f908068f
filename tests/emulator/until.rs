//! Waiting for a condition, with a limit.

use std::{future::Future, time::Duration};

/// How often a condition is looked at: short beside anything that is waited for here.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` gives something, and fails after `limit` with what was waited for.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    until_every(LOOK_EVERY, what, limit, look).await
}

/// The same, where a look costs more than a moment: so long lies between two.
pub async fn until_every<T, F, Fut>(
    between: Duration,
    what: &str,
    limit: Duration,
    mut look: F,
) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let waiting = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(between).await;
        }
    };
    let seen = tokio::time::timeout(limit, waiting).await;
    seen.unwrap_or_else(|_elapsed| panic!("waited {limit:?} in vain until {what}"))
}
