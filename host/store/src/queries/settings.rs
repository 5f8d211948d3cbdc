//! Settings of the workspace and the tokens that open its API.

use sqlx::Row as _;

use super::super::Store;
use crate::StoreError;
use crate::records::TokenRow;

impl Store {
    /// The setting's value, which is set to this one if it has none yet.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn setting_or(
        &self,
        name: &'static str,
        value: String,
    ) -> Result<String, StoreError> {
        self.write(move |conn| {
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

    /// The setting's value, if it has one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar("select value from setting where name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?)
    }

    /// Gives the setting a value in place of the one it has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_setting(&self, name: &'static str, value: String) -> Result<(), StoreError> {
        self.write(move |conn| {
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

    /// Adds an API token.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn add_token(
        &self,
        token: TokenRow,
        name: &'static str,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "insert into api_token (id, name, hash, created_at) values ($1, $2, $3, $4)",
                )
                .bind(token.id)
                .bind(name)
                .bind(token.hash)
                .bind(now)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// All API tokens.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let found = sqlx::query("select id, hash from api_token").fetch_all(self.readers()).await?;
        found
            .iter()
            .map(|row| Ok(TokenRow { id: row.try_get("id")?, hash: row.try_get("hash")? }))
            .collect()
    }
}
