//! A release in use: its configuration, secrets, permissions and limits, and the calls over it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    sync::Arc,
};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::{
    call::{self, Live},
    error::{CallError, SandboxError},
    guest::Context,
    limits::Limits,
    mask::Mask,
    outbound::{self, Outbound},
    permissions::log::LogSink,
    relay::Relay,
    release::Release,
    sandbox::Sandbox,
    tape::{Recorder, Tape},
};

/// Tells the time in milliseconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

const CONFIG_BYTES_MAX: usize = 256 << 10;
const SECRETS_MAX: usize = 100;
/// Bytes that a connection may be given to keep values in.
const STORE_BYTES: RangeInclusive<u64> = (1 << 10)..=(64 << 20);
pub(crate) const SECRET_BYTES_MAX: usize = 64 << 10;

/// A secret's value. It is not shown when it is printed for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Wraps a value of at most 64 KiB.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// What a connection may do besides what every plugin may. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Names of the secrets that it may use without seeing them, each with the origins that it may be sent to in an HTTP
    /// request, written as in [`HttpGrant::origins`]. Without an origin the secret serves `hmac` only.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// Names of the secrets whose plain value it may read.
    pub reveal: BTreeSet<String>,
}

/// Leave to send HTTP requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// Allowed origins: `https://api.example.com`, `https://*.example.com` for every name below it, with `:port` where it is
    /// not the scheme's own.
    pub origins: BTreeSet<String>,
    /// Private, loopback and other special networks that may be reached all the same, such as `10.1.0.0/16` or `::1/128`.
    /// Public addresses need no entry.
    pub networks: Vec<ipnet::IpNet>,
    /// Redirects that are followed for one request, 0 .. 10. Each hop must be allowed like a request of its own.
    pub redirects: u8,
}

/// Leave to keep values.
#[derive(Clone)]
pub struct StoreGrant {
    /// Bytes of all keys and values together, 1 KiB .. 64 MiB.
    pub bytes: u64,
    /// Where the values are kept.
    pub source: Arc<dyn KeyValues>,
}

impl fmt::Debug for StoreGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreGrant").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Why a value could not be read or written; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueError {
    /// The space is used up.
    Full,
    /// The store failed; the text is shown to the plugin.
    Unavailable(String),
}

/// Values by connection and key, as the host keeps them. Keys have at most 256 bytes, values at most 64 KiB, and a call at
/// most 1,000 of them.
pub trait KeyValues: Send + Sync {
    /// Values of the keys, in order.
    fn get<'a>(
        &'a self,
        connection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, KeyValueError>>;

    /// Sets or, with `None`, deletes values: all or none. `bytes` bounds all keys and values of the connection together.
    fn set<'a>(
        &'a self,
        connection: &'a str,
        entries: &'a [(String, Option<Vec<u8>>)],
        bytes: u64,
    ) -> BoxFuture<'a, Result<(), KeyValueError>>;

    /// Sets a value if the present one equals `old`; says whether it did.
    fn swap<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        old: Option<&'a [u8]>,
        new: Option<&'a [u8]>,
        bytes: u64,
    ) -> BoxFuture<'a, Result<bool, KeyValueError>>;
}

/// Leave to send mail over a relay.
#[derive(Debug, Clone)]
pub struct MailGrant {
    /// Where mail is handed over.
    pub relay: Arc<Relay>,
    /// Allowed envelope senders: `news@example.com`, `*@example.com`, or `*`. None allows nothing.
    pub senders: Vec<String>,
}

/// Leave to take codes from pools.
#[derive(Clone)]
pub struct CodesGrant {
    /// Names of the pools.
    pub pools: BTreeSet<String>,
    /// Where the pools are kept.
    pub source: Arc<dyn CodePools>,
}

impl fmt::Debug for CodesGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodesGrant").field("pools", &self.pools).finish_non_exhaustive()
    }
}

/// Pools of coupon codes, as the host keeps them. Both functions get at most 1,000 keys; an error's text is shown to the
/// plugin and means that nothing changed.
pub trait CodePools: Send + Sync {
    /// One code for each key, in order; `None` for keys that came after the pool was empty. A key that took a code before
    /// gets the same one.
    fn take<'a>(
        &'a self,
        pool: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, String>>;

