//! What goes into the store and comes out of it. Times are Unix milliseconds.

mod by_hand;
mod hosts;
mod operations;
mod retention;
mod streams;

pub use by_hand::{ByHand, CauseCount, Deliveries, InterventionRow, Said, Saying, Unknowns};
pub use retention::{Deleted, EndedRow, OldEvent, Trimming};

pub use hosts::{HostRow, Joined, Renewal, SHARDS, Standing};
pub use operations::{
    Added, JourneyChange, JourneyUpdate, NewTransfer, NewVersion, Transfer, TransferKind,
    TransferStep, VersionRow,
};
pub use streams::{
    AsideBody, AsideFilter, AsideReason, AsideRow, BadPart, StreamBatch, StreamEvent,
    StreamMessage, StreamPosition, StreamReset, StreamTaken,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use waystation_journey::{Asking, Customer, Enrollment, Event, Former, Held, Lane, Ruling};

/// Whom an incoming event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A customer's identifier; a customer that is not known yet is created.
    Customer(String),
    /// An identity that must belong to a customer.
    Identity {
        /// Kind such as `email`.
        kind: String,
        /// The address or identifier.
        value: String,
    },
}

/// An event to be taken in.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Where it comes from: `api`, or a connection's name.
    pub source: String,
    /// The source's identifier, taken once.
    pub id: String,
    /// Name such as `order.paid`.
    pub name: String,
    /// Whom it is about.
    pub subject: Subject,
    /// When it happened.
    pub at: i64,
    /// The journey's subscription that it answers, if it is not for every journey.
    pub subscription: Option<String>,
    /// Anything else about it.
    pub properties: Map<String, Value>,
    /// With which others it waits for the host.
    pub lane: Lane,
}

/// How far a trigger source has been polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollPlace {
    /// What the last poll handed to the next one.
    pub cursor: Option<String>,
    /// When the next poll is due.
    pub next_at: i64,
}

/// What became of an incoming event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Stored; the engine will deal with it.
    Accepted,
    /// The source has sent this identifier before; nothing was stored.
    Duplicate,
    /// No customer has this identity; nothing was stored.
    UnknownCustomer,
}

/// An event that the engine has not dealt with.
#[derive(Debug, Clone)]
pub struct OpenEvent {
    /// Position in the inbox.
    pub position: i64,
    /// The event itself.
    pub event: Event,
}

/// What to change of a customer; absent fields stay as they are.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CustomerPatch {
    /// The customer's identifier.
    pub id: String,
    /// Attributes to set; `null` removes one.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// Tags to add.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// Tags to remove.
    #[serde(default)]
    pub untag: BTreeSet<String>,
    /// Identities to set, by kind; an empty value removes one.
    #[serde(default)]
    pub identities: BTreeMap<String, String>,
    /// Consent given (`true`) or withdrawn (`false`), by purpose and kind of address.
    #[serde(default)]
    pub consents: BTreeMap<String, BTreeMap<String, bool>>,
}

impl CustomerPatch {
    /// Changes a customer, but for identities: whose these are is for the database to say.
    pub fn apply(&self, customer: &mut Customer) {
        for (name, value) in &self.attributes {
            if value.is_null() {
                customer.attributes.remove(name);
            } else {
                customer.attributes.insert(name.clone(), value.clone());
            }
        }
        customer.tags.extend(self.tags.iter().cloned());
        customer.tags.retain(|tag| !self.untag.contains(tag));
        for (purpose, kinds) in &self.consents {
            let agreed = customer.consents.entry(purpose.clone()).or_default();
            for (kind, given) in kinds {
                if *given {
                    agreed.insert(kind.clone());
                } else {
                    agreed.remove(kind);
                }
            }
        }
    }
}

/// A journey with the version that new customers enter.
#[derive(Debug, Clone, Serialize)]
pub struct JourneyRow {
    /// Name, unique in the workspace.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// `draft`, `live`, `paused`, `draining` or `retired`.
    pub state: String,
    /// The version that new customers enter; 0 while there are only drafts.
    pub live_version: i64,
    /// When it was first applied.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
    /// When a customer last entered.
    pub last_entered_at: Option<i64>,
}

