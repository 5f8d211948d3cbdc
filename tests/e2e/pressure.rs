//! More events than the engine can deal with, by HTTP.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// As few as can be set.
const WAITING: usize = 1_000;
const BATCHES: usize = 12;
/// Most events of a request.
const BATCH: usize = 1_000;

const VISIT: &str = "
journey: visit
purpose: marketing
entry: { event: visit.begun }
steps: [{ set: { add: { visits: 1 } } }]
";
const ORDER: &str = "
journey: order
purpose: transactional
entry: { event: order.placed }
steps: [{ set: { add: { orders: 1 } } }]
";

fn customer(number: usize) -> String {
    format!("c-{number:05}")
}

/// The events of a batch.
fn events(batch: usize) -> Value {
    let event = |number: usize| {
        let customer = customer(number);
        json!({ "id": format!("visit-{customer}"), "name": "visit.begun", "customer": customer })
    };
    (batch * BATCH..(batch + 1) * BATCH).map(event).collect()
}

/// Sends events; gives the status, the seconds to wait for, and what was said.
async fn send(server: &Server, events: &Value) -> (StatusCode, Option<u64>, Value) {
    let request = reqwest::Client::new().post(server.url("/v1/events")).json(events);
    let response = request.bearer_auth(server.token()).send().await.unwrap();
    let after = response.headers().get("retry-after").map(|after| after.to_str().unwrap().parse());
    (response.status(), after.transpose().unwrap(), response.json().await.unwrap())
}

async fn order(server: &Server, number: usize) {
    let customer = customer(number);
    let event =
        json!({ "id": format!("order-{number}"), "name": "order.placed", "customer": customer });
    let (status, _, said) = send(server, &event).await;
    assert_eq!(status, 202, "a transactional event stood behind others: {said}");
}

#[tokio::test]
async fn who_is_told_to_come_again_later_gets_through_and_nothing_is_lost_or_doubled() {
    let mut server = Server::start(None);
    server.run(&["settings", "set", "events-waiting", &WAITING.to_string()]);
    // So that the setting is in force from the first event on.
    assert!(server.terminate().success());
    assert!(server.spawn().any(|line| line.starts_with("listening on ")));
    server.apply(VISIT);
    server.apply(ORDER);
    for batch in 0..BATCHES {
        let customers: Value = (batch * BATCH..(batch + 1) * BATCH)
            .map(|number| json!({ "id": customer(number) }))
            .collect();
        let (status, said) = server.request(Method::POST, "/v1/customers", &customers).await;
        assert_eq!(status, 204, "{said}");
    }
    let mut refused = 0;
    for batch in 0..BATCHES {
        let events = events(batch);
        loop {
            let (status, after, said) = send(&server, &events).await;
            if status == 202 {
                // A batch that was refused before is stored as a whole now: none of it was.
                assert_eq!(
                    (&said["accepted"], &said["duplicates"]),
                    (&json!(BATCH), &json!(0)),
                    "{said}"
                );
                break;
            }
            assert_eq!(status, 429, "{said}");
            let after = after.expect("the answer says when to come again");
            assert!((1..=300).contains(&after), "{after} s");
            assert!(said["detail"].as_str().unwrap().contains(&format!("in {after} s")), "{said}");
            order(&server, refused).await;
            refused += 1;
            assert!(refused < 200, "it is never let in");
            // Sooner than told, so that the test is short: it may only be refused again.
            tokio::time::sleep(Duration::from_secs(after.min(2))).await;
        }
    }
    assert!(refused > 0, "nothing was refused");
    for (journey, count) in [("visit", BATCHES * BATCH), ("order", refused)] {
        server
            .until("everybody's end", async || {
                let state = server.get(&format!("/v1/journeys/{journey}")).await;
                let finished = state["enrollments"]["finished"].as_u64()?;
                assert!(finished <= count as u64, "{state}");
                (finished == count as u64).then_some(())
            })
            .await;
    }
}
