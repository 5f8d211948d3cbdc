//! Settings of the workspace and the tokens that open its API.

use sqlx::Row as _;

use super::super::{Conn, Store};
use crate::StoreError;
use crate::records::TokenRow;

impl Store {
    pub(crate) async fn setting_or(
        &self,
        name: &'static str,
        value: String,
    ) -> Result<String, StoreError> {
        self.write((name, value), |conn, &(name, ref value)| {
            Box::pin(async move {
                sqlx::query("insert into setting (name, value) values ($1, $2) on conflict (name) do nothing")
                    .bind(name)
                    .bind(value)
                    .execute(&mut *conn)
                    .await?;
                Ok(sqlx::query_scalar("select value from setting where name = $1").bind(name).fetch_one(conn).await?)
            })
        })
        .await
    }

    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar("select value from setting where name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?)
    }

    pub(crate) async fn set_setting(
        &self,
        name: &'static str,
        value: String,
    ) -> Result<(), StoreError> {
        self.write((name, value), |conn, &(name, ref value)| {
            Box::pin(async move { put(conn, name, value).await })
        })
        .await
    }

    pub(crate) async fn add_first_token(
        &self,
        token: TokenRow,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.write((token, now), |conn, &(ref token, now)| {
            Box::pin(async move {
                // Hosts that start at the same instant take turns at this row; the next one finds the token.
                put(conn, "first_token", &token.id).await?;
                let added = sqlx::query(
                    "insert into api_token (id, name, hash, created_at) select $1, 'first', $2, $3 \
                     where not exists (select 1 from api_token)",
                )
                .bind(&token.id)
                .bind(&token.hash)
                .bind(now)
                .execute(conn)
                .await?;
                Ok(added.rows_affected() > 0)
            })
        })
        .await
    }

    pub(crate) async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let found = sqlx::query("select id, hash from api_token").fetch_all(self.readers()).await?;
        found
            .iter()
            .map(|row| Ok(TokenRow { id: row.try_get("id")?, hash: row.try_get("hash")? }))
            .collect()
    }
}

/// Writes a setting, whatever it was before.
pub(super) async fn put(conn: &mut Conn, name: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query(
        "insert into setting (name, value) values ($1, $2) \
         on conflict (name) do update set value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(conn)
    .await?;
    Ok(())
}
