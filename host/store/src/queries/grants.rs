//! Coupons given, and pools of imported codes.

use std::collections::{BTreeMap, HashMap};

use fail::fail_point;
use sqlx::Row as _;

use super::super::{Conn, Store};
use super::rows;
use crate::StoreError;
use crate::records::GrantRow;

impl Store {
    pub(crate) async fn grants_of(&self, customer: &str) -> Result<Vec<GrantRow>, StoreError> {
        let mut conn = self.readers().acquire().await?;
        Ok(of(&mut conn, &[customer.to_owned()]).await?.remove(customer).unwrap_or_default())
    }

    pub(crate) async fn import_codes(
        &self,
        pool: String,
        codes: Vec<String>,
    ) -> Result<u64, StoreError> {
        self.write((pool, codes), |conn, (pool, codes)| {
            Box::pin(async move {
                let done = sqlx::query(concat!(
                    "insert into pool_code (pool, code) select $2, value from ",
                    texts!("$1"),
                    " where true on conflict (pool, code) do nothing"
                ))
                .bind(rows(codes))
                .bind(pool)
                .execute(conn)
                .await?;
                Ok(done.rows_affected())
            })
        })
        .await
    }

    pub(crate) async fn take_codes(
        &self,
        pool: String,
        keys: Vec<String>,
    ) -> Result<Vec<Option<String>>, StoreError> {
        self.write((pool, keys), |conn, (pool, keys)| {
            Box::pin(async move { take_codes(conn, pool, keys).await })
        })
        .await
    }

    pub(crate) async fn give_back_codes(
        &self,
        pool: String,
        keys: Vec<String>,
    ) -> Result<(), StoreError> {
        self.write((pool, keys), |conn, (pool, keys)| {
            Box::pin(async move {
                sqlx::query(concat!(
                    "update pool_code set key = null where pool = $2 and key in (select value from ",
                    texts!("$1"),
                    ")"
                ))
                .bind(rows(keys))
                .bind(pool)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }
}

async fn taken(
    conn: &mut Conn,
    pool: &str,
    keys: &[String],
) -> Result<HashMap<String, String>, StoreError> {
    let found = sqlx::query(concat!(
        "select key, code from pool_code where pool = $2 and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(keys))
    .bind(pool)
    .fetch_all(conn)
    .await?;
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn take_codes(
    conn: &mut Conn,
    pool: &str,
    keys: &[String],
) -> Result<Vec<Option<String>>, StoreError> {
    let mut codes = taken(conn, pool, keys).await?;
    let mut wanting: Vec<&String> = Vec::new();
    for key in keys {
        if !codes.contains_key(key) && !wanting.contains(&key) {
            wanting.push(key);
        }
    }
    let free = free(conn, pool, wanting.len()).await?;
    let pairs: Vec<(&String, &String, &str)> =
        wanting.into_iter().zip(&free).map(|(key, code)| (key, code, pool)).collect();
    sqlx::query(concat!(
        "update pool_code set key = batch.value->>0 from ",
        each!("$1"),
        " where pool = batch.value->>2 and code = batch.value->>1"
    ))
    .bind(rows(&pairs))
    .execute(conn)
    .await?;
    fail_point!("codes.taken");
    codes.extend(pairs.into_iter().map(|(key, code, _)| (key.clone(), code.clone())));
    Ok(keys.iter().map(|key| codes.get(key).cloned()).collect())
}

/// So many free codes, which nobody else takes before this transaction has ended.
async fn free(conn: &mut Conn, pool: &str, wanted: usize) -> Result<Vec<String>, StoreError> {
    let mut free: Vec<String> = Vec::new();
    // Those that another host is about to take are waited for only where no others are left: it may yet give them up.
    for statement in [
        concat!(
            "select code from pool_code where pool = $1 and key is null order by code limit $2",
            for_update_of_the_free!()
        ),
        concat!(
            "select code from pool_code where pool = $1 and key is null order by code limit $2",
            for_update!()
        ),
    ] {
        if free.len() < wanted {
            free = sqlx::query_scalar(statement)
                .bind(pool)
                .bind(i64::try_from(wanted).unwrap_or(i64::MAX))
                .fetch_all(&mut *conn)
                .await?;
        }
    }
    Ok(free)
}

/// Coupons of these customers, oldest first.
pub(super) async fn of(
    conn: &mut Conn,
    customers: &[String],
) -> Result<BTreeMap<String, Vec<GrantRow>>, StoreError> {
    let found = sqlx::query(concat!(
        "select key, customer, campaign, connection, code, state, valid_from, valid_until, granted_at ",
        "from coupon_grant where customer in (select value from ",
        texts!("$1"),
        ") order by granted_at, key"
    ))
    .bind(rows(customers))
    .fetch_all(conn)
    .await?;
    let mut grants: BTreeMap<String, Vec<GrantRow>> = BTreeMap::new();
    for row in found {
        let grant = GrantRow {
            key: row.try_get("key")?,
            customer: row.try_get("customer")?,
            campaign: row.try_get("campaign")?,
            connection: row.try_get("connection")?,
            code: row.try_get("code")?,
            state: row.try_get("state")?,
            valid_from: row.try_get("valid_from")?,
            valid_until: row.try_get("valid_until")?,
            granted_at: row.try_get("granted_at")?,
        };
        grants.entry(grant.customer.clone()).or_default().push(grant);
    }
    Ok(grants)
}

pub(super) async fn insert(conn: &mut Conn, grants: &[&GrantRow]) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "insert into coupon_grant (key, customer, campaign, connection, code, state, valid_from, valid_until, ",
        "granted_at, changed_at) select value->>'key', value->>'customer', value->>'campaign', value->>'connection', ",
        "value->>'code', value->>'state', cast(value->>'valid_from' as bigint), ",
        "cast(value->>'valid_until' as bigint), cast(value->>'granted_at' as bigint), ",
        "cast(value->>'granted_at' as bigint) from ",
        each!("$1"),
        " where true on conflict (key) do nothing"
    ))
    .bind(rows(grants))
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks coupons taken back, by key.
pub(super) async fn revoke(conn: &mut Conn, keys: &[&str], now: i64) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update coupon_grant set state = 'revoked', changed_at = $2 where state = 'usable' and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(keys))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks coupons used, by customer and code.
pub(super) async fn use_codes(
    conn: &mut Conn,
    used: &[(String, String)],
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update coupon_grant set state = 'used', changed_at = $2 where state = 'usable' ",
        "and (customer, code) in (select value->>0, value->>1 from ",
        each!("$1"),
        ")"
    ))
    .bind(rows(used))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