    /// Returns the codes that these keys took; keys without one are passed over.
    fn give_back<'a>(
        &'a self,
        pool: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<(), String>>;
}

/// Leave to read customers.
#[derive(Clone)]
pub struct AudienceGrant {
    /// The fields that it is told: names of attributes, `identity.<kind>` or `tags`.
    pub fields: BTreeSet<String>,
    /// Whether its conditions may read any field, or only those that it is told.
    pub conditions: Conditions,
    /// Where the customers are.
    pub source: Arc<dyn Audience>,
}

/// What a plugin's conditions may read. Whoever may ask any question of a field learns its value in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conditions {
    /// The granted fields only, besides events and segments.
    #[default]
    Granted,
    /// Whatever a segment may read.
    Any,
}

impl fmt::Debug for AudienceGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudienceGrant")
            .field("fields", &self.fields)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

/// What a plugin asks of an audience, within the bounds that the contract sets.
#[derive(Debug, Clone, Copy)]
pub struct AudienceQuestion<'a> {
    /// Who asks.
    pub connection: &'a str,
    /// A condition as segments have it, at most 8 KiB.
    pub expression: &'a str,
    /// What the connection may see.
    pub grant: &'a AudienceGrant,
    /// The `next` of the page before.
    pub after: Option<&'a str>,
    /// Most members, 1 .. 10,000.
    pub limit: u32,
    /// Bytes of members after which the page ends.
    pub bytes: usize,
}

/// A customer, as far as the connection may see one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AudienceMember {
    /// The host's identifier.
    pub customer: String,
    /// Granted fields that have a value.
    pub fields: Vec<(String, String)>,
}

/// A part of an audience. It may have fewer members than were asked for, though more follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AudiencePage {
    /// In the order of their identifiers.
    pub members: Vec<AudienceMember>,
    /// Where the next part starts, at most 512 bytes; absent at the end.
    pub next: Option<String>,
}

/// Why an audience cannot be read. The text is shown to the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudienceError {
    /// The expression is no condition, or reads what was not granted.
    Invalid(String),
    /// The customers cannot be read now.
    Unavailable(String),
}

/// The customers, as the host keeps them.
pub trait Audience: Send + Sync {
    /// The customers that match a condition, a part at a time. The time of an answer does not depend on how many there are.
    fn read<'a>(
        &'a self,
        question: AudienceQuestion<'a>,
    ) -> BoxFuture<'a, Result<AudiencePage, AudienceError>>;
}

/// What an operator decided about a connection.
#[derive(Clone)]
pub struct Settings {
    /// Name by which journeys know it.
    pub name: String,
    /// JSON object that the plugin reads, at most 256 KiB. Whether it fits the manifest's schema is the caller's to check.
    pub config: String,
    /// Secrets by name, at most 100. Without a permission the plugin cannot use them.
    pub secrets: BTreeMap<String, SecretValue>,
    /// What it may do.
    pub permissions: Permissions,
    /// How much one call may use.
    pub limits: Limits,
    /// What time the plugin is told.
    pub clock: Clock,
    /// Leave to send HTTP requests, if it has that.
    pub http: Option<HttpGrant>,
    /// Leave to send mail, if it has that.
    pub mail: Option<MailGrant>,
    /// Leave to take codes, if it has that.
    pub codes: Option<CodesGrant>,
    /// Leave to keep values, if it has that.
    pub store: Option<StoreGrant>,
    /// Leave to read customers, if it has that.
    pub audience: Option<AudienceGrant>,
    /// Records a share of its calls, if it is to be recorded.
    pub recorder: Option<Recorder>,
    /// Where the plugin's log lines go besides the host's log.
    pub log: Option<Arc<dyn LogSink>>,
}

