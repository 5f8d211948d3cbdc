//! Signatures, trusted keys, and releases that go.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{PLUGINS, Server};

/// A copy of the coupon plugin in the server's folder.
fn component(server: &Server, name: &str) -> String {
    let path = server.folder().join(name);
    std::fs::copy(&PLUGINS[1], &path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A new key: the file of the secret one, and the public one.
fn keygen(server: &Server, name: &str) -> (String, String) {
    let file = server.folder().join(name).to_str().unwrap().to_owned();
    let public = server.run(&["plugin", "keygen", &file]).trim_end().to_owned();
    assert!(public.starts_with("ed25519:"), "{public}");
    (file, public)
}

/// A command that must fail; gives what it says about that.
#[track_caller]
fn fails(server: &Server, arguments: &[&str], expected: &str) {
    let output = server.command(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(text.contains(expected), "{arguments:?}: {text}");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_vendor_signs_and_anybody_can_verify() {
    let server = Server::fresh(None);
    let wasm = component(&server, "coupon.wasm");
    let (key, public) = keygen(&server, "vendor.key");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fails(&server, &["plugin", "keygen", &key], "never overwritten");
    assert_eq!(server.run(&["plugin", "sign", &wasm, "--key", &key]), format!("{wasm}.sig\n"));
    let text = std::fs::read_to_string(format!("{wasm}.sig")).unwrap();
    assert!(text.starts_with("ed25519 ") && text.lines().count() == 1, "{text}");
    let verified = server.run(&["plugin", "verify", &wasm, "--key", &public]);
    assert!(verified.contains("is signed by"), "{verified}");

    let (_, other) = keygen(&server, "other.key");
    fails(&server, &["plugin", "verify", &wasm, "--key", &other], "not by");
    fails(&server, &["plugin", "verify", &wasm, "--key", "ed25519:AAAA"], "3 bytes instead of 32");
    let mut bytes = std::fs::read(&wasm).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&wasm, bytes).unwrap();
    fails(&server, &["plugin", "verify", &wasm, "--key", &public], "was changed");
    fails(&server, &["plugin", "sign", &wasm, "--key", &wasm], "cannot read");
}

#[tokio::test]
async fn only_what_a_trusted_key_signed_is_installed() {
    let server = Server::fresh(None);
    assert_eq!(
        server.run(&["settings", "list"]),
        "coupon-expiring 24h\nevents-waiting 5000000\nkeep-enrollments 180d\nkeep-events 400d\nkeep-recordings 30d\nsegment-interval 10m\n\
         unsigned-plugins refuse\n"
    );
    let wasm = component(&server, "coupon.wasm");
    fails(&server, &["plugin", "install", &wasm], "waystation plugin sign");

    let (key, public) = keygen(&server, "vendor.key");
    server.run(&["plugin", "sign", &wasm, "--key", &key]);
    fails(&server, &["plugin", "install", &wasm], "waystation key add NAME PUBLIC");
    let added = server.run(&["key", "add", "vendor", &public]);
    let id = added.split("  ").nth(1).unwrap();
    assert_eq!(added, format!("vendor  {id}  {public}\n"));
    assert_eq!(server.run(&["key", "list"]), added);

    let installed = server.run(&["plugin", "install", &wasm]);
    assert!(installed.ends_with(&format!("  signed by vendor ({id})\n")), "{installed}");
    let release = &server.get("/v1/plugins").await[0];
    assert_eq!(release["signer"], json!({ "name": "vendor", "key": id }));

    // A signature of the right key, but for another component.
    let mail = server.folder().join("mail.wasm");
    std::fs::copy(&PLUGINS[2], &mail).unwrap();
    let mail = mail.to_str().unwrap();
    let signature = format!("{wasm}.sig");
    let wrong = ["plugin", "install", mail, "--signature", &signature];
    fails(&server, &wrong, "not one of the key `vendor` for this component");
    // Not even where unsigned ones are allowed: a wrong signature is worse than none.
    assert_eq!(
        server.run(&["settings", "set", "unsigned-plugins", "allow"]),
        "unsigned-plugins allow\n"
    );
    fails(&server, &wrong, "not one of the key `vendor` for this component");
    std::fs::write(format!("{mail}.sig"), "ed25519 nonsense\n").unwrap();
    fails(&server, &["plugin", "install", mail], "one line");
    std::fs::remove_file(format!("{mail}.sig")).unwrap();
    let installed = server.run(&["plugin", "install", mail]);
    assert!(installed.ends_with("  unsigned\n"), "{installed}");

    let removed = server.run(&["key", "remove", "vendor"]);
    assert!(removed.contains("it signed coupon-codes@"), "{removed}");
    assert!(!removed.contains("smtp-email"), "{removed}");
    assert_eq!(server.run(&["key", "list"]), "");
    fails(&server, &["plugin", "install", &wasm], "does not trust");
    fails(&server, &["key", "remove", "vendor"], "trusted key `vendor`");
    let file = server.write(
        "coupons.yaml",
        "connection: coupons\nplugin: coupon-codes\nconfig: { mode: generate }\npermissions: { secrets: [codes] }\n\
         secrets: { codes: { value: a-secret-for-codes-of-32-bytes-or-more } }\n",
    );
    server.run(&["connection", "apply", &file]);
}

#[tokio::test]
async fn names_and_keys_are_one_to_one() {
    let server = Server::fresh(None);
    let (key, first) = keygen(&server, "first.key");
    let (_, second) = keygen(&server, "second.key");
    server.run(&["key", "add", "vendor", &first]);
    server.run(&["key", "add", "vendor", &first]);
    fails(&server, &["key", "add", "vendor", &second], "waystation key remove vendor");
    fails(&server, &["key", "add", "again", &first], "waystation key remove vendor");
    fails(&server, &["key", "add", "Vendor", &second], "lower case words");
    fails(&server, &["key", "add", "../x", &second], "lower case words");
    let secret = std::fs::read_to_string(key).unwrap();
    fails(&server, &["key", "add", "mine", secret.trim()], "secret key");
    fails(
        &server,
        &["settings", "set", "color", "red"],
        "there are: coupon-expiring, events-waiting, keep-enrollments, keep-events, keep-recordings, segment-interval, unsigned-plugins",
    );
    fails(&server, &["settings", "set", "unsigned-plugins", "maybe"], "maybe");
    assert_eq!(server.get("/v1/keys").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_nothing_refers_to_goes() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let (components, compiled) =
        (server.folder().join("data/releases"), server.folder().join("data/cache"));
    assert_eq!((names(&components).len(), names(&compiled).len()), (3, 3));
    fails(&server, &["plugin", "remove", "coupon-codes@0.1.0"], "used by the connections coupons");
    fails(&server, &["plugin", "remove", "no-such@1.0.0"], "installed release `no-such@1.0.0`");
    let orphan = format!("{}.wasm", "0".repeat(64));
    std::fs::write(components.join(&orphan), "nobody's").unwrap();
    std::fs::write(components.join("notes.txt"), "the operator's").unwrap();
    std::fs::write(compiled.join(format!("{}-0123456789abcdef.aot", "0".repeat(64))), "old")
        .unwrap();

    let looked = server.run(&["plugin", "gc", "--dry-run"]);
    assert!(looked.starts_with("would remove smtp-email@0.1.0"), "{looked}");
    assert!(looked.contains("would remove 4 files"), "{looked}");
    assert_eq!((names(&components).len(), names(&compiled).len()), (5, 4));
    let removed = server.run(&["plugin", "gc"]);
    assert_eq!(removed, looked.replace("would remove", "removed"));
    assert_eq!((names(&components).len(), names(&compiled).len()), (3, 2));
    assert!(names(&components).contains(&"notes.txt".to_owned()));
    assert_eq!(server.run(&["plugin", "gc"]), "removed 0 files of 0 KiB\n");

    let mail = PLUGINS[2].to_str().unwrap();
    let digest = server.run(&["plugin", "install", mail]).split("  ").nth(2).unwrap().to_owned();
    let removed = server.run(&["plugin", "remove", &digest]);
    assert!(removed.starts_with("removed smtp-email@0.1.0"), "{removed}");
    assert!(!names(&components).contains(&format!("{digest}.wasm")));
    assert!(!names(&compiled).iter().any(|name| name.starts_with(&digest)));
}

#[tokio::test]
async fn development_releases_stand_beside_others() {
    let server = Server::start(None);
    let changed = changed_component();
    let installed = server.run(&["plugin", "install", PLUGINS[1].to_str().unwrap()]);
    let install = async |path: &str| -> (u16, Value) {
        let response = reqwest::Client::new()
            .post(server.url(path))
            .bearer_auth(server.token())
            .body(changed.clone())
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    };
    let (status, problem) = install("/v1/plugins").await;
    assert_eq!(status, 409, "{problem}");
    let (status, release) = install("/v1/plugins?development=true").await;
    assert_eq!((status, &release["development"]), (201, &json!(true)), "{release}");
    assert!(server.run(&["plugin", "list"]).contains("in development"));

    // Neither a name nor a version means it, but its digest does.
    let body = |plugin: &str| {
        json!({
            "plugin": plugin, "config": { "mode": "generate" }, "permissions": { "secrets": ["codes"] },
            "secrets": { "codes": "a-secret-for-codes-of-32-bytes-or-more" },
        })
    };
    for (plugin, development) in [
        ("coupon-codes", false),
        ("coupon-codes@0.1.0", false),
        (release["digest"].as_str().unwrap(), true),
    ] {
        let (status, answer) =
            server.request(Method::PUT, "/v1/connections/coupons", &body(plugin)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["release"] == release["digest"], development, "{answer}");
    }
    fails(&server, &["plugin", "remove", "coupon-codes@0.1.0"], "several releases");
    let digest = installed.split("  ").nth(2).unwrap();
    // It is the one to go back to.
    fails(&server, &["plugin", "remove", digest], "used by the connections coupons");

    server.run(&["settings", "set", "unsigned-plugins", "refuse"]);
    let (status, problem) = install("/v1/plugins?development=true").await;
    assert_eq!(status, 422, "{problem}");
}

/// The coupon plugin with a custom section at its end, which changes its digest and nothing else.
fn changed_component() -> Vec<u8> {
    let mut bytes = std::fs::read(&PLUGINS[1]).unwrap();
    bytes.extend([0, 4, 3, b'd', b'e', b'v']);
    bytes
}
