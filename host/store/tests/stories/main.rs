//! Stories about the store, told through its public methods: the same on a database file and on a server.
//!
//! `sqlite.rs` and `postgres.rs` each say where a story's database is, and then include them all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::duplicate_mod, reason = "the stories are told of each of the two databases")]

mod postgres;
mod sqlite;
