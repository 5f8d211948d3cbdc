//! All of Waystation's SQL.
//!
//! # Layout
//! - [`Store`]: a workspace's database; every query is a method of it, listed in `store/methods.rs`.
//! - [`Database`]: where it is: a file of SQLite's, or a database on a PostgreSQL server.
//! - [`backup`]: copies of a database file.
//! - [`records`]: what goes in and comes out.
//! - `queries/`: the statements, one file a subject. They are written once, in what SQLite and PostgreSQL have in common
//!   (`$1` parameters; text, bigint, boolean and double precision; a batch of rows as one JSON parameter), and compiled
//!   inside the modules `sqlite` and `postgres`, each of which names its concrete driver and its few own words.
//! - `shares.rs`: how much of a batch each lane may take.
//! - `copy.rs`: a workspace moved from one database to another.
//! - `commit.rs`: the one writer, which commits many logical transactions at once.
//! - [`faults`]: the places where tests end the process.
//!
//! # Invariants
//! - A method that writes returns after the commit is durable, or with an error and nothing written.
//! - No statement runs for one row where it could run for a batch.

#![allow(
    clippy::duplicate_mod,
    reason = "the statements are compiled with each of the two drivers"
)]

pub mod backup;
mod copy;
mod error;
pub mod faults;
mod postgres;
pub mod records;
mod shares;
mod sqlite;
mod storable;
mod store;

pub use copy::{Copied, copy, ensure_alone};
pub use error::StoreError;
pub use store::{Database, DatabaseAddress, Store};
