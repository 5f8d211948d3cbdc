//! Requests from outside that a connection's plugin reads. The plugin checks who sent them.

use axum::body::Body as AxumBody;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use tracing::{info, warn};
use waystation_engine::EngineError;
use waystation_sandbox::CallError;
use waystation_sandbox::contract::types;

use super::App;
use super::extract::{Body, Path};
use super::problem::ApiError;

/// Headers that describe the transfer, not the answer; the server writes its own.
const TRANSFER: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::TE];

/// Hands a request to the trigger source `connection` and answers as it says, once its events are stored.
pub(crate) async fn receive(
    State(app): State<App>,
    Path(connection): Path<String>,
    request: Request,
) -> Result<Response<AxumBody>, ApiError> {
    // Before the body is read: anybody can send one.
    if !app.engine.takes_hooks(&connection) {
        return Err(ApiError::NotFound(format!("connection `{connection}` that takes hooks")));
    }
    let _place = app.hooks.try_acquire().map_err(|_| ApiError::Busy { after_s: 1 })?;
    let parts = request.into_parts();
    let Body(body) = Body::from_request(Request::from_parts(parts.0.clone(), parts.1), &()).await?;
    let parts = parts.0;
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let request = types::HttpRequest {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.to_string(),
        headers,
        body: body.to_vec(),
    };
    match app.engine.receive(&connection, request).await {
        Ok(response) => Ok(answer(&connection, response)),
        Err(EngineError::Call { error: CallError::Plugin(detail), .. }) => {
            info!(connection, detail, "a hook's request was not understood");
            let message = "the request was not understood; the server's log says why".to_owned();
            let mut response = ApiError::invalid("request", message).into_response();
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
        Err(EngineError::Call { error, .. }) => {
            warn!(connection, %error, "a hook's request failed in the plugin");
            Err(ApiError::Plugin("the plugin failed; send the request again".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

fn answer(connection: &str, given: types::HttpResponse) -> Response<AxumBody> {
    let mut response = Response::new(AxumBody::from(given.body));
    *response.status_mut() = StatusCode::from_u16(given.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in given.headers {
        match (HeaderName::try_from(&name), HeaderValue::try_from(&value)) {
            (Ok(name), Ok(value)) if !TRANSFER.contains(&name) => {
                response.headers_mut().append(name, value);
            }
            (Ok(_), Ok(_)) => {}
            _ => warn!(
                connection,
                header.name = name,
                "a plugin's response header is not valid; it is left out"
            ),
        }
    }
    response
}
