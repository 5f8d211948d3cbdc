//! The engine: takes events in, moves enrollments on, carries effects out, records what came of them.
//!
//! # Layout
//! - [`Engine`]: the parts and how they start and stop.
//! - `inbox.rs`: events that arrive together become one commit.
//! - `triggers.rs`, `poll.rs`: what trigger sources are asked for, and what they bring.
//! - `stream.rs`: events that come by streams of messages.
//! - `tell.rs`: the host's own events that time gives rise to.
//! - `pass.rs`: what is due goes through the state machine and becomes one transaction (T1).
//! - `deliver.rs`: a worker for each connection decides what goes out and marks it (T2).
//! - `call.rs`: the plugin is called and the outcomes recorded (T3).
//! - `settle.rs`: what follows from an outcome; here is decided whether an *unknown* is repeated, asked for or held.
//! - `by_hand.rs`: what operators settle and send again themselves.
//! - `request.rs`: the ledger's rows in the contract's words, and whether they may go out at all.
//! - `audience.rs`: customers that a plugin may read, and what its conditions may ask.
//! - `enroll.rs`: enrolling by hand.
//! - `actions.rs`: which parameters an action takes, and which of a customer's fields it sees.
//! - `spec.rs`, `workshop.rs`, `links.rs`: connections as they are written, set up and used.
//! - `activation.rs`, `canary.rs`: changing the release that a connection uses, at once or after a trial.
//! - `breaker.rs`, `pace.rs`: when a connection is not called.
//! - `examine.rs`: releases before they are installed, and when they go; `plugin_log.rs`: what plugins wrote last.
//! - [`faults`]: the places where tests end the process.
//! - `restored.rs`: what is held, and what is in doubt, after a backup was restored.
//! - `retention.rs`: what is old goes, and what stays all the same.
//! - `gauges.rs`: what stands in the database, counted for the metrics.
//! - `why.rs`: what a customer got and did not get, in sentences.
//! - `recordings.rs`, `compare.rs`: what is recorded of calls, and a candidate's answers to it.
//! - `journeys.rs`: versions and states of journeys; `transfers.rs`: what becomes of those inside, batch by batch.
//! - `tend.rs`, `splits.rs`: what is looked at once a minute: journeys that drain, splits that can be decided.
//! - [`hosts`]: which customers this host works for, where several share a database; `configuration.rs`: what the other
//!   hosts change.
//! - [`Repertoire`]: journeys rehearsed on a clock of their own.
//! - `programs.rs`, `segments.rs`, `policies.rs`: the journeys, segments and the workspace's policy in use; `past.rs`: what
//!   a pass loads for conditions.
//!
//! # Invariants
//! - An effect is in the ledger before it is made, and marked *attempting*, durably, before a plugin hears of it.
//! - Only a pass changes enrollments; only workers change effects that are open, but for those whose provider is being asked,
//!   which operators may settle too; all go through the store's one writer.
//! - No lock is held across a call to a plugin.

mod actions;
mod activation;
mod audience;
mod backlog;
mod breaker;
mod by_hand;
mod call;
mod canary;
mod choose;
mod clock;
mod codes;
mod compare;
mod components;
mod configuration;
mod deliver;
mod engine;
mod enroll;
mod error;
mod examine;
pub mod faults;
mod gauges;
pub mod hosts;
mod inbox;
mod journeys;
mod links;
mod metrics;
mod pace;
mod pass;
mod past;
mod plugin_log;
mod policies;
mod poll;
mod programs;
mod recordings;
mod rehearsal;
mod request;
mod restored;
mod retention;
mod segments;
mod settle;
mod spec;
mod splits;
mod stream;
mod tell;
mod tend;
mod transfers;
mod triggers;
mod unsubscribe;
mod values;
mod why;
mod workshop;

pub use backlog::{EVENTS_WAITING, EVENTS_WAITING_DEFAULT, EVENTS_WAITING_RANGE};
pub use breaker::BreakerState;
pub use by_hand::{BY_HAND_MAX, SaidOfMany};
pub use canary::{Arm, CanaryPlan, Counted, Group as TrialGroup, Tally};
pub use choose::{Asked, asked, choose, fits, wanting};
pub use clock::{Clock, ManualClock, ScaledClock, SharedClock, SystemClock};
pub use compare::{Change, Comparison, Example, Group, ReleaseName};
pub use engine::{Engine, Parts, Unseal, first_id};
pub use enroll::ByHand;
pub use error::EngineError;
pub use examine::Examined;
pub use hosts::HostSpec;
pub use journeys::{InUse, Inside, Operation, Preview, Treatment};
pub use links::{DrainStatus, LineStatus, StoredTrial, TrialStatus};
pub use metrics::{Metrics, StreamMetrics};
pub use pass::{COUPON_REDEEMED, Happening};
pub use plugin_log::{PluginLine, PluginLog};
pub use rehearsal::{Moment, Rehearsed, Repertoire};
pub use restored::{Restored, mark_restored};
pub use retention::{
    KEEP_ENROLLMENTS, KEEP_ENROLLMENTS_DEFAULT, KEEP_EVENTS, KEEP_EVENTS_DEFAULT, KEEP_RECORDINGS,
    KEEP_RECORDINGS_DEFAULT,
};
pub use spec::{
    AudienceSpec, ConditionSpec, ConnectionSpec, HttpSpec, LimitSpec, MailSpec, PermissionSpec,
    RecordingSpec, Share, StoreSpec,
};
pub use splits::{ArmView, SplitView, best};
pub use tell::{
    COUPON_EXPIRING_BEFORE, COUPON_EXPIRING_DEFAULT, SEGMENT_INTERVAL, SEGMENT_INTERVAL_DEFAULT,
    duration,
};
pub use unsubscribe::{UnsubscribeLinks, Withdrawal};
pub use why::{Told, WhyLine};
pub use workshop::{Link, Workshop};
