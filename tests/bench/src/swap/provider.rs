//! An HTTP server that takes batches of messages and journals when each came.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::pipeline::customer_number;

/// Largest batch: a hundred messages of a kilobyte, with room.
const BODY: usize = 4 << 20;

/// When the message of each customer came, each time.
type Journal = HashMap<usize, Vec<Instant>>;

pub(super) struct Provider {
    address: SocketAddr,
    journal: Arc<Mutex<Journal>>,
    serving: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Batch {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    customer: String,
}

impl Provider {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let journal = Arc::<Mutex<Journal>>::default();
        let router = Router::new()
            .route("/", post(take))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(Arc::clone(&journal));
        let serving = tokio::spawn(async move {
            // It ends with the measurement.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, journal, serving })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Customers whose message came.
    pub(super) fn count(&self) -> usize {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn journal(&self) -> Journal {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(journal): State<Arc<Mutex<Journal>>>, Json(batch): Json<Batch>) {
    let now = Instant::now();
    let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
    for message in batch.messages {
        if let Some(number) = customer_number(&message.customer) {
            journal.entry(number).or_default().push(now);
        }
    }
}
