//! Whether a stream and its consumer are set up so that no message is lost, and what is wrong if they are not.

use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};

use super::pull::{ASK, GROUP};

/// Shortest time for an acknowledgement that does not lead to needless repetition.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Shortest age of messages that survives a long weekend without a host.
const MAX_AGE: Duration = Duration::from_secs(4 * 24 * 3600);
/// Shortest time in which the stream should tell repeated messages.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    /// What is wrong, what comes of it, and how to mend it.
    pub(crate) message: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Messages would be lost by reading them: nothing is read.
    Refused,
    /// Messages are read, and may be lost before or later than that.
    Warned,
}

impl Weight {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warned => "warned",
        }
    }
}

/// What is wrong, the worst first.
pub(crate) fn check(stream: &stream::Config, consumer: &consumer::Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        refusals(consumer).into_iter().map(|message| finding(Weight::Refused, message)).collect();
    let warnings = of_stream(stream).into_iter().chain(of_consumer(consumer));
    findings.extend(warnings.map(|message| finding(Weight::Warned, message)));
    findings
}

fn finding(weight: Weight, message: String) -> Finding {
    Finding { weight, message }
}

/// Settings with which messages would be lost or could not be read at all.
fn refusals(consumer: &consumer::Config) -> Vec<String> {
    let mut wrong = Vec::new();
    if consumer.deliver_subject.is_some() {
        wrong.push(
            "the consumer is a push consumer, which sends faster than messages can be stored; make a pull consumer"
                .to_owned(),
        );
    }
    if consumer.durable_name.is_none() {
        wrong.push(
            "the consumer is not durable: its server forgets it, and where it was; make a durable one".to_owned(),
        );
    }
    if consumer.ack_policy != AckPolicy::Explicit {
        wrong.push(format!(
            "the consumer's ack policy is {}: messages count as done that are not stored; make one with `--ack explicit`",
            match consumer.ack_policy {
                AckPolicy::None => "`none`",
                _ => "`all`",
            }
        ));
    }
    if consumer.max_deliver > 0 {
        wrong.push(format!(
            "the consumer gives a message up after {} deliveries (max_deliver): while the database is away, messages are lost; set it to -1",
            consumer.max_deliver
        ));
    }
    if consumer.headers_only {
        wrong.push(
            "the consumer delivers headers without the messages; turn headers_only off".to_owned(),
        );
    }
    wrong
}

fn of_stream(stream: &stream::Config) -> Vec<String> {
    let mut wrong = Vec::new();
    if stream.storage == StorageType::Memory {
        wrong.push(
            "the stream is kept in memory: when its server ends, acknowledged messages are lost; make it with storage `file`"
                .to_owned(),
        );
    }
    if stream.num_replicas < 3 {
        wrong.push(format!(
            "the stream has {}: it is lost with the disk it is on; 3 replicas on machines of their own survive one of them",
            match stream.num_replicas {
                1 => "1 replica".to_owned(),
                count => format!("{count} replicas"),
            }
        ));
    }
    if stream.no_ack {
        wrong.push(
            "the stream does not acknowledge (no_ack): publishers cannot know what is stored; turn it off".to_owned(),
        );
    }
    wrong.extend(limits(stream));
    if stream.max_age > Duration::ZERO && stream.max_age < MAX_AGE {
        wrong.push(format!(
            "the stream deletes messages after {} (max_age), whether they were taken or not; give them at least 4 days, or 0 for no limit",
            time(stream.max_age)
        ));
    }
    if stream.duplicate_window < DUPLICATES {
        wrong.push(format!(
            "the stream tells repeated messages (Nats-Msg-Id) for {} only; let duplicate_window be as long as publishers may repeat, at least 2 minutes",
            time(stream.duplicate_window)
        ));
    }
    wrong
}

/// Limits at which the stream deletes messages that nobody has taken.
fn limits(stream: &stream::Config) -> Option<String> {
    if stream.discard == DiscardPolicy::New {
        return None;
    }
    let limits = [
        ("max_msgs", stream.max_messages),
        ("max_bytes", stream.max_bytes),
        ("max_msgs_per_subject", stream.max_messages_per_subject),
    ];
    let set: Vec<String> = limits
        .into_iter()
        .filter(|(_, limit)| *limit > 0)
        .map(|(name, limit)| format!("{name} {limit}"))
        .collect();
    if set.is_empty() {
        return None;
    }
    Some(format!(
        "with {} and discard `old` a full stream deletes messages that were not taken; with discard `new` it refuses more, and publishers hear of it",
        set.join(", ")
    ))
}

fn of_consumer(consumer: &consumer::Config) -> Vec<String> {
    let mut wrong = Vec::new();
    if let DeliverPolicy::New | DeliverPolicy::Last | DeliverPolicy::LastPerSubject =
        consumer.deliver_policy
    {
        wrong.push(
            "the consumer does not start at the stream's beginning: what was published before it was made is not taken; make one with `--deliver all`"
                .to_owned(),
        );
    }
    if consumer.ack_wait < ACK_WAIT || consumer.backoff.iter().any(|wait| *wait < ACK_WAIT) {
        let wait = consumer.backoff.iter().copied().chain([consumer.ack_wait]).min();
        wrong.push(format!(
            "the consumer delivers again after {}: messages come again while they are being stored, and are dropped; let ack_wait be 30 seconds or more",
            time(wait.unwrap_or_default())
        ));
    }
    if (1..i64::try_from(GROUP).unwrap_or(i64::MAX)).contains(&consumer.max_ack_pending) {
        wrong.push(format!(
            "the consumer lets only {} messages be under way at a time (max_ack_pending); let it be {} for each host, or batches stay small",
            consumer.max_ack_pending,
            2 * ASK
        ));
    }
    if consumer.replay_policy == ReplayPolicy::Original {
        wrong.push(
            "the consumer replays messages at the speed at which they were published; set replay to `instant`".to_owned(),
        );
    }
    if consumer.inactive_threshold > Duration::ZERO {
        wrong.push(format!(
            "the consumer is deleted when no host asks for {} (inactive_threshold); set it to 0",
            time(consumer.inactive_threshold)
        ));
    }
    if consumer.memory_storage {
        wrong.push(
            "the consumer's state is kept in memory: when its server ends, everything is delivered again; turn mem_storage off"
                .to_owned(),
        );
    }
    wrong
}

