//! The reference plugins, as an operator would use them.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use waystation_build::build_all;
use waystation_sandbox::{
    CallError, Connection, Kind, MailGrant, Recorder, Rehearsal, Relay, SecretValue, Settings,
    contract::{
        channel::{Content, Email, Outcome, RefusalReason},
        coupon::{Benefit, Failure, Grant, Offer, Request, Revocation},
        trigger_source::Subject,
        types::HttpRequest,
    },
};

use crate::{
    codes::Pool,
    guests::{NOW, fresh_folder, settings, shared},
    messages::text,
};

const EVENT: &str = r#"[{"id":"1","name":"cart.item_added","identity":{"kind":"email","value":"a@b"},"properties":{"sku":"x"}}]"#;

/// A connection over a reference plugin, with settings changed as a test wants them.
pub(crate) async fn connect(name: &str, change: impl FnOnce(&mut Settings)) -> Connection {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(name);
    let built = build_all(&[dir], &waystation_build::Options::default()).expect("it builds");
    let wasm = Arc::from(std::fs::read(&built[0].wasm).expect("the component was written"));
    let release = shared().load(wasm).await.expect("it loads");
    assert_eq!(release.manifest().name, name);
    let mut settings = settings(name);
    change(&mut settings);
    Connection::new(shared(), release, settings).expect("the settings are within bounds")
}

fn secret(settings: &mut Settings, name: &str, value: &str) {
    settings.secrets.insert(name.to_owned(), SecretValue::new(value));
    settings.permissions.secrets.insert(name.to_owned(), BTreeSet::new());
}

/// Where the plugin finds fault with its configuration, and the fault.
async fn problem(connection: &Connection) -> (String, String) {
    let problem =
        connection.check().await.expect("it answers").expect_err("it is not well").remove(0);
    (problem.path, problem.message)
}

/// A request as a shop sends it, `at` seconds after 1970.
fn signed(secret: &str, at: u64, body: &str) -> HttpRequest {
    let mut mac =
        Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("{at}.{body}").as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    HttpRequest {
        method: "POST".to_owned(),
        url: "/hooks/shop".to_owned(),
        headers: vec![
            ("waystation-timestamp".to_owned(), at.to_string()),
            ("waystation-signature".to_owned(), format!("v1={hex}")),
        ],
        body: body.as_bytes().to_vec(),
    }
}

async fn status(connection: &Connection, request: &HttpRequest) -> (u16, String) {
    let reception = connection.receive(request, &[]).await.expect("it answers");
    assert!(reception.reports.is_empty());
    assert_eq!(reception.events.is_empty(), reception.response.status != 202);
    (reception.response.status, String::from_utf8(reception.response.body).expect("text"))
}

