//! A backup that is made while the server runs, and a workspace that is made of it.

use std::path::Path;

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use waystation_services::postgres;

use crate::server::Server;

const JOURNEY: &str = "
journey: notice
purpose: transactional
entry: { event: begin }
on_unknown: hold
templates: { hello: { default: { text: Hello } } }
steps: [{ send: { use: phone, template: hello } }]
";

/// A server whose channel puts every message off, so that it stays open.
fn server() -> Server {
    set_up(Server::start(None))
}

fn set_up(server: Server) -> Server {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/lossy");
    let built = waystation_build::build(&guest, &waystation_build::Options::default())
        .expect("the guest builds");
    let mut wasm = std::fs::read(built.wasm).unwrap();
    let fate = b"end=accepted window=";
    let at = wasm.windows(fate.len()).position(|window| window == fate).unwrap();
    wasm[at..at + fate.len()].copy_from_slice(b"end=deferred window=");
    let file = server.folder().join("lossy.wasm");
    std::fs::write(&file, wasm).unwrap();
    server.run(&["plugin", "install", file.to_str().unwrap()]);
    let file = server.write("phone.yaml", "connection: phone\nplugin: lossy\n");
    server.run(&["connection", "apply", &file]);
    server.apply(JOURNEY);
    server
}

async fn begin(server: &Server, customer: &str) {
    let body = json!({ "identities": { "phone": format!("+86 {customer}") } });
    let path = format!("/v1/customers/{customer}");
    let (status, answer) = server.request(Method::PUT, &path, &body).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    server.run(&["send-event", "begin", "--customer", customer]);
}

/// The customer's delivery, once it stands so.
async fn delivery(server: &Server, customer: &str, stands: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/deliveries?customer={customer}");
    server
        .until("the delivery", async || {
            let found = server.get(&path).await.as_array()?.first()?.clone();
            stands(&found).then_some(found)
        })
        .await
}

fn fails(server: &Server, arguments: &[&str], expected: &str) {
    let output = server.command(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(expected), "{arguments:?}: {text}");
}

