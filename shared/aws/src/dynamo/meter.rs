//! What the table was asked for, as DynamoDB says that it bills it.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::ConsumedCapacity;
use tidegate_engine::ports::Consumed;

/// A write that a condition refused is billed by the size of what stands there, and its answer does
/// not say it: an item of up to 1 KB, as nearly all are, is one unit.
const REFUSED_WRITE: f64 = 1.0;

/// Units since they were asked for last.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Consumed>);

impl Meter {
    fn add(&self, reads: f64, writes: f64) {
        let mut consumed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        consumed.reads += reads;
        consumed.writes += writes;
    }

    pub(super) fn read(&self, told: Option<&ConsumedCapacity>) {
        self.add(units(told), 0.0);
    }

    pub(super) fn wrote(&self, told: Option<&ConsumedCapacity>) {
        self.add(0.0, units(told));
    }

    pub(super) fn refused(&self) {
        self.add(0.0, REFUSED_WRITE);
    }

    pub(super) fn take(&self) -> Consumed {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn units(told: Option<&ConsumedCapacity>) -> f64 {
    told.and_then(|told| told.capacity_units).unwrap_or(0.0)
}
