//! Trying a release on a share of the customers, and judging from what happens whether to keep it. Pure.
//!
//! The candidate is compared with a control group of the same size that stays on the release in use: both groups' batches
//! come at the same time and in the same sizes, so that neither the hour nor the batching makes a difference. The groups are
//! looked at a few times, at counts fixed beforehand, and each look and each measure gets its part of one small probability of
//! a false alarm.

use serde::{Deserialize, Serialize};

/// Probability that any look at any measure condemns a release that is no worse.
const FALSE_ALARM: f64 = 0.005;
/// What is compared.
const MEASURES: f64 = 5.0;
/// Looks before the last one, each at half the count of the next.
const EARLIER_LOOKS: u32 = 6;
/// Fewest calls at which a look means anything.
const CALLS_MIN: u64 = 20;
/// A release that is slower by less than this factor is not condemned, however certain the difference is.
const SLOWER_MIN: f64 = 1.3;

/// How a candidate is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CanaryPlan {
    /// Part of the customers that are served by the candidate, 0.001 .. 0.5. As many more are watched for comparison.
    pub share: f64,
    /// Effects in each group after which the candidate is promoted if nothing speaks against it, 100 .. 1,000,000.
    pub sample: u64,
    /// Calls in each group that it takes as well, 20 .. 100,000.
    pub calls: u64,
    /// Milliseconds after which a candidate that got too little to do is taken back, 1 s .. 30 days.
    pub at_most_ms: i64,
}

impl Default for CanaryPlan {
    fn default() -> Self {
        Self { share: 0.05, sample: 3_000, calls: 200, at_most_ms: 24 * 3_600_000 }
    }
}

impl CanaryPlan {
    /// Says what is out of bounds.
    ///
    /// # Errors
    /// The field, its value and its bounds.
    pub fn check(&self) -> Result<(), String> {
        let out = |field: &str, value: String, bounds: &str| {
            Err(format!("canary.{field} is {value}; it must be from {bounds}"))
        };
        if !(0.001..=0.5).contains(&self.share) {
            return out("share", self.share.to_string(), "0.001 to 0.5");
        }
        if !(100..=1_000_000).contains(&self.sample) {
            return out("sample", self.sample.to_string(), "100 to 1,000,000");
        }
        if !(CALLS_MIN..=100_000).contains(&self.calls) {
            return out("calls", self.calls.to_string(), "20 to 100,000");
        }
        if !(1_000..=30 * 86_400_000).contains(&self.at_most_ms) {
            return out("at_most_ms", self.at_most_ms.to_string(), "1,000 to 2,592,000,000");
        }
        Ok(())
    }

    /// The group that a customer belongs to for the whole of this trial. `trial` makes each trial's groups its own.
    #[must_use]
    pub fn group(&self, trial: &str, customer: &str) -> Group {
        let place = place(trial, customer);
        if place < self.share {
            Group::Candidate
        } else if place < 2.0 * self.share {
            Group::Control
        } else {
            Group::Rest
        }
    }

    /// Which look the counts allow, counted from 1; 0 for none yet. The last one is the sample in full.
    fn look(&self, control: &Arm, candidate: &Arm) -> u32 {
        let part = |have: u64, want: u64| have as f64 / want as f64;
        let arm = |arm: &Arm| part(arm.items, self.sample).min(part(arm.calls, self.calls));
        if control.calls.min(candidate.calls) < CALLS_MIN {
            return 0;
        }
        let mut complete = arm(control).min(arm(candidate));
        let mut look = EARLIER_LOOKS + 1;
        while complete < 1.0 && look > 0 {
            complete *= 2.0;
            look -= 1;
        }
        look
    }
}

/// Which release serves a customer during a trial, and whether it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Served by the candidate.
    Candidate,
    /// Served by the release in use and compared with the candidate.
    Control,
    /// Served by the release in use.
    Rest,
}

