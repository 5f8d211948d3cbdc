//! Who meets a condition, asked of all customers at once.

use futures_util::future::try_join;
use sqlx::AssertSqlSafe;
use sqlx::Row as _;
use waystation_journey::Condition;

use super::super::Store;
use super::question::{Value, question};
use crate::StoreError;

impl Store {
    pub(crate) async fn audience(
        &self,
        condition: &Condition,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.audience_until(condition, after, None, limit).await
    }

    pub(crate) async fn audience_until(
        &self,
        condition: &Condition,
        after: Option<&str>,
        until: Option<&str>,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let (holds, values) = question(condition, 4);
        let end = if until.is_some() { "c.id <= $2" } else { "$2 = ''" };
        let sql = format!(
            "select c.id from customer as c where c.id > $1 and {end} and {holds} order by c.id limit $3"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or_default().to_owned())
            .bind(until.unwrap_or_default().to_owned())
            .bind(limit);
        for value in values {
            query = match value {
                Value::Whole(number) => query.bind(number),
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        let found = query.fetch_all(self.readers()).await?;
        found.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub(crate) async fn customer_after(
        &self,
        after: Option<&str>,
        places: i64,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select id from customer where id > $1 order by id limit 1 offset $2",
        )
        .bind(after.unwrap_or_default())
        .bind(places - 1)
        .fetch_optional(self.readers())
        .await?)
    }

    pub(crate) async fn audience_size(&self, condition: &Condition) -> Result<i64, StoreError> {
        let middle: Option<String> = sqlx::query_scalar(
            "select id from customer order by id limit 1 offset (select count(*) / 2 from customer)",
        )
        .fetch_optional(self.readers())
        .await?;
        // Without any customer there is no middle either.
        let Some(middle) = middle else { return Ok(0) };
        let (low, high) = try_join(
            self.audience_size_where(condition, "c.id <", &middle),
            self.audience_size_where(condition, "c.id >=", &middle),
        )
        .await?;
        Ok(low + high)
    }

    async fn audience_size_where(
        &self,
        condition: &Condition,
        side: &str,
        middle: &str,
    ) -> Result<i64, StoreError> {
        let (holds, values) = question(condition, 2);
        let sql = format!("select count(*) from customer as c where {side} $1 and ({holds})");
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(middle);
        for value in values {
            query = match value {
                Value::Whole(number) => query.bind(number),
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        Ok(query.fetch_one(self.readers()).await?)
    }
}
