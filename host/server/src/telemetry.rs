//! Traces, logs and metrics for an OpenTelemetry collector, over OTLP/HTTP with protobuf.
//!
//! What is not delivered costs the server nothing but memory that is bounded: batches wait in queues of a fixed size, what does not
//! fit is dropped, and an outage is told once when it begins and once when it ends.

mod export;
mod metrics;
mod open_metrics;

use std::time::Duration;

use anyhow::{Context, bail};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use self::export::Carried;
pub(crate) use self::metrics::{MetricsExport, PERIOD};

/// Longest time for one delivery to the collector.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for what is left when the server stops.
const FLUSH: Duration = Duration::from_secs(10);
/// What the exporters themselves do is not exported, or each delivery would cause the next.
const SILENT: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry-otlp",
    "reqwest",
];

/// Where everything goes that is seen of a server.
pub(crate) struct Telemetry {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    metrics: MetricsExport,
}

impl Telemetry {
    /// Exports to a collector such as `http://127.0.0.1:4318`. Deliveries run on the runtime.
    ///
    /// # Errors
    /// If the address is not one of HTTP. Whether a collector is there is not tried.
    pub(crate) fn new(address: &str, runtime: &Handle) -> anyhow::Result<Self> {
        let address = address.trim_end_matches('/');
        let url = reqwest::Url::parse(address)
            .with_context(|| format!("the collector's address {address} is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            bail!("the collector's address {address} must be like http://127.0.0.1:4318");
        }
        let spans = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{address}/v1/traces"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .build()
            .context("traces cannot be exported")?;
        let logs = LogExporter::builder()
            .with_http()
            .with_endpoint(format!("{address}/v1/logs"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .build()
            .context("logs cannot be exported")?;
        let resource = Resource::builder()
            .with_service_name("waystation")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_batch_exporter(Carried::new("traces", spans, runtime))
                .with_resource(resource.clone())
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_batch_exporter(Carried::new("logs", logs, runtime))
                .with_resource(resource)
                .build(),
            metrics: MetricsExport::new(format!("{address}/v1/metrics"), TIMEOUT)?,
        })
    }

    /// What passes calls to plugins and lines of the log on. `filter` says what is in the log.
    pub(crate) fn layer<S>(&self, filter: EnvFilter) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // Spans of other crates name addresses of requests, some of which are secret.
        let calls = Targets::new()
            .with_target("waystation::call", LevelFilter::DEBUG)
            .with_target("waystation", LevelFilter::INFO);
        let silent = Targets::new()
            .with_default(LevelFilter::TRACE)
            .with_targets(SILENT.map(|target| (target, LevelFilter::OFF)));
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer("waystation"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(calls);
        let lines = OpenTelemetryTracingBridge::new(&self.logs);
        spans.and_then(lines.with_filter(silent.and(filter)))
    }

    /// Where metrics go.
    pub(crate) fn metrics(&self) -> MetricsExport {
        self.metrics.clone()
    }

    /// Delivers what is left, within a bound.
    pub(crate) async fn stop(self) {
        // Waits for threads of its own, which in turn wait for the runtime.
        let stopped = tokio::task::spawn_blocking(move || {
            let traces = self.traces.shutdown_with_timeout(FLUSH);
            let logs = self.logs.shutdown_with_timeout(FLUSH);
            traces.and(logs)
        });
        match stopped.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the last traces or logs were not delivered"),
            Err(error) => warn!(%error, "the last traces or logs were not delivered"),
        }
    }
}
