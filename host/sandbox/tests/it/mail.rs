//! What becomes of a letter, told by a real mail server.

use std::{fs, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use waystation_sandbox::{
    Connection, MailGrant, Relay, SandboxError,
    contract::channel::{Message, Outcome},
};

use crate::{
    guests::{connect, fresh_folder},
    messages::{accepted, text},
    smtp::SERVER,
};

async fn mailer(url: &str) -> Connection {
    let relay = Arc::new(Relay::new(url).expect("the URL is good"));
    let senders = vec!["*@Example.com".to_owned()];
    connect("mailer", |settings| settings.mail = Some(MailGrant { relay, senders })).await
}

async fn open_mailer() -> Connection {
    mailer(&format!("smtp://127.0.0.1:{}?tls=none", SERVER.open)).await
}

/// What the server replies when it has got the letter as the plugin wrote it.
fn intact(message: &Message, body: &str) -> String {
    let address = &message.recipient.address;
    let letter = format!(
        "From: news@example.com\r\nTo: {address}\r\nMessage-ID: <{}@example.com>\r\nSubject: test\r\n\r\n{body}\r\n",
        message.key
    );
    let digest: String = Sha256::digest(letter).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("250 {digest}")
}

async fn one(mailer: &Connection, address: &str) -> Outcome {
    mailer.send(&[text("m1", address, "hello")]).await.remove(0)
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written() {
    let mailer = open_mailer().await;
    let body = ".\r\n..\r\n.hidden dot\r\nend";
    let message = text("m1", "zhang@example.com", body);
    let outcomes = mailer.send(std::slice::from_ref(&message)).await;
    // lettre ends the last line once more than the letter does.
    assert_eq!(accepted(&outcomes), [intact(&message, &format!("{body}\r\n"))]);
}

#[tokio::test]
async fn many_letters_keep_their_order() {
    let mailer = open_mailer().await;
    let messages: Vec<Message> = (0..50)
        .map(|number| text(&format!("m{number}"), &format!("c{number}@example.com"), "hello"))
        .collect();
    let expected: Vec<String> =
        messages.iter().map(|message| intact(message, "hello\r\n")).collect();
    assert_eq!(accepted(&mailer.send(&messages).await), expected);
}

#[tokio::test]
async fn what_the_server_refuses_is_refused() {
    let mailer = open_mailer().await;
    for address in
        ["refuse@example.com", "spam@example.com", "zhang@example.com,refuse@example.com"]
    {
        let outcome = one(&mailer, address).await;
        assert!(
            matches!(&outcome, Outcome::Refused(refusal) if !refusal.detail.contains("denied")),
            "{outcome:?}"
        );
    }
    assert!(matches!(one(&mailer, "zhang@example.com").await, Outcome::Accepted(_)));
}

#[tokio::test]
async fn what_the_server_puts_off_is_deferred() {
    let mailer = open_mailer().await;
    for address in ["later@example.com", "full@example.com"] {
        let outcome = one(&mailer, address).await;
        assert!(matches!(outcome, Outcome::Deferred(_)), "{address}: {outcome:?}");
    }
    assert!(matches!(one(&mailer, "zhang@example.com").await, Outcome::Accepted(_)));
}

#[tokio::test]
async fn a_connection_lost_before_the_data_is_deferred() {
    let outcome = one(&open_mailer().await, "cut-early@example.com").await;
    assert!(matches!(outcome, Outcome::Deferred(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_lost_after_the_data_is_unknown() {
    let outcome = one(&open_mailer().await, "cut@example.com").await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_letter_does_not_suffer_from_the_fate_of_another() {
    let mailer = open_mailer().await;
    let addresses = ["refuse", "zhang", "cut", "later", "li", "cut-early", "spam", "wang"];
    let messages: Vec<Message> =
        addresses.iter().map(|name| text("m1", &format!("{name}@example.com"), "hello")).collect();
    for _ in 0..3 {
        let outcomes = mailer.send(&messages).await;
        let kinds: Vec<&str> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Accepted(_) => "accepted",
                Outcome::Refused(_) => "refused",
                Outcome::Deferred(_) => "deferred",
                Outcome::Unknown(_) => "unknown",
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "refused", "accepted", "unknown", "deferred", "accepted", "deferred", "refused",
                "accepted"
            ]
        );
    }
}

#[tokio::test]
async fn a_dead_connection_is_replaced() {
    let mailer = open_mailer().await;
    for _ in 0..3 {
        let outcome = one(&mailer, "wears-out@example.com").await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_silent_server_costs_its_own_letters_only() {
    let relay =
        Arc::new(Relay::new(&format!("smtp://127.0.0.1:{}?tls=none", SERVER.open)).unwrap());
    let mailer = connect("mailer", |settings| {
        settings.mail = Some(MailGrant { relay, senders: vec!["*".to_owned()] });
        settings.limits.wall_time = Duration::from_secs(2);
    })
    .await;
    let messages = ["silent-early", "silent", "zhang"]
        .map(|name| text("m1", &format!("{name}@example.com"), "hello"));
    let outcomes = mailer.send(&messages).await;
    assert!(
        matches!(
            outcomes.as_slice(),
            [Outcome::Deferred(_), Outcome::Unknown(_), Outcome::Accepted(_)]
        ),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn nobody_listening_is_deferred() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome =
        one(&mailer(&format!("smtp://127.0.0.1:{unused}")).await, "zhang@example.com").await;
    assert!(matches!(outcome, Outcome::Deferred(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_password_is_used_and_a_wrong_one_is_deferred() {
    let port = SERVER.guarded;
    let right =
        mailer(&format!("smtp://shop%40example.com:p%3Aw%2Fd@127.0.0.1:{port}?tls=none")).await;
    let outcome = one(&right, "zhang@example.com").await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    let wrong = mailer(&format!("smtp://shop%40example.com:guess@127.0.0.1:{port}?tls=none")).await;
    let outcome = one(&wrong, "zhang@example.com").await;
    assert!(matches!(outcome, Outcome::Deferred(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_password_is_not_sent_unencrypted_nor_mail_where_encryption_is_required() {
    let port = SERVER.guarded;
    let careful = mailer(&format!("smtp://shop%40example.com:p%3Aw%2Fd@127.0.0.1:{port}")).await;
    let outcome = one(&careful, "zhang@example.com").await;
    assert!(
        matches!(&outcome, Outcome::Deferred(deferral) if deferral.detail.contains("password is not sent")),
        "{outcome:?}"
    );
    let strict = mailer(&format!("smtp://127.0.0.1:{}?tls=required", SERVER.open)).await;
    let outcome = one(&strict, "zhang@example.com").await;
    assert!(
        matches!(&outcome, Outcome::Deferred(deferral) if deferral.detail.contains("offers no encryption")),
        "{outcome:?}"
    );
}

async fn denied(mailer: &Connection, message: Message, says: &str) {
    match mailer.send(&[message]).await.remove(0) {
        Outcome::Refused(refusal) => {
            assert!(
                refusal.detail.starts_with("denied: ") && refusal.detail.contains(says),
                "{refusal:?}"
            );
        }
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn what_the_permission_or_smtp_forbids_is_denied() {
    let nobody = connect("mailer", |_| {}).await;
    denied(&nobody, text("m1", "zhang@example.com", "hello"), "may not send mail").await;
    let relay = Arc::new(Relay::new(&format!("smtp://127.0.0.1:{}", SERVER.open)).unwrap());
    let senders = vec!["*@example.org".to_owned(), "shop@example.com".to_owned()];
    let other =
        connect("mailer", |settings| settings.mail = Some(MailGrant { relay, senders })).await;
    denied(&other, text("m1", "zhang@example.com", "hello"), "from this sender").await;

    let mailer = open_mailer().await;
    denied(
        &mailer,
        text("m1", "zhang@example.com\r\nRCPT TO:<li@example.com>", "hello"),
        "control characters",
    )
    .await;
    denied(&mailer, text("m1", "nobody", "hello"), "not an address").await;
    denied(&mailer, text("m1", &"a@example.com,".repeat(101), "hello"), "1 to 100").await;
    denied(&mailer, text("m1", "zhang@example.com", "one\n.\nMAIL FROM:<>"), "bare line break")
        .await;
    denied(&mailer, text("m1", "zhang@example.com", "a\0b"), "NUL").await;
}

#[tokio::test]
async fn a_folder_keeps_letters_as_files() {
    let folder = fresh_folder();
    let mailer = mailer(&format!("file://{}/letters", folder.path().display())).await;
    let messages = [text("m1", "zhang@example.com", "hello"), text("m2", "li@example.com", "你好")];
    accepted(&mailer.send(&messages).await);
    let mut letters: Vec<String> = fs::read_dir(folder.path().join("letters"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    letters.sort();
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().any(|letter| letter.ends_with("你好\r\n")), "{letters:?}");
}

#[test]
fn urls_that_mean_nothing_are_refused() {
    for url in [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://mail.example.com/inbox",
        "smtp://mail.example.com?tls=maybe",
        "smtps://mail.example.com?tls=none",
        "smtp://user@mail.example.com",
        "smtp://mail.example.com?hello=a%0d%0ab",
        "file://elsewhere/folder",
    ] {
        let error = Relay::new(url).expect_err(url);
        assert!(matches!(error, SandboxError::Relay(_)), "{url}: {error}");
    }
    for url in [
        "smtp://mail.example.com",
        "smtps://u:p@mail.example.com:4650?hello=me.example.com",
        "smtp://[::1]:2525",
    ] {
        Relay::new(url).expect(url);
    }
}
