//! What a Waystation plugin written in Rust depends on.
//!
//! A plugin is a type that implements [`Plugin`] (who it is, what its configuration looks like) and one or more kinds:
//! [`Channel`], [`TriggerSource`], [`Coupon`], [`Action`]. An export macro turns it into a component:
//!
//! ```
//! use serde::Deserialize;
//! use waystation_sdk::channel::{Channel, Message, Receipt, SendError, Traits};
//! use waystation_sdk::{Manifest, Permission, Plugin, Problem, export_channel, http, manifest};
//!
//! struct Pager {
//!     url: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     url: String,
//! }
//!
//! impl Plugin for Pager {
//!     type Config = Config;
//!
//!     fn manifest() -> Manifest {
//!         manifest!("Pager")
//!             .config_schema(r#"{ "type": "object", "required": ["url"], "properties": { "url": { "type": "string" } } }"#)
//!             .needs(Permission::http("https://pager.example.com", "Hands the messages to the pager service."))
//!     }
//!
//!     fn new(config: Config) -> Result<Self, Problem> {
//!         Ok(Pager { url: config.url })
//!     }
//! }
//!
//! impl Channel for Pager {
//!     fn traits(&self) -> Traits {
//!         Traits::new("pager-number", &["text"])
//!     }
//!
//!     fn send_one(&self, message: Message) -> Result<Receipt, SendError> {
//!         let request = http::HttpRequest::post(&self.url).with_body(message.recipient.address);
//!         let response = http::send(&request)?; // not sent: deferred; interrupted: unknown; denied: refused
//!         match response.status {
//!             200..=299 => Ok(Receipt::default()),
//!             status => Err(SendError::unknown(format!("the pager service answered {status}"))),
//!         }
//!     }
//! }
//!
//! export_channel!(Pager);
//! ```
//!
//! The crate is compiled for `wasm32-unknown-unknown` as a `cdylib`; `waystation plugin build` does the rest. One fresh
//! sandbox serves one call of the host, so a plugin keeps nothing in memory from one batch to the next.
//!
//! # Telling the truth
//! Every failure says one of three things: *refused* (certainly not done, trying again cannot help), *deferred* (certainly
//! not done, try later), *unknown* (may have happened). The errors of [`mail`], [`http`], [`secrets`] and [`codes`] turn
//! into the right one by `?`. A panic counts as unknown for the whole batch.
//!
//! # If the configuration cannot be used
//! When the configuration does not fit [`Plugin::Config`], or [`Plugin::new`] refuses it, then `check` reports the
//! problem, and the calls that the host makes all the same do nothing: messages, coupons and actions are deferred
//! for five minutes, hooks answer 503 and polls fail, so that nothing is lost while an operator mends it.
//!
//! # Testing
//! Compiled for the machine itself the crate has no host behind it: the functions of [`clock`], [`http`] and the other
//! host interfaces panic there. Keep what is worth testing in functions that take what they need as arguments.
//!
//! # Layout
//! - kinds: [`channel`], [`trigger_source`], [`coupon`], [`action`]
//! - always granted by the host: [`log`], [`clock`], [`random`]
//! - granted by an operator: [`secrets`], [`http`], [`mail`], [`codes`], [`store`], [`audience`]
//! - what many plugins need: [`webhook`] (signatures), [`email`] (addresses), [`plain_text`] (of HTML), [`timestamp`] (as text)
#![warn(missing_docs)]

#[doc(hidden)]
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_lossless,
    clippy::doc_markdown,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    reason = "generated from the contract"
)]
pub mod bindings;
#[doc(hidden)]
pub mod export;

mod config;
mod http_message;
mod http_verdict;
mod json;
mod plugin;
mod values;

pub mod action;
pub mod channel;
pub mod coupon;
pub mod trigger_source;

pub mod audience;
pub mod clock;
pub mod codes;
pub mod http;
pub mod log;
pub mod mail;
pub mod random;
pub mod secrets;
pub mod store;

pub mod email;
pub mod plain_text;
pub mod timestamp;
pub mod webhook;

pub use action::Action;
pub use channel::Channel;
pub use config::NoConfig;
pub use coupon::Coupon;
pub use plugin::{Manifest, Permission, Plugin, Problem};
pub use serde_json::Value;
pub use trigger_source::TriggerSource;
pub use values::{Deferral, Extras, Failure, Identity, Milliseconds, Money, Timestamp, extra};
