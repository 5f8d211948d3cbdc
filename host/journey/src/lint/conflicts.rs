//! What several journeys do to each other.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::elapsed::message;
use crate::Severity;
use crate::program::{EntryRule, Op, Program, Trigger};

/// Two journeys that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// How bad it is.
    pub severity: Severity,
    /// The journeys, by their places in the list.
    pub journeys: (usize, usize),
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)
    }
}

/// Holds each two of the journeys against each other.
#[must_use]
pub fn conflicts(programs: &[&Program]) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (first, one) in programs.iter().enumerate() {
        for (second, other) in programs.iter().enumerate().skip(first + 1) {
            let conflict =
                |severity, message| Conflict { severity, journeys: (first, second), message };
            if one.name == other.name {
                let message = format!(
                    "two files hold a journey `{}`, and the later would replace the earlier; rename one",
                    one.name
                );
                found.push(conflict(Severity::Error, message));
                continue;
            }
            let all = [
                rivals(one, other),
                same_coupon(one, other),
                starved(one, other),
                starved(other, one),
            ];
            found.extend(
                all.into_iter().flatten().map(|message| conflict(Severity::Warning, message)),
            );
        }
    }
    found
}

/// Two journeys that send the same customers messages through the same channel at the same time.
fn rivals(one: &Program, other: &Program) -> Option<String> {
    let (Trigger::Event(event), Trigger::Event(same)) = (&one.entry.trigger, &other.entry.trigger)
    else {
        return None;
    };
    let channels: Vec<String> = channels(one).intersection(&channels(other)).cloned().collect();
    if event != same
        || channels.is_empty()
        || one.priority != other.priority
        || !overlap(&one.entry, &other.entry)
    {
        return None;
    }
    Some(format!(
        "`{}` and `{}` are both entered by `{event}` and send by {} with the same priority, {}: who enters one enters the other, and neither goes first; give one another `priority`, or conditions that exclude each other",
        one.name,
        other.name,
        channels.join(", "),
        one.priority
    ))
}

/// Certain only where a condition is missing, or both are the same.
fn overlap(one: &EntryRule, other: &EntryRule) -> bool {
    match (&one.when, &other.when) {
        (Some(one), Some(other)) => {
            one.text().split_whitespace().eq(other.text().split_whitespace())
        }
        _ => true,
    }
}

fn channels(program: &Program) -> BTreeSet<String> {
    let deliveries = program.code.iter().filter_map(|one| message(&one.op));
    deliveries.flat_map(|delivery| delivery.channels.iter().cloned()).collect()
}

fn same_coupon(one: &Program, other: &Program) -> Option<String> {
    let issued = |program: &Program| -> BTreeSet<(String, String)> {
        let issues = program.code.iter().filter_map(|one| match &one.op {
            Op::Issue(issue) => Some((issue.connection.clone(), issue.campaign.clone())),
            _ => None,
        });
        issues.collect()
    };
    let (first, second) = (issued(one), issued(other));
    let (connection, campaign) = first.intersection(&second).next()?;
    Some(format!(
        "`{}` and `{}` both issue coupons of the campaign `{campaign}` by {connection}: a customer in both gets two; name another campaign, or ask `coupons.exists(c, c.campaign == \"{campaign}\")` first",
        one.name, other.name
    ))
}

/// A journey whose messages share a limit with those of one that goes first.
fn starved(low: &Program, high: &Program) -> Option<String> {
    if low.priority >= high.priority || !high.code.iter().any(|one| message(&one.op).is_some()) {
        return None;
    }
    let mut limits = low.limits.iter().chain(&high.limits);
    let limit = limits.find(|limit| {
        limit.tag.as_ref().is_some_and(|tag| low.tags.contains(tag) && high.tags.contains(tag))
    })?;
    Some(format!(
        "`{}` can get nothing through: it shares the limit of {limit} with `{}`, which goes first with priority {} over {}; give it a tag of its own, or allow more",
        low.name, high.name, high.priority, low.priority
    ))
}
