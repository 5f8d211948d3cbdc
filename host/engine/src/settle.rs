//! From a plugin's answer to what the ledger records and what follows from it. Pure.

use waystation_journey::OnUnknown;
use waystation_sandbox::contract::{action, channel, coupon, types};
use waystation_store::records::{DueEffect, GrantRow, Next, Settlement, Verdict};

use crate::pass::GrantResult;

/// Most attempts at one effect.
pub(crate) const ATTEMPTS_MAX: i64 = 20;
/// Longest time between the first attempt and the last.
const GIVE_UP_AFTER: i64 = 72 * 3_600_000;
/// Shortest and longest pause between two attempts.
const PAUSE: (i64, i64) = (1_000, 24 * 3_600_000);
/// Longest pause that the host itself adds when a plugin asks for a shorter one.
const BACKOFF_MAX: i64 = 15 * 60_000;
/// For how long the provider is asked about an unknown effect.
const ASK_FOR: i64 = 24 * 3_600_000;
/// Part of a dedupe window that is not relied upon, as the provider's clock is not ours.
const WINDOW_MARGIN: i64 = 60_000;

/// How an *unknown* of this connection and journey can be settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means {
    pub(crate) dedupe_window: Option<u64>,
    pub(crate) finds: bool,
    pub(crate) policy: OnUnknown,
}

/// What is known of an effect when its attempt ends.
pub(crate) struct Attempted<'a> {
    pub(crate) effect: &'a DueEffect,
    /// The attempt's number, counted from 1.
    pub(crate) number: i64,
    pub(crate) means: Means,
    /// Whether the provider was asked, and the attempt itself had ended before.
    pub(crate) asked: bool,
    pub(crate) now: i64,
}

