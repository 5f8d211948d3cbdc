//! The ledger: effects written before they are made (T1), marked before the call (T2), settled after it (T3).
//!
//! Queries over open effects say `phase <> 'done'` in these words, beside the phase they want: SQLite uses a partial index
//! only where the statement repeats the index's own condition.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fail::fail_point;
use serde::Deserialize;
use sqlx::Row as _;
use waystation_journey::{Customer, Ruling};

use super::super::{Conn, Row, Store};
use super::order::Turn;
use super::{customers, decisions, gathered, grants, listed, order, ready, rows};
use crate::records::{
    AttemptRow, Counts, Due, DueEffect, EffectKind, EffectRow, Next, Overtaking, Portion,
    SettledEffect, Settlement, Verdict,
};
use crate::shares::{Shares, interleave};
use crate::{StoreError, faults};

/// In place of a digest, where nobody needs to know again what was asked.
const NO_DIGEST: &str = "?";

/// What [`decode`] reads.
macro_rules! select_effect {
    () => {
        concat!(
            "select key, enrollment, customer, journey, version, step, kind, connection, phase, outcome, reason, ",
            "detail, provider_id, attempts, created_at, settled_at from effect "
        )
    };
}

/// Open effects as [`StoredDue`].
macro_rules! select_due {
    () => {
        concat!(
            "select ",
            gather!(
                "key, connection, enrollment, customer, journey, version, step, kind, body, attempts, first_attempt_at, \
                 rank, due_at, uncertain, resent_at"
            ),
            " from effect join effect_body on effect = key "
        )
    };
}

impl Store {
    pub(crate) async fn due_effects(
        &self,
        connection: &str,
        phase: &'static str,
        now: i64,
        portion: Portion,
    ) -> Result<Due, StoreError> {
        let mut tx = self.snapshot().await?;
        let mine = self.mine();
        let mut turns = order::turns(&mut tx, &mine, connection, phase).await?;
        turns.retain(|(_, due_at)| *due_at <= now);
        let (mut left, mut bytes) = (portion.effects, portion.bytes);
        let mut keys = Vec::new();
        for rank in turns.chunk_by(|(one, _), (other, _)| one.rank() == other.rank()) {
            if left <= 0 || bytes <= 0 {
                break;
            }
            let mut rank: Vec<Turn> = rank.iter().map(|(turn, _)| *turn).collect();
            let begins = portion.round % rank.len().max(1) as u64;
            rank.rotate_left(usize::try_from(begins).unwrap_or(0));
            for (key, size) in
                of_rank(&mut tx, &mine, (connection, phase), &rank, now, left).await?
            {
                if !keys.is_empty() && size > bytes {
                    bytes = 0;
                    break;
                }
                keys.push(key);
                bytes -= size;
                left -= 1;
            }
        }
        if keys.is_empty() {
            return Ok(Due::default());
        }
        let several_ranks =
            turns.first().map(|(turn, _)| turn.rank()) != turns.last().map(|(turn, _)| turn.rank());
        Ok(Due { effects: load(&mut tx, &keys).await?, several_ranks })
    }

    pub(crate) async fn next_effect(&self, connection: &str) -> Result<Option<i64>, StoreError> {
        let mut tx = self.snapshot().await?;
        let mine = self.mine();
        let mut turns = order::turns(&mut tx, &mine, connection, "pending").await?;
        turns.extend(order::turns(&mut tx, &mine, connection, "unknown").await?);
        Ok(turns.into_iter().map(|(_, due_at)| due_at).min())
    }

    pub(crate) async fn attempt(
        &self,
        verdicts: Vec<(String, Verdict)>,
        release: String,
        now: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.attempt_before(verdicts, Vec::new(), HashMap::new(), release, now).await
    }

    pub(crate) async fn attempt_before(
        &self,
        verdicts: Vec<(String, Verdict)>,
        overtaking: Vec<Overtaking>,
        asked: HashMap<String, String>,
        release: String,
        now: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.write(
            (verdicts, overtaking, asked, release, now),
            |conn, &(ref verdicts, ref overtaking, ref asked, ref release, now)| {
                Box::pin(async move {
                    let verdicts = decisions::within_limits(conn, verdicts, now).await?;
                    decisions::passed(conn, overtaking, &verdicts, now).await?;
                    fail_point!("t2.decided");
                    attempt(conn, &verdicts, asked, release, now).await
                })
            },
        )
        .await
    }