/// A number in 0 .. 1 that a customer keeps for the whole trial.
fn place(trial: &str, customer: &str) -> f64 {
    use sha2::{Digest as _, Sha256};
    let digest =
        Sha256::new().chain_update(trial).chain_update([0]).chain_update(customer).finalize();
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    // 53 bits are what a double holds exactly.
    (u64::from_be_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
}

/// One call, as it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Observed {
    /// Effects handed over.
    pub items: u64,
    /// Effects that were refused.
    pub refused: u64,
    /// Effects of which nobody knows whether they happened.
    pub unknown: u64,
    /// Effects put off.
    pub deferred: u64,
    /// Whether the plugin crashed, ran out of time or memory, or answered against the contract.
    pub failed: bool,
    /// Seconds that the call took.
    pub seconds: f64,
}

/// Sums over the calls of one group.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Arm {
    /// Calls.
    pub calls: u64,
    /// Effects handed over.
    pub items: u64,
    /// Effects refused.
    pub refused: Counted,
    /// Effects whose end is unknown.
    pub unknown: Counted,
    /// Effects put off.
    pub deferred: Counted,
    /// Calls that failed.
    pub failed: u64,
    /// Sum of the logarithms of the calls' seconds, and of their squares.
    log_seconds: (f64, f64),
    /// Sum of the squares of the calls' sizes.
    items_squared: f64,
}

/// How many of a group's effects ended in some way, with what it takes to see how they cluster in calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counted {
    /// How many.
    pub count: u64,
    /// Sums over the calls of the count squared, and of the count times the call's size.
    #[serde(skip)]
    squares: (f64, f64),
}

impl Counted {
    fn add(&mut self, count: u64, items: u64) {
        self.count += count;
        self.squares.0 += (count * count) as f64;
        self.squares.1 += (count * items) as f64;
    }
}

impl Arm {
    /// Adds a call.
    pub fn add(&mut self, call: &Observed) {
        self.calls += 1;
        self.items += call.items;
        self.items_squared += (call.items * call.items) as f64;
        self.refused.add(call.refused, call.items);
        self.unknown.add(call.unknown, call.items);
        self.deferred.add(call.deferred, call.items);
        self.failed += u64::from(call.failed);
        let log = call.seconds.max(1e-6).ln();
        self.log_seconds.0 += log;
        self.log_seconds.1 += log * log;
    }

    /// Typical seconds of a call: the geometric mean.
    #[must_use]
    pub fn typical_seconds(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { (self.log_seconds.0 / self.calls as f64).exp() }
    }

    /// Variance of the mean logarithm of the seconds.
    fn log_variance(&self) -> f64 {
        let calls = self.calls as f64;
        let mean = self.log_seconds.0 / calls;
        ((self.log_seconds.1 / calls - mean * mean) * calls / (calls - 1.0)).max(0.0) / calls
    }

    /// Variance of a count as its calls show it, and as independent effects would have it.
    fn variances(&self, counted: &Counted) -> (f64, f64) {
        let part = counted.count as f64 / self.items as f64;
        let seen =
            counted.squares.0 - 2.0 * part * counted.squares.1 + part * part * self.items_squared;
        (seen.max(0.0), self.items as f64 * part * (1.0 - part))
    }
}

/// Both groups of a trial.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Served by the release in use.
    pub control: Arm,
    /// Served by the candidate.
    pub candidate: Arm,
    /// Looks taken.
    #[serde(skip)]
    looks: u32,
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// Nothing yet.
    Go,
    /// The candidate is no worse, as far as the sample shows.
    Promote(String),
    /// The candidate is worse; the text says in what and by how much.
    RollBack(String),
}

impl Tally {
    /// Adds a call and takes a look if it is time for one. Each of so many hosts has a tally of its own and may condemn the
    /// candidate, so that each gets its part of the false alarms.
    pub fn observe(
        &mut self,
        plan: &CanaryPlan,
        group: Group,
        call: &Observed,
        hosts: u32,
    ) -> Judgement {
        match group {
            Group::Candidate => self.candidate.add(call),
            Group::Control => self.control.add(call),
            Group::Rest => return Judgement::Go,
        }
        let look = plan.look(&self.control, &self.candidate);
        if look <= self.looks {
            return Judgement::Go;
        }
        self.looks = look;
        if let Some(reason) = self.worse(hosts) {
            return Judgement::RollBack(reason);
        }
        if look <= EARLIER_LOOKS {
            return Judgement::Go;
        }
        Judgement::Promote(format!("no worse in any measure; {}", self.summary()))
    }