/// One immutable version of a journey.
#[derive(Debug, Clone)]
pub struct JourneyVersion {
    /// The journey's name.
    pub journey: String,
    /// Counted from 1.
    pub version: i64,
    /// The file as it was applied.
    pub source: String,
}

/// The kinds of effect in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// A message on a channel.
    Send,
    /// A post on a platform's account.
    Publish,
    /// A coupon to be issued.
    Issue,
    /// A coupon to be taken back.
    Revoke,
    /// An action to be run.
    Run,
}

impl EffectKind {
    /// The word in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Publish => "publish",
            Self::Issue => "issue",
            Self::Revoke => "revoke",
            Self::Run => "run",
        }
    }
}

/// A half of a host's customers. What a pass does is about single customers, so that two may run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The one.
    First,
    /// The other.
    Second,
}

impl Half {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];
}

/// An effect to be written into the ledger.
#[derive(Debug, Clone, Serialize)]
pub struct NewEffect {
    /// The effect's key, the same on every attempt.
    pub key: String,
    /// The enrollment that asks for it.
    pub enrollment: String,
    /// The enrollment's customer.
    pub customer: String,
    /// The enrollment's journey.
    pub journey: String,
    /// The journey's version.
    pub version: i64,
    /// Path of the step.
    pub step: String,
    /// What is asked.
    pub kind: EffectKind,
    /// The connection that is to do it.
    pub connection: String,
    /// What is asked in full: rendered content, offer, parameters. Kept in a row of its own.
    #[serde(skip)]
    pub body: String,
    /// Whether another channel follows if this one does not take the message.
    #[serde(serialize_with = "as_number")]
    pub fallback: bool,
    /// Which effects of a connection go first: the higher.
    pub rank: i64,
    /// Of the same rank, lanes take turns.
    pub lane: Lane,
    /// Tags of the journey, by which limits count messages.
    #[serde(serialize_with = "as_text")]
    pub tags: Vec<String>,
    /// Whether it is a marketing message, which limits count.
    #[serde(serialize_with = "as_number")]
    pub marketing: bool,
    /// Not before this time.
    pub due_at: i64,
    /// When the engine wrote it.
    pub created_at: i64,
}

/// The database keeps the list as one text.
fn as_text<S: serde::Serializer>(list: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&serde_json::to_string(list).map_err(serde::ser::Error::custom)?)
}

/// The databases have no common way to read a JSON boolean as a number.
fn as_number<S: serde::Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(i64::from(*flag))
}

/// An effect whose turn has come, and all that is needed to decide whether and how to carry it out.
#[derive(Debug, Clone)]
pub struct DueEffect {
    /// The effect's key.
    pub key: String,
    /// The enrollment that asks for it.
    pub enrollment: String,
    /// The enrollment's journey.
    pub journey: String,
    /// The journey's version.
    pub version: i64,
    /// Path of the step.
    pub step: String,
    /// What is asked.
    pub kind: EffectKind,
    /// What is asked in full.
    pub body: String,
    /// Attempts made before this one.
    pub attempts: i64,
    /// When the first attempt was made.
    pub first_attempt_at: Option<i64>,
    /// Which effects go first: the higher.
    pub rank: i64,
    /// Since when it may be carried out.
    pub due_at: i64,
    /// If an earlier attempt may have happened: a digest of what was asked then, or `?`.
    pub uncertain: Option<String>,
    /// When an operator last asked for another attempt.
    pub resent_at: Option<i64>,
    /// The customer as of now.
    pub customer: Customer,
}

/// How much is asked for at once.
#[derive(Debug, Clone, Copy)]
pub struct Portion {
    /// Most effects, at least 1.
    pub effects: i64,
    /// Most bytes of their bodies; the first effect is read whatever its size.
    pub bytes: i64,
    /// Which lane begins; counted on by whoever asks again, so that lanes take turns where one effect is read at a time.
    pub round: u64,
}

/// What is due on a connection, as far as it was asked for.
#[derive(Debug, Default)]
pub struct Due {
    /// By rank, the highest first; of the same rank, lanes in turns, and of the same lane by due time.
    pub effects: Vec<DueEffect>,
    /// Whether effects of more than one rank are due.
    pub several_ranks: bool,
}

