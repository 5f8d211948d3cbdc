//! Releases and connections.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sqlx::Row as _;

use super::super::{Conn, Row, Store};
use super::{read, text};
use crate::StoreError;
use crate::records::{ActivationRow, ConnectionRow, ReleaseRow, Releases, Signer};

/// What [`decode`] reads.
macro_rules! select_connection {
    () => {
        concat!(
            "select name, plugin, digest, config, permissions, limits, recording, secrets, updated_at, previous, canary ",
            "from connection "
        )
    };
}

impl Store {
    pub(crate) async fn install(
        &self,
        release: ReleaseRow,
        component: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        self.write((release, component), |conn, (release, component)| {
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
                .execute(&mut *conn)
                .await?;
                if let Some(component) = component {
                    sqlx::query(
                        "insert into release_body (digest, body) values ($1, $2) on conflict (digest) do nothing",
                    )
                    .bind(&release.digest)
                    .bind(BASE64_STANDARD.encode(component))
                    .execute(conn)
                    .await?;
                }
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn component(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let body: Option<String> =
            sqlx::query_scalar("select body from release_body where digest = $1")
                .bind(digest)
                .fetch_optional(self.readers())
                .await?;
        body.map(|body| {
            BASE64_STANDARD.decode(body).map_err(|error| StoreError::Corrupt {
                what: format!("the component of release {digest}"),
                detail: error.to_string(),
            })
        })
        .transpose()
    }

    pub(crate) async fn releases(&self) -> Result<Vec<ReleaseRow>, StoreError> {
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

    pub(crate) async fn put_connection(
        &self,
        connection: ConnectionRow,
        change: Option<ActivationRow>,
    ) -> Result<(), StoreError> {
        self.write((connection, change), |conn, (connection, change)| {
            Box::pin(async move {
                keep_release(conn, &connection.digest).await?;
                sqlx::query(
                    "insert into connection (name, plugin, digest, config, permissions, limits, recording, secrets, updated_at, previous, canary) \
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (name) do update set plugin = excluded.plugin, \
                     digest = excluded.digest, config = excluded.config, permissions = excluded.permissions, \
                     limits = excluded.limits, recording = excluded.recording, secrets = excluded.secrets, \
                     updated_at = excluded.updated_at, previous = excluded.previous, canary = excluded.canary",
                )
                .bind(&connection.name)
                .bind(&connection.plugin)
                .bind(&connection.digest)
                .bind(&connection.config)
                .bind(&connection.permissions)
                .bind(&connection.limits)
                .bind(&connection.recording)
                .bind(&connection.secrets)
                .bind(connection.updated_at)
                .bind(&connection.previous)
                .bind(&connection.canary)
                .execute(&mut *conn)
                .await?;
                match change {
                    Some(change) => note(conn, &connection.name, change).await,
                    None => Ok(()),
                }
            })
        })
        .await
    }

    pub(crate) async fn change_releases(
        &self,
        connection: String,
        from: Releases,
        to: Releases,
        change: ActivationRow,
    ) -> Result<bool, StoreError> {
        self.write((connection, from, to, change), |conn, (connection, from, to, change)| {
            Box::pin(async move {
                keep_release(conn, &to.digest).await?;
                let changed = sqlx::query(
                    "update connection set digest = $2, previous = $3, canary = $4 where name = $1 and digest = $5 \
                     and coalesce(canary, '') = $6",
                )
                .bind(connection)
                .bind(&to.digest)
                .bind(&to.previous)
                .bind(&to.canary)
                .bind(&from.digest)
                .bind(from.canary.as_deref().unwrap_or_default())
                .execute(&mut *conn)
                .await?
                .rows_affected();
                if changed == 0 {
                    return Ok(false);
                }
                note(conn, connection, change).await?;
                Ok(true)
            })
        })
        .await
    }

    pub(crate) async fn activations(
        &self,
        connection: &str,
        limit: i64,
    ) -> Result<Vec<ActivationRow>, StoreError> {
        let found = sqlx::query(
            "select number, at, kind, release, former, actor, reason from activation where connection = $1 \
             order by number desc limit $2",
        )
        .bind(connection)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(ActivationRow {
                    number: row.try_get("number")?,
                    at: row.try_get("at")?,
                    kind: row.try_get("kind")?,
                    release: row.try_get("release")?,
                    former: row.try_get("former")?,
                    actor: row.try_get("actor")?,
                    reason: row.try_get("reason")?,
                })
            })
            .collect()
    }

    pub(crate) async fn connection(&self, name: &str) -> Result<Option<ConnectionRow>, StoreError> {
        let found = sqlx::query(concat!(select_connection!(), "where name = $1"))
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        found.as_ref().map(decode).transpose()
    }

    pub(crate) async fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        let found = sqlx::query(concat!(select_connection!(), "order by name"))
            .fetch_all(self.readers())
            .await?;
        found.iter().map(decode).collect()
    }
}

/// Keeps a release from being removed before this transaction has ended, in which it is taken into use.
async fn keep_release(conn: &mut Conn, digest: &str) -> Result<(), StoreError> {
    sqlx::query(concat!("select digest from release where digest = $1", for_update!()))
        .bind(digest)
        .fetch_optional(conn)
        .await?;
    Ok(())
}

fn decode(row: &Row) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        name: row.try_get("name")?,
        plugin: row.try_get("plugin")?,
        digest: row.try_get("digest")?,
        config: row.try_get("config")?,
        permissions: row.try_get("permissions")?,
        limits: row.try_get("limits")?,
        recording: row.try_get("recording")?,
        secrets: row.try_get("secrets")?,
        previous: row.try_get("previous")?,
        canary: row.try_get("canary")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn note(conn: &mut Conn, connection: &str, change: &ActivationRow) -> Result<(), StoreError> {
    sqlx::query(
        "insert into activation (connection, number, at, kind, release, former, actor, reason) \
         select $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 from activation where connection = $1",
    )
    .bind(connection)
    .bind(change.at)
    .bind(&change.kind)
    .bind(&change.release)
    .bind(&change.former)
    .bind(&change.actor)
    .bind(&change.reason)
    .execute(conn)
    .await?;
    Ok(())
}
