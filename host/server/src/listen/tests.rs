//! By raw sockets, with short limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{Limits, open_files, serve};

/// What must come is there by then, however slow the machine is.
const PATIENCE: Duration = Duration::from_secs(20);
const HEAD: Duration = Duration::from_millis(400);
const QUICK: Limits = Limits { connections: 3, head: HEAD, stall: Duration::from_millis(400) };
/// More than the system keeps for a client that takes nothing.
const LARGE: usize = 32 << 20;

struct Listening {
    address: SocketAddr,
    /// A request for `/held` has come, and its answer may go.
    begun: Arc<Notify>,
    release: Arc<Notify>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

async fn listen(limits: Limits) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = (Arc::clone(&begun), Arc::clone(&release));
    let router = Router::new()
        .route("/", get(async || "well"))
        .route("/large", get(async || "x".repeat(LARGE)))
        .route(
            "/held",
            get(async move || {
                held.0.notify_one();
                held.1.notified().await;
                "at last"
            }),
        );
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(serve(listener, router, limits, stopped));
    Listening { address, begun, release, stop, serving }
}

impl Listening {
    async fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// Everything up to the end of the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // One that is reset has ended, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer and leaves the connection open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("well") {
        let mut bytes = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await;
        let read = read.expect("an answer comes").unwrap();
        assert!(read > 0, "the connection ended: {text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    text
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
const LAST_REQUEST: &str = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_head_that_trickles_and_a_connection_that_is_idle_end_in_time() {
    let listening = listen(QUICK).await;
    let started = Instant::now();
    let mut slow = listening.connect("GET / HTTP/1.1\r\n").await;
    let mut silent = listening.connect("").await;
    let mut idle = listening.connect(REQUEST).await;
    answer(&mut idle).await;
    // A header now and then does not make the time any longer.
    let trickle = async {
        while slow.write_all(b"a: b\r\n").await.is_ok() {
            assert!(started.elapsed() < PATIENCE, "the slow connection goes on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (_, silent, idle) = tokio::join!(trickle, rest(&mut silent), rest(&mut idle));
    assert!(started.elapsed() >= HEAD);
    assert_eq!((silent.as_str(), idle.as_str()), ("", ""));
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_left() {
    let listening = listen(Limits { connections: 1, ..QUICK }).await;
    let _idle = listening.connect("GET /large HTTP/1.1\r\nhost: test\r\n\r\n").await;
    // The only place is free again, though the first client still holds its end.
    let mut next = listening.connect(LAST_REQUEST).await;
    assert!(rest(&mut next).await.ends_with("well"));
}

#[tokio::test]
async fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let listening = listen(QUICK).await;
    let request = "GET /large HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let mut stream = listening.connect(request).await;
    let (mut taken, started) = (0, Instant::now());
    let mut bytes = vec![0; 1 << 20];
    loop {
        let read = stream.read(&mut bytes).await.unwrap();
        taken += read;
        if read == 0 {
            break;
        }
        if started.elapsed() < 3 * QUICK.stall {
            tokio::time::sleep(QUICK.stall / 8).await;
        }
    }
    assert!(taken > LARGE && started.elapsed() > QUICK.stall, "{taken} bytes");
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait_and_are_served_then() {
    let listening = listen(Limits { head: PATIENCE, ..QUICK }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = listening.connect(REQUEST).await;
        answer(&mut stream).await;
        open.push(stream);
    }
    let mut fourth = listening.connect(LAST_REQUEST).await;
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(300), fourth.read(&mut byte)).await;
    assert!(early.is_err(), "a fourth connection was served");
    drop(open.pop());
    assert!(rest(&mut fourth).await.ends_with("well"));
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_waits_for_requests() {
    let listening = listen(Limits { head: PATIENCE, ..QUICK }).await;
    let mut idle = listening.connect(REQUEST).await;
    answer(&mut idle).await;
    let mut silent = listening.connect("").await;
    let mut held = listening.connect("GET /held HTTP/1.1\r\nhost: test\r\n\r\n").await;
    // Connections are taken in order: once this one is at work, the server knows of those before.
    listening.begun.notified().await;
    listening.stop.send_replace(true);
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    assert!(!listening.serving.is_finished(), "a request is under way");
    listening.release.notify_one();
    assert!(rest(&mut held).await.ends_with("at last"));
    tokio::time::timeout(PATIENCE, listening.serving).await.expect("it stops").unwrap();
    assert!(TcpStream::connect(listening.address).await.is_err(), "it listens no more");
}

#[test]
fn the_limit_of_files_is_read() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max cpu time              unlimited            unlimited            seconds   \n\
                  Max open files            1024                 524288               files     \n";
    assert_eq!(open_files(limits), Some(1024));
    assert_eq!(open_files("Max open files  unlimited unlimited files\n"), Some(usize::MAX));
    assert_eq!(open_files(""), None);
}
