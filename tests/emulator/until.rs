//! Waiting for a condition, with a limit.

use std::{future::Future, time::Duration};

/// How often a condition is looked at: short beside anything that is waited for here.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` gives something, and fails after `limit` with what was waited for.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let waiting = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let seen = tokio::time::timeout(limit, waiting).await;
    seen.unwrap_or_else(|_elapsed| panic!("waited {limit:?} in vain until {what}"))
}
