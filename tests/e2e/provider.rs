//! A provider that takes its time, for the plugin `webhook`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;

use crate::server::Server;

/// A provider that answers every request after a while.
pub(crate) struct Provider {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    open: usize,
    most: usize,
    /// How often each message came.
    messages: BTreeMap<String, usize>,
}

impl Provider {
    pub(crate) async fn start(takes: Duration) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let take = async move |State(seen): State<Arc<Mutex<Seen>>>, headers: HeaderMap| {
            {
                let mut seen = seen.lock().unwrap();
                seen.open += 1;
                seen.most = seen.most.max(seen.open);
            }
            tokio::time::sleep(takes).await;
            let mut seen = seen.lock().unwrap();
            seen.open -= 1;
            *seen
                .messages
                .entry(headers["webhook-id"].to_str().unwrap().to_owned())
                .or_default() += 1;
        };
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen }
    }

    /// Requests that were under way at the same time, at most.
    pub(crate) fn most(&self) -> usize {
        self.seen.lock().unwrap().most
    }

    /// How often each message came.
    pub(crate) fn messages(&self) -> BTreeMap<String, usize> {
        self.seen.lock().unwrap().messages.clone()
    }

    /// Installs the plugin and applies the connection `push`, which hands over one message in a call.
    pub(crate) fn connect(&self, server: &Server, concurrency: u32) {
        let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/webhook");
        let built = waystation_build::build(&plugin, &waystation_build::Options::default())
            .expect("the plugin builds");
        server.run(&["plugin", "install", built.wasm.to_str().unwrap()]);
        let origin = format!("http://{}", self.address);
        let file = server.write(
            "push.yaml",
            &format!(
                "connection: push\nplugin: webhook\n\
                 config: {{ url: '{origin}/', address: phone, max_batch: 1, dedupe_seconds: 86400 }}\n\
                 permissions: {{ http: {{ origins: ['{origin}'], networks: [127.0.0.0/8] }}, secrets: [signing-key] }}\n\
                 limits: {{ concurrency: {concurrency} }}\n\
                 secrets: {{ signing-key: {{ value: a-key-of-some-length-for-signing }} }}\n"
            ),
        );
        server.run(&["connection", "apply", &file]);
    }
}
