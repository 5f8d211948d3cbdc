//! How events come by a stream, and what of it could not be taken in.

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use waystation_store::records::{AsideBody, AsideFilter, AsideReason, AsideRow, NewEvent, Taken};

use super::extract::{Json, Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, page, to_the_end};
use crate::event::{Origin, event};
use crate::ingress::message::{detail, source};

/// Most that one request retries or deletes.
const PART: i64 = 500;

/// How a stream is read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IngressView {
    /// The stream's name.
    stream: String,
    /// The consumer's name.
    consumer: String,
    /// Why it is not read now; absent if it is.
    error: Option<String>,
    /// What is wrong with the settings of stream and consumer.
    findings: Vec<FindingView>,
    /// Messages that were not delivered to any host.
    pending: u64,
    /// Messages that were delivered and not acknowledged.
    unacknowledged: u64,
    /// Highest sequence that was taken in.
    highest: i64,
    /// Sequence up to which everything was taken in.
    floor: i64,
    /// How many are set aside.
    set_aside: i64,
}

/// Something wrong with a setting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingView {
    /// `refused`: nothing is read with it; `warned`: messages may be lost by it.
    weight: &'static str,
    /// What is wrong, what comes of it, and how to mend it.
    message: String,
}

/// Tell how the stream is read by this host.
#[utoipa::path(
    get, path = "/v1/ingress", tag = "ingress",
    responses(
        (status = 200, description = "How the stream is read", body = IngressView),
        (status = 404, description = "This host reads no stream", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn status(State(app): State<App>) -> Result<Reply<IngressView>, ApiError> {
    let status = app.ingress.as_ref().ok_or_else(|| {
        ApiError::NotFound("stream that this host reads; start it with --nats".to_owned())
    })?;
    let store = app.engine.store();
    let position = store.stream_position(&status.stream, &status.consumer).await?;
    let now = status.now();
    let finding = |one: &crate::ingress::settings::Finding| FindingView {
        weight: one.weight.word(),
        message: one.message.clone(),
    };
    Ok(Reply(IngressView {
        stream: status.stream.clone(),
        consumer: status.consumer.clone(),
        error: now.error,
        findings: now.findings.iter().map(finding).collect(),
        pending: now.pending,
        unacknowledged: now.unacknowledged,
        highest: position.as_ref().map_or(0, |one| one.highest),
        floor: position.as_ref().map_or(0, |one| one.floor),
        set_aside: store.set_aside_count().await?,
    }))
}

/// What was set aside, without its body.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AsideView {
    /// Its number.
    id: i64,
    /// The stream that it came by.
    stream: String,
    /// The message's sequence in the stream.
    sequence: i64,
    /// Its place in the message, from 0; absent if it is the whole message.
    part: Option<i64>,
    /// The message's subject.
    subject: String,
    /// `not_json`, `not_an_event`, `too_large`, `unknown_customer` or `refused`.
    reason: String,
    /// What is wrong with it.
    detail: String,
    /// Its size in bytes.
    size: i64,
    /// When the message was published.
    published_at: i64,
    /// When it was set aside.
    at: i64,
}

/// What was set aside, with what was kept of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AsideDetail {
    #[serde(flatten)]
    row: AsideView,
    /// Its first 96 KiB.
    body: String,
    /// `text`, or `base64` where it is no text.
    encoding: &'static str,
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Set aside for this reason.
    reason: Option<String>,
    /// After this number: the last of the page before.
    #[serde(default)]
    after: i64,
    /// Most rows, 1 to 1,000; 100 if absent.
    limit: Option<i64>,
}

/// List messages and events of streams that could not be taken in, oldest first. They are kept for 30 days, and no more than
/// 20,000.
#[utoipa::path(
    get, path = "/v1/ingress/set-aside", tag = "ingress", params(Which),
    responses((status = 200, description = "What was set aside", body = Vec<AsideView>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Reply<Vec<AsideView>>, ApiError> {
    let filter = AsideFilter {
        ids: Vec::new(),
        reason: reason(which.reason)?,
        after: which.after,
        limit: page(which.limit)?,
    };
    let rows = app.engine.store().set_aside(&filter).await?;
    Ok(Reply(rows.iter().map(AsideView::from).collect()))
}

/// Show one that was set aside, with its body.
#[utoipa::path(
    get, path = "/v1/ingress/set-aside/{id}", tag = "ingress",
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "What was set aside", body = AsideDetail),
        (status = 404, description = "Nothing is set aside under this number", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<Reply<AsideDetail>, ApiError> {
    let filter = AsideFilter { ids: vec![id], limit: 1, ..AsideFilter::default() };
    let row = app.engine.store().set_aside(&filter).await?.into_iter().next();
    let row = row.ok_or_else(|| ApiError::NotFound(format!("{id} that is set aside")))?;
    let (body, encoding) = row.body.stored();
    Ok(Reply(AsideDetail { row: AsideView::from(&row), body: body.to_owned(), encoding }))
}

/// Which of those set aside are meant: `ids`, `reason` or `all`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meant {
    /// These numbers, at most 500.
    #[serde(default)]
    ids: Vec<i64>,
    /// Those set aside for this reason.
    reason: Option<String>,
    /// All.
    #[serde(default)]
    all: bool,
    /// After this number: the `next` of the answer before.
    #[serde(default)]
    after: i64,
}

/// What came of retrying.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Retried {
    /// Events taken in.
    accepted: usize,
    /// Events that had been taken before.
    duplicates: usize,
    /// What stays set aside.
    left: Vec<Left>,
    /// Where the next part starts; absent at the end.
    next: Option<i64>,
}