#[tokio::test]
async fn signed_events_come_in() {
    let shop = connect("http-events", |settings| secret(settings, "signing", "top")).await;
    assert_eq!(shop.release().kinds(), [Kind::TriggerSource]);
    assert_eq!(shop.check().await.unwrap(), Ok(()));
    assert!(shop.trigger_source_traits().await.unwrap().hooks);
    let reception = shop.receive(&signed("top", NOW / 1000, EVENT), &[]).await.unwrap();
    assert_eq!((reception.response.status, reception.events.len()), (202, 1));
    let event = &reception.events[0];
    assert_eq!((event.at, event.properties.as_str()), (NOW, r#"{"sku":"x"}"#));
    assert!(matches!(&event.subject, Subject::Identity(identity) if identity.value == "a@b"));
}

/// The signature of a recorded request is one under the stub of the secret when the call is made again.
#[tokio::test]
async fn a_recorded_webhook_is_taken_again() {
    let (sender, mut takes) = tokio::sync::mpsc::channel(1);
    let set_up = |settings: &mut Settings| secret(settings, "signing", "top");
    let shop = connect("http-events", |settings| {
        set_up(settings);
        settings.recorder = Some(Recorder::new(1.0, [7; 32], sender));
    })
    .await;
    let body = EVENT.replace("a@b", "li.wang@mail.example");
    let reception = shop.receive(&signed("top", NOW / 1000, &body), &[]).await.unwrap();
    assert_eq!(reception.events.len(), 1);
    let recording = takes.try_recv().expect("it was recorded").develop();
    let text = serde_json::to_string(&recording).unwrap();
    assert!(!text.contains("li.wang") && text.contains("v1={{hmac:"), "{text}");
    let mut settings = settings("http-events");
    set_up(&mut settings);
    let rehearsal = Rehearsal::new(shared(), Arc::clone(shop.release()), settings).unwrap();
    let performance = rehearsal.play(&recording, None).await.unwrap();
    assert_eq!(performance.output["Ok"]["response"]["status"], 202);
    assert_eq!(performance.output, recording.output);
}

#[tokio::test]
async fn requests_that_are_not_right_are_told_why() {
    let shop = connect("http-events", |settings| secret(settings, "signing", "top")).await;
    let get = HttpRequest { method: "GET".to_owned(), ..signed("top", NOW / 1000, EVENT) };
    for (request, expected, says) in [
        (signed("wrong", NOW / 1000, EVENT), 401, "no signature is right"),
        (signed("top", NOW / 1000 - 301, EVENT), 401, "too far from now"),
        (signed("top", NOW / 1000 + 301, EVENT), 401, "too far from now"),
        (signed("top", NOW / 1000, "[{}]"), 400, "/0: missing field `id`"),
        (get, 405, "use POST"),
    ] {
        let (status, body) = status(&shop, &request).await;
        assert!(status == expected && body.contains(says), "{status} {body}");
    }
}

#[tokio::test]
async fn two_secrets_count_while_they_change() {
    let shop = connect("http-events", |settings| {
        secret(settings, "signing", "new");
        secret(settings, "signing-previous", "top");
    })
    .await;
    for (secret, expected) in [("top", 202), ("new", 202), ("older", 401)] {
        assert_eq!(status(&shop, &signed(secret, NOW / 1000, EVENT)).await.0, expected, "{secret}");
    }
}

#[tokio::test]
async fn events_wait_for_a_connection_that_is_not_set_up() {
    let request = signed("top", NOW / 1000, EVENT);
    let bare = connect("http-events", |_| {}).await;
    assert!(problem(&bare).await.1.contains("secret `signing`"));
    assert_eq!(status(&bare, &request).await.0, 503);
    let wrong = r#"{"tolerance_seconds":"x"}"#;
    let wrong = connect("http-events", |settings| settings.config = wrong.to_owned()).await;
    assert_eq!(problem(&wrong).await.0, "/tolerance_seconds");
    assert!(matches!(wrong.trigger_source_traits().await, Err(CallError::Trap(_))));
    assert_eq!(status(&wrong, &request).await.0, 503);
}

#[tokio::test]
async fn mail_goes_out() {
    let folder = fresh_folder();
    let url = format!("file://{}", folder.path().display());
    let relay = Arc::new(Relay::new(&url).unwrap());
    let mailer = connect("smtp-email", |settings| {
        settings.config = r#"{"sender":"驿站 <hello@shop.example>"}"#.to_owned();
        settings.mail = Some(MailGrant { relay, senders: vec!["hello@shop.example".to_owned()] });
    })
    .await;
    assert_eq!(mailer.check().await.unwrap(), Ok(()));
    assert_eq!(mailer.channel_traits().await.unwrap().contents, ["email", "text"]);
    let mut mail = text("k2", "li@mail.example", "");
    mail.content = Content::Email(Email {
        sender: None,
        subject: "购物车".to_owned(),
        html: Some("<p>在等您</p>".to_owned()),
        text: None,
        headers: Vec::new(),
    });
    mail.extras = vec![("unsubscribe-url".to_owned(), "https://way.example/u".to_owned())];
    let batch = [text("k1", "li@mail.example", "Hello\nyou"), text("bad", "nobody", "x"), mail];
    let out = mailer.send(&batch).await;
    assert!(
        matches!(&out[0], Outcome::Accepted(receipt) if receipt.provider_id.as_deref() == Some("k1@shop.example")),
        "{out:?}"
    );
    assert!(
        matches!(&out[1], Outcome::Refused(refusal) if refusal.reason == RefusalReason::Address),
        "{out:?}"
    );
    assert!(matches!(&out[2], Outcome::Accepted(_)), "{out:?}");

    let mails: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert_eq!(mails.len(), 2);
    let letter = mails.iter().find(|mail| mail.contains("Message-ID: <k2@shop.example>")).unwrap();
    for line in [
        "From: =?utf-8?b?6am/56uZ?= <hello@shop.example>",
        "Subject: =?utf-8?b?6LSt54mp6L2m?=",
        "List-Unsubscribe: <https://way.example/u>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
    ] {
        assert!(
            letter.contains(&format!("\r\n{line}\r\n")) || letter.starts_with(line),
            "{letter}"
        );
    }
}

#[tokio::test]
async fn mail_that_may_not_go_out_says_so() {
    let letter = [text("k1", "li@mail.example", "Hello\nyou")];
    let bare = connect("smtp-email", |_| {}).await;
    assert_eq!(problem(&bare).await.1, "missing field `sender`");
    let out = bare.send(&letter).await.remove(0);
    assert!(
        matches!(&out, Outcome::Deferred(deferral) if deferral.detail.contains("`sender`")),
        "{out:?}"
    );
    let ungranted =
        connect("smtp-email", |settings| settings.config = r#"{"sender":"a@b.c"}"#.to_owned())
            .await;
    let out = ungranted.send(&letter).await.remove(0);
    assert!(
        matches!(&out, Outcome::Refused(refusal) if refusal.reason == RefusalReason::Account),
        "{out:?}"
    );
}

fn request(key: &str) -> Request {
    let offer = Offer {
        benefit: Benefit::FreeShipping,
        minimum: None,
        valid_from: NOW,
        valid_until: NOW + 1,
    };
    Request {
        key: key.to_owned(),
        customer: "c".to_owned(),
        campaign: "cart5".to_owned(),
        offer,
        extras: Vec::new(),
    }
}

fn codes(issued: &[Result<Grant, Failure>]) -> Vec<Result<&str, &Failure>> {
    issued.iter().map(|grant| grant.as_ref().map(|grant| grant.code.as_str())).collect()
}

#[tokio::test]
async fn codes_are_computed() {
    let coupons = connect("coupon-codes", |settings| {
        settings.config = r#"{"mode":"generate","prefix":"SPRING"}"#.to_owned();
        secret(settings, "codes", "secret");
    })
    .await;
    assert_eq!(coupons.check().await.unwrap(), Ok(()));
    assert_eq!(coupons.coupon_traits().await.unwrap().dedupe_window, Some(u64::MAX));
    let issued = coupons.issue(&["key-1", "key-2", "key-1"].map(request)).await;
    let (first, second) = (Ok("SPRING-1Y41-ECB8-ZKAAQ"), Ok("SPRING-V7XY-7AD1-6K2KX"));
    assert_eq!(codes(&issued), [first, second, first]);
}

#[tokio::test]
async fn codes_are_taken_from_a_pool() {
    let pool = Pool::open();
    let coupons = connect("coupon-codes", |settings| {
        settings.config = r#"{"mode":"pool","pool":"cart5"}"#.to_owned();
        settings.codes = Some(pool.grant());
    })
    .await;
    assert_eq!(coupons.check().await.unwrap(), Ok(()));
    let issued = coupons.issue(&["a", "b", "c", "d"].map(request)).await;
    assert_eq!(codes(&issued), [Ok("A"), Ok("B"), Ok("C"), Err(&Failure::Exhausted)]);
    let revocation = Revocation {
        key: "a".to_owned(),
        campaign: "cart5".to_owned(),
        code: "A".to_owned(),
        extras: Vec::new(),
    };
    assert_eq!(coupons.revoke(&[revocation]).await, [Ok(())]);
    assert_eq!(codes(&coupons.issue(&[request("d")]).await), [Ok("A")]);

    let ungranted = connect("coupon-codes", |settings| {
        settings.config = r#"{"mode":"pool","pool":"other"}"#.to_owned();
    })
    .await;
    assert_eq!(problem(&ungranted).await.0, "/pool");
    assert!(matches!(ungranted.issue(&[request("a")]).await[0], Err(Failure::Refused(_))));
}

#[tokio::test]
async fn a_coupon_configuration_says_what_is_wrong_with_it() {
    for (config, path, says) in [
        (r#"{"mode":"x"}"#, "/mode", "unknown variant `x`"),
        (r#"{"mode":"generate","length":3}"#, "/length", "10 to 24"),
        ("{}", "", "missing field `mode`"),
    ] {
        let coupons = connect("coupon-codes", |settings| settings.config = config.to_owned()).await;
        let (at, message) = problem(&coupons).await;
        assert!(at == path && message.contains(says), "{config}: {at}: {message}");
    }
}
