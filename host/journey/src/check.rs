//! Reading a journey file and finding everything that is wrong with it.

use std::fmt;

use serde::Serialize;

use crate::connection::Connections;
use crate::policy::Policy;
use crate::program::Program;
use crate::segment::Segments;

mod actions;
mod branches;
mod calendar;
mod deliveries;
mod document;
mod effects;
mod expressions;
mod fields;
mod holidays;
mod node;
mod outline;
mod policies;
mod reader;
mod rules;
mod scalars;
mod schema;
mod segment;
mod steps;
mod subscription;
mod templates;
mod tests;
mod times;

pub(crate) use holidays::read_calendar;
pub(crate) use policies::read_policy;
pub(crate) use scalars::{duration, is_identifier, minor_digits, wrong_event, wrong_segment};
pub use segment::{CheckedSegment, check_segment, check_segments};

/// Largest journey file in bytes.
pub const MAX_FILE: usize = 256 * 1024;

/// Most problems that are reported.
const MAX_PROBLEMS: usize = 100;

/// One thing wrong with a journey file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where in the journey, such as `steps[2].then[0].send.use`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, line, column, path, message } = self;
        write!(f, "{line}:{column}: {severity}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The journey cannot run.
    Error,
    /// The journey can run, and probably does not do what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The journey, ready to run; present if and only if there is no error.
    pub program: Option<Program>,
    /// Everything found, in the order of the file; at most 100.
    pub problems: Vec<Problem>,
}

/// Checks a journey file and compiles it.
///
/// Without connections, whatever depends on them is taken on trust. Names of segments are, too; [`check_in`] holds them
/// against the workspace's.
#[must_use]
pub fn check(source: &str, connections: Option<&Connections>) -> Checked {
    read(source, reader::Reader::new(source, connections))
}

/// Checks a journey file against all that a workspace has, and compiles it.
#[must_use]
pub fn check_in(source: &str, connections: &Connections, segments: &Segments) -> Checked {
    let mut reader = reader::Reader::new(source, Some(connections));
    reader.segments = Some(segments);
    read(source, reader)
}

/// Checks a journey file as it would run under a workspace's policy: whether its times fit the workspace's window and quiet
/// hours, and its messages the limits.
#[must_use]
pub fn check_under(source: &str, connections: Option<&Connections>, policy: &Policy) -> Checked {
    let mut reader = reader::Reader::new(source, connections);
    reader.policy = Some(policy);
    read(source, reader)
}

/// Compiles a journey file that was checked when it was stored: nobody is to be told what it hardly means, and what a newer
/// host has learnt to complain of does not take it out of use.
#[must_use]
pub fn compile(source: &str) -> Checked {
    let mut reader = reader::Reader::new(source, None);
    let program =
        node::parse(source, &mut reader).and_then(|root| document::read(&mut reader, &root));
    finish(program, reader)
}

fn read(source: &str, mut reader: reader::Reader<'_>) -> Checked {
    let program =
        node::parse(source, &mut reader).and_then(|root| document::read(&mut reader, &root));
    if let Some(program) = program.as_ref().filter(|_| !reader.failed()) {
        let none = Policy::default();
        let found = crate::lint::lint(program, reader.policy.unwrap_or(&none));
        found.into_iter().for_each(|finding| reader.report_finding(finding));
    }
    finish(program, reader)
}

fn finish(program: Option<Program>, reader: reader::Reader<'_>) -> Checked {
    let problems = reader.finish();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    debug_assert!(failed || program.is_some(), "a file that gives no program has an error");
    Checked { program: program.filter(|_| !failed), problems }
}
