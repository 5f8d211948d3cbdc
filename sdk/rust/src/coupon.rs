//! Coupon plugins issue and revoke coupons.

use std::time::Duration;

use crate::values::{WHEN_MENDED, milliseconds};
use crate::{Deferral, Plugin};

pub use crate::bindings::coupon::exports::waystation::plugin::coupon::{
    Benefit, Failure, Grant, Offer, Request, Revocation, Traits,
};

/// A plugin that gives coupons.
pub trait Coupon: Plugin {
    /// What the plugin can do. Must always give the same answer for one configuration.
    fn traits(&self) -> Traits;

    /// Issues coupons: one answer for each request, in order. Override it where many can be issued at once; otherwise it is
    /// [`issue_one`](Coupon::issue_one), one after the other.
    fn issue(&self, requests: Vec<Request>) -> Vec<Result<Grant, Failure>> {
        requests.into_iter().map(|request| self.issue_one(request)).collect()
    }

    /// Issues one coupon. A plugin that overrides [`issue`](Coupon::issue) has no need of it.
    ///
    /// # Errors
    /// What became of the request instead.
    fn issue_one(&self, request: Request) -> Result<Grant, Failure> {
        Err(Failure::deferred(
            WHEN_MENDED,
            format!("{}: the plugin implements neither issue nor issue_one", request.key),
        ))
    }

    /// Takes coupons back: one answer for each, in order. Revoking what is revoked already succeeds. Override it where many
    /// can be revoked at once; otherwise it is [`revoke_one`](Coupon::revoke_one), one after the other.
    fn revoke(&self, revocations: Vec<Revocation>) -> Vec<Result<(), Failure>> {
        revocations.into_iter().map(|revocation| self.revoke_one(revocation)).collect()
    }

    /// Takes one coupon back. A plugin that overrides [`revoke`](Coupon::revoke) has no need of it.
    ///
    /// # Errors
    /// Unless implemented, that coupons of this plugin cannot be taken back.
    fn revoke_one(&self, _revocation: Revocation) -> Result<(), Failure> {
        Err(Failure::refused("coupons of this plugin cannot be taken back"))
    }

    /// Asks what became of earlier requests: one answer for each key, in order; `None` means certainly never issued. The
    /// host calls it if the traits say `finds`.
    fn find(&self, keys: Vec<String>) -> Vec<Result<Option<Grant>, Failure>> {
        keys.iter().map(|_| Err(Failure::unknown("this plugin cannot tell"))).collect()
    }
}

impl Failure {
    /// Certainly not done, and trying again cannot help.
    #[must_use]
    pub fn refused(detail: impl Into<String>) -> Self {
        Failure::Refused(detail.into())
    }

    /// Certainly not done; the host should wait at least `after`, which it bounds to 1 s .. 24 h.
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

impl From<crate::Failure> for Failure {
    fn from(failure: crate::Failure) -> Self {
        match failure {
            crate::Failure::Refused(detail) => Failure::Refused(detail),
            crate::Failure::Deferred(deferral) => Failure::Deferred(deferral),
            crate::Failure::Unknown(detail) => Failure::Unknown(detail),
        }
    }
}

impl Traits {
    /// At most `max_batch` (1 .. 1,000) requests in one call, and nothing tells what became of an unknown one.
    ///
    /// ```
    /// use waystation_sdk::coupon::Traits;
    ///
    /// assert_eq!(Traits::new(100).dedupes_forever().dedupe_window, Some(u64::MAX));
    /// ```
    #[must_use]
    pub fn new(max_batch: u32) -> Self {
        Traits { max_batch, dedupe_window: None, finds: false, extras: Vec::new() }
    }

    /// Issuing under the same key again gives the same grant for so long after the first attempt.
    #[must_use]
    pub fn dedupes_for(mut self, window: Duration) -> Self {
        self.dedupe_window = Some(milliseconds(window));
        self
    }

    /// Issuing under the same key again always gives the same grant.
    #[must_use]
    pub fn dedupes_forever(self) -> Self {
        self.dedupes_for(Duration::MAX)
    }

    /// [`Coupon::find`] can tell what became of a key.
    #[must_use]
    pub fn finds(mut self) -> Self {
        self.finds = true;
        self
    }
}
