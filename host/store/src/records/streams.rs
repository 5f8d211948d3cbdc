//! What comes in by streams of messages.

use super::{NewEvent, Taken};

/// Messages of a stream, to be taken in by one transaction.
#[derive(Debug, Clone)]
pub struct StreamBatch {
    /// The stream's name.
    pub stream: String,
    /// The consumer that it is read by.
    pub consumer: String,
    /// When the stream was made, in Unix nanoseconds: tells it from another one of its name.
    pub created: i64,
    /// What the consumer takes of the stream: which subjects, and from where on.
    pub filter: String,
    /// Sequence up to which the consumer has every message acknowledged. Messages are acknowledged once they are stored, so
    /// up to here all are.
    pub floor: i64,
    /// The messages, in the order in which they came.
    pub messages: Vec<StreamMessage>,
}

/// A message of a stream, as what is in it.
#[derive(Debug, Clone)]
pub struct StreamMessage {
    /// Its place in the stream.
    pub sequence: i64,
    /// When it was published, in Unix nanoseconds.
    pub published: i64,
    /// The subject that it was published on.
    pub subject: String,
    /// What is an event.
    pub events: Vec<StreamEvent>,
    /// What is none.
    pub bad: Vec<BadPart>,
}

/// An event of a message.
#[derive(Debug, Clone)]
pub struct StreamEvent {
    /// Its place in the message, from 0.
    pub part: i64,
    /// The event.
    pub event: NewEvent,
    /// What is kept of it if its customer is not known.
    pub body: String,
}

/// A part of a message that is no event, or the message as a whole.
#[derive(Debug, Clone)]
pub struct BadPart {
    /// Its place in the message, from 0; -1 for the message as a whole.
    pub part: i64,
    /// Why it is set aside.
    pub reason: AsideReason,
    /// What is wrong with it, for people.
    pub detail: String,
    /// The identifier that the event has if it names none.
    pub event_id: String,
    /// What is kept of it: text, or base64.
    pub body: AsideBody,
    /// Its size in bytes.
    pub size: i64,
}

/// What is kept of a message that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsideBody {
    /// As it came.
    Text(String),
    /// Bytes that are no text, in base64.
    Base64(String),
}

impl AsideBody {
    /// The characters that are stored, and in which encoding they are.
    #[must_use]
    pub fn stored(&self) -> (&str, &'static str) {
        match self {
            Self::Text(text) => (text, "text"),
            Self::Base64(text) => (text, "base64"),
        }
    }
}

/// Why a message was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AsideReason {
    /// It is not JSON.
    NotJson,
    /// It is JSON, and no event.
    NotAnEvent,
    /// It, or the properties of an event in it, has more bytes than are taken.
    TooLarge,
    /// No customer has the identity that it names.
    UnknownCustomer,
    /// The database takes others and refuses this one.
    Refused,
}

impl AsideReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::NotJson, Self::NotAnEvent, Self::TooLarge, Self::UnknownCustomer, Self::Refused];

    /// As it is stored and shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnEvent => "not_an_event",
            Self::TooLarge => "too_large",
            Self::UnknownCustomer => "unknown_customer",
            Self::Refused => "refused",
        }
    }
}

/// What became of messages of a stream.
#[derive(Debug, Clone, Default)]
pub struct StreamTaken {
    /// One answer for each event of the messages that are not repeated, in order.
    pub taken: Vec<Taken>,
    /// Messages that were taken before and are dropped.
    pub repeated: u64,
    /// Why parts were set aside, each with how many.
    pub set_aside: Vec<(AsideReason, u64)>,
    /// Parts set aside long ago that had to go, as more are set aside than are kept.
    pub dropped: u64,
    /// Why the position was begun anew, if it was.
    pub reset: Option<StreamReset>,
}

/// Why the position in a stream was begun anew. Nothing is lost by it; events that come again are known by their identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamReset {
    /// The stream is another one of the same name.
    Recreated {
        /// Highest sequence that was taken of the old one.
        highest: i64,
    },
    /// A young message has a sequence that was passed before: the stream was restored to an earlier state.
    WentBack {
        /// Highest sequence that was taken before.
        highest: i64,
        /// The sequence that came.
        sequence: i64,
    },
    /// The consumer takes other subjects than before.
    OtherFilter {
        /// Highest sequence that was taken with the filter before.
        highest: i64,
    },
}

/// How far a stream has been taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPosition {
    /// The stream's name.
    pub stream: String,
    /// The consumer's name.
    pub consumer: String,
    /// When the stream was made, in Unix nanoseconds.
    pub created: i64,
    /// What the consumer takes of the stream: which subjects, and from where on.
    pub filter: String,
    /// Sequence up to which everything is stored.
    pub floor: i64,
    /// Highest sequence taken.
    pub highest: i64,
    /// When the youngest message taken was published, in Unix nanoseconds.
    pub highest_at: i64,
    /// When something was taken last, in Unix milliseconds.
    pub updated_at: i64,
}

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRow {
    /// Its number here.
    pub id: i64,
    /// The stream that it came by.
    pub stream: String,
    /// The message's place in the stream.
    pub sequence: i64,
    /// When the message was published, in Unix nanoseconds.
    pub published: i64,
    /// Its place in the message, from 0; -1 for the message as a whole.
    pub part: i64,
    /// The message's subject.
    pub subject: String,
    /// Why it was set aside, in a word.
    pub reason: String,
    /// What is wrong with it, for people.
    pub detail: String,
    /// The identifier that the event has if it names none.
    pub event_id: String,
    /// What was kept of it.
    pub body: AsideBody,
    /// Its whole size in bytes.
    pub size: i64,
    /// When it was set aside, in Unix milliseconds.
    pub at: i64,
}

/// Which of those set aside are meant.
#[derive(Debug, Clone, Default)]
pub struct AsideFilter {
    /// These; all if there are none.
    pub ids: Vec<i64>,
    /// Set aside for this reason.
    pub reason: Option<String>,
    /// After this number.
    pub after: i64,
    /// Most rows.
    pub limit: i64,
}
