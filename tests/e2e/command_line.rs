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

#[tokio::test]
async fn segments_are_counted_and_exported_before_anything_is_sent() {
    let server = Server::start(None);
    let paid = ["send-event", "order.paid", "-p", "amount=700", "--customer"];
    for (customer, id) in [("anna", "1"), ("anna", "2"), ("ben", "3")] {
        server.run(&[&paid[..], &[customer, "--id", id]].concat());
    }
    let patch = json!({ "attributes": { "name": "Anna, \"A\"", "level": 3 } });
    server.request(reqwest::Method::PUT, "/v1/customers/anna", &patch).await;

    let when = "sum(\"order.paid\", \"amount\", \"30d\") >= 1000";
    assert_eq!(server.run(&["segment", "count", "--when", when]), "1\n");
    let file = server.write("big.yaml", &format!("segment: big\ntitle: Big\nwhen: '{when}'\n"));
    assert_eq!(
        server.run(&["segment", "apply", "--check", &file]),
        format!("{file}: big is valid\n")
    );
    assert_eq!(server.run(&["segment", "list"]), "");
    assert_eq!(server.run(&["segment", "apply", &file]), format!("{file}: big is in use\n"));
    assert_eq!(server.run(&["segment", "list"]), "big Big\n");
    assert_eq!(server.run(&["segment", "count", "big"]), "1\n");
    assert_eq!(
        server.run(&["segment", "export", "big", "--fields", "name,level,phone"]),
        "customer,name,level,phone\nanna,\"Anna, \"\"A\"\"\",3,\n"
    );

    let journey = "journey: thanks\nentry: { event: go, when: in_segment(\"big\") }\nsteps: [{ set: { tags: thanked } }]\n";
    let journey = server.write("thanks.yaml", journey);
    assert_eq!(server.run(&["apply", &journey]), format!("{journey}: thanks version 1 is live\n"));
    let removed = server.command(&["segment", "remove", "big"]);
    assert_eq!(
        String::from_utf8(removed.stderr).unwrap(),
        "error: the live journey `thanks` asks for segment `big`; change that first\n"
    );
    for customer in ["anna", "ben"] {
        server.run(&["send-event", "go", "--customer", customer]);
    }
    server
        .until("anna is thanked", async || {
            (server.get("/v1/customers/anna").await["tags"] == json!(["thanked"])).then_some(())
        })
        .await;
    assert_eq!(server.get("/v1/customers/ben").await["tags"], json!([]));

    let wrong = server.write("wrong.yaml", "segment: wrong\nwhen: count('a') > 1\n");
    let output = server.command(&["segment", "apply", &wrong]);
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "{wrong}:2:7: when: `count` is not written this way; such as count(\"order.paid\", \"30d\")\n"
        )
    );
}
