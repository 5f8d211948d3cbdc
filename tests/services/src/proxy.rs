//! A network that fails: everything that goes to a server goes through here, and is delayed, withheld or broken off.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a reader waits before it looks whether its connection is to be broken off.
const LOOK: Duration = Duration::from_millis(20);

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It arrives.
    Well,
    /// It arrives after so long, in each direction.
    Slow(Duration),
    /// Nothing arrives and nothing is refused: both ends wait.
    HalfOpen,
    /// Connections are reset, and new ones at once.
    Cut,
}

/// A way to a server on 127.0.0.1.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: SocketAddr,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    network: Network,
    /// Connections of an earlier age are reset.
    age: u64,
    over: bool,
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nothing arrives. None if the connection is to be reset.
    fn pass(&self, age: u64) -> Option<Duration> {
        let held = |inner: &mut Inner| {
            inner.network == Network::HalfOpen && inner.age == age && !inner.over
        };
        let inner = self.changed.wait_while(self.inner(), held);
        let inner = inner.unwrap_or_else(PoisonError::into_inner);
        (inner.age == age && !inner.over).then_some(match inner.network {
            Network::Slow(delay) => delay,
            _ => Duration::ZERO,
        })
    }

    fn is_of(&self, age: u64) -> bool {
        let inner = self.inner();
        inner.age == age && !inner.over
    }
}

impl Proxy {
    /// Opens a way to the server that listens on this port of 127.0.0.1.
    ///
    /// # Panics
    /// If this machine has no free port.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("it is bound");
        let inner = Mutex::new(Inner { network: Network::Well, age: 0, over: false });
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let state = Arc::new(State { server, inner, changed: Condvar::new() });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.inner().over {
                    return;
                }
                if let Ok(stream) = stream {
                    let state = Arc::clone(&accepting);
                    thread::spawn(move || carry(&stream, &state));
                }
            }
        });
        Self { address, state }
    }

    /// Where clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the network from now on. What is withheld arrives once it is well again, unless it is cut before.
    pub fn set(&self, network: Network) {
        let mut inner = self.state.inner();
        inner.network = network;
        if network == Network::Cut {
            inner.age += 1;
        }
        self.state.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.inner().over = true;
        self.state.changed.notify_all();
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries one connection until either end closes it or it is reset.
fn carry(client: &TcpStream, state: &Arc<State>) {
    let age = {
        let inner = state.inner();
        if inner.network == Network::Cut {
            drop(inner);
            return reset(client);
        }
        inner.age
    };
    let Ok(server) = TcpStream::connect(state.server) else { return reset(client) };
    let ends = [(client, &server), (&server, client)];
    thread::scope(|scope| {
        for (from, to) in ends {
            scope.spawn(move || {
                if one_way(from, to, state, age).is_none() {
                    reset(from);
                    reset(to);
                }
            });
        }
    });
}

/// None if the connection is to be reset, or broke.
fn one_way(mut from: &TcpStream, mut to: &TcpStream, state: &State, age: u64) -> Option<()> {
    from.set_read_timeout(Some(LOOK)).ok()?;
    to.set_nodelay(true).ok()?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if state.is_of(age) {
                    continue;
                }
                return None;
            }
            Err(_) => return None,
        };
        thread::sleep(state.pass(age)?);
        if length == 0 {
            // The other direction may go on.
            return to.shutdown(Shutdown::Write).ok();
        }
        to.write_all(&buffer[..length]).ok()?;
    }
}

/// Closes so that the other end gets a reset instead of an end.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Both);
}
