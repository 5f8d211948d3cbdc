//! Exporters that run on the server's runtime and tell of an outage once.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{LogExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::LogBatch;
use opentelemetry_sdk::trace::SpanData;
use tokio::runtime::Handle;
use tracing::{info, warn};

/// Whether deliveries of one kind fail at the moment.
#[derive(Debug)]
pub(super) struct Outage {
    /// `traces`, `logs` or `metrics`.
    signal: &'static str,
    now: AtomicBool,
}

impl Outage {
    pub(super) fn new(signal: &'static str) -> Self {
        Self { signal, now: AtomicBool::new(false) }
    }

    /// Notes how a delivery went, and tells if that is news.
    pub(super) fn note<E: fmt::Display>(&self, result: &Result<(), E>) {
        let failed = result.is_err();
        if self.now.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        match result {
            Err(error) => warn!(
                signal = self.signal,
                %error,
                "the collector takes nothing; what does not fit into the queue is dropped until it does"
            ),
            Ok(()) => info!(signal = self.signal, "the collector takes everything again"),
        }
    }
}

/// An exporter whose deliveries run on the runtime: batches are made up in threads that have none.
pub(super) struct Carried<E> {
    exporter: E,
    runtime: Handle,
    outage: Outage,
}

impl<E> Carried<E> {
    pub(super) fn new(signal: &'static str, exporter: E, runtime: &Handle) -> Self {
        Self { exporter, runtime: runtime.clone(), outage: Outage::new(signal) }
    }

    async fn carry(&self, delivery: impl Future<Output = OTelSdkResult>) -> OTelSdkResult {
        let mut delivery = pin!(delivery);
        let result = poll_fn(|context| {
            let _within = self.runtime.enter();
            delivery.as_mut().poll(context)
        })
        .await;
        self.outage.note(&result);
        result
    }
}

impl<E> fmt::Debug for Carried<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").field("outage", &self.outage).finish_non_exhaustive()
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Carried<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.carry(self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl opentelemetry_sdk::logs::LogExporter for Carried<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.carry(self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
