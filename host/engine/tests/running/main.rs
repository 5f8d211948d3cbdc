//! A whole engine with real plugins on a database file, under a clock that only the test moves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use waystation_engine::{
    AudienceSpec, Clock as _, ConditionSpec, ConnectionSpec, Engine, EngineError, HostSpec,
    LimitSpec, MailSpec, ManualClock, Parts, PermissionSpec, StoreSpec, Treatment, Unseal,
    UnsubscribeLinks,
};
use waystation_journey::{Enrollment, Lane, check, check_segment};
use waystation_sandbox::{Options, Relay, Sandbox};
use waystation_store::Store;
use waystation_store::records::{
    AttemptRow, ConnectionRow, CustomerPatch, Deliveries, EffectRow, Filter, NewEvent, Subject,
    Taken,
};

mod actions;
mod by_hand;
mod calendar;
mod compare;
mod effects;
mod examine;
mod fairness;
mod host_events;
mod journeys;
mod library;
#[path = "../../../../tests/e2e/mail.rs"]
mod mail;
mod policies;
mod polls;
mod releases;
mod restored;
mod retention;
mod shop;
#[path = "../../../sandbox/tests/it/synthetic.rs"]
mod synthetic;
mod timers;
mod unknowns;
mod values;

/// Where every clock starts.
const NOW: i64 = 1_750_000_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 3_600 * SECOND;
/// What has not come about by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// A port where no mail server listens.
const NOBODY: &str = "smtp://127.0.0.1:1?tls=none";

/// A running engine.
struct Host {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Host {
    async fn new() -> Self {
        Self::start(tempfile::tempdir().unwrap(), NOW).await
    }

    async fn start(folder: TempDir, now: i64) -> Self {
        Self::with(folder, now, NOBODY, None, Arc::new(reopen)).await
    }

    async fn with(
        folder: TempDir,
        now: i64,
        relay: &str,
        unsubscribe: Option<UnsubscribeLinks>,
        unseal: Unseal,
    ) -> Self {
        let releases = folder.path().join("releases");
        std::fs::create_dir_all(&releases).unwrap();
        let options = Options { instances: 8, ..Options::new(folder.path().join("cache")) };
        let clock = Arc::new(ManualClock::new(now));
        let told = Arc::clone(&clock);
        let parts = Parts {
            store: Arc::new(Store::open(&folder.path().join("test.db")).await.unwrap()),
            clock: clock.clone(),
            sandbox: Sandbox::new(&options).unwrap(),
            relays: [("default".to_owned(), Arc::new(Relay::new(relay).unwrap()))].into(),
            releases,
            plugin_clock: Arc::new(move || told.now().unsigned_abs()),
            unsubscribe,
            host: HostSpec::default(),
        };
        let engine = Engine::start(parts, unseal).await.unwrap();
        Self { engine, clock, folder }
    }

    /// Stops, and gives back the store as the next host will find it.
    async fn stop(self) -> (TempDir, Arc<Store>) {
        self.engine.stop().await;
        (self.folder, Arc::clone(self.engine.store()))
    }

    /// Puts a guest into use under a connection's name.
    async fn connect(&self, name: &str, guest: &str) {
        self.connect_wasm(name, guest, wasm(guest)).await;
    }

    async fn connect_wasm(&self, name: &str, guest: &str, wasm: Vec<u8>) {
        let digest = self.install(wasm).await;
        let row = ConnectionRow {
            name: name.to_owned(),
            plugin: guest.to_owned(),
            digest,
            config: "{}".to_owned(),
            permissions: "{}".to_owned(),
            limits: "{}".to_owned(),
            recording: "{}".to_owned(),
            secrets: String::new(),
            previous: None,
            canary: None,
            updated_at: NOW,
        };
        self.engine.put_connection(row, "test").await.unwrap();
    }

    /// Puts a component where the engine finds it; answers with its digest.
    async fn install(&self, wasm: Vec<u8>) -> String {
        let workshop = self.engine.workshop();
        let release = workshop.inspect(wasm.clone()).await.unwrap();
        std::fs::write(workshop.release_file(release.digest()), wasm).unwrap();
        release.digest().to_owned()
    }

