//! The reference plugins that speak HTTP, against servers that look closely.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use waystation_sandbox::{
    Connection, Kind, Settings,
    contract::{
        action::Call,
        channel::{Message, Outcome, RefusalReason},
        types::Failure,
    },
};

use crate::{
    guests::NOW,
    messages::text,
    reference_plugins::connect,
    values::Values,
    web::{Reply, Seen, Server, closed_port, grant, secret},
};

const KEY: &str = "a-key-for-signing";

/// A webhook to a port of this machine, configured as a test wants it.
async fn webhook(port: u16, more: Value) -> Connection {
    let origin = format!("http://127.0.0.1:{port}");
    let configured = config(&format!("{origin}/way"), json!({ "address": "phone" }), more);
    connect("webhook", |settings| {
        settings.config = configured;
        grant(settings, &[&origin]);
        secret(settings, "signing-key", KEY, &[]);
    })
    .await
}

fn config(url: &str, basis: Value, more: Value) -> String {
    let mut config = json!({ "url": url });
    for part in [basis, more] {
        let Value::Object(fields) = part else { panic!("{part} is no configuration") };
        config.as_object_mut().expect("an object").extend(fields);
    }
    config.to_string()
}

/// Checks a request as the receiver of a webhook does; its identifier and body.
fn opened(seen: &Seen) -> (String, Value) {
    let header = |name| seen.header(name).expect("the header is there");
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    assert_eq!(timestamp, (NOW / 1000).to_string());
    let mut mac =
        Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).expect("a key of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&seen.body);
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header("webhook-signature"), signature);
    assert_eq!(header("content-type"), "application/json");
    (id.to_owned(), serde_json::from_slice(&seen.body).expect("the body is JSON"))
}

fn messages(keys: &[&str]) -> Vec<Message> {
    keys.iter().map(|key| text(key, "+8613800000000", &format!("text of {key}"))).collect()
}

