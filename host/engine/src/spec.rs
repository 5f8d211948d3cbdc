//! What an operator writes about a connection.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};
use waystation_sandbox::IpNet;

/// What an operator writes about a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSpec {
    /// Name that journeys use: lower kebab case, at most 64 characters.
    pub connection: String,
    /// The plugin: its name (the newest installed release), `name@version`, or a release's digest.
    pub plugin: String,
    /// What the plugin reads as its configuration.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What it may do.
    #[serde(default)]
    pub permissions: PermissionSpec,
    /// How much a call may use.
    #[serde(default)]
    pub limits: LimitSpec,
    /// How many of its calls are recorded, for comparing releases.
    #[serde(default)]
    pub recording: RecordingSpec,
}

/// What a connection may do. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PermissionSpec {
    /// Secrets that it may use without seeing them, each with the origins that it may be sent to in an HTTP request. Without
    /// one it serves signatures only. A mere list of names is read as names without origins.
    #[serde(deserialize_with = "secrets")]
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// Secrets whose plain value it may read.
    pub reveal: BTreeSet<String>,
    /// Leave to send HTTP requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSpec>,
    /// Leave to send mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSpec>,
    /// Pools of codes that it may take from.
    pub codes: BTreeSet<String>,
    /// Leave to keep values between calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSpec>,
    /// Leave to read customers that match a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<AudienceSpec>,
    /// The customers' fields that its actions are given: names of attributes, or `identity.<kind>`.
    pub customer_fields: BTreeSet<String>,
}

/// Leave to read customers that match a condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudienceSpec {
    /// The fields that it is told of each: names of attributes, `identity.<kind>` or `tags`.
    pub fields: BTreeSet<String>,
    /// What its conditions may read: the granted fields only, besides events and segments, or whatever a segment may. Who may
    /// ask any question of a field learns its value in the end.
    pub conditions: ConditionSpec,
}

/// What the conditions of a connection may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionSpec {
    /// The fields that it is told.
    #[default]
    Granted,
    /// Every field.
    Any,
}

/// Leave to send HTTP requests to some origins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSpec {
    /// `https://api.example.com`, or `https://*.example.com` for every name below it; `:port` where it is not the scheme's own.
    pub origins: BTreeSet<String>,
    /// Private, loopback and other special networks that it may reach, such as `10.1.0.0/16`.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// Redirects followed for one request, 0 .. 10.
    #[serde(default)]
    pub redirects: u8,
}

/// How many calls are recorded, redacted, for comparing releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingSpec {
    /// Share of calls that are recorded, 0 .. 1.
    pub share: Share,
    /// Recorded calls that are kept, 1 .. 10,000; the oldest go first.
    pub keep: u32,
}

impl RecordingSpec {
    const KEEP: std::ops::RangeInclusive<u32> = 1..=10_000;

    /// Says what is out of its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        if Self::KEEP.contains(&self.keep) {
            return Ok(());
        }
        Err(format!(
            "recording.keep is {}; it must be from {} to {}",
            self.keep,
            Self::KEEP.start(),
            Self::KEEP.end()
        ))
    }
}

impl Default for RecordingSpec {
    fn default() -> Self {
        Self { share: Share(10_000), keep: 1_000 }
    }
}

/// A share in millionths, written as a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// The share as a number from 0 to 1.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(serde::de::Error::custom(format!("a share is from 0 to 1, not {share}")));
        }
        // Within 0 .. 1,000,000, where no number is cut.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float becomes the nearest number that there is"
        )]
        let millionths = (share * 1e6).round() as u32;
        Ok(Self(millionths))
    }
}

/// Leave to keep values between calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSpec {
    /// Kibibytes of all keys and values together, 1 .. 65,536.
    pub kib: u64,
}

impl Default for StoreSpec {
    fn default() -> Self {
        Self { kib: 1024 }
    }
}

/// Secrets with their origins, or a list of their names.
fn secrets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, BTreeSet<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Names(BTreeSet<String>),
        Origins(BTreeMap<String, BTreeSet<String>>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Names(names) => names.into_iter().map(|name| (name, BTreeSet::new())).collect(),
        Written::Origins(origins) => origins,
    })
}

/// Leave to send mail over one of the server's relays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSpec {
    /// The relay's name, as the server was started with.
    pub relay: String,
    /// Allowed envelope senders: `news@example.com`, `*@example.com`, or `*`.
    pub senders: Vec<String>,
}

/// How much a call may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSpec {
    /// Mebibytes of all memories together, 1 .. 1,024.
    pub memory_mib: u64,
    /// Milliseconds of wall time, 10 .. 600,000.
    pub call_ms: u64,
    /// Calls at the same time, 1 .. 1,024.
    pub concurrency: u32,
    /// Effects handed over in a second, 1 .. 100,000; without it as many as the plugin takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u32>,
    /// Kibibytes of one HTTP response, 1 .. 65,536.
    pub response_kib: usize,
}

impl Default for LimitSpec {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            call_ms: 30_000,
            concurrency: 4,
            rate_per_s: None,
            response_kib: 4096,
        }
    }
}
