//! The only place that prints: results to standard output, errors and progress to standard error.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line's voice")]

/// A line of the command's result.
pub(crate) fn line(text: impl std::fmt::Display) {
    println!("{text}");
}

/// A line about what is going on.
pub(crate) fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Why the command failed, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
