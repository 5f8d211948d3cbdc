//! What clients cannot take of a server: slow ones, silent ones, and many of them.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::first_journey::add_to_cart;
use crate::server::Server;

/// How long a head or a body may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The same, and what a busy machine may add.
const IN_TIME: Duration = Duration::from_secs(60);
/// As many as there are places for calls, and more.
const SLOW: usize = 100;

async fn connect(server: &Server, text: &str) -> TcpStream {
    let address = server.url("").replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What the server says until it ends the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(2 * IN_TIME, stream.read_to_end(&mut bytes)).await;
    read.expect("the connection ends").unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn slow_body(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: test\r\n{more}content-length: 900\r\n\r\n[")
}

#[tokio::test]
async fn slow_senders_keep_nobody_else_from_being_heard() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let started = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..SLOW {
        senders.push(connect(&server, &slow_body("/hooks/shop", "")).await);
    }
    let token =
        format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", server.token());
    senders.push(connect(&server, &slow_body("/v1/events", &token)).await);
    let half_a_head = connect(&server, "GET /healthz HTTP/1.1\r\nhost: te").await;
    let silent = connect(&server, "").await;
    let idle = connect(&server, "GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").await;
    add_to_cart(&server, "eve").await;
    assert!(started.elapsed() < LIMIT, "a request had to wait for the slow ones");

    for sender in senders {
        let said = rest(sender).await;
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("within 30 s"), "{said}");
    }
    assert_eq!(rest(half_a_head).await, "");
    assert_eq!(rest(silent).await, "");
    let said = rest(idle).await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 1, "{said}");
    let took = started.elapsed();
    assert!((LIMIT..IN_TIME).contains(&took), "they ended after {took:?}");
}

#[tokio::test]
async fn a_server_stops_in_time_whoever_is_slow() {
    let mut server = Server::start(None);
    server.set_up_without_mail();
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(connect(&server, &slow_body("/hooks/shop", "")).await);
        open.push(connect(&server, "GET /healthz HTTP/1.1\r\nhost: te").await);
        open.push(connect(&server, "").await);
    }
    // Taken in order: the server has seen those before.
    add_to_cart(&server, "eve").await;
    let started = Instant::now();
    assert!(server.terminate().success(), "{}", server.log());
    let took = started.elapsed();
    assert!(took < IN_TIME, "it stopped after {took:?}");
}
