//! Journeys, their versions, and what was done with them as a whole.

use sqlx::Row as _;

use super::super::{Conn, Row, Store};
use super::transfers;
use crate::StoreError;
use crate::records::{
    Added, JourneyChange, JourneyRow, JourneyUpdate, JourneyVersion, NewTransfer, NewVersion,
    VersionRow,
};

macro_rules! select_journey {
    ($rest:literal) => {
        concat!(
            "select name, title, owner, state, live_version, created_at, updated_at, (select enrolled_at from enrollment ",
            "where journey = name order by id desc limit 1) as last_entered_at from journey ",
            $rest
        )
    };
}

impl Store {
    pub(crate) async fn apply_version(
        &self,
        version: NewVersion,
        transfer: Option<NewTransfer>,
        actor: String,
        now: i64,
    ) -> Result<Added, StoreError> {
        self.write((version, transfer, actor, now), |conn, &(ref version, ref transfer, ref actor, now)| {
            Box::pin(async move {
                let found = versions_of(conn, &version.journey).await?;
                if let Some((live, source)) = found.live
                    && source == version.source
                {
                    return Ok(Added { version: live, changed: false });
                }
                let number = number(conn, version, found.newest, now).await?;
                put(conn, version, number, "live", now).await?;
                sqlx::query(
                    "update journey set title = $2, owner = $3, live_version = $4, updated_at = $5, \
                     state = case when state = 'draft' then 'live' else state end where name = $1",
                )
                .bind(&version.journey)
                .bind(&version.title)
                .bind(&version.owner)
                .bind(number)
                .bind(now)
                .execute(&mut *conn)
                .await?;
                change(conn, &version.journey, "apply", Some(number), "", actor, now).await?;
                if let Some(transfer) = transfer {
                    transfers::insert(conn, &version.journey, number, transfer, actor, now).await?;
                }
                Ok(Added { version: number, changed: true })
            })
        })
        .await
    }

    pub(crate) async fn draft_version(
        &self,
        version: NewVersion,
        actor: String,
        now: i64,
    ) -> Result<Added, StoreError> {
        self.write((version, actor, now), |conn, &(ref version, ref actor, now)| {
            Box::pin(async move {
                let found = versions_of(conn, &version.journey).await?;
                if let Some((newest, source)) = &found.newest
                    && *source == version.source
                {
                    return Ok(Added { version: *newest, changed: false });
                }
                let number = number(conn, version, found.newest, now).await?;
                put(conn, version, 0, "draft", now).await?;
                change(conn, &version.journey, "draft", Some(number), "", actor, now).await?;
                Ok(Added { version: number, changed: true })
            })
        })
        .await
    }

    pub(crate) async fn update_journey(
        &self,
        update: JourneyUpdate,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write((update, now), |conn, &(ref update, now)| {
            Box::pin(async move {
                let (version, title, owner) = match &update.live {
                    Some((version, title, owner)) => (Some(*version), Some(title), Some(owner)),
                    None => (None, None, None),
                };
                let done = sqlx::query(
                    "update journey set state = $3, live_version = coalesce($4, live_version), \
                     title = coalesce($5, title), owner = coalesce($6, owner), updated_at = $7 \
                     where name = $1 and state = $2",
                )
                .bind(&update.journey)
                .bind(&update.from)
                .bind(update.to)
                .bind(version)
                .bind(title)
                .bind(owner)
                .bind(now)
                .execute(&mut *conn)
                .await?;
                if done.rows_affected() == 0 {
                    return Err(StoreError::Conflict(format!("journey `{}`", update.journey)));
                }
                let (journey, actor) = (&update.journey, &update.actor);
                change(conn, journey, update.kind, version, &update.detail, actor, now).await?;
                for transfer in &update.transfers {
                    let version = version.unwrap_or(i64::MAX);
                    transfers::insert(conn, journey, version, transfer, actor, now).await?;
                }
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn journeys(&self) -> Result<Vec<JourneyRow>, StoreError> {
        let found = sqlx::query(select_journey!("order by name")).fetch_all(self.readers()).await?;
        found.iter().map(decode).collect()
    }

    pub(crate) async fn journey(&self, name: &str) -> Result<Option<JourneyRow>, StoreError> {
        let found = sqlx::query(select_journey!("where name = $1"))
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        found.as_ref().map(decode).transpose()
    }

    pub(crate) async fn journey_versions(&self) -> Result<Vec<JourneyVersion>, StoreError> {
        let found = sqlx::query(
            "select journey, version, source from journey_version order by journey, version",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(JourneyVersion {
                    journey: row.try_get("journey")?,
                    version: row.try_get("version")?,
                    source: row.try_get("source")?,
                })
            })
            .collect()
    }

    pub(crate) async fn versions(&self, journey: &str) -> Result<Vec<VersionRow>, StoreError> {
        let found = sqlx::query(
            "select version, created_at from journey_version where journey = $1 order by version desc",
        )
        .bind(journey)
        .fetch_all(self.readers())
        .await?;
        let version =
            |row: &Row| Ok(VersionRow { version: row.try_get(0)?, created_at: row.try_get(1)? });
        found.iter().map(version).collect()
    }

    pub(crate) async fn journey_source(
        &self,
        journey: &str,
        version: i64,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select source from journey_version where journey = $1 and version = $2",
        )
        .bind(journey)
        .bind(version)
        .fetch_optional(self.readers())
        .await?)
    }

    pub(crate) async fn journey_changes(
        &self,
        journey: &str,
        limit: i64,
    ) -> Result<Vec<JourneyChange>, StoreError> {
        let found = sqlx::query(
            "select number, at, kind, version, actor, detail from journey_change where journey = $1 \
             order by number desc limit $2",
        )
        .bind(journey)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(JourneyChange {
                    number: row.try_get("number")?,
                    at: row.try_get("at")?,
                    kind: row.try_get("kind")?,
                    version: row.try_get("version")?,
                    actor: row.try_get("actor")?,
                    detail: row.try_get("detail")?,
                })
            })
            .collect()
    }
}

