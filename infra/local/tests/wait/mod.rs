//! Waiting for a condition, with a limit.

use std::time::Duration;

/// Until something that should take seconds has happened, on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);
/// The wait between two looks.
const STEP: Duration = Duration::from_millis(100);

/// What is found once it holds.
pub async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..LIMIT.as_millis() / STEP.as_millis() {
        if let Some(found) = holds().await {
            return found;
        }
        tokio::time::sleep(STEP).await;
    }
    panic!("not within {LIMIT:?}: {what}");
}
