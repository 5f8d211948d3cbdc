use serde_json::json;
use waystation_sdk::channel::{Card, Content, Email, Purpose, Recipient, Template};

use super::*;

fn config(json: Value) -> Config {
    serde_json::from_value(json).unwrap()
}

fn plugin(more: &Value) -> Webhook {
    let mut whole = json!({ "url": "https://hooks.shop.example/way", "address": "phone" });
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Webhook::new(config(whole)).unwrap()
}

fn message(content: Content) -> Message {
    Message {
        key: "enr-1-2".into(),
        recipient: Recipient {
            customer: "c-1".into(),
            address: "+8613800000000".into(),
            name: None,
            locale: Some("zh-CN".into()),
        },
        content,
        purpose: Purpose::Marketing,
        extras: vec![
            ("journey".into(), "welcome".into()),
            ("step".into(), "steps[0]".into()),
            ("unsubscribe-url".into(), "https://way.example/u/abc".into()),
        ],
    }
}

#[test]
fn a_message_is_json_without_what_is_absent() {
    let written = body::of("phone", &message(Content::Text("你好".into())));
    let expected = json!({
        "id": "enr-1-2",
        "customer": "c-1",
        "address": { "kind": "phone", "value": "+8613800000000" },
        "locale": "zh-CN",
        "purpose": "marketing",
        "journey": "welcome",
        "step": "steps[0]",
        "unsubscribe_url": "https://way.example/u/abc",
        "content": { "kind": "text", "text": "你好" },
    });
    assert_eq!(written, expected);
}

#[test]
fn contents_of_every_kind_are_written() {
    let content = |content| body::of("phone", &message(content))["content"].clone();
    let card = Card { title: "t".into(), body: "b".into(), image: None, link: Some("l".into()) };
    assert_eq!(
        content(Content::Card(card)),
        json!({ "kind": "card", "title": "t", "body": "b", "link": "l" })
    );
    let email = Email {
        sender: None,
        subject: "s".into(),
        html: None,
        text: Some("t".into()),
        headers: vec![("x-a".into(), "1".into())],
    };
    assert_eq!(
        content(Content::Email(email)),
        json!({ "kind": "email", "subject": "s", "text": "t", "headers": { "x-a": "1" } })
    );
    let template = Template { id: "SMS_1".into(), parameters: vec![("code".into(), "9".into())] };
    assert_eq!(
        content(Content::Template(template)),
        json!({ "kind": "template", "id": "SMS_1", "parameters": { "code": "9" } })
    );
}

#[test]
fn a_batch_is_a_list() {
    let messages = [message(Content::Text("a".into())), message(Content::Text("b".into()))];
    let written = body::of_all("phone", &messages);
    let texts: Vec<_> =
        written["messages"].as_array().unwrap().iter().map(|one| &one["content"]["text"]).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[track_caller]
fn becomes(plugin: &Webhook, response: &HttpResponse, expected: Result<Option<&str>, SendError>) {
    let outcome = plugin.outcome(response, 1_000).map(|receipt| receipt.provider_id);
    assert_eq!(outcome, expected.map(|id| id.map(str::to_owned)), "{}", response.status);
}

#[test]
fn the_endpoints_identifier_is_kept() {
    let answer = |body: &str| HttpResponse::new(202).with_body(body);
    becomes(&plugin(&json!({})), &answer(r#"{ "id": "m-7", "x": 1 }"#), Ok(Some("m-7")));
    becomes(&plugin(&json!({})), &answer(r#"{ "id": 7 }"#), Ok(Some("7")));
    for none in ["", "taken", "[]", r#"{ "id": null }"#, r#"{ "id": "" }"#] {
        becomes(&plugin(&json!({})), &answer(none), Ok(None));
    }
}

#[test]
fn a_status_becomes_the_outcome_that_it_means() {
    let answer = |status| HttpResponse::new(status).with_body("no");
    let detail = |status| format!("status {status}: no");
    let plugin = plugin(&json!({}));
    for (status, reason) in [
        (400, RefusalReason::Content),
        (401, RefusalReason::Account),
        (403, RefusalReason::Account),
        (404, RefusalReason::Other),
        (410, RefusalReason::Other),
        (422, RefusalReason::Content),
        (302, RefusalReason::Other),
    ] {
        becomes(&plugin, &answer(status), Err(SendError::refused(reason, detail(status))));
    }
    for status in [408, 425, 429, 500, 503] {
        becomes(&plugin, &answer(status), Err(SendError::deferred(PAUSE, detail(status))));
    }
    for status in [502, 504] {
        becomes(&plugin, &answer(status), Err(SendError::unknown(detail(status))));
    }
    let busy = answer(503).with_header("retry-after", "7");
    becomes(&plugin, &busy, Err(SendError::deferred(Duration::from_secs(7), detail(503))));
}

#[test]
fn the_configuration_may_say_otherwise_of_a_status() {
    let plugin =
        plugin(&json!({ "statuses": { "409": "accepted", "502": "deferred", "200": "unknown" } }));
    becomes(&plugin, &HttpResponse::new(409), Ok(None));
    let answer = |status| HttpResponse::new(status).with_body("no");
    becomes(&plugin, &answer(502), Err(SendError::deferred(PAUSE, "status 502: no")));
    becomes(&plugin, &answer(200), Err(SendError::unknown("status 200: no")));
    becomes(&plugin, &answer(201), Ok(None));
}

#[test]
fn traits_are_as_configured() {
    let traits = plugin(&json!({})).traits();
    assert_eq!((traits.address.as_str(), traits.max_batch), ("phone", 100));
    assert_eq!(traits.contents, ["text", "card", "email"]);
    assert_eq!(traits.dedupe_window, None);
    let traits =
        plugin(&json!({ "dedupe_seconds": 60, "max_batch": 5, "contents": ["card"] })).traits();
    assert_eq!((traits.dedupe_window, traits.max_batch), (Some(60_000), 5));
    assert_eq!(traits.contents, ["card"]);
}

#[test]
fn a_configuration_that_cannot_work_is_told() {
    let refused = |json: Value, path: &str, message: &str| {
        let problem = Webhook::new(config(json)).map(|_| ()).unwrap_err();
        assert_eq!(problem.path, path);
        assert!(problem.message.contains(message), "{}", problem.message);
    };
    refused(json!({ "url": "http://a.example", "address": "x" }), "/url", "this machine only");
    for name in ["Webhook-Signature", "content-type", "Host"] {
        let headers = json!({ "url": "https://a", "address": "x", "headers": { name: "v" } });
        refused(headers, "/headers", &format!("`{name}` is set by the channel itself"));
    }
}
