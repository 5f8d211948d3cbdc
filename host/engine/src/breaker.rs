//! The circuit breaker of a connection: it stops calling what keeps failing, and tries again now and then. Pure.

use serde::Serialize;

/// Calls that are looked back upon.
const WINDOW: u32 = 20;
/// Fewest calls from which anything follows.
const CALLS_MIN: u32 = 5;
/// Shortest and longest time without calls, in milliseconds; each failed probe doubles it.
const PAUSE: (i64, i64) = (10_000, 300_000);
/// Effects in a probe.
const PROBE: u32 = 10;

/// Whether a connection is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BreakerState {
    /// It is.
    Closed,
    /// Not before this time.
    Open {
        /// Unix milliseconds of the next probe.
        until: i64,
    },
    /// One small call is under way to find out.
    HalfOpen,
}

impl BreakerState {
    /// For the metric: 0 closed, 1 half-open, 2 open.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open { .. } => 2,
        }
    }
}

/// Leave to make calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// As ever.
    Free,
    /// One call of at most so many effects, which decides how it goes on.
    Probe(u32),
    /// None before this time.
    Not(i64),
    /// None until the probe has ended.
    Wait,
}

/// Counts a connection's calls.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    /// The last calls, the newest in the lowest bit; a set bit is a failure.
    failures: u32,
    calls: u32,
    state: BreakerState,
    pause: i64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, calls: 0, state: BreakerState::Closed, pause: PAUSE.0 }
    }
}

impl Breaker {
    pub(crate) fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether there may be a call now. A probe that is given leave must end in [`ended`](Self::ended) or
    /// [`not_made`](Self::not_made).
    pub(crate) fn ask(&mut self, now: i64) -> Leave {
        match self.state {
            BreakerState::Closed => Leave::Free,
            BreakerState::Open { until } if now < until => Leave::Not(until),
            BreakerState::Open { .. } => {
                self.state = BreakerState::HalfOpen;
                Leave::Probe(PROBE)
            }
            BreakerState::HalfOpen => Leave::Wait,
        }
    }

    /// There was nothing to probe with.
    pub(crate) fn not_made(&mut self, now: i64) {
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Open { until: now };
        }
    }

    /// Takes note of a call's end. Answers with the new state if it changed.
    pub(crate) fn ended(&mut self, failed: bool, probe: bool, now: i64) -> Option<BreakerState> {
        let before = self.state;
        match self.state {
            BreakerState::HalfOpen if probe && failed => {
                self.pause = (self.pause * 2).min(PAUSE.1);
                self.state = BreakerState::Open { until: now.saturating_add(self.pause) };
            }
            BreakerState::HalfOpen if probe => *self = Self::default(),
            BreakerState::Closed => {
                self.failures = (self.failures << 1 | u32::from(failed)) & ((1 << WINDOW) - 1);
                self.calls = (self.calls + 1).min(WINDOW);
                if self.calls >= CALLS_MIN && self.failures.count_ones() * 2 >= self.calls && failed
                {
                    self.state = BreakerState::Open { until: now.saturating_add(self.pause) };
                }
            }
            // A call that had begun before tells nothing about the present.
            BreakerState::Open { .. } | BreakerState::HalfOpen => {}
        }
        (self.state != before).then_some(self.state)
    }

    /// Forgets everything: another release or other settings are in use.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(until: i64) -> Option<BreakerState> {
        Some(BreakerState::Open { until })
    }

    #[test]
    fn it_opens_when_half_of_the_last_calls_failed() {
        let mut breaker = Breaker::default();
        for failed in [true, true, false, true] {
            assert_eq!(breaker.ended(failed, false, 0), None, "too few calls");
        }
        assert_eq!(breaker.ended(true, false, 0), open(10_000));
        assert_eq!(breaker.ask(9_999), Leave::Not(10_000));
    }

    #[test]
    fn it_stays_closed_below_half_and_forgets_what_is_long_ago() {
        let mut breaker = Breaker::default();
        for round in 0..100 {
            assert_eq!(breaker.ended(round % 3 == 0, false, round), None);
        }
        for _ in 0..20 {
            assert_eq!(breaker.ended(false, false, 0), None);
        }
        for _ in 0..9 {
            assert_eq!(breaker.ended(true, false, 0), None);
        }
        assert_eq!(breaker.ended(true, false, 0), open(10_000));
    }

    #[test]
    fn one_probe_decides_and_each_failed_one_doubles_the_pause() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.ended(true, false, 0);
        }
        let mut now = 10_000;
        for pause in [20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
            assert_eq!(breaker.ask(now), Leave::Probe(10));
            assert_eq!(breaker.ask(now), Leave::Wait, "one probe at a time");
            assert_eq!(breaker.ended(false, false, now), None, "an older call does not close it");
            assert_eq!(breaker.ended(true, true, now), open(now + pause));
            now += pause;
        }
        assert_eq!(breaker.ask(now), Leave::Probe(10));
        assert_eq!(breaker.ended(false, true, now), Some(BreakerState::Closed));
        assert_eq!(breaker.ask(now), Leave::Free);
    }

    #[test]
    fn a_probe_that_finds_nothing_to_do_leaves_it_open() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.ended(true, false, 0);
        }
        assert_eq!(breaker.ask(10_000), Leave::Probe(10));
        breaker.not_made(10_000);
        assert_eq!(breaker.ask(10_000), Leave::Probe(10));
    }
}
