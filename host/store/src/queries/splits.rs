//! Which customers were given which arm, what came of it, and which splits are decided.

use sqlx::Row as _;

use super::super::{Conn, Store};
use super::{journeys, rows};
use crate::StoreError;
use crate::records::{ArmCounts, FirstOfArm, NewArm, SplitWinner};

impl Store {
    pub(crate) async fn split_counts(
        &self,
        journey: &str,
        split: &str,
    ) -> Result<Vec<ArmCounts>, StoreError> {
        let found = sqlx::query(
            "select arm, count(*), count(goal_at) from split_arm join enrollment on enrollment.id = split_arm.enrollment \
             where split_arm.journey = $1 and split = $2 group by arm order by arm",
        )
        .bind(journey)
        .bind(split)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(ArmCounts {
                    arm: row.try_get(0)?,
                    entered: row.try_get(1)?,
                    reached: row.try_get(2)?,
                })
            })
            .collect()
    }

    pub(crate) async fn first_of_arm(
        &self,
        arm: (&str, &str, &str),
        most: i64,
        within: Option<i64>,
        now: i64,
    ) -> Result<FirstOfArm, StoreError> {
        let row = sqlx::query(
            "select count(*), count(goal_at), count(case when goal_at is not null or enrolled_at <= $5 \
             or ($6 and status <> 'active') then 1 end) from \
             (select enrollment from split_arm where journey = $1 and split = $2 and arm = $3 order by enrollment limit $4) \
             as first join enrollment on enrollment.id = first.enrollment",
        )
        .bind(arm.0)
        .bind(arm.1)
        .bind(arm.2)
        .bind(most)
        .bind(within.map_or(i64::MIN, |within| now.saturating_sub(within).saturating_sub(1)))
        .bind(within.is_none())
        .fetch_one(self.readers())
        .await?;
        Ok(FirstOfArm {
            entered: row.try_get(0)?,
            reached: row.try_get(1)?,
            known: row.try_get(2)?,
        })
    }

    pub(crate) async fn split_winners(&self) -> Result<Vec<SplitWinner>, StoreError> {
        let found = sqlx::query(
            "select journey, split, arm, decided_at, decided_by, figures from split_winner order by journey, split",
        )
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(SplitWinner {
                    journey: row.try_get("journey")?,
                    split: row.try_get("split")?,
                    arm: row.try_get("arm")?,
                    decided_at: row.try_get("decided_at")?,
                    decided_by: row.try_get("decided_by")?,
                    figures: row.try_get("figures")?,
                })
            })
            .collect()
    }

    pub(crate) async fn decide_split(
        &self,
        winner: SplitWinner,
        replace: bool,
    ) -> Result<bool, StoreError> {
        self.write((winner, replace), |conn, &(ref winner, replace)| {
            Box::pin(async move {
                journeys::lock(conn, &winner.journey).await?;
                let detail = format!("{} {}", winner.split, winner.arm);
                let done = sqlx::query(
                    "insert into split_winner (journey, split, arm, decided_at, decided_by, figures) \
                     values ($1, $2, $3, $4, $5, $6) on conflict (journey, split) do update set arm = excluded.arm, \
                     decided_at = excluded.decided_at, decided_by = excluded.decided_by, figures = excluded.figures \
                     where $7",
                )
                .bind(&winner.journey)
                .bind(&winner.split)
                .bind(&winner.arm)
                .bind(winner.decided_at)
                .bind(&winner.decided_by)
                .bind(&winner.figures)
                .bind(replace)
                .execute(&mut *conn)
                .await?;
                let decided = done.rows_affected() > 0;
                if decided {
                    let (by, at) = (&winner.decided_by, winner.decided_at);
                    journeys::change(conn, &winner.journey, "winner", None, &detail, by, at).await?;
                }
                Ok(decided)
            })
        })
        .await
    }
}

pub(super) async fn insert(conn: &mut Conn, new: &[NewArm]) -> Result<(), StoreError> {
    // A split within a `repeat` gives the same arm again.
    sqlx::query(concat!(
        "insert into split_arm (enrollment, split, journey, arm) ",
        "select value->>'enrollment', value->>'split', value->>'journey', value->>'arm' from ",
        each!("$1"),
        " where true on conflict (enrollment, split) do nothing"
    ))
    .bind(rows(new))
    .execute(conn)
    .await?;
    Ok(())
}
