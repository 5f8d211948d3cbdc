//! Values that several kinds share.

use std::time::Duration;

pub use crate::bindings::host::waystation::plugin::types::{
    Deferral, Extras, Failure, Identity, Milliseconds, Money, Report, ReportKind, Timestamp,
};

/// How long to wait where nothing better is known and the obstacle may pass by itself.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// How long to wait for an operator to mend something.
pub(crate) const WHEN_MENDED: Duration = Duration::from_secs(300);

/// The value of the extra called `name`.
///
/// ```
/// let extras = vec![("journey".to_owned(), "welcome".to_owned())];
/// assert_eq!(waystation_sdk::extra(&extras, "journey"), Some("welcome"));
/// assert_eq!(waystation_sdk::extra(&extras, "step"), None);
/// ```
#[must_use]
pub fn extra<'a>(extras: &'a [(String, String)], name: &str) -> Option<&'a str> {
    extras.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
}

/// Milliseconds as the contract counts them; longer than it can count becomes the longest.
pub(crate) fn milliseconds(duration: Duration) -> Milliseconds {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Deferral {
    /// Certainly not done; the host should wait at least `after`, which it bounds to 1 s .. 24 h.
    #[must_use]
    pub fn new(after: Duration, detail: impl Into<String>) -> Self {
        Deferral { after: milliseconds(after), detail: detail.into() }
    }
}

impl Failure {
    /// Certainly not done, and trying again cannot help.
    #[must_use]
    pub fn refused(detail: impl Into<String>) -> Self {
        Failure::Refused(detail.into())
    }

    /// Certainly not done; the host should wait at least `after`, which it bounds to 1 s .. 24 h.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waystation_sdk::Failure;
    ///
    /// let Failure::Deferred(deferral) = Failure::deferred(Duration::from_secs(30), "busy") else { unreachable!() };
    /// assert_eq!(deferral.after, 30_000);
    /// ```
    #[must_use]
    pub fn deferred(after: Duration, detail: impl Into<String>) -> Self {
        Failure::Deferred(Deferral::new(after, detail))
    }

    /// It may have happened.
    #[must_use]
    pub fn unknown(detail: impl Into<String>) -> Self {
        Failure::Unknown(detail.into())
    }
}