    async fn apply(&self, file: &str) {
        let checked = check(file, Some(&self.engine.connections()));
        let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.problems));
        let how = Treatment::default();
        self.engine.apply_journey(file.to_owned(), program, how, "token t").await.unwrap();
    }

    /// Puts a segment into use.
    fn segment(&self, name: &str, when: &str) {
        let file = format!("segment: {name}\nwhen: '{when}'\n");
        let segments = self.engine.segments();
        let checked = check_segment(&file, &segments);
        let segment = checked.segment.unwrap_or_else(|| panic!("{:?}", checked.problems));
        self.engine.use_segments(segments.with(segment).unwrap());
    }

    /// Lets an event happen to a customer who has a phone and a mailbox.
    async fn happen(&self, event: &str, customer: &str) {
        let patch = CustomerPatch {
            id: customer.to_owned(),
            identities: [
                ("phone".to_owned(), format!("phone of {customer}")),
                ("email".to_owned(), format!("{customer}@example.com")),
            ]
            .into(),
            ..CustomerPatch::default()
        };
        self.engine.upsert_customers(vec![patch]).await.unwrap();
        let event = NewEvent {
            source: "test".to_owned(),
            id: format!("{event} {customer}"),
            name: event.to_owned(),
            subject: Subject::Customer(customer.to_owned()),
            at: self.clock.now(),
            subscription: None,
            lane: Lane::GENERAL,
            properties: serde_json::Map::new(),
        };
        assert_eq!(self.engine.take(vec![event]).await.unwrap(), [Taken::Accepted]);
    }

    fn advance(&self, milliseconds: i64) {
        self.clock.advance(Duration::from_millis(milliseconds.unsigned_abs()));
    }

    /// The customer's enrollment, once it is like this.
    async fn enrollment(&self, customer: &str, like: impl Fn(&Enrollment) -> bool) -> Enrollment {
        let filter = Filter { customer: Some(customer.to_owned()), limit: 1, ..Filter::default() };
        until(async || {
            let found = self.engine.store().enrollments(&filter).await.unwrap().pop();
            found.filter(&like)
        })
        .await
    }

    /// The customer's effect with its attempts, once it is like this.
    async fn effect(
        &self,
        customer: &str,
        like: impl Fn(&EffectRow) -> bool,
    ) -> (EffectRow, Vec<AttemptRow>) {
        let filter = Deliveries { customer: Some(customer.to_owned()), ..Deliveries::default() };
        until(async || {
            let found = self.engine.store().deliveries(&filter, 1).await.unwrap();
            let found = found.into_iter().next().filter(&like)?;
            self.engine.store().effect(&found.key).await.unwrap()
        })
        .await
    }
}

/// The component of a guest.
fn wasm(guest: &str) -> Vec<u8> {
    built(&format!("tests/guests/{guest}"))
}

/// The component of a plugin in this folder of the repository.
fn built(folder: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let built = waystation_build::build(&folder, &waystation_build::Options::default()).unwrap();
    std::fs::read(built.wasm).unwrap()
}

/// Looks until there is something, with a bound.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it came about in time")
}

/// Every connection may use the relay and see some of a customer; guests that neither send mail nor act have no use for it.
fn spec(name: &str) -> ConnectionSpec {
    let mail = MailSpec { relay: "default".to_owned(), senders: vec!["*".to_owned()] };
    ConnectionSpec {
        connection: name.to_owned(),
        plugin: "guest".to_owned(),
        config: serde_json::Map::new(),
        permissions: PermissionSpec {
            mail: Some(mail),
            store: Some(StoreSpec { kib: 1 }),
            audience: Some(AudienceSpec {
                fields: ["birthday", "zone"].map(str::to_owned).into(),
                conditions: if name == "calendar" {
                    ConditionSpec::Any
                } else {
                    ConditionSpec::Granted
                },
            }),
            customer_fields: ["name", "tags", "identity.email"].map(str::to_owned).into(),
            ..PermissionSpec::default()
        },
        limits: LimitSpec::default(),
        // Every call.
        recording: serde_json::from_str(r#"{"share":1,"keep":50}"#).unwrap(),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the engine asks for a result")]
fn reopen(row: &ConnectionRow) -> Result<(ConnectionSpec, BTreeMap<String, String>), EngineError> {
    Ok((spec(&row.name), BTreeMap::new()))
}
