//! Loading releases and setting connections up with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use waystation_journey::{ChannelFacts, ConnectionFacts, ContentKind};
use waystation_sandbox::contract::{action, channel, coupon, trigger_source};
use waystation_sandbox::{
    AudienceGrant, CodesGrant, Conditions, Connection, HttpGrant, Kind, Limits, MailGrant,
    Permissions, Relay, Release, Sandbox, SecretValue, Settings, StoreGrant,
};
use waystation_store::Store;

use crate::actions::{Terms, check_fields, parameters_schema};
use crate::audience::StoredAudience;
use crate::codes::StoredPools;
use crate::error::EngineError;
use crate::plugin_log::PluginLog;
use crate::recordings::Recordings;
use crate::spec::{ConditionSpec, ConnectionSpec};
use crate::values::StoredValues;

/// A loaded connection.
#[derive(Debug)]
pub struct Link {
    /// The release in use with its settings.
    pub connection: Connection,
    /// Present if it is a channel.
    pub channel: Option<channel::Traits>,
    /// Present if it issues coupons.
    pub coupon: Option<coupon::Traits>,
    /// Present if it is an action.
    pub action: Option<action::Traits>,
    /// Present if it is a trigger source.
    pub trigger_source: Option<trigger_source::Traits>,
    /// A place for each call that may run at the same time.
    pub(crate) slots: Arc<Semaphore>,
    /// How many places there are, for all hosts together.
    pub(crate) concurrency: u32,
    /// Calls under way.
    pub(crate) calls: crate::links::Calls,
    /// Milliseconds after which a call has ended, waiting for its turn included.
    pub(crate) longest_call_ms: i64,
    /// Effects handed over in a second.
    pub(crate) rate_per_s: Option<u32>,
    /// Bytes of effects that one call is given: an eighth of its memory, as a plugin copies what it gets a few times.
    pub(crate) batch_bytes: usize,
    pub(crate) facts: ConnectionFacts,
    /// What its actions take and may see.
    pub(crate) terms: Terms,
}

/// Releases by digest, each behind a lock of its own so that it is loaded once.
pub(crate) type Loaded = Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Weak<Release>>>>>;

/// What connections are made with.
pub struct Workshop {
    /// Where plugins run.
    pub sandbox: Arc<Sandbox>,
    pub(crate) store: Arc<Store>,
    /// SMTP relays by name.
    pub relays: BTreeMap<String, Arc<Relay>>,
    /// Folder with one `<digest>.wasm` for each release.
    pub releases: PathBuf,
    /// What plugins see as the time of day.
    pub clock: waystation_sandbox::Clock,
    pub(crate) pools: Arc<StoredPools>,
    /// Where plugins' log lines are kept for a while.
    pub(crate) log: Arc<PluginLog>,
    /// Releases in use, by digest.
    pub(crate) loaded: Loaded,
    pub(crate) values: Arc<StoredValues>,
    pub(crate) audience: Arc<StoredAudience>,
    pub(crate) recordings: Arc<Recordings>,
}

impl Workshop {
    /// Checks and loads a component. Nothing is stored.
    ///
    /// # Errors
    /// [`EngineError::Sandbox`] saying what is wrong with it.
    pub async fn inspect(&self, wasm: Vec<u8>) -> Result<Arc<Release>, EngineError> {
        Ok(self.sandbox.load(wasm.into()).await?)
    }

    /// Path of an installed release's component.
    #[must_use]
    pub fn release_file(&self, digest: &str) -> PathBuf {
        self.releases.join(format!("{digest}.wasm"))
    }

