//! A running server: data folder, engine and HTTP listener together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};
use waystation_engine::{
    Clock, Engine, HostSpec, Parts, SharedClock, SystemClock, Unseal, UnsubscribeLinks,
};
use waystation_sandbox::{Relay, Sandbox, Sweep};
use waystation_store::{Database, Store};

use crate::api::{App, Tokens, new_token, reopen, router};
use crate::folder::Folder;
use crate::ingress::{Ingress, Source};
use crate::listen::{Limits, serve};
use crate::random;
use crate::telemetry::{self, MetricsExport};
use crate::vault::Vault;

/// How long open requests may take after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// Pause after the database could not be read.
const RETRY: Duration = Duration::from_millis(500);

/// The sealed setting that every workspace has: whether a key is the right one shows by it.
pub(crate) const UNSUBSCRIBE_KEY: &str = "unsubscribe_key";

/// How a server is set up.
pub(crate) struct Options {
    /// Folder for the database, the components and the key; made if it is missing.
    pub(crate) data: PathBuf,
    /// The workspace's database, if it is not a file in the data folder.
    pub(crate) database: Option<Database>,
    /// SMTP relays: URL by name.
    pub(crate) relays: BTreeMap<String, String>,
    /// Address under which customers reach the server.
    pub(crate) public_url: Option<String>,
    /// Key that seals secrets; from a file in the data folder if absent.
    pub(crate) key: Option<String>,
    /// The engine's time; if absent, the system's, or that of a database which several hosts share.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// Where counters are delivered, if anywhere.
    pub(crate) metrics: Option<MetricsExport>,
    /// A stream that events come by, if any.
    pub(crate) stream: Option<Source>,
}

/// A running server.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The first token, if the workspace is new; shown once.
    pub(crate) new_token: Option<String>,
    pub(crate) engine: Arc<Engine>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    /// Reads tokens anew when other hosts change them.
    following: JoinHandle<()>,
    /// Reads the stream until the server stops.
    ingress: Option<Ingress>,
    /// Delivers counters until the server stops.
    metering: Option<(MetricsExport, JoinHandle<()>)>,
    /// Held so that no second process opens it.
    _folder: Arc<Folder>,
}

/// Opens the data folder, starts the engine and listens.
pub(crate) async fn start(listener: TcpListener, options: Options) -> anyhow::Result<Server> {
    let folder = Arc::new(Folder::open(&options.data)?);
    let vault = Arc::new(Vault::open(options.key.as_deref(), &options.data.join("key"))?);
    let database = options.database.unwrap_or_else(|| database_in(&options.data));
    let store = Arc::new(Store::open(&database).await?);
    let shared_clock = Arc::<SharedClock>::default();
    let clock = options.clock.unwrap_or_else(|| {
        if store.is_shared() {
            Arc::clone(&shared_clock) as Arc<dyn Clock>
        } else {
            Arc::new(SystemClock)
        }
    });
    let unsubscribe_key = unsubscribe_key(&store, &vault).await?;
    let relays = options
        .relays
        .iter()
        .map(|(name, url)| {
            Ok((
                name.clone(),
                Arc::new(Relay::new(url).with_context(|| format!("relay `{name}`"))?),
            ))
        })
        .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let parts = Parts {
        store: Arc::clone(&store),
        clock,
        sandbox: Sandbox::new(&waystation_sandbox::Options::new(options.data.join("cache")))?,
        relays,
        releases: options.data.join("releases"),
        plugin_clock: Arc::new(|| SystemClock.now().unsigned_abs()),
        unsubscribe: options
            .public_url
            .map(|url| UnsubscribeLinks::new(&url, unsubscribe_key.into_bytes())),
        host: host(listener.local_addr()?, shared_clock, &folder),
    };
    tidy(&store, &parts.sandbox).await?;
    let opener = Arc::clone(&vault);
    let unseal: Unseal = Arc::new(move |row| reopen(&opener, row));
    let engine = Engine::start(parts, unseal).await?;
    let address = listener.local_addr()?;
    // Last of all that can fail: a new token is shown once, and must not be lost with a start that failed.
    let (tokens, new_token) = tokens(&store, engine.now()).await?;
    let (stop, stopped) = watch::channel(false);
    let ingress =
        options.stream.map(|source| Ingress::start(source, Arc::clone(&engine), stopped.clone()));
    let status = ingress.as_ref().map(|ingress| Arc::clone(&ingress.status));
    let tokens = Arc::new(tokens);
    let following = tokio::spawn(follow_tokens(
        store,
        Arc::clone(&tokens),
        engine.configurations(),
        stopped.clone(),
    ));
    let app = App::new(Arc::clone(&engine), vault, tokens, status, stopped.clone());
    let serving =
        tokio::spawn(serve(listener, router(app), Limits::of_this_process(), stop.subscribe()));
    let metering = options.metrics.map(|export| {
        let metering = meter(Arc::clone(&engine), export.clone(), stop.subscribe());
        (export, tokio::spawn(metering))
    });
    info!(%address, data = %options.data.display(), %database, "listening");
    Ok(Server {
        address,
        new_token,
        engine,
        stop,
        serving,
        following,
        ingress,
        metering,
        _folder: folder,
    })
}

