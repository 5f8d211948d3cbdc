//! Sending HTTP requests to origins that the operator allowed.

use crate::bindings::host::waystation::plugin::http;
use crate::channel::{RefusalReason, SendError};
use crate::values::SOON;
use crate::{Failure, coupon};

pub use crate::bindings::host::waystation::plugin::http::Error;
pub use crate::bindings::host::waystation::plugin::types::{HttpRequest, HttpResponse};
pub use crate::http_verdict::Verdict;

/// Sends one request. It ends at the latest when the call's time is up.
///
/// # Errors
/// There is no response; see [`Error`] for what that says about the request.
pub fn send(request: &HttpRequest) -> Result<HttpResponse, Error> {
    http::send(request)
}

/// Sends requests concurrently: one answer for each, in order.
///
/// # Panics
/// The host ends the call if there are more than 1,000.
#[must_use]
pub fn send_all(requests: &[HttpRequest]) -> Vec<Result<HttpResponse, Error>> {
    http::send_all(requests)
}

/// Denied: the account refuses. Not sent: deferred. Interrupted, or a response too large to read: unknown.
impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        match Failure::from(error) {
            Failure::Refused(detail) => SendError::refused(RefusalReason::Account, detail),
            Failure::Deferred(deferral) => SendError::Deferred(deferral),
            Failure::Unknown(detail) => SendError::Unknown(detail),
        }
    }
}

/// Denied: refused. Not sent: deferred. Interrupted, or a response too large to read: unknown.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(rule) => {
                Failure::refused(format!("the host does not allow the request: {rule}"))
            }
            Error::NotSent(detail) => {
                Failure::deferred(SOON, format!("the request was not sent: {detail}"))
            }
            Error::Interrupted(detail) => {
                Failure::unknown(format!("no complete response: {detail}"))
            }
            Error::TooLarge => {
                Failure::unknown("the response is larger than the connection's limit")
            }
        }
    }
}

/// As for [`Failure`].
impl From<Error> for coupon::Failure {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}
