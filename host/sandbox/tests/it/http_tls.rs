//! Encrypted requests, and HTTP/2.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::{net::TcpListener, task::JoinHandle};
use waystation_sandbox::Connection;

use crate::{
    tls,
    web::{Reply, Seen, Server, connect, grant, name, order, secret},
};

/// A server of HTTP/2 in TLS that answers with version, path and body; it does not look at the first request to `/busy`,
/// at any to `/refused`, and says goodbye in the middle of `/gone`.
struct Modern {
    port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Modern {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Modern {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let acceptor = tls::acceptor(&["h2"]);
        let task = tokio::spawn(async move {
            let busy = Arc::new(AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (acceptor, busy) = (acceptor.clone(), Arc::clone(&busy));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut server) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = server.accept().await {
                        tokio::spawn(answer(request, respond, Arc::clone(&busy)));
                    }
                });
            }
        });
        Self { port, connections, task }
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    busy: Arc<AtomicUsize>,
) {
    let path = request.uri().path().to_owned();
    if path == "/refused" || path == "/busy" && busy.fetch_add(1, Ordering::SeqCst) == 0 {
        return respond.send_reset(h2::Reason::REFUSED_STREAM);
    }
    if path == "/gone" {
        return respond.send_reset(h2::Reason::INTERNAL_ERROR);
    }
    let mut response = http::Response::new(());
    if path == "/headers" {
        let value = http::HeaderValue::from_str(&"x".repeat(100_000)).expect("it is ASCII");
        response.headers_mut().insert("x-a", value);
    }
    let version = request.version();
    let mut body = request.into_body();
    let mut received = Vec::new();
    while let Some(Ok(part)) = body.data().await {
        let _ = body.flow_control().release_capacity(part.len());
        received.extend_from_slice(&part);
    }
    // A client that goes away is no failure of the test's server.
    if let Ok(mut stream) = respond.send_response(response, false) {
        let text = format!("{version:?} {path} {}", String::from_utf8_lossy(&received));
        let _ = stream.send_data(text.into_bytes().into(), true);
    }
}

async fn to(port: u16) -> (Connection, String) {
    name("tls.test", &[&["127.0.0.1"]]);
    name("other.test", &[&["127.0.0.1"]]);
    let origin = format!("https://tls.test:{port}");
    let other = format!("https://other.test:{port}");
    let shop = connect(|settings| {
        grant(settings, &[&origin, &other]);
        secret(settings, "key", "s3cret", &[&origin]);
    })
    .await;
    (shop, origin)
}

#[tokio::test]
async fn an_extra_root_is_trusted() {
    let server =
        Server::encrypted(|seen: &Seen| Reply::ok(seen.header("x-key").unwrap_or("none"))).await;
    let (shop, origin) = to(server.port).await;
    assert!(order(&shop, &format!("send\nGET {origin}/")).await.ends_with("none"));
    let answer = order(&shop, &format!("send\nGET {origin}/\nx-key: {{key}}")).await;
    assert!(answer.ends_with("[secret]"), "{answer}");
    let used: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(used, [0, 0], "the connection is used again");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let server = Server::encrypted(|_| Reply::ok("")).await;
    let (shop, _) = to(server.port).await;
    let answer =
        order(&shop, &format!("send\nPOST https://other.test:{}/\n\nbody", server.port)).await;
    assert!(answer.starts_with("Error::NotSent(\"other.test cannot be connected to: "), "{answer}");
    assert!(answer.contains("certificate"), "{answer}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_not_spoken_to() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (shop, origin) = to(server.port).await;
    let answer = order(&shop, &format!("send\nPOST {origin}/\n\nbody")).await;
    assert!(answer.starts_with("Error::NotSent("), "{answer}");
}

#[tokio::test]
async fn http_2_carries_many_requests_over_one_connection() {
    let server = Modern::start().await;
    let (shop, origin) = to(server.port).await;
    let answer = order(&shop, &format!("send\nPOST {origin}/a\n\nbody")).await;
    assert!(answer.ends_with("HTTP/2.0 /a body"), "{answer}");
    let answer = order(&shop, &format!("send-all 200\nPOST {origin}/a\n\n#{{n}}")).await;
    assert!(answer.starts_with("ok 200 own 200"), "{answer}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_server_did_not_look_at_is_sent_again_and_otherwise_not_sent() {
    let server = Modern::start().await;
    let (shop, origin) = to(server.port).await;
    let answer = order(&shop, &format!("send\nPOST {origin}/busy\n\nbody")).await;
    assert!(answer.ends_with("HTTP/2.0 /busy body"), "{answer}");
    let answer = order(&shop, &format!("send\nPOST {origin}/refused\n\nbody")).await;
    assert!(
        answer.starts_with("Error::NotSent(\"tls.test closed the connection before"),
        "{answer}"
    );
    let answer = order(&shop, &format!("send\nPOST {origin}/gone\n\nbody")).await;
    assert!(answer.starts_with("Error::Interrupted("), "{answer}");
}

#[tokio::test]
async fn endless_headers_of_http_2_are_not_taken() {
    let server = Modern::start().await;
    let (shop, origin) = to(server.port).await;
    let answer = order(&shop, &format!("send\nGET {origin}/headers")).await;
    assert!(answer.starts_with("Error::Interrupted("), "{answer}");
}