/// A message that goes before others, though it came due after them.
#[derive(Debug, Clone)]
pub struct Overtaking {
    /// The delivery's key.
    pub key: String,
    /// Its customer.
    pub customer: String,
    /// Its journey.
    pub journey: String,
    /// Its rank.
    pub rank: i64,
    /// Since when it was due.
    pub due_at: i64,
}

/// What was asked of the outside for a customer, in full.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its row in the ledger.
    pub effect: EffectRow,
    /// What was asked.
    pub body: String,
    /// Not before this time, while it is pending.
    pub due_at: i64,
}

/// A time when a message was held back, put off or passed.
#[derive(Debug, Clone, Serialize)]
pub struct DecisionRow {
    /// When.
    pub at: i64,
    /// The delivery's key.
    pub effect: String,
    /// `suppressed`, `delayed` or `passed`.
    pub kind: String,
    /// Until when a delay lasts.
    pub until: Option<i64>,
    /// Why.
    pub held: Held,
}

/// What the engine decided about a due effect.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Hand it to the plugin now.
    Attempt,
    /// Hand it to the plugin now, unless a limit of the customer's messages holds it back.
    Within(Box<Asking>),
    /// Do not do it; the reason is recorded.
    Suppress(&'static str),
    /// Do not send it now, by the policies.
    Hold(Box<Ruling>),
    /// Do not do it, as no plugin could do what is asked; it ends as `refused`.
    Refuse {
        /// What is at fault, in a word.
        reason: &'static str,
        /// What is wrong with it, for an operator.
        detail: String,
    },
    /// Do not repeat it now: the provider is to be asked first what became of the attempts so far.
    Ask,
    /// Do not repeat it: an earlier attempt may have happened, and nothing makes another one safe. It ends as `unknown`.
    Leave {
        /// Why not, for an operator.
        detail: String,
    },
}

/// Where an effect stands after a call or a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It ended with this outcome; the enrollment is to be told.
    Settled {
        /// `accepted`, `refused`, `unknown` or `expired`.
        outcome: &'static str,
        /// What is at fault, in a word.
        reason: Option<String>,
        /// What came of it, for the journey: a grant, a result.
        result: Option<String>,
        /// The provider's identifier.
        provider_id: Option<String>,
    },
    /// Call the plugin again, not before this time; not at all if the enrollment has ended meanwhile.
    Again {
        /// Unix milliseconds.
        at: i64,
        /// Whether nothing can have come of the attempts so far.
        certainly_not_done: bool,
    },
    /// Ask the provider, not before this time.
    Ask {
        /// Unix milliseconds.
        at: i64,
    },
}

/// The end of one attempt, and what follows from it.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The effect's key.
    pub key: String,
    /// The attempt's number, counted from 1; the newest one.
    pub attempt: i64,
    /// What the attempt ended in: `accepted`, `refused`, `deferred`, `unknown`.
    pub ended: &'static str,
    /// What the plugin or the host said about it.
    pub detail: Option<String>,
    /// Whether this is the provider's answer to a question, and not the end of the attempt itself.
    pub asked: bool,
    /// Whether an attempt before this one may have happened.
    pub earlier_uncertain: bool,
    /// What follows.
    pub next: Next,
    /// A coupon that was given.
    pub grant: Option<GrantRow>,
    /// Key of a grant that was taken back.
    pub revoked: Option<String>,
}

/// A settled effect that its enrollment has not been told about.
#[derive(Debug, Clone, Deserialize)]
pub struct SettledEffect {
    /// The effect's key.
    pub key: String,
    /// The enrollment to be told.
    pub enrollment: String,
    /// What was asked.
    pub kind: EffectKind,
    /// `accepted`, `refused`, `unknown`, `expired` or `suppressed`.
    pub outcome: String,
    /// What is at fault, in a word.
    pub reason: Option<String>,
    /// What was said about it.
    pub detail: Option<String>,
    /// What came of it.
    pub result: Option<String>,
}

