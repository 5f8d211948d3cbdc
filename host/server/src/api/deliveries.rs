//! The ledger: deliveries, coupons issued and revoked, actions run, with every attempt and reason.

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_store::records::{AttemptRow, Deliveries, EffectRow, InterventionRow};

use super::extract::{Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, page};

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this connection.
    connection: Option<String>,
    /// Of this journey.
    journey: Option<String>,
    /// To this customer.
    customer: Option<String>,
    /// Of this enrollment.
    enrollment: Option<String>,
    /// `send`, `publish`, `issue`, `revoke` or `run`.
    kind: Option<String>,
    /// Asked for by the step at this path, such as `steps[2]`.
    step: Option<String>,
    /// `pending`, `attempting`, `unknown` (the provider is being asked), `settled` or `done`.
    phase: Option<String>,
    /// `accepted`, `refused`, `unknown`, `suppressed`, `expired` or `cancelled`; several with commas between them.
    outcome: Option<String>,
    /// Why, in a word: `address`, `content`, `account`, `held`, `no_address`, …
    reason: Option<String>,
    /// Written into the ledger at this time or later, Unix milliseconds.
    since: Option<i64>,
    /// Written into the ledger before this time, Unix milliseconds.
    before: Option<i64>,
    /// After this key: the last of the page before.
    after: Option<String>,
    /// Most rows, 1 to 1,000; 100 if absent.
    limit: Option<i64>,
}

/// An effect in the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// The same on every attempt.
    key: String,
    enrollment: String,
    customer: String,
    journey: String,
    version: i64,
    /// Path of the step that asked for it.
    step: String,
    /// `send`, `issue`, `revoke` or `run`.
    kind: String,
    connection: String,
    /// `pending`, `attempting`, `unknown` (the provider is to be asked), `settled` or `done`.
    phase: String,
    /// How it ended: `accepted`, `refused`, `unknown`, `suppressed`, `expired` or `cancelled`.
    outcome: Option<String>,
    /// Why, in a word.
    reason: Option<String>,
    /// Why, in full.
    detail: Option<String>,
    /// The provider's identifier of the message.
    provider_id: Option<String>,
    /// Attempts made.
    attempts: i64,
    created_at: i64,
    settled_at: Option<i64>,
}

/// An effect with its attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// Every attempt, oldest first.
    history: Vec<AttemptView>,
    /// What operators said of it, oldest first.
    by_hand: Vec<InterventionView>,
}

/// What an operator said of an effect.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InterventionView {
    /// Counted from 1.
    number: i64,
    at: i64,
    /// Who said so.
    actor: String,
    /// `accepted`, `refused` or `resend`.
    verdict: String,
    /// Why.
    reason: String,
    /// How it stood before, such as `unknown held`.
    former: String,
    /// Whether it might happen a second time by it.
    may_double: bool,
}

/// One attempt: written before the plugin was called, completed after.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// Counted from 1.
    number: i64,
    /// Digest of the release that was called.
    release: String,
    started_at: i64,
    ended_at: Option<i64>,
    /// `accepted`, `refused`, `deferred` or `unknown`.
    outcome: Option<String>,
    detail: Option<String>,
}

/// List effects in the order of their keys.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "deliveries", params(Which),
    responses((status = 200, description = "Deliveries", body = Vec<DeliveryView>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Reply<Vec<DeliveryView>>, ApiError> {
    let outcome = which.outcome.as_deref().unwrap_or_default();
    let filter = Deliveries {
        connection: which.connection,
        journey: which.journey,
        customer: which.customer,
        enrollment: which.enrollment,
        kind: which.kind,
        step: which.step,
        phase: which.phase,
        outcomes: outcome.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
        reason: which.reason,
        since: which.since,
        before: which.before,
        after: which.after,
    };
    check_words(&filter)?;
    let found = app.engine.store().deliveries(&filter, page(which.limit)?).await?;
    Ok(Reply(found.into_iter().map(DeliveryView::from).collect()))
}

/// A word that nothing has would find nothing, and look as if nothing were wrong.
pub(super) fn check_words(filter: &Deliveries) -> Result<(), ApiError> {
    let known: [(&str, &[&str], Vec<&String>); 3] = [
        ("kind", &["send", "publish", "issue", "revoke", "run"], filter.kind.iter().collect()),
        (
            "phase",
            &["pending", "attempting", "unknown", "settled", "done"],
            filter.phase.iter().collect(),
        ),
        (
            "outcome",
            &["accepted", "refused", "unknown", "suppressed", "expired", "cancelled"],
            filter.outcomes.iter().collect(),
        ),
    ];
    for (name, words, given) in known {
        if let Some(wrong) = given.into_iter().find(|word| !words.contains(&word.as_str())) {
            let message = format!("`{wrong}` is none; there are: {}", words.join(", "));
            return Err(ApiError::invalid(name, message));
        }
    }
    Ok(())
}

/// Read an effect with every attempt at it.
#[utoipa::path(
    get, path = "/v1/deliveries/{key}", tag = "deliveries",
    params(("key" = String, Path, description = "The effect's key")),
    responses(
        (status = 200, description = "The delivery", body = DeliveryDetail),
        (status = 404, description = "No such delivery", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(key): Path<String>,
) -> Result<Reply<DeliveryDetail>, ApiError> {
    let found = app.engine.store().effect(&key).await?;
    let (effect, attempts) =
        found.ok_or_else(|| ApiError::NotFound(format!("delivery `{key}`")))?;
    let by_hand = app.engine.store().interventions(&key).await?;
    Ok(Reply(DeliveryDetail {
        delivery: effect.into(),
        history: attempts.into_iter().map(AttemptView::from).collect(),
        by_hand: by_hand.into_iter().map(InterventionView::from).collect(),
    }))
}

impl From<EffectRow> for DeliveryView {
    fn from(row: EffectRow) -> Self {
        Self {
            key: row.key,
            enrollment: row.enrollment,
            customer: row.customer,
            journey: row.journey,
            version: row.version,
            step: row.step,
            kind: row.kind,
            connection: row.connection,
            phase: row.phase,
            outcome: row.outcome,
            reason: row.reason,
            detail: row.detail,
            provider_id: row.provider_id,
            attempts: row.attempts,
            created_at: row.created_at,
            settled_at: row.settled_at,
        }
    }
}

impl From<InterventionRow> for InterventionView {
    fn from(row: InterventionRow) -> Self {
        Self {
            number: row.number,
            at: row.at,
            actor: row.actor,
            verdict: row.kind,
            reason: row.reason,
            former: row.former,
            may_double: row.may_double,
        }
    }
}

impl From<AttemptRow> for AttemptView {
    fn from(row: AttemptRow) -> Self {
        Self {
            number: row.number,
            release: row.release,
            started_at: row.started_at,
            ended_at: row.ended_at,
            outcome: row.outcome,
            detail: row.detail,
        }
    }
}
