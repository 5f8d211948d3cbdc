//! `waystation plugin compare`: a candidate against recorded calls, without anything reaching anybody.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::mail::MailServer;
use crate::server::Server;

const JOURNEY: &str = "
journey: hello
purpose: transactional
entry: { event: greeted }
templates: { hello: { default: { text: 'Hello {{ customer.id }}, copy this' } } }
steps:
  - send: { use: notice, template: hello }
";
const NOTICE: &str = "
connection: notice
plugin: mailer
permissions: { mail: { relay: default, senders: [news@example.com] } }
recording: { share: 1, keep: 50 }
";

/// The guests `mailer` and `mailer-next`, which does things differently.
static GUESTS: LazyLock<[String; 2]> = LazyLock::new(|| {
    ["mailer", "mailer-next"].map(|name| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests").join(name);
        let built = waystation_build::build(&folder, &waystation_build::Options::default());
        built.expect("the guest builds").wasm.to_str().unwrap().to_owned()
    })
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_is_compared_without_sending_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = Server::start(Some(&mail.url()));
    let [current, candidate] = &*GUESTS;
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    server.run(&["plugin", "install", current]);
    let file = server.write("notice.yaml", NOTICE);
    server.run(&["connection", "apply", &file]);
    let shown = server.get("/v1/connections/notice").await;
    assert_eq!(shown["recording"], json!({ "share": 1.0, "keep": 50 }));
    server.apply(JOURNEY);
    for customer in ["han-1042", "mei-1043"] {
        let identities = json!({ "email": format!("{customer}@mail.example") });
        let (status, answer) = server
            .request(
                reqwest::Method::PUT,
                &format!("/v1/customers/{customer}"),
                &json!({ "identities": identities }),
            )
            .await;
        assert!(status.is_success(), "{answer}");
        server.run(&["send-event", "greeted", "--customer", customer]);
    }
    server.until("two mails", async || (mail.mails().len() == 2).then_some(())).await;
    // The mails may have gone out together or one by one, and the check of the configuration is a call too.
    let recorded = ["plugin", "compare", "notice", current, "--json"];
    let messages = |answer: &Value| answer["compared"].as_u64().unwrap_or_default();
    let same = server
        .until("the recordings", async || {
            let output = server.command(&recorded);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            let changed = server.command(&["plugin", "compare", "notice", candidate]);
            let text = String::from_utf8(changed.stdout).unwrap();
            text.contains("2 x mail.submit: changed message").then_some(answer)
        })
        .await;
    assert_eq!(same["same"], true, "{same:#}");
    assert!(messages(&same) >= 2, "{same:#}");
    assert_eq!(same["not_reproduced"], json!([]), "{same:#}");

    let compare = ["plugin", "compare", "notice", candidate, "--limit", "1"];
    let output = server.command(&compare);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "permissions/store: nothing -> \"It remembers.\"",
        "  2 x mail.submit: changed message",
        "  2 x mail.submit: additional",
        "  2 x channel.send: accepted -> deferred",
        "  1 x plugin.check: done -> objections",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.ends_with("different\n"), "{text}");
    assert!(!text.contains("1042") && !text.contains("mei-"), "{text}");
    assert_eq!(server.command(&compare).stdout, text.as_bytes(), "always the same answer");

    assert_eq!(mail.mails().len(), 2, "a comparison sends nothing");
    let installed = server.run(&["plugin", "list"]);
    assert_eq!(installed.lines().count(), 1, "a comparison installs nothing: {installed}");
}

#[tokio::test]
async fn what_cannot_be_compared_is_told() {
    let server = Server::start(None);
    let [current, _] = &*GUESTS;
    let says = |arguments: &[&str], text: &str| {
        let output = server.command(arguments);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with("error: ") && told.contains(text), "{told}");
    };
    says(&["plugin", "compare", "nobody", current], "there is no connection `nobody`");
    says(&["plugin", "compare", "nobody", current, "--limit", "101"], "from 0 to 100");
    says(&["plugin", "compare", "nobody", "no-such-file.wasm"], "cannot read no-such-file.wasm");
}
