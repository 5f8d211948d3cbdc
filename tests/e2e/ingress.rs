//! Events by a stream of NATS `JetStream`.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, context::Context, stream};
use async_nats::{ConnectOptions, HeaderMap};
use reqwest::Method;
use serde_json::{Value, json};
use waystation_services::certificates::Certificates;
use waystation_services::nats::Nats;

use crate::server::Server;

const STREAM: &str = "SHOP";
const SUBJECT: &str = "events.cart";
/// Each event enrolls its customer once more, so that an event which counts twice is seen.
const JOURNEY: &str = "
journey: counted
entry: { event: cart.counted, again: always }
steps: [{ set: { add: { count: 1 } } }]
";
/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server that reads the stream, which need not be there yet.
fn server(nats: &Nats) -> Server {
    let environment =
        vec![("WAYSTATION_NATS", nats.url()), ("WAYSTATION_NATS_STREAM", STREAM.to_owned())];
    Server::with(None, environment)
}

/// A publisher that waits for a killed server to come back.
async fn publisher(nats: &Nats) -> Context {
    let delay = |_| Duration::from_millis(50);
    let options = ConnectOptions::new().reconnect_delay_callback(delay);
    let client = options.connect(nats.url()).await.unwrap();
    let mut context = jetstream::new(client);
    context.set_timeout(Duration::from_secs(2));
    context
}

/// Makes the stream, and a consumer that delivers again after a second.
async fn make(context: &Context) {
    let stream = context
        .create_stream(stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["events.>".to_owned()],
            num_replicas: 1,
            ..stream::Config::default()
        })
        .await
        .unwrap();
    stream.create_consumer(consumer()).await.unwrap();
}

fn consumer() -> pull::Config {
    pull::Config {
        durable_name: Some("waystation".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(1),
        max_deliver: -1,
        max_ack_pending: 10_000,
        ..pull::Config::default()
    }
}

async fn publish(context: &Context, body: impl Into<String>) {
    let sent = context.publish(SUBJECT, body.into().into()).await.unwrap();
    sent.await.unwrap();
}

fn counted(id: &str, customer: &str) -> Value {
    json!({ "id": id, "name": "cart.counted", "customer": customer })
}

/// The number after a metric's name and labels.
async fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").await;
    let line = text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |line| line.trim().parse().unwrap())
}

/// Waits until so many enrollments of the journey have ended, and gives how many there are.
async fn enrolled(server: &Server, count: i64) -> i64 {
    let started = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(200));
    loop {
        look.tick().await;
        let read = server.try_request(Method::GET, "/v1/journeys/counted", &Value::Null).await;
        // The server may just be starting again.
        let Ok((status, journey)) = read else { continue };
        assert_eq!(status, 200, "{journey}");
        let ended = journey["enrollments"]["finished"].as_i64().unwrap_or(0);
        if ended >= count {
            return ended;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{ended} of {count} came:\n{}",
            server.log().lines().rev().take(20).collect::<Vec<_>>().join("\n")
        );
    }
}

