//! A workspace that was restored from a backup: what was open then may have been done since.

use super::super::{Conn, Store};
use super::{rows, settings};
use crate::StoreError;
use crate::records::{Doubt, NewEffect, RESTORED};

impl Store {
    pub(crate) async fn set_restored(
        &self,
        state: String,
        open_since: Option<i64>,
        now: i64,
    ) -> Result<u64, StoreError> {
        self.write((state, open_since, now), |conn, &(ref state, open_since, now)| {
            Box::pin(async move {
                settings::put(conn, RESTORED, state).await?;
                match open_since {
                    Some(since) => doubt_open(conn, since, now).await,
                    None => Ok(0),
                }
            })
        })
        .await
    }
}

/// Whatever was asked for and not settled may have been done after the backup was made. Coupons are taken back all the same:
/// twice is safe.
async fn doubt_open(conn: &mut Conn, since: i64, now: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "update effect set phase = 'unknown', due_at = $2, uncertain = '?', \
         first_attempt_at = coalesce(first_attempt_at, $1), \
         counted_at = case when marketing = 1 then coalesce(counted_at, $1) else counted_at end \
         where phase in ('pending', 'attempting', 'unknown') and phase <> 'done' and kind <> 'revoke'",
    )
    .bind(since)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Of what a pass asks for, that may have been done already which belongs to enrollments from before the backup.
pub(super) async fn doubt(
    conn: &mut Conn,
    effects: &[NewEffect],
    doubt: &Doubt,
) -> Result<(), StoreError> {
    let old = effects.iter().filter(|effect| effect.enrollment < doubt.enrolled_before);
    let keys: Vec<&str> = old.map(|effect| effect.key.as_str()).collect();
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "update effect set phase = 'unknown', uncertain = '?', first_attempt_at = $2, ",
        "counted_at = case when marketing = 1 then $2 else counted_at end ",
        "where kind <> 'revoke' and key in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&keys))
    .bind(doubt.since)
    .execute(conn)
    .await?;
    Ok(())
}
