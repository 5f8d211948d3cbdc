//! How often a winner is found where there is none, and where there is one.

use super::best;

/// Numbers without a pattern: splitmix64, the same on every run.
struct Random(u64);

impl Random {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The arm found by one experiment with looks at 100 to 3,200 enrollments of each arm, if any.
fn experiment(rates: &[f64], random: &mut Random) -> Option<usize> {
    let mut reached = vec![0; rates.len()];
    let mut entered = 0;
    for look in 0..6 {
        let until = 100_u64 << look;
        for (reached, rate) in reached.iter_mut().zip(rates) {
            *reached += (entered..until).filter(|_| random.share() < *rate).count() as u64;
        }
        entered = until;
        if let Some(arm) = best(&reached, entered, look) {
            return Some(arm);
        }
    }
    None
}

/// Share of experiments that found any arm, and that found the last one.
fn found(rates: &[f64]) -> (f64, f64) {
    const EXPERIMENTS: usize = 2_000;
    let mut random = Random(7);
    let found: Vec<usize> =
        (0..EXPERIMENTS).filter_map(|_| experiment(rates, &mut random)).collect();
    let last = found.iter().filter(|arm| **arm == rates.len() - 1).count();
    (found.len() as f64 / EXPERIMENTS as f64, last as f64 / EXPERIMENTS as f64)
}

#[test]
fn arms_that_are_the_same_rarely_have_a_winner() {
    for rates in [&[0.05, 0.05][..], &[0.3, 0.3], &[0.6, 0.6], &[0.1, 0.1, 0.1, 0.1]] {
        let (any, _) = found(rates);
        assert!(any < 0.05, "{rates:?}: {any}");
    }
}

#[test]
fn an_arm_that_is_twice_as_good_wins() {
    for rates in [&[0.05, 0.1][..], &[0.2, 0.4], &[0.05, 0.05, 0.1]] {
        let (any, last) = found(rates);
        assert!(last > 0.95, "{rates:?}: {last}");
        assert!(any - last < 0.01, "{rates:?}: another arm won in {}", any - last);
    }
}

#[test]
fn the_test_is_fishers() {
    // By hand: 7 of 10 against 2 of 10 has the one-sided probability 0.0349; the first look of two arms asks for 0.0125.
    assert!((super::exceeds(7, 2, 10) - 0.034_889).abs() < 1e-5, "{}", super::exceeds(7, 2, 10));
    assert_eq!(best(&[7, 2], 10, 0), None);
    assert_eq!(best(&[9, 1], 10, 0), Some(0));
    assert_eq!(best(&[0, 0], 100, 0), None);
}
