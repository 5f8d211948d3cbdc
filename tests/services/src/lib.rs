//! Real servers for tests, each in a folder of its own on a free port of 127.0.0.1. They end with the test's process, in
//! whatever way it ends.
//!
//! # Layout
//! - `certificates.rs`: what servers with TLS show.
//! - `nats.rs`: NATS with `JetStream`.
//! - `postgres.rs`: PostgreSQL.
//! - `proxy.rs`: a network that fails.
//!
//! # Panics
//! A server that cannot be started fails the test that asked for it, saying what to install.

pub mod certificates;
pub mod nats;
pub mod postgres;
pub mod proxy;
