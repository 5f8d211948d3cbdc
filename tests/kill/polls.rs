//! Polls of the trigger source: from where the provider was asked to tell, and by how many at once.
//!
//! That each event was taken once, and what came of it, is seen in the enrollments, as with every other event.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::oracle::Verdict;
use super::provider::{News, Told};

/// A host polls again a second after the last poll was stored, by the database's clock; less some room for its pace, in
/// milliseconds. Of two hosts that poll, one comes within half of a second after the other.
const APART: i64 = 900;
/// Polls in a row that must be apart.
const IN_A_ROW: usize = 4;
/// Longest wait for them: another host may be about to take over.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Judges what so many hosts asked for. A cursor must be one that was handed out. That of a single host never goes back: it has
/// been stored when it is used. Of several, one that leads no more may come late with an older cursor, which does no harm.
pub(crate) fn judge(told: &[Told], hosts: usize, verdict: &mut Verdict) {
    let mut handed_out = BTreeSet::from([0]);
    let (mut latest, mut most) = (0, 0);
    for poll in told {
        if !handed_out.contains(&poll.from) {
            let said = format!("a poll with a cursor that was never handed out: {poll:?}");
            verdict.off_model.push(said);
        }
        if hosts == 1 && poll.from < latest {
            let said = format!("a poll went back behind {latest}, which had been stored: {poll:?}");
            verdict.lost.push(said);
        }
        verdict.counts.told_again += most.min(poll.upto) - most.min(poll.from);
        latest = latest.max(poll.from);
        most = most.max(poll.upto);
        handed_out.insert(poll.upto);
    }
    verdict.counts.polls += told.len();
    verdict.counts.told += most;
}

/// Waits until polls follow each other as those of one host do, while nobody dies; says so if they never do.
pub(crate) async fn until_one_host_polls(news: &News) -> Option<String> {
    let (began, before) = (Instant::now(), news.told().len());
    loop {
        let times: Vec<i64> = news.told()[before..].iter().map(|poll| poll.at).collect();
        let last = &times[times.len().saturating_sub(IN_A_ROW)..];
        if last.len() == IN_A_ROW && last.windows(2).all(|two| two[1] - two[0] >= APART) {
            return None;
        }
        if began.elapsed() > PATIENCE {
            return Some(format!("polls are not as those of one host; they came at {times:?}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
