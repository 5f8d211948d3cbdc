//! Hosts that share a database.

/// How many parts the customers of a shared database are split into; each is worked for by one host at a time.
pub const SHARDS: i64 = 64;

/// A session as its host remembers it: number and beginning tell it apart from the sessions in every other database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The session.
    pub epoch: i64,
    /// When it began, by the database's clock in Unix milliseconds.
    pub started_at: i64,
}

/// What a host tells when it renews its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The session.
    pub epoch: i64,
    /// How long it is to last from now on, in milliseconds.
    pub lease_ms: i64,
    /// Shards that are no longer worked for. Each is given up once no call for its customers is under way.
    pub leaving: Vec<i64>,
    /// Number of the configuration that is in use at the host.
    pub configuration: i64,
}

/// What a host is told then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The database's time.
    pub now: i64,
    /// Hosts whose sessions last, this one included.
    pub hosts: i64,
    /// Number of the newest configuration: it grows with every change of journeys, connections, settings and the like.
    pub configuration: i64,
    /// Shards that are this host's.
    pub shards: Vec<i64>,
    /// How many releases some host is about to put into use that have not been loaded here.
    pub wanted: i64,
}

/// A host as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Its session.
    pub epoch: i64,
    /// What it calls itself.
    pub name: String,
    /// When the session began.
    pub started_at: i64,
    /// Until when it lasts unless it is renewed.
    pub until: i64,
    /// Number of the configuration in use there.
    pub configuration: i64,
    /// Shards that it holds.
    pub shards: i64,
}