impl Server {
    /// Takes no more requests, lets open ones and running calls end, records what came of them, and closes the database.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        info!("stopping: open requests and calls may end first");
        self.stop.send_replace(true);
        let abort = self.serving.abort_handle();
        match tokio::time::timeout(DRAIN, self.serving).await {
            Ok(served) => served.context("the listener failed")?,
            Err(_) => abort.abort(),
        }
        if let Some(ingress) = self.ingress {
            ingress.ended(DRAIN).await;
        }
        self.engine.stop().await;
        self.following.await.context("tokens were not followed to the end")?;
        if let Some((export, metering)) = self.metering {
            metering.await.context("the delivery of counters failed")?;
            deliver(&self.engine, &export).await;
        }
        self.engine.store().close().await;
        info!("stopped");
        Ok(())
    }
}

/// What this process is among the hosts that share a database.
fn host(address: SocketAddr, clock: Arc<SharedClock>, folder: &Arc<Folder>) -> HostSpec {
    let remembering = Arc::clone(folder);
    HostSpec {
        name: host_name(address),
        clock,
        former: folder.former_session(),
        began: Some(Box::new(move |joined| {
            if let Err(error) = remembering.remember(joined) {
                warn!(%error, "the session cannot be noted in the data folder; if this process is killed, the next one waits until the session is over");
            }
        })),
    }
}

/// What operators know this host by among those that share a database.
fn host_name(address: SocketAddr) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match machine.trim() {
        "" => address.to_string(),
        machine => format!("{machine} {address}"),
    }
}

/// Delivers counters from time to time until the server stops.
async fn meter(engine: Arc<Engine>, export: MetricsExport, mut stop: watch::Receiver<bool>) {
    let mut period = tokio::time::interval(telemetry::PERIOD);
    loop {
        tokio::select! {
            _ = period.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        deliver(&engine, &export).await;
    }
}

async fn deliver(engine: &Engine, export: &MetricsExport) {
    export.push(&engine.metrics().text()).await;
}

/// The key of unsubscribe links, made on the first start and sealed at rest.
async fn unsubscribe_key(store: &Store, vault: &Vault) -> anyhow::Result<String> {
    let name = UNSUBSCRIBE_KEY;
    let new = BTreeMap::from([(name.to_owned(), random::hex::<32>()?)]);
    let sealed = store.setting_or(name, vault.seal(name, &new)?).await?;
    vault.unseal(name, &sealed)?.remove(name).context("the key of unsubscribe links is missing")
}

/// Deletes compiled code that another version of the server left, and that of releases that are gone.
async fn tidy(store: &Store, sandbox: &Arc<Sandbox>) -> anyhow::Result<()> {
    let known = store.releases().await?.into_iter().map(|release| release.digest).collect();
    let sandbox = Arc::clone(sandbox);
    let swept = tokio::task::spawn_blocking(move || sandbox.tidy(&known, Sweep::Delete)).await?;
    match swept {
        Ok(swept) if swept.files > 0 => {
            info!(
                files = swept.files,
                bytes = swept.bytes,
                "compiled code that nothing needs was deleted"
            );
        }
        Ok(_) => {}
        Err(error) => warn!(%error, "the folder of compiled code cannot be tidied"),
    }
    Ok(())
}

async fn tokens(store: &Store, now: i64) -> anyhow::Result<(Tokens, Option<String>)> {
    let known = store.tokens().await?;
    if !known.is_empty() {
        return Ok((Tokens::new(known), None));
    }
    let (token, row) = new_token()?;
    // Another host may start the same workspace at this moment: then the token is the one that it shows.
    let added = store.add_first_token(row, now).await?;
    Ok((Tokens::new(store.tokens().await?), added.then_some(token)))
}

/// Takes up tokens that other hosts made and drops those that they revoked, until `stop`.
async fn follow_tokens(
    store: Arc<Store>,
    tokens: Arc<Tokens>,
    mut configuration: watch::Receiver<i64>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            changed = configuration.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        while let Err(error) = store.tokens().await.map(|rows| tokens.replace(rows)) {
            error!(%error, "the API tokens cannot be read; those of before hold until they can");
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// The database of a data folder.
pub(crate) fn database_in(data: &Path) -> Database {
    Database::Sqlite(data.join("waystation.db"))
}
