//! Several hosts on one PostgreSQL database, each over a network of its own that can fail.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use waystation_services::postgres;
use waystation_services::proxy::{Network, Proxy};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;

use crate::mail::MailServer;
use crate::provider::Provider;
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
    let hosts = bare_hosts(database, Some(&mail.url()), count);
    hosts[0].server.set_up();
    hosts
}

/// The same without plugins and connections.
fn bare_hosts(database: &postgres::Database, relay: Option<&str>, count: usize) -> Vec<Host> {
    let port = database.url().rsplit_once('/').unwrap().0.rsplit_once(':').unwrap().1;
    let network = || Proxy::start(port.parse().unwrap());
    let first = network();
    let server = Server::with(relay, environment(database, &first));
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
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

/// One message to everybody.
const NOTE: &str = "
journey: note
purpose: transactional
entry: { event: note.wanted }
templates: { note: { default: { text: Hello } } }
steps: [{ send: { use: push, template: note } }]
";

/// Has so many customers get a message.
async fn want_notes(host: &Host, count: usize) {
    let id = |number: usize| format!("n-{number:04}");
    let customer = |number| json!({ "id": id(number), "identities": { "phone": id(number) } });
    let event = |number| json!({ "id": id(number), "name": "note.wanted", "customer": id(number) });
    let customers: Value = (0..count).map(customer).collect();
    let (status, said) = host.server.request(Method::POST, "/v1/customers", &customers).await;
    assert_eq!(status, 204, "{said}");
    let events: Value = (0..count).map(event).collect();
    let (status, said) = host.server.request(Method::POST, "/v1/events", &events).await;
    assert_eq!(status, 202, "{said}");
}

/// Waits until everybody has got the message, and looks at how often.
async fn judge_notes(host: &Host, provider: &Provider, count: usize) -> usize {
    host.server
        .until("everybody's end", async || {
            let path = "/v1/journeys/note";
            let (status, journey) =
                host.server.try_request(Method::GET, path, &Value::Null).await.ok()?;
            let finished = journey["enrollments"]["finished"].as_u64();
            (status.is_success() && finished == Some(count as u64)).then_some(())
        })
        .await;
    let mut messages = provider.messages();
    let deliveries = host.server.list("/v1/deliveries", "key").await;
    assert_eq!(deliveries.len(), count);
    let mut unknown = 0;
    for delivery in deliveries {
        assert_eq!(delivery["outcome"], "accepted", "{delivery}");
        let key = delivery["key"].as_str().unwrap();
        let times = messages.remove(key).unwrap_or(0);
        let detail = host.server.get(&format!("/v1/deliveries/{key}")).await;
        let attempts = detail["history"].as_array().unwrap();
        let owned = attempts.iter().filter(|attempt| attempt["outcome"] == "unknown").count();
        assert!((1..=owned + 1).contains(&times), "{key} came {times} times: {detail}");
        unknown += owned;
    }
    assert!(messages.is_empty(), "the ledger does not know of {messages:?}");
    unknown
}

/// A host that cannot record what its calls came to is told to stop.
async fn stops_without_the_database(away: Network) {
    const NOTES: usize = 40;
    let database = postgres::Database::new();
    let mut hosts = bare_hosts(&database, None, 2);
    let provider = Provider::start(Duration::from_millis(1500)).await;
    provider.connect(&hosts[0].server, 4);
    hosts[0].server.apply(NOTE);
    shared(&hosts[0], 2).await;
    want_notes(&hosts[0], NOTES).await;
    hosts[0].server.until("calls", async || (provider.most() == 4).then_some(())).await;
    hosts[1].network.set(away);
    let lost = &hosts[1].server;
    lost.until("a call that cannot be recorded", async || {
        lost.log().contains("outcomes cannot be recorded").then_some(())
    })
    .await;
    let started = Instant::now();
    let status = hosts[1].server.terminate();
    let took = started.elapsed();
    assert!(status.success(), "{}", hosts[1].server.log());
    assert!(took < STOP, "it stopped after {took:?}");
    let unknown = judge_notes(&hosts[0], &provider, NOTES).await;
    assert!(unknown > 0, "what was not recorded is unknown");
}

/// A host stops within this time while its database is away: its calls of at most 30 s have ended, and 30 s more.
const STOP: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_stops_in_time_while_its_database_is_cut_off() {
    stops_without_the_database(Network::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_stops_in_time_while_its_database_does_not_answer() {
    stops_without_the_database(Network::HalfOpen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_calls_of_a_connection_are_divided_between_the_hosts() {
    let database = postgres::Database::new();
    let hosts = bare_hosts(&database, None, 2);
    let provider = Provider::start(Duration::from_millis(150)).await;
    provider.connect(&hosts[0].server, 2);
    hosts[0].server.apply(NOTE);
    shared(&hosts[0], 2).await;
    want_notes(&hosts[0], 60).await;
    assert_eq!(judge_notes(&hosts[0], &provider, 60).await, 0);
    assert_eq!(provider.most(), 2, "one of each host, and no more");
}

#[test]
fn of_hosts_that_start_a_workspace_together_one_shows_a_token_and_it_opens_all() {
    let database = postgres::Database::new();
    let environment = vec![
        ("WAYSTATION_DATABASE", database.url().to_owned()),
        ("WAYSTATION_KEY", KEY.to_owned()),
    ];
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..3).map(|_| scope.spawn(|| Server::with(None, environment.clone()))).collect();
        starting.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let tokens: Vec<&str> =
        servers.iter().map(Server::token).filter(|token| !token.is_empty()).collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    for server in &servers {
        let listed =
            server.prepare(&["hosts"]).env("WAYSTATION_TOKEN", tokens[0]).output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    }
}

/// What a host answers to this token.
async fn answers(host: &Host, token: &str) -> u16 {
    let asked = reqwest::Client::new().get(host.server.url("/v1/hosts")).bearer_auth(token);
    asked.send().await.unwrap().status().as_u16()
}

/// Waits until every host answers so to this token; says how long that took.
async fn all_answer(hosts: &[Host], token: &str, status: u16) -> Duration {
    let started = Instant::now();
    for host in hosts {
        host.server
            .until("the answer to the token", async || {
                (answers(host, token).await == status).then_some(())
            })
            .await;
    }
    started.elapsed()
}

#[tokio::test]
async fn a_token_is_made_and_revoked_and_a_key_trusted_for_all_hosts() {
    let database = postgres::Database::new();
    let hosts = bare_hosts(&database, None, 2);
    shared(&hosts[0], 2).await;
    let hash = Argon2::default().hash_password(b"secret").unwrap();
    database.run(&format!(
        "insert into api_token (id, name, hash, created_at) values ('abc', 'second', '{hash}', 0)"
    ));
    let made = all_answer(&hosts, "ws_abc_secret", 200).await;
    database.run("delete from api_token where id = 'abc'");
    let revoked = all_answer(&hosts, "ws_abc_secret", 401).await;
    // Two seconds, and what a busy machine may add.
    for took in [made, revoked] {
        assert!(took < Duration::from_secs(5), "made after {made:?}, revoked after {revoked:?}");
    }
    let first = hosts[0].server.token();
    assert_eq!(answers(&hosts[1], first).await, 200, "the other token holds as before");

    let keygen = hosts[0].server.run(&["plugin", "keygen", "vendor.key"]);
    let public = keygen.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    hosts[0].server.run(&["key", "add", "vendor", public]);
    let listed = hosts[1].server.run(&["key", "list"]);
    assert!(listed.contains("vendor") && listed.contains(public), "{listed}");
    hosts[1].server.run(&["key", "remove", "vendor"]);
    assert_eq!(hosts[0].server.run(&["key", "list"]), "");
}
