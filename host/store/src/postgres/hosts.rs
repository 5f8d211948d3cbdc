//! Hosts that share the database: their sessions, the shards they work for, and what they must have read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _};

use super::queries::listed;
use super::{Conn, Source, Store, within};
use crate::StoreError;
use crate::records::{HostRow, Joined, Renewal, SHARDS, Standing};

/// How long the database may take to renew a session; well below the time that one lasts.
const ANSWER: Duration = Duration::from_secs(3);
/// A host that has not begun a session writes without one, as at its start and from the command line.
const NONE: i64 = 0;
/// A session was there and has been ended.
const OVER: i64 = -1;

/// Under which session this host writes, and for which shards it works.
#[derive(Debug)]
pub(super) struct Held {
    epoch: AtomicI64,
    shards: RwLock<Arc<str>>,
}

impl Default for Held {
    /// Whoever opens the database without a session, as commands and tests do, looks at all of it.
    fn default() -> Self {
        let all: Vec<i64> = (0..SHARDS).collect();
        Self { epoch: AtomicI64::new(NONE), shards: RwLock::new(listed(&all).into()) }
    }
}

impl Held {
    fn set(&self, epoch: Option<i64>, shards: &BTreeSet<i64>) {
        self.epoch.store(epoch.unwrap_or(OVER), Ordering::Release);
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = listed(shards).into();
    }

    fn epoch(&self) -> Result<Option<i64>, StoreError> {
        match self.epoch.load(Ordering::Acquire) {
            NONE => Ok(None),
            OVER => Err(StoreError::SessionOver),
            epoch => Ok(Some(epoch)),
        }
    }