/// What a consumer takes of its stream, in words that differ when it is something else.
pub(crate) fn filter(consumer: &consumer::Config) -> String {
    let mut subjects: Vec<&str> = consumer.filter_subjects.iter().map(String::as_str).collect();
    if !consumer.filter_subject.is_empty() {
        subjects.push(&consumer.filter_subject);
    }
    subjects.sort_unstable();
    let subjects = if subjects.is_empty() { ">".to_owned() } else { subjects.join(",") };
    format!("{subjects} {:?}", consumer.deliver_policy)
}

/// A stream as it should be.
pub(crate) fn sound_stream(name: &str, subjects: Vec<String>, replicas: usize) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects,
        storage: StorageType::File,
        num_replicas: replicas,
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        duplicate_window: DUPLICATES,
        ..stream::Config::default()
    }
}

/// A consumer as it should be.
pub(crate) fn sound_consumer(name: &str) -> consumer::pull::Config {
    consumer::pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: 2 * ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: i64::try_from(8 * ASK).unwrap_or(i64::MAX),
        ..consumer::pull::Config::default()
    }
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::consumer::IntoConsumerConfig as _;

    use super::*;

    fn sound() -> (stream::Config, consumer::Config) {
        (
            sound_stream("SHOP", vec!["events.>".to_owned()], 3),
            sound_consumer("waystation").into_consumer_config(),
        )
    }

    /// What is found once a setting is changed.
    #[track_caller]
    fn check_change(
        change: impl FnOnce(&mut stream::Config, &mut consumer::Config),
        weight: Weight,
        part: &str,
    ) {
        let (mut stream, mut consumer) = sound();
        change(&mut stream, &mut consumer);
        let found = check(&stream, &consumer);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.weight, weight, "{one:?}");
        assert!(one.message.contains(part), "{one:?}");
    }

    #[test]
    fn what_we_make_ourselves_is_sound() {
        let (stream, consumer) = sound();
        assert_eq!(check(&stream, &consumer), []);
    }

    #[test]
    fn what_loses_messages_by_reading_is_refused() {
        use Weight::Refused;
        check_change(|_, one| one.ack_policy = AckPolicy::None, Refused, "`none`");
        check_change(|_, one| one.ack_policy = AckPolicy::All, Refused, "`all`");
        check_change(|_, one| one.max_deliver = 5, Refused, "after 5 deliveries");
        check_change(|_, one| one.deliver_subject = Some("x".to_owned()), Refused, "push");
        check_change(|_, one| one.durable_name = None, Refused, "durable");
        check_change(|_, one| one.headers_only = true, Refused, "headers");
    }

    #[test]
    fn what_may_lose_messages_is_told() {
        use Weight::Warned;
        check_change(|one, _| one.storage = StorageType::Memory, Warned, "memory");
        check_change(|one, _| one.num_replicas = 1, Warned, "1 replica:");
        check_change(|one, _| one.no_ack = true, Warned, "no_ack");
        check_change(|one, _| one.max_age = Duration::from_secs(3600), Warned, "after 1 h");
        check_change(|one, _| one.duplicate_window = Duration::from_secs(5), Warned, "for 5 s");
        check_change(
            |one, _| {
                one.discard = DiscardPolicy::Old;
                one.max_messages = 10;
            },
            Warned,
            "max_msgs 10 and discard `old`",
        );
        check_change(|_, one| one.deliver_policy = DeliverPolicy::New, Warned, "beginning");
        check_change(|_, one| one.ack_wait = Duration::from_secs(2), Warned, "after 2 s");
        check_change(|_, one| one.max_ack_pending = 10, Warned, "only 10 messages");
        check_change(|_, one| one.replay_policy = ReplayPolicy::Original, Warned, "speed");
        check_change(|_, one| one.inactive_threshold = ACK_WAIT, Warned, "inactive_threshold");
        check_change(|_, one| one.memory_storage = true, Warned, "mem_storage");
    }

    #[test]
    fn a_full_stream_that_refuses_more_loses_nothing() {
        let (mut stream, consumer) = sound();
        stream.max_messages = 10;
        assert_eq!(check(&stream, &consumer), []);
    }

    #[test]
    fn another_filter_or_start_is_another_one() {
        let base = sound_consumer("waystation").into_consumer_config();
        let narrow = consumer::Config { filter_subject: "events.cart".to_owned(), ..base.clone() };
        let later = consumer::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: 9 },
            ..base.clone()
        };
        assert_ne!(filter(&base), filter(&narrow));
        assert_ne!(filter(&base), filter(&later));
    }
}