impl Settings {
    /// Settings with an empty configuration, default limits and no permission.
    pub fn new(name: impl Into<String>, clock: Clock) -> Self {
        Self {
            name: name.into(),
            config: "{}".to_owned(),
            secrets: BTreeMap::new(),
            permissions: Permissions::default(),
            limits: Limits::default(),
            clock,
            http: None,
            mail: None,
            codes: None,
            store: None,
            audience: None,
            recorder: None,
            log: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("secrets", &self.secrets)
            .field("permissions", &self.permissions)
            .field("limits", &self.limits)
            .field("http", &self.http)
            .field("mail", &self.mail)
            .field("codes", &self.codes)
            .field("store", &self.store)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// A release in use. Its methods are the plugin's functions; each call gets a fresh sandbox that is dropped afterwards.
///
/// Methods take batches of at most 1,000; larger ones are not begun. Share a connection in an [`Arc`].
pub struct Connection {
    sandbox: Arc<Sandbox>,
    release: Arc<Release>,
    context: Arc<Context>,
    turns: Semaphore,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.context.connection)
            .field("release", &self.context.release)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Sets a connection up. Nothing of the plugin runs yet.
    ///
    /// # Errors
    /// [`SandboxError::Settings`] names what is out of bounds.
    pub fn new(
        sandbox: Arc<Sandbox>,
        release: Arc<Release>,
        settings: Settings,
    ) -> Result<Self, SandboxError> {
        let fault = |detail| SandboxError::Settings { connection: settings.name.clone(), detail };
        check(&settings).map_err(fault)?;
        let usable_secrets = settings
            .permissions
            .secrets
            .iter()
            .map(|(name, origins)| {
                let what = format!("permissions.secrets.{name}");
                Ok((name.clone(), outbound::patterns(&what, origins)?))
            })
            .collect::<Result<_, _>>()
            .map_err(fault)?;
        let http = settings
            .http
            .as_ref()
            .map(|grant| Outbound::new(grant, Arc::clone(&sandbox.network)))
            .transpose()
            .map_err(fault)?;
        let turns = Semaphore::new(settings.limits.concurrency as usize);
        let context = Arc::new(Context {
            mask: Arc::new(Mask::new(&settings.secrets)),
            connection: settings.name,
            release: Arc::clone(&release.label),
            config: settings.config,
            secrets: Arc::new(settings.secrets),
            usable_secrets,
            revealed_secrets: settings.permissions.reveal,
            limits: settings.limits,
            clock: settings.clock,
            http,
            mail: settings.mail,
            codes: settings.codes,
            store: settings.store,
            audience: settings.audience,
            recorder: settings.recorder,
            log: settings.log,
        });
        Ok(Self { sandbox, release, context, turns })
    }

    /// Name by which journeys know it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.context.connection
    }

    /// The plugin that it uses.
    #[must_use]
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// The time that its plugins are told.
    pub(crate) fn now(&self) -> u64 {
        (self.context.clock)()
    }

    /// What its calls share.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Waits for a turn and starts a sandbox.
    pub(crate) async fn open(&self, tape: &Tape) -> Result<Live<'_>, CallError> {
        call::open(&self.sandbox, &self.release.pre, &self.context, Some(&self.turns), tape).await
    }
}

fn check(settings: &Settings) -> Result<(), String> {
    settings.limits.check()?;
    if settings.config.len() > CONFIG_BYTES_MAX {
        return Err(format!(
            "the configuration has {} bytes, more than the {CONFIG_BYTES_MAX} allowed",
            settings.config.len()
        ));
    }
    match serde_json::from_str::<serde_json::Value>(&settings.config) {
        Ok(serde_json::Value::Object(_)) => {}
        Ok(_) => return Err("the configuration is not a JSON object".to_owned()),
        Err(error) => return Err(format!("the configuration is not JSON: {error}")),
    }
    if settings.secrets.len() > SECRETS_MAX {
        return Err(format!(
            "it has {} secrets, more than the {SECRETS_MAX} allowed",
            settings.secrets.len()
        ));
    }
    if let Some(grant) = &settings.store
        && !STORE_BYTES.contains(&grant.bytes)
    {
        return Err(format!(
            "the store's space is {} bytes; it must be from {} to {}",
            grant.bytes,
            STORE_BYTES.start(),
            STORE_BYTES.end()
        ));
    }
    match settings.secrets.iter().find(|(_, value)| value.expose().len() > SECRET_BYTES_MAX) {
        Some((name, _)) => {
            Err(format!("the secret {name} has more than the {SECRET_BYTES_MAX} bytes allowed"))
        }
        None => Ok(()),
    }
}
