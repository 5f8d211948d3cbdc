//! The only place that prints: results to standard output, errors and progress to standard error. Whoever reads may have
//! gone (`| head`); that must not end a server, so failures to print are passed over.

use std::io::Write as _;

/// A line of the command's result.
pub(crate) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line about what is going on.
pub(crate) fn progress(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Why the command failed, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}
