//! Whether a webhook was signed by someone who knows the secret, and not long ago.
//!
//! Many providers, and Waystation's own webhooks, sign alike: a header holds the time of signing, another the hexadecimal
//! HMAC-SHA256 of `<time>.<body>`. [`Scheme`] checks them without the plugin seeing the secret:
//!
//! ```no_run
//! use waystation_sdk::http::{HttpRequest, HttpResponse};
//! use waystation_sdk::webhook::Scheme;
//!
//! fn sent_at(request: &HttpRequest) -> Result<u64, HttpResponse> {
//!     Scheme::WAYSTATION.check(request, &["signing"], 300).map_err(|rejection| rejection.answer())
//! }
//! ```

use crate::http::{HttpRequest, HttpResponse};
use crate::secrets::{self, equal, hmac_sha256};
use crate::{clock, log};

/// More signatures than a change of secrets needs would only cost time.
const MOST_SIGNATURES: usize = 10;

/// Where a provider puts time and signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// Header with the Unix time in seconds at which the request was signed, digits only.
    pub timestamp: &'static str,
    /// Header with signatures, separated by commas.
    pub signature: &'static str,
    /// What stands before the hexadecimal digits of a signature; signatures without it are passed over.
    pub prefix: &'static str,
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The header with the time is absent or no time.
    NoTimestamp(Scheme),
    /// No signature is of the form that is looked for.
    NoSignature(Scheme),
    /// The time is too far from now, before or after.
    Stale,
    /// No signature is the right one.
    WrongSignature,
    /// The signature could not be checked; what an operator has to mend.
    NotSetUp(String),
}

impl Scheme {
    /// How Waystation signs: `waystation-timestamp`, and `waystation-signature: v1=<digits>`.
    pub const WAYSTATION: Scheme = Scheme {
        timestamp: "waystation-timestamp",
        signature: "waystation-signature",
        prefix: "v1=",
    };

    /// Checks that one of the connection's secrets signed the request, at most `tolerance_seconds` before or after now, and
    /// answers with the time of signing in milliseconds since 1970. The first secret must have a value; the others may be
    /// absent, as the previous one is while no change is under way.
    ///
    /// A recorded request passes again within the tolerance, so events need identifiers by which a second one is known.
    ///
    /// # Errors
    /// Why the request is not taken.
    pub fn check(
        &self,
        request: &HttpRequest,
        names: &[&str],
        tolerance_seconds: u64,
    ) -> Result<u64, Rejection> {
        let signed = self.read(request)?;
        signed.require_fresh(clock::now() / 1000, tolerance_seconds)?;
        for (index, name) in names.iter().enumerate() {
            match hmac_sha256(name, &signed.bytes) {
                Ok(expected) if signed.is_by(&expected) => return Ok(signed.seconds * 1000),
                Err(error) if index == 0 => {
                    return Err(Rejection::NotSetUp(secrets::problem(name, error).message));
                }
                _ => {}
            }
        }
        Err(Rejection::WrongSignature)
    }

    fn read(&self, request: &HttpRequest) -> Result<Signed, Rejection> {
        let timestamp = request.header(self.timestamp).unwrap_or_default();
        // Digits only: `parse` takes a plus sign as well, and then two texts would stand for one time.
        if timestamp.len() > 12 || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Rejection::NoTimestamp(*self));
        }
        let seconds = timestamp.parse().map_err(|_| Rejection::NoTimestamp(*self))?;
        let signatures: Vec<Vec<u8>> = request
            .headers_named(self.signature)
            .flat_map(|field| field.split(','))
            .filter_map(|part| bytes_of(part.trim().strip_prefix(self.prefix)?))
            .take(MOST_SIGNATURES)
            .collect();
        if signatures.is_empty() {
            return Err(Rejection::NoSignature(*self));
        }
        let bytes = [timestamp.as_bytes(), b".", &request.body].concat();
        Ok(Signed { seconds, bytes, signatures })
    }
}

