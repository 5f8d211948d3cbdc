//! Runs plugins: WebAssembly components that fulfil the contract in `wit/`, each call in a sandbox of its own.
//!
//! A plugin can compute and call the functions in `permissions/`, nothing else. A call that crashes, hangs or grows costs its
//! own batch and leaves the next one untouched, and its outcome is told truthfully: what may have happened is never called
//! undone.
//!
//! # Layout
//! - [`Sandbox`]: the engine of a process; [`Sandbox::load`] makes a [`Release`] of a plugin's bytes
//! - [`Connection`]: a release with configuration, secrets, [`Permissions`] and [`Limits`]; its methods are the plugin's
//!   functions, one file each in `calls/`
//! - [`contract`]: the records that go in and out
//! - `permissions/`: what plugins may call, one file each
//! - `relay/`: the mail relay behind the `mail` permission; `outbound/`: the HTTP client behind `http`
//! - `mask`: covers secrets in what plugins see
//! - [`Recorder`], [`Rehearsal`]: recording calls, and making them again with the outside stubbed, in `tape/`
//! - `span`: how a call is seen from outside
//! - `engine`, `cache`, `link`, `call`: how wasmtime is set up, kept compiled, linked and called; `sweep`: what is deleted of
//!   the cache
//!
//! # Invariants
//! - No other crate names wasmtime, and no type of wasmtime is public.
//! - A store serves one call and is dropped, whether the call went well or not.
//! - Nothing is granted by default but the log, the configuration, the clock and randomness.
//! - Everything that a plugin can make the host keep or do is bounded.

mod bindings;
pub mod contract;

mod connection;
mod error;
mod limits;
mod release;
mod sandbox;
mod tape;

mod cache;
mod call;
mod calls;
mod engine;
mod guest;
mod hex;
mod link;
mod manifest;
mod mask;
mod misfit;
mod native;
mod outbound;
mod permissions;
mod relay;
mod span;
mod sweep;
mod ticker;

pub use connection::{
    Audience, AudienceError, AudienceGrant, AudienceMember, AudiencePage, AudienceQuestion, Clock,
    CodePools, CodesGrant, Conditions, Connection, HttpGrant, KeyValueError, KeyValues, MailGrant,
    Permissions, SecretValue, Settings, StoreGrant,
};
pub use error::{CallError, SandboxError};
pub use ipnet::IpNet;
pub use limits::Limits;
pub use outbound::Resolve;
pub use permissions::log::{LogLevel, LogLine, LogSink};
pub use relay::Relay;
pub use release::{Kind, Release};
pub use rustls::pki_types::CertificateDer;
pub use sandbox::{Options, Sandbox};
pub use sweep::{Sweep, Swept, sweep};
pub use tape::{
    Exchange, Match, Performance, Recorder, RecorderCounts, Recording, Rehearsal, Request, Take,
};
