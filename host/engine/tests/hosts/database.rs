//! The shared database as a model: each question is one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waystation_store::records::SHARDS;

/// Whether commits of a session that has been ended are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    Up,
    Down,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    /// `former` is the session of the host's former process.
    Join {
        lease: i64,
        former: Option<i64>,
    },
    Renew {
        epoch: i64,
        lease: i64,
        leaving: Vec<i64>,
    },
    /// Some effects of these shards that are pending.
    Due {
        shards: Vec<i64>,
    },
    /// Marks effects *attempting*.
    Mark {
        epoch: i64,
        keys: Vec<u32>,
    },
    /// Takes marks back, if they were made; no call follows.
    Unmark {
        epoch: i64,
        keys: Vec<u32>,
    },
    /// The end of an attempt, if it is known.
    Settle {
        epoch: i64,
        key: u32,
        accepted: bool,
    },
    /// What a former holder left *attempting* is *unknown*.
    Recover {
        epoch: i64,
        shards: Vec<i64>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Joined(i64),
    Renewed {
        now: i64,
        hosts: i64,
        shards: Vec<i64>,
    },
    Keys(Vec<u32>),
    Done,
    /// The session has been ended.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pending,
    Attempting,
    Accepted,
    Unknown,
}

#[derive(Debug)]
struct Session {
    renewed: i64,
    until: i64,
    ended: bool,
}

#[derive(Debug)]
pub(crate) struct Database {
    fence: Fence,
    sessions: BTreeMap<i64, Session>,
    /// The session that holds each shard, or since when none that lasts does.
    shards: Vec<Result<i64, i64>>,
    effects: BTreeMap<u32, (i64, Phase)>,
    pub(crate) made: u32,
    /// Commits for a shard that was another's.
    pub(crate) trespasses: u32,
    /// The longest time from a holder's last sign of life, or its leaving, to the next holder.
    pub(crate) longest_gap: Duration,
    /// Effects are made at most this often.
    made_at: i64,
}

fn now() -> i64 {
    i64::try_from(turmoil::sim_elapsed().unwrap_or_default().as_millis()).unwrap()
}

impl Database {
    pub(crate) fn new(fence: Fence) -> Self {
        Self {
            fence,
            sessions: BTreeMap::new(),
            shards: (0..SHARDS).map(|_| Err(0)).collect(),
            effects: BTreeMap::new(),
            made: 0,
            trespasses: 0,
            longest_gap: Duration::ZERO,
            made_at: 0,
        }
    }