impl Rejection {
    /// What the sender is told: status 401 if it is the sender's to mend; 503 if it is the operator's, who finds the reason in
    /// the log.
    #[must_use]
    pub fn answer(&self) -> HttpResponse {
        match self {
            Rejection::NoTimestamp(scheme) => HttpResponse::text(
                401,
                format!("the header {} must hold the Unix time in seconds", scheme.timestamp),
            ),
            Rejection::NoSignature(scheme) => HttpResponse::text(
                401,
                format!(
                    "the header {} must hold {}<hex HMAC-SHA256 of \"<timestamp>.<body>\">",
                    scheme.signature, scheme.prefix
                ),
            ),
            Rejection::Stale => HttpResponse::text(401, "the timestamp is too far from now"),
            Rejection::WrongSignature => HttpResponse::text(
                401,
                "no signature is right; sign \"<timestamp>.<body>\", byte for byte as sent",
            ),
            Rejection::NotSetUp(problem) => {
                log::error("cannot check signatures", &[("problem", problem)]);
                HttpResponse::text(503, "the receiver is not set up; try again later")
            }
        }
    }
}

/// The signatures of a request and what they should be of.
#[derive(Debug, PartialEq)]
struct Signed {
    seconds: u64,
    /// `<timestamp>.<body>`
    bytes: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Signed {
    /// An old request that someone recorded must not count again.
    fn require_fresh(&self, now_seconds: u64, tolerance_seconds: u64) -> Result<(), Rejection> {
        let distance = now_seconds.abs_diff(self.seconds);
        if distance <= tolerance_seconds { Ok(()) } else { Err(Rejection::Stale) }
    }

    fn is_by(&self, expected: &[u8]) -> bool {
        self.signatures.iter().any(|signature| equal(signature, expected))
    }
}

/// Reads hexadecimal digits of either case.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(&pair[0])? << 4 | digit(&pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEME: Scheme = Scheme::WAYSTATION;

    fn request(timestamp: &str, signature: &str) -> HttpRequest {
        HttpRequest::post("/")
            .with_header(SCHEME.timestamp, timestamp)
            .with_header(SCHEME.signature, signature)
            .with_body("{}")
    }

    #[test]
    fn signatures_are_found_among_others() {
        let signed = SCHEME.read(&request("1700000000", "v0=00, v1=0AfF,v1=zz,v1=1")).unwrap();
        assert_eq!(signed.bytes, b"1700000000.{}");
        assert!(signed.is_by(&[0x0a, 0xff]));
        assert!(!signed.is_by(&[0x0a, 0xfe]));
        assert!(!signed.is_by(&[]));
    }

    #[test]
    fn what_is_not_signed_is_rejected() {
        let check = |timestamp, signature, expected: &Rejection| {
            let rejection = SCHEME.read(&request(timestamp, signature)).unwrap_err();
            assert_eq!(&rejection, expected, "{timestamp} {signature}");
            assert_eq!(rejection.answer().status, 401);
        };
        let (no_timestamp, no_signature) =
            (Rejection::NoTimestamp(SCHEME), Rejection::NoSignature(SCHEME));
        check("", "v1=00", &no_timestamp);
        check("+1700000000", "v1=00", &no_timestamp);
        check("1700000000000", "v1=00", &no_timestamp);
        check("1700000000", "", &no_signature);
        check("1700000000", "00", &no_signature);
    }

    #[test]
    fn time_counts_both_ways() {
        let signed = SCHEME.read(&request("1000", "v1=00")).unwrap();
        assert_eq!(signed.require_fresh(1300, 300), Ok(()));
        assert_eq!(signed.require_fresh(700, 300), Ok(()));
        assert_eq!(signed.require_fresh(1301, 300), Err(Rejection::Stale));
        assert_eq!(signed.require_fresh(699, 300), Err(Rejection::Stale));
    }
}
