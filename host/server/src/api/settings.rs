//! Settings of the workspace.

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waystation_engine::{
    COUPON_EXPIRING_BEFORE, COUPON_EXPIRING_DEFAULT, EVENTS_WAITING, EVENTS_WAITING_DEFAULT,
    EVENTS_WAITING_RANGE, KEEP_ENROLLMENTS, KEEP_ENROLLMENTS_DEFAULT, KEEP_EVENTS,
    KEEP_EVENTS_DEFAULT, KEEP_RECORDINGS, KEEP_RECORDINGS_DEFAULT, SEGMENT_INTERVAL,
    SEGMENT_INTERVAL_DEFAULT, duration,
};

use super::extract::Json;
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// What the setting is called in the database.
const UNSIGNED_PLUGINS: &str = "unsigned_plugins";
/// Shortest time for which anything is kept, in milliseconds: a slip of the pen must not empty the workspace.
const KEEP_MIN: i64 = 24 * 3_600_000;

/// What becomes of a release that nobody signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unsigned {
    /// It is not installed.
    #[default]
    Refuse,
    /// It is installed.
    Allow,
}

/// The workspace's settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingsView {
    /// Whether releases without a signature are installed: `refuse` (the default) or `allow`.
    unsigned_plugins: Unsigned,
    /// How long before its end the event `coupon.expiring` tells of a coupon, such as `90m`, `24h` (the default) or `3d`.
    coupon_expiring: String,
    /// Time between two looks at a segment that a journey is entered by, such as `10m` (the default).
    segment_interval: String,
    /// Events that may wait to be dealt with before no more are taken in (429): 1000 to 1000000000, 5000000 by default. Of
    /// events that set transactional journeys going, a tenth as many may wait beside them.
    events_waiting: String,
    /// For how long ended enrollments are kept, with their history, deliveries and decisions: `180d` unless set. Longer where a
    /// limit, a goal or `again` still needs them.
    keep_enrollments: String,
    /// For how long events are kept, and with them the identifiers that count once: `400d` unless set. Longer where a condition
    /// or segment looks back further.
    keep_events: String,
    /// For how long recorded calls are kept: `30d` unless set.
    keep_recordings: String,
}

/// Settings to change; those that are left out stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    #[serde(default)]
    unsigned_plugins: Option<Unsigned>,
    #[serde(default)]
    coupon_expiring: Option<String>,
    #[serde(default)]
    segment_interval: Option<String>,
    #[serde(default)]
    events_waiting: Option<String>,
    #[serde(default)]
    keep_enrollments: Option<String>,
    #[serde(default)]
    keep_events: Option<String>,
    #[serde(default)]
    keep_recordings: Option<String>,
}

/// Read the workspace's settings.
#[utoipa::path(
    get, path = "/v1/settings", tag = "trust",
    responses((status = 200, description = "The settings", body = SettingsView))
)]
pub(crate) async fn get(State(app): State<App>) -> Result<Reply<SettingsView>, ApiError> {
    Ok(Reply(view(&app).await?))
}

/// Change settings of the workspace. What is installed already stays.
#[utoipa::path(
    put, path = "/v1/settings", tag = "trust", request_body = Changes,
    responses(
        (status = 200, description = "The settings now", body = SettingsView),
        (status = 422, description = "Not valid; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Json(changes): Json<Changes>,
) -> Result<Reply<SettingsView>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let durations = [
            (COUPON_EXPIRING_BEFORE, changes.coupon_expiring),
            (SEGMENT_INTERVAL, changes.segment_interval),
            (KEEP_ENROLLMENTS, changes.keep_enrollments),
            (KEEP_EVENTS, changes.keep_events),
            (KEEP_RECORDINGS, changes.keep_recordings),
        ];
        let durations = durations.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let durations: Vec<(&'static str, String)> = durations.collect();
        if let Some((name, text)) = durations.iter().find(|(_, text)| duration(text).is_none()) {
            let message = format!("`{text}` is no duration such as 10m, 24h or 3d");
            return Err(ApiError::invalid(format!("/{name}"), message));
        }
        let kept = durations.iter().filter(|(name, _)| name.starts_with("keep_"));
        for (name, text) in kept {
            if duration(text).is_some_and(|kept| kept < KEEP_MIN) {
                let message =
                    format!("`{text}` is too short; what is kept is kept for at least 1d");
                return Err(ApiError::invalid(format!("/{name}"), message));
            }
        }
        let waiting = changes.events_waiting;
        if let Some(text) = &waiting {
            let (least, most) = (EVENTS_WAITING_RANGE.start(), EVENTS_WAITING_RANGE.end());
            if !text.parse().is_ok_and(|count| EVENTS_WAITING_RANGE.contains(&count)) {
                let message = format!("`{text}` is no number from {least} to {most}");
                return Err(ApiError::invalid("/events_waiting", message));
            }
        }
        for (name, text) in durations.into_iter().chain(waiting.map(|text| (EVENTS_WAITING, text)))
        {
            app.engine.store().set_setting(name, text).await?;
        }
        if let Some(unsigned) = changes.unsigned_plugins {
            let word = match unsigned {
                Unsigned::Refuse => "refuse",
                Unsigned::Allow => "allow",
            };
            app.engine.store().set_setting(UNSIGNED_PLUGINS, word.to_owned()).await?;
        }
        Ok(Reply(view(&app).await?))
    })
    .await
}

async fn view(app: &App) -> Result<SettingsView, ApiError> {
    let set = async |name: &str, default: &str| -> Result<String, ApiError> {
        let set = app.engine.store().setting(name).await?;
        Ok(set.unwrap_or_else(|| default.to_owned()))
    };
    Ok(SettingsView {
        unsigned_plugins: unsigned_plugins(app).await?,
        coupon_expiring: set(COUPON_EXPIRING_BEFORE, COUPON_EXPIRING_DEFAULT).await?,
        segment_interval: set(SEGMENT_INTERVAL, SEGMENT_INTERVAL_DEFAULT).await?,
        events_waiting: set(EVENTS_WAITING, &EVENTS_WAITING_DEFAULT.to_string()).await?,
        keep_enrollments: set(KEEP_ENROLLMENTS, KEEP_ENROLLMENTS_DEFAULT).await?,
        keep_events: set(KEEP_EVENTS, KEEP_EVENTS_DEFAULT).await?,
        keep_recordings: set(KEEP_RECORDINGS, KEEP_RECORDINGS_DEFAULT).await?,
    })
}

/// What becomes of releases that nobody signed.
pub(super) async fn unsigned_plugins(app: &App) -> Result<Unsigned, ApiError> {
    let set = app.engine.store().setting(UNSIGNED_PLUGINS).await?;
    // Only the very word opens the door, so that a damaged row does not.
    Ok(if set.as_deref() == Some("allow") { Unsigned::Allow } else { Unsigned::Refuse })
}
