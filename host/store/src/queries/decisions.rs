//! Decisions that depend on the customer's other messages, and why messages did not go out.
//!
//! What a customer got is read, the decision made and the message marked in one transaction of the one writer: no two
//! workers can take the same place under a limit.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::Row as _;
use waystation_journey::{Asking, Counted, Held, Policy, Ruling};

use super::super::{Conn, Store};
use super::{effects, read, rows, text};
use crate::StoreError;
use crate::records::{Asked, DecisionRow, Overtaking, Verdict};

impl Store {
    pub(crate) async fn asked_for(
        &self,
        customer: &str,
        journey: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Asked>, StoreError> {
        let found = sqlx::query(
            "select key, enrollment, customer, journey, version, step, kind, connection, phase, outcome, reason, detail, \
             provider_id, attempts, created_at, settled_at, due_at, body from effect join effect_body on effect = key \
             where customer = $1 and ($2 is null or journey = $2) order by created_at desc limit $3",
        )
        .bind(customer)
        .bind(journey)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        let asked = found.iter().map(|row| {
            Ok(Asked {
                effect: effects::decode(row)?,
                body: row.try_get("body")?,
                due_at: row.try_get("due_at")?,
            })
        });
        asked.collect()
    }

    pub(crate) async fn decisions(
        &self,
        customer: &str,
        limit: i64,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        let found = sqlx::query(
            "select at, effect, kind, until, held from (select * from decision where customer = $1 \
             order by at desc limit $2) as latest order by at, effect, kind",
        )
        .bind(customer)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                let effect: String = row.try_get("effect")?;
                let held: &str = row.try_get("held")?;
                Ok(DecisionRow {
                    at: row.try_get("at")?,
                    held: read("the decision about effect", &effect, held)?,
                    effect,
                    kind: row.try_get("kind")?,
                    until: row.try_get("until")?,
                })
            })
            .collect()
    }
}

/// Decides, in their order, about the effects that limits may hold back.
pub(super) async fn within_limits<'v>(
    conn: &mut Conn,
    verdicts: &'v [(String, Verdict)],
    now: i64,
) -> Result<Cow<'v, [(String, Verdict)]>, StoreError> {
    let asking = || {
        verdicts.iter().filter_map(|(key, verdict)| match verdict {
            Verdict::Within(asking) => Some((key.as_str(), asking)),
            _ => None,
        })
    };
    let Some(since) = asking().map(|(_, asking)| asking.since(now)).min() else {
        return Ok(Cow::Borrowed(verdicts));
    };
    let keys: Vec<&str> = asking().map(|(key, _)| key).collect();
    let customers: BTreeSet<&str> = asking().map(|(_, asking)| asking.customer()).collect();
    let customers: Vec<&str> = customers.into_iter().collect();
    // An effect that an exit has taken back meanwhile takes no place.
    let pending = pending(conn, &keys).await?;
    let mut counted = counted(conn, &customers, since).await?;
    let mut verdicts = verdicts.to_vec();
    for (key, verdict) in &mut verdicts {
        let Verdict::Within(asking) = verdict else { continue };
        if !pending.contains(key) {
            continue;
        }
        let taken = counted.entry(asking.customer().to_owned()).or_default();
        match asking.decide(taken, now) {
            Ok(()) => taken.push(Asking::counted(asking, now)),
            Err(ruling) => *verdict = Verdict::Hold(Box::new(ruling)),
        }
    }
    Ok(Cow::Owned(verdicts))
}