#[tokio::test]
async fn a_workspace_is_restored_holds_everything_and_goes_on_when_told() {
    let mut server = server();
    begin(&server, "lin").await;
    delivery(&server, "lin", |one| one["attempts"] == 1 && one["phase"] == "pending").await;

    let said = server.run(&["backup", "safe", "--data", "data"]);
    assert!(said.starts_with("safe: ") && said.contains(", 1 plugins, schema "), "{said}");
    fails(&server, &["backup", "safe", "--data", "data"], "safe exists already");
    fails(&server, &["backup", "other", "--data", "nowhere"], "there is no nowhere/waystation.db");
    assert!(!server.folder().join("safe/key").exists(), "the key is kept elsewhere");
    // What comes after it is lost.
    begin(&server, "han").await;
    delivery(&server, "han", |one| one["attempts"] == 1).await;

    server.kill();
    let data = server.folder().join("data");
    fails(&server, &["restore", "safe", "--data", "data"], "data exists already");
    std::fs::rename(&data, server.folder().join("lost")).unwrap();
    fails(&server, &["restore", "lost", "--data", "data"], "is this a backup's folder?");
    fails(&server, &["restore", "safe", "--data", "data"], "give the key with --key-file");
    let wrong = server.write("wrong.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    fails(
        &server,
        &["restore", "safe", "--data", "data", "--key-file", &wrong],
        "this is not the key that the workspace was sealed with",
    );
    assert!(!data.exists(), "nothing is left of what failed");
    let restore = ["restore", "safe", "--data", "data", "--key-file", "lost/key"];
    assert_eq!(
        server.run(&restore),
        "data is restored: 1 deliveries were open and are unknown now\n"
    );

    assert!(server.spawn().any(|line| line.starts_with("listening on ")));
    // A connection to the server that was killed may be tried first.
    let restored = server
        .until("the server that was restored", async || {
            let asked = server.try_request(Method::GET, "/v1/restored", &Value::Null).await;
            asked.ok().map(|(_, restored)| restored)
        })
        .await;
    assert!(restored["backup_at"].as_i64() < restored["restored_at"].as_i64(), "{restored}");
    assert_eq!(restored["resumed_at"], Value::Null);
    begin(&server, "mei").await;
    let open = server.run(&["delivery", "list", "--phase", "unknown"]);
    assert!(open.lines().count() == 1 && open.contains(" lin "), "{open}");
    assert_eq!(server.get("/v1/deliveries?customer=han").await, json!([]));
    assert_eq!(server.get("/v1/deliveries?customer=mei").await, json!([]), "it is held");

    assert_eq!(server.run(&["resume"]), "the workspace goes on\n");
    fails(&server, &["resume"], "nothing is held");
    let held = delivery(&server, "lin", |one| one["phase"] == "done").await;
    assert_eq!((&held["outcome"], &held["reason"]), (&json!("unknown"), &json!("held")));
    // Enrolled since, it is in no doubt.
    delivery(&server, "mei", |one| one["phase"] == "pending" && one["attempts"] == 1).await;
    assert!(server.terminate().success());
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let server = server();
    server.run(&["backup", "safe", "--data", "data"]);
    let restore = ["restore", "safe", "--data", "new", "--key-file", "data/key"];
    let folder = server.folder().join("safe");
    let plugin = std::fs::read_dir(folder.join("releases")).unwrap().next().unwrap().unwrap();
    let damage = |file: &Path| {
        let good = std::fs::read(file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(file, bad).unwrap();
        good
    };
    let good = damage(&plugin.path());
    fails(&server, &restore, "it was changed or damaged");
    std::fs::write(plugin.path(), good).unwrap();
    let database = folder.join("waystation.db");
    let good = damage(&database);
    fails(&server, &restore, "it was changed or damaged");
    std::fs::write(&database, good).unwrap();
    let about = folder.join("backup.json");
    let text = std::fs::read_to_string(&about).unwrap();
    let newer = text.replace("\"schema\": ", "\"schema\": 9");
    assert_ne!(newer, text);
    std::fs::write(&about, newer).unwrap();
    fails(&server, &restore, "was made by a newer program");
    assert!(!server.folder().join("new").exists());
    std::fs::write(&about, text).unwrap();
    assert!(server.run(&restore).starts_with("new is restored: 0 deliveries"));
}

/// Runs one of PostgreSQL's programs.
fn by_its_own_means(program: &str, arguments: &[&str]) {
    let said = postgres::program(program).args(arguments).output().unwrap();
    assert!(said.status.success(), "{program}: {}", String::from_utf8_lossy(&said.stderr));
}

#[tokio::test]
async fn a_database_that_was_dumped_while_its_server_ran_is_restored_and_held() {
    let (original, copy) = (postgres::Database::new(), postgres::Database::new());
    let environment = |database: &postgres::Database| {
        vec![
            ("WAYSTATION_DATABASE", database.url().to_owned()),
            ("WAYSTATION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        ]
    };
    let server = Server::with(None, environment(&original));
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    let server = set_up(server);
    begin(&server, "lin").await;
    delivery(&server, "lin", |one| one["attempts"] == 1 && one["phase"] == "pending").await;

    let taken_at = Timestamp::now().to_string();
    let file = server.folder().join("dump");
    let file = file.to_str().unwrap();
    by_its_own_means("pg_dump", &["--format=custom", "--file", file, original.url()]);
    // What comes after it is lost.
    begin(&server, "han").await;
    delivery(&server, "han", |one| one["attempts"] == 1).await;
    by_its_own_means(
        "pg_restore",
        &["--exit-on-error", "--no-owner", "--dbname", copy.url(), file],
    );

    let mark = |database: &postgres::Database, taken_at: &str| {
        server
            .prepare(&["mark-restored", "--taken-at", taken_at])
            .env("WAYSTATION_DATABASE", database.url())
            .output()
            .unwrap()
    };
    for (database, at, expected) in [
        (&original, taken_at.as_str(), "is in use; stop the servers on it"),
        (&copy, "2999-01-01T00:00:00Z", "is in the future"),
        (&copy, "yesterday", "invalid value 'yesterday' for '--taken-at <TIME>'"),
    ] {
        let said = mark(database, at);
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && text.contains(expected), "{at}: {text}");
    }
    let said = mark(&copy, &taken_at);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let expected = "is marked as restored: 1 deliveries were open and are unknown now\n";
    assert!(text.ends_with(expected), "{text}{}", String::from_utf8_lossy(&said.stderr));

    // The one that was dumped goes on meanwhile. Two hosts on the other hold everything.
    let hosts = [server.beside(environment(&copy)), server.beside(environment(&copy))];
    for host in &hosts {
        let restored = host.get("/v1/restored").await;
        assert_eq!(restored["resumed_at"], Value::Null);
    }
    let customers: Vec<String> = (0..12).map(|number| format!("mei-{number}")).collect();
    for customer in &customers {
        begin(&hosts[0], customer).await;
    }
    let open = hosts[1].run(&["delivery", "list", "--phase", "unknown"]);
    assert!(open.lines().count() == 1 && open.contains(" lin "), "{open}");
    assert_eq!(hosts[0].get("/v1/deliveries?customer=han").await, json!([]), "it was lost");
    assert_eq!(hosts[0].get("/v1/deliveries?customer=mei-0").await, json!([]), "it is held");

    assert_eq!(hosts[0].run(&["resume"]), "the workspace goes on\n");
    let held = delivery(&hosts[0], "lin", |one| one["phase"] == "done").await;
    assert_eq!((&held["outcome"], &held["reason"]), (&json!("unknown"), &json!("held")));
    // Whichever host their shards are at: the other one goes on too.
    for customer in &customers {
        delivery(&hosts[0], customer, |one| one["attempts"] == 1).await;
    }
    hosts[1]
        .until("the other host goes on", async || {
            hosts[1].get("/v1/restored").await["resumed_at"].is_i64().then_some(())
        })
        .await;
    fails(&hosts[1], &["resume"], "nothing is held");
}
