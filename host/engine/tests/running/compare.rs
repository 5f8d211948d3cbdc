//! Recorded calls, and what a candidate makes of them.

use waystation_engine::{Comparison, Group};
use waystation_sandbox::contract::channel::{Content, Message, Purpose, Recipient};

use crate::{Host, until, wasm};

fn message(key: &str, text: &str) -> Message {
    Message {
        key: key.to_owned(),
        recipient: Recipient {
            customer: format!("customer-{key}"),
            address: format!("{key}.zhang@mail.example"),
            name: Some("Zhang Wei".to_owned()),
            locale: None,
        },
        content: Content::Text(format!("Dear Zhang Wei, {text}")),
        purpose: Purpose::Transactional,
        extras: Vec::new(),
    }
}

/// Calls of the guest `mailer`, which finds no mail server, recorded.
async fn recorded(calls: &[&[Message]]) -> Host {
    let host = Host::new().await;
    host.connect("channel", "mailer").await;
    let link = host.engine.link("channel").unwrap();
    for messages in calls {
        link.connection.send(messages).await;
    }
    // The plugin was asked to check its configuration too.
    recordings(&host, calls.len() + 1).await;
    host
}

/// The texts of so many recordings.
async fn recordings(host: &Host, count: usize) -> Vec<String> {
    until(async || {
        let rows = host.engine.store().recordings("channel", 0, 1_000).await.unwrap();
        (rows.len() >= count).then(|| rows.into_iter().map(|row| row.body).collect())
    })
    .await
}

async fn compare(host: &Host, guest: &str) -> Comparison {
    host.engine.compare("channel", wasm(guest), 2).await.unwrap()
}

fn kinds(groups: &[Group]) -> Vec<(&str, u64)> {
    groups.iter().map(|group| (group.kind.as_str(), group.count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_release_in_use_does_what_was_recorded() {
    let host =
        recorded(&[&[message("a", "one"), message("b", "two")], &[message("c", "copy")]]).await;
    let texts = recordings(&host, 3).await.concat();
    assert!(!texts.contains("zhang") && !texts.contains("Wei"), "{texts}");
    let found = compare(&host, "mailer").await;
    assert!(found.same, "{found:#?}");
    assert_eq!((found.compared, found.passed_over), (3, 0));
    assert!(found.not_reproduced.is_empty(), "{found:#?}");
    assert_eq!(found.current, found.candidate);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_difference_is_told_and_always_in_the_same_words() {
    let first = [message("a", "one"), message("b", "skip it"), message("c", "copy")];
    let host = recorded(&[&first, &[message("d", "two")]]).await;
    let found = compare(&host, "mailer-next").await;
    assert!(!found.same);
    let facts: Vec<&str> = found.facts.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(
        facts,
        [
            "manifest/config_schema",
            "objections to the configuration/by its check",
            "objections to the configuration/by its schema",
            "permissions/store",
            "traits/channel/max_batch",
        ]
    );
    // Nothing is sent where the recording has no answer, and that is what the candidate tells.
    assert_eq!(
        kinds(&found.outcomes),
        [
            ("channel.send: deferred -> refused (content)", 1),
            ("channel.send: deferred, but with another detail", 3),
            ("plugin.check: done -> objections", 1),
        ]
    );
    assert_eq!(
        kinds(&found.requests),
        [
            ("mail.submit: additional", 1),
            ("mail.submit: changed message", 3),
            ("mail.submit: missing", 1)
        ]
    );
    let changed = &found.requests[1].examples[0];
    assert!(changed.current["message"].as_str().unwrap().contains("Subject: test"), "{changed:?}");
    assert!(
        changed.candidate["message"].as_str().unwrap().contains("Subject: news"),
        "{changed:?}"
    );
    assert_eq!(found.requests[1].examples.len(), 2);
    assert!(found.not_reproduced.is_empty(), "{found:#?}");
    let again = compare(&host, "mailer-next").await;
    assert_eq!(serde_json::to_string(&found).unwrap(), serde_json::to_string(&again).unwrap());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_is_not_reproduced_is_reported() {
    let host = Host::new().await;
    host.connect("channel", "echo").await;
    let link = host.engine.link("channel").unwrap();
    link.connection.send(&[message("a", "one"), message("b", "two")]).await;
    host.connect("channel", "mailer").await;
    recordings(&host, 3).await;
    let found = compare(&host, "mailer").await;
    assert!(found.same, "{found:#?}");
    assert_eq!(kinds(&found.not_reproduced), [("channel.send: accepted -> deferred", 2)]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_plugin_or_no_connection_is_refused() {
    let host = recorded(&[]).await;
    let error = host.engine.compare("channel", b"hello".to_vec(), 1).await.unwrap_err();
    assert!(error.to_string().contains("not WebAssembly"), "{error}");
    let error = host.engine.compare("nobody", wasm("mailer"), 1).await.unwrap_err();
    assert!(error.to_string().contains("there is no connection `nobody`"), "{error}");
    host.stop().await;
}
