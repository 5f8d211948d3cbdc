//! Servers that go away, networks that do, and callers who no longer wait.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use waystation_services::postgres;
use waystation_store::{Database, Store, StoreError};

use super::Home;
use super::all::{ALL, NOW, patch};

async fn open(url: &str) -> Store {
    let database: Database = url.parse().unwrap();
    Store::open(&database).await.unwrap()
}

async fn write(store: &Store, id: &str) -> Result<(), StoreError> {
    store.upsert_customers(vec![patch(id)], NOW).await
}

async fn read(store: &Store, id: &str) -> Result<bool, StoreError> {
    Ok(store.customers(&[id.to_owned()]).await?.contains_key(id))
}

/// Repeats a write until it is acknowledged, for 20 seconds at most. Each failure must say that the server was not reached.
async fn write_again(store: &Store, id: &str) {
    let begun = Instant::now();
    while let Err(error) = write(store, id).await {
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again() {
    let server = postgres::Server::start(&[]);
    let store = open(&server.url(&server.create_database())).await;
    write(&store, "before").await.unwrap();
    assert!(read(&store, "before").await.unwrap());
    server.kill();
    for _ in 0..3 {
        let refused = write(&store, "meanwhile").await;
        assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
        let refused = read(&store, "before").await;
        assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
    }
    server.restart();
    write_again(&store, "after").await;
    assert!(read(&store, "before").await.unwrap());
    assert!(read(&store, "after").await.unwrap());
    assert!(!read(&store, "meanwhile").await.unwrap());
    store.close().await;
}

/// Begins something and lets go of it when it has waited for the server so many times.
async fn abandon<T>(work: impl Future<Output = T>, waits: usize) {
    let wait = async {
        for _ in 0..waits {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = work => {}
        () = wait => {}
    }
}

#[tokio::test]
async fn a_look_that_was_abandoned_leaves_no_transaction_open() {
    let home = Home::new();
    let store = Store::open(&home.database()).await.unwrap();
    write(&store, "one").await.unwrap();
    for waits in 0..40 {
        // Over a connection that is there, so that it is let go of in the middle of its transaction's beginning.
        assert!(read(&store, "one").await.unwrap());
        abandon(store.work(NOW, ALL, NOW), waits % 10).await;
    }
    let mut conn = home.connect().await;
    let begun = Instant::now();
    loop {
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity \
             where datname = current_database() and state like 'idle in transaction%'",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        if open == 0 {
            break;
        }
        // Sooner than the server would end them.
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{open} readers see what was, not what is"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn sessions_that_an_operator_ends_are_replaced() {
    let server = postgres::Server::start(&[]);
    let name = server.create_database();
    let store = open(&server.url(&name)).await;
    write(&store, "before").await.unwrap();
    assert!(read(&store, "before").await.unwrap());
    server.run(&format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    ));
    write_again(&store, "after").await;
    // A reader's connection that broke is used once more at most.
    let again = read(&store, "after").await;
    assert!(again.is_ok() || read(&store, "after").await.unwrap(), "{again:?}");
}

/// Passes bytes on between the store and the server, until it is told to fall silent.
struct Wire {
    port: u16,
    accepting: JoinHandle<()>,
    /// Of each connection, whatever passes its bytes on.
    passing: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Keeps the sockets open after that.
    held: Arc<Mutex<Vec<std::net::TcpStream>>>,
}

impl Wire {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let passing: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let held: Arc<Mutex<Vec<std::net::TcpStream>>> = Arc::default();
        let (all, sockets) = (Arc::clone(&passing), Arc::clone(&held));
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (near, far) = (near.into_std().unwrap(), far.into_std().unwrap());
                for socket in [&near, &far] {
                    sockets.lock().unwrap().push(socket.try_clone().unwrap());
                }
                let passing = tokio::spawn(async move {
                    let mut near = TcpStream::from_std(near).unwrap();
                    let mut far = TcpStream::from_std(far).unwrap();
                    // Either end may break off.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
                all.lock().unwrap().push(passing);
            }
        });
        Self { port, accepting, passing, held }
    }

    /// No byte of the present connections arrives any more, and neither end is told.
    fn fall_silent(&self) {
        for passing in self.passing.lock().unwrap().drain(..) {
            passing.abort();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
        self.fall_silent();
        self.held.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_in_time() {
    let server = postgres::Server::start(&[]);
    let wire = Wire::to(server.port()).await;
    let name = server.create_database();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", wire.port);
    let store = open(&url).await;
    write(&store, "before").await.unwrap();
    assert!(read(&store, "before").await.unwrap());
    wire.fall_silent();
    let begun = Instant::now();
    let (written, found) = tokio::join!(write(&store, "meanwhile"), read(&store, "before"));
    assert!(matches!(written, Err(StoreError::Unreachable(_))), "{written:?}");
    // A reader that was idle for a while is asked first whether it is still there, and replaced.
    assert!(matches!(found, Err(StoreError::Unreachable(_)) | Ok(true)), "{found:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // New connections work at once.
    let begun = Instant::now();
    write(&store, "after").await.unwrap();
    assert!(read(&store, "after").await.unwrap());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
