//! Deliveries that did not go out, or of which nobody knows: counted by cause, and settled by operators.

use axum::Extension;
use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_engine::{BY_HAND_MAX, first_id};
use waystation_store::records::{ByHand, CauseCount, Deliveries, Saying};

use super::auth::Caller;
use super::deliveries::check_words;
use super::extract::{Json, Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// Longest reason in characters.
const MAX_REASON: usize = 500;
/// Most deliveries that a request settles if it does not say.
const MOST: i64 = 1_000;
/// How far back causes are counted if nothing is said: a day.
const SINCE: i64 = 24 * 3_600_000;

/// What an operator says of a delivery.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// It was done.
    Accepted,
    /// It was certainly not done, and is not to be.
    Refused,
    /// It is to be attempted once more.
    Resend,
}

/// What is said of one delivery, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settle {
    verdict: Verdict,
    /// Why, for whoever asks later: 1 to 500 characters.
    reason: String,
}

/// What is said of all deliveries that match, and why. `outcome` or `phase` must be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleMany {
    verdict: Verdict,
    /// Why, for whoever asks later: 1 to 500 characters.
    reason: String,
    /// Only say how many match.
    #[serde(default)]
    preview: bool,
    /// Most deliveries, 1 to 100,000; 1,000 if absent. If more match, nothing changes.
    most: Option<i64>,
    connection: Option<String>,
    journey: Option<String>,
    customer: Option<String>,
    enrollment: Option<String>,
    kind: Option<String>,
    step: Option<String>,
    phase: Option<String>,
    /// Any of these outcomes.
    #[serde(default)]
    outcome: Vec<String>,
    /// The delivery's reason, such as `address`.
    why: Option<String>,
    /// Written into the ledger at this time or later, Unix milliseconds.
    since: Option<i64>,
    /// Written into the ledger before this time, Unix milliseconds.
    before: Option<i64>,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettledView {
    key: String,
    /// Whether its journey was waiting for it, and goes on. Else the journey has gone on without it and hears nothing of this.
    awaited: bool,
    /// Whether it may happen a second time, as an earlier attempt may have been done.
    may_double: bool,
}

/// What became of many.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettledMany {
    /// How many match: of a preview alone, and no more than one beyond 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    matching: Option<u64>,
    settled: u64,
    /// Those of them that their journeys were waiting for.
    awaited: u64,
    /// Those of them that may happen a second time.
    may_double: u64,
    /// Those that had changed meanwhile, or tell of a coupon that was taken back.
    passed_over: u64,
}

/// From when on causes are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Since {
    /// Deliveries of enrollments that began at this time or later, Unix milliseconds; of the last 24 hours if absent.
    since: Option<i64>,
    /// Of this journey.
    journey: Option<String>,
}

/// Deliveries that stand or ended alike.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CauseView {
    journey: String,
    connection: String,
    kind: String,
    /// Where it has not ended: `pending`, `attempting` or `unknown`.
    phase: Option<String>,
    /// How it ended.
    outcome: Option<String>,
    /// Why, in a word.
    reason: Option<String>,
    count: i64,
}

/// Count deliveries by how they stand or ended, and why.
#[utoipa::path(
    get, path = "/v1/deliveries/causes", tag = "deliveries", params(Since),
    responses((status = 200, description = "Counts", body = Vec<CauseView>))
)]
pub(crate) async fn causes(
    State(app): State<App>,
    Query(query): Query<Since>,
) -> Result<Reply<Vec<CauseView>>, ApiError> {
    let since = query.since.unwrap_or_else(|| app.engine.now().saturating_sub(SINCE));
    let rows = app.engine.store().causes(&first_id(since), query.journey.as_deref()).await?;
    Ok(Reply(rows.into_iter().map(CauseView::from).collect()))
}

/// Say by hand what became of a delivery, or send it again: one more attempt under the same key, for which consent, address and
/// limits are looked at once more. If its journey has gone on, it hears nothing of it.
#[utoipa::path(
    post, path = "/v1/deliveries/{key}/settle", tag = "deliveries", request_body = Settle,
    params(("key" = String, Path, description = "The delivery's key")),
    responses(
        (status = 200, description = "Settled", body = SettledView),
        (status = 404, description = "No such delivery", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It stands so that this cannot be said of it", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn settle(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Json(body): Json<Settle>,
) -> Result<Reply<SettledView>, ApiError> {
    let saying = saying(body.verdict, body.reason, caller)?;
    to_the_end(async move {
        let said = app.engine.settle_by_hand(&key, saying).await?;
        Ok(Reply(SettledView { key: said.key, awaited: said.awaited, may_double: said.may_double }))
    })
    .await
}

/// The same of all deliveries that match; those of which it cannot be said do not match.
#[utoipa::path(
    post, path = "/v1/deliveries/settle", tag = "deliveries", request_body = SettleMany,
    responses(
        (status = 200, description = "Settled, or how many match", body = SettledMany),
        (status = 409, description = "More match than `most`; nothing changed", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not valid; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn settle_many(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<SettleMany>,
) -> Result<Reply<SettledMany>, ApiError> {
    let saying = saying(body.verdict, body.reason, caller)?;
    let most = body.most.unwrap_or(MOST);
    if !(1..=BY_HAND_MAX).contains(&most) {
        let message = format!("`most` is {most}; it must be from 1 to {BY_HAND_MAX}");
        return Err(ApiError::invalid("/most", message));
    }
    let filter = Deliveries {
        connection: body.connection,
        journey: body.journey,
        customer: body.customer,
        enrollment: body.enrollment,
        kind: body.kind,
        step: body.step,
        phase: body.phase,
        outcomes: body.outcome,
        reason: body.why,
        since: body.since,
        before: body.before,
        after: None,
    };
    check_words(&filter)?;
    if filter.outcomes.is_empty() && filter.phase.is_none() {
        let message = "say which ones: give `outcome`, such as [\"unknown\"], or `phase`, such as \"unknown\"";
        return Err(ApiError::invalid("/outcome", message));
    }
    if body.preview {
        let matching = app.engine.count_for(&filter, saying.what).await?;
        return Ok(Reply(SettledMany {
            matching: Some(matching),
            settled: 0,
            awaited: 0,
            may_double: 0,
            passed_over: 0,
        }));
    }
    to_the_end(async move {
        let of_many = app.engine.settle_many_by_hand(&filter, saying, most).await?;
        Ok(Reply(SettledMany {
            matching: None,
            settled: of_many.settled,
            awaited: of_many.awaited,
            may_double: of_many.may_double,
            passed_over: of_many.passed_over,
        }))
    })
    .await
}

fn saying(verdict: Verdict, reason: String, caller: Caller) -> Result<Saying, ApiError> {
    let length = reason.chars().count();
    if reason.trim().is_empty() || length > MAX_REASON {
        let message = format!("say why, in 1 to {MAX_REASON} characters; these are {length}");
        return Err(ApiError::invalid("/reason", message));
    }
    let what = match verdict {
        Verdict::Accepted => ByHand::Accepted,
        Verdict::Refused => ByHand::Refused,
        Verdict::Resend => ByHand::Resend,
    };
    Ok(Saying { what, actor: caller.0, reason })
}

impl From<CauseCount> for CauseView {
    fn from(row: CauseCount) -> Self {
        Self {
            journey: row.journey,
            connection: row.connection,
            kind: row.kind,
            phase: row.phase,
            outcome: row.outcome,
            reason: row.reason,
            count: row.count,
        }
    }
}
