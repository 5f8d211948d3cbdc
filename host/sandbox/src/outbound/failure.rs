//! What a failed request means: whether it may have had its effect.

use std::error::Error;

use super::resolve::Refused;
use crate::bindings::waystation::plugin::http;

const DETAIL_CHARS: usize = 300;

/// Why an attempt to send a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server says that it did not look at the request, which happens when it wants to close a connection.
    Returned(String),
    Final(http::Error),
}

/// Why one attempt got no response. `begun` says whether the request may have begun to go out.
pub(super) fn attempt(error: reqwest::Error, host: &str, begun: bool) -> Failure {
    // Its text would show the whole URL.
    let error = error.without_url();
    let causes = causes(&error);
    let text = |what: &str| {
        let detail = causes.last().map_or("no reason is known", String::as_str);
        format!("{host} {what}: {}", cut(detail))
    };
    if let Some(why) = refused(&error) {
        return Failure::Final(http::Error::Denied(format!("{host} resolves to {}", cut(&why))));
    }
    let is = |what: &str| causes.iter().any(|cause| cause.starts_with(what));
    if error.is_builder() {
        Failure::Final(http::Error::Denied(text("cannot be asked this")))
    } else if error.is_connect() {
        Failure::Final(http::Error::NotSent(text("cannot be connected to")))
    } else if NOT_LOOKED_AT.iter().any(|what| is(what)) {
        Failure::Returned(text("closed the connection before it looked at the request"))
    } else if HEAD_TOO_LARGE.iter().any(|what| is(what)) {
        Failure::Final(http::Error::TooLarge)
    } else if begun {
        Failure::Final(http::Error::Interrupted(text("gave no complete response")))
    } else {
        Failure::Final(http::Error::NotSent(text("could not be sent the request")))
    }
}

/// Why a response has no end.
pub(super) fn body(error: reqwest::Error, host: &str) -> http::Error {
    let error = error.without_url();
    let causes = causes(&error);
    let detail = causes.last().map_or("no reason is known", String::as_str);
    http::Error::Interrupted(format!("{host} gave no complete response: {}", cut(detail)))
}

/// The libraries below keep the types of these errors to themselves, so they are known by their texts, which the tests
/// hold them to.
const NOT_LOOKED_AT: &[&str] = &[
    "client error (Canceled)",
    "stream error received: refused stream",
    "connection error received: not a result of an error",
];
const HEAD_TOO_LARGE: &[&str] = &["message head is too large"];

/// The texts of what caused an error, the innermost last.
fn causes(error: &reqwest::Error) -> Vec<String> {
    chain(error).map(ToString::to_string).collect()
}

/// Why all addresses of the name were refused.
fn refused(error: &reqwest::Error) -> Option<String> {
    chain(error).find_map(|error| error.downcast_ref::<Refused>()).map(|refused| refused.0.clone())
}

fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    const DEPTH_MAX: usize = 16;
    std::iter::successors(error.source(), |error: &&'a (dyn Error + 'static)| (*error).source())
        .take(DEPTH_MAX)
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(DETAIL_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
