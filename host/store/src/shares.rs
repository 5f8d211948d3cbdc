//! Sharing the room of one batch between those that have something for it.

use std::collections::VecDeque;

/// Hands out the room of a batch in turns. Everybody gets an equal share; urgent ones go first and have half of the room
/// to themselves. What somebody leaves goes to those who have more.
pub(crate) struct Shares {
    places: Vec<Place>,
    /// Whose turn comes in this round.
    waiting: VecDeque<usize>,
    /// Who took all of its share and may have more.
    full: VecDeque<usize>,
    left: i64,
    /// The share of each in this round: of urgent ones, and of all others.
    quotas: (i64, i64),
    turn: Option<Turn>,
}

struct Place {
    is_urgent: bool,
    taken: i64,
}

/// One look for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whose, counted from 0.
    pub(crate) place: usize,
    /// Most to be taken.
    pub(crate) limit: i64,
    /// How much was taken before.
    pub(crate) offset: i64,
}

impl Shares {
    /// Room for so many, between these: urgent or not, those before that are to go before.
    pub(crate) fn new(urgent: impl Iterator<Item = bool>, room: i64) -> Self {
        let places: Vec<Place> = urgent.map(|is_urgent| Place { is_urgent, taken: 0 }).collect();
        let full = (0..places.len()).collect();
        Self { places, waiting: VecDeque::new(), full, left: room, quotas: (0, 0), turn: None }
    }

    /// The next look, if there is room and anybody who may have something.
    pub(crate) fn turn(&mut self) -> Option<Turn> {
        while self.left > 0 {
            if self.waiting.is_empty() {
                self.waiting = std::mem::take(&mut self.full);
                self.quotas = self.share_out();
            }
            let place = self.waiting.pop_front()?;
            let (urgent, other) = self.quotas;
            let quota = if self.places[place].is_urgent { urgent } else { other };
            if quota == 0 {
                self.full.push_back(place);
                continue;
            }
            let turn =
                Turn { place, limit: quota.min(self.left), offset: self.places[place].taken };
            self.turn = Some(turn);
            return Some(turn);
        }
        None
    }

    /// What the last look found.
    pub(crate) fn took(&mut self, count: usize) {
        let Some(turn) = self.turn.take() else { return };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.places[turn.place].taken += count;
        self.left -= count;
        if count >= turn.limit {
            self.full.push_back(turn.place);
        }
    }

    fn share_out(&self) -> (i64, i64) {
        let count = |urgent| {
            let like = self.waiting.iter().filter(|place| self.places[**place].is_urgent == urgent);
            i64::try_from(like.count()).unwrap_or(i64::MAX)
        };
        // Rounded down, so that the last ones are not left without; what remains is for the next round.
        let quota = |room: i64, count: i64| match room {
            ..=0 => 0,
            _ if count == 0 => 0,
            _ => (room / count).max(1),
        };
        match (count(true), count(false)) {
            (urgent, 0) => (quota(self.left, urgent), 0),
            (0, others) => (0, quota(self.left, others)),
            (urgent, others) => {
                let half = self.left - self.left / 2;
                (quota(half, urgent), quota(self.left - half, others))
            }
        }
    }
}

/// One of each list in turns, so that whatever is cut off behind is cut off from all.
pub(crate) fn interleave<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut all = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    while !lists.is_empty() {
        lists.retain_mut(|list| match list.next() {
            Some(one) => {
                all.push(one);
                true
            }
            None => false,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Shares, interleave};

    /// What everybody gets, where this is what they have.
    fn check(room: i64, urgent: &[usize], others: &[usize], expected: &[usize]) {
        let have: Vec<usize> = urgent.iter().chain(others).copied().collect();
        let is_urgent = (0..have.len()).map(|place| place < urgent.len());
        let mut shares = Shares::new(is_urgent, room);
        let mut got = vec![0; have.len()];
        let mut looks = 0;
        while let Some(turn) = shares.turn() {
            assert_eq!(usize::try_from(turn.offset), Ok(got[turn.place]), "{turn:?}");
            let limit = usize::try_from(turn.limit).unwrap_or_default();
            let found = limit.min(have[turn.place] - got[turn.place]);
            got[turn.place] += found;
            shares.took(found);
            looks += 1;
            assert!(looks < 1_000, "it goes on for ever");
        }
        assert_eq!(got, expected, "room for {room}");
    }

    #[test]
    fn everybody_gets_an_equal_share_and_what_others_leave() {
        check(100, &[], &[], &[]);
        check(100, &[], &[1_000_000], &[100]);
        check(100, &[], &[1_000_000, 3], &[97, 3]);
        check(100, &[], &[1_000_000, 1_000_000], &[50, 50]);
        check(100, &[], &[1_000_000, 10, 1_000_000, 0], &[45, 10, 45, 0]);
        check(0, &[], &[5], &[0]);
    }

    #[test]
    fn urgent_ones_have_half_of_the_room_and_no_more_while_others_wait() {
        check(100, &[7], &[1_000_000], &[7, 93]);
        check(100, &[1_000_000], &[1_000_000], &[50, 50]);
        check(100, &[1_000_000, 1_000_000], &[1_000_000, 1_000_000], &[25, 25, 25, 25]);
        check(100, &[1_000_000], &[5, 5], &[90, 5, 5]);
        check(100, &[1_000_000], &[], &[100]);
    }

    #[test]
    fn with_less_room_than_lanes_the_first_get_it() {
        check(2, &[], &[9, 9, 9], &[1, 1, 0]);
        check(1, &[9], &[9], &[1, 0]);
    }

    #[test]
    fn lists_are_cut_off_evenly() {
        let cut = interleave(vec![vec![1, 2, 3], vec![], vec![10], vec![20, 21]]);
        assert_eq!(cut, [1, 10, 20, 2, 21, 3]);
    }
}