impl Attempted<'_> {
    /// The end of a delivery's attempt, or the provider's answer about it.
    pub(crate) fn delivered(&self, outcome: channel::Outcome) -> Settlement {
        match outcome {
            channel::Outcome::Accepted(receipt) => {
                self.end("accepted", None, None, None, receipt.provider_id)
            }
            channel::Outcome::Refused(refusal) => self.end(
                "refused",
                Some(reason(refusal.reason).to_owned()),
                Some(refusal.detail),
                None,
                None,
            ),
            channel::Outcome::Deferred(deferral) => self.deferred(&deferral),
            channel::Outcome::Unknown(detail) => self.unknown(detail),
        }
    }

    /// The end of a coupon's attempt, or the provider's answer about it.
    pub(crate) fn granted(
        &self,
        answer: Result<coupon::Grant, coupon::Failure>,
        offer: &OfferOf<'_>,
    ) -> Settlement {
        match answer {
            Err(failure) => self.failed(failure),
            Ok(grant) => {
                let valid_until = i64::try_from(grant.valid_until).unwrap_or(i64::MAX);
                let result = GrantResult { code: grant.code.clone(), valid_until };
                let row = GrantRow {
                    key: self.effect.key.clone(),
                    customer: self.effect.customer.id.clone(),
                    campaign: offer.campaign.to_owned(),
                    connection: offer.connection.to_owned(),
                    code: grant.code,
                    state: "usable".to_owned(),
                    valid_from: offer.valid_from,
                    valid_until,
                    granted_at: self.now,
                };
                let result = serde_json::to_string(&result).ok();
                Settlement { grant: Some(row), ..self.end("accepted", None, None, result, None) }
            }
        }
    }

    /// The end of a revocation's attempt.
    pub(crate) fn revoked(
        &self,
        answer: Result<(), coupon::Failure>,
        grant_key: &str,
    ) -> Settlement {
        match answer {
            Err(failure) => self.failed(failure),
            Ok(()) => Settlement {
                revoked: Some(grant_key.to_owned()),
                ..self.end("accepted", None, None, None, None)
            },
        }
    }

    /// The end of an action's attempt.
    pub(crate) fn ran(&self, answer: Result<String, action::Failure>) -> Settlement {
        match answer {
            Ok(result) => self.end("accepted", None, None, Some(result), None),
            Err(action::Failure::Refused(detail)) => {
                self.end("refused", Some("other".to_owned()), Some(detail), None, None)
            }
            Err(action::Failure::Deferred(deferral)) => self.deferred(&deferral),
            Err(action::Failure::Unknown(detail)) => self.unknown(detail),
        }
    }

    /// The provider has never heard of it: it is safe to do it now.
    pub(crate) fn not_there(&self) -> Settlement {
        self.settlement(
            "unknown",
            Some("the provider has no record of it".to_owned()),
            Next::Again { at: self.now, certainly_not_done: true },
        )
    }

    fn failed(&self, failure: coupon::Failure) -> Settlement {
        match failure {
            coupon::Failure::Refused(detail) => {
                self.end("refused", Some("other".to_owned()), Some(detail), None, None)
            }
            coupon::Failure::Exhausted => {
                let detail = "no coupon is left in the campaign or pool".to_owned();
                self.end("refused", Some("exhausted".to_owned()), Some(detail), None, None)
            }
            coupon::Failure::Deferred(deferral) => self.deferred(&deferral),
            coupon::Failure::Unknown(detail) => self.unknown(detail),
        }
    }

    fn deferred(&self, deferral: &types::Deferral) -> Settlement {
        let first = self.effect.first_attempt_at.unwrap_or(self.now);
        // An operator who asks for it again gives it as long again.
        let first = self.effect.resent_at.map_or(first, |resent| resent.max(first));
        let certainly_not_done = self.effect.uncertain.is_none();
        if self.number >= ATTEMPTS_MAX || self.now.saturating_sub(first) > GIVE_UP_AFTER {
            let detail =
                format!("given up after {} attempts; the last: {}", self.number, deferral.detail);
            let next = Next::Settled {
                outcome: if certainly_not_done { "expired" } else { "unknown" },
                reason: Some("expired".to_owned()),
                result: None,
                provider_id: None,
            };
            return self.settlement("deferred", Some(detail), next);
        }
        let asked = i64::try_from(deferral.after).unwrap_or(i64::MAX);
        let at = self.now.saturating_add(asked.max(self.backoff()).clamp(PAUSE.0, PAUSE.1));
        let next = Next::Again { at, certainly_not_done };
        self.settlement("deferred", Some(deferral.detail.clone()), next)
    }

    /// It may have happened: doing it again must be safe or asked for, else it is left as it is.
    pub(crate) fn unknown(&self, detail: String) -> Settlement {
        let first = self.effect.first_attempt_at.unwrap_or(self.now);
        let more = self.number < ATTEMPTS_MAX;
        let next = if more && self.safe_at(self.now + self.backoff()) {
            Next::Again { at: self.now + self.backoff(), certainly_not_done: false }
        } else if self.may_ask() {
            // Asking does not count as an attempt: the pause grows with the time since the first one.
            Next::Ask { at: self.now + self.now.saturating_sub(first).clamp(PAUSE.0, BACKOFF_MAX) }
        } else if more && self.means.policy == OnUnknown::Resend {
            Next::Again { at: self.now + self.backoff(), certainly_not_done: false }
        } else {
            Next::Settled {
                outcome: "unknown",
                reason: Some("held".to_owned()),
                result: None,
                provider_id: None,
            }
        };
        self.settlement("unknown", Some(detail), next)
    }

    /// Whether to go on, right before an attempt that follows one of which nobody knows the end.
    ///
    /// It was put off to a time when it was safe; that time may have gone by meanwhile, or something else be asked than
    /// before, such as a message to another address, so that the provider would take it for a new one.
    pub(crate) fn repeat(&self, same: bool) -> Result<(), Verdict> {
        if same && self.safe_at(self.now) {
            return Ok(());
        }
        if self.may_ask() {
            return Err(Verdict::Ask);
        }
        if self.means.policy == OnUnknown::Resend {
            return Ok(());
        }
        let why = if same {
            "the provider no longer knows its key"
        } else {
            "what would be sent is not what was sent then"
        };
        Err(Verdict::Leave {
            detail: format!("an earlier attempt may have happened, and it is not repeated: {why}"),
        })
    }

    /// Whether the provider would still know the key of the first attempt.
    fn safe_at(&self, at: i64) -> bool {
        let Some(window) = self.means.dedupe_window else { return false };
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let first = self.effect.first_attempt_at.unwrap_or(self.now);
        at < first.saturating_add(window).saturating_sub(WINDOW_MARGIN)
    }

    fn may_ask(&self) -> bool {
        let first = self.effect.first_attempt_at.unwrap_or(self.now);
        self.means.finds && self.now.saturating_sub(first) < ASK_FOR
    }

    /// 1 s, 2 s, 4 s … up to a quarter of an hour.
    fn backoff(&self) -> i64 {
        let exponent = u32::try_from(self.number.clamp(1, 20) - 1).unwrap_or(0);
        (PAUSE.0 << exponent).min(BACKOFF_MAX)
    }

    fn end(
        &self,
        ended: &'static str,
        reason: Option<String>,
        detail: Option<String>,
        result: Option<String>,
        provider_id: Option<String>,
    ) -> Settlement {
        self.settlement(
            ended,
            detail,
            Next::Settled { outcome: ended, reason, result, provider_id },
        )
    }

    fn settlement(&self, ended: &'static str, detail: Option<String>, next: Next) -> Settlement {
        Settlement {
            key: self.effect.key.clone(),
            attempt: self.number,
            ended,
            detail,
            asked: self.asked,
            earlier_uncertain: self.effect.uncertain.is_some(),
            next,
            grant: None,
            revoked: None,
        }
    }
}

/// What a grant's row takes from the effect that asked for it.
pub(crate) struct OfferOf<'a> {
    pub(crate) campaign: &'a str,
    pub(crate) connection: &'a str,
    pub(crate) valid_from: i64,
}

fn reason(reason: channel::RefusalReason) -> &'static str {
    match reason {
        channel::RefusalReason::Address => "address",
        channel::RefusalReason::Content => "content",
        channel::RefusalReason::Blocked => "blocked",
        channel::RefusalReason::Unsubscribed => "unsubscribed",
        channel::RefusalReason::Account => "account",
        channel::RefusalReason::Other => "other",
    }
}

#[cfg(test)]
mod tests;
