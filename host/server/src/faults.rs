//! Ending the process at a chosen place, for tests only.

use std::path::Path;

use anyhow::{anyhow, ensure};
use tracing::warn;
use waystation_engine::faults::{self, Reached};

use crate::cli::output;

/// Says which faults to set up; see [`faults::set_up`].
const VARIABLE: &str = "WAYSTATION_FAULTS";
/// A file in the data folder without which no fault is set up: a folder with customers in it has none.
const ALLOWED: &str = "faults-allowed";

/// Sets up the faults that the environment asks for, if any.
pub(crate) fn set_up(data: &Path) -> anyhow::Result<()> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    ensure!(
        data.join(ALLOWED).exists(),
        "{VARIABLE} ends the server in the middle of its work and is for tests; unset it. A test's own data folder has a file `{ALLOWED}`"
    );
    warn!(faults = text, "this server is set up to fail");
    faults::set_up(&text, reached).map_err(|fault| anyhow!("{VARIABLE}: {fault}"))
}

/// Ends the process as abruptly as SIGKILL would: nothing is unwound, flushed or closed.
fn reached(place: &str, how: Reached) {
    output::line(format_args!("fault: {place}"));
    match how {
        Reached::End => std::process::abort(),
        Reached::Stay => loop {
            std::thread::park();
        },
    }
}
