//! Using the connection's secrets without seeing them.

use crate::bindings::host::waystation::plugin::secrets;
use crate::channel::{RefusalReason, SendError};
use crate::values::WHEN_MENDED;
use crate::{Failure, Problem, coupon};

pub use crate::bindings::host::waystation::plugin::secrets::{Algorithm, Error};

/// Text that stands for the secret in what is handed to [`hmac`], and in a request handed to [`http`](crate::http), where the host
/// puts the secret in its place towards the origins that it was granted for; towards others the request is denied. It may
/// stand in the value of a header field (as it is, or in the base64 of `authorization: Basic`), in the URL's path and query,
/// where the secret is percent-encoded, and in the body, where it is put as it is. It is valid during this call of the host
/// only. In responses the host covers each secret of at least 4 bytes with `[secret]`.
///
/// # Errors
/// The secret is not granted or has no value.
pub fn placeholder(name: &str) -> Result<String, Error> {
    secrets::placeholder(name)
}

/// HMAC-SHA256 (RFC 2104) of the data under the secret: 32 bytes.
///
/// # Errors
/// The secret is not granted or has no value, or the data is too large.
pub fn hmac_sha256(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    hmac(placeholder(name)?.as_bytes(), Algorithm::Sha256, data)
}

/// HMAC-SHA512 of the data under the secret: 64 bytes.
///
/// # Errors
/// As [`hmac_sha256`].
pub fn hmac_sha512(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    hmac(placeholder(name)?.as_bytes(), Algorithm::Sha512, data)
}

/// HMAC-SHA1 of the data under the secret: 20 bytes. For providers that offer nothing better.
///
/// # Errors
/// As [`hmac_sha256`].
pub fn hmac_sha1(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    hmac(placeholder(name)?.as_bytes(), Algorithm::Sha1, data)
}

/// HMAC for providers whose key is more than the secret, or whose data holds the secret: the host puts the secrets in the
/// place of all [`placeholder`]s in both. Key and data have at most 16 MiB together then.
///
/// ```no_run
/// use waystation_sdk::secrets::{Algorithm, Error, hmac, placeholder};
///
/// /// The first of the keys that Tencent Cloud's requests are signed with.
/// fn date_key(date: &str) -> Result<Vec<u8>, Error> {
///     let key = format!("TC3{}", placeholder("secret-key")?);
///     hmac(key.as_bytes(), Algorithm::Sha256, date.as_bytes())
/// }
/// ```
///
/// # Errors
/// The key holds no placeholder of this call, or key and data are too large.
pub fn hmac(key: &[u8], algorithm: Algorithm, data: &[u8]) -> Result<Vec<u8>, Error> {
    secrets::hmac(key, algorithm, data)
}

/// The secret itself. Needs [`Permission::reveal`](crate::Permission::reveal).
///
/// # Errors
/// The secret may not be revealed or has no value.
pub fn reveal(name: &str) -> Result<String, Error> {
    secrets::reveal(name)
}

/// Whether two byte strings are equal, in a time that depends on their lengths only, so that a caller who guesses a
/// signature learns nothing from how long the answer takes.
///
/// ```
/// assert!(waystation_sdk::secrets::equal(b"signature", b"signature"));
/// assert!(!waystation_sdk::secrets::equal(b"signature", b"signatures"));
/// ```
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (left, right)| sum | (left ^ right));
    // Without the barrier the compiler may stop the loop at the first difference.
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// Says for `check` that the secret called `name` cannot be used.
#[must_use]
pub fn problem(name: &str, error: Error) -> Problem {
    Problem::new("", format!("secret `{name}`: {}", text(error)))
}

fn text(error: Error) -> &'static str {
    match error {
        Error::NotGranted => "the connection may not use it; grant it to the connection",
        Error::Missing => "it has no value yet; set it for the connection",
        Error::NoSecretInKey => {
            "the key of an HMAC holds no placeholder; the plugin must make it of one"
        }
        Error::TooLarge => "an HMAC takes at most 16 MiB of key and data",
    }
}

/// Not granted: the account refuses. No value yet: deferred until an operator has set it. Anything else: refused.
impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        let detail = format!("a secret: {}", text(error));
        match error {
            Error::NotGranted => SendError::refused(RefusalReason::Account, detail),
            Error::Missing => SendError::deferred(WHEN_MENDED, detail),
            Error::NoSecretInKey | Error::TooLarge => {
                SendError::refused(RefusalReason::Other, detail)
            }
        }
    }
}

/// No value yet: deferred until an operator has set it. Anything else: refused.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let detail = format!("a secret: {}", text(error));
        match error {
            Error::Missing => Failure::deferred(WHEN_MENDED, detail),
            Error::NotGranted | Error::NoSecretInKey | Error::TooLarge => Failure::refused(detail),
        }
    }
}

/// As for [`Failure`].
impl From<Error> for coupon::Failure {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}
