//! Accounts of runs and of reconciliations: kept by their start for some months, and the newest one
//! for whoever asks how things stand.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tidegate_model::{
    UnixMs,
    item::{Condition, ItemKey, Op, Update, Value},
};

use crate::{Engine, ports::StoreError};

/// Time that accounts are kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

impl Engine {
    /// Keeps an account under its own key, and as the newest, unless one of a later fence is there:
    /// a holder that stood still would put its own over that of whoever went on.
    pub(crate) async fn keep_account(
        &self,
        own: &ItemKey,
        latest: &ItemKey,
        ended_at: UnixMs,
        fence: i64,
        account: &(impl Serialize + Sync),
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(account).unwrap_or_default();
        let write = Update::when(Condition::absent_or("fence", Op::Le, fence))
            .set("report", text)
            .set("fence", fence);
        let ttl = (ended_at + KEPT).0 / 1_000;
        self.write(own, &write.clone().set("ttl", ttl)).await?;
        self.write(latest, &write).await?;
        Ok(())
    }

    /// Reads an account; `None` when there is none that can be read.
    pub(crate) async fn account<T: DeserializeOwned>(
        &self,
        key: &ItemKey,
    ) -> Result<Option<T>, StoreError> {
        let item = self.read(key).await?;
        let text = item
            .as_ref()
            .and_then(|item| item.get("report"))
            .and_then(Value::as_text);
        Ok(text.and_then(|text| serde_json::from_str(text).ok()))
    }
}