    pub(crate) fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Join { lease, former } => {
                if let Some(gone) = former.and_then(|former| self.sessions.get_mut(&former)) {
                    gone.ended = true;
                }
                let epoch = self.sessions.keys().next_back().map_or(1, |last| last + 1);
                self.sessions
                    .insert(epoch, Session { renewed: now(), until: now() + lease, ended: false });
                Answer::Joined(epoch)
            }
            Question::Renew { epoch, lease, leaving } => self.renew(epoch, lease, &leaving),
            Question::Due { shards } => self.due(&shards),
            Question::Mark { epoch, keys } => self.mark(epoch, keys),
            Question::Unmark { epoch, keys } => {
                if self.refused(epoch) {
                    return Answer::Ended;
                }
                for key in keys {
                    if let Some((_, phase @ Phase::Attempting)) = self.effects.get_mut(&key) {
                        *phase = Phase::Pending;
                    }
                }
                Answer::Done
            }
            Question::Settle { epoch, key, accepted } => {
                if self.refused(epoch) {
                    return Answer::Ended;
                }
                if let Some((_, phase @ Phase::Attempting)) = self.effects.get_mut(&key) {
                    *phase = if accepted { Phase::Accepted } else { Phase::Unknown };
                }
                Answer::Done
            }
            Question::Recover { epoch, shards } => {
                if self.refused(epoch) {
                    return Answer::Ended;
                }
                for (shard, phase) in self.effects.values_mut() {
                    if shards.contains(shard) && *phase == Phase::Attempting {
                        *phase = Phase::Unknown;
                    }
                }
                Answer::Done
            }
        }
    }

    fn refused(&self, epoch: i64) -> bool {
        self.fence == Fence::Up && self.sessions.get(&epoch).is_none_or(|session| session.ended)
    }

    fn renew(&mut self, epoch: i64, lease: i64, leaving: &[i64]) -> Answer {
        let now = now();
        match self.sessions.get_mut(&epoch) {
            Some(session) if !session.ended => {
                (session.renewed, session.until) = (now, now + lease);
            }
            _ => return Answer::Ended,
        }
        for session in self.sessions.values_mut() {
            session.ended |= session.until < now;
        }
        for (number, holder) in (0..).zip(&mut self.shards) {
            let Ok(by) = *holder else { continue };
            let over = self.sessions[&by].ended;
            let attempting =
                |(shard, phase): &(i64, Phase)| *shard == number && *phase == Phase::Attempting;
            let idle = || !self.effects.values().any(attempting);
            if over {
                *holder = Err(self.sessions[&by].renewed);
            } else if by == epoch && leaving.contains(&number) && idle() {
                *holder = Err(now);
            }
        }
        let hosts = self.sessions.values().filter(|session| !session.ended).count();
        let quota = self.shards.len().div_ceil(hosts);
        let mut mine = self.shards.iter().filter(|holder| **holder == Ok(epoch)).count();
        for holder in &mut self.shards {
            let Err(since) = *holder else { continue };
            if mine < quota {
                let gap = Duration::from_millis(u64::try_from(now - since).unwrap());
                self.longest_gap = self.longest_gap.max(gap);
                *holder = Ok(epoch);
                mine += 1;
            }
        }
        let shards = (0..).zip(&self.shards).filter(|(_, holder)| **holder == Ok(epoch));
        let shards = shards.map(|(number, _)| number).collect();
        Answer::Renewed { now, hosts: i64::try_from(hosts).unwrap(), shards }
    }

    fn due(&mut self, shards: &[i64]) -> Answer {
        self.make();
        let due = self
            .effects
            .iter()
            .filter(|(_, (shard, phase))| *phase == Phase::Pending && shards.contains(shard));
        Answer::Keys(due.map(|(key, _)| *key).take(5).collect())
    }

    fn mark(&mut self, epoch: i64, mut keys: Vec<u32>) -> Answer {
        if self.refused(epoch) {
            return Answer::Ended;
        }
        keys.retain(|key| {
            let Some((shard, phase)) = self.effects.get_mut(key) else { return false };
            if *phase != Phase::Pending {
                return false;
            }
            let holder = self.shards[usize::try_from(*shard).unwrap()];
            self.trespasses += u32::from(holder != Ok(epoch));
            *phase = Phase::Attempting;
            true
        });
        Answer::Keys(keys)
    }

    /// One new effect for each shard in turn, as long as there is trouble.
    fn make(&mut self) {
        let now = now();
        if Duration::from_millis(now.unsigned_abs()) > crate::TROUBLE {
            return;
        }
        while self.made_at < now {
            self.made_at += 50;
            self.effects.insert(self.made, (i64::from(self.made) % SHARDS, Phase::Pending));
            self.made += 1;
        }
    }

    /// How many shards each lasting session holds.
    pub(crate) fn shares(&self) -> Vec<usize> {
        let lasting = self.sessions.iter().filter(|(_, session)| !session.ended);
        let count =
            |epoch: &i64| self.shards.iter().filter(|holder| **holder == Ok(*epoch)).count();
        lasting.map(|(epoch, _)| count(epoch)).collect()
    }

    fn in_phase(&self, wanted: Phase) -> impl Iterator<Item = u32> {
        self.effects.iter().filter(move |(_, (_, phase))| *phase == wanted).map(|(key, _)| *key)
    }

    /// Effects that are not at an end.
    pub(crate) fn open(&self) -> usize {
        self.in_phase(Phase::Pending).count() + self.in_phase(Phase::Attempting).count()
    }

    pub(crate) fn unknown(&self) -> usize {
        self.in_phase(Phase::Unknown).count()
    }

    pub(crate) fn accepted(&self) -> impl Iterator<Item = u32> {
        self.in_phase(Phase::Accepted)
    }
}
