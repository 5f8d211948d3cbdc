//! All of Waystation's SQL.
//!
//! # Layout
//! - [`Store`]: a workspace's database; every query is a method of it.
//! - [`records`]: what goes in and comes out.
//! - `queries/`: the statements, one file a subject. They are written once, in what SQLite and PostgreSQL have in common
//!   (`$1` parameters; text, bigint, boolean and double precision; a batch of rows as one JSON parameter), and compiled
//!   inside a module that names the concrete driver.
//! - `commit.rs`: the one writer, which commits many logical transactions at once.
//! - [`faults`]: the places where tests end the process.
//!
//! # Invariants
//! - A method that writes returns after the commit is durable, or with an error and nothing written.
//! - No statement runs for one row where it could run for a batch.

mod error;
pub mod faults;
pub mod records;
mod sqlite;

pub use error::StoreError;
pub use sqlite::Store;
