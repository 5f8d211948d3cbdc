//! Effects that did not go out, or of which nobody knows: found, counted, and settled by operators.
//!
//! An operator changes only what no worker has in hand: effects whose provider is being asked (`unknown`), and those that
//! are `done`. Of the latter the enrollment has been told and has gone on; it is never told again.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row as _};

use super::super::{Conn, Row, Store};
use super::{effects, read, rows};
use crate::StoreError;
use crate::records::{
    ByHand, CauseCount, Deliveries, EffectRow, InterventionRow, Said, Saying, Unknowns,
};

/// The outcomes of index `effect_failed`, in its words: it is used only where the statement repeats them.
macro_rules! failed {
    () => {
        "outcome in ('unknown', 'refused', 'expired', 'suppressed')"
    };
}

/// What an operator may say of an effect, as a condition on its row.
///
/// A coupon's code is known to its provider alone, so nobody can say by hand that one was issued; one that its journey went
/// on without is not issued again, as nobody would be told of it. Taking back twice is safe: that is only ever repeated.
fn may_be_said(what: ByHand) -> &'static str {
    match what {
        ByHand::Accepted => {
            "kind in ('send', 'publish', 'run') and (phase = 'unknown' or (phase = 'done' and outcome = 'unknown'))"
        }
        ByHand::Refused => {
            "kind <> 'revoke' and (phase = 'unknown' or (phase = 'done' and outcome = 'unknown'))"
        }
        ByHand::Resend => {
            concat!(
                "(phase = 'unknown' or (phase = 'done' and kind <> 'issue' and ",
                failed!(),
                "))"
            )
        }
    }
}

/// The statement's conditions for a filter, with the values to bind from `$1` on.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Time(i64),
}

impl Conditions {
    fn of(filter: &Deliveries) -> Self {
        let mut conditions = Self { sql: "key > $1".to_owned(), values: Vec::new() };
        conditions.values.push(Value::Text(filter.after.clone().unwrap_or_default()));
        for (column, value) in [
            ("connection", &filter.connection),
            ("journey", &filter.journey),
            ("customer", &filter.customer),
            ("enrollment", &filter.enrollment),
            ("kind", &filter.kind),
            ("step", &filter.step),
            ("phase", &filter.phase),
            ("reason", &filter.reason),
        ] {
            if let Some(value) = value {
                conditions.push(&format!("{column} ="), Value::Text(value.clone()));
            }
        }
        if filter.phase.as_ref().is_some_and(|phase| phase != "done") {
            // The words of index `effect_open`.
            conditions.sql.push_str(" and phase <> 'done'");
        }
        if let Some(since) = filter.since {
            conditions.push("created_at >=", Value::Time(since));
        }
        if let Some(before) = filter.before {
            conditions.push("created_at <", Value::Time(before));
        }
        let failed = ["unknown", "refused", "expired", "suppressed"];
        if !filter.outcomes.is_empty() {
            if filter.outcomes.iter().all(|one| failed.contains(&one.as_str())) {
                conditions.sql.push_str(concat!(" and ", failed!()));
            }
            let places: Vec<String> = filter
                .outcomes
                .iter()
                .map(|one| {
                    conditions.values.push(Value::Text(one.clone()));
                    format!("${}", conditions.values.len())
                })
                .collect();
            conditions.sql.push_str(&format!(" and outcome in ({})", places.join(", ")));
        }
        conditions
    }

    fn push(&mut self, comparison: &str, value: Value) {
        self.values.push(value);
        self.sql.push_str(&format!(" and {comparison} ${}", self.values.len()));
    }
}

/// Binds what conditions hold, in their order.
macro_rules! bind {
    ($query:expr, $conditions:expr) => {
        $conditions.values.iter().fold($query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Time(time) => query.bind(time),
        })
    };
}

impl Store {
    pub(crate) async fn deliveries(
        &self,
        filter: &Deliveries,
        limit: i64,
    ) -> Result<Vec<EffectRow>, StoreError> {
        let conditions = Conditions::of(filter);
        let place = conditions.values.len() + 1;
        let sql = format!(
            "{} where {} order by key limit ${place}",
            effects::SELECT_EFFECT,
            conditions.sql
        );
        let found = bind!(sqlx::query(AssertSqlSafe(sql)), conditions)
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        found.iter().map(effects::decode).collect()
    }

