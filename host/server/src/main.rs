//! The `waystation` command: the server, and the tools that talk to it.
//!
//! # Layout
//! - `cli/`: one file a command; `client.rs` is how commands reach a server, `output.rs` the only place that prints.
//! - `server.rs`: data folder, engine and listener together; `folder.rs`: whose the folder is, and who ran in it before.
//! - `api/`: the HTTP API, one file a resource.
//! - `event.rs`: what an event must look like; `ingress/`: events that come by a stream of messages.
//! - `trust.rs`: keys and signatures of releases; `vault.rs`: secrets at rest.
//! - `private.rs`: files and folders that are their owner's alone; `listen.rs`: the HTTP listener.
//! - `faults.rs`: ending the process at a chosen place, for tests.
//! - `telemetry.rs`: traces, logs and metrics for a collector.

mod api;
mod cli;
mod event;
mod faults;
mod folder;
mod ingress;
mod listen;
mod private;
mod random;
mod server;
mod telemetry;
mod trust;
mod vault;

use std::process::ExitCode;

use clap::Parser as _;

/// Also SQLite's, as the feature `override` takes the C library's place: batches are made in one thread and freed in another,
/// which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = cli::Command::parse();
    match cli::run(command) {
        Ok(code) => code,
        Err(error) => {
            cli::output::error(&error);
            ExitCode::FAILURE
        }
    }
}
