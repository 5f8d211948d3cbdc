//! What is seen of plugins from outside: their log, and what a collector gets.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use reqwest::Method;
use serde_json::json;

use crate::server::Server;

/// What a collector was given.
#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    records: Vec<LogRecord>,
    metrics: Vec<Metric>,
    requests: usize,
}

type Shared = Arc<Mutex<Received>>;

/// Takes what OTLP over HTTP delivers.
async fn take(State(received): State<Shared>, Path(signal): Path<String>, body: Bytes) {
    let mut received = received.lock().unwrap();
    received.requests += 1;
    match signal.as_str() {
        "traces" => {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|one| one.scope_spans);
            received.spans.extend(scopes.flat_map(|scope| scope.spans));
        }
        "logs" => {
            let request = ExportLogsServiceRequest::decode(body).unwrap();
            let scopes = request.resource_logs.into_iter().flat_map(|one| one.scope_logs);
            received.records.extend(scopes.flat_map(|scope| scope.log_records));
        }
        "metrics" => {
            let request = ExportMetricsServiceRequest::decode(body).unwrap();
            let resource = request.resource_metrics[0].resource.clone().unwrap();
            assert_eq!(text(&resource.attributes, "service.name"), "waystation");
            let scopes = request.resource_metrics.into_iter().flat_map(|one| one.scope_metrics);
            // Counters are delivered as a whole each time.
            received.metrics = scopes.flat_map(|scope| scope.metrics).collect();
        }
        other => panic!("nothing is delivered to {other}"),
    }
}

/// Starts a collector; gives its address and what it takes.
async fn collector() -> (String, Shared) {
    let received = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/{signal}", axum::routing::post(take))
        .with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, received)
}

/// An attribute's text; empty if it is not there.
fn text<'a>(attributes: &'a [KeyValue], name: &str) -> &'a str {
    let found = attributes.iter().find(|one| one.key == name);
    match found.and_then(|one| one.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

fn with_collector(address: &str) -> Server {
    let server = Server::with(None, vec![("WAYSTATION_OTLP", address.to_owned())]);
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    server
}

/// Lets the trigger source `shop` write a line: its hook gets a request that nobody signed.
async fn provoke(server: &Server) {
    let hook = reqwest::Client::new().post(server.url("/hooks/shop")).body("[]");
    let status = hook.send().await.unwrap().status();
    assert!(!status.is_success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_lines_and_counters() {
    let (address, received) = collector().await;
    let mut server = with_collector(&address);
    server.set_up_without_mail();
    provoke(&server).await;
    server.run(&["send-event", "page.viewed", "--customer", "c1"]);
    let release = server.get("/v1/connections/coupons").await["release"].clone();
    // What was not delivered yet is when it stops.
    assert!(server.terminate().success(), "{}", server.log());

    let received = received.lock().unwrap();
    let span = received.spans.iter().find(|span| {
        text(&span.attributes, "connection") == "coupons"
            && text(&span.attributes, "function") == "coupon.get-traits"
            && text(&span.attributes, "outcome") == "answered"
    });
    let span = span.unwrap_or_else(|| panic!("no span of the connection: {:?}", received.spans));
    assert_eq!(span.name, "plugin.call");
    assert_eq!(text(&span.attributes, "plugin.digest"), release.as_str().unwrap());
    assert_eq!(text(&span.attributes, "plugin.version"), "0.1.0");
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);

    let listening = received.records.iter().find(|record| {
        let body = record.body.as_ref().and_then(|body| body.value.as_ref());
        matches!(body, Some(Value::StringValue(text)) if text == "listening")
    });
    assert!(listening.is_some_and(|record| record.severity_text == "INFO"));

    let events = received.metrics.iter().find(|metric| metric.name == "waystation_events").unwrap();
    let Some(Data::Sum(sum)) = &events.data else { panic!("{events:?}") };
    let accepted = sum.data_points.iter().find(|one| text(&one.attributes, "result") == "accepted");
    assert_eq!(accepted.unwrap().value, Some(number_data_point::Value::AsInt(1)));
    assert!(sum.is_monotonic);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_one_warning_for_each_signal() {
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = with_collector(&format!("http://{gone}"));
    server.set_up_without_mail();
    server
        .until("the warning about metrics", async || {
            server.log().contains("takes nothing").then_some(())
        })
        .await;
    let started = Instant::now();
    assert!(server.terminate().success(), "{}", server.log());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let warnings = server.log().lines().filter(|line| line.contains("takes nothing")).count();
    assert!((1..=3).contains(&warnings), "{}", server.log());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["collector", "ftp://127.0.0.1", "127.0.0.1:4318"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_waystation"))
            .args(["serve", "--otlp", address])
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("the collector's address"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_lines_holds_nobody_up() {
    // The log says when a request has begun.
    let mut server = Server::with(None, vec![("RUST_LOG", "info,tower_http=debug".to_owned())]);
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    server.set_up_without_mail();
    assert_eq!(server.get("/v1/connections/shop/log").await, json!([]));
    let output = server.command(&["plugin", "logs", "nobody"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("connection `nobody`"));
    let (status, problem) =
        server.request(Method::GET, "/v1/connections/shop/log?wait=31", &json!(null)).await;
    assert_eq!(status, 422, "{problem}");

    let asked = Instant::now();
    assert_eq!(server.get("/v1/connections/shop/log?wait=1").await, json!([]));
    assert!(asked.elapsed() >= Duration::from_secs(1));
    let url = server.url("/v1/connections/shop/log?wait=30");
    let request = reqwest::Client::new().get(url).bearer_auth(server.token());
    let waiting = tokio::spawn(async move { request.send().await });
    let begun = async || server.log().contains("log?wait=30").then_some(());
    server.until("the request", begun).await;
    let stopped = Instant::now();
    assert!(server.terminate().success(), "{}", server.log());
    assert!(stopped.elapsed() < Duration::from_secs(15), "{:?}", stopped.elapsed());
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}
