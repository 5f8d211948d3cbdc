//! Journeys and their versions.

use sqlx::Row as _;

use super::super::Store;
use crate::StoreError;
use crate::records::{JourneyRow, JourneyVersion};

impl Store {
    /// Adds a journey's next version and makes it the live one; the same source as the live version changes nothing.
    /// Answers with the live version.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn apply_journey(
        &self,
        name: String,
        title: String,
        owner: String,
        source: String,
        now: i64,
    ) -> Result<i64, StoreError> {
        self.write(move |conn| {
            Box::pin(async move {
                let live = sqlx::query(
                    "select v.version, v.source from journey j join journey_version v \
                     on v.journey = j.name and v.version = j.live_version where j.name = $1",
                )
                .bind(&name)
                .fetch_optional(&mut *conn)
                .await?;
                let version = match live {
                    Some(row) if row.try_get::<&str, _>(1)? == source => return Ok(row.try_get(0)?),
                    Some(row) => row.try_get::<i64, _>(0)? + 1,
                    None => 1,
                };
                sqlx::query("insert into journey_version (journey, version, source, created_at) values ($1, $2, $3, $4)")
                    .bind(&name)
                    .bind(version)
                    .bind(source)
                    .bind(now)
                    .execute(&mut *conn)
                    .await?;
                sqlx::query(
                    "insert into journey (name, title, owner, state, live_version, created_at, updated_at) \
                     values ($1, $2, $3, 'live', $4, $5, $5) on conflict (name) do update set \
                     title = excluded.title, owner = excluded.owner, live_version = excluded.live_version, \
                     updated_at = excluded.updated_at",
                )
                .bind(name)
                .bind(title)
                .bind(owner)
                .bind(version)
                .bind(now)
                .execute(conn)
                .await?;
                Ok(version)
            })
        })
        .await
    }

    /// All journeys, by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn journeys(&self) -> Result<Vec<JourneyRow>, StoreError> {
        let found = sqlx::query(
            "select name, title, owner, state, live_version, created_at, updated_at from journey order by name",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(JourneyRow {
                    name: row.try_get("name")?,
                    title: row.try_get("title")?,
                    owner: row.try_get("owner")?,
                    state: row.try_get("state")?,
                    live_version: row.try_get("live_version")?,
                    created_at: row.try_get("created_at")?,
                    updated_at: row.try_get("updated_at")?,
                })
            })
            .collect()
    }

    /// Every version of every journey; customers may be in any of them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn journey_versions(&self) -> Result<Vec<JourneyVersion>, StoreError> {
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

    /// A version's source.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn journey_source(
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
}