    /// The shards worked for, as the parameter that `within!` reads.
    pub(super) fn shards(&self) -> Arc<str> {
        Arc::clone(&self.shards.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a transaction; refuses if this host's session has been ended. Until the transaction is over nobody can end it.
    pub(super) async fn begin(&self, conn: &mut Conn) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch()? else {
            sqlx::raw_sql("begin").execute(conn).await?;
            return Ok(());
        };
        // One message to the server for both.
        let begun = sqlx::raw_sql(AssertSqlSafe(format!(
            "begin; select 1 from host where epoch = {epoch} and ended_at is null for key share"
        )));
        if begun.fetch_optional(&mut *conn).await?.is_none() {
            sqlx::raw_sql("rollback").execute(conn).await?;
            return Err(StoreError::SessionOver);
        }
        Ok(())
    }
}

/// The connection that sessions are renewed over: the writer's may be busy.
#[derive(Default)]
pub(super) struct Registry(tokio::sync::Mutex<Option<Conn>>);

impl Registry {
    /// Runs one statement. A connection that failed is replaced at the next call.
    async fn run<T>(
        &self,
        source: &Source,
        statement: impl AsyncFnOnce(&mut Conn) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.0.lock().await;
        let mut conn = match place.take() {
            Some(conn) => conn,
            None => source.connect().await?,
        };
        let done = within(ANSWER, statement(&mut conn)).await?;
        if done.is_ok() {
            *place = Some(conn);
        }
        done
    }
}

impl Store {
    /// The number is read in the caller's transaction.
    pub(super) async fn configuration_in(conn: &mut Conn) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("select number from configuration").fetch_one(conn).await?)
    }

    pub(crate) fn hold(&self, epoch: Option<i64>, shards: &BTreeSet<i64>) {
        self.held.set(epoch, shards);
    }

    pub(crate) async fn configuration(&self) -> Result<i64, StoreError> {
        let mut conn = self.readers().acquire().await?;
        Self::configuration_in(&mut conn).await
    }

    pub(crate) async fn join_hosts(
        &self,
        name: &str,
        lease_ms: i64,
        former: Option<Joined>,
    ) -> Result<Joined, StoreError> {
        let row = self
            .registry
            .run(&self.source, async |conn| {
                // Locked for update as by everyone who ends a session: what was committed under it is committed by then.
                let joined = sqlx::query(
                    "with gone as ( \
                         select epoch from host \
                         where epoch = $3 and started_at = $4 and ended_at is null for update skip locked \
                     ), ended as ( \
                         update host set ended_at = now_ms() where epoch in (select epoch from gone) \
                     ) \
                     insert into host (name, started_at, until, configuration) \
                     values ($1, now_ms(), now_ms() + $2, 0) returning epoch, started_at",
                )
                .bind(name)
                .bind(lease_ms)
                .bind(former.map(|former| former.epoch))
                .bind(former.map(|former| former.started_at));
                Ok(joined.fetch_one(conn).await?)
            })
            .await?;
        Ok(Joined { epoch: row.try_get("epoch")?, started_at: row.try_get("started_at")? })
    }

    pub(crate) async fn renew_host(
        &self,
        renewal: Renewal,
    ) -> Result<Option<Standing>, StoreError> {
        let renewed = self
            .registry
            .run(&self.source, async |conn| {
                let renewed = sqlx::query(
                    "select time_now, hosts_lasting, newest, wanted, shards_held from renew_host($1, $2, $3, $4)",
                )
                .bind(renewal.epoch)
                .bind(renewal.lease_ms)
                .bind(renewal.leaving)
                .bind(renewal.configuration);
                Ok(renewed.fetch_optional(conn).await?)
            })
            .await?;
        let Some(row) = renewed else { return Ok(None) };
        let shards: &str = row.try_get("shards_held")?;
        Ok(Some(Standing {
            now: row.try_get("time_now")?,
            hosts: row.try_get("hosts_lasting")?,
            configuration: row.try_get("newest")?,
            wanted: row.try_get("wanted")?,
            shards: shards.split(',').filter_map(|number| number.parse().ok()).collect(),
        }))
    }

    pub(crate) async fn leave_hosts(&self, epoch: i64) -> Result<(), StoreError> {
        self.registry
            .run(&self.source, async |conn| {
                let left = sqlx::query(
                    "with ended as (update host set ended_at = now_ms() where epoch = $1 returning epoch) \
                     update shard set epoch = null where epoch in (select epoch from ended)",
                );
                left.bind(epoch).execute(conn).await?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        let found = sqlx::query(
            "select epoch, name, started_at, until, configuration, \
             (select count(*) from shard where shard.epoch = host.epoch) as shards \
             from host where ended_at is null order by epoch",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(HostRow {
                    epoch: row.try_get("epoch")?,
                    name: row.try_get("name")?,
                    started_at: row.try_get("started_at")?,
                    until: row.try_get("until")?,
                    configuration: row.try_get("configuration")?,
                    shards: row.try_get("shards")?,
                })
            })
            .collect()
    }

    pub(crate) async fn want_release(&self, digest: String) -> Result<(), StoreError> {
        self.write(digest.clone(), |conn, digest| {
            Box::pin(async move {
                sqlx::query("delete from wanted_release where asked_at < now_ms() - 86400000")
                    .execute(&mut *conn)
                    .await?;
                sqlx::query(
                    "delete from ready_release where epoch in (select epoch from host where ended_at is not null)",
                )
                .execute(&mut *conn)
                .await?;
                sqlx::query(
                    "insert into wanted_release (digest, asked_at) values ($1, now_ms()) \
                     on conflict (digest) do update set asked_at = excluded.asked_at",
                )
                .bind(digest)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await?;
        self.report_ready(digest).await
    }

    pub(crate) async fn wanted_releases(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select digest from wanted_release where asked_at > now_ms() - 600000 \
             and digest not in (select digest from ready_release where epoch = $1) order by asked_at",
        )
        .bind(self.held.epoch()?.unwrap_or_default())
        .fetch_all(self.readers())
        .await?)
    }

    pub(crate) async fn report_ready(&self, digest: String) -> Result<(), StoreError> {
        let Some(epoch) = self.held.epoch()? else { return Ok(()) };
        self.write((epoch, digest), |conn, (epoch, digest)| {
            Box::pin(async move {
                sqlx::query(
                    "insert into ready_release (epoch, digest) values ($1, $2) on conflict do nothing",
                )
                .bind(epoch)
                .bind(digest)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn hosts_without(&self, digest: &str) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select name from host where ended_at is null and until >= now_ms() \
             and epoch not in (select epoch from ready_release where digest = $1) order by name",
        )
        .bind(digest)
        .fetch_all(self.readers())
        .await?)
    }
}
