//! The outside of a rehearsal: it takes everything, except where the test says otherwise.

use serde_json::Value;
use waystation_journey::{Effect, Fault, FaultKind, OnUnknown, Test};
use waystation_store::records::{EffectKind, GrantRow, SettledEffect};

use super::memory::{Memory, Pending, Taken};
use crate::pass::GrantResult;

/// What comes of asking.
pub(super) enum Answer {
    Settled(SettledEffect),
    /// Another channel is there for it.
    Unavailable,
    /// To be tried again then.
    Later(i64),
}

pub(super) struct Outside<'a> {
    test: &'a Test,
    start: i64,
    /// How often each fault has happened.
    happened: Vec<u32>,
    codes: u64,
}

impl<'a> Outside<'a> {
    pub(super) fn new(test: &'a Test, start: i64) -> Self {
        Self { test, start, happened: vec![0; test.faults.len()], codes: 0 }
    }

    /// A message or a post.
    pub(super) fn message(
        &mut self,
        pending: &Pending,
        template: &str,
        policy: OnUnknown,
        now: i64,
        memory: &mut Memory,
    ) -> Answer {
        let row = &pending.row;
        let taken = Taken {
            at: now,
            customer: row.customer.clone(),
            journey: row.journey.clone(),
            connection: row.connection.clone(),
            template: template.to_owned(),
            post: row.kind == EffectKind::Publish,
        };
        let Some(fault) = self.fault(&row.connection, Some(template), now) else {
            memory.taken.push(taken);
            return Answer::Settled(settled(pending, "accepted", None, None));
        };
        match &fault.kind {
            FaultKind::Down if row.fallback => Answer::Unavailable,
            FaultKind::Down => self.later(fault, pending),
            FaultKind::Refused(reason) => {
                Answer::Settled(settled(pending, "refused", Some(reason), None))
            }
            FaultKind::AnswerLost => {
                memory.taken.push(taken.clone());
                let outcome = match policy {
                    OnUnknown::Find => "accepted",
                    OnUnknown::Hold => "unknown",
                    OnUnknown::Resend => {
                        memory.taken.push(taken);
                        "accepted"
                    }
                };
                Answer::Settled(settled(pending, outcome, None, None))
            }
        }
    }

    /// A coupon or an action.
    pub(super) fn ask(&mut self, pending: &Pending, now: i64, memory: &mut Memory) -> Answer {
        let row = &pending.row;
        if let Some(fault) = self.fault(&row.connection, None, now) {
            match &fault.kind {
                FaultKind::Down => return self.later(fault, pending),
                FaultKind::Refused(reason) => {
                    return Answer::Settled(settled(pending, "refused", Some(reason), None));
                }
                FaultKind::AnswerLost if row.kind == EffectKind::Run => {
                    return Answer::Settled(settled(pending, "unknown", None, None));
                }
                // The same key asks for the same coupon.
                FaultKind::AnswerLost => {}
            }
        }
        match &pending.effect {
            Effect::Issue { campaign, offer, .. } => {
                self.codes += 1;
                let code = format!("TEST-{}", self.codes);
                let result = GrantResult { code: code.clone(), valid_until: offer.valid_until };
                memory.grants.entry(row.customer.clone()).or_default().push(GrantRow {
                    key: row.key.clone(),
                    customer: row.customer.clone(),
                    campaign: campaign.clone(),
                    connection: row.connection.clone(),
                    code,
                    state: "usable".to_owned(),
                    valid_from: offer.valid_from,
                    valid_until: offer.valid_until,
                    granted_at: now,
                });
                let result = serde_json::to_string(&result).unwrap_or_default();
                Answer::Settled(settled(pending, "accepted", None, Some(result)))
            }
            Effect::Revoke { grant_key, .. } => {
                let grants = memory.grants.get_mut(&row.customer).into_iter().flatten();
                for grant in grants.filter(|grant| grant.key == *grant_key) {
                    "revoked".clone_into(&mut grant.state);
                }
                Answer::Settled(settled(pending, "accepted", None, None))
            }
            _ => Answer::Settled(match self.test.answers.get(&row.connection) {
                Some(answer) => settled(pending, "accepted", None, Some(Value::to_string(answer))),
                None => settled(pending, "refused", Some("other"), None),
            }),
        }
    }

    fn later(&self, fault: &Fault, pending: &Pending) -> Answer {
        match fault.until {
            Some(until) => Answer::Later(self.start.saturating_add(until)),
            // It never comes back within the test.
            None => Answer::Settled(settled(pending, "refused", Some("other"), None)),
        }
    }

    /// The first fault that happens now, counted.
    fn fault(&mut self, connection: &str, template: Option<&str>, now: i64) -> Option<&'a Fault> {
        let since = now - self.start;
        let test = self.test;
        let (index, fault) = test.faults.iter().enumerate().find(|(index, fault)| {
            fault.connection == connection
                && (fault.template.is_none() || fault.template.as_deref() == template)
                && fault.from <= since
                && fault.until.is_none_or(|until| since < until)
                && fault.times.is_none_or(|times| self.happened[*index] < times)
        })?;
        self.happened[index] += 1;
        Some(fault)
    }
}

fn settled(
    pending: &Pending,
    outcome: &str,
    reason: Option<&str>,
    result: Option<String>,
) -> SettledEffect {
    SettledEffect {
        key: pending.row.key.clone(),
        enrollment: pending.row.enrollment.clone(),
        kind: pending.row.kind,
        outcome: outcome.to_owned(),
        reason: reason.map(str::to_owned),
        detail: None,
        result,
    }
}
