//! Whether a request was signed by someone who knows the secret, and not long ago.

use waystation_sdk::http::HttpRequest;
use waystation_sdk::secrets::equal;

/// Unix time in seconds at which the request was signed.
const TIMESTAMP: &str = "waystation-timestamp";

/// `v1=<hex>`, the HMAC-SHA256 of `<timestamp>.<body>`; several are separated by commas.
const SIGNATURE: &str = "waystation-signature";

/// More signatures than a change of secrets needs would only cost time.
const MOST_SIGNATURES: usize = 10;

/// Why a request is answered with status 401.
#[derive(Debug, PartialEq)]
pub(crate) enum Rejection {
    NoTimestamp,
    NoSignature,
    Stale,
    WrongSignature,
}

impl Rejection {
    pub(crate) fn text(&self) -> &'static str {
        match self {
            Rejection::NoTimestamp => {
                "the header waystation-timestamp must hold the Unix time in seconds"
            }
            Rejection::NoSignature => {
                "the header waystation-signature must hold v1=<hex HMAC-SHA256 of \"<timestamp>.<body>\">"
            }
            Rejection::Stale => "the timestamp is too far from now",
            Rejection::WrongSignature => {
                "no signature is right; sign \"<timestamp>.<body>\", byte for byte as sent"
            }
        }
    }
}

/// The signatures of a request and what they should be of.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) timestamp_seconds: u64,
    /// `<timestamp>.<body>`
    pub(crate) bytes: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Signed {
    pub(crate) fn read(request: &HttpRequest) -> Result<Self, Rejection> {
        let timestamp = request.header(TIMESTAMP).unwrap_or_default();
        // Digits only: `parse` takes a plus sign as well, and then two texts would stand for one time.
        if timestamp.len() > 12 || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Rejection::NoTimestamp);
        }
        let timestamp_seconds = timestamp.parse().map_err(|_| Rejection::NoTimestamp)?;
        let signatures: Vec<Vec<u8>> = request
            .headers_named(SIGNATURE)
            .flat_map(|field| field.split(','))
            .filter_map(|part| bytes_of(part.trim().strip_prefix("v1=")?))
            .take(MOST_SIGNATURES)
            .collect();
        if signatures.is_empty() {
            return Err(Rejection::NoSignature);
        }
        let bytes = [timestamp.as_bytes(), b".", &request.body].concat();
        Ok(Signed { timestamp_seconds, bytes, signatures })
    }

    /// An old request that someone recorded must not count again.
    pub(crate) fn require_fresh(
        &self,
        now_seconds: u64,
        tolerance_seconds: u64,
    ) -> Result<(), Rejection> {
        let distance = now_seconds.abs_diff(self.timestamp_seconds);
        if distance <= tolerance_seconds { Ok(()) } else { Err(Rejection::Stale) }
    }

    pub(crate) fn is_by(&self, expected: &[u8]) -> bool {
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

    fn request(timestamp: &str, signature: &str) -> HttpRequest {
        HttpRequest::post("/")
            .with_header(TIMESTAMP, timestamp)
            .with_header(SIGNATURE, signature)
            .with_body("{}")
    }

    #[test]
    fn signatures_are_found_among_others() {
        let signed = Signed::read(&request("1700000000", "v0=00, v1=0AfF,v1=zz,v1=1")).unwrap();
        assert_eq!(signed.bytes, b"1700000000.{}");
        assert!(signed.is_by(&[0x0a, 0xff]));
        assert!(!signed.is_by(&[0x0a, 0xfe]));
        assert!(!signed.is_by(&[]));
    }

    #[test]
    fn what_is_not_signed_is_rejected() {
        let check = |timestamp, signature, expected| {
            assert_eq!(
                Signed::read(&request(timestamp, signature)).unwrap_err(),
                expected,
                "{timestamp} {signature}"
            );
        };
        check("", "v1=00", Rejection::NoTimestamp);
        check("+1700000000", "v1=00", Rejection::NoTimestamp);
        check("1700000000000", "v1=00", Rejection::NoTimestamp);
        check("1700000000", "", Rejection::NoSignature);
        check("1700000000", "00", Rejection::NoSignature);
    }

    #[test]
    fn time_counts_both_ways() {
        let signed = Signed::read(&request("1000", "v1=00")).unwrap();
        assert_eq!(signed.require_fresh(1300, 300), Ok(()));
        assert_eq!(signed.require_fresh(700, 300), Ok(()));
        assert_eq!(signed.require_fresh(1301, 300), Err(Rejection::Stale));
        assert_eq!(signed.require_fresh(699, 300), Err(Rejection::Stale));
    }
}
