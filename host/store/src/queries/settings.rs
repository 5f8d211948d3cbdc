//! Settings of the workspace and the tokens that open its API.

use sqlx::Row as _;

use super::super::Store;
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
            Box::pin(async move {
                sqlx::query(
                    "insert into setting (name, value) values ($1, $2) \
                     on conflict (name) do update set value = excluded.value",
                )
                .bind(name)
                .bind(value)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn add_token(
        &self,
        token: TokenRow,
        name: &'static str,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write((token, name, now), |conn, &(ref token, name, now)| {
            Box::pin(async move {
                sqlx::query(
                    "insert into api_token (id, name, hash, created_at) values ($1, $2, $3, $4)",
                )
                .bind(&token.id)
                .bind(name)
                .bind(&token.hash)
                .bind(now)
                .execute(conn)
                .await?;
                Ok(())
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
