//! HTTP requests to origins that the operator allowed.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{StreamExt as _, stream};
use tracing::Level;
use url::Url;

use super::{NOT_RECORDED, bounded};
use crate::{
    bindings::waystation::plugin::http::{self, Error},
    contract::types::{HttpRequest, HttpResponse},
    guest::Guest,
    outbound::{self, Room, Secrets, Sending},
};

/// Requests of one call of a plugin: ten for each item of the largest batch.
const REQUESTS_MAX: usize = 10_000;
/// Failed requests of one call of a plugin that the host's log tells of.
const FAILURES_TOLD_MAX: u32 = 100;

/// How many requests one call has asked for.
#[derive(Debug, Default)]
pub(crate) struct HttpBudget {
    asked: usize,
    /// Counted while requests are under way at the same time.
    failures_told: AtomicU32,
}

/// How recordings name a request, whichever function it was sent by.
const SEND: &str = "http.send";

const DENIED: &str = "the connection may not send HTTP requests";

/// What a replayed call is answered that the recording has no answer for.
fn missing(granted: bool) -> Result<HttpResponse, Error> {
    Err(if granted {
        Error::NotSent(NOT_RECORDED.to_owned())
    } else {
        Error::Denied(DENIED.to_owned())
    })
}

impl http::Host for Guest {
    async fn send(
        &mut self,
        request: HttpRequest,
    ) -> wasmtime::Result<Result<HttpResponse, Error>> {
        let mut answers = self.send_all(vec![request]).await?;
        answers.pop().ok_or_else(|| wasmtime::Error::msg("a request got no answer"))
    }

    async fn send_all(
        &mut self,
        requests: Vec<HttpRequest>,
    ) -> wasmtime::Result<Vec<Result<HttpResponse, Error>>> {
        bounded("http.send-all", requests.len())?;
        if let Some(answers) = self.tape.replayed(SEND, &requests, missing) {
            return Ok(answers);
        }
        if self.began {
            self.http.asked = self.http.asked.saturating_add(requests.len());
        }
        let asked = self.tape.asked(&requests);
        let guest = &*self;
        // Answers are kept here and then in the plugin's memory, so that they are bounded by what it hands over at once.
        let room = &Room::new(guest.context.limits.host_call_bytes);
        let exchanges = requests
            .into_iter()
            .enumerate()
            .map(|(place, request)| async move { (place, exchange(guest, room, request).await) });
        // Not in order, or one slow answer would hold up all that come after it.
        let mut answers: Vec<_> =
            stream::iter(exchanges).buffer_unordered(outbound::CONCURRENT).collect().await;
        answers.sort_unstable_by_key(|(place, _)| *place);
        let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
        self.tape.answered(SEND, asked, &answers);
        Ok(answers)
    }
}

/// Sends one request. Both sides are as the plugin sees them: the request has placeholders where secrets belong, and the
/// answer, be it a response or an error, has no secret in it.
async fn exchange(guest: &Guest, room: &Room, request: HttpRequest) -> Result<HttpResponse, Error> {
    let host = tracing::enabled!(target: "waystation::http", Level::DEBUG)
        .then(|| host(&request.url))
        .flatten();
    let answer = send(guest, room, request).await.map_err(|error| covered(guest, error));
    if let Err(error) = &answer {
        tell(guest, host.as_deref(), error);
    }
    answer
}

async fn send(guest: &Guest, room: &Room, request: HttpRequest) -> Result<HttpResponse, Error> {
    let context = &guest.context;
    let deny = |reason: String| Err(Error::Denied(reason));
    let Some(outbound) = &context.http else {
        return deny(DENIED.to_owned());
    };
    if !guest.began {
        return deny("requests cannot be sent before the call has begun".to_owned());
    }
    if guest.http.asked > REQUESTS_MAX {
        return deny(format!("one call may send {REQUESTS_MAX} requests, and it asks for more"));
    }
    let sending = Sending {
        outbound,
        secrets: Secrets {
            placeholders: &guest.placeholders,
            values: &context.secrets,
            origins: &context.usable_secrets,
        },
        mask: &context.mask,
        response_max: context.limits.response_bytes,
        room,
        until: guest.answer_by(),
    };
    sending.exchange(request).await
}

/// No error repeats what was sent, but some repeat what a server said.
fn covered(guest: &Guest, error: Error) -> Error {
    let cover = |text| guest.context.mask.cover_text(text);
    match error {
        Error::Denied(text) => Error::Denied(cover(text)),
        Error::NotSent(text) => Error::NotSent(cover(text)),
        Error::Interrupted(text) => Error::Interrupted(cover(text)),
        Error::TooLarge => Error::TooLarge,
    }
}

fn tell(guest: &Guest, host: Option<&str>, error: &Error) {
    if guest.http.failures_told.fetch_add(1, Ordering::Relaxed) >= FAILURES_TOLD_MAX {
        return;
    }
    let (outcome, cause) = match error {
        Error::Denied(text) => ("denied", text.as_str()),
        Error::NotSent(text) => ("not-sent", text.as_str()),
        Error::Interrupted(text) => ("interrupted", text.as_str()),
        Error::TooLarge => ("too-large", "the response is larger than is allowed"),
    };
    tracing::debug!(
        target: "waystation::http",
        connection = guest.context.connection,
        plugin.release = &*guest.context.release,
        http.host = host,
        http.outcome = outcome,
        cause,
        "A plugin's HTTP request got no response"
    );
}

fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}