    pub(crate) async fn keys_for(
        &self,
        filter: &Deliveries,
        what: ByHand,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let conditions = Conditions::of(filter);
        let place = conditions.values.len() + 1;
        let sql = format!(
            "select key from effect where {} and {} order by key limit ${place}",
            conditions.sql,
            may_be_said(what)
        );
        Ok(bind!(sqlx::query_scalar(AssertSqlSafe(sql)), conditions)
            .bind(limit)
            .fetch_all(self.readers())
            .await?)
    }

    pub(crate) async fn settle_by_hand(
        &self,
        keys: Vec<String>,
        saying: Saying,
        now: i64,
    ) -> Result<Vec<Said>, StoreError> {
        self.write((keys, saying, now), |conn, &(ref keys, ref saying, now)| {
            Box::pin(async move { settle(conn, keys, saying, now).await })
        })
        .await
    }

    pub(crate) async fn interventions(
        &self,
        key: &str,
    ) -> Result<Vec<InterventionRow>, StoreError> {
        let found = sqlx::query(
            "select number, at, actor, kind, reason, former, may_double from intervention where effect = $1 order by number",
        )
        .bind(key)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(InterventionRow {
                    number: row.try_get("number")?,
                    at: row.try_get("at")?,
                    actor: row.try_get("actor")?,
                    kind: row.try_get("kind")?,
                    reason: row.try_get("reason")?,
                    former: row.try_get("former")?,
                    may_double: row.try_get::<i64, _>("may_double")? == 1,
                })
            })
            .collect()
    }

    pub(crate) async fn causes(
        &self,
        from: &str,
        journey: Option<&str>,
    ) -> Result<Vec<CauseCount>, StoreError> {
        let found = sqlx::query(
            "select journey, connection, kind, case when outcome is null then phase end as open, outcome, reason, \
             count(*) as many from effect where key >= $1 and ($2 is null or journey = $2) \
             group by journey, connection, kind, open, outcome, reason \
             order by journey, connection, kind, outcome, reason, open",
        )
        .bind(from)
        .bind(journey)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(CauseCount {
                    journey: row.try_get("journey")?,
                    connection: row.try_get("connection")?,
                    kind: row.try_get("kind")?,
                    phase: row.try_get("open")?,
                    outcome: row.try_get("outcome")?,
                    reason: row.try_get("reason")?,
                    count: row.try_get("many")?,
                })
            })
            .collect()
    }

    pub(crate) async fn unknowns(&self) -> Result<Vec<Unknowns>, StoreError> {
        let found = sqlx::query(
            "select connection, case when phase = 'unknown' then cast(1 as bigint) else 0 end as asking, count(*) as many, \
             min(first_attempt_at) as oldest_at from effect where phase = 'unknown' or outcome = 'unknown' \
             group by connection, asking order by connection, asking",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(Unknowns {
                    connection: row.try_get("connection")?,
                    asking: row.try_get::<i64, _>("asking")? == 1,
                    count: row.try_get("many")?,
                    oldest_at: row.try_get("oldest_at")?,
                })
            })
            .collect()
    }
}

/// An effect that an operator may settle.
struct Found {
    key: String,
    connection: String,
    former: String,
    open: bool,
    may_double: bool,
}

