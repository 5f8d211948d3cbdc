//! The HTTP API.
//!
//! Only this module knows status codes. Every error is a problem document (RFC 9457) that says what, where and how to mend
//! it; what went wrong inside is logged and not sent.

mod activations;
mod assignments;
mod auth;
mod by_hand;
mod compare;
mod connections;
mod customers;
mod deliveries;
mod enroll;
mod enrollments;
mod events;
mod extract;
mod garbage;
mod health;
mod hooks;
mod hosts;
mod ingress;
mod journeys;
mod keys;
mod log;
mod operations;
mod plugins;
mod policy;
mod problem;
mod restored;
mod segments;
mod settings;
mod splits;
mod unsubscribe;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use waystation_engine::Engine;

pub(crate) use self::auth::{Tokens, new_token};
pub(crate) use self::connections::reopen;
pub(crate) use self::problem::ApiError;
use crate::ingress::Status as IngressStatus;
use crate::vault::Vault;

/// Largest request body where nothing else is said: a thousand events.
const BODY: usize = 8 << 20;
/// Largest journey or connection.
const DOCUMENT: usize = 256 << 10;
/// Largest component.
const COMPONENT: usize = 64 << 20;
/// Longest time for a request, plugin calls of a hook included.
const REQUEST: Duration = Duration::from_secs(60);

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) tokens: Arc<Tokens>,
    /// How the stream goes that this host reads, if it reads one.
    pub(crate) ingress: Option<Arc<IngressStatus>>,
    /// What requests to hooks may take.
    pub(crate) hooks: Arc<hooks::Rooms>,
    /// One change of journeys, plugins or connections at a time.
    pub(crate) changing: Arc<tokio::sync::Mutex<()>>,
    /// Turns true when the server is to stop.
    pub(crate) stopping: tokio::sync::watch::Receiver<bool>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Waystation",
        description = "Runs customers' marketing journeys. Times are Unix milliseconds unless said otherwise; every error is an RFC 9457 problem document.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("token" = []))
)]
struct Description;

impl App {
    pub(crate) fn new(
        engine: Arc<Engine>,
        vault: Arc<Vault>,
        tokens: Arc<Tokens>,
        ingress: Option<Arc<IngressStatus>>,
        stopping: tokio::sync::watch::Receiver<bool>,
    ) -> Self {
        let hooks = Arc::default();
        Self { engine, vault, tokens, ingress, hooks, changing: Arc::default(), stopping }
    }
}

/// All routes, with their limits and their description.
pub(crate) fn router(app: App) -> Router {
    let (api, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(events::send))
        .routes(routes!(ingress::status))
        .routes(routes!(ingress::list))
        .routes(routes!(ingress::get))
        .routes(routes!(ingress::retry))
        .routes(routes!(ingress::discard))
        .routes(routes!(customers::put, customers::get))
        .routes(routes!(customers::import))
        .routes(routes!(journeys::list))
        .routes(routes!(journeys::get))
        .routes(routes!(operations::operate))
        .routes(routes!(operations::live))
        .routes(routes!(operations::transfers))
        .routes(routes!(versions::list))
        .routes(routes!(versions::get))
        .routes(routes!(versions::history))
        .routes(routes!(versions::diff, versions::diff_file))
        .routes(routes!(splits::list))
        .routes(routes!(splits::decide))
        .routes(routes!(hosts::list))
        .routes(routes!(assignments::list))
        .routes(routes!(assignments::done))
        .routes(routes!(enroll::enroll))
        .routes(routes!(enroll::enroll_segment))
        .routes(routes!(enrollments::list))
        .routes(routes!(enrollments::get))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(by_hand::causes))
        .routes(routes!(by_hand::settle))
        .routes(routes!(by_hand::settle_many))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::import_codes))
        .routes(routes!(log::read))
        .routes(routes!(garbage::remove))
        .routes(routes!(garbage::collect))
        .routes(routes!(keys::list))
        .routes(routes!(keys::get, keys::put, keys::delete))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(restored::get))
        .routes(routes!(restored::resume))
        .routes(routes!(segments::list))
        .routes(routes!(segments::get, segments::delete))
        .routes(routes!(segments::count))
        .routes(routes!(segments::members))
        .routes(routes!(segments::count_asked))
        .routes(routes!(policy::why))
        .routes(routes!(connections::list))
        .routes(routes!(connections::rotate))
        .routes(routes!(activations::activate))
        .routes(routes!(activations::roll_back))
        .routes(routes!(activations::promote))
        .routes(routes!(activations::history))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(journeys::apply))
                .routes(routes!(segments::apply))
                .routes(routes!(policy::get, policy::put))
                .layer(DefaultBodyLimit::max(DOCUMENT)),
        )
        .merge(
            OpenApiRouter::new()
                .routes(routes!(connections::put, connections::get))
                .layer(DefaultBodyLimit::max(DOCUMENT)),
        )
        .merge(
            OpenApiRouter::new()
                .routes(routes!(plugins::install))
                .routes(routes!(compare::compare))
                .layer(DefaultBodyLimit::max(COMPONENT)),
        )
        .split_for_parts();
    let components = description.components.get_or_insert_default();
    components
        .add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let guarded = api
        .route("/metrics", get(health::metrics))
        .layer(middleware::from_fn_with_state(app.clone(), auth::require));
    Router::new()
        .merge(guarded)
        .route("/v1/openapi.json", get(async move || Json(description)))
        .route("/healthz", get(health::healthz))
        .route("/hooks/{connection}", axum::routing::any(hooks::receive))
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::withdraw))
        .fallback(async || {
            ApiError::NotFound("resource at this address; see /v1/openapi.json".to_owned())
        })
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(bound))
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::Internal("a handler panicked".to_owned()).into_response()
        }))
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}

/// Gives a request up that takes too long. What it has handed to the store is stored all the same.
async fn bound(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TooSlow.into_response(),
    }
}

/// Carries a change to its end even if the caller goes away meanwhile, so that database and engine do not part.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::spawn(change).await.unwrap_or_else(|error| Err(ApiError::Internal(error.to_string())))
}

/// Rows of a page: 100 where the caller does not say.
fn page(limit: Option<i64>) -> Result<i64, ApiError> {
    match limit {
        None => Ok(100),
        Some(limit @ 1..=1000) => Ok(limit),
        Some(limit) => Err(ApiError::invalid(
            "limit",
            format!("`limit` is {limit}; it must be from 1 to 1000"),
        )),
    }
}
