//! For load balancers and monitoring.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::App;
use super::problem::ApiError;

/// Answers `ok` while the database can be read.
pub(crate) async fn healthz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.engine.store().tokens().await?;
    Ok("ok\n")
}

/// Counters in Prometheus text format.
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        app.engine.metrics().text(),
    )
}