async fn pending(conn: &mut Conn, keys: &[&str]) -> Result<HashSet<String>, StoreError> {
    let found: Vec<String> = sqlx::query_scalar(concat!(
        "select key from effect where ",
        in_phase!("pending"),
        " and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(keys))
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().collect())
}

/// Messages that count, by customer.
async fn counted(
    conn: &mut Conn,
    customers: &[&str],
    since: i64,
) -> Result<HashMap<String, Vec<Counted>>, StoreError> {
    let found = sqlx::query(concat!(
        "select customer, key, journey, connection, step, tags, counted_at from effect ",
        "where counted_at is not null and counted_at > $2 and customer in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(customers))
    .bind(since)
    .fetch_all(conn)
    .await?;
    let mut counted: HashMap<String, Vec<Counted>> = HashMap::new();
    for row in &found {
        let key: String = row.try_get("key")?;
        let tags = read("the tags of effect", &key, row.try_get("tags")?)?;
        counted.entry(row.try_get("customer")?).or_default().push(Counted {
            key,
            journey: row.try_get("journey")?,
            connection: row.try_get("connection")?,
            step: row.try_get("step")?,
            tags,
            at: row.try_get("counted_at")?,
        });
    }
    Ok(counted)
}

/// Records what policies hold back, and puts off what is to wait.
pub(super) async fn record(
    conn: &mut Conn,
    verdicts: &[(String, Verdict)],
    now: i64,
) -> Result<(), StoreError> {
    let mut held = Vec::new();
    let mut delayed: Vec<(&str, i64)> = Vec::new();
    for (key, verdict) in verdicts {
        let Verdict::Hold(ruling) = verdict else { continue };
        match &**ruling {
            Ruling::Suppress(reason) => {
                held.push((key.as_str(), "suppressed", None, text(reason)?));
            }
            Ruling::Delay { until, held: reason } => {
                held.push((key.as_str(), "delayed", Some(*until), text(reason)?));
                delayed.push((key.as_str(), *until));
            }
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    // Before the effects change: what an exit has taken back meanwhile is not held back by policies.
    insert(conn, &held, now).await?;
    if !delayed.is_empty() {
        sqlx::query(concat!(
            "update effect set due_at = cast(batch.value->>1 as bigint) from ",
            each!("$1"),
            " where effect.key = batch.value->>0 and ",
            in_phase!("pending")
        ))
        .bind(rows(&delayed))
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Records which messages these go before, though they came due after them. Those that do not go out pass none.
pub(super) async fn passed(
    conn: &mut Conn,
    overtaking: &[Overtaking],
    verdicts: &[(String, Verdict)],
    now: i64,
) -> Result<(), StoreError> {
    if overtaking.is_empty() {
        return Ok(());
    }
    let stay: HashSet<&str> = verdicts
        .iter()
        .filter(|(_, verdict)| !matches!(verdict, Verdict::Attempt | Verdict::Within(_)))
        .map(|(key, _)| key.as_str())
        .collect();
    let mut by_customer: HashMap<&str, Vec<&Overtaking>> = HashMap::new();
    for one in overtaking.iter().filter(|one| !stay.contains(one.key.as_str())) {
        by_customer.entry(&one.customer).or_default().push(one);
    }
    let customers: Vec<&str> = by_customer.keys().copied().collect();
    let found = sqlx::query(concat!(
        "select key, customer, rank, due_at from effect where phase = 'pending' and kind = 'send' and due_at <= $2 ",
        "and customer in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&customers))
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    let mut passed = Vec::new();
    for row in &found {
        let (key, customer): (&str, &str) = (row.try_get("key")?, row.try_get("customer")?);
        let (rank, due_at): (i64, i64) = (row.try_get("rank")?, row.try_get("due_at")?);
        let by = by_customer
            .get(customer)
            .and_then(|before| before.iter().find(|one| one.rank > rank && one.due_at > due_at));
        if let Some(by) = by {
            let held = Held::Passed {
                by: by.key.clone(),
                journey: by.journey.clone(),
                first: is_first(by.rank) && !is_first(rank),
            };
            passed.push((key, "passed", None, text(&held)?));
        }
    }
    insert(conn, &passed, now).await
}

/// Whether a rank is of a customer who goes first.
fn is_first(rank: i64) -> bool {
    rank % Policy::TRANSACTIONAL >= Policy::FIRST
}

async fn insert(
    conn: &mut Conn,
    held: &[(&str, &str, Option<i64>, String)],
    now: i64,
) -> Result<(), StoreError> {
    if held.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "insert into decision (customer, at, effect, kind, until, held) ",
        "select effect.customer, $2, effect.key, batch.value->>1, cast(batch.value->>2 as bigint), batch.value->>3 from ",
        each!("$1"),
        " join effect on effect.key = batch.value->>0 where ",
        in_phase!("pending"),
        " on conflict do nothing"
    ))
    .bind(rows(held))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
