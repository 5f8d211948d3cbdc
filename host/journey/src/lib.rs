//! Journeys: what they are made of, and how one customer moves through one.
//!
//! Everything here is pure. Time comes in as an argument (Unix milliseconds, everywhere), effects go out as values, and
//! the same input to the same state always gives the same result, down to the keys of the effects. The engine around it
//! stores what comes out and makes the effects happen; a rehearsal runs the very same code on a clock of its own.
//!
//! ```
//! use waystation_journey::{
//!     Background, Connections, Customer, Enrollment, Event, Input, World, advance, check, entry,
//! };
//!
//! let file = "
//! journey: hello
//! entry: { event: signed.up, when: event.age >= 18 }
//! steps: [{ wait: 1h }, { set: { tags: greeted } }]
//! ";
//! let program = check(file, None).program.expect("the file is sound");
//!
//! let mut customer = Customer { id: "c-1".to_owned(), ..Customer::default() };
//! let mut event = Event { name: "signed.up".to_owned(), customer: "c-1".to_owned(), ..Event::default() };
//! event.properties.insert("age".to_owned(), 30.into());
//! let key = entry(&program, &event, &customer, &[], Background::default(), 0)?.expect("the customer enters");
//!
//! let mut enrollment = Enrollment::new("e-1".to_owned(), &program, 1, key, &event, 0);
//! for (input, now) in [(Input::Start, 0), (Input::Timer, 3_600_000)] {
//!     let mut world = World {
//!         customer: &mut customer,
//!         coupons: &[],
//!         connections: &Connections::default(),
//!         winners: &Default::default(),
//!         policy: &Default::default(),
//!         background: Background::default(),
//!         now,
//!         unsubscribe_url: None,
//!     };
//!     advance(&program, &mut enrollment, input, &mut world);
//! }
//! assert!(customer.tags.contains("greeted"));
//! assert_eq!(enrollment.outcome.as_deref(), Some("finished"));
//! # Ok::<(), waystation_journey::EvalError>(())
//! ```
//!
//! # Layout
//!
//! - `customer`, `connection`, `consent`: what the host knows, and whether a message may go out ([`permit`]); `host_event`:
//!   what the host itself tells journeys.
//! - `calendar`: zones, calendar days, weekdays, opening hours and public holidays ([`Window`], [`Span`]).
//! - `check`: reads a journey file ([`check()`]). `node` makes a tree that knows its places of the YAML, `document`,
//!   `rules`, `steps`, `effects` and `templates` read it by hand, and `reader` gathers every problem on the way.
//! - `program`: what comes of it ([`Program`]): the nested steps as a flat list of instructions, each with the path of
//!   its step, expressions and templates parsed.
//! - `lint`: what a sound journey says and cannot do ([`check_under`], [`conflicts`]).
//! - `flow`: which instruction may follow which; `diagram`: the journey as a picture ([`Diagram`]).
//! - `expression`: CEL. `names` checks what an expression reads, `scope` and `values` lend it the host's records
//!   without copying, `readings` are the functions over the customer's past ([`Past`]) and segments, and `budget` bounds
//!   how long it runs.
//! - `segment`: conditions on customers that have a name ([`Segments`]), and their translation into a [`Condition`] that
//!   a database can be asked.
//! - `template`: minijinja. `words` checks what it would look up only while rendering, `context` converts what a text
//!   reads.
//! - `policy`: what is decided about a message when it is about to be sent.
//! - `outline`, `places`, `difference`: what a file says step by step, which step of one version is which of another, and
//!   what differs ([`Places`], [`diff`]).
//! - `enrollment`, `state`: one customer in one journey ([`Enrollment`]); `lane`: with which of them a host shares its time.
//! - `advance`: the state machine ([`advance()`], [`entry`]); `input` is what goes into it, `effect` and `history` what
//!   comes out.
//!
//! # What is not here
//!
//! No clock, no randomness, no IO, no async, and no thread. Whether a customer may enter again, and whether a message
//! may go out, is decided here, but asked by the engine: only it knows the former enrollment and the time of sending.

#![warn(missing_docs)]

mod advance;
mod calendar;
mod check;
mod connection;
mod consent;
mod customer;
mod diagram;
mod difference;
mod effect;
mod enrollment;
mod error;
mod expression;
mod flow;
mod history;
mod host_event;
mod input;
mod lane;
mod lint;
mod nearest;
mod outline;
mod past;
mod places;
mod policy;
mod program;
mod rehearsal;
mod schema;
mod segment;
mod state;
mod template;

pub use advance::{advance, entry};
pub use calendar::{
    Calendar, ClockTime, Day, Hours, OpenDays, Place, Span, Weekdays, Window, WindowZone, Zone,
    calendars, next_time,
};
pub use check::{
    Checked, CheckedSegment, MAX_FILE, Problem, Severity, check, check_in, check_segment,
    check_segments, check_under, compile,
};
pub use connection::{ChannelFacts, ConnectionFacts, Connections, ContentKind};
pub use consent::{Purpose, Suppression, permit};
pub use customer::{Coupon, CouponState, Customer, Event};
pub use diagram::{Arrow, Diagram, Node, NodeKind};
pub use difference::{Change, ChangeKind, diff};
pub use effect::{Benefit, Content, Effect, Money, Offer, Settled};
pub use enrollment::{Enrollment, Status};
pub use error::EvalError;
pub use expression::MAX_TIME;
pub use history::{Entry, EntryKind};
pub use host_event::{
    ASSIGNMENT_DONE, COUPON_EXPIRING, HOST_SOURCE, JOURNEY_ENROLL, JOURNEY_FINISHED,
    SEGMENT_ENTERED, TAG_ADDED, subscription_id,
};
pub use input::{Advance, Assignment, Input, Relocation, UnsubscribeUrl, Winners, World};
pub use lane::Lane;
pub use lint::{Conflict, conflicts};
pub use past::{Background, EventNeed, MAX_ADDEND, MAX_PAST, Needs, Past, SUM_PARTS};
pub use places::Places;
pub use policy::{
    Asking, CheckedPolicy, Counted, Held, Limit, LimitOf, Message, Over, Policy, Ruling,
};
pub use program::{Again, Former, OnUnknown, Program, Split, Subscription, Winner};
pub use rehearsal::{
    Expect, ExpectedSend, Fault, FaultKind, PastEvent, Reported, Start, Test, TestCustomer,
    TestEvent,
};
pub use schema::{JOURNEY_SCHEMA, POLICY_SCHEMA, SEGMENT_SCHEMA};
pub use segment::{
    Audience, Condition, CouponField, Edge, Field, Literal, Order, Segment, Segments, Term,
};
pub use state::State;

/// The outcome of an enrollment that came to the end of its steps.
pub const OUTCOME_FINISHED: &str = "finished";

/// The outcome of an enrollment that an expression's failure, or too many steps at once, put an end to.
pub const OUTCOME_ERROR: &str = "error";
