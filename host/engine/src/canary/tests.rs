//! Canaries by the thousand, simulated: how often a good release is condemned, and whether a bad one is found out.

use super::{CanaryPlan, Group, Judgement, Observed, Tally};

/// A small generator with a fixed start (`SplitMix64`), so that every run is the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.roll().max(1e-300).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.roll()).cos()
    }
}

/// How a release behaves.
#[derive(Clone, Copy)]
struct Behaviour {
    refuses: f64,
    traps: f64,
    /// Part of the calls in which everything is put off, as when a provider stumbles.
    stumbles: f64,
    seconds: f64,
    /// Standard deviation of the logarithm of a call's seconds.
    spread: f64,
    batch: u64,
}

const FINE: Behaviour =
    Behaviour { refuses: 0.02, traps: 0.0, stumbles: 0.01, seconds: 0.05, spread: 0.6, batch: 20 };

fn call(is: Behaviour, dice: &mut Dice) -> Observed {
    let items = 1 + (dice.roll() * is.batch as f64) as u64;
    let seconds = is.seconds * (is.spread * dice.normal()).exp();
    if dice.roll() < is.traps {
        return Observed { items, unknown: items, failed: true, seconds, ..Observed::default() };
    }
    if dice.roll() < is.stumbles {
        return Observed { items, deferred: items, seconds, ..Observed::default() };
    }
    let refused = (0..items).filter(|_| dice.roll() < is.refuses).count() as u64;
    Observed { items, refused, seconds, ..Observed::default() }
}

/// One trial to its end.
fn trial(
    plan: &CanaryPlan,
    control: Behaviour,
    candidate: Behaviour,
    dice: &mut Dice,
) -> Judgement {
    let mut tally = Tally::default();
    loop {
        for (group, is) in [(Group::Control, control), (Group::Candidate, candidate)] {
            match tally.observe(plan, group, &call(is, dice), 1) {
                Judgement::Go => {}
                end => return end,
            }
        }
    }
}

/// How many of so many trials condemn the candidate.
fn condemned(control: Behaviour, candidate: Behaviour, trials: u64) -> u64 {
    let mut dice = Dice(trials);
    (0..trials)
        .filter(|_| {
            let end = trial(&CanaryPlan::default(), control, candidate, &mut dice);
            matches!(end, Judgement::RollBack(_))
        })
        .count() as u64
}

#[test]
fn identical_releases_are_condemned_in_less_than_one_run_of_a_hundred() {
    let cases = [
        ("as usual", FINE),
        ("never refused", Behaviour { refuses: 0.0, stumbles: 0.0, ..FINE }),
        ("often refused", Behaviour { refuses: 0.3, ..FINE }),
        ("both crash now and then", Behaviour { traps: 0.02, ..FINE }),
        ("provider stumbles often", Behaviour { stumbles: 0.2, ..FINE }),
        ("one message a call", Behaviour { batch: 1, ..FINE }),
        ("large batches", Behaviour { batch: 500, ..FINE }),
        ("very uneven latency", Behaviour { spread: 2.0, ..FINE }),
    ];
    for (name, is) in cases {
        let alarms = condemned(is, is, 1_000);
        assert!(alarms < 10, "{name}: {alarms} false alarms in 1,000 runs");
    }
}

#[test]
fn worse_releases_are_found_out() {
    let cases = [
        ("refuses 5% more", FINE, Behaviour { refuses: FINE.refuses + 0.05, ..FINE }),
        (
            "refuses 5% more, where nothing else is refused",
            Behaviour { refuses: 0.0, ..FINE },
            Behaviour { refuses: 0.05, ..FINE },
        ),
        (
            "traps on 1% of the messages, one a call",
            Behaviour { batch: 1, ..FINE },
            Behaviour { batch: 1, traps: 0.01, ..FINE },
        ),
        (
            "traps on 1% of the messages, twenty a call",
            FINE,
            // 1 - 0.99^10.5
            Behaviour { traps: 0.1, ..FINE },
        ),
        ("takes 3 times as long", FINE, Behaviour { seconds: 3.0 * FINE.seconds, ..FINE }),
    ];
    for (name, control, candidate) in cases {
        let found = condemned(control, candidate, 300);
        assert!(found >= 297, "{name}: found out in {found} of 300 runs");
    }
}

#[test]
fn a_release_that_always_traps_is_found_out_at_the_first_look() {
    let mut dice = Dice(1);
    let mut tally = Tally::default();
    let plan = CanaryPlan::default();
    let crashing = Behaviour { traps: 1.0, ..FINE };
    for calls in 1.. {
        tally.observe(&plan, Group::Control, &call(FINE, &mut dice), 1);
        let judgement = tally.observe(&plan, Group::Candidate, &call(crashing, &mut dice), 1);
        if let Judgement::RollBack(reason) = judgement {
            assert!(reason.starts_with("more calls fail"), "{reason}");
            assert!(calls <= 25, "after {calls} calls");
            return;
        }
    }
}

#[test]
fn a_good_release_is_promoted_at_the_full_sample() {
    let mut dice = Dice(2);
    let plan = CanaryPlan::default();
    let end = trial(&plan, FINE, FINE, &mut dice);
    assert!(matches!(end, Judgement::Promote(ref why) if why.contains("candidate: 3")), "{end:?}");
}

#[test]
fn a_customer_stays_in_the_same_group_and_groups_have_their_size() {
    let plan = CanaryPlan::default();
    let mut counts = std::collections::BTreeMap::new();
    for number in 0..20_000 {
        let customer = format!("customer {number}");
        let group = plan.group("trial", &customer);
        assert_eq!(group, plan.group("trial", &customer));
        *counts.entry(group).or_insert(0) += 1;
    }
    for group in [Group::Candidate, Group::Control] {
        assert!((900..1_100).contains(&counts[&group]), "{counts:?}");
    }
}

/// Calls in each group until a candidate that fails in one call of five is condemned.
fn calls_until_condemned(hosts: u32) -> u64 {
    let mut tally = Tally::default();
    let plan = CanaryPlan::default();
    let fails = |number: u64| Observed {
        items: 20,
        unknown: if number.is_multiple_of(5) { 20 } else { 0 },
        failed: number.is_multiple_of(5),
        seconds: 0.05,
        ..Observed::default()
    };
    let fine = Observed { items: 20, seconds: 0.05, ..Observed::default() };
    for calls in 1.. {
        tally.observe(&plan, Group::Control, &fine, hosts);
        let judgement = tally.observe(&plan, Group::Candidate, &fails(calls), hosts);
        if let Judgement::RollBack(_) = judgement {
            return calls;
        }
    }
    unreachable!("it is condemned at last")
}

#[test]
fn each_of_several_hosts_must_be_surer() {
    let (alone, among_many) = (calls_until_condemned(1), calls_until_condemned(1_000));
    assert!(alone < among_many, "{alone} calls alone, {among_many} among a thousand hosts");
}
