//! Percentiles of latencies.

use std::time::Duration;

/// The latency that so many per cent do not exceed, in milliseconds; the latencies are sorted.
pub(crate) fn percentile_ms(sorted: &[Duration], percent: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = ((sorted.len() as f64 * percent / 100.0).ceil() as usize).saturating_sub(1);
    sorted.get(place.min(last)).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
}
