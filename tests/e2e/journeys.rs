//! A journey's life by command: drafts, versions, what differs, states, assignments.

use serde_json::json;

use crate::server::Server;

const FIRST: &str = "journey: care\nentry: { event: order.paid }\nsteps:\n  \
    - assign: { to: sales, note: Call }\n    as: call\n  \
    - wait_for: { event: assignment.done, when: event.key == steps.call.key, up_to: 3d }\n  \
    - exit: cared\n";

/// The customer's enrollment, once it is like this.
async fn enrolled(server: &Server, customer: &str, key: &str, value: serde_json::Value) {
    server
        .until(&format!("{key} {value} of {customer}"), async || {
            let found = server.get(&format!("/v1/enrollments?customer={customer}")).await;
            (found[0][key] == value).then_some(())
        })
        .await;
}

fn pays(server: &Server, customer: &str) {
    server.run(&["send-event", "order.paid", "--customer", customer]);
}

#[tokio::test]
async fn a_journey_is_changed_while_customers_are_inside() {
    let server = Server::start(None);
    let file = server.write("care.yaml", FIRST);
    assert_eq!(
        server.run(&["apply", "--draft", &file]),
        format!("{file}: care version 1 is stored\n")
    );
    assert_eq!(server.run(&["journey", "list"]), "care draft version 0, never entered\n");
    assert_eq!(server.run(&["journey", "live", "care"]), "care version 1 is live\n");
    pays(&server, "lin");
    enrolled(&server, "lin", "status", json!("active")).await;
    assert!(server.run(&["journey", "list"]).starts_with("care live version 1, last entered 20"));

    server.write("care.yaml", &FIRST.replace("3d", "5d"));
    let told = server.run(&["journey", "diff", "care", &file]);
    assert_eq!(told, "changed steps[1]: wait_for.up_to: 3d -> 5d\n");
    let told = server.run(&["apply", "--preview", "--inside", "move", &file]);
    assert_eq!(told, "care version 1 steps[1]: 1 move to steps[1]\n");
    let told = server.run(&["apply", "--inside", "move", &file]);
    assert_eq!(told, format!("{file}: care version 2 is live; those inside move into it\n"));
    enrolled(&server, "lin", "version", json!(2)).await;
    assert_eq!(
        server.run(&["journey", "diff", "care"]),
        "changed steps[1]: wait_for.up_to: 3d -> 5d\n"
    );
    assert_eq!(server.run(&["journey", "show", "care", "--version", "1"]), FIRST);

    assert_eq!(server.run(&["journey", "pause", "care"]), "care version 2 is paused\n");
    let refused = server.command(&["journey", "pause", "care"]);
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        "error: journey `care` is paused, so it cannot be asked to pause; what is possible now: resume; drain; retire\n"
    );
    let told = server.run(&["journey", "resume", "care"]);
    assert_eq!(told, "care version 2 is live; those inside go on\n");
    let list = server.run(&["assignment", "list", "--assignee", "sales"]);
    let key = list.split(' ').next().unwrap().to_owned();
    assert_eq!(list, format!("{key} sales lin open Call\n"));
    assert_eq!(
        server.run(&["assignment", "done", &key, "reached"]),
        format!("{key} is done: reached\n")
    );
    enrolled(&server, "lin", "outcome", json!("cared")).await;
    let refused = server.command(&["assignment", "done", &key, "reached"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(text, format!("error: assignment `{key}` was done before; its outcome stays\n"));

    pays(&server, "ann");
    enrolled(&server, "ann", "status", json!("active")).await;
    let told = server.run(&["journey", "retire", "care"]);
    assert_eq!(told, "care version 2 is retired; those inside leave\n");
    enrolled(&server, "ann", "outcome", json!("retired")).await;
    let history = server.run(&["journey", "history", "care"]);
    let kinds: Vec<&str> =
        history.lines().map(|line| line.split(' ').nth(1).unwrap().trim_end_matches(':')).collect();
    assert_eq!(
        kinds,
        ["retire", "resume", "pause", "apply", "live", "draft", "leave", "wake", "move"],
        "{history}"
    );
}