/// A coupon given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantRow {
    /// The effect's key.
    pub key: String,
    /// Who has it.
    pub customer: String,
    /// The campaign it belongs to.
    pub campaign: String,
    /// The connection that issued it.
    pub connection: String,
    /// What the customer enters.
    pub code: String,
    /// `usable`, `used` or `revoked`.
    pub state: String,
    /// When it becomes valid.
    pub valid_from: i64,
    /// When it stops being valid.
    pub valid_until: i64,
    /// When it was given.
    pub granted_at: i64,
}

/// A segment as it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// The segment's name.
    pub name: String,
    /// Its file.
    pub source: String,
    /// When it was applied.
    pub updated_at: i64,
}

/// What one pass of the engine read.
#[derive(Debug, Default)]
pub struct Work {
    /// Events in the order they came.
    pub events: Vec<OpenEvent>,
    /// Settled effects whose enrollments are to be told.
    pub settled: Vec<SettledEffect>,
    /// Enrollments that are due or named by one of the above, by identifier.
    pub enrollments: BTreeMap<String, Enrollment>,
    /// Everyone concerned, by identifier.
    pub customers: BTreeMap<String, Customer>,
    /// Their coupons, by customer.
    pub grants: BTreeMap<String, Vec<GrantRow>>,
    /// Earlier enrollments of the events' customers, by customer, journey and key.
    pub former: BTreeMap<(String, String, String), Former>,
    /// Number of a configuration that every one of the events was taken in under, or an older one.
    pub configuration: i64,
}

/// Setting: when the workspace was restored from a backup, and how far it is.
pub const RESTORED: &str = "restored";

/// What may have been done before, as it was asked for after a backup that was restored.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// Enrollments with identifiers before this one were there when the backup was made.
    pub enrolled_before: String,
    /// When the backup was made: earlier nothing of it can have been done.
    pub since: i64,
}

/// What one pass of the engine changed; written whole or not at all.
#[derive(Debug, Default)]
pub struct Pass {
    /// The time of the pass.
    pub now: i64,
    /// Positions of the events dealt with.
    pub events: Vec<i64>,
    /// Keys of the settled effects dealt with.
    pub settled: Vec<String>,
    /// New enrollments.
    pub enrolled: Vec<Enrollment>,
    /// Enrollments that advanced, each with the `seq` it had when read.
    pub advanced: Vec<(i64, Enrollment)>,
    /// What happened, as (enrollment, seq, entries as JSON).
    pub history: Vec<(String, i64, String)>,
    /// What may have been done already of what is asked.
    pub doubt: Option<Doubt>,
    /// What is asked of the outside.
    pub effects: Vec<NewEffect>,
    /// Enrollments that ended: what they still ask for is cancelled.
    pub ended: Vec<String>,
    /// Changes of customers.
    pub customers: Vec<CustomerPatch>,
    /// Codes of coupons that were used.
    pub used_codes: Vec<(String, String)>,
    /// Whether the tags that customers lacked are told of as events.
    pub tell_tags: bool,
    /// Events of the host's own, for the next pass.
    pub told: Vec<NewEvent>,
    /// What people are given to do.
    pub assignments: Vec<NewAssignment>,
    /// Arms that enrollments were given.
    pub arms: Vec<NewArm>,
    /// Enrollments of paused journeys that came due: they are put out of reach.
    pub parked: Vec<String>,
    /// How far it took a transfer.
    pub transfer: Option<TransferStep>,
}

/// Something for a person to do.
#[derive(Debug, Clone, Serialize)]
pub struct NewAssignment {
    /// Names it.
    pub key: String,
    /// The enrollment that asks for it.
    pub enrollment: String,
    /// Whom it is about.
    pub customer: String,
    /// The journey's name.
    pub journey: String,
    /// Path of the step.
    pub step: String,
    /// A person or a queue, as the deployment names them.
    pub assignee: String,
    /// What is to be done.
    pub note: String,
    /// When it should be done.
    pub due_at: Option<i64>,
}