/// Waits until the stream has nothing that is not acknowledged, and gives how often it delivered.
async fn acknowledged(context: &Context, server: &Server) -> u64 {
    let mut consumer: PullConsumer =
        context.get_stream(STREAM).await.unwrap().get_consumer("waystation").await.unwrap();
    server
        .until("the last acknowledgement", async || {
            let info = consumer.info().await.ok()?;
            let done = info.num_pending == 0 && info.num_ack_pending == 0;
            done.then_some(info.delivered.consumer_sequence)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_by_a_stream_and_a_journey_runs() {
    let nats = Nats::start();
    // Before there is a stream: nothing else is kept from running by that.
    let mut server = server(&nats);
    server.apply(JOURNEY);
    let error = server
        .until("the missing stream to be told", async || {
            server.get("/v1/ingress").await["error"].as_str().map(str::to_owned)
        })
        .await;
    assert!(error.contains("stream `SHOP` cannot be read"), "{error}");
    assert!(error.contains("waystation ingress check --create"), "{error}");
    let url = nats.url();
    let told = server.run(&[
        "ingress",
        "check",
        "--nats",
        &url,
        "--nats-stream",
        STREAM,
        "--create",
        "--subjects",
        "events.>",
    ]);
    assert!(
        told.starts_with(
            "stream SHOP has 0 messages; consumer waystation has 0 to deliver and 0 not acknowledged\n\
             warned: the stream has 1 replica: it is lost with the disk it is on"
        ),
        "{told}"
    );
    assert!(told.contains("`sync_interval: always`"), "{told}");

    let context = publisher(&nats).await;
    publish(&context, counted("1", "lin").to_string()).await;
    publish(&context, json!([counted("2", "lin"), counted("3", "ann")]).to_string()).await;
    // The same again by its identifier, though for the stream it is another message.
    publish(&context, counted("1", "lin").to_string()).await;
    // Without an identifier: the message's is taken.
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "m-1");
    let nameless = json!({ "name": "cart.counted", "customer": "ann" }).to_string();
    let sent = context.publish_with_headers(SUBJECT, headers, nameless.into());
    sent.await.unwrap().await.unwrap();
    assert_eq!(enrolled(&server, 4).await, 4);
    acknowledged(&context, &server).await;
    assert_eq!(server.get("/v1/customers/lin").await["attributes"]["count"], 2);
    assert_eq!(server.get("/v1/customers/ann").await["attributes"]["count"], 2);
    assert_eq!(metric(&server, "waystation_stream_events_total{result=\"accepted\"}").await, 4);
    assert_eq!(metric(&server, "waystation_stream_events_total{result=\"duplicate\"}").await, 1);
    assert_eq!(metric(&server, "waystation_stream_connects_total").await, 1);
    let status = server.get("/v1/ingress").await;
    assert_eq!((&status["error"], &status["highest"]), (&Value::Null, &json!(4)), "{status}");
    assert!(server.run(&["ingress", "status"]).starts_with("stream SHOP by consumer waystation\n"));
    assert!(server.terminate().success(), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_event_is_set_aside_and_keeps_nothing_up() {
    let nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    let server = server(&nats);
    server.apply(JOURNEY);
    let stranger = |id: &str| json!({ "id": id, "name": "cart.counted", "identity": { "kind": "email", "value": "lin@customer.example" } });
    publish(&context, counted("1", "ann").to_string()).await;
    publish(&context, "not JSON").await;
    publish(&context, json!([counted("2", "ann"), { "name": "Wrong" }, stranger("3")]).to_string())
        .await;
    let large = json!({ "id": "4", "name": "cart.counted", "customer": "ann", "properties": { "x": "x".repeat(70_000) } });
    publish(&context, large.to_string()).await;
    publish(&context, counted("5", "ann").to_string()).await;
    assert_eq!(enrolled(&server, 3).await, 3);
    acknowledged(&context, &server).await;

    let lines = server.run(&["ingress", "list"]);
    let mut told: Vec<&str> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "events.cart 2 not_json the message is not JSON: expected ident at line 1 column 2",
            "events.cart 3 not_an_event name: give the event a name of lower case words joined by `.` and `_`, such as `cart.item_added`, at most 128 characters",
            "events.cart 3 unknown_customer no customer has this identity; import the customer, then retry",
            "events.cart 4 too_large properties: the properties have 70003 bytes, more than the 65536 allowed",
        ]
    );
    for (reason, count) in
        [("not_json", 1), ("not_an_event", 1), ("unknown_customer", 1), ("too_large", 1)]
    {
        let name = format!("waystation_stream_set_aside_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&server, &name).await, count, "{reason}");
    }
    let numbers: BTreeMap<&str, &str> = lines
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let id = words.next().unwrap();
            (words.nth(2).unwrap(), id)
        })
        .collect();
    let shown: Value =
        serde_json::from_str(&server.run(&["ingress", "show", numbers["not_json"]])).unwrap();
    assert_eq!((&shown["body"], &shown["encoding"]), (&json!("not JSON"), &json!("text")));
    assert_eq!(shown["part"], Value::Null);

    // Until the customer is known the event stays; then it counts, once.
    let output = server.command(&["ingress", "retry", "--reason", "unknown_customer"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && out.ends_with("0 taken, 0 known before, 1 left\n"),
        "{out}"
    );
    let lin = json!({ "identities": { "email": "lin@customer.example" } });
    server.request(Method::PUT, "/v1/customers/lin", &lin).await;
    let out = server.run(&["ingress", "retry", numbers["unknown_customer"]]);
    assert_eq!(out, "1 taken, 0 known before, 0 left\n");
    assert_eq!(enrolled(&server, 4).await, 4);
    let output = server.command(&["ingress", "retry", "--all"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.ends_with("0 taken, 0 known before, 3 left\n"), "{out}");
    let wrong = json!({ "reason": "boredom" });
    let (status, answer) = server.request(Method::POST, "/v1/ingress/set-aside/drop", &wrong).await;
    assert_eq!(status, 422, "{answer}");
    assert_eq!(server.run(&["ingress", "drop", numbers["not_json"]]), "1 deleted\n");
    assert_eq!(server.run(&["ingress", "drop", "--all"]), "2 deleted\n");
    assert_eq!(server.run(&["ingress", "list"]), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_refuses_is_set_aside_alone() {
    let nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    // Nothing comes again by itself here, so that what is taken is what was retried.
    let stream = context.get_stream(STREAM).await.unwrap();
    stream.delete_consumer("waystation").await.unwrap();
    let patient = pull::Config { ack_wait: Duration::from_secs(60), ..consumer() };
    stream.create_consumer(patient).await.unwrap();
    let mut server = server(&nats);
    server.apply(JOURNEY);
    let database = server.folder().join("data/waystation.db");
    let change = |statement: &str| {
        let program = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1],timeout=20); c.execute(sys.argv[2]); c.commit()";
        let status = Command::new("python3")
            .args(["-c", program, database.to_str().unwrap(), statement])
            .status();
        assert!(status.unwrap().success());
    };
    server.kill();
    change(
        "create trigger refuse before insert on event when new.external_id = '2' begin select raise(abort, 'no place'); end",
    );
    for id in ["1", "2", "3"] {
        publish(&context, counted(id, "ann").to_string()).await;
    }
    drop(server.spawn());
    assert_eq!(enrolled(&server, 2).await, 2);
    acknowledged(&context, &server).await;
    let line = server.run(&["ingress", "list"]);
    assert!(line.contains(" 2 refused the database refuses it: "), "{line}");
    assert!(line.contains("no place"), "{line}");
    change("drop trigger refuse");
    assert_eq!(server.run(&["ingress", "retry", "--all"]), "1 taken, 0 known before, 0 left\n");
    assert_eq!(enrolled(&server, 3).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_lose_messages_are_refused_until_they_are_mended() {
    let nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    let stream = context.get_stream(STREAM).await.unwrap();
    stream.delete_consumer("waystation").await.unwrap();
    let careless = pull::Config { max_deliver: 3, ..consumer() };
    stream.create_consumer(careless).await.unwrap();
    publish(&context, counted("1", "ann").to_string()).await;
    let server = server(&nats);
    server.apply(JOURNEY);
    let error = server
        .until("the refusal", async || {
            server.get("/v1/ingress").await["error"].as_str().map(str::to_owned)
        })
        .await;
    assert!(error.contains("gives a message up after 3 deliveries"), "{error}");
    assert_eq!(metric(&server, "waystation_stream_connected").await, 0);
    let output = server.command(&["ingress", "status"]);
    assert!(!output.status.success(), "{output:?}");
    stream.delete_consumer("waystation").await.unwrap();
    stream.create_consumer(consumer()).await.unwrap();
    assert_eq!(enrolled(&server, 1).await, 1);
    assert!(server.command(&["ingress", "status"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_made_anew_is_read_from_its_beginning() {
    let nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    let server = server(&nats);
    server.apply(JOURNEY);
    // Their identifiers are their places in the stream, which the next stream has too.
    let nameless = json!({ "name": "cart.counted", "customer": "ann" }).to_string();
    for _ in 0..5 {
        publish(&context, nameless.clone()).await;
    }
    assert_eq!(enrolled(&server, 5).await, 5);
    acknowledged(&context, &server).await;
    server
        .until("the position to follow", async || {
            (server.get("/v1/ingress").await["floor"] == 5).then_some(())
        })
        .await;
    // A consumer that is made anew delivers everything again, and nothing of it counts.
    let stream = context.get_stream(STREAM).await.unwrap();
    stream.delete_consumer("waystation").await.unwrap();
    stream.create_consumer(consumer()).await.unwrap();
    publish(&context, nameless.clone()).await;
    assert_eq!(enrolled(&server, 6).await, 6);
    assert_eq!(acknowledged(&context, &server).await, 6);
    assert_eq!(metric(&server, "waystation_stream_repeated_total").await, 5);

    context.delete_stream(STREAM).await.unwrap();
    make(&context).await;
    for _ in 0..4 {
        publish(&context, nameless.clone()).await;
    }
    assert_eq!(enrolled(&server, 10).await, 10);
    acknowledged(&context, &server).await;
    assert!(server.log().contains("the stream was made anew"), "{}", server.log());
    assert_eq!(server.get("/v1/ingress").await["highest"], 4);
    assert_eq!(server.get("/v1/customers/ann").await["attributes"]["count"], 10);
}

/// Publishes so many events for a hundred customers, one a millisecond, each until it is acknowledged.
async fn publish_all(context: Context, events: usize) {
    let mut next = tokio::time::interval(Duration::from_millis(1));
    for number in 0..events {
        next.tick().await;
        let body = counted(&format!("e-{number}"), &format!("c{}", number % 100)).to_string();
        // An event whose acknowledgement was lost is published again, under the same identifier.
        loop {
            let sent = context.publish(SUBJECT, body.clone().into()).await;
            if let Ok(sent) = sent
                && sent.await.is_ok()
            {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Every event has counted, and none twice.
async fn judge(server: &Server, events: usize) {
    let expected = i64::try_from(events).unwrap();
    assert_eq!(enrolled(server, expected).await, expected, "an event was taken twice");
    for number in 0..100 {
        let customer = server.get(&format!("/v1/customers/c{number}")).await;
        assert_eq!(customer["attributes"]["count"], json!(events / 100), "{customer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_taken_twice_by_a_server_that_is_killed() {
    const EVENTS: usize = 10_000;
    let nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    let mut server = server(&nats);
    server.apply(JOURNEY);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut random = seed;
    let publishing = tokio::spawn(publish_all(context.clone(), EVENTS));
    let mut kills = 0;
    while !publishing.is_finished() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Its life ends at a random moment, which is what is tested.
        tokio::time::sleep(Duration::from_millis(random % 900)).await;
        server.kill();
        drop(server.spawn());
        kills += 1;
    }
    publishing.await.unwrap();
    judge(&server, EVENTS).await;
    let delivered = acknowledged(&context, &server).await;
    println!("{kills} kills, {EVENTS} events, {delivered} deliveries");
    assert!(kills >= 15, "only {kills} kills: the test showed little");
    assert!(delivered > EVENTS as u64, "no kill hit a message under way: the test showed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_taken_twice_while_the_streams_server_is_restarted() {
    const EVENTS: usize = 6_000;
    let mut nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    let server = server(&nats);
    server.apply(JOURNEY);
    let publishing = tokio::spawn(publish_all(context.clone(), EVENTS));
    for share in 1..=4 {
        enrolled(&server, share * EVENTS as i64 / 6).await;
        let before = metric(&server, "waystation_stream_connects_total").await;
        nats.kill();
        nats.resume();
        server
            .until("the connection to come back", async || {
                let now = metric(&server, "waystation_stream_connects_total").await;
                (now > before).then_some(())
            })
            .await;
    }
    publishing.await.unwrap();
    judge(&server, EVENTS).await;
    acknowledged(&context, &server).await;
    assert!(!server.log().contains("made anew"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_waits_in_the_stream() {
    const MESSAGES: usize = 700;
    const EVENTS: usize = 100;
    let nats = Nats::start();
    let context = publisher(&nats).await;
    make(&context).await;
    let mut server = server(&nats);
    server.apply(JOURNEY);
    server.kill();
    for number in 0..MESSAGES {
        let event = |part: usize| counted(&format!("{number}-{part}"), &format!("c{part}"));
        let events: Value = (0..EVENTS).map(event).collect();
        publish(&context, events.to_string()).await;
    }
    drop(server.spawn());
    let started = Instant::now();
    let (mut most, mut waited, mut stored) = (0, false, None);
    let all = (MESSAGES * EVENTS) as u64;
    loop {
        let read = server.try_request(Method::GET, "/metrics", &Value::Null).await;
        let Ok((_, text)) = read else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let number = |name: &str| -> u64 {
            let text = text.as_str().unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |line| line.trim().parse().unwrap())
        };
        most = most.max(number("waystation_events_open "));
        waited |= number("waystation_stream_waits ") == 1;
        let taken = number("waystation_stream_events_total{result=\"accepted\"}");
        if taken == all && stored.is_none() {
            stored = Some(started.elapsed());
        }
        if stored.is_some() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{taken} of {all} came:\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(enrolled(&server, all as i64).await, all as i64);
    let rate = |time: Duration| all as f64 / time.as_secs_f64();
    println!(
        "{all} events in messages of {EVENTS}: {:.0} stored a second, at most {most} waiting; {:.0} a second to the journeys' ends",
        rate(stored.unwrap()),
        rate(started.elapsed())
    );
    // The bound, and one transaction above it.
    assert!(most <= 20_000 + 2_100, "{most} events waited");
    assert!(waited, "the stream never waited: the test showed nothing");
}

#[tokio::test]
async fn a_stream_is_read_by_tls_from_a_server_that_the_authority_vouches_for() {
    let (own, strange) = (Certificates::new(), Certificates::new());
    let nats = Nats::with_tls(&own);
    let url = nats.url().replace("nats://", "tls://");
    let server = Server::fresh(None);
    let check = |url: &str, authority: Option<&Certificates>| {
        let mut command =
            server.prepare(&["ingress", "check", "--create", "--subjects", "events.>"]);
        command.env("WAYSTATION_NATS", url).env("WAYSTATION_NATS_STREAM", STREAM);
        if let Some(authority) = authority {
            command.env("WAYSTATION_NATS_CA", authority.root());
        }
        let said = command.output().unwrap();
        let (out, err) = (said.stdout.as_slice(), said.stderr.as_slice());
        (said.status.success(), String::from_utf8_lossy(&[out, err].concat()).into_owned())
    };
    for (authority, vouches) in [(Some(&strange), false), (None, false), (Some(&own), true)] {
        let (made, said) = check(&url, authority);
        assert_eq!(made, vouches, "{said}");
        assert!(vouches || said.contains("certificate"), "{said}");
    }
    let environment = vec![
        ("WAYSTATION_NATS", url.clone()),
        ("WAYSTATION_NATS_STREAM", STREAM.to_owned()),
        ("WAYSTATION_NATS_CA", own.root().display().to_string()),
    ];
    let reading = Server::with(None, environment);
    let options = ConnectOptions::new().add_root_certificates(own.root());
    publish(&jetstream::new(options.connect(url).await.unwrap()), "no event").await;
    reading
        .until("the stream to be read", async || {
            let status = reading.get("/v1/ingress").await;
            (status["set_aside"] == 1).then_some(())
        })
        .await;
}
