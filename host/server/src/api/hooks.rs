//! Requests from outside that a connection's plugin reads. The plugin checks who sent them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body as AxumBody;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};
use waystation_engine::EngineError;
use waystation_sandbox::CallError;
use waystation_sandbox::contract::types;

use super::App;
use super::extract::{Path, in_time};
use super::problem::ApiError;

/// Largest request to a hook, which anybody can send.
const REQUEST: usize = 1 << 20;
/// Bytes of requests to one hook that are in memory at the same time. A sender holds what it has sent, so that slow ones hold
/// little.
const BYTES: usize = 16 << 20;
/// Requests to one hook that its plugin has, or that wait for it.
const CALLS: usize = 64;

/// What each hook's requests may take, by connection: a hook that is flooded, or whose plugin hangs, is none of the others'
/// business.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<BTreeMap<String, Room>>);

#[derive(Debug, Clone)]
struct Room {
    bytes: Arc<Semaphore>,
    calls: Arc<Semaphore>,
}

impl Rooms {
    /// The room of a connection, which takes hooks: only so many are kept as there are connections.
    fn of(&self, connection: &str) -> Room {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.get(connection) {
            return room.clone();
        }
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let room = Room { bytes: semaphore(BYTES), calls: semaphore(CALLS) };
        rooms.insert(connection.to_owned(), room.clone());
        room
    }
}

impl Room {
    /// Reads a body. The second value is its room in memory.
    async fn read(&self, body: AxumBody) -> Result<(Vec<u8>, OwnedSemaphorePermit), ApiError> {
        let busy = |_| ApiError::Busy { after_s: 1 };
        let mut held = Arc::clone(&self.bytes).try_acquire_many_owned(0).map_err(busy)?;
        let mut whole = Vec::new();
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| {
                ApiError::invalid("body", format!("the body broke off: {error}"))
            })?;
            if part.len() > REQUEST - whole.len() {
                let most = REQUEST >> 10;
                return Err(ApiError::TooLarge(format!("a hook takes at most {most} KiB")));
            }
            // At most a mebibyte, by the line above.
            let more = Arc::clone(&self.bytes).try_acquire_many_owned(part.len() as u32);
            held.merge(more.map_err(busy)?);
            whole.extend_from_slice(&part);
        }
        Ok((whole, held))
    }
}

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
    let room = app.hooks.of(&connection);
    let (parts, body) = request.into_parts();
    let (body, _bytes) = in_time(room.read(body)).await??;
    // Only now: whoever sends slowly keeps nobody from being heard.
    let _call = room.calls.try_acquire().map_err(|_| ApiError::Busy { after_s: 1 })?;
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
        body,
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