    /// Both groups in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        let arm = |name: &str, arm: &Arm| {
            format!(
                "{name}: {} effects in {} calls, {} refused, {} unknown, {} put off, {} calls failed, {:.1} ms a call",
                arm.items,
                arm.calls,
                arm.refused.count,
                arm.unknown.count,
                arm.deferred.count,
                arm.failed,
                arm.typical_seconds() * 1e3
            )
        };
        format!("{}; {}", arm("candidate", &self.candidate), arm("control", &self.control))
    }

    /// Says in what the candidate is worse, if it is so beyond doubt.
    fn worse(&self, hosts: u32) -> Option<String> {
        let looks = f64::from(EARLIER_LOOKS + 1) * f64::from(hosts.max(1));
        let doubt = FALSE_ALARM / MEASURES / looks;
        let (control, candidate) = (&self.control, &self.candidate);
        let calls = (control.calls as f64, candidate.calls as f64);
        let failed = (control.failed as f64, candidate.failed as f64);
        if excess(failed, calls) < doubt {
            return Some(format!("more calls fail; {}", self.summary()));
        }
        let measures = [
            ("more effects are refused", &control.refused, &candidate.refused),
            ("more effects end unknown", &control.unknown, &candidate.unknown),
            ("more effects are put off", &control.deferred, &candidate.deferred),
        ];
        for (what, before, after) in measures {
            let (seen, independent) = sum(control.variances(before), candidate.variances(after));
            // Effects of one call share their fate, so they count for less than as many calls would.
            let cluster = if independent > 0.0 { (seen / independent).max(1.0) } else { 1.0 };
            let scaled = |count: u64| count as f64 / cluster;
            let items = (scaled(control.items), scaled(candidate.items));
            if excess((scaled(before.count), scaled(after.count)), items) < doubt {
                return Some(format!("{what}; {}", self.summary()));
            }
        }
        let spread = (control.log_variance() + candidate.log_variance()).sqrt();
        let ratio = candidate.typical_seconds() / control.typical_seconds();
        if ratio > SLOWER_MIN && normal_tail((ratio / SLOWER_MIN).ln() / spread) < doubt {
            return Some(format!("calls take {ratio:.1} times as long; {}", self.summary()));
        }
        None
    }
}

fn sum(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0 + other.0, one.1 + other.1)
}

/// Probability that the candidate's count is this large or larger if both groups have the same rate: given the sum of the
/// two counts, each falls to the candidate with its part of the whole (the conditional binomial test).
fn excess(counts: (f64, f64), sizes: (f64, f64)) -> f64 {
    let (before, after) = (counts.0.round(), counts.1.floor());
    let total = (before + after) as u64;
    if total == 0 {
        return 1.0;
    }
    let part = sizes.1 / (sizes.0 + sizes.1);
    if part >= 1.0 {
        return 1.0;
    }
    // Terms of the binomial distribution one after the other, by logarithms: the first alone may be as small as 1e-300.
    let mut term = total as f64 * (1.0 - part).ln();
    let mut tail = if after <= 0.0 { term.exp() } else { 0.0 };
    for chosen in 1..=total {
        term += ((total - chosen + 1) as f64 / chosen as f64).ln() + part.ln() - (1.0 - part).ln();
        if chosen as f64 >= after {
            tail += term.exp();
        }
    }
    tail.min(1.0)
}

/// Probability that a standard normal number is larger: an upper bound (Chernoff and Mills), close enough out in the tail.
fn normal_tail(z: f64) -> f64 {
    if z <= 0.0 || z.is_nan() {
        return 1.0;
    }
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (density / z).min(0.5)
}

#[cfg(test)]
mod tests;