async fn settle(
    conn: &mut Conn,
    keys: &[String],
    saying: &Saying,
    now: i64,
) -> Result<Vec<Said>, StoreError> {
    let mut found = find(conn, keys, saying.what).await?;
    if saying.what == ByHand::Resend {
        let dead = telling_of_what_is_gone(conn, &found).await?;
        found.retain(|one| !dead.contains(&one.key));
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    record(conn, &found, saying, now).await?;
    let chosen: Vec<&str> = found.iter().map(|one| one.key.as_str()).collect();
    let chosen = rows(&chosen);
    match saying.what {
        ByHand::Accepted => {
            let detail = format!("said by hand: {}", saying.reason);
            end(conn, &chosen, "accepted", &detail, now).await?;
        }
        ByHand::Refused => {
            let detail = format!("said by hand: {}", saying.reason);
            end(conn, &chosen, "refused", &detail, now).await?;
        }
        ByHand::Resend => resend(conn, &chosen, now).await?,
    }
    let said = found.into_iter().map(|one| Said {
        key: one.key,
        connection: one.connection,
        awaited: one.open,
        may_double: one.may_double && saying.what == ByHand::Resend,
    });
    Ok(said.collect())
}

async fn find(conn: &mut Conn, keys: &[String], what: ByHand) -> Result<Vec<Found>, StoreError> {
    let sql = format!(
        concat!(
            "select key, connection, phase, outcome, reason, ",
            "case when phase = 'unknown' or outcome = 'unknown' or uncertain is not null ",
            "or exists (select 1 from intervention where intervention.effect = key and may_double = 1) ",
            "then cast(1 as bigint) else 0 end as may_double ",
            "from effect where key in (select value from ",
            texts!("$1"),
            ") and {} order by key",
            for_update!()
        ),
        may_be_said(what)
    );
    let found = sqlx::query(AssertSqlSafe(sql)).bind(rows(keys)).fetch_all(&mut *conn).await?;
    found
        .iter()
        .map(|row: &Row| {
            let phase: String = row.try_get("phase")?;
            let outcome: Option<String> = row.try_get("outcome")?;
            let reason: Option<String> = row.try_get("reason")?;
            let open = phase == "unknown";
            let words = [(!open).then_some(outcome).flatten(), reason];
            let words: Vec<String> = words.into_iter().flatten().collect();
            Ok(Found {
                key: row.try_get("key")?,
                connection: row.try_get("connection")?,
                former: if open {
                    "the provider was being asked".to_owned()
                } else {
                    words.join(" ")
                },
                open,
                may_double: row.try_get::<i64, _>("may_double")? == 1,
            })
        })
        .collect()
}

/// Messages among these whose text has the code of a coupon that their enrollment has taken back, or is taking back.
async fn telling_of_what_is_gone(
    conn: &mut Conn,
    found: &[Found],
) -> Result<Vec<String>, StoreError> {
    let keys: Vec<&str> = found.iter().map(|one| one.key.as_str()).collect();
    let pairs = sqlx::query(concat!(
        "select message.key as key, asked.body as body, revocation.body as revoked from effect as message ",
        "join effect_body as asked on asked.effect = message.key ",
        "join effect as other on other.enrollment = message.enrollment and other.kind = 'revoke' ",
        "join effect_body as revocation on revocation.effect = other.key ",
        "where message.kind = 'send' and message.key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&keys))
    .fetch_all(&mut *conn)
    .await?;
    let mut dead = Vec::new();
    for row in &pairs {
        let key: String = row.try_get("key")?;
        let revoked: HashMap<String, serde_json::Value> =
            read("the revocation beside effect", &key, row.try_get("revoked")?)?;
        let body: &str = row.try_get("body")?;
        let code = revoked.get("code").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !code.is_empty() && body.contains(code) {
            dead.push(key);
        }
    }
    Ok(dead)
}

async fn record(
    conn: &mut Conn,
    found: &[Found],
    saying: &Saying,
    now: i64,
) -> Result<(), StoreError> {
    let batch: Vec<(&str, &str, i64)> = found
        .iter()
        .map(|one| (one.key.as_str(), one.former.as_str(), i64::from(one.may_double)))
        .collect();
    sqlx::query(concat!(
        "insert into intervention (effect, number, at, actor, kind, reason, former, may_double) ",
        "select value->>0, 1 + (select count(*) from intervention as earlier where earlier.effect = value->>0), ",
        "$2, $3, $4, $5, value->>1, case when $4 = 'resend' then cast(value->>2 as bigint) else cast(0 as bigint) end from ",
        each!("$1")
    ))
    .bind(rows(&batch))
    .bind(now)
    .bind(&saying.actor)
    .bind(saying.what.word())
    .bind(&saying.reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// What is awaited becomes `settled`, so that the next pass tells its enrollment; what is done stays done.
async fn end(
    conn: &mut Conn,
    keys: &str,
    outcome: &'static str,
    detail: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update effect set phase = case when phase = 'unknown' then 'settled' else phase end, outcome = $2, ",
        "reason = 'by_hand', detail = $3, settled_at = coalesce(settled_at, $4), uncertain = null, ",
        "counted_at = case when $2 = 'refused' then null else counted_at end where key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(keys)
    .bind(outcome)
    .bind(detail)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The next attempt counts as one that the operator answers for: what was uncertain until now does not hold it back. What can
/// have begun keeps the time of its first attempt, from which the provider counts.
async fn resend(conn: &mut Conn, keys: &str, now: i64) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update effect set phase = 'pending', outcome = null, reason = null, result = null, settled_at = null, ",
        "due_at = $2, resent_at = $2, uncertain = null, ",
        "first_attempt_at = case when phase = 'unknown' or outcome = 'unknown' or uncertain is not null then first_attempt_at end, ",
        "detached = case when phase = 'done' then 1 else detached end, ",
        // No other channel follows it any more.
        "fallback = case when phase = 'done' then 0 else fallback end where key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(keys)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
