//! Web servers for the tests: they read requests as any server does and answer byte for byte what a test wants, be it HTTP or
//! not. And a resolver that knows the names that tests give them.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use waystation_sandbox::{
    Connection, HttpGrant, Options, Resolve, Sandbox, SecretValue, Settings,
    contract::{action::Call, types::Failure},
};

use crate::{guests, tls};

/// The sandbox of tests that send requests: it trusts [`tls`] and resolves by [`NAMES`].
static SANDBOX: LazyLock<Arc<Sandbox>> = LazyLock::new(|| {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let options = Options {
        instances: 64,
        extra_roots: vec![tls::root()],
        resolver: Some(Arc::new(Names)),
        ..Options::new(cache)
    };
    Sandbox::new(&options).expect("the sandbox starts")
});

/// Answers to give for a name, one after the other; the last one again and again.
static NAMES: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>> = Mutex::new(BTreeMap::new());

struct Names;

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            if name == "stuck.test" {
                std::future::pending::<()>().await;
            }
            if name == "localhost" || name.ends_with(".localhost") {
                return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
            }
            let mut names = NAMES.lock().expect("no test panics with it");
            let answers = names
                .get_mut(name)
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such name"))?;
            let answer =
                if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            Ok(answer.unwrap_or_default())
        })
    }
}

/// Lets a name resolve to addresses: one answer after the other.
pub(crate) fn name(name: &str, answers: &[&[&str]]) {
    let answers = answers
        .iter()
        .map(|answer| answer.iter().map(|address| address.parse().expect("an address")).collect())
        .collect();
    NAMES.lock().expect("no test panics with it").insert(name.to_owned(), answers);
}

/// A request as a server got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Number of the TCP connection that it came over.
    pub(crate) connection: usize,
    /// First line and header fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let field = |line: &'_ str| {
            let (found, _) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(found.len() + 2)
        };
        self.head.lines().find_map(|line| field(line).map(|start| &line[start..]))
    }

    /// Head and body as text.
    pub(crate) fn whole(&self) -> String {
        format!("{}\n{}", self.head, String::from_utf8_lossy(&self.body))
    }
}

/// What a server does with a request.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

enum Then {
    Keep,
    Close,
    /// Says nothing more and keeps the connection.
    Hang,
    /// Says the same a hundred times in a second, without end.
    Drip(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::answer("200 OK", "", body)
    }

    /// `fields` end in CR LF each.
    pub(crate) fn answer(status: &str, fields: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body].concat(), then: Then::Keep }
    }

    pub(crate) fn redirect(status: &str, location: &str) -> Self {
        Self::answer(status, &format!("location: {location}\r\n"), "moved")
    }

    /// Bytes that may be no HTTP at all, after which the connection is closed.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Close }
    }

    pub(crate) fn hang(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Hang }
    }

    pub(crate) fn drip(bytes: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Drip(again.into()) }
    }

    pub(crate) fn and_close(mut self) -> Self {
        self.then = Then::Close;
        self
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A running server. It ends with the test.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A server at 127.0.0.1.
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", handler).await
    }

    pub(crate) async fn at(
        address: &str,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::run(address, Arc::new(handler), |stream| Box::pin(async { Some(stream) })).await
    }

    /// A server at 127.0.0.1 that speaks HTTP/1.1 in TLS, under the name `tls.test`.
    pub(crate) async fn encrypted(
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let acceptor = tls::acceptor(&["http/1.1"]);
        let accept = move |stream| {
            let acceptor = acceptor.clone();
            Box::pin(async move { acceptor.accept(stream).await.ok() }) as BoxFuture<'static, _>
        };
        Self::run("127.0.0.1:0", Arc::new(handler), accept).await
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        address: &str,
        handler: Handler,
        accept: impl Fn(tokio::net::TcpStream) -> BoxFuture<'static, Option<S>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = AtomicUsize::new(0);
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let (accepted, seen) = (accept(stream), Arc::clone(&kept));
                let handler = Arc::clone(&handler);
                tokio::spawn(async move {
                    if let Some(stream) = accepted.await {
                        // A client that goes away in the middle is what many tests are about.
                        let _ = serve(stream, number, &handler, &seen).await;
                    }
                });
            }
        });
        Self { port, seen, task }
    }

    /// The requests that came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics with it").clone()
    }

    /// The one request that came.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    handler: &Handler,
    seen: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = receive(&mut stream, &mut buffer, connection).await? else {
            return Ok(());
        };
        let reply = handler(&request);
        seen.lock().expect("no test panics with it").push(request);
        stream.write_all(&reply.bytes).await?;
        stream.flush().await?;
        match reply.then {
            Then::Keep => {}
            Then::Close => return stream.shutdown().await,
            Then::Hang => {
                // Until the client closes the connection.
                while stream.read(&mut [0; 1_024]).await? > 0 {}
                return Ok(());
            }
            Then::Drip(bytes) => loop {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            },
        }
    }
}

/// Reads one request with the body that its `content-length` says it has; `None` at the end.
async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Seen>> {
    const END: &[u8] = b"\r\n\r\n";
    loop {
        if let Some(end) = buffer.windows(END.len()).position(|here| here == END) {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut seen = Seen { connection, head, body: Vec::new() };
            let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap_or(0));
            let start = end + END.len();
            if buffer.len() >= start + length {
                seen.body = buffer[start..start + length].to_vec();
                buffer.drain(..start + length);
                return Ok(Some(seen));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// A connection over the plugin `attacker`, with settings changed as a test wants them.
pub(crate) async fn connect(change: impl FnOnce(&mut Settings)) -> Connection {
    let sandbox = Arc::clone(&SANDBOX);
    let release = sandbox.load(guests::wasm("attacker")).await.expect("the guest loads");
    let mut settings = guests::settings("shop");
    change(&mut settings);
    Connection::new(sandbox, release, settings).expect("the settings are within bounds")
}

/// Lets a connection send requests to origins at 127.0.0.1.
pub(crate) fn grant(settings: &mut Settings, origins: &[&str]) {
    settings.http = Some(HttpGrant {
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        networks: vec!["127.0.0.1/32".parse().expect("a network")],
        redirects: 0,
    });
}

/// Gives a connection a secret and lets it be sent to origins.
pub(crate) fn secret(settings: &mut Settings, name: &str, value: &str, origins: &[&str]) {
    settings.secrets.insert(name.to_owned(), SecretValue::new(value));
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    settings.permissions.secrets.insert(name.to_owned(), origins);
}

/// What came of an order to the plugin.
pub(crate) async fn order(connection: &Connection, order: &str) -> String {
    match attempt(connection, order).await {
        Ok(text) => text,
        Err(failure) => panic!("{order}: {failure:?}"),
    }
}

/// What came of an order, or why nothing came of it.
pub(crate) async fn attempt(connection: &Connection, order: &str) -> Result<String, Failure> {
    let call = Call {
        key: "k1".to_owned(),
        customer: "c1".to_owned(),
        fields: Vec::new(),
        parameters: order.to_owned(),
    };
    let json = connection.run(&[call]).await.remove(0)?;
    Ok(serde_json::from_str(&json).expect("the attacker answers with a string"))
}

/// Waits until something is so, at most a few seconds.
pub(crate) async fn until(what: &str, is: impl Fn() -> bool) {
    let waited = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited)
        .await
        .unwrap_or_else(|_| panic!("it never came about: {what}"));
}

/// A port at which nobody listens.
pub(crate) async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
