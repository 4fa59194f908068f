//! Our own store as a target.
//!
//! A record is applied by the write that stages it. What comes here is what a person sends again from
//! a review, and a repair: no call is made, since the register that the worker commits is the store.

use async_trait::async_trait;
use tidegate_engine::ports::{
    CallError, Calls, Found, Index, Landed, Removal, Request, Target, TargetTraits, Write,
};
use tidegate_model::{Fields, RecordKey, flow::ErrorRow};

/// Our own store.
#[derive(Clone, Copy, Debug)]
pub struct OwnStore;

#[async_trait]
impl Target for OwnStore {
    fn traits(&self) -> TargetTraits {
        TargetTraits {
            upsert: true,
            idempotent_create: false,
            searchable: false,
            listable: false,
            own: true,
            create_calls: 0,
            update_calls: 0,
            find_calls: 0,
            deletes: true,
            archives: false,
        }
    }

    fn errors(&self) -> &[ErrorRow] {
        &[]
    }

    fn search_value(&self, _: &RecordKey, _: &Fields) -> Option<String> {
        None
    }

    fn reject(&self, _: &RecordKey, _: &Fields) -> Option<(Option<String>, String)> {
        None
    }

    async fn find(&self, _: &mut dyn Calls, _: &str) -> Result<Found, CallError> {
        Ok(Found::None)
    }

    async fn create(&self, _: &mut dyn Calls, _: Write<'_>) -> Result<Landed, CallError> {
        Ok(Landed::default())
    }

    async fn update(&self, _: &mut dyn Calls, _: Write<'_>) -> Result<Landed, CallError> {
        Ok(Landed::default())
    }

    async fn remove(
        &self,
        _: &mut dyn Calls,
        _: Removal,
        _: &RecordKey,
        _: Option<&str>,
    ) -> Result<Landed, CallError> {
        Ok(Landed::default())
    }

    async fn index(&self, _: &mut dyn Calls) -> Result<Index, CallError> {
        Ok(Index::new())
    }

    fn describe(&self, _: Write<'_>) -> Result<Vec<Request>, CallError> {
        Ok(Vec::new())
    }
}
