//! Several hosts on one PostgreSQL database, each over a network of its own that can fail.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use waystation_services::postgres;
use waystation_services::proxy::{Network, Proxy};

use crate::mail::MailServer;
use crate::server::Server;

/// The key that seals secrets is the same on all hosts: 32 bytes.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CUSTOMERS: usize = 120;
/// What a host did is done by the others within this time after it was last heard of.
const RECOVERY: Duration = Duration::from_secs(20);

const JOURNEY: &str = r#"
journey: round-trip
purpose: transactional
entry: { event: round.begun }
on_unknown: resend
templates: { note: { default: { email: { subject: Hello, text: "{{ coupon.code }}" } } } }
steps:
  - repeat: { times: 4 }
    steps:
      - wait: 3s
      - set: { add: { laps: 1 } }
  - issue: { use: coupons, campaign: trip, off: 5 CNY, valid: 24h }
    then_send: { use: notice, template: note }
  - wait: 3s
  - set: { add: { laps: 1 } }
"#;

/// A host, and its way to the database.
struct Host {
    server: Server,
    network: Proxy,
}

fn environment(database: &postgres::Database, network: &Proxy) -> Vec<(&'static str, String)> {
    let (before, name) = database.url().rsplit_once('/').unwrap();
    let user = before.rsplit_once(':').unwrap().0.split_once("://").unwrap().1.split('@').next();
    let url =
        format!("postgres://{}@127.0.0.1:{}/{name}", user.unwrap_or("postgres"), network.port());
    vec![("WAYSTATION_DATABASE", url), ("WAYSTATION_KEY", KEY.to_owned())]
}

/// So many hosts, set up by the first of them.
fn hosts(database: &postgres::Database, mail: &MailServer, count: usize) -> Vec<Host> {
    let port = database.url().rsplit_once('/').unwrap().0.rsplit_once(':').unwrap().1;
    let network = || Proxy::start(port.parse().unwrap());
    let first = network();
    let server = Server::with(Some(&mail.url()), environment(database, &first));
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    server.set_up();
    let mut hosts = vec![Host { server, network: first }];
    while hosts.len() < count {
        let network = network();
        let server = hosts[0].server.beside(environment(database, &network));
        hosts.push(Host { server, network });
    }
    hosts
}

/// The shards that each host holds, as this one tells.
async fn shards(host: &Host) -> Option<Vec<i64>> {
    let (status, rows) =
        host.server.try_request(Method::GET, "/v1/hosts", &Value::Null).await.ok()?;
    let rows = rows.as_array().filter(|_| status.is_success())?;
    Some(rows.iter().filter_map(|row| row["shards"].as_i64()).collect())
}

/// Waits until so many hosts hold all shards in fair shares, as this one tells; says how long that took.
async fn shared(host: &Host, count: usize) -> Duration {
    let started = Instant::now();
    host.server
        .until("a fair share for every host", async || {
            let held = shards(host).await?;
            let fair = i64::try_from(64_usize.div_ceil(count)).unwrap();
            (held.len() == count
                && held.iter().sum::<i64>() == 64
                && held.iter().all(|shards| *shards <= fair))
            .then_some(())
        })
        .await;
    started.elapsed()
}

/// Sends the events of these customers by this host, again and again until they are taken.
async fn begin(host: &Host, customers: std::ops::Range<usize>) {
    for number in customers {
        let id = format!("c-{number:04}");
        let body = json!({ "identities": { "email": format!("{id}@customer.example") } });
        let path = format!("/v1/customers/{id}");
        let event = json!([{ "id": format!("begin-{id}"), "name": "round.begun", "customer": id }]);
        host.server
            .until("the customer and the event are taken", async || {
                let put = host.server.try_request(Method::PUT, &path, &body).await.ok()?.0;
                let sent =
                    host.server.try_request(Method::POST, "/v1/events", &event).await.ok()?.0;
                (put.is_success() && sent.is_success()).then_some(())
            })
            .await;
    }
}

