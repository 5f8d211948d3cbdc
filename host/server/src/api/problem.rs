//! Errors as the API tells them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;
use waystation_engine::EngineError;
use waystation_sandbox::SandboxError;
use waystation_store::StoreError;

use super::extract::BODY_TIME;

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request is not valid: the parts that are not, each with its place.
    Invalid(Vec<Fault>),
    /// There is no such thing.
    NotFound(String),
    /// The method is not one of the resource's.
    Method,
    /// No token, or a wrong one.
    Unauthorized,
    /// It contradicts what is stored.
    Conflict(String),
    /// The body is larger than allowed.
    TooLarge(String),
    /// The body is not of the type that is needed.
    MediaType(String),
    /// A plugin failed.
    Plugin(String),
    /// Too much is waiting; the caller is to come again after so many seconds.
    Busy { after_s: u64 },
    /// The body did not come in time.
    SlowBody,
    /// It took longer than a request may.
    TooSlow,
    /// The server is about to end.
    Stopping,
    /// The database does not answer; the text is logged and not sent.
    Unreachable(String),
    /// Our fault; the text is logged and not sent.
    Internal(String),
}

/// One thing wrong with a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where: a JSON Pointer, a parameter, or `line:column` of a document.
    pub(crate) at: String,
    /// What is wrong and how to mend it.
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}

/// What is wrong with a file, each fault at its line and column.
pub(crate) fn faults(problems: &[waystation_journey::Problem]) -> Vec<Fault> {
    let fault = |problem: &waystation_journey::Problem| {
        let place = format!("{}:{}", problem.line, problem.column);
        let message = match problem.path.as_str() {
            "" => problem.message.clone(),
            path => format!("{path}: {}", problem.message),
        };
        Fault::new(place, message)
    };
    problems.iter().map(fault).collect()
}

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the title says what kind it is.
    r#type: &'static str,
    /// The kind of problem.
    title: String,
    /// The HTTP status code.
    status: u16,
    /// What is wrong and how to mend it.
    detail: String,
    /// What is wrong with which part of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
}

impl ApiError {
    /// One fault.
    pub(crate) fn invalid(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(at, message)])
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Plugin(_) => StatusCode::BAD_GATEWAY,
            Self::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooSlow | Self::Stopping | Self::Unreachable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let retry_after = match self {
            Self::Busy { after_s } => after_s,
            _ => 1,
        };
        let (detail, faults) = match self {
            Self::Invalid(faults) => {
                let first = faults.first().map(|fault| format!("{}: {}", fault.at, fault.message));
                (first.unwrap_or_default(), faults)
            }
            Self::NotFound(what) => (format!("there is no {what}"), Vec::new()),
            Self::Method => ("this resource does not take this method; see /v1/openapi.json".to_owned(), Vec::new()),
            Self::Unauthorized => (
                "give the header `Authorization: Bearer <token>`; the token was shown when the server first started"
                    .to_owned(),
                Vec::new(),
            ),
            Self::Conflict(detail) | Self::TooLarge(detail) | Self::MediaType(detail) | Self::Plugin(detail) => {
                (detail, Vec::new())
            }
            Self::Busy { after_s } => (
                format!("too much is waiting; nothing was stored, so send the request again in {after_s} s"),
                Vec::new(),
            ),
            Self::SlowBody => (
                format!(
                    "the body did not come within {} s; nothing was done, so send it again, in parts if it is large",
                    BODY_TIME.as_secs()
                ),
                Vec::new(),
            ),
            Self::TooSlow => {
                ("the request took too long; it may have been carried out, so send it again with the same identifiers".to_owned(), Vec::new())
            }
            Self::Stopping => ("the server is stopping; send the request again in a moment".to_owned(), Vec::new()),
            Self::Unreachable(detail) => {
                error!(detail, "a request failed");
                (
                    "the database does not answer; the request may have been carried out, so send it again with the same \
                     identifiers in a moment"
                        .to_owned(),
                    Vec::new(),
                )
            }
            Self::Internal(detail) => {
                error!(detail, "a request failed");
                ("the server failed; its log says why".to_owned(), Vec::new())
            }
        };
        let problem =
            Problem { r#type: "about:blank", title, status: status.as_u16(), detail, faults };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            _ => {}
        }
        response
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Sandbox(
                error @ (SandboxError::Cache { .. } | SandboxError::Engine(_)),
            ) => Self::Internal(error.to_string()),
            EngineError::Sandbox(error) => Self::invalid("plugin", error.to_string()),
            EngineError::Call { .. } => Self::Plugin(error.to_string()),
            EngineError::Invalid(detail) => Self::invalid("connection", detail),
            EngineError::Missing(what) => Self::NotFound(what),
            EngineError::Conflict(detail) => Self::Conflict(detail),
            EngineError::File { .. } => Self::Internal(error.to_string()),
            EngineError::Overloaded { after_s } => Self::Busy { after_s },
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) | StoreError::IdentityTaken => {
                Self::Conflict(error.to_string())
            }
            StoreError::Closed => Self::Stopping,
            StoreError::Unreachable(_) | StoreError::InTheWay(_) | StoreError::SessionOver => {
                Self::Unreachable(error.to_string())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}
