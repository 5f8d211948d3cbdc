//! What plugins may do, one file each. Every function checks its permission itself and answers with the contract's own
//! error; only what the contract calls a trap stops the plugin.

mod audience;
mod clock;
mod codes;
mod config;
pub(crate) mod http;
pub(crate) mod log;
mod mail;
mod random;
pub(crate) mod secrets;
mod store;

use crate::{bindings::waystation::plugin::types, guest::Guest};

impl types::Host for Guest {}

/// Most items that one call of a host function takes.
const ITEMS_MAX: usize = 1_000;

/// What a replayed call is told about a request that the recording has no answer for.
const NOT_RECORDED: &str = "not in the recording";

/// The answer to a batch as one for each item, which is how it is recorded.
fn each_of<T: Clone, E: Clone>(answer: &Result<Vec<T>, E>, items: usize) -> Vec<Result<T, E>> {
    match answer {
        Ok(answers) => answers.iter().cloned().map(Ok).collect(),
        Err(error) => vec![Err(error.clone()); items],
    }
}

/// Stops the plugin when it hands over more than the contract allows.
fn bounded(function: &str, items: usize) -> wasmtime::Result<()> {
    if items <= ITEMS_MAX {
        return Ok(());
    }
    Err(wasmtime::Error::msg(format!(
        "{function} was given {items} items; the contract allows {ITEMS_MAX}"
    )))
}
