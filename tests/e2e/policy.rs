//! The workspace's policy, and why customers got what they got.

use reqwest::Method;
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn a_policy_is_applied_shown_and_held_to_after_a_restart() {
    let mut server = Server::start(None);
    let wrong = server.write("wrong.yaml", "zone: Asia/Shangai\n");
    let output = server.command(&["policy", "apply", &wrong]);
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "{wrong}:1:7: zone: `Asia/Shangai` is no time zone; did you mean `Asia/Shanghai`?\n"
        )
    );
    let text = "zone: Asia/Shanghai\nlimits: [{ messages: 3, per: 24h }]";
    let file = server.write("policy.yaml", text);
    assert_eq!(server.run(&["policy", "apply", &file]), format!("{file}: the policy is in use\n"));
    server.kill();
    assert!(server.spawn().any(|line| line.starts_with("listening on ")));
    assert_eq!(server.run(&["policy", "show"]), format!("{text}\n"));
}

#[tokio::test]
async fn why_tells_of_a_customer_in_sentences() {
    let server = Server::start(None);
    let file = server.write(
        "j.yaml",
        "journey: j\nentry: { event: a.b }\nexit: { event: c.d, as: bought }\nsteps: [{ wait: 1h }]\n",
    );
    server.run(&["apply", &file]);
    server
        .request(
            Method::PUT,
            "/v1/customers/lin",
            &json!({ "attributes": { "zone": "Asia/Tokyo" } }),
        )
        .await;
    assert_eq!(
        server.run(&["why", "lin"]),
        "There is nothing to tell: the customer has entered no journey.\n"
    );
    for event in ["a.b", "c.d"] {
        server.run(&["send-event", event, "--customer", "lin"]);
    }
    let told = server
        .until("the customer to leave", async || {
            let told = server.run(&["why", "lin", "--journey", "j"]);
            told.contains("left").then_some(told)
        })
        .await;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "Times in Asia/Tokyo.");
    assert!(lines[1].ends_with("  The customer entered journey j."), "{told}");
    assert!(lines[2].ends_with("  The customer left journey j with the outcome bought."), "{told}");
    let output = server.command(&["why", "nobody"]);
    assert!(!output.status.success());
}
