//! What plugins keep between calls: values by connection and key, bounded in all.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sqlx::Row as _;

use super::super::{Conn, Store};
use super::rows;
use crate::StoreError;
use crate::records::{Entry, SpaceUsedUp};

impl Store {
    pub(crate) async fn values(
        &self,
        connection: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut conn = self.readers().acquire().await?;
        let encoded: Vec<String> = keys.iter().map(|key| encode(key.as_bytes())).collect();
        let found = contents(&mut conn, connection, &encoded).await?;
        encoded.iter().map(|key| found.get(key).map(|text| decode(key, text)).transpose()).collect()
    }

    pub(crate) async fn set_values(
        &self,
        connection: String,
        entries: Vec<Entry>,
        space: u64,
    ) -> Result<Result<(), SpaceUsedUp>, StoreError> {
        self.write((connection, entries, space), |conn, &(ref connection, ref entries, space)| {
            Box::pin(async move {
                let used = lock_space(conn, connection).await?;
                set(conn, connection, entries, space, used).await
            })
        })
        .await
    }

    pub(crate) async fn swap_value(
        &self,
        connection: String,
        old: Option<Vec<u8>>,
        entry: Entry,
        space: u64,
    ) -> Result<Result<bool, SpaceUsedUp>, StoreError> {
        self.write(
            (connection, old, entry, space),
            |conn, &(ref connection, ref old, ref entry, space)| {
                Box::pin(async move {
                    let key = encode(entry.0.as_bytes());
                    let used = lock_space(conn, connection).await?;
                    let present = contents(conn, connection, std::slice::from_ref(&key)).await?;
                    if present.get(&key).cloned() != old.as_deref().map(encode) {
                        return Ok(Ok(false));
                    }
                    Ok(set(conn, connection, std::slice::from_ref(entry), space, used)
                        .await?
                        .map(|()| true))
                })
            },
        )
        .await
    }
}

/// The space that a connection's values use; nobody else changes any of them before this transaction has ended.
async fn lock_space(conn: &mut Conn, connection: &str) -> Result<i64, StoreError> {
    let statement = concat!("select bytes from kept_space where connection = $1", for_update!());
    let used = sqlx::query_scalar(statement).bind(connection).fetch_optional(&mut *conn).await?;
    if let Some(used) = used {
        return Ok(used);
    }
    sqlx::query("insert into kept_space (connection, bytes) values ($1, 0) on conflict (connection) do nothing")
        .bind(connection)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_scalar(statement).bind(connection).fetch_one(conn).await?)
}

async fn set(
    conn: &mut Conn,
    connection: &str,
    entries: &[Entry],
    space: u64,
    used: i64,
) -> Result<Result<(), SpaceUsedUp>, StoreError> {
    let mut wanted: BTreeMap<String, Option<(String, usize)>> = BTreeMap::new();
    for (key, value) in entries {
        let content = value.as_ref().map(|value| (encode(value), key.len() + value.len()));
        wanted.insert(encode(key.as_bytes()), content);
    }
    let keys: Vec<&String> = wanted.keys().collect();
    let replaced: i64 = sqlx::query_scalar(concat!(
        "select cast(coalesce(sum(bytes), 0) as bigint) from kept_value where connection = $2 ",
        "and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&keys))
    .bind(connection)
    .fetch_one(&mut *conn)
    .await?;
    let added: usize = wanted.values().flatten().map(|(_, bytes)| bytes).sum();
    let added = i64::try_from(added).unwrap_or(i64::MAX);
    if added > replaced && used - replaced + added > i64::try_from(space).unwrap_or(i64::MAX) {
        return Ok(Err(SpaceUsedUp));
    }
    sqlx::query(concat!(
        "delete from kept_value where connection = $2 and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&keys))
    .bind(connection)
    .execute(&mut *conn)
    .await?;
    let kept: Vec<(&String, &String, usize)> = wanted
        .iter()
        .filter_map(|(key, content)| content.as_ref().map(|(text, bytes)| (key, text, *bytes)))
        .collect();
    sqlx::query(concat!(
        "insert into kept_value (connection, key, content, bytes) ",
        "select $2, value->>0, value->>1, cast(value->>2 as bigint) from ",
        each!("$1")
    ))
    .bind(rows(&kept))
    .bind(connection)
    .execute(&mut *conn)
    .await?;
    sqlx::query("update kept_space set bytes = bytes + $2 where connection = $1")
        .bind(connection)
        .bind(added - replaced)
        .execute(conn)
        .await?;
    Ok(Ok(()))
}

/// Contents of those keys that have one, both in base64.
async fn contents(
    conn: &mut Conn,
    connection: &str,
    keys: &[String],
) -> Result<BTreeMap<String, String>, StoreError> {
    let found = sqlx::query(concat!(
        "select key, content from kept_value where connection = $2 and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(keys))
    .bind(connection)
    .fetch_all(conn)
    .await?;
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn decode(key: &str, text: &str) -> Result<Vec<u8>, StoreError> {
    BASE64_STANDARD.decode(text).map_err(|error| StoreError::Corrupt {
        what: format!("the value that a plugin keeps under {key} (base64)"),
        detail: error.to_string(),
    })
}
