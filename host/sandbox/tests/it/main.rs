//! The sandbox seen from outside: plugins are built from `tests/guests`, loaded and called.
//!
//! # Layout
//! - `guests`: builds the plugins once; `messages`, `codes`: what goes in; `smtp`: a real mail server
//! - `loading`, `cache`: from bytes to a release
//! - `misbehaviour`, `concurrency`: what a plugin cannot do to the host
//! - `kinds`, `permissions`, `values`, `log`: what a plugin can do
//! - `tape`: recording calls and making them again
//! - `mail`: what becomes of a letter
//! - `reference_plugins`: the plugins of the folder `plugins`, as an operator uses them

mod codes;
mod guests;
mod messages;
mod smtp;

mod cache;
mod concurrency;
mod kinds;
mod loading;
mod log;
mod mail;
mod misbehaviour;
mod permissions;
mod reference_plugins;
mod tape;
mod values;
