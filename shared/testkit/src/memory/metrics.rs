//! Metrics, kept for a test to look at.

use std::sync::Mutex;

use tidegate_engine::ports::Metrics;
use tidegate_model::{
    UnixMs,
    metric::{Metric, Sample},
};

use super::locked;

/// Keeps every sample.
#[derive(Debug, Default)]
pub struct MemoryMetrics(Mutex<Vec<Sample>>);

impl MemoryMetrics {
    /// The values of a metric so far, with these dimension values.
    pub fn values(&self, metric: &Metric, dimensions: &[&str]) -> Vec<f64> {
        let samples = locked(&self.0);
        let of_it = samples.iter().filter(|sample| {
            sample.metric.name == metric.name && sample.dimensions.iter().eq(dimensions)
        });
        of_it.flat_map(|sample| sample.values.clone()).collect()
    }

    /// All samples so far, in order.
    pub fn all(&self) -> Vec<Sample> {
        locked(&self.0).clone()
    }
}

impl Metrics for MemoryMetrics {
    fn emit(&self, _: UnixMs, samples: &[Sample]) {
        locked(&self.0).extend_from_slice(samples);
    }
}