fn accepted(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted(receipt) => receipt.provider_id.as_deref(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_arrive_signed_and_each_has_its_own_outcome() {
    let server = Server::start(|seen| {
        let (id, _) = opened(seen);
        match id.as_str() {
            "e-1" => Reply::answer("202 Accepted", "", r#"{ "id": "m-1" }"#),
            "e-2" => Reply::answer("422 Unprocessable", "", "no such user"),
            "e-3" => Reply::answer("503 Busy", "retry-after: 90\r\n", ""),
            "e-4" => Reply::answer("401 Unauthorized", "", ""),
            "e-5" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
            _ => Reply::answer("502 Bad Gateway", "", ""),
        }
    })
    .await;
    let hook = webhook(server.port, json!({ "headers": { "x-shop": "7" } })).await;
    assert_eq!(hook.release().kinds(), [Kind::Channel]);
    assert_eq!(hook.check().await.unwrap(), Ok(()));
    let outcomes = hook.send(&messages(&["e-1", "e-2", "e-3", "e-4", "e-5", "e-6"])).await;
    assert_eq!(accepted(&outcomes[0]), Some("m-1"));
    let Outcome::Refused(content) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert_eq!(content.reason, RefusalReason::Content);
    assert_eq!(content.detail, "status 422: no such user");
    assert!(matches!(&outcomes[2], Outcome::Deferred(deferral) if deferral.after == 90_000));
    assert!(
        matches!(&outcomes[3], Outcome::Refused(refusal) if refusal.reason == RefusalReason::Account)
    );
    assert!(matches!(&outcomes[4], Outcome::Unknown(_)), "{:?}", outcomes[4]);
    assert!(matches!(&outcomes[5], Outcome::Unknown(_)), "{:?}", outcomes[5]);

    let mut seen = server.seen();
    seen.sort_by_key(|seen| opened(seen).0);
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|seen| seen.path() == "/way" && seen.header("x-shop") == Some("7")));
    let (id, body) = opened(&seen[0]);
    assert_eq!(
        (id.as_str(), &body["id"], &body["address"]["kind"]),
        ("e-1", &json!("e-1"), &json!("phone"))
    );
    assert_eq!(body["content"], json!({ "kind": "text", "text": "text of e-1" }));
    assert!(!format!("{seen:?}{outcomes:?}").contains(KEY));
}

#[tokio::test]
async fn a_batch_may_be_one_request() {
    let server = Server::start(|_| Reply::answer("200 OK", "", r#"{ "id": "b-1" }"#)).await;
    let hook = webhook(server.port, json!({ "requests": "batch", "method": "PUT" })).await;
    for keys in [["e-1", "e-2"], ["e-1", "e-2"], ["e-1", "e-3"]] {
        let outcomes = hook.send(&messages(&keys)).await;
        assert_eq!(outcomes.iter().map(accepted).collect::<Vec<_>>(), [None, None]);
    }
    let opened: Vec<(String, Value)> = server.seen().iter().map(opened).collect();
    let ids = |body: &Value| -> Vec<String> {
        let messages = body["messages"].as_array().expect("a list");
        messages.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids(&opened[0].1), ["e-1", "e-2"]);
    assert!(server.seen()[0].head.starts_with("PUT /way "));
    // The same messages have the same name, and others have another, even if they begin alike.
    assert_eq!(opened[0].0, opened[1].0);
    assert_ne!(opened[0].0, opened[2].0);
}

#[tokio::test]
async fn what_was_not_sent_is_deferred_or_refused() {
    let hook = webhook(closed_port().await, json!({})).await;
    let outcomes = hook.send(&messages(&["e-1"])).await;
    assert!(matches!(&outcomes[0], Outcome::Deferred(_)), "{outcomes:?}");

    let denied = connect("webhook", |settings| {
        settings.config =
            config("https://elsewhere.test", json!({ "address": "phone" }), json!({}));
        grant(settings, &["https://hooks.test"]);
        secret(settings, "signing-key", KEY, &[]);
    })
    .await;
    let outcomes = denied.send(&messages(&["e-1"])).await;
    assert!(
        matches!(&outcomes[0], Outcome::Refused(refusal) if refusal.reason == RefusalReason::Account),
        "{outcomes:?}"
    );

    let unsigned = connect("webhook", |settings| {
        settings.config = config("https://hooks.test", json!({ "address": "phone" }), json!({}));
        grant(settings, &["https://hooks.test"]);
    })
    .await;
    let problems = unsigned.check().await.unwrap().unwrap_err();
    assert!(problems[0].message.contains("secret `signing-key`: the connection may not use it"));
    let outcomes = unsigned.send(&messages(&["e-1"])).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(_)), "{outcomes:?}");
}

#[tokio::test]
async fn a_slow_endpoint_leaves_unknown_what_it_was_told() {
    let server = Server::start(|seen| match opened(seen).0.as_str() {
        "e-1" => Reply::ok(""),
        _ => Reply::hang(""),
    })
    .await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let hook = connect("webhook", |settings| {
        settings.config = config(&origin, json!({ "address": "phone" }), json!({}));
        settings.limits.wall_time = std::time::Duration::from_secs(2);
        grant(settings, &[&origin]);
        secret(settings, "signing-key", KEY, &[]);
    })
    .await;
    let outcomes = hook.send(&messages(&["e-1", "e-2"])).await;
    // The plugin still has time to tell of those that were answered.
    assert_eq!(accepted(&outcomes[0]), None);
    assert!(matches!(&outcomes[1], Outcome::Unknown(_)), "{outcomes:?}");
}

/// A recommender at a server, configured as a test wants it.
async fn recommender(
    server: &Server,
    more: Value,
    change: impl FnOnce(&mut Settings),
) -> Connection {
    let origin = format!("http://127.0.0.1:{}", server.port);
    let configured = config(&format!("{origin}/v1"), json!({}), more);
    connect("recommend-http", |settings| {
        settings.config = configured;
        grant(settings, &[&origin]);
        secret(settings, "token", "t0ken-of-the-shop", &[&origin]);
        change(settings);
    })
    .await
}

fn call(customer: &str, sku: &str) -> Call {
    Call {
        key: format!("{customer}-1"),
        customer: customer.to_owned(),
        fields: vec![("age".to_owned(), "30".to_owned())],
        parameters: json!({ "sku": sku }).to_string(),
    }
}

/// Answers with two items for the SKU that it is asked about.
fn shop(seen: &Seen) -> Reply {
    let asked: Value = serde_json::from_slice(&seen.body).expect("the body is JSON");
    match asked["parameters"]["sku"].as_str().expect("a text") {
        "gone" => Reply::answer("404 Not Found", "", "no such sku"),
        "busy" => Reply::answer("429 Too Many", "retry-after: 5\r\n", ""),
        "cut" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1"),
        sku => Reply::ok(json!({ "items": [format!("{sku}-a"), format!("{sku}-b")] }).to_string()),
    }
}

#[tokio::test]
async fn a_service_is_asked_with_a_credential_that_the_plugin_never_saw() {
    let server = Server::start(shop).await;
    let action = recommender(&server, json!({ "pointer": "/items" }), |_| {}).await;
    assert_eq!(action.release().kinds(), [Kind::Action]);
    assert_eq!(action.check().await.unwrap(), Ok(()));
    assert_eq!(action.action_traits().await.unwrap().dedupe_window, Some(u64::MAX));
    let skus = ["x", "gone", "busy", "cut", "y"];
    let calls: Vec<Call> = skus.iter().map(|sku| call("c-1", sku)).collect();
    let answers = action.run(&calls).await;
    let value = |answer: &Result<String, Failure>| -> Value {
        serde_json::from_str(answer.as_ref().expect("there is a result")).expect("it is JSON")
    };
    assert_eq!(value(&answers[0]), json!(["x-a", "x-b"]));
    assert_eq!(answers[1], Err(Failure::Refused("status 404: no such sku".to_owned())));
    assert!(matches!(&answers[2], Err(Failure::Deferred(deferral)) if deferral.after == 5_000));
    assert!(matches!(&answers[3], Err(Failure::Unknown(_))), "{:?}", answers[3]);
    assert_eq!(value(&answers[4]), json!(["y-a", "y-b"]));

    let seen = server.seen();
    assert_eq!(seen.len(), skus.len());
    let authorization = Some("Bearer t0ken-of-the-shop");
    assert!(seen.iter().all(|seen| seen.header("authorization") == authorization));
    let first = seen.iter().find(|seen| seen.whole().contains(r#""x""#)).expect("x was asked for");
    let asked: Value = serde_json::from_slice(&first.body).expect("the body is JSON");
    assert_eq!(
        asked,
        json!({ "customer": { "id": "c-1", "fields": { "age": "30" } }, "parameters": { "sku": "x" } })
    );
}

#[tokio::test]
async fn without_a_token_nobody_is_asked() {
    let server = Server::start(shop).await;
    let without = |settings: &mut Settings| settings.secrets.clear();
    let action = recommender(&server, json!({}), without).await;
    let problems = action.check().await.unwrap().unwrap_err();
    assert!(problems[0].message.contains("secret `token`: it has no value yet"), "{problems:?}");
    let answers = action.run(&[call("c-1", "x")]).await;
    assert!(matches!(&answers[0], Err(Failure::Deferred(_))), "{answers:?}");
    assert!(server.seen().is_empty());

    let open = recommender(&server, json!({ "authorization": "none" }), without).await;
    assert_eq!(open.check().await.unwrap(), Ok(()));
    assert!(open.run(&[call("c-1", "x")]).await[0].is_ok());
    assert_eq!(server.only().header("authorization"), None);
}

#[tokio::test]
async fn an_answer_serves_for_a_while() {
    let server = Server::start(shop).await;
    let (values, time) = (Arc::<Values>::default(), Arc::new(AtomicU64::new(NOW)));
    let clock = Arc::clone(&time);
    let action =
        recommender(&server, json!({ "pointer": "/items", "cache_seconds": 60 }), |settings| {
            settings.store = Some(values.grant(1 << 20));
            settings.clock = Arc::new(move || clock.load(Ordering::SeqCst));
        })
        .await;
    assert_eq!(action.check().await.unwrap(), Ok(()));
    let asks = async |customer: &str, skus: &[&str]| {
        let before = server.seen().len();
        let calls: Vec<Call> = skus.iter().map(|sku| call(customer, sku)).collect();
        let answers = action.run(&calls).await;
        for (answer, sku) in answers.iter().zip(skus).filter(|(_, sku)| **sku != "busy") {
            assert_eq!(*answer, Ok(format!(r#"["{sku}-a","{sku}-b"]"#)));
        }
        server.seen().len() - before
    };
    assert_eq!(asks("c-1", &["x", "busy"]).await, 2);
    assert_eq!(asks("c-1", &["busy", "x"]).await, 1, "busy was no answer");
    time.fetch_add(59_999, Ordering::SeqCst);
    assert_eq!(asks("c-1", &["x"]).await, 0);
    time.fetch_add(1, Ordering::SeqCst);
    assert_eq!(asks("c-1", &["x"]).await, 1);
    assert_eq!(asks("c-2", &["x"]).await, 1, "an answer is for one customer");
    assert_eq!(asks("c-2", &["x"]).await, 0);
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_fails_no_call() {
    let server = Server::start(shop).await;
    let more = || json!({ "pointer": "/items", "cache_seconds": 60 });
    let without = recommender(&server, more(), |_| {}).await;
    let problems = without.check().await.unwrap().unwrap_err();
    assert_eq!(problems[0].path, "/cache_seconds");
    let values = Arc::<Values>::default();
    let full = recommender(&server, more(), |settings| {
        settings.store = Some(values.grant(1 << 10));
    })
    .await;
    let long = "x".repeat(1 << 10);
    for action in [without, full] {
        assert!(action.run(&[call("c-1", &long)]).await[0].is_ok());
    }
}
