//! Every query and every write of the [`Store`], handed on to the database's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use waystation_journey::{Condition, Customer, Enrollment, Lane, Needs, Past};

use super::{Driver, Store};
use crate::StoreError;
use crate::records::*;

/// Hands a call on to the driver at hand. `read`, `scan` and `write` say how long a server may take for it: a read and each
/// statement of a write ten seconds, a scan of all customers a minute. What takes longer fails with
/// [`StoreError::Unreachable`].
macro_rules! methods {
    ($($(#[$about:meta])* $how:ident $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty;)*) => {
        impl Store {
            $($(#[$about])*
            pub async fn $name(&self, $($argument: $type),*) -> Result<$result, StoreError> {
                match &self.driver {
                    Driver::Sqlite(store) => store.$name($($argument),*).await,
                    Driver::Postgres(store) => handed_on!($how store $name($($argument),*)),
                }
            })*
        }
    };
}

macro_rules! handed_on {
    (read $store:ident $name:ident($($argument:ident),*)) => {
        $store.read($store.$name($($argument),*)).await
    };
    (scan $store:ident $name:ident($($argument:ident),*)) => {
        $store.scan($store.$name($($argument),*)).await
    };
    (write $store:ident $name:ident($($argument:ident),*)) => {
        $store.$name($($argument),*).await
    };
}

methods! {
    /// Number of the configuration: it grows with every change of journeys, connections, settings and the like that hosts
    /// keep in memory.
    ///
    /// # Errors
    /// If the database fails.
    read configuration() -> i64;

    /// Begins a host's session that lasts so many milliseconds; its epoch is higher than every one before. `former` is a session
    /// whose process is known to be gone: it is ended at once, unless a commit of it is still under way; then it lasts out its
    /// time.
    ///
    /// # Errors
    /// If the database fails.
    write join_hosts(name: &str, lease_ms: i64, former: Option<Joined>) -> Joined;

    /// Renews a host's session and does what is due for all hosts: ends sessions whose time is over, gives up shards that are
    /// left, takes free ones up to a fair share. None if the session has been ended.
    ///
    /// # Errors
    /// If the database fails.
    write renew_host(renewal: Renewal) -> Option<Standing>;

    /// Ends a host's session and frees its shards.
    ///
    /// # Errors
    /// If the database fails.
    write leave_hosts(epoch: i64) -> ();

    /// Hosts whose sessions last.
    ///
    /// # Errors
    /// If the database fails.
    read hosts() -> Vec<HostRow>;

    /// Asks every host to load a release; this one has.
    ///
    /// # Errors
    /// If the database fails.
    write want_release(digest: String) -> ();

    /// Releases that this host has been asked to load and has not reported, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    read wanted_releases() -> Vec<String>;

    /// Reports that this host has loaded a release.
    ///
    /// # Errors
    /// If the database fails.
    write report_ready(digest: String) -> ();

    /// Names of the hosts that have not loaded a release.
    ///
    /// # Errors
    /// If the database fails.
    read hosts_without(digest: &str) -> Vec<String>;

    /// Takes events in: one answer for each, in order. A source's identifier is taken once.
    ///
    /// # Errors
    /// If the database fails; then none of them is stored.
    write take_events(events: Vec<NewEvent>, now: i64) -> Vec<Taken>;

    /// Creates or changes customers, all or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an identity belongs to another customer.
    write upsert_customers(patches: Vec<CustomerPatch>, now: i64) -> ();

    /// Customers by their identifiers, with their identities; unknown ones are absent.
    ///
    /// # Errors
    /// If the database fails.
    read customers(ids: &[String]) -> BTreeMap<String, Customer>;

    /// Adds a journey's next version and makes it the one that new customers enter, unless it is so already. The newest
    /// version is used again where it is the same, such as a draft.
    ///
    /// # Errors
    /// If the database fails.
    write apply_version(
        version: NewVersion,
        transfer: Option<NewTransfer>,
        actor: String,
        now: i64,
    ) -> Added;

    /// Adds a journey's next version and leaves the live one as it is.
    ///
    /// # Errors
    /// If the database fails.
    write draft_version(version: NewVersion, actor: String, now: i64) -> Added;

    /// Changes a journey as a whole.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not in the state that the change starts from.
    write update_journey(update: JourneyUpdate, now: i64) -> ();

    /// All journeys, by name.
    ///
    /// # Errors
    /// If the database fails.
    read journeys() -> Vec<JourneyRow>;

    /// One journey.
    ///
    /// # Errors
    /// If the database fails.
    read journey(name: &str) -> Option<JourneyRow>;

    /// Every version of every journey; customers may be in any of them.
    ///
    /// # Errors
    /// If the database fails.
    read journey_versions() -> Vec<JourneyVersion>;

    /// The versions of a journey, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    read versions(journey: &str) -> Vec<VersionRow>;

    /// A version's source.
    ///
    /// # Errors
    /// If the database fails.
    read journey_source(journey: &str, version: i64) -> Option<String>;

    /// What was done with a journey, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    read journey_changes(journey: &str, limit: i64) -> Vec<JourneyChange>;

    /// Transfers that are not finished, the oldest first.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read open_transfers() -> Vec<Transfer>;

    /// A journey's transfers, the newest first.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read transfers(journey: &str, limit: i64) -> Vec<Transfer>;

    /// Reads the next active enrollments of a journey, by identifier, with everyone concerned.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read inside(journey: &str, after: &str, limit: i64) -> Work;

    /// Puts effects out of reach whose journeys are paused. A journey that goes on meanwhile keeps its own within.
    ///
    /// # Errors
    /// If the database fails.
    write park_effects(keys: Vec<String>) -> ();

    /// The first active enrollment of a journey from this one on, by identifier.
    ///
    /// # Errors
    /// If the database fails.
    read first_inside(journey: &str, from: &str) -> Option<String>;

    /// Makes due again what was put out of reach, so many enrollments and effects at most, and keeps how far it came.
    /// Says how many there were.
    ///
    /// # Errors
    /// If the database fails.
    write wake_parked(transfer: i64, journey: String, limit: i64, now: i64) -> i64;

    /// Stores a segment, in place of that of the same name.
    ///
    /// # Errors
    /// If the database fails.
    write put_segment(segment: SegmentRow) -> ();

    /// Removes a segment; says whether there was one.
    ///
    /// # Errors
    /// If the database fails.
    write remove_segment(name: String) -> bool;

    /// All segments, by name.
    ///
    /// # Errors
    /// If the database fails.
    read segments() -> Vec<SegmentRow>;

    /// Identifiers of the customers who meet a condition, in their order: up to `limit` after one.
    ///
    /// # Errors
    /// If the database fails.
    scan audience(condition: &Condition, after: Option<&str>, limit: i64) -> Vec<String>;

    /// As [`audience`](Self::audience), of the customers up to one, so that the time of an answer is bounded.
    ///
    /// # Errors
    /// If the database fails.
    scan audience_until(
        condition: &Condition,
        after: Option<&str>,
        until: Option<&str>,
        limit: i64,
    ) -> Vec<String>;

    /// The customer so many places after one; none if there are not so many.
    ///
    /// # Errors
    /// If the database fails.
    scan customer_after(after: Option<&str>, places: i64) -> Option<String>;

    /// How many customers meet a condition. Two readers look at half of the customers each, as one processor would be the
    /// bound otherwise; the two halves may differ by what is written in between.
    ///
    /// # Errors
    /// If the database fails.
    scan audience_size(condition: &Condition) -> i64;

    /// The past of customers, as far as it is needed at this time. Of each name only the newest events are read, as many
    /// as count; customers without any may be absent.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read pasts(customers: &[&str], needs: &Needs, now: i64) -> BTreeMap<String, Past>;

    /// Creates or changes customers, all or none, and tells of the tags that they lacked.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an identity belongs to another customer.
    write upsert_customers_telling(patches: Vec<CustomerPatch>, now: i64) -> ();

    /// Tells of usable coupons that are over by `until`, each once, those that are over first. Says how many there were, at
    /// most `limit`.
    ///
    /// # Errors
    /// If the database fails; then none is told of.
    write tell_expiring(now: i64, until: i64, limit: i64) -> usize;

    /// Watches these segments and no others.
    ///
    /// # Errors
    /// If the database fails.
    write watch_segments(segments: Vec<String>) -> ();

    /// The watched segments, each with when the last look at it ended.
    ///
    /// # Errors
    /// If the database fails.
    read watched_segments() -> Vec<(String, Option<i64>)>;

    /// Takes note of who is in a segment among the customers of a range, and tells of the newcomers. The first look at a
    /// segment tells of nobody: who is found then was there before. A range without end ends the look. Says how many were told
    /// of.
    ///
    /// # Errors
    /// If the database fails; then nothing is noted.
    write note_members(
        segment: String,
        range: (Option<String>, Option<String>),
        members: Vec<String>,
        now: i64,
    ) -> usize;

    /// Enrollments in the order of their identifiers.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read enrollments(filter: &Filter) -> Vec<Enrollment>;

    /// One enrollment.
    ///
    /// # Errors
    /// If the database fails or the row cannot be read.
    read enrollment(id: &str) -> Option<Enrollment>;

    /// What happened to an enrollment, oldest first, after this `seq`.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read history(enrollment: &str, after: i64, limit: i64) -> Vec<HistoryRow>;

    /// How many enrollments a journey has, by status and outcome.
    ///
    /// # Errors
    /// If the database fails.
    scan enrollment_counts(journey: &str) -> BTreeMap<String, i64>;

    /// Of this host's customers, or of half of them, reads up to `limit` open events, as many settled effects and as many due enrollments, with everyone concerned.
    ///
    /// Of each, every lane that has any gets its share, transactional journeys first. A customer's events come in their order,
    /// whatever their lanes: none is read before an earlier one of the same customer that is open. All events together have
    /// at most 8 MiB, unless the first has more.
    ///
    /// `goals_since` is the earliest enrollment time whose goal may still be reached after it ended.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read work_of(half: Option<Half>, now: i64, limit: i64, goals_since: i64) -> Work;

    /// When the next enrollment of this host's customers, or of half of them, is due, if any.
    ///
    /// # Errors
    /// If the database fails.
    read next_due_of(half: Option<Half>) -> Option<i64>;

    /// Writes what a pass changed, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an enrollment is not as it was read.
    write commit(pass: Pass) -> ();

    /// Effects of a connection whose turn has come, each with its customer: by rank, the highest first; of the same rank in
    /// equal shares of their lanes, and of the same lane by due time. `phase` is `pending` or `unknown`.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read due_effects(connection: &str, phase: &'static str, now: i64, portion: Portion) -> Due;

    /// When a connection's next effect is due, if any.
    ///
    /// # Errors
    /// If the database fails.
    read next_effect(connection: &str) -> Option<i64>;

    /// Marks effects *attempting*, suppresses or refuses them (T2), durably before any call. Answers with the keys that were still
    /// pending and may be attempted.
    ///
    /// # Errors
    /// If the database fails; then nothing may be called.
    write attempt(verdicts: Vec<(String, Verdict)>, release: String, now: i64) -> Vec<String>;

    /// The same, where some of these effects go before others of their customers that came due earlier: of those it is
    /// recorded that they were passed. `asked` are digests of what is asked, by key, where it matters that the same is asked
    /// again.
    ///
    /// # Errors
    /// If the database fails; then nothing may be called.
    write attempt_before(
        verdicts: Vec<(String, Verdict)>,
        overtaking: Vec<Overtaking>,
        asked: HashMap<String, String>,
        release: String,
        now: i64,
    ) -> Vec<String>;

    /// As [`settle`](Self::settle), for marks of which it is not known whether they were made, as the database did not
    /// answer: whoever may still be making them is waited for.
    ///
    /// # Errors
    /// If the database fails; then the caller is to repeat.
    write unmark(unmade: Vec<Settlement>, now: i64) -> ();

    /// Keys of a connection's due messages for which the journey names another channel, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    read due_with_fallback(connection: &str, now: i64, limit: i64) -> Vec<String>;

    /// When a connection's next message is due for which the journey names another channel, if any.
    ///
    /// # Errors
    /// If the database fails.
    read next_with_fallback(connection: &str) -> Option<i64>;

    /// Puts off effects that are pending, or unknown and to be asked for at the provider.
    ///
    /// # Errors
    /// If the database fails.
    write postpone(keys: Vec<String>, until: i64) -> ();

    /// Brings questions to providers forward that would be asked after this time, about effects of these shards, or of all in a
    /// file: a host that stopped may have been asking.
    ///
    /// # Errors
    /// If the database fails.
    write ask_by(at: i64, shards: &BTreeSet<i64>) -> ();

    /// Records what became of attempts (T3).
    ///
    /// # Errors
    /// If the database fails; then the effects stay *attempting* and the caller is to repeat.
    write settle(settlements: Vec<Settlement>, now: i64) -> ();

    /// Effects of these shards that were *attempting* when their last host stopped; in a file, which has one host, all. They
    /// may have happened.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    scan interrupted(shards: &BTreeSet<i64>) -> Vec<(String, DueEffect)>;

    /// One effect with its attempts, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    read effect(key: &str) -> Option<(EffectRow, Vec<AttemptRow>)>;

    /// What is open, for metrics.
    ///
    /// # Errors
    /// If the database fails.
    scan counts() -> Counts;

    /// The latest of what was asked for a customer, of one journey or of all.
    ///
    /// # Errors
    /// If the database fails.
    read asked_for(customer: &str, journey: Option<&str>, limit: i64) -> Vec<Asked>;

    /// When and why a customer's messages were held back, put off or passed, oldest first.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    read decisions(customer: &str, limit: i64) -> Vec<DecisionRow>;

    /// Assignments in the order of their keys.
    ///
    /// # Errors
    /// If the database fails.
    read assignments(filter: &AssignmentFilter) -> Vec<AssignmentRow>;

    /// Marks an assignment as done, once, and lets the event `assignment.done` happen to its customer. Gives it as it is
    /// then; nothing if there is none of this key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was done before.
    write complete_assignment(
        key: String,
        outcome: String,
        done_by: String,
        now: i64,
    ) -> Option<AssignmentRow>;

    /// How many enrollments each arm of a split was given, and how many of them reached the journey's goal.
    ///
    /// # Errors
    /// If the database fails.
    scan split_counts(journey: &str, split: &str) -> Vec<ArmCounts>;

    /// What came of the first enrollments that were given an arm: how many there are, up to `most`; how many of them have
    /// reached the goal; and of how many it is known whether they do. That is known once the goal is reached, or so many
    /// milliseconds after they enrolled; if that is not given, once they have ended.
    ///
    /// # Errors
    /// If the database fails.
    scan first_of_arm(
        arm: (&str, &str, &str),
        most: i64,
        within: Option<i64>,
        now: i64,
    ) -> FirstOfArm;

    /// All splits that are decided.
    ///
    /// # Errors
    /// If the database fails.
    read split_winners() -> Vec<SplitWinner>;

    /// Decides a split. The host's own decision never takes the place of another; an operator's does.
    ///
    /// # Errors
    /// If the database fails.
    write decide_split(winner: SplitWinner, replace: bool) -> bool;

    /// A customer's coupons, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    read grants_of(customer: &str) -> Vec<GrantRow>;

    /// Adds codes to a pool; those that are in it already are passed over. Says how many are new.
    ///
    /// # Errors
    /// If the database fails; then none is added.
    write import_codes(pool: String, codes: Vec<String>) -> u64;

    /// Takes one code for each key, in order: the one that the key took before, else a free one, `None` when none is left.
    ///
    /// # Errors
    /// If the database fails; then none is taken.
    write take_codes(pool: String, keys: Vec<String>) -> Vec<Option<String>>;

    /// Frees the codes that these keys took.
    ///
    /// # Errors
    /// If the database fails; then none is freed.
    write give_back_codes(pool: String, keys: Vec<String>) -> ();

    /// Records an installed release. Installing the same component again changes nothing but who signed it, if somebody did
    /// now, and that it is a development release no more, if it was installed as another one.
    ///
    /// The component is given where hosts share the database, so that the others get it there.
    ///
    /// # Errors
    /// If the database fails.
    write install(release: ReleaseRow, component: Option<Vec<u8>>) -> ();

    /// The component of a release, if it was given with it.
    ///
    /// # Errors
    /// If the database fails, or the component was damaged.
    read component(digest: &str) -> Option<Vec<u8>>;

    /// All releases, by name, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    read releases() -> Vec<ReleaseRow>;

    /// Creates a connection or replaces it, with a note of the change of its release if there is one.
    ///
    /// # Errors
    /// If the database fails.
    write put_connection(connection: ConnectionRow, change: Option<ActivationRow>) -> ();

    /// Changes which releases a connection uses, if they still are what the caller took them for; says whether they were.
    ///
    /// # Errors
    /// If the database fails.
    write change_releases(
        connection: String,
        from: Releases,
        to: Releases,
        change: ActivationRow,
    ) -> bool;

    /// The changes of a connection's release, the newest first, at most so many.
    ///
    /// # Errors
    /// If the database fails.
    read activations(connection: &str, limit: i64) -> Vec<ActivationRow>;

    /// One connection.
    ///
    /// # Errors
    /// If the database fails.
    read connection(name: &str) -> Option<ConnectionRow>;

    /// All connections, by name.
    ///
    /// # Errors
    /// If the database fails.
    read connections() -> Vec<ConnectionRow>;

    /// Trusts a key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the name or the key is there already; otherwise if the database fails.
    write trust_key(key: KeyRow) -> ();

    /// Trusts a key no longer. What it signed stays installed.
    ///
    /// # Errors
    /// If the database fails.
    write distrust_key(name: String) -> ();

    /// The trusted keys, by name.
    ///
    /// # Errors
    /// If the database fails.
    read trusted_keys() -> Vec<KeyRow>;

    /// Which connections refer to which installed releases.
    ///
    /// # Errors
    /// If the database fails.
    read releases_in_use() -> Vec<ReleaseUse>;

    /// Forgets those of these releases that no connection refers to; gives their digests.
    ///
    /// # Errors
    /// If the database fails.
    write remove_releases(digests: Vec<String>) -> Vec<String>;

    /// Adds recorded calls, then lets the oldest of the connections concerned go until each is within its bounds.
    ///
    /// # Errors
    /// If the database fails; then none is added.
    write record(recordings: Vec<NewRecording>, bounds: Vec<RecordingBounds>) -> ();

    /// A connection's recorded calls in the order that they were stored, from after an identifier on.
    ///
    /// # Errors
    /// If the database fails.
    read recordings(connection: &str, after: i64, limit: i64) -> Vec<RecordingRow>;

    /// Values of a connection's keys, in order; `None` for those that have none.
    ///
    /// # Errors
    /// If the database fails, or a value was damaged.
    read values(connection: &str, keys: &[String]) -> Vec<Option<Vec<u8>>>;

    /// Sets or, with `None`, deletes values: all of them or none. Of entries with the same key the last one counts.
    /// `space` bounds the bytes of all keys and values of the connection together; what makes it less is always taken.
    ///
    /// # Errors
    /// If the database fails; then nothing changed. The inner error says that the space would not do.
    write set_values(
        connection: String,
        entries: Vec<Entry>,
        space: u64,
    ) -> Result<(), SpaceUsedUp>;

    /// Sets a value if the present one equals `old`; says whether it did. It is atomic: of several that expect the same
    /// value, one succeeds.
    ///
    /// # Errors
    /// As [`set_values`](Self::set_values).
    write swap_value(
        connection: String,
        old: Option<Vec<u8>>,
        entry: Entry,
        space: u64,
    ) -> Result<bool, SpaceUsedUp>;

    /// How far a trigger source has been polled; none if it never was.
    ///
    /// # Errors
    /// If the database fails.
    read poll_place(connection: &str) -> Option<PollPlace>;

    /// Takes in what a poll gave and moves the trigger source's place on, both or neither. One answer for each event, in
    /// order.
    ///
    /// # Errors
    /// If the database fails; then nothing is stored.
    write take_polled(
        connection: String,
        events: Vec<NewEvent>,
        place: PollPlace,
        now: i64,
    ) -> Vec<Taken>;

    /// How far a stream has been taken in by a consumer; none if nothing was.
    ///
    /// # Errors
    /// If the database fails.
    read stream_position(stream: &str, consumer: &str) -> Option<StreamPosition>;

    /// Takes messages of a stream in and moves the position on, both or neither. Events whose customer is not known, and
    /// parts that are no events, are set aside. The same batch may be handed over again.
    ///
    /// # Errors
    /// If the database fails; then nothing is stored.
    write take_stream(batch: Arc<StreamBatch>, now: i64) -> StreamTaken;

    /// What was set aside, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    read set_aside(filter: &AsideFilter) -> Vec<AsideRow>;

    /// How many are set aside.
    ///
    /// # Errors
    /// If the database fails.
    read set_aside_count() -> i64;

    /// Takes in what can be read as an event after all, by the numbers under which they are set aside. What is taken, now or
    /// before, is no longer set aside; what names an unknown customer stays, and what is not there any more is passed over.
    ///
    /// # Errors
    /// If the database fails; then nothing is taken.
    write retry_set_aside(events: Vec<(i64, NewEvent)>, now: i64) -> Vec<(i64, Taken)>;

    /// Deletes what is set aside under these numbers; says how many there were.
    ///
    /// # Errors
    /// If the database fails; then nothing is deleted.
    write drop_set_aside(ids: Vec<i64>) -> u64;

    /// Deletes what has been set aside for 30 days; says how many went.
    ///
    /// # Errors
    /// If the database fails.
    write sweep_set_aside(now: i64) -> u64;

    /// How many events of these lanes the engine has not dealt with; at most `limit` are counted.
    ///
    /// # Errors
    /// If the database fails.
    read events_waiting(lanes: &[Lane], limit: i64) -> i64;

    /// How many events the engine has not dealt with: of transactional journeys, and all others.
    ///
    /// # Errors
    /// If the database fails.
    scan events_open() -> (i64, i64);

    /// The setting's value, which is set to this one if it has none yet.
    ///
    /// # Errors
    /// If the database fails.
    write setting_or(name: &'static str, value: String) -> String;

    /// The setting's value, if it has one.
    ///
    /// # Errors
    /// If the database fails.
    read setting(name: &str) -> Option<String>;

    /// Gives the setting a value in place of the one it has.
    ///
    /// # Errors
    /// If the database fails.
    write set_setting(name: &'static str, value: String) -> ();

    /// Adds an API token if there is none. Says whether it was: of several hosts that start together, one adds its own.
    ///
    /// # Errors
    /// If the database fails.
    write add_first_token(token: TokenRow, now: i64) -> bool;

    /// All API tokens.
    ///
    /// # Errors
    /// If the database fails.
    read tokens() -> Vec<TokenRow>;

    /// Effects that match, in the order of their keys.
    ///
    /// # Errors
    /// If the database fails.
    read deliveries(filter: &Deliveries, limit: i64) -> Vec<EffectRow>;

    /// Keys of the effects that match and of which this may be said, in their order.
    ///
    /// # Errors
    /// If the database fails.
    scan keys_for(filter: &Deliveries, what: ByHand, limit: i64) -> Vec<String>;

    /// Settles effects as an operator says, each once and with a record of it. Answers with those it applied to; the others are
    /// not, or no more, in a state in which it may be said.
    ///
    /// A message that tells of a coupon which was taken back is passed over when it is to be sent again.
    ///
    /// # Errors
    /// If the database fails; then nothing has changed.
    write settle_by_hand(keys: Vec<String>, saying: Saying, now: i64) -> Vec<Said>;

    /// What operators said of an effect, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    read interventions(key: &str) -> Vec<InterventionRow>;

    /// How many effects stand or ended alike, of the enrollments with an identifier from this one on. Identifiers sort by the
    /// time of enrolling, so this reads one range of the ledger.
    ///
    /// # Errors
    /// If the database fails.
    scan causes(from: &str, journey: Option<&str>) -> Vec<CauseCount>;

    /// Of how many effects the end is not known, by connection. One look at a small index.
    ///
    /// # Errors
    /// If the database fails.
    scan unknowns() -> Vec<Unknowns>;

    /// Enrollments that ended before a time, the oldest first, from after this place on.
    ///
    /// # Errors
    /// If the database fails.
    read ended(before: i64, after: (i64, &str), limit: i64) -> Vec<EndedRow>;

    /// Deletes ended enrollments and what belongs to them. Those stay whole that have an effect which is not done or counts for
    /// a limit, or an assignment that is open.
    ///
    /// # Errors
    /// If the database fails; then nothing is deleted.
    write trim(trimming: Trimming) -> Deleted;

    /// The next events of the inbox from after this position on, with those that must stay: not dealt with, happened at
    /// `before` or later, or the newest of one of these names that its customer has.
    ///
    /// # Errors
    /// If the database fails.
    read old_events(after: i64, before: i64, newest_of: &[&str], limit: i64) -> Vec<OldEvent>;

    /// Deletes events that are dealt with.
    ///
    /// # Errors
    /// If the database fails; then nothing is deleted.
    write delete_events(positions: Vec<i64>) -> Deleted;

    /// Deletes those of the oldest recorded calls, so many at most, that ended before a time.
    ///
    /// # Errors
    /// If the database fails; then nothing is deleted.
    write delete_recordings(before: i64, limit: i64) -> Deleted;

    /// When the oldest enrollment ended that is not trimmed, and when the oldest event came in.
    ///
    /// # Errors
    /// If the database fails.
    read oldest_kept() -> (Option<i64>, Option<i64>);

    /// Keeps the state of a workspace that was restored from a backup. With `open_since`, the time of the backup, all that is open
    /// becomes unknown, as it may have been done since; answers with how many effects that are.
    ///
    /// # Errors
    /// If the database fails; then nothing has changed.
    write set_restored(state: String, open_since: Option<i64>, now: i64) -> u64;
}