    pub(crate) async fn unmark(&self, unmade: Vec<Settlement>, now: i64) -> Result<(), StoreError> {
        let batches = Batches::of(&unmade);
        self.write((unmade, batches, now), |conn, &(ref unmade, ref batches, now)| {
            Box::pin(async move {
                // A commit that may still be under way on the server is waited for: it holds these rows.
                let keys: Vec<&str> = unmade.iter().map(|one| one.key.as_str()).collect();
                sqlx::query(concat!(
                    "select key from effect where key in (select value from ",
                    texts!("$1"),
                    ") order by key",
                    for_update!()
                ))
                .bind(rows(&keys))
                .fetch_all(&mut *conn)
                .await?;
                settle(conn, unmade, batches, now).await
            })
        })
        .await
    }

    pub(crate) async fn due_with_fallback(
        &self,
        connection: &str,
        now: i64,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(concat!(
            "select key from effect where phase = 'pending' and fallback = 1 and connection = $1 and due_at <= $2 and ",
            within!("$3"),
            " order by due_at limit $4"
        ))
        .bind(connection)
        .bind(now)
        .bind(&*self.mine())
        .bind(limit)
        .fetch_all(self.readers())
        .await?)
    }

    pub(crate) async fn next_with_fallback(
        &self,
        connection: &str,
    ) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(concat!(
            "select min(due_at) from effect where phase = 'pending' and fallback = 1 and connection = $1 and ",
            within!("$2")
        ))
        .bind(connection)
        .bind(&*self.mine())
        .fetch_one(self.readers())
        .await?)
    }

    pub(crate) async fn postpone(&self, keys: Vec<String>, until: i64) -> Result<(), StoreError> {
        self.write((keys, until), |conn, &(ref keys, until)| {
            Box::pin(async move {
                sqlx::query(concat!(
                    "update effect set due_at = $2 where effect.phase || '' in ('pending', 'unknown') and key in (select value from ",
                    texts!("$1"),
                    ")"
                ))
                .bind(rows(keys))
                .bind(until)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn ask_by(&self, at: i64, shards: &BTreeSet<i64>) -> Result<(), StoreError> {
        self.write((at, listed(shards)), |conn, (at, shards)| {
            Box::pin(async move {
                sqlx::query(concat!(
                    "update effect set due_at = $1 where phase = 'unknown' and phase <> 'done' and due_at > $1 and ",
                    within!("$2")
                ))
                .bind(at)
                .bind(shards)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn settle(
        &self,
        settlements: Vec<Settlement>,
        now: i64,
    ) -> Result<(), StoreError> {
        let batches = Batches::of(&settlements);
        self.write((settlements, batches, now), |conn, &(ref settlements, ref batches, now)| {
            Box::pin(async move { settle(conn, settlements, batches, now).await })
        })
        .await
    }

    pub(crate) async fn interrupted(
        &self,
        shards: &BTreeSet<i64>,
    ) -> Result<Vec<(String, DueEffect)>, StoreError> {
        let found: String = sqlx::query_scalar(concat!(
            select_due!(),
            "where phase = 'attempting' and phase <> 'done' and ",
            within!("$1")
        ))
        .bind(listed(shards))
        .fetch_one(self.readers())
        .await?;
        let interrupted = gathered::<StoredDue>(&found)?.into_iter().map(|stored| {
            let customer = Customer { id: stored.customer.clone(), ..Customer::default() };
            stored.of(customer)
        });
        Ok(interrupted.collect())
    }

    pub(crate) async fn effect(
        &self,
        key: &str,
    ) -> Result<Option<(EffectRow, Vec<AttemptRow>)>, StoreError> {
        let mut tx = self.snapshot().await?;
        let found = sqlx::query(concat!(select_effect!(), "where key = $1"))
            .bind(key)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let attempts = sqlx::query(
            "select number, release, started_at, ended_at, outcome, detail from attempt where effect = $1 order by number",
        )
        .bind(key)
        .fetch_all(&mut *tx)
        .await?;
        let attempts = attempts
            .iter()
            .map(|row| {
                Ok(AttemptRow {
                    number: row.try_get("number")?,
                    release: row.try_get("release")?,
                    started_at: row.try_get("started_at")?,
                    ended_at: row.try_get("ended_at")?,
                    outcome: row.try_get("outcome")?,
                    detail: row.try_get("detail")?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Some((decode(&row)?, attempts)))
    }

    pub(crate) async fn counts(&self) -> Result<Counts, StoreError> {
        let mut tx = self.snapshot().await?;
        let events_open = sqlx::query_scalar("select count(*) from event where done_at is null")
            .fetch_one(&mut *tx)
            .await?;
        let phases =
            sqlx::query("select phase, count(*) from effect where phase <> 'done' group by phase")
                .fetch_all(&mut *tx)
                .await?;
        let oldest_due_at = order::oldest_pending(&mut tx, &self.mine()).await?;
        let effects_open = phases
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Counts { events_open, effects_open, oldest_due_at })
    }
}

/// Keys and sizes of due effects of one rank, of which each turn gets its share; in turns, as the end may be cut off.
async fn of_rank(
    conn: &mut Conn,
    mine: &str,
    queue: (&str, &str),
    turns: &[Turn],
    now: i64,
    limit: i64,
) -> Result<Vec<(String, i64)>, StoreError> {
    let mut shares = Shares::new(turns.iter().map(|_| false), limit);
    let mut found: Vec<Vec<(String, i64)>> = turns.iter().map(|_| Vec::new()).collect();
    while let Some(turn) = shares.turn() {
        let room = (turn.limit, turn.offset);
        let some = order::due(conn, mine, queue, turns[turn.place], now, room).await?;
        shares.took(some.len());
        found[turn.place].extend(some);
    }
    Ok(interleave(found))
}

/// Effects by their keys, in that order, with their customers.
async fn load(conn: &mut Conn, keys: &[String]) -> Result<Vec<DueEffect>, StoreError> {
    let found: String = sqlx::query_scalar(concat!(
        select_due!(),
        "where key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(keys))
    .fetch_one(&mut *conn)
    .await?;
    let found: Vec<StoredDue> = gathered(&found)?;
    let ids: BTreeSet<&str> = found.iter().map(|effect| effect.customer.as_str()).collect();
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    let mut everyone = customers::load(conn, &ids).await?;
    customers::load_identities(conn, &mut everyone).await?;
    let effects = found.into_iter().map(|stored| {
        let customer = everyone.get(&stored.customer).cloned();
        let nobody = || Customer { id: stored.customer.clone(), ..Customer::default() };
        let customer = customer.unwrap_or_else(nobody);
        (stored.key.clone(), stored.of(customer).1)
    });
    let mut effects: HashMap<String, DueEffect> = effects.collect();
    Ok(keys.iter().filter_map(|key| effects.remove(key)).collect())
}

/// What [`decode`] reads, for statements that are put together.
pub(super) const SELECT_EFFECT: &str = select_effect!();

/// An open effect's row, in the order of `select_due!`.
#[derive(Deserialize)]
struct StoredDue {
    key: String,
    connection: String,
    enrollment: String,
    customer: String,
    journey: String,
    version: i64,
    step: String,
    kind: EffectKind,
    body: String,
    attempts: i64,
    first_attempt_at: Option<i64>,
    rank: i64,
    due_at: i64,
    uncertain: Option<String>,
    resent_at: Option<i64>,
}

impl StoredDue {
    /// The effect, and its connection.
    fn of(self, customer: Customer) -> (String, DueEffect) {
        let effect = DueEffect {
            key: self.key,
            enrollment: self.enrollment,
            journey: self.journey,
            version: self.version,
            step: self.step,
            kind: self.kind,
            body: self.body,
            attempts: self.attempts,
            first_attempt_at: self.first_attempt_at,
            rank: self.rank,
            due_at: self.due_at,
            uncertain: self.uncertain,
            resent_at: self.resent_at,
            customer,
        };
        (self.connection, effect)
    }
}

pub(super) fn decode(row: &Row) -> Result<EffectRow, StoreError> {
    Ok(EffectRow {
        key: row.try_get("key")?,
        enrollment: row.try_get("enrollment")?,
        customer: row.try_get("customer")?,
        journey: row.try_get("journey")?,
        version: row.try_get("version")?,
        step: row.try_get("step")?,
        kind: row.try_get("kind")?,
        connection: row.try_get("connection")?,
        phase: row.try_get("phase")?,
        outcome: row.try_get("outcome")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        provider_id: row.try_get("provider_id")?,
        attempts: row.try_get("attempts")?,
        created_at: row.try_get("created_at")?,
        settled_at: row.try_get("settled_at")?,
    })
}

/// Settled effects in equal shares of connections and lanes, transactional ones first. Where there are more of them than
/// room, another one begins each time.
pub(super) async fn settled(
    conn: &mut Conn,
    mine: &str,
    now: i64,
    limit: i64,
) -> Result<Vec<SettledEffect>, StoreError> {
    let mut turns = order::settled_turns(conn, mine).await?;
    let urgent = turns.partition_point(|(_, turn)| turn.lane().is_urgent());
    let others = &mut turns[urgent..];
    let begins = now.unsigned_abs() % others.len().max(1) as u64;
    others.rotate_left(usize::try_from(begins).unwrap_or(0));
    let mut shares = Shares::new(turns.iter().map(|(_, turn)| turn.lane().is_urgent()), limit);
    let mut settled: Vec<SettledEffect> = Vec::new();
    // Rows of the same time may come in another order on the next page.
    let mut seen = HashSet::new();
    while let Some(turn) = shares.turn() {
        let found =
            order::settled(conn, mine, &turns[turn.place], (turn.limit, turn.offset)).await?;
        shares.took(found.len());
        settled.extend(found.into_iter().filter(|effect| seen.insert(effect.key.clone())));
    }
    Ok(settled)
}

/// Their enrollments have been told.
pub(super) async fn told(conn: &mut Conn, keys: &Arc<str>) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update effect set phase = 'done' where ",
        in_phase!("settled"),
        " and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(keys)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a batch of [`NewEffect`](crate::records::NewEffect), and their bodies as a batch of (key, body).
pub(super) async fn insert(
    conn: &mut Conn,
    effects: &Arc<str>,
    bodies: &Arc<str>,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "insert into effect (key, enrollment, customer, journey, version, step, kind, connection, phase, ",
        "attempts, due_at, created_at, fallback, rank, turn, tags, marketing) select value->>'key', value->>'enrollment', value->>'customer', ",
        "value->>'journey', cast(value->>'version' as bigint), value->>'step', value->>'kind', value->>'connection', ",
        "'pending', 0, cast(value->>'due_at' as bigint), cast(value->>'created_at' as bigint), ",
        "cast(value->>'fallback' as bigint), cast(value->>'rank' as bigint), ",
        "cast(value->>'rank' as bigint) * 64 + cast(value->>'lane' as bigint), value->>'tags', ",
        "cast(value->>'marketing' as bigint) from ",
        each!("$1")
    ))
    .bind(effects)
    .execute(&mut *conn)
    .await?;
    sqlx::query(concat!(
        "insert into effect_body (effect, body) select value->>0, value->>1 from ",
        each!("$1")
    ))
    .bind(bodies)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether an earlier attempt may have done it, in a statement over `effect`.
macro_rules! may_be_done {
    () => {
        "exists (select 1 from attempt where attempt.effect = effect.key and attempt.outcome = 'unknown')"
    };
}

/// Takes back what ended enrollments asked for and nobody has done. Revocations stay, as they undo something; and so does a
/// coupon that may have been issued: it must be found out, so that it can be taken back; and what an operator sent again after
/// its enrollment had gone on.
pub(super) async fn cancel(
    conn: &mut Conn,
    enrollments: &Arc<str>,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update effect set phase = 'settled', reason = 'exited', settled_at = $2, outcome = case when ",
        may_be_done!(),
        " then 'unknown' else 'cancelled' end where ",
        in_phase!("pending"),
        " and kind <> 'revoke' and detached = 0 ",
        "and enrollment in (select value from ",
        texts!("$1"),
        ") and not (kind = 'issue' and ",
        may_be_done!(),
        ")"
    ))
    .bind(enrollments)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn attempt(
    conn: &mut Conn,
    verdicts: &[(String, Verdict)],
    asked: &HashMap<String, String>,
    release: &str,
    now: i64,
) -> Result<Vec<String>, StoreError> {
    let decided: Vec<(&str, &str, &str, Option<&str>)> = verdicts
        .iter()
        .filter_map(|(key, verdict)| match verdict {
            Verdict::Suppress(reason) => Some((key.as_str(), "suppressed", *reason, None)),
            Verdict::Hold(ruling) => match &**ruling {
                Ruling::Suppress(held) => Some((key.as_str(), "suppressed", held.word(), None)),
                Ruling::Delay { .. } => None,
            },
            Verdict::Refuse { reason, detail } => {
                Some((key.as_str(), "refused", *reason, Some(detail.as_str())))
            }
            Verdict::Leave { detail } => {
                Some((key.as_str(), "unknown", "held", Some(detail.as_str())))
            }
            Verdict::Attempt | Verdict::Within(_) | Verdict::Ask => None,
        })
        .collect();
    decisions::record(conn, verdicts, now).await?;
    if !decided.is_empty() {
        sqlx::query(concat!(
            "update effect set phase = 'settled', outcome = batch.value->>1, reason = batch.value->>2, ",
            "detail = coalesce(batch.value->>3, detail), settled_at = $2 from ",
            each!("$1"),
            " where effect.key = batch.value->>0 and ",
            in_phase!("pending")
        ))
        .bind(rows(&decided))
        .bind(now)
        .execute(&mut *conn)
        .await?;
    }
    ask(conn, verdicts, now).await?;
    let wanted: Vec<(&str, &str)> = verdicts
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Attempt | Verdict::Within(_)))
        .map(|(key, _)| (key.as_str(), asked.get(key).map_or(NO_DIGEST, String::as_str)))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if faults::planted("plant.skip-mark") {
        return Ok(wanted.into_iter().map(|(key, _)| key.to_owned()).collect());
    }
    let marked = sqlx::query(concat!(
        "update effect set phase = 'attempting', attempts = attempts + 1, uncertain = batch.value->>1, ",
        "first_attempt_at = coalesce(first_attempt_at, $2), ",
        "counted_at = case when marketing = 1 then $2 else counted_at end from ",
        each!("$1"),
        " where effect.key = batch.value->>0 and ",
        in_phase!("pending"),
        " returning effect.key, attempts"
    ))
    .bind(rows(&wanted))
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    fail_point!("t2.marked");
    let marked = marked
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<Vec<(String, i64)>, StoreError>>()?;
    sqlx::query(concat!(
        "insert into attempt (effect, number, release, started_at) ",
        "select value->>0, cast(value->>1 as bigint), $2, $3 from ",
        each!("$1")
    ))
    .bind(rows(&marked))
    .bind(release)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(marked.into_iter().map(|(key, _)| key).collect())
}

/// What must not be repeated before the provider was asked.
async fn ask(conn: &mut Conn, verdicts: &[(String, Verdict)], now: i64) -> Result<(), StoreError> {
    let keys: Vec<&str> = verdicts
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Ask))
        .map(|(key, _)| key.as_str())
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "update effect set phase = 'unknown', due_at = $2 where ",
        in_phase!("pending"),
        " and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&keys))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Settlements as parameters.
struct Batches {
    effects: Arc<str>,
    attempts: Arc<str>,
}

impl Batches {
    fn of(settlements: &[Settlement]) -> Self {
        let effects: Vec<EffectEnd<'_>> = settlements.iter().map(effect_end).collect();
        let attempts: Vec<AttemptEnd<'_>> = settlements.iter().map(attempt_end).collect();
        Self { effects: ready(&effects), attempts: ready(&attempts) }
    }
}

async fn settle(
    conn: &mut Conn,
    settlements: &[Settlement],
    batches: &Batches,
    now: i64,
) -> Result<(), StoreError> {
    // `settled_at` is set only where it ended; `due_at` only where it goes on.
    let changed: Vec<String> = sqlx::query_scalar(concat!(
        "update effect set phase = batch.value->>1, outcome = batch.value->>2, reason = batch.value->>3, ",
        "detail = batch.value->>4, result = batch.value->>5, provider_id = batch.value->>6, ",
        "due_at = coalesce(cast(batch.value->>7 as bigint), due_at), ",
        "settled_at = case when batch.value->>2 is null then null else $2 end, ",
        "counted_at = case when cast(batch.value->>10 as bigint) = 1 then null else counted_at end, ",
        "uncertain = case when cast(batch.value->>11 as bigint) = 1 then null else uncertain end from ",
        each!("$1"),
        " where effect.key = batch.value->>0 and effect.phase = batch.value->>8 ",
        "and effect.attempts = cast(batch.value->>9 as bigint) returning effect.key"
    ))
    .bind(&batches.effects)
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    fail_point!("t3.effects");
    // An operator may have settled it while the provider was asked: then nothing follows from the answer.
    let (settlements, attempts) = if changed.len() == settlements.len() {
        (settlements.iter().collect(), Arc::clone(&batches.attempts))
    } else {
        let changed: HashSet<String> = changed.into_iter().collect();
        let left = settlements.iter().filter(|one| changed.contains(&one.key));
        let left: Vec<&Settlement> = left.collect();
        let attempts: Vec<AttemptEnd<'_>> = left.iter().map(|one| attempt_end(one)).collect();
        let attempts = ready(&attempts);
        (left, attempts)
    };
    if settlements.is_empty() {
        return Ok(());
    }
    let again: Vec<(&str, i64, i64)> = settlements
        .iter()
        .filter_map(|one| match one.next {
            // A provider that was asked has told of the key, and so of every attempt.
            Next::Again { certainly_not_done, .. } => {
                Some((one.key.as_str(), i64::from(certainly_not_done), i64::from(one.asked)))
            }
            _ => None,
        })
        .collect();
    if !again.is_empty() {
        stop_after_exit(conn, &again, now).await?;
    }
    sqlx::query(concat!(
        "update attempt set ended_at = $2, outcome = batch.value->>2, detail = batch.value->>3 from ",
        each!("$1"),
        " where effect = batch.value->>0 and number = cast(batch.value->>1 as bigint)"
    ))
    .bind(attempts)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    fail_point!("t3.attempts");
    let given: Vec<_> = settlements.iter().filter_map(|one| one.grant.as_ref()).collect();
    if !given.is_empty() {
        grants::insert(conn, &given).await?;
    }
    let revoked: Vec<&str> = settlements.iter().filter_map(|one| one.revoked.as_deref()).collect();
    if !revoked.is_empty() {
        grants::revoke(conn, &revoked, now).await?;
    }
    Ok(())
}

/// Whether no attempt has done it, in a statement over `effect` and the batch of [`stop_after_exit`].
macro_rules! certainly_not_done {
    () => {
        concat!(
            "(cast(batch.value->>1 as bigint) = 1 and (cast(batch.value->>2 as bigint) = 1 or not ",
            may_be_done!(),
            "))"
        )
    };
}

/// What would be done again for an enrollment that has ended meanwhile is not, as [`cancel`] has it. Each comes with whether
/// this attempt certainly did nothing, and whether that holds of all attempts before it, too.
async fn stop_after_exit(
    conn: &mut Conn,
    again: &[(&str, i64, i64)],
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update effect set phase = 'settled', reason = 'exited', settled_at = $2, ",
        "outcome = case when ",
        certainly_not_done!(),
        " then 'cancelled' else 'unknown' end from ",
        each!("$1"),
        " where effect.key = batch.value->>0 and ",
        in_phase!("pending"),
        " and effect.kind <> 'revoke' ",
        "and effect.detached = 0 and (effect.kind <> 'issue' or ",
        certainly_not_done!(),
        ") and exists (select 1 from enrollment where enrollment.id = effect.enrollment and enrollment.status <> 'active')"
    ))
    .bind(rows(again))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

type EffectEnd<'a> = (
    &'a str,
    &'static str,
    Option<&'static str>,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
    Option<i64>,
    &'static str,
    i64,
    i64,
    i64,
);

type AttemptEnd<'a> = (&'a str, i64, &'static str, Option<&'a str>);

fn attempt_end(one: &Settlement) -> AttemptEnd<'_> {
    (&one.key, one.attempt, one.ended, one.detail.as_deref())
}

fn effect_end(one: &Settlement) -> EffectEnd<'_> {
    let was = if one.asked { "unknown" } else { "attempting" };
    // What was certainly not sent takes no place among the messages that a customer may get.
    let not_sent = match &one.next {
        Next::Settled { outcome, .. } => !matches!(*outcome, "accepted" | "unknown"),
        Next::Again { certainly_not_done, .. } => *certainly_not_done,
        Next::Ask { .. } => false,
    };
    // Whether nothing is left that may have happened without anybody knowing.
    let certain = match &one.next {
        Next::Settled { outcome, .. } => {
            *outcome == "accepted" || (*outcome != "unknown" && !one.earlier_uncertain)
        }
        Next::Again { certainly_not_done, .. } => *certainly_not_done,
        Next::Ask { .. } => false,
    };
    let (phase, outcome, due_at) = match &one.next {
        Next::Settled { outcome, .. } => ("settled", Some(*outcome), None),
        Next::Again { at, .. } => ("pending", None, Some(*at)),
        Next::Ask { at } => ("unknown", None, Some(*at)),
    };
    let (reason, result, provider_id) = match &one.next {
        Next::Settled { reason, result, provider_id, .. } => {
            (reason.as_deref(), result.as_deref(), provider_id.as_deref())
        }
        Next::Again { .. } | Next::Ask { .. } => (None, None, None),
    };
    (
        &one.key,
        phase,
        outcome,
        reason,
        one.detail.as_deref(),
        result,
        provider_id,
        due_at,
        was,
        one.attempt,
        i64::from(not_sent),
        i64::from(certain),
    )
}
