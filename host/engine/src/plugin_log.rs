//! The last lines that each connection's plugin wrote, for whoever looks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use waystation_sandbox::{Clock, LogLine, LogSink};

/// Lines kept of one connection.
const LINES: usize = 1_000;
/// Bytes of text kept of one connection.
const BYTES: usize = 1 << 20;

/// A line of a plugin's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLine {
    /// Grows by one with each line of the connection, and over restarts of the host by more. A gap means that lines were dropped
    /// before they were read.
    pub sequence: u64,
    /// When it was written, in Unix milliseconds.
    pub at: u64,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// `name@version` of the plugin.
    pub release: String,
    /// The text.
    pub text: String,
}

/// The last lines of every connection: 1,000 of each, and no more than 1 MiB.
pub struct PluginLog {
    clock: Clock,
    rings: Mutex<BTreeMap<String, Arc<Ring>>>,
}

struct Ring {
    kept: Mutex<Kept>,
    /// Number of the last line, which wakes those who wait for more.
    last: watch::Sender<u64>,
}

struct Kept {
    lines: VecDeque<PluginLine>,
    bytes: usize,
    next: u64,
}

impl PluginLog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, rings: Mutex::default() }
    }

    /// The lines after a number, oldest first and at most `limit`; without a number the last ones.
    #[must_use]
    pub fn lines(&self, connection: &str, after: Option<u64>, limit: usize) -> Vec<PluginLine> {
        let ring = self.ring(connection);
        let kept = ring.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = match after {
            Some(after) => kept.lines.partition_point(|line| line.sequence <= after),
            None => kept.lines.len().saturating_sub(limit),
        };
        kept.lines.iter().skip(skipped).take(limit).cloned().collect()
    }

    /// Returns when there is a line after this number.
    pub async fn wait(&self, connection: &str, after: u64) {
        let mut last = self.ring(connection).last.subscribe();
        // The ring lives as long as the log, and its sender with it.
        let _ = last.wait_for(|last| *last > after).await;
    }

    fn ring(&self, connection: &str) -> Arc<Ring> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ring) = rings.get(connection) {
            return Arc::clone(ring);
        }
        // Microseconds, so that whoever followed a host that was restarted since waits for no number of the past: nobody writes
        // a line in each of them.
        let next = (self.clock)().saturating_mul(1_000);
        let kept = Kept { lines: VecDeque::new(), bytes: 0, next };
        let ring = Arc::new(Ring { kept: Mutex::new(kept), last: watch::Sender::new(0) });
        rings.insert(connection.to_owned(), Arc::clone(&ring));
        ring
    }
}

impl LogSink for PluginLog {
    fn write(&self, line: LogLine<'_>) {
        let ring = self.ring(line.connection);
        let mut kept = ring.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = kept.next;
        kept.next += 1;
        kept.bytes += line.text.len();
        kept.lines.push_back(PluginLine {
            sequence,
            at: (self.clock)(),
            level: line.level.as_str(),
            release: line.release.to_owned(),
            text: line.text.to_owned(),
        });
        while kept.lines.len() > LINES || kept.bytes > BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.text.len();
        }
        drop(kept);
        ring.last.send_replace(sequence);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waystation_sandbox::LogLevel;

    use super::*;

    const NOW: u64 = 1_750_000_000_000;

    fn log() -> PluginLog {
        PluginLog::new(Arc::new(|| NOW))
    }

    fn write(log: &PluginLog, connection: &str, text: &str) {
        log.write(LogLine { connection, release: "echo@1.0.0", level: LogLevel::Info, text });
    }

    fn texts(lines: &[PluginLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_read_from_a_number_on_or_from_the_end() {
        let log = log();
        for text in ["a", "b", "c"] {
            write(&log, "notice", text);
        }
        write(&log, "other", "x");
        let lines = log.lines("notice", None, 2);
        assert_eq!(texts(&lines), ["b", "c"]);
        assert_eq!(lines[1].sequence, lines[0].sequence + 1);
        assert_eq!(texts(&log.lines("notice", Some(lines[0].sequence), 10)), ["c"]);
        assert_eq!(texts(&log.lines("notice", Some(0), 2)), ["a", "b"]);
        assert_eq!(texts(&log.lines("notice", Some(lines[1].sequence), 10)), [""; 0]);
        assert_eq!(texts(&log.lines("nobody", None, 10)), [""; 0]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_long_ones() {
        let log = log();
        for number in 0..1_500 {
            write(&log, "notice", &number.to_string());
        }
        let lines = log.lines("notice", None, 2_000);
        assert_eq!((lines.len(), lines[0].text.as_str()), (1_000, "500"));
        let long = "x".repeat(4 << 10);
        for _ in 0..400 {
            write(&log, "notice", &long);
        }
        let lines = log.lines("notice", None, 2_000);
        assert_eq!(lines.len(), 256);
        assert!(lines.iter().all(|line| line.text == long));
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_the_next_line() {
        let log = Arc::new(log());
        write(&log, "notice", "first");
        let first = log.lines("notice", None, 1)[0].sequence;
        log.wait("notice", first - 1).await;
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                log.wait("notice", first).await;
                log.lines("notice", Some(first), 10)
            }
        });
        tokio::task::yield_now().await;
        write(&log, "other", "not this one");
        write(&log, "notice", "second");
        let lines = tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap();
        assert_eq!(texts(&lines), ["second"]);
    }
}