/// Waits until everybody is at the end; then looks at every path, coupon and message.
async fn judge(host: &Host, mail: &MailServer) -> (usize, usize) {
    host.server
        .until("everybody's end", async || {
            let path = "/v1/journeys/round-trip";
            let (status, journey) =
                host.server.try_request(Method::GET, path, &Value::Null).await.ok()?;
            let finished = journey["enrollments"]["finished"].as_i64();
            (status.is_success() && finished == Some(CUSTOMERS as i64)).then_some(())
        })
        .await;
    let server = &host.server;
    let enrollments = server.list("/v1/enrollments", "id").await;
    assert_eq!(enrollments.len(), CUSTOMERS, "an enrollment was lost or doubled");
    for enrollment in &enrollments {
        let path = format!("/v1/enrollments/{}", enrollment["id"].as_str().unwrap());
        let detail = server.get(&path).await;
        let history = detail["history"].as_array().unwrap();
        let seqs: Vec<i64> = history.iter().map(|one| one["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, (1..=history.len() as i64).collect::<Vec<_>>(), "{detail}");
        let path = format!("/v1/customers/{}", enrollment["customer"].as_str().unwrap());
        let customer = server.get(&path).await;
        assert_eq!(customer["attributes"]["laps"], 5, "a step was lost or done twice: {detail}");
        assert_eq!(customer["coupons"].as_array().unwrap().len(), 1, "{customer}");
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for message in mail.mails() {
        let id = message.header("message-id");
        let key = id.trim_matches(['<', '>']).split('@').next().unwrap().to_owned();
        *seen.entry(key).or_default() += 1;
    }
    let (mut repeated, mut unknown) = (0, 0);
    for delivery in server.list("/v1/deliveries", "key").await {
        if delivery["kind"] != "send" {
            continue;
        }
        let key = delivery["key"].as_str().unwrap();
        let times = seen.remove(key).unwrap_or(0);
        assert!(times >= 1, "{key} was accepted, and the mail server never saw it");
        let detail = server.get(&format!("/v1/deliveries/{key}")).await;
        let attempts = detail["history"].as_array().unwrap();
        let owned = attempts.iter().filter(|attempt| attempt["outcome"] == "unknown").count();
        assert!(times <= owned + 1, "{key} came {times} times; {owned} are unknown: {detail}");
        repeated += times - 1;
        unknown += owned;
    }
    assert!(seen.is_empty(), "mail that the ledger does not know: {seen:?}");
    (repeated, unknown)
}

#[tokio::test]
async fn hosts_come_and_go_and_the_network_fails_and_nothing_is_lost_or_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let database = postgres::Database::new();
    let mut hosts = hosts(&database, &mail, 3);
    shared(&hosts[0], 3).await;
    hosts[0].server.apply(JOURNEY);
    // Another host than the one where the journey was applied, at once: the journey must be known there.
    begin(&hosts[1], 0..30).await;

    hosts[0].network.set(Network::Slow(Duration::from_millis(20)));
    begin(&hosts[0], 30..40).await;
    hosts[2].network.set(Network::Cut);
    begin(&hosts[1], 40..60).await;
    let cut = shared(&hosts[1], 2).await;
    assert!(cut < RECOVERY, "the shards of a host that was cut off were taken over after {cut:?}");
    hosts[2].network.set(Network::Well);
    hosts[0].network.set(Network::Well);
    shared(&hosts[1], 3).await;

    hosts[0].network.set(Network::HalfOpen);
    begin(&hosts[1], 60..80).await;
    let held = shared(&hosts[1], 2).await;
    assert!(held < RECOVERY, "those of a host that hangs were taken over after {held:?}");
    hosts[0].network.set(Network::Well);
    shared(&hosts[1], 3).await;

    hosts[2].server.kill();
    begin(&hosts[0], 80..CUSTOMERS).await;
    let killed = shared(&hosts[0], 2).await;
    assert!(killed < RECOVERY, "those of a host that was killed were taken over after {killed:?}");
    let (repeated, unknown) = judge(&hosts[0], &mail).await;
    println!(
        "taken over after {cut:.1?} (cut), {held:.1?} (half open), {killed:.1?} (killed); {unknown} attempts unknown, \
         {repeated} messages repeated, all of them owned"
    );
}

#[tokio::test]
async fn a_host_that_is_told_to_stop_hands_its_customers_over() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let database = postgres::Database::new();
    let mut hosts = hosts(&database, &mail, 2);
    shared(&hosts[0], 2).await;
    hosts[0].server.apply(JOURNEY);
    begin(&hosts[1], 0..CUSTOMERS).await;
    assert!(hosts[1].server.terminate().success());
    let took = shared(&hosts[0], 1).await;
    assert!(took < Duration::from_secs(6), "the shards were handed over after {took:?}");
    assert_eq!(judge(&hosts[0], &mail).await, (0, 0), "nothing is left half done");
}

#[tokio::test]
async fn what_is_changed_on_one_host_is_in_use_on_every_host() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let database = postgres::Database::new();
    let hosts = hosts(&database, &mail, 2);
    shared(&hosts[0], 2).await;
    let started = Instant::now();
    let changed = hosts[0].server.write(
        "changed.yaml",
        "
connection: notice
plugin: smtp-email
config: { sender: 'Shop <shop@shop.example>' }
permissions: { mail: { relay: default, senders: [shop@shop.example] } }
",
    );
    hosts[0].server.run(&["connection", "apply", &changed]);
    hosts[0].server.apply(JOURNEY);
    // By the time the other host works for a customer, it works with what was applied.
    hosts[1]
        .server
        .until("the other host to follow", async || {
            let rows = hosts[1].server.get("/v1/hosts").await;
            let numbers: Vec<i64> =
                rows.as_array()?.iter().filter_map(|row| row["configuration"].as_i64()).collect();
            (numbers.len() == 2 && numbers[0] == numbers[1]).then_some(())
        })
        .await;
    assert!(started.elapsed() < RECOVERY);
    begin(&hosts[0], 0..CUSTOMERS).await;
    judge(&hosts[0], &mail).await;
    let senders: Vec<String> = mail.mails().iter().map(|mail| mail.header("from")).collect();
    assert!(senders.iter().all(|from| from.contains("shop@shop.example")), "{senders:?}");
}