/// An assignment, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub struct AssignmentRow {
    /// Names it.
    pub key: String,
    /// The enrollment that asked for it.
    pub enrollment: String,
    /// Whom it is about.
    pub customer: String,
    /// The journey's name.
    pub journey: String,
    /// Path of the step.
    pub step: String,
    /// A person or a queue, as the deployment names them.
    pub assignee: String,
    /// What is to be done.
    pub note: String,
    /// When it should be done.
    pub due_at: Option<i64>,
    /// When it was given.
    pub created_at: i64,
    /// When it was done.
    pub done_at: Option<i64>,
    /// What came of it, in one word.
    pub outcome: Option<String>,
    /// Who said so.
    pub done_by: Option<String>,
}

/// Which assignments to show.
#[derive(Debug, Clone, Default)]
pub struct AssignmentFilter {
    /// Those of one person or queue.
    pub assignee: Option<String>,
    /// Those about one customer.
    pub customer: Option<String>,
    /// Only those that are not done.
    pub open: bool,
    /// Those with a key after this one.
    pub after: Option<String>,
    /// Most rows.
    pub limit: i64,
}

/// An arm that an enrollment was given.
#[derive(Debug, Clone, Serialize)]
pub struct NewArm {
    /// The enrollment.
    pub enrollment: String,
    /// The journey's name.
    pub journey: String,
    /// The split's name.
    pub split: String,
    /// The arm's name.
    pub arm: String,
}

/// What came of an arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArmCounts {
    /// The arm's name.
    pub arm: String,
    /// Enrollments that were given it.
    pub entered: i64,
    /// Those of them that reached the goal.
    pub reached: i64,
}

/// What came of the first enrollments that were given an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstOfArm {
    /// How many there are, up to the number asked for.
    pub entered: i64,
    /// Those of them that reached the goal.
    pub reached: i64,
    /// Those of them of which it is known whether they reach it.
    pub known: i64,
}

/// A split that is decided.
#[derive(Debug, Clone, Serialize)]
pub struct SplitWinner {
    /// The journey's name.
    pub journey: String,
    /// The split's name.
    pub split: String,
    /// The arm that everybody gets from then on.
    pub arm: String,
    /// When it was decided.
    pub decided_at: i64,
    /// Who decided: an operator's name, or `waystation`.
    pub decided_by: String,
    /// The counts that it was decided on, as JSON.
    pub figures: String,
}

/// An installed release.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseRow {
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// What it exports, such as `channel`.
    pub kinds: Vec<String>,
    /// The manifest as the plugin described itself.
    pub manifest: Value,
    /// When it was installed.
    pub installed_at: i64,
    /// Who signed it, as the workspace knew the key when it was installed.
    pub signer: Option<Signer>,
    /// Whether it shares its name and version with other releases, and so is only meant by its digest.
    pub development: bool,
}

/// Whose signature a release was installed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// The key's name in the workspace.
    pub name: String,
    /// The key's identifier, 16 hexadecimal digits.
    pub key: String,
}

/// A key whose signatures the workspace trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Name that operators gave it.
    pub name: String,
    /// Its identifier, 16 hexadecimal digits.
    pub id: String,
    /// The public key as text.
    pub public: String,
    /// Since when it is trusted.
    pub added_at: i64,
}

/// A release that a connection refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseUse {
    /// The release.
    pub digest: String,
    /// The connection's name.
    pub connection: String,
}

/// A release in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Name that journeys use.
    pub name: String,
    /// The plugin's name.
    pub plugin: String,
    /// The release in use.
    pub digest: String,
    /// Configuration, JSON object.
    pub config: String,
    /// Permissions, JSON object.
    pub permissions: String,
    /// Limits, JSON object.
    pub limits: String,
    /// How much of its calls is recorded, JSON object.
    pub recording: String,
    /// Secrets, sealed by the server; the store never sees them open.
    pub secrets: String,
    /// Digest of the release in use before, for going back.
    pub previous: Option<String>,
    /// A candidate under trial, JSON object.
    pub canary: Option<String>,
    /// When it was last changed.
    pub updated_at: i64,
}

/// Which releases a connection uses; compared and set as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releases {
    /// Digest of the release in use.
    pub digest: String,
    /// Digest of the release in use before.
    pub previous: Option<String>,
    /// A candidate under trial, JSON object.
    pub canary: Option<String>,
}

