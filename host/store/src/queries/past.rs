//! What happened to customers, as far as conditions read it.

use std::collections::BTreeMap;

use sqlx::Row as _;
use waystation_journey::{MAX_PAST, Needs, Past};

use super::super::{Conn, Store};
use super::{read, rows};
use crate::StoreError;

impl Store {
    pub(crate) async fn pasts(
        &self,
        customers: &[&str],
        needs: &Needs,
        now: i64,
    ) -> Result<BTreeMap<String, Past>, StoreError> {
        let mut pasts = BTreeMap::new();
        if customers.is_empty() || needs.events.is_empty() {
            return Ok(pasts);
        }
        let mut conn = self.readers().acquire().await?;
        events(&mut conn, customers, needs, now, &mut pasts).await?;
        latest(&mut conn, customers, needs, now, &mut pasts).await?;
        Ok(pasts)
    }
}

async fn events(
    conn: &mut Conn,
    customers: &[&str],
    needs: &Needs,
    now: i64,
    pasts: &mut BTreeMap<String, Past>,
) -> Result<(), StoreError> {
    let windows = needs.events.iter().filter(|(_, need)| need.window > 0);
    let wanted: Vec<(&str, &str, i64, bool)> = windows
        .flat_map(|(event, need)| {
            let since = now.saturating_sub(need.window);
            customers
                .iter()
                .map(move |customer| (*customer, event.as_str(), since, need.properties))
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // The second bound is the time of the oldest event that still counts.
    let found = sqlx::query(concat!(
        "select e.customer, e.name, e.at, case when cast(batch.value->>3 as boolean) then e.properties else '{}' end from ",
        each!("$1"),
        " cross join event as e where e.customer = batch.value->>0 and e.name = batch.value->>1 ",
        "and e.at > cast(batch.value->>2 as bigint) and e.at <= $2 ",
        "and e.at >= coalesce((select f.at from event as f where f.customer = batch.value->>0 ",
        "and f.name = batch.value->>1 and f.at <= $2 order by f.at desc limit 1 offset $3), e.at) ",
        "order by e.at, e.properties"
    ))
    .bind(rows(&wanted))
    .bind(now)
    .bind(i64::try_from(MAX_PAST - 1).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    for row in found {
        let customer: &str = row.try_get(0)?;
        let properties = read("event of customer", customer, row.try_get(3)?)?;
        let past = pasts.entry(customer.to_owned()).or_default();
        past.add(row.try_get(1)?, row.try_get(2)?, properties);
    }
    Ok(())
}

async fn latest(
    conn: &mut Conn,
    customers: &[&str],
    needs: &Needs,
    now: i64,
    pasts: &mut BTreeMap<String, Past>,
) -> Result<(), StoreError> {
    let events = needs.events.iter().filter(|(_, need)| need.latest);
    let wanted: Vec<(&str, &str)> = events
        .flat_map(|(event, _)| customers.iter().map(move |customer| (*customer, event.as_str())))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let found = sqlx::query(concat!(
        "select batch.value->>0, batch.value->>1, (select max(e.at) from event as e ",
        "where e.customer = batch.value->>0 and e.name = batch.value->>1 and e.at <= $2) from ",
        each!("$1")
    ))
    .bind(rows(&wanted))
    .bind(now)
    .fetch_all(conn)
    .await?;
    for row in found {
        if let Some(at) = row.try_get::<Option<i64>, _>(2)? {
            pasts.entry(row.try_get(0)?).or_default().set_latest(row.try_get(1)?, at);
        }
    }
    Ok(())
}