struct Versions {
    /// Number and source of the live version.
    live: Option<(i64, String)>,
    newest: Option<(i64, String)>,
}

/// Lets nobody else change a journey, if it is there, before this transaction has ended.
pub(super) async fn lock(conn: &mut Conn, journey: &str) -> Result<(), StoreError> {
    sqlx::query(concat!("select name from journey where name = $1", for_update!()))
        .bind(journey)
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// The versions of a journey, which nobody else changes before this transaction has ended.
async fn versions_of(conn: &mut Conn, journey: &str) -> Result<Versions, StoreError> {
    lock(conn, journey).await?;
    let live = sqlx::query_as(
        "select v.version, v.source from journey j join journey_version v \
         on v.journey = j.name and v.version = j.live_version where j.name = $1",
    )
    .bind(journey)
    .fetch_optional(&mut *conn)
    .await?;
    let newest = sqlx::query_as(
        "select version, source from journey_version where journey = $1 order by version desc limit 1",
    )
    .bind(journey)
    .fetch_optional(conn)
    .await?;
    Ok(Versions { live, newest })
}

/// Adds a version and gives its number: that of the newest one where it is the same.
async fn number(
    conn: &mut Conn,
    version: &NewVersion,
    newest: Option<(i64, String)>,
    now: i64,
) -> Result<i64, StoreError> {
    let next = match newest {
        Some((number, source)) if source == version.source => return Ok(number),
        Some((number, _)) => number + 1,
        None => 1,
    };
    sqlx::query(
        "insert into journey_version (journey, version, source, created_at) values ($1, $2, $3, $4)",
    )
    .bind(&version.journey)
    .bind(next)
    .bind(&version.source)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(next)
}

/// Adds the journey if it is new.
async fn put(
    conn: &mut Conn,
    version: &NewVersion,
    live: i64,
    state: &'static str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into journey (name, title, owner, state, live_version, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $6) on conflict (name) do nothing",
    )
    .bind(&version.journey)
    .bind(&version.title)
    .bind(&version.owner)
    .bind(state)
    .bind(live)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what was done.
pub(super) async fn change(
    conn: &mut Conn,
    journey: &str,
    kind: &str,
    version: Option<i64>,
    detail: &str,
    actor: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into journey_change (journey, number, at, kind, version, actor, detail) \
         select $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6 from journey_change where journey = $1",
    )
    .bind(journey)
    .bind(now)
    .bind(kind)
    .bind(version)
    .bind(actor)
    .bind(detail)
    .execute(conn)
    .await?;
    Ok(())
}

fn decode(row: &Row) -> Result<JourneyRow, StoreError> {
    Ok(JourneyRow {
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        owner: row.try_get("owner")?,
        state: row.try_get("state")?,
        live_version: row.try_get("live_version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        last_entered_at: row.try_get("last_entered_at")?,
    })
}
