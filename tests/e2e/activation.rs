//! Releases put into use, tried out and taken back, by command.

use serde_json::{Value, json};

use crate::server::{PLUGINS, Server};

/// A plugin with some words in it replaced by others of the same length; gives the file's path.
fn changed(server: &Server, plugin: usize, words: &[(&str, &str)], name: &str) -> String {
    let mut wasm = std::fs::read(&PLUGINS[plugin]).unwrap();
    for (from, to) in words {
        assert_eq!(from.len(), to.len());
        let mut found = 0;
        for at in 0..wasm.len() - from.len() {
            if wasm[at..].starts_with(from.as_bytes()) {
                wasm[at..at + to.len()].copy_from_slice(to.as_bytes());
                found += 1;
            }
        }
        assert!(found > 0, "the component does not hold {from}");
    }
    let path = server.folder().join(name);
    std::fs::write(&path, wasm).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Installs the coupon plugin in another version.
fn version(server: &Server, version: &str) {
    let file = changed(server, 1, &[("0.1.0", version)], "next.wasm");
    let said = server.run(&["plugin", "install", &file]);
    assert!(said.starts_with(&format!("coupon-codes@{version}")), "{said}");
}

#[track_caller]
fn fails(server: &Server, arguments: &[&str], expected: &str) {
    let output = server.command(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(text.contains(expected), "{arguments:?}: {text}");
}

async fn in_use(server: &Server) -> Value {
    server.get("/v1/connections/coupons").await["version"].clone()
}

fn coupons(plugin: &str) -> String {
    format!(
        "connection: coupons\nplugin: '{plugin}'\nconfig: {{ mode: generate }}\n\
         permissions: {{ secrets: [codes] }}\n"
    )
}

#[tokio::test]
async fn a_release_is_activated_within_what_the_connection_names_and_taken_back() {
    let server = Server::start(None);
    server.set_up_without_mail();
    for next in ["0.2.0", "0.1.7", "1.1.0"] {
        version(&server, next);
    }
    let file = server.write("coupons.yaml", &coupons("coupon-codes@^0.1"));
    server.run(&["connection", "apply", &file]);
    assert_eq!(in_use(&server).await, "0.1.0", "applying again does not change the release");
    let named = "uses `coupon-codes@^0.1`, which coupon-codes@0.2.0 is not";
    fails(&server, &["connection", "activate", "coupons", "coupon-codes@0.2.0"], named);
    server.run(&["connection", "activate", "coupons"]);
    assert_eq!(in_use(&server).await, "0.1.7", "the highest that fits");
    fails(&server, &["connection", "activate", "coupons"], "uses this release already");
    server.run(&["connection", "roll-back", "coupons"]);
    assert_eq!(in_use(&server).await, "0.1.0");
    fails(&server, &["plugin", "remove", "coupon-codes@0.1.7"], "used by the connections coupons");

    let pinned = server.write("coupons.yaml", &coupons("coupon-codes@1.1.0"));
    server.run(&["connection", "apply", &pinned]);
    assert_eq!(in_use(&server).await, "1.1.0", "the release in use was not what is named now");
    let history = server.get("/v1/connections/coupons/history").await;
    let kinds: Vec<&str> =
        history.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["activate", "roll_back", "activate", "activate"]);
    assert!(history[0]["actor"].as_str().unwrap().starts_with("token "), "{history}");
    fails(&server, &["connection", "history", "nobody"], "there is no connection `nobody`");
}

#[tokio::test]
async fn a_trial_is_seen_survives_a_restart_and_ends_by_hand() {
    let mut server = Server::start(None);
    server.set_up_without_mail();
    version(&server, "0.2.0");
    let out = "canary.share is 0.9; it must be from 0.001 to 0.5";
    fails(&server, &["connection", "activate", "coupons", "--canary", "0.9"], out);
    fails(&server, &["connection", "promote", "coupons"], "no candidate is on trial");
    server.run(&["connection", "activate", "coupons", "--canary", "0.1", "--sample", "500"]);
    let shown = server.get("/v1/connections/coupons").await;
    assert_eq!(shown["version"], "0.1.0");
    let plan = json!({ "share": 0.1, "sample": 500, "calls": 200, "at_most_ms": 86_400_000 });
    assert_eq!(shown["status"]["canary"]["plan"], plan);
    let listed = server.run(&["connection", "list"]);
    assert!(listed.contains("on trial: "), "{listed}");

    server.kill();
    assert!(server.spawn().any(|line| line.starts_with("listening on ")));
    // By command, because what this process kept of its connections went with the server.
    let again = || -> Value {
        serde_json::from_str(&server.run(&["connection", "show", "coupons"])).unwrap()
    };
    assert_eq!(again()["status"]["canary"]["id"], shown["status"]["canary"]["id"]);
    server.run(&["connection", "promote", "coupons"]);
    assert_eq!(again()["version"], "0.2.0");
    assert!(again()["status"]["canary"].is_null());
}

#[tokio::test]
async fn a_release_that_wants_more_is_not_activated_unasked() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let words = [("0.1.0", "0.2.0"), ("signing-previous", "signing-forgotten".get(..16).unwrap())];
    let file = changed(&server, 0, &words, "greedy.wasm");
    server.run(&["plugin", "install", &file]);
    let more = "asks for more than the release in use: secrets signing-forgotte";
    fails(&server, &["connection", "activate", "shop"], more);
    let shown = server.get("/v1/connections/shop").await;
    assert_eq!(
        (&shown["version"], &shown["wanting"][0]["scope"]),
        (&json!("0.1.0"), &json!("signing-previous"))
    );
    server.run(&["connection", "activate", "shop", "--without-wanted"]);
    assert_eq!(server.get("/v1/connections/shop").await["version"], "0.2.0");
}

#[tokio::test]
async fn a_configuration_must_suit_the_plugin_s_schema() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let wrong = coupons("coupon-codes").replace("generate", "guess");
    let file = server.write("coupons.yaml", &wrong);
    fails(&server, &["connection", "apply", &file], "is not valid under any of the schemas");
    assert_eq!(server.get("/v1/connections/coupons").await["config"]["mode"], "generate");
}
