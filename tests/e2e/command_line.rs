//! The commands that the other tests do not use anyway.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn events_can_be_sent_and_count_once() {
    let server = Server::start(None);
    let send = [
        "send-event",
        "page.viewed",
        "--customer",
        "c1",
        "--id",
        "e1",
        "-p",
        "seconds=12.5",
        "-p",
        "page=/pricing",
    ];
    assert_eq!(server.run(&send), "event e1: accepted\n");
    assert_eq!(server.run(&send), "event e1: duplicate\n");
    assert_eq!(server.get("/v1/customers/c1").await["id"], "c1");
    let output =
        server.command(&["send-event", "page.viewed", "--customer", "c1", "-p", "seconds"]);
    assert!(!output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: `seconds` is not NAME=VALUE\n");
}

#[tokio::test]
async fn plugins_and_versions_are_listed() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let listed = server.run(&["plugin", "list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].starts_with("coupon-codes@0.1.0  coupon  "), "{listed}");
    assert!(lines[1].starts_with("http-events@0.1.0  trigger-source  "), "{listed}");

    let first = "journey: j\nentry: { event: a.b }\nsteps:\n  - wait: 1h\n";
    let file = server.write("j.yaml", first);
    assert_eq!(server.run(&["check", &file]), format!("{file}: j is valid\n"));
    assert_eq!(server.get("/v1/journeys").await, json!([]));
    assert_eq!(server.run(&["apply", &file]), format!("{file}: j version 1 is live\n"));
    assert_eq!(server.run(&["apply", &file]), format!("{file}: j version 1 is live\n"));
    server.write("j.yaml", &first.replace("1h", "2h"));
    assert_eq!(server.run(&["apply", &file]), format!("{file}: j version 2 is live\n"));
    assert_eq!(server.get("/v1/journeys/j").await["live_version"], 2);
}

#[tokio::test]
async fn a_folder_serves_one_server_at_a_time() {
    let server = Server::start(None);
    let data = server.folder().join("data");
    let output =
        server.command(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("another server uses the folder"), "{text}");
    let output = server.command(&["apply", "no-such-file.yaml"]);
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_waystation"))
        .args(["plugin", "list", "--server", "http://127.0.0.1:9"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with(
            "error: cannot reach http://127.0.0.1:9/v1/plugins; is the server running there?"
        ),
        "{text}"
    );
}
