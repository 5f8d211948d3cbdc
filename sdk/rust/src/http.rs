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

/// Longest address that [`check_url`] takes, in bytes.
const URL_BYTES: usize = 2048;

/// Says what is wrong with an address from a configuration that requests are to go to: it must be `https://`, or `http://`
/// where the way is no longer than this machine, and hold no credentials.
///
/// ```
/// use waystation_sdk::http::check_url;
///
/// assert_eq!(check_url("https://api.example.com/v1?shop=7"), Ok(()));
/// assert_eq!(check_url("http://127.0.0.1:8080/"), Ok(()));
/// assert!(check_url("http://api.example.com/").is_err());
/// assert!(check_url("https://user:password@api.example.com/").is_err());
/// ```
///
/// # Errors
/// What is wrong with it and how to mend it.
pub fn check_url(url: &str) -> Result<(), String> {
    let (rest, secure) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        _ => return Err("use an address that begins with https://".to_owned()),
    };
    if url.len() > URL_BYTES || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "use at most {URL_BYTES} characters of ASCII without spaces; write others as %XX, and hosts in Punycode"
        ));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("leave out user and password: a configuration can be read".to_owned());
    }
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Err("the address names no host".to_owned());
    }
    let near = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if secure || near {
        Ok(())
    } else {
        Err("use https://; http:// is for this machine only".to_owned())
    }
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

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn addresses_are_secure_or_near() {
        for sound in [
            "https://a",
            "https://a.example:8443/x?y=1#z",
            "https://[2001:db8::1]/",
            "http://localhost:1",
            "http://127.8.9.1",
            "http://[::1]:80/x",
        ] {
            assert_eq!(check_url(sound), Ok(()), "{sound}");
        }
        let wrong = |url: &str, expected: &str| {
            let fault = check_url(url).unwrap_err();
            assert!(fault.contains(expected), "{url}: {fault}");
        };
        for far in
            ["http://a.example", "http://10.0.0.1/", "http://localhost.a.example/", "http://[::2]/"]
        {
            wrong(far, "http:// is for this machine only");
        }
        wrong("ftp://a.example", "begins with https://");
        wrong("HTTPS://a.example", "begins with https://");
        wrong("https:///x", "names no host");
        wrong("https://:443", "names no host");
        wrong("http://user@localhost/", "leave out user and password");
        wrong("https://a.example/\r\nx: y", "without spaces");
        wrong("https://驿.example/", "without spaces");
    }
}
