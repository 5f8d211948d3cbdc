//! Whom the workspace trusts, and which releases nothing refers to any more.

use sqlx::Row as _;

use super::super::Store;
use super::rows;
use crate::StoreError;
use crate::records::{KeyRow, ReleaseUse};

/// Whether a connection refers to a release: as the one in use, the one to go back to, or the candidate on trial, which stands in
/// JSON. A digest is too long to be found there by chance.
macro_rules! refers {
    () => {
        "(connection.digest = release.digest or connection.previous = release.digest \
          or connection.canary like '%' || release.digest || '%')"
    };
}

impl Store {
    pub(crate) async fn trust_key(&self, key: KeyRow) -> Result<(), StoreError> {
        self.write(key, |conn, key| {
            Box::pin(async move {
                sqlx::query(
                    "insert into trusted_key (name, id, public, added_at) values ($1, $2, $3, $4)",
                )
                .bind(&key.name)
                .bind(&key.id)
                .bind(&key.public)
                .bind(key.added_at)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn distrust_key(&self, name: String) -> Result<(), StoreError> {
        self.write(name, |conn, name| {
            Box::pin(async move {
                sqlx::query("delete from trusted_key where name = $1")
                    .bind(name)
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn trusted_keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        let found = sqlx::query("select name, id, public, added_at from trusted_key order by name")
            .fetch_all(self.readers())
            .await?;
        found
            .iter()
            .map(|row| {
                Ok(KeyRow {
                    name: row.try_get("name")?,
                    id: row.try_get("id")?,
                    public: row.try_get("public")?,
                    added_at: row.try_get("added_at")?,
                })
            })
            .collect()
    }

    pub(crate) async fn releases_in_use(&self) -> Result<Vec<ReleaseUse>, StoreError> {
        let found = sqlx::query(concat!(
            "select release.digest as digest, connection.name as connection from release join connection on ",
            refers!(),
            " order by connection.name"
        ))
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(ReleaseUse {
                    digest: row.try_get("digest")?,
                    connection: row.try_get("connection")?,
                })
            })
            .collect()
    }

    pub(crate) async fn remove_releases(
        &self,
        digests: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        self.write(digests, |conn, digests| {
            Box::pin(async move {
                // Whoever takes one of them into use waits until this is done, and then finds it gone.
                sqlx::query(concat!(
                    "select digest from release where digest in (select value from ",
                    texts!("$1"),
                    ") order by digest",
                    for_update!()
                ))
                .bind(rows(digests))
                .fetch_all(&mut *conn)
                .await?;
                let removed: Vec<String> = sqlx::query_scalar(concat!(
                    "delete from release where digest in (select value from ",
                    texts!("$1"),
                    ") and not exists (select 1 from connection where ",
                    refers!(),
                    ") returning digest"
                ))
                .bind(rows(digests))
                .fetch_all(&mut *conn)
                .await?;
                sqlx::query(concat!(
                    "delete from release_body where digest in (select value from ",
                    texts!("$1"),
                    ")"
                ))
                .bind(rows(&removed))
                .execute(conn)
                .await?;
                Ok(removed)
            })
        })
        .await
    }
}
