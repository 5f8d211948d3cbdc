use super::*;
use waystation_sdk::channel::{Email, Purpose, Recipient};

const NOW: u64 = 1_716_170_400_000;

fn plugin() -> SmtpEmail {
    plugin_with(r#"{"sender": "Shop <hello@shop.example>"}"#)
}

fn plugin_with(config: &str) -> SmtpEmail {
    SmtpEmail::new(serde_json::from_str(config).unwrap()).unwrap()
}

fn email() -> Email {
    Email {
        sender: None,
        subject: "Your cart".into(),
        html: Some("<p>Still there.</p>".into()),
        text: None,
        headers: Vec::new(),
    }
}

fn message(content: Content) -> Message {
    Message {
        key: "enr-1.step-2".into(),
        recipient: Recipient {
            customer: "c1".into(),
            address: "li@mail.example".into(),
            name: None,
            locale: None,
        },
        content,
        purpose: Purpose::Marketing,
        extras: vec![("unsubscribe-url".into(), "https://way.example/u/abc".into())],
    }
}

fn written(plugin: &SmtpEmail, message: &Message) -> String {
    String::from_utf8(plugin.envelope(message, NOW).unwrap().message).unwrap()
}

#[track_caller]
fn refused(message: &Message, reason: RefusalReason, detail: &str) {
    match plugin().envelope(message, NOW) {
        Err(SendError::Refused(refusal)) => {
            assert_eq!(refusal.reason, reason);
            assert!(refusal.detail.contains(detail), "{}", refusal.detail);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_has_everything_a_mailbox_wants() {
    let text = written(&plugin(), &message(Content::Email(email())));
    let expected = "From: Shop <hello@shop.example>\r\n\
        To: li@mail.example\r\n\
        Subject: Your cart\r\n\
        Date: Mon, 20 May 2024 02:00:00 +0000\r\n\
        Message-ID: <enr-1.step-2@shop.example>\r\n\
        List-Unsubscribe: <https://way.example/u/abc>\r\n\
        List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=\"=_enr-1.step-2\"\r\n\
        \r\n\
        --=_enr-1.step-2\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n\
        Still there.\r\n\
        \r\n\
        --=_enr-1.step-2\r\n\
        Content-Type: text/html; charset=utf-8\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n\
        <p>Still there.</p>\r\n\
        --=_enr-1.step-2--\r\n";
    assert_eq!(text, expected);
}

#[test]
fn words_of_any_language_are_encoded() {
    let plugin = plugin_with(
        r#"{"sender": "驿站商城 <hello@shop.example>", "reply_to": "help@shop.example"}"#,
    );
    let mut message = message(Content::Email(Email {
        subject:
            "您的购物车里还有一件商品在等您，今天下单立减五元，优惠券二十四小时内有效，请尽快使用"
                .into(),
        html: Some("<p>加购未支付提醒</p>".repeat(20)),
        text: Some("加购未支付提醒".into()),
        ..email()
    }));
    message.recipient.name = Some("Ana \"the\" López".into());
    let text = written(&plugin, &message);
    assert!(
        text.starts_with("From: =?utf-8?b?6am/56uZ5ZWG5Z+O?= <hello@shop.example>\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nReply-To: help@shop.example\r\n"));
    assert!(text.contains("\r\nSubject: =?utf-8?b?"));
    assert!(
        text.contains("Content-Transfer-Encoding: base64\r\n\r\n5Yqg6LSt5pyq5pSv5LuY5o+Q6YaS\r\n"),
        "{text}"
    );
    assert!(text.is_ascii());
    assert_eq!(text.replace("\r\n", "").find(['\r', '\n']), None, "every line ends in CR LF");
    let longest = text.lines().map(str::len).max();
    assert!(longest <= Some(76), "{longest:?}\n{text}");
}

#[test]
fn the_same_key_gives_the_same_bytes_but_for_the_date() {
    let message = message(Content::Email(email()));
    let without_date = |now| {
        let envelope = plugin().envelope(&message, now).unwrap();
        let text = String::from_utf8(envelope.message).unwrap();
        text.lines()
            .filter(|line| !line.starts_with("Date: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(without_date(NOW), without_date(NOW + 3_600_000));
}

#[test]
fn a_text_is_an_email_whose_first_line_is_the_subject() {
    let text = written(&plugin(), &message(Content::Text("Hello\nThere is news.".into())));
    assert!(text.contains("\r\nSubject: Hello\r\n"));
    assert!(
        text.ends_with("Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\nThere is news.\r\n"),
        "{text}"
    );
}

#[test]
fn unsubscribing_is_offered_as_it_is_possible() {
    let plugin =
        plugin_with(r#"{"sender": "a@shop.example", "unsubscribe_mailto": "stop@shop.example"}"#);
    let check = |url: Option<&str>, purpose, expected: &[&str]| {
        let mut message = message(Content::Email(email()));
        message.purpose = purpose;
        message.extras =
            url.map(|url| ("unsubscribe-url".to_owned(), url.to_owned())).into_iter().collect();
        let text = written(&plugin, &message).replace("\r\n ", " ");
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with("List-")).collect();
        assert_eq!(found, expected);
    };
    let one_click = "List-Unsubscribe-Post: List-Unsubscribe=One-Click";
    let both = "List-Unsubscribe: <https://way.example/u>, <mailto:stop@shop.example>";
    check(Some("https://way.example/u"), Purpose::Marketing, &[both, one_click]);
    check(
        Some("https://way.example/u"),
        Purpose::Transactional,
        &["List-Unsubscribe: <https://way.example/u>", one_click],
    );
    check(None, Purpose::Marketing, &["List-Unsubscribe: <mailto:stop@shop.example>"]);
    check(None, Purpose::Transactional, &[]);
    let plain = "List-Unsubscribe: <http://localhost:8080/u>, <mailto:stop@shop.example>";
    check(Some("http://localhost:8080/u"), Purpose::Marketing, &[plain]);
}

#[test]
fn nothing_gets_into_the_header_by_a_value() {
    let injected = |change: fn(&mut Email)| {
        let mut email = email();
        change(&mut email);
        refused(&message(Content::Email(email)), RefusalReason::Content, "header");
    };
    injected(|email| email.subject = "a\r\nBcc: victim@example.com".into());
    injected(|email| email.headers = vec![("X-A".into(), "b\nc".into())]);
    injected(|email| email.headers = vec![("X-A: b\r\nBcc".into(), "victim@example.com".into())]);
    injected(|email| email.headers = vec![("bcc".into(), "victim@example.com".into())]);
    injected(|email| email.headers = vec![("Content-Type".into(), "text/html".into())]);
    let mut named = message(Content::Email(email()));
    named.recipient.name = Some("Li\r\nBcc: victim@example.com".into());
    refused(&named, RefusalReason::Content, "header");
    let mut link = message(Content::Email(email()));
    link.extras = vec![("unsubscribe-url".into(), "https://a>\r\nBcc: victim@example.com".into())];
    refused(&link, RefusalReason::Content, "header");
}

#[test]
fn addresses_that_cannot_be_are_refused_as_such() {
    for (address, detail) in
        [("", "no @"), ("li@mail..example", "domain"), ("李@mail.example", "SMTPUTF8")]
    {
        let mut message = message(Content::Email(email()));
        message.recipient.address = address.to_owned();
        refused(&message, RefusalReason::Address, detail);
    }
}

#[test]
fn a_configuration_says_what_is_wrong_with_it() {
    let fault = |config: &str| {
        SmtpEmail::new(serde_json::from_str(config).unwrap())
            .err()
            .map(|problem| problem.path)
            .unwrap_or_default()
    };
    assert_eq!(fault(r#"{"sender": "shop"}"#), "/sender");
    assert_eq!(fault(r#"{"sender": "a@b", "message_id_domain": "a b"}"#), "/message_id_domain");
    assert_eq!(fault(r#"{"sender": "a@b", "reply_to": "<>"}"#), "/reply_to");
    assert_eq!(fault(r#"{"sender": "a@b", "unsubscribe_mailto": "a"}"#), "/unsubscribe_mailto");
    assert_eq!(fault(r#"{"sender": "\"Shop, Inc.\" <a@b>", "reply_to": "a@b"}"#), "");
}
