//! Releases and connections.

use sqlx::Row as _;

use super::super::Store;
use super::{read, text};
use crate::StoreError;
use crate::records::{ConnectionRow, ReleaseRow, Signer};

impl Store {
    /// Records an installed release. Installing the same component again changes nothing but who signed it, if somebody did
    /// now, and that it is a development release no more, if it was installed as another one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn install(&self, release: ReleaseRow) -> Result<(), StoreError> {
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "insert into release (digest, name, version, kinds, manifest, installed_at, signer, signer_key, development) \
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (digest) do update set \
                     signer = coalesce(excluded.signer, release.signer), \
                     signer_key = coalesce(excluded.signer_key, release.signer_key), \
                     development = release.development and excluded.development",
                )
                .bind(&release.digest)
                .bind(&release.name)
                .bind(&release.version)
                .bind(text(&release.kinds)?)
                .bind(text(&release.manifest)?)
                .bind(release.installed_at)
                .bind(release.signer.as_ref().map(|signer| &signer.name))
                .bind(release.signer.as_ref().map(|signer| &signer.key))
                .bind(release.development)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// All releases, by name, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn releases(&self) -> Result<Vec<ReleaseRow>, StoreError> {
        let found = sqlx::query(
            "select digest, name, version, kinds, manifest, installed_at, signer, signer_key, development \
             from release order by name, installed_at desc, digest",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                let digest: String = row.try_get("digest")?;
                Ok(ReleaseRow {
                    name: row.try_get("name")?,
                    version: row.try_get("version")?,
                    kinds: read("release", &digest, row.try_get("kinds")?)?,
                    manifest: read("release", &digest, row.try_get("manifest")?)?,
                    installed_at: row.try_get("installed_at")?,
                    signer: match (row.try_get("signer")?, row.try_get("signer_key")?) {
                        (Some(name), Some(key)) => Some(Signer { name, key }),
                        _ => None,
                    },
                    development: row.try_get("development")?,
                    digest,
                })
            })
            .collect()
    }

    /// Creates a connection or replaces it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn put_connection(&self, connection: ConnectionRow) -> Result<(), StoreError> {
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "insert into connection (name, plugin, digest, config, permissions, limits, secrets, updated_at) \
                     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (name) do update set plugin = excluded.plugin, \
                     digest = excluded.digest, config = excluded.config, permissions = excluded.permissions, \
                     limits = excluded.limits, secrets = excluded.secrets, updated_at = excluded.updated_at",
                )
                .bind(&connection.name)
                .bind(&connection.plugin)
                .bind(&connection.digest)
                .bind(&connection.config)
                .bind(&connection.permissions)
                .bind(&connection.limits)
                .bind(&connection.secrets)
                .bind(connection.updated_at)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// All connections, by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        let found = sqlx::query(
            "select name, plugin, digest, config, permissions, limits, secrets, updated_at from connection order by name",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(ConnectionRow {
                    name: row.try_get("name")?,
                    plugin: row.try_get("plugin")?,
                    digest: row.try_get("digest")?,
                    config: row.try_get("config")?,
                    permissions: row.try_get("permissions")?,
                    limits: row.try_get("limits")?,
                    secrets: row.try_get("secrets")?,
                    updated_at: row.try_get("updated_at")?,
                })
            })
            .collect()
    }
}
