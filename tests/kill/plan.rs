//! Which way the server is killed next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::random::Random;

/// Of a thousand kills, how many come at a random moment; the others come at a place.
const AT_RANDOM: u64 = 250;
/// Of a thousand kills at a place, how many leave the thread there until the server is killed from outside.
const STAY: u64 = 250;

/// How the server is to die.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Death {
    /// So long after the start of its process.
    After(Duration),
    /// The so manyth time that a place is reached, at once, or from outside a little later.
    At { place: &'static str, time: u32, stays: bool },
}

impl Death {
    /// As the server's environment says it.
    pub(crate) fn faults(&self) -> String {
        match self {
            Self::After(_) => String::new(),
            Self::At { place, time, stays: false } => format!("{place}={time}"),
            Self::At { place, time, stays: true } => format!("{place}={time}:stay"),
        }
    }

    /// Whether releases must be swapped for it.
    pub(crate) fn wants_a_swap(&self) -> bool {
        matches!(self, Self::At { place, .. } if place.starts_with("activate."))
    }
}

/// Chooses deaths so that every place has its turn.
pub(crate) struct Plan {
    random: Random,
    /// Longest life of a server that is killed at a random moment.
    life: Duration,
    places: Vec<&'static str>,
    /// Kills at each place so far.
    pub(crate) kills: BTreeMap<&'static str, u32>,
    turn: usize,
}

impl Plan {
    pub(crate) fn new(
        places: impl Iterator<Item = &'static str>,
        life: Duration,
        random: Random,
    ) -> Self {
        let places: Vec<&'static str> = places.collect();
        let kills = places.iter().map(|place| (*place, 0)).collect();
        Self { random, life, places, kills, turn: 0 }
    }

    /// The next death. `unsettled` says whether the server was killed during a call, so that it has something to recover.
    pub(crate) fn next(&mut self, unsettled: bool) -> Death {
        if self.random.in_thousand(AT_RANDOM) {
            return Death::After(self.random.time(self.life));
        }
        let Some(place) = self.place(unsettled) else { return Death::After(self.life) };
        let stays = self.random.in_thousand(STAY);
        // The first time of a place that has not been reached yet: it may be a rare one.
        let time = if self.kills[place] == 0 { 1 } else { self.time(place) };
        Death::At { place, time, stays }
    }

    /// A place that has not been reached yet, or else the next in turn.
    fn place(&mut self, unsettled: bool) -> Option<&'static str> {
        // Recovery is passed only after a call was interrupted; it must be used when it comes.
        if unsettled && self.random.in_thousand(200) {
            return Some("recover.read");
        }
        let missing: Vec<&'static str> =
            self.kills.iter().filter(|(_, kills)| **kills == 0).map(|(place, _)| *place).collect();
        self.turn += 1;
        if !missing.is_empty() && self.turn.is_multiple_of(2) {
            return Some(missing[self.random.below(missing.len() as u64) as usize]);
        }
        (!self.places.is_empty()).then(|| self.places[self.turn % self.places.len()])
    }

    fn time(&mut self, place: &str) -> u32 {
        // What happens once in a start, or seldom, is not waited for several times.
        let most = match place.split_once('.').map_or(place, |(area, _)| area) {
            "start" | "recover" | "activate" | "poll" => 1,
            "ask" | "codes" => 2,
            "t3" | "call" | "inbox" | "t0" => 5,
            _ => 12,
        };
        self.random.below(most) as u32 + 1
    }

    /// The server died there.
    pub(crate) fn died(&mut self, place: &str) {
        if let Some(kills) = self.kills.get_mut(place) {
            *kills += 1;
        }
    }

    /// Places where the server was never killed.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        self.kills.iter().filter(|(_, kills)| **kills == 0).map(|(place, _)| *place).collect()
    }
}