/// A change of the releases that a connection uses.
#[derive(Debug, Clone, Serialize)]
pub struct ActivationRow {
    /// Counts the connection's changes from 1; the store gives it.
    pub number: i64,
    /// When it was made.
    pub at: i64,
    /// `activate`, `canary`, `promote` or `roll_back`.
    pub kind: String,
    /// Digest of the release that it is about.
    pub release: String,
    /// Digest of the release in use until then.
    pub former: Option<String>,
    /// Who made it: a token's identifier, or `canary`.
    pub actor: String,
    /// Why, with the figures that decided.
    pub reason: String,
}

/// A key of at most 256 bytes, and the value to be kept under it; `None` deletes it.
pub type Entry = (String, Option<Vec<u8>>);

/// A write would take more than the connection's space; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceUsedUp;

/// A recorded call to be stored.
#[derive(Debug, Clone, Serialize)]
pub struct NewRecording {
    /// The connection's name.
    pub connection: String,
    /// The plugin's function, such as `channel.send`.
    pub function: String,
    /// Digest of the release that was called.
    pub release: String,
    /// When the call ended.
    pub at: i64,
    /// The redacted call, JSON object.
    pub body: String,
}

/// How many recorded calls of a connection are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingBounds {
    /// The connection's name.
    pub connection: String,
    /// Most calls.
    pub keep: i64,
    /// Most characters of all of them together.
    pub bytes: i64,
}

/// A stored recording.
#[derive(Debug, Clone)]
pub struct RecordingRow {
    /// Grows with every recording.
    pub id: i64,
    /// The redacted call, JSON object.
    pub body: String,
}

/// An effect as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub struct EffectRow {
    /// The effect's key.
    pub key: String,
    /// The enrollment that asked for it.
    pub enrollment: String,
    /// The enrollment's customer.
    pub customer: String,
    /// The enrollment's journey.
    pub journey: String,
    /// The journey's version.
    pub version: i64,
    /// Path of the step.
    pub step: String,
    /// `send`, `issue`, `revoke` or `run`.
    pub kind: String,
    /// The connection that does it.
    pub connection: String,
    /// `pending`, `attempting`, `unknown`, `settled` or `done`.
    pub phase: String,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why, in a word.
    pub reason: Option<String>,
    /// Why, in full.
    pub detail: Option<String>,
    /// The provider's identifier.
    pub provider_id: Option<String>,
    /// Attempts made.
    pub attempts: i64,
    /// When it was written into the ledger.
    pub created_at: i64,
    /// When it ended.
    pub settled_at: Option<i64>,
}

/// One attempt at an effect.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRow {
    /// Counted from 1.
    pub number: i64,
    /// Digest of the release that was called.
    pub release: String,
    /// When it was marked, before the call.
    pub started_at: i64,
    /// When its end was recorded.
    pub ended_at: Option<i64>,
    /// `accepted`, `refused`, `deferred` or `unknown`; absent while it runs.
    pub outcome: Option<String>,
    /// What was said about it.
    pub detail: Option<String>,
}

/// What to list: every given field must match.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A journey's name.
    pub journey: Option<String>,
    /// A customer's identifier.
    pub customer: Option<String>,
    /// An enrollment's identifier.
    pub enrollment: Option<String>,
    /// An enrollment's status.
    pub state: Option<String>,
    /// Only what comes after this identifier.
    pub after: Option<String>,
    /// Most rows, 1 .. 1,000.
    pub limit: i64,
}

/// One line of an enrollment's history.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryRow {
    /// Counts the enrollment's advances.
    pub seq: i64,
    /// When it advanced.
    pub at: i64,
    /// What happened.
    pub entries: Value,
}

/// A hashed API token.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// The part before the secret, which finds the row.
    pub id: String,
    /// Argon2 hash of the secret part, in PHC format.
    pub hash: String,
}

/// Counts for the operator, taken at once.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// Events that the engine has not dealt with.
    pub events_open: i64,
    /// Effects by phase, without those that are done.
    pub effects_open: BTreeMap<String, i64>,
    /// When the oldest pending effect was due.
    pub oldest_due_at: Option<i64>,
}
