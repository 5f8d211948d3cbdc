//! What operators find in the ledger and settle themselves, by command.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::server::Server;

const JOURNEY: &str = "
journey: notice
purpose: transactional
entry: { event: begin }
on_unknown: hold
templates: { hello: { default: { text: Hello } } }
steps: [{ send: { use: phone, template: hello } }]
";

/// A server whose channel crashes at every call, so that nobody knows what became of it.
async fn crashing_server(customers: &[&str]) -> Server {
    let server = Server::start(None);
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/crashes");
    let built = waystation_build::build(&guest, &waystation_build::Options::default())
        .expect("the guest builds");
    server.run(&["plugin", "install", built.wasm.to_str().unwrap()]);
    let file = server.write("phone.yaml", "connection: phone\nplugin: crashes\n");
    server.run(&["connection", "apply", &file]);
    server.apply(JOURNEY);
    for customer in customers {
        let body = json!({ "identities": { "phone": format!("+86 {customer}") } });
        let path = format!("/v1/customers/{customer}");
        let (status, answer) = server.request(Method::PUT, &path, &body).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
        server.run(&["send-event", "begin", "--customer", customer]);
    }
    server
        .until("the messages that nobody knows of", async || {
            let found = server.get("/v1/deliveries?outcome=unknown&phase=done").await;
            (found.as_array()?.len() == customers.len()).then_some(())
        })
        .await;
    server
}

fn refused(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn what_nobody_knows_of_is_listed_counted_and_settled() {
    let server = crashing_server(&["lin", "han", "mei"]).await;
    let listed = server.run(&["delivery", "list", "--outcome", "unknown", "--why", "held"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let line = listed.lines().find(|line| line.contains(" lin ")).unwrap();
    assert!(line.contains(" phone steps[0] lin unknown held "), "{line}");
    let key = line.split(' ').next().unwrap();
    assert_eq!(server.run(&["delivery", "list", "--outcome", "unknown", "--older", "1h"]), "");
    assert_eq!(
        server.run(&["delivery", "causes", "--since", "1h"]),
        "3 notice phone send unknown held\n"
    );

    let settle = ["delivery", "settle", "accepted", key, "--reason", "the provider has it"];
    assert_eq!(
        server.run(&settle),
        format!("{key} is settled as accepted: its journey has gone on and hears nothing of it\n")
    );
    let text = refused(&server, &settle);
    assert!(text.contains("it ended as accepted, which is certain"), "{text}");
    let shown = server.run(&["delivery", "show", key]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].contains(" lin accepted by_hand said by hand: the provider has it"),
        "{shown}"
    );
    assert!(lines[1].starts_with("  attempt 1 at ") && lines[1].contains(": unknown"), "{shown}");
    assert!(lines[2].starts_with("  accepted by hand at "), "{shown}");
    assert!(lines[2].contains(" by token "), "{shown}");
    assert!(lines[2].ends_with(" (before: unknown held): the provider has it"), "{shown}");

    let held = ["--outcome", "unknown", "--connection", "phone", "--reason", "it never came"];
    let preview = [&["delivery", "settle", "refused", "--preview"], held.as_slice()].concat();
    assert_eq!(server.run(&preview), "2 match; nothing was changed\n");
    let too_many = [&["delivery", "settle", "refused", "--most", "1"], held.as_slice()].concat();
    let text = refused(&server, &too_many);
    assert!(text.contains("more than 1 deliveries match; nothing was changed"), "{text}");
    let settle = [&["delivery", "settle", "refused"], held.as_slice()].concat();
    assert_eq!(
        server.run(&settle),
        "2 settled as refused: 0 awaited by their journeys, 0 that may double; 0 passed over\n"
    );
    let resend =
        ["delivery", "resend", "--outcome", "refused", "--why", "by_hand", "--reason", "mended"];
    assert_eq!(
        server.run(&resend),
        "2 settled as resend: 0 awaited by their journeys, 0 that may double; 0 passed over\n"
    );
    // The channel crashes again.
    server
        .until("the second attempts", async || {
            let found = server.get("/v1/deliveries?outcome=unknown&phase=done").await;
            let twice = |row: &serde_json::Value| row["attempts"] == 2;
            (found.as_array()?.iter().filter(|row| twice(row)).count() == 2).then_some(())
        })
        .await;
    server
        .until("the count of what nobody knows", async || {
            let metrics = server.get("/metrics").await;
            let line = "waystation_unknowns{connection=\"phone\",state=\"held\"} 2\n";
            metrics.as_str()?.contains(line).then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_is_not_said_clearly_changes_nothing() {
    let server = crashing_server(&["lin"]).await;
    for (arguments, expected) in [
        (
            &["delivery", "settle", "refused", "--reason", "why not"][..],
            "say which ones: give `outcome`",
        ),
        (
            &["delivery", "resend", "no-such-key", "--reason", "why not"],
            "there is no delivery `no-such-key`",
        ),
        (
            &["delivery", "resend", "--outcome", "lost", "--reason", "why not"],
            "`lost` is none; there are: accepted, refused, unknown",
        ),
        (&["delivery", "resend", "--outcome", "unknown", "--reason", " "], "say why, in 1 to 500"),
        (
            &["delivery", "resend", "a-key", "--outcome", "unknown", "--reason", "why not"],
            "give a key, or options that say which ones, not both",
        ),
        (&["delivery", "list", "--older", "soon"], "`soon` is no duration such as 90m, 24h or 7d"),
    ] {
        let text = refused(&server, arguments);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let found = server.get("/v1/deliveries?outcome=unknown").await;
    assert_eq!(found.as_array().unwrap().len(), 1);
}
