//! Who meets a condition, asked of all customers at once.

use sqlx::AssertSqlSafe;
use sqlx::Row as _;
use waystation_journey::Condition;

use super::super::Store;
use super::question::{Value, question};
use crate::StoreError;

impl Store {
    /// Identifiers of the customers who meet a condition, in their order: up to `limit` after one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn audience(
        &self,
        condition: &Condition,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let (holds, values) = question(condition, 3);
        let sql = format!(
            "select c.id from customer as c where c.id > $1 and {holds} order by c.id limit $2"
        );
        let mut query =
            sqlx::query(AssertSqlSafe(sql)).bind(after.unwrap_or_default().to_owned()).bind(limit);
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

    /// How many customers meet a condition.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn audience_size(&self, condition: &Condition) -> Result<i64, StoreError> {
        let (holds, values) = question(condition, 1);
        let sql = format!("select count(*) from customer as c where {holds}");
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
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
