//! End to end: the `waystation` program as its users have it, through its command line and HTTP API only, against a real
//! mail server.
//!
//! # Layout
//! - `server.rs`, `mail.rs`, `provider.rs`: the programs under test conditions.
//! - `first_journey.rs`: from a signed webhook to a mailbox, byte by byte where it matters.
//! - `actions.rs`: what actions are given of a customer, and what the journey makes of their answers.
//! - `kill.rs`: SIGKILL at random moments; nothing lost, nothing done twice that the ledger does not own up to.
//! - `backup.rs`: backups, and workspaces that are made of them.
//! - `by_hand.rs`: what operators settle and send again themselves.
//! - `ingress.rs`: events by a stream: none lost, none twice, and what is none set aside.
//! - `faults.rs`: a server that dies at every place where it can, judged by the pure model.
//! - `bad_input.rs`: what users get wrong, and the exact answers.
//! - `command_line.rs`: the commands that the others do not use.
//! - `journeys.rs`: a journey changed, paused and retired while customers are inside.
//! - `activation.rs`: releases put into use, tried out and taken back.
//! - `trust.rs`: signatures, trusted keys, and releases that go.
//! - `compare.rs`: a candidate against recorded calls.
//! - `outside.rs`: what is seen of plugins from outside: their log, and what a collector gets.
//! - `dev.rs`: a plugin that is built and swapped whenever it is saved.
//! - `postgres.rs`: the first journey on PostgreSQL, and a workspace that moves there.
//! - `hosts.rs`: several hosts on one database, over a network that fails.
//! - `limits.rs`: clients that are slow, silent or many.
//! - `pressure.rs`: more events than the engine can deal with.
//! - `demo.rs`: the demo, as a new user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it counted")]

mod actions;
mod activation;
mod backup;
mod bad_input;
mod by_hand;
mod command_line;
mod compare;
mod demo;
mod dev;
mod enroll;
mod faults;
mod first_journey;
mod hosts;
mod ingress;
mod journeys;
mod kill;
mod limits;
mod mail;
mod outside;
mod policy;
mod postgres;
mod pressure;
mod provider;
mod rehearse;
mod server;
mod trust;
