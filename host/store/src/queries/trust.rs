//! Whom the workspace trusts, and which releases nothing refers to any more.

use sqlx::Row as _;

use super::super::Store;
use super::{read, rows};
use crate::StoreError;
use crate::records::{KeyRow, ReleaseUse};

/// The part of a stored trial that names its release.
#[derive(serde::Deserialize)]
struct Candidate {
    release: String,
}

impl Store {
    /// Trusts a key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the name or the key is there already; otherwise if the database fails.
    pub async fn trust_key(&self, key: KeyRow) -> Result<(), StoreError> {
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "insert into trusted_key (name, id, public, added_at) values ($1, $2, $3, $4)",
                )
                .bind(key.name)
                .bind(key.id)
                .bind(key.public)
                .bind(key.added_at)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Trusts a key no longer. What it signed stays installed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn distrust_key(&self, name: String) -> Result<(), StoreError> {
        self.write(move |conn| {
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

    /// The trusted keys, by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn trusted_keys(&self) -> Result<Vec<KeyRow>, StoreError> {
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

    /// What refers to releases: the connections that use one, may go back to one, or try one out.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn releases_in_use(&self) -> Result<Vec<ReleaseUse>, StoreError> {
        let connections = self.connections().await?;
        let mut uses = Vec::with_capacity(connections.len());
        for row in connections {
            let candidate = row
                .canary
                .map(|canary| read::<Candidate>("connection", &row.name, &canary))
                .transpose()?;
            let digests = [Some(row.digest), row.previous, candidate.map(|one| one.release)];
            uses.extend(
                digests
                    .into_iter()
                    .flatten()
                    .map(|digest| ReleaseUse { digest, connection: row.name.clone() }),
            );
        }
        Ok(uses)
    }

    /// Forgets installed releases.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn remove_releases(&self, digests: Vec<String>) -> Result<(), StoreError> {
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(concat!(
                    "delete from release where digest in (select value from ",
                    each!("$1"),
                    ")"
                ))
                .bind(rows(&digests))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }
}
