//! The engine's counters for a collector.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::export::Outage;
use super::open_metrics::{Family, Sample, parse};

/// Time between two deliveries.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
/// Where the other signals take headers for the collector from: `name=value,name=value`.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// Delivers counters.
#[derive(Clone)]
pub(crate) struct MetricsExport {
    http: reqwest::Client,
    url: String,
    started: u64,
    outage: Arc<Outage>,
}

impl MetricsExport {
    pub(super) fn new(url: String, timeout: Duration) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(timeout).default_headers(headers()).build();
        Ok(Self {
            http: http.context("metrics cannot be exported")?,
            url,
            started: nanos(),
            outage: Arc::new(Outage::new("metrics")),
        })
    }

    /// Delivers what a text of counters shows. A failure is told once, and costs nothing: counters only grow.
    pub(crate) async fn push(&self, text: &str) {
        let body = request(&parse(text), self.started, nanos()).encode_to_vec();
        let result = self.send(body).await.map_err(|error| format!("{error:#}"));
        self.outage.note(&result);
    }

    async fn send(&self, body: Vec<u8>) -> anyhow::Result<()> {
        let request = self.http.post(&self.url).header(CONTENT_TYPE, "application/x-protobuf");
        let status = request.body(body).send().await?.status();
        if status.is_success() { Ok(()) } else { bail!("it answered {status}") }
    }
}

fn headers() -> HeaderMap {
    let text = std::env::var(HEADERS).unwrap_or_default();
    text.split(',')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        })
        .collect()
}

fn nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Counters as the collector takes them, counted since `started`.
fn request(families: &[Family], started: u64, now: u64) -> ExportMetricsServiceRequest {
    let metrics = families.iter().filter_map(|family| metric(family, started, now)).collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![
                    attribute("service.name", "waystation"),
                    attribute("service.version", env!("CARGO_PKG_VERSION")),
                ],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "waystation".to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(family: &Family, started: u64, now: u64) -> Option<Metric> {
    let temporality = AggregationTemporality::Cumulative.into();
    let data = match family.kind.as_str() {
        "counter" => Data::Sum(Sum {
            data_points: points(family, "_total", started, now),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        "gauge" => Data::Gauge(Gauge { data_points: points(family, "", 0, now) }),
        "histogram" => Data::Histogram(Histogram {
            data_points: distributions(family, started, now),
            aggregation_temporality: temporality,
        }),
        _ => return None,
    };
    Some(Metric {
        name: family.name.clone(),
        description: family.help.clone(),
        data: Some(data),
        ..Metric::default()
    })
}

fn points(family: &Family, suffix: &str, started: u64, now: u64) -> Vec<NumberDataPoint> {
    let of_it = family.samples.iter().filter(|sample| sample.suffix == suffix);
    of_it
        .filter_map(|sample| {
            let value = match sample.value.parse() {
                Ok(whole) => number_data_point::Value::AsInt(whole),
                Err(_) => number_data_point::Value::AsDouble(sample.value.parse().ok()?),
            };
            Some(NumberDataPoint {
                attributes: attributes(sample),
                start_time_unix_nano: started,
                time_unix_nano: now,
                value: Some(value),
                ..NumberDataPoint::default()
            })
        })
        .collect()
}

/// A histogram's figures by its other labels: the text counts everything up to each bound, the collector what lies between two.
fn distributions(family: &Family, started: u64, now: u64) -> Vec<HistogramDataPoint> {
    let mut by_labels: BTreeMap<Vec<(String, String)>, HistogramDataPoint> = BTreeMap::new();
    for sample in &family.samples {
        let others: Vec<_> =
            sample.labels.iter().filter(|(name, _)| name != "le").cloned().collect();
        let point = by_labels.entry(others).or_insert_with(|| HistogramDataPoint {
            attributes: attributes(sample),
            start_time_unix_nano: started,
            time_unix_nano: now,
            ..HistogramDataPoint::default()
        });
        match sample.suffix.as_str() {
            "_sum" => point.sum = sample.value.parse().ok(),
            "_count" => point.count = sample.value.parse().unwrap_or_default(),
            "_bucket" => {
                let below: u64 = point.bucket_counts.iter().sum();
                let total: u64 = sample.value.parse().unwrap_or_default();
                point.bucket_counts.push(total.saturating_sub(below));
                let bound = sample.labels.iter().find(|(name, _)| name == "le");
                let bound = bound.and_then(|(_, bound)| bound.parse::<f64>().ok());
                // The last bucket has no bound.
                point.explicit_bounds.extend(bound.filter(|bound| bound.is_finite()));
            }
            _ => {}
        }
    }
    by_labels.into_values().collect()
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    let labels = sample.labels.iter().filter(|(name, _)| name != "le");
    labels.map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_text() {
        let text = "# TYPE e counter\ne_total{r=\"x\"} 3\n# TYPE g gauge\ng 1.5\n# TYPE h histogram\n\
                    h_sum{c=\"n\"} 0.5\nh_count{c=\"n\"} 4\nh_bucket{le=\"0.1\",c=\"n\"} 1\nh_bucket{le=\"1.0\",c=\"n\"} 3\n\
                    h_bucket{le=\"+Inf\",c=\"n\"} 4\n# EOF\n";
        let request = request(&parse(text), 1, 2);
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        assert_eq!(metrics.len(), 3);
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(3)));
        assert_eq!(sum.data_points[0].attributes, [attribute("r", "x")]);
        let Some(Data::Gauge(gauge)) = &metrics[1].data else { panic!("{metrics:?}") };
        assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(1.5)));
        let Some(Data::Histogram(histogram)) = &metrics[2].data else { panic!("{metrics:?}") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum), (4, Some(0.5)));
        assert_eq!(
            (point.bucket_counts.as_slice(), point.explicit_bounds.as_slice()),
            (&[1, 2, 1][..], &[0.1, 1.0][..])
        );
        assert_eq!(point.attributes, [attribute("c", "n")]);
    }
}
