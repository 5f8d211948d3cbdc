//! How much one call may use.

use std::{ops::RangeInclusive, time::Duration};

use wasmtime::ResourceLimiter;

/// Bounds of every call over one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all linear memories together, 1 MiB .. 1 GiB.
    pub memory: u64,
    /// Wall time of one call from the start of the sandbox, 10 ms .. 10 min.
    pub wall_time: Duration,
    /// How long a call may wait for its turn before it is given up, 0 .. 10 min.
    pub wait: Duration,
    /// Bytes that the plugin may hand over at once, as an answer or in the arguments of one host function, and that the
    /// responses to requests which it sends at once may have together, 64 KiB .. 128 MiB.
    pub host_call_bytes: usize,
    /// Bytes of the body of one HTTP response, decompressed, 1 KiB .. 64 MiB. Its header has at most 100 fields and 64 KiB.
    pub response_bytes: usize,
    /// Calls that run at the same time, 1 .. 1,024.
    pub concurrency: u32,
    /// Log lines of one call, 0 .. 100.
    pub log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            wall_time: Duration::from_secs(30),
            wait: Duration::from_secs(30),
            host_call_bytes: 32 << 20,
            response_bytes: 4 << 20,
            concurrency: 16,
            log_lines: 100,
        }
    }
}

impl Limits {
    /// Largest memory that any connection can be given; the pool's slots are made for it.
    pub(crate) const MEMORY_MAX: u64 = 1 << 30;

    /// Says which limit is out of its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        const MINUTES_10: Duration = Duration::from_secs(600);
        within("memory", &self.memory, &((1 << 20)..=Self::MEMORY_MAX))?;
        within("wall_time", &self.wall_time, &(Duration::from_millis(10)..=MINUTES_10))?;
        within("wait", &self.wait, &(Duration::ZERO..=MINUTES_10))?;
        within("host_call_bytes", &self.host_call_bytes, &((64 << 10)..=(128 << 20)))?;
        within("response_bytes", &self.response_bytes, &((1 << 10)..=(64 << 20)))?;
        within("concurrency", &self.concurrency, &(1..=1024))?;
        within("log_lines", &self.log_lines, &(0..=100))
    }
}

fn within<T: PartialOrd + std::fmt::Debug>(
    name: &str,
    value: &T,
    bounds: &RangeInclusive<T>,
) -> Result<(), String> {
    if bounds.contains(value) {
        return Ok(());
    }
    Err(format!(
        "the limit {name} is {value:?}; it must be from {:?} to {:?}",
        bounds.start(),
        bounds.end()
    ))
}

/// Counts the memory of one sandbox over all its linear memories and tables.
#[derive(Debug)]
pub(crate) struct Meter {
    used: u64,
    limit: u64,
    /// Set when something was denied, so that the crash that follows can be told from others.
    pub(crate) denied: bool,
}

/// A table's element takes a pointer.
const ELEMENT_BYTES: usize = size_of::<usize>();

impl Meter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: 0, limit, denied: false }
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let used = self.used.saturating_add(bytes as u64);
        if used > self.limit {
            self.denied = true;
            return false;
        }
        self.used = used;
        true
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES)))
    }

    fn instances(&self) -> usize {
        crate::engine::CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        crate::engine::MEMORIES as usize
    }

    fn tables(&self) -> usize {
        crate::engine::TABLES as usize
    }
}
