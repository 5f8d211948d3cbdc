//! Requests that are more than one, larger than any, or come at another time.

use std::time::Duration;

use super::{Attempt, check};
use crate::web::{Reply, Seen, Server, attempt, connect, grant, name, order};

const REQUESTS: &[Attempt] = &[
    (
        "a line break in a value",
        "send\nGET http://one.test:{port}/\nx-a: 1\\r\\nx-b: 2",
        "x-a has a line break",
    ),
    (
        "a line feed in a value",
        "send\nGET http://one.test:{port}/\nx-a: 1\\nx-b: 2",
        "x-a has a line break",
    ),
    (
        "NUL in a value",
        "send\nGET http://one.test:{port}/\nx-a: 1\\0",
        "x-a has a line break or control",
    ),
    (
        "a line break in a name",
        "send\nGET http://one.test:{port}/\nx-a\\r\\nx-b: 1",
        "is not one in lower case",
    ),
    ("a space in a name", "send\nGET http://one.test:{port}/\nx a: 1", "is not one in lower case"),
    (
        "a name in upper case",
        "send\nGET http://one.test:{port}/\nHOST: evil.test",
        "is not one in lower case",
    ),
    (
        "HTTP/2's own names",
        "send\nGET http://one.test:{port}/\n:authority: evil.test",
        "is not one in lower case",
    ),
    (
        "another host",
        "send\nGET http://one.test:{port}/\nhost: evil.test",
        "host is set by the host",
    ),
    (
        "another length",
        "send\nPOST http://one.test:{port}/\ncontent-length: 0\n\nbody",
        "content-length is set by",
    ),
    (
        "another transfer",
        "send\nPOST http://one.test:{port}/\ntransfer-encoding: chunked\n\n0",
        "transfer-encoding is set",
    ),
    (
        "fields to drop",
        "send\nGET http://one.test:{port}/\nconnection: authorization",
        "connection is set by",
    ),
    (
        "another protocol",
        "send\nGET http://one.test:{port}/\nupgrade: h2c",
        "upgrade is set by the host",
    ),
    (
        "its settings",
        "send\nGET http://one.test:{port}/\nhttp2-settings: AAMAAABkAAQA",
        "http2-settings is set by",
    ),
    ("trailers", "send\nGET http://one.test:{port}/\nte: trailers", "te is set by the host"),
    (
        "a wait",
        "send\nPOST http://one.test:{port}/\nexpect: 100-continue\n\nbody",
        "expect is set by the host",
    ),
    (
        "a proxy",
        "send\nGET http://one.test:{port}/\nproxy-authorization: a",
        "proxy-authorization is set by",
    ),
    (
        "an odd compression",
        "send\nGET http://one.test:{port}/\naccept-encoding: br",
        "accept-encoding is set by",
    ),
    ("a tunnel", "send\nCONNECT http://one.test:{port}/", "the method CONNECT is not allowed"),
    ("an echo", "send\nTRACE http://one.test:{port}/", "the method TRACE is not allowed"),
    (
        "two lines in a method",
        "send\nGET\\r\\nX: http://one.test:{port}/",
        "the method is not a word",
    ),
    ("a lower case method", "send\nget http://one.test:{port}/", "the method is not a word"),
    ("no method", "send\n http://one.test:{port}/", "the method is not a word"),
    (
        "a line break in a URL",
        "send\nGET http://one.test:{port}/\\r\\nx-a:1",
        "spaces, line breaks or control",
    ),
    (
        "a line break in a host",
        "send\nGET http://one\\n.test:{port}/",
        "spaces, line breaks or control",
    ),
    (
        "101 header fields",
        "send-large 101 0\nGET http://one.test:{port}/",
        "at most 100 with 65536",
    ),
    (
        "100 KB of header fields",
        "send-large 99 0\nGET http://one.test:{port}/",
        "at most 100 with 65536",
    ),
];

#[tokio::test]
async fn no_request_is_more_than_it_seems() {
    let server = Server::start(|_| Reply::ok("reached")).await;
    name("one.test", &[&["127.0.0.1"]]);
    let origin = format!("http://one.test:{}", server.port);
    let attacker = connect(|settings| grant(settings, &[&origin])).await;
    check(&attacker, server.port, REQUESTS).await;
    let long = format!("send\nGET {origin}/{}", "x".repeat(20_000));
    assert!(order(&attacker, &long).await.contains("more than the 16384 allowed"));
    assert!(server.seen().is_empty(), "{:?}", server.seen());
}

#[tokio::test]
async fn an_escaped_line_break_stays_in_the_path() {
    let server = Server::start(|_| Reply::ok("reached")).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let attacker = connect(|settings| grant(settings, &[&origin])).await;
    let request = format!("send\nGET {origin}/a%0d%0aHost:evil.test");
    assert!(order(&attacker, &request).await.ends_with("reached"));
    let seen = server.only();
    assert_eq!(seen.path(), "/a%0d%0aHost:evil.test");
    assert_eq!(seen.header("host"), Some(origin.trim_start_matches("http://")));
}

/// Attempts that the contract answers by ending the plugin.
const TRAPS: &[(&str, &str, &str)] = &[
    (
        "1,001 requests at once",
        "send-all 1001\nGET http://one.test:{port}/",
        "http.send-all was given 1001 items",
    ),
    (
        "a body of 40 MB",
        "send-large 0 40000000\nPOST http://one.test:{port}/",
        "hands over more than the 33554432 bytes",
    ),
];

#[tokio::test]
async fn asking_for_too_much_ends_the_call() {
    let server = Server::start(|_| Reply::ok("reached")).await;
    let origin = format!("http://one.test:{}", server.port);
    let attacker = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.memory = 256 << 20;
    })
    .await;
    for (what, order, stopped_by) in TRAPS {
        let words = order.replace("{port}", &server.port.to_string());
        let failure = attempt(&attacker, &words).await.expect_err(what);
        assert!(format!("{failure:?}").contains(stopped_by), "{what}: {failure:?}");
    }
    assert!(server.seen().is_empty(), "{:?}", server.seen());
}

#[tokio::test]
async fn nothing_is_sent_before_the_call_begins() {
    let origin = "http://127.0.0.1";
    let attacker = connect(|settings| grant(settings, &[origin])).await;
    let answer = order(&attacker, "early").await;
    assert_eq!(answer, r#"Error::Denied("requests cannot be sent before the call has begun")"#);
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/wait" => Reply::hang(""),
        _ => Reply::ok("reached"),
    })
    .await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let attacker = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.wall_time = Duration::from_secs(2);
    })
    .await;
    let words = format!("send-twice\nPOST {origin}/wait\n\nbody\n====\nPOST {origin}/\n\nbody");
    let answer = order(&attacker, &words).await;
    let (first, second) = answer.split_once("\n====\n").unwrap();
    assert!(first.contains("Interrupted(\"127.0.0.1 did not answer in time"), "{answer}");
    assert!(second.starts_with("Error::NotSent("), "{answer}");
    assert_eq!(server.only().path(), "/wait");
}

#[tokio::test]
async fn one_call_sends_only_so_many_requests() {
    let server = Server::start(|_| Reply::ok("#")).await;
    let attacker = connect(|settings| grant(settings, &["http://nowhere.test"])).await;
    let words = format!("send-all-again 10 1000\nGET http://127.0.0.1:{}/", server.port);
    let answer = order(&attacker, &words).await;
    assert!(answer.contains("is not an allowed origin"), "{answer}");
    let words = words.replace("again 10", "again 11");
    let answer = order(&attacker, &words).await;
    assert!(answer.contains("one call may send 10000 requests, and it asks for more"), "{answer}");
}
