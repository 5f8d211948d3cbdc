//! Polling trigger sources.

use sqlx::Row as _;

use super::super::Store;
use super::events;
use crate::StoreError;
use crate::records::{NewEvent, PollPlace, Taken};

impl Store {
    pub(crate) async fn poll_place(
        &self,
        connection: &str,
    ) -> Result<Option<PollPlace>, StoreError> {
        let found = sqlx::query("select cursor, next_at from poll where connection = $1")
            .bind(connection)
            .fetch_optional(self.readers())
            .await?;
        found
            .map(|row| {
                Ok(PollPlace { cursor: row.try_get("cursor")?, next_at: row.try_get("next_at")? })
            })
            .transpose()
    }

    pub(crate) async fn take_polled(
        &self,
        connection: String,
        events: Vec<NewEvent>,
        place: PollPlace,
        now: i64,
    ) -> Result<Vec<Taken>, StoreError> {
        self.write((connection, events, place, now), |conn, &(ref connection, ref events, ref place, now)| {
            Box::pin(async move {
                let taken = events::take(conn, events, now).await?;
                sqlx::query(
                    "insert into poll (connection, cursor, next_at) values ($1, $2, $3) \
                     on conflict (connection) do update set cursor = excluded.cursor, next_at = excluded.next_at",
                )
                .bind(connection)
                .bind(&place.cursor)
                .bind(place.next_at)
                .execute(conn)
                .await?;
                Ok(taken)
            })
        })
        .await
    }

    pub(crate) async fn events_waiting(&self, limit: i64) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "select count(*) from (select 1 from event where done_at is null limit $1) as waiting",
        )
        .bind(limit)
        .fetch_one(self.readers())
        .await?)
    }
}
