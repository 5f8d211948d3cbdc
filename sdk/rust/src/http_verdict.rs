//! What the status of a response says about the request.

use std::time::Duration;

use serde::Deserialize;

use crate::Timestamp;
use crate::bindings::host::waystation::plugin::types::HttpResponse;
use crate::timestamp::from_http_date;

/// What the status of a response says about a request that asked for something to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Done, or taken over.
    Accepted,
    /// Certainly not done, and trying again cannot help: the request is at fault.
    Refused,
    /// Certainly not done, and trying again cannot help: the credentials, or what they allow.
    RefusedAccount,
    /// Certainly not done; try later.
    Deferred,
    /// It may have been done.
    Unknown,
}

impl Verdict {
    /// What a status says by HTTP itself (RFC 9110, 6585, 8470), where the provider does not say otherwise. A server that
    /// failed (500), or stands before one that gave no answer (502, 504), cannot tell whether something was done.
    ///
    /// ```
    /// use waystation_sdk::http::Verdict;
    ///
    /// assert_eq!(Verdict::of(202), Verdict::Accepted);
    /// assert_eq!(Verdict::of(422), Verdict::Refused);
    /// assert_eq!(Verdict::of(403), Verdict::RefusedAccount);
    /// assert_eq!(Verdict::of(429), Verdict::Deferred);
    /// assert_eq!(Verdict::of(502), Verdict::Unknown);
    /// ```
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 => Verdict::Accepted,
            401 | 403 => Verdict::RefusedAccount,
            408 | 425 | 429 | 503 => Verdict::Deferred,
            500.. => Verdict::Unknown,
            _ => Verdict::Refused,
        }
    }
}

impl HttpResponse {
    /// How long the server asks to wait (`Retry-After`, in seconds or as a date). `None` if it does not say, or the time has
    /// passed. `now` is [`clock::now`](crate::clock::now).
    ///
    /// ```
    /// use std::time::Duration;
    /// use waystation_sdk::http::HttpResponse;
    ///
    /// let busy = |value| HttpResponse::new(503).with_header("retry-after", value).retry_after(1_000);
    /// assert_eq!(busy("120"), Some(Duration::from_secs(120)));
    /// assert_eq!(busy("Thu, 01 Jan 1970 00:00:31 GMT"), Some(Duration::from_secs(30)));
    /// assert_eq!(busy("Thu, 01 Jan 1970 00:00:00 GMT"), None);
    /// assert_eq!(busy("soon"), None);
    /// ```
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // What is too long to count is longer than the host will wait.
            return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
        }
        from_http_date(value)?.checked_sub(now).map(Duration::from_millis)
    }

    /// The beginning of the body as text on one line, at most 200 characters, for whoever is to find out what went wrong.
    #[must_use]
    pub fn excerpt(&self) -> String {
        // A character has at most four bytes, and a cut one becomes a replacement character, which is dropped.
        let bytes = &self.body[..self.body.len().min(4 * EXCERPT)];
        let text = String::from_utf8_lossy(bytes);
        text.trim()
            .chars()
            .take(EXCERPT)
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect()
    }
}

/// Most characters of an excerpt.
const EXCERPT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_too_long_to_count_are_long() {
        let response = HttpResponse::new(429).with_header("Retry-After", "9".repeat(40));
        assert_eq!(response.retry_after(0), Some(Duration::from_secs(u64::from(u32::MAX))));
        assert_eq!(HttpResponse::new(429).with_header("retry-after", "").retry_after(0), None);
        assert_eq!(HttpResponse::new(429).with_header("retry-after", "-1").retry_after(0), None);
        assert_eq!(HttpResponse::new(429).retry_after(0), None);
    }

    #[test]
    fn every_status_says_something() {
        let check = |statuses: &[u16], expected| {
            for status in statuses {
                assert_eq!(Verdict::of(*status), expected, "{status}");
            }
        };
        check(&[200, 201, 204, 299], Verdict::Accepted);
        check(&[301, 304, 400, 404, 409, 410, 413, 422, 499], Verdict::Refused);
        check(&[401, 403], Verdict::RefusedAccount);
        check(&[408, 425, 429, 503], Verdict::Deferred);
        check(&[500, 502, 504, 599], Verdict::Unknown);
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        let excerpt = |body: &str| HttpResponse::new(400).with_body(body).excerpt();
        assert_eq!(excerpt("  no\r\nsuch\tsku "), "no  such sku");
        assert_eq!(excerpt(&"驿".repeat(300)), "驿".repeat(200));
        assert_eq!(HttpResponse::new(400).with_body([0xff, b'a']).excerpt(), "\u{fffd}a");
    }
}