    /// An installed release. It is loaded once, however many connections use it.
    pub(crate) async fn release(&self, digest: &str) -> Result<Arc<Release>, EngineError> {
        let place = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            // What nobody uses any more, and nobody is loading.
            loaded.retain(|_, place| {
                Arc::strong_count(place) > 1
                    || place.try_lock().is_ok_and(|release| release.strong_count() > 0)
            });
            Arc::clone(loaded.entry(digest.to_owned()).or_default())
        };
        // Whoever asks for the same release meanwhile waits for this load; others do not.
        let mut place = place.lock().await;
        if let Some(release) = place.upgrade() {
            return Ok(release);
        }
        let release = self.load(digest).await?;
        *place = Arc::downgrade(&release);
        Ok(release)
    }

    async fn load(&self, digest: &str) -> Result<Arc<Release>, EngineError> {
        let file = self.release_file(digest);
        let wasm = self.component(digest).await?;
        let release = self.inspect(wasm).await?;
        if release.digest() != digest {
            return Err(EngineError::Invalid(format!(
                "{} is not the component that was installed; install it again",
                file.display()
            )));
        }
        Ok(release)
    }

    /// Loads a release and sets the connection up with it.
    ///
    /// # Errors
    /// If the release is missing or does not load, the settings are not valid, or the plugin's own check has objections.
    pub async fn connect(
        &self,
        spec: &ConnectionSpec,
        digest: &str,
        secrets: BTreeMap<String, String>,
    ) -> Result<Link, EngineError> {
        let release = self.release(digest).await?;
        check_config(&spec.connection, &release.manifest().config_schema, &spec.config)?;
        let kinds = release.kinds().to_vec();
        let settings = self.settings(spec, secrets)?;
        let connection = Connection::new(Arc::clone(&self.sandbox), release, settings)?;
        let failed = |error| EngineError::Call { connection: spec.connection.clone(), error };
        if let Err(problems) = connection.check().await.map_err(failed)? {
            let listed: Vec<String> = problems
                .iter()
                .map(|problem| format!("config{}: {}", problem.path, problem.message))
                .collect();
            return Err(EngineError::Invalid(format!(
                "connection {}: the plugin objects: {}",
                spec.connection,
                listed.join("; ")
            )));
        }
        let has = |kind| kinds.contains(&kind);
        let channel = if has(Kind::Channel) {
            Some(connection.channel_traits().await.map_err(failed)?)
        } else {
            None
        };
        let coupon = if has(Kind::Coupon) {
            Some(connection.coupon_traits().await.map_err(failed)?)
        } else {
            None
        };
        let action = if has(Kind::Action) {
            Some(connection.action_traits().await.map_err(failed)?)
        } else {
            None
        };
        let terms =
            Terms::new(action.as_ref(), &spec.permissions.customer_fields).map_err(|fault| {
                EngineError::Invalid(format!("connection {}: {fault}", spec.connection))
            })?;
        let trigger_source = if has(Kind::TriggerSource) {
            Some(connection.trigger_source_traits().await.map_err(failed)?)
        } else {
            None
        };
        let facts = ConnectionFacts {
            channel: channel.as_ref().map(|traits| ChannelFacts {
                address: traits.address.clone(),
                contents: traits
                    .contents
                    .iter()
                    .filter_map(|word| ContentKind::parse(word))
                    .collect(),
            }),
            coupon: coupon.is_some(),
            action: action.is_some(),
            parameters: action.as_ref().map(|traits| parameters_schema(&traits.parameters_schema)),
            trigger_source: trigger_source.is_some(),
            subscription: trigger_source
                .as_ref()
                .map(|traits| parameters_schema(&traits.subscription_schema)),
        };
        Ok(Link {
            connection,
            channel,
            coupon,
            action,
            trigger_source,
            slots: Arc::new(Semaphore::new(spec.limits.concurrency as usize)),
            concurrency: spec.limits.concurrency,
            calls: crate::links::Calls::default(),
            longest_call_ms: i64::try_from(spec.limits.call_ms)
                .unwrap_or(i64::MAX)
                .saturating_add(i64::try_from(Limits::default().wait.as_millis()).unwrap_or(0)),
            rate_per_s: spec.limits.rate_per_s,
            batch_bytes: usize::try_from(spec.limits.memory_mib << 20).unwrap_or(usize::MAX) / 8,
            facts,
            terms,
        })
    }

    pub(crate) fn settings(
        &self,
        spec: &ConnectionSpec,
        secrets: BTreeMap<String, String>,
    ) -> Result<Settings, EngineError> {
        let invalid =
            |what: String| EngineError::Invalid(format!("connection {}: {what}", spec.connection));
        let http = spec.permissions.http.as_ref().map(|http| HttpGrant {
            origins: http.origins.clone(),
            networks: http.networks.clone(),
            redirects: http.redirects,
        });
        let mail = match &spec.permissions.mail {
            None => None,
            Some(mail) => {
                let relay = self.relays.get(&mail.relay).cloned().ok_or_else(|| {
                    let known: Vec<&str> = self.relays.keys().map(String::as_str).collect();
                    invalid(format!(
                        "permissions.mail.relay: there is no relay `{}`; the server was started with: {}",
                        mail.relay,
                        if known.is_empty() { "none (see --relay)".to_owned() } else { known.join(", ") }
                    ))
                })?;
                Some(MailGrant { relay, senders: mail.senders.clone() })
            }
        };
        let config = serde_json::Value::Object(spec.config.clone()).to_string();
        let codes = (!spec.permissions.codes.is_empty()).then(|| CodesGrant {
            pools: spec.permissions.codes.clone(),
            source: Arc::clone(&self.pools) as Arc<dyn waystation_sandbox::CodePools>,
        });
        spec.recording.check().map_err(invalid)?;
        let store = spec.permissions.store.as_ref().map(|store| StoreGrant {
            bytes: store.kib.saturating_mul(1024),
            source: Arc::clone(&self.values) as Arc<dyn waystation_sandbox::KeyValues>,
        });
        let audience = match &spec.permissions.audience {
            None => None,
            Some(audience) => {
                check_fields(&audience.fields, "permissions.audience.fields").map_err(invalid)?;
                Some(AudienceGrant {
                    fields: audience.fields.clone(),
                    conditions: match audience.conditions {
                        ConditionSpec::Granted => Conditions::Granted,
                        ConditionSpec::Any => Conditions::Any,
                    },
                    source: Arc::clone(&self.audience) as Arc<dyn waystation_sandbox::Audience>,
                })
            }
        };
        Ok(Settings {
            config,
            secrets: secrets
                .into_iter()
                .map(|(name, value)| (name, SecretValue::new(value)))
                .collect(),
            permissions: Permissions {
                secrets: spec.permissions.secrets.clone(),
                reveal: spec.permissions.reveal.clone(),
            },
            limits: Limits {
                memory: spec.limits.memory_mib << 20,
                wall_time: Duration::from_millis(spec.limits.call_ms),
                concurrency: spec.limits.concurrency,
                response_bytes: spec.limits.response_kib << 10,
                ..Limits::default()
            },
            http,
            mail,
            codes,
            store,
            audience,
            recorder: Some(self.recordings.recorder(&spec.connection, &spec.recording)),
            log: Some(Arc::clone(&self.log) as Arc<dyn waystation_sandbox::LogSink>),
            ..Settings::new(spec.connection.clone(), Arc::clone(&self.clock))
        })
    }
}

/// Holds a configuration against the plugin's schema, and names every place that does not fit.
fn check_config(
    connection: &str,
    schema: &str,
    config: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), EngineError> {
    /// Faults that are told at once.
    const FAULTS: usize = 20;
    if schema.is_empty() {
        return Ok(());
    }
    // It was found to be a schema when the release was installed.
    let invalid = |what: String| EngineError::Invalid(format!("connection {connection}: {what}"));
    let unusable = |error: String| invalid(format!("the plugin's configuration schema: {error}"));
    let schema: serde_json::Value =
        serde_json::from_str(schema).map_err(|error| unusable(error.to_string()))?;
    let validator =
        jsonschema::draft202012::new(&schema).map_err(|error| unusable(error.to_string()))?;
    let config = serde_json::Value::Object(config.clone());
    let faults: Vec<String> = validator
        .iter_errors(&config)
        .take(FAULTS)
        .map(|error| format!("config{}: {error}", error.instance_path()))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(invalid(faults.join("; "))) }
}

pub(crate) fn file_error(path: &Path, error: std::io::Error) -> EngineError {
    EngineError::File { path: path.display().to_string(), error }
}
