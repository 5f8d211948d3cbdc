//! Bodies, paths and queries whose rejections are problem documents too.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::ApiError;

/// Longest time for a body to come.
pub(super) const BODY_TIME: Duration = Duration::from_secs(30);

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match in_time(axum::Json::<T>::from_request(request, state)).await? {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::MediaType(
                "send the body with `content-type: application/json`".to_owned(),
            )),
            Err(JsonRejection::BytesRejection(error)) => Err(body(&error)),
            Err(error) => Err(ApiError::invalid("body", error.body_text())),
        }
    }
}

/// A body of any type.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = in_time(Bytes::from_request(request, state)).await?;
        read.map(Self).map_err(|error| body(&error))
    }
}

/// What reading a body comes to, unless it takes too long.
pub(super) async fn in_time<T>(reading: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(BODY_TIME, reading).await.map_err(|_| ApiError::SlowBody)
}

impl Body {
    /// The file that was sent.
    pub(crate) fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.0).map_err(|error| {
            let at = error.valid_up_to();
            ApiError::invalid(
                "body",
                format!("the file is not UTF-8 from byte {at}; save it as UTF-8"),
            )
        })
    }
}

fn body(error: &BytesRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::TooLarge(
            "the body is larger than this resource takes; send it in parts".to_owned(),
        )
    } else {
        ApiError::invalid("body", error.body_text())
    }
}

/// Parts of the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|error: PathRejection| ApiError::invalid("path", error.body_text()))
    }
}

/// Query parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|error: QueryRejection| ApiError::invalid("query", error.body_text()))
    }
}