/// What stays set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Left {
    /// Its number.
    id: i64,
    /// What is wrong with it.
    detail: String,
}

/// Take in what was set aside and can be read now, up to 500 at a time: repeat the request with `after` until there is no
/// `next`. An event is taken once, however often it is retried.
#[utoipa::path(
    post, path = "/v1/ingress/set-aside/retry", tag = "ingress", request_body = Meant,
    responses(
        (status = 200, description = "What came of it", body = Retried),
        (status = 422, description = "Not valid; nothing taken", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn retry(
    State(app): State<App>,
    Json(meant): Json<Meant>,
) -> Result<Reply<Retried>, ApiError> {
    to_the_end(async move {
        let (rows, next) = find(&app, meant).await?;
        let mut answer = Retried { next, ..Retried::default() };
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            match reread(row) {
                Ok(event) => events.push((row.id, event)),
                Err(detail) => answer.left.push(Left { id: row.id, detail }),
            }
        }
        for (id, taken) in app.engine.retry_set_aside(events).await? {
            match taken {
                Taken::Accepted => answer.accepted += 1,
                Taken::Duplicate => answer.duplicates += 1,
                Taken::UnknownCustomer => {
                    let detail = "still no customer has this identity".to_owned();
                    answer.left.push(Left { id, detail });
                }
            }
        }
        answer.left.sort_by_key(|one| one.id);
        Ok(Reply(answer))
    })
    .await
}

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dropped {
    /// How many.
    dropped: u64,
    /// Where the next part starts; absent at the end.
    next: Option<i64>,
}

/// Delete what was set aside, up to 500 at a time: repeat the request with `after` until there is no `next`.
#[utoipa::path(
    post, path = "/v1/ingress/set-aside/drop", tag = "ingress", request_body = Meant,
    responses(
        (status = 200, description = "Deleted", body = Dropped),
        (status = 422, description = "Not valid; nothing deleted", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn discard(
    State(app): State<App>,
    Json(meant): Json<Meant>,
) -> Result<Reply<Dropped>, ApiError> {
    to_the_end(async move {
        let (rows, next) = find(&app, meant).await?;
        let ids = rows.iter().map(|row| row.id).collect();
        let dropped = app.engine.store().drop_set_aside(ids).await?;
        Ok(Reply(Dropped { dropped, next }))
    })
    .await
}

/// A part of those that are meant, and where the next part starts.
async fn find(app: &App, meant: Meant) -> Result<(Vec<AsideRow>, Option<i64>), ApiError> {
    let ways = [!meant.ids.is_empty(), meant.reason.is_some(), meant.all];
    if ways.iter().filter(|way| **way).count() != 1 {
        let message = "say which are meant: one of `ids`, `reason` and `all`";
        return Err(ApiError::invalid("", message));
    }
    if meant.ids.len() > 500 {
        let message = format!("give at most {PART} numbers, not {}", meant.ids.len());
        return Err(ApiError::invalid("/ids", message));
    }
    let filter = AsideFilter {
        ids: meant.ids,
        reason: reason(meant.reason)?,
        after: meant.after,
        limit: PART,
    };
    let rows = app.engine.store().set_aside(&filter).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == PART);
    let next = rows.last().filter(|_| full).map(|row| row.id);
    Ok((rows, next))
}

fn reason(word: Option<String>) -> Result<Option<String>, ApiError> {
    match word {
        Some(word) if !AsideReason::ALL.iter().any(|one| one.word() == word) => {
            let words: Vec<&str> = AsideReason::ALL.iter().map(|one| one.word()).collect();
            let message = format!("there is no reason `{word}`; there are {}", words.join(", "));
            Err(ApiError::invalid("reason", message))
        }
        word => Ok(word),
    }
}

/// What was set aside as an event, or what keeps it from being one.
fn reread(row: &AsideRow) -> Result<NewEvent, String> {
    let AsideBody::Text(text) = &row.body else { return Err(row.detail.clone()) };
    // A message as a whole is none, and what was cut is not all there.
    if row.part < 0 || i64::try_from(text.len()).is_ok_and(|kept| kept < row.size) {
        return Err(row.detail.clone());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let source = source(&row.stream);
    let id = Some(row.event_id.clone());
    let origin = Origin { source: &source, id, at: row.published / 1_000_000 };
    event(value, origin).map_err(|fault| detail(&fault))
}

impl From<&AsideRow> for AsideView {
    fn from(row: &AsideRow) -> Self {
        Self {
            id: row.id,
            stream: row.stream.clone(),
            sequence: row.sequence,
            part: (row.part >= 0).then_some(row.part),
            subject: row.subject.clone(),
            reason: row.reason.clone(),
            detail: row.detail.clone(),
            size: row.size,
            published_at: row.published / 1_000_000,
            at: row.at,
        }
    }
}
