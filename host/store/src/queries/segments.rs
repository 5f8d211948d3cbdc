//! Segments.

use sqlx::Row as _;

use super::super::Store;
use crate::StoreError;
use crate::records::SegmentRow;

impl Store {
    pub(crate) async fn put_segment(&self, segment: SegmentRow) -> Result<(), StoreError> {
        self.write(segment, |conn, segment| {
            Box::pin(async move {
                sqlx::query(
                    "insert into segment (name, source, updated_at) values ($1, $2, $3) on conflict (name) \
                     do update set source = excluded.source, updated_at = excluded.updated_at",
                )
                .bind(&segment.name)
                .bind(&segment.source)
                .bind(segment.updated_at)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn remove_segment(&self, name: String) -> Result<bool, StoreError> {
        self.write(name, |conn, name| {
            Box::pin(async move {
                let removed = sqlx::query("delete from segment where name = $1").bind(name);
                Ok(removed.execute(conn).await?.rows_affected() > 0)
            })
        })
        .await
    }

    pub(crate) async fn segments(&self) -> Result<Vec<SegmentRow>, StoreError> {
        let found = sqlx::query("select name, source, updated_at from segment order by name")
            .fetch_all(self.readers())
            .await?;
        found
            .iter()
            .map(|row| {
                Ok(SegmentRow {
                    name: row.try_get(0)?,
                    source: row.try_get(1)?,
                    updated_at: row.try_get(2)?,
                })
            })
            .collect()
    }
}
