//! SIGKILL at random moments, again and again, while customers are on their way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};

use crate::mail::MailServer;
use crate::server::Server;

const KILLS: usize = 200;
const CUSTOMERS: usize = 1000;
/// Longest life of a process: it is killed between its start and this much later.
const LIFE: Duration = Duration::from_millis(700);
/// How long the last process may take to bring everyone to the end.
const FINISH: Duration = Duration::from_secs(180);

/// Each customer passes two sends, a timer, a coupon and a counter that shows whether a step ran twice.
const JOURNEY: &str = r#"
journey: relay-race
entry: { event: race.started }
on_unknown: resend
templates:
  first: { default: { email: { subject: "First {{ entry.number }}", text: "{{ coupon.code }}" } } }
  second: { default: { email: { subject: "Second {{ entry.number }}", text: "Bye" } } }
steps:
  - issue: { use: coupons, campaign: race, off: 5 CNY, valid: 24h }
    then_send: { use: notice, template: first }
  - set: { attributes: { laps: customer.laps + 1 } }
  - wait: 1s
  - send: { use: notice, template: second }
  - set: { attributes: { laps: customer.laps + 1 } }
"#;

/// A small generator (xorshift), seeded with the time; the seed is printed so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_nothing_and_repeat_nothing_unowned() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let mut server = Server::start(Some(&mail.url()));
    server.set_up();
    server.apply(JOURNEY);
    create_customers(&server).await;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut random = Random(seed);

    let mut sent = 0;
    for kill in 0..KILLS {
        let life = Duration::from_micros(random.below(LIFE.as_micros() as u64));
        let dies_at = Instant::now() + life;
        // Events keep coming; whatever was not acknowledged is sent again, under the same identifier.
        let share = CUSTOMERS * (kill + 1) / KILLS;
        while Instant::now() < dies_at {
            let batch = sent..share;
            if batch.is_empty() {
                tokio::time::sleep_until(dies_at.into()).await;
            } else if let Ok(Ok((status, _))) = tokio::time::timeout_at(
                dies_at.into(),
                server.try_request(Method::POST, "/v1/events", &events(batch)),
            )
            .await
            {
                assert_eq!(status, 202);
                sent = share;
            } else {
                tokio::task::yield_now().await;
            }
        }
        server.kill();
        drop(server.spawn());
    }
    server
        .until("the server after the last kill", async || {
            server.try_request(Method::GET, "/healthz", &Value::Null).await.ok()
        })
        .await;
    if sent < CUSTOMERS {
        let (status, _) =
            server.request(Method::POST, "/v1/events", &events(sent..CUSTOMERS)).await;
        assert_eq!(status, 202);
    }
    finish(&server).await;
    judge(&server, &mail).await;
}

async fn create_customers(server: &Server) {
    let customers: Vec<Value> = (0..CUSTOMERS)
        .map(|number| {
            json!({
                "id": format!("c{number}"),
                "attributes": { "laps": 0 },
                "identities": { "email": format!("c{number}@customer.example") },
                "consents": { "marketing": { "email": true } },
            })
        })
        .collect();
    let (status, answer) =
        server.request(Method::POST, "/v1/customers", &Value::Array(customers)).await;
    assert_eq!(status, 204, "{answer}");
}

fn events(numbers: std::ops::Range<usize>) -> Value {
    let event = |number| {
        json!({
            "id": format!("start-{number}"), "name": "race.started", "customer": format!("c{number}"),
            "properties": { "number": number },
        })
    };
    numbers.map(event).collect()
}

/// Waits until nobody is on the way any more.
async fn finish(server: &Server) {
    let started = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        look.tick().await;
        let counts = server.get("/v1/journeys/relay-race").await["enrollments"].clone();
        let ended: i64 = counts
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != "active")
            .filter_map(|(_, count)| count.as_i64())
            .sum();
        if ended == CUSTOMERS as i64 {
            return;
        }
        assert!(
            started.elapsed() < FINISH,
            "not at the end in time: {counts}\n{}",
            server.log().lines().rev().take(20).collect::<Vec<_>>().join("\n")
        );
    }
}

async fn judge(server: &Server, mail: &MailServer) {
    let enrollments = server.list("/v1/enrollments", "id").await;
    let mut customers: Vec<&str> =
        enrollments.iter().map(|one| one["customer"].as_str().unwrap()).collect();
    customers.sort_unstable();
    customers.dedup();
    assert_eq!(
        (enrollments.len(), customers.len()),
        (CUSTOMERS, CUSTOMERS),
        "an enrollment was lost or doubled"
    );

    for enrollment in &enrollments {
        assert_eq!(enrollment["outcome"], "finished", "{enrollment}");
        let detail =
            server.get(&format!("/v1/enrollments/{}", enrollment["id"].as_str().unwrap())).await;
        let history = detail["history"].as_array().unwrap();
        let seqs: Vec<i64> =
            history.iter().map(|advance| advance["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, (1..=history.len() as i64).collect::<Vec<_>>(), "{detail}");
        let kinds: Vec<&str> = history
            .iter()
            .flat_map(|advance| advance["entries"].as_array().unwrap())
            .map(|entry| entry["kind"].as_str().unwrap())
            .collect();
        let expected = [
            "enrolled", "issuing", "settled", "sending", "settled", "changed", "waiting", "woken",
            "sending", "settled", "changed", "ended",
        ];
        assert_eq!(kinds, expected, "a step was lost or done twice: {detail}");
        let customer = server
            .get(&format!("/v1/customers/{}", enrollment["customer"].as_str().unwrap()))
            .await;
        assert_eq!(customer["attributes"]["laps"], 2, "a step was lost or done twice: {customer}");
        assert_eq!(customer["coupons"].as_array().unwrap().len(), 1, "{customer}");
    }

    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for message in mail.mails() {
        let id = message.header("message-id");
        *seen
            .entry(id.trim_matches(['<', '>']).split('@').next().unwrap().to_owned())
            .or_default() += 1;
    }
    let deliveries = server.list("/v1/deliveries", "key").await;
    let sends: Vec<&Value> = deliveries.iter().filter(|one| one["kind"] == "send").collect();
    assert_eq!(sends.len(), 2 * CUSTOMERS);
    let (mut repeated, mut unknown) = (0, 0);
    for delivery in sends {
        let key = delivery["key"].as_str().unwrap();
        assert_eq!(delivery["outcome"], "accepted", "{delivery}");
        let times = seen.remove(key).unwrap_or(0);
        assert!(times >= 1, "the ledger says {key} was accepted, and the mail server never saw it");
        let detail = server.get(&format!("/v1/deliveries/{key}")).await;
        let owned = detail["history"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|attempt| attempt["outcome"] == "unknown")
            .count();
        assert!(
            times <= owned + 1,
            "{key} came {times} times, and the ledger knows of {owned} unknowns: {detail}"
        );
        repeated += times - 1;
        unknown += owned;
    }
    assert!(seen.is_empty(), "mail that the ledger does not know: {seen:?}");
    println!(
        "{KILLS} kills, {CUSTOMERS} enrollments, {unknown} attempts unknown, {repeated} messages repeated, all of them owned"
    );
    assert!(unknown > 0, "no kill hit a call: the test showed nothing");
}
