//! How many effects a connection hands over in a second: a bucket that refills evenly and holds one second's worth. Pure.

use std::time::{Duration, Instant};

/// Shortest wait: what is missing may be less than a clock can tell.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// A bucket.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Effects that may go now. Below zero after a batch that was larger than what there was.
    level: f64,
    at: Instant,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { level: f64::INFINITY, at: now }
    }

    /// Effects that may go now, or how long until one may.
    pub(crate) fn ask(&mut self, rate: u32, now: Instant) -> Result<u32, Duration> {
        let rate = f64::from(rate.max(1));
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        // A second's worth at most, whatever the rate was before.
        self.level = (self.level + gained).min(rate);
        self.at = now;
        if self.level >= 1.0 {
            return Ok(self.level as u32);
        }
        Err(Duration::from_secs_f64((1.0 - self.level) / rate).max(WAIT_MIN))
    }

    /// Takes note of effects handed over.
    pub(crate) fn spend(&mut self, effects: usize) {
        self.level -= effects as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_a_second_s_worth_go_at_once_and_then_as_many_as_the_rate_says() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.ask(50, start), Ok(50));
        pace.spend(50);
        assert_eq!(pace.ask(50, start), Err(Duration::from_millis(20)));
        assert_eq!(pace.ask(50, start + Duration::from_millis(100)), Ok(5));
        assert_eq!(
            pace.ask(50, start + Duration::from_secs(100)),
            Ok(50),
            "no more than a second's"
        );
        assert_eq!(
            pace.ask(10, start + Duration::from_secs(100)),
            Ok(10),
            "a lower rate holds at once"
        );
    }

    #[test]
    fn over_ten_seconds_no_more_than_the_rate_goes() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut sent = 0;
        let mut now = start;
        while now < start + Duration::from_secs(10) {
            match pace.ask(120, now) {
                Ok(some) => {
                    pace.spend(some as usize);
                    sent += some;
                }
                Err(wait) => now += wait,
            }
        }
        assert!((1_200..=1_321).contains(&sent), "{sent}");
    }
}
