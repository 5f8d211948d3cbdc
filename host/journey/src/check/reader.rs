//! Where problems are gathered, and what reading needs to know.

use std::collections::BTreeMap;

use super::node::{Mark, Node};
use super::{MAX_PROBLEMS, Problem, Severity};
use crate::connection::Connections;
use crate::expression::ResultKind;
use crate::lint::Finding;
use crate::past::Needs;
use crate::policy::Policy;
use crate::segment::Segments;

/// Reads a journey file. Every function that reads something reports what is wrong with it, here, and gives nothing if
/// there is nothing to go on with.
pub(super) struct Reader<'a> {
    pub(super) source: &'a str,
    pub(super) connections: Option<&'a Connections>,
    /// Results that steps read so far may leave.
    pub(super) results: Vec<(String, ResultKind)>,
    pub(super) reads_coupons: bool,
    /// Whether the journey names a goal.
    pub(super) has_goal: bool,
    /// The workspace's segments; names of segments are taken on trust without.
    pub(super) segments: Option<&'a Segments>,
    /// The workspace's, if the journey is to be held against it.
    pub(super) policy: Option<&'a Policy>,
    /// What expressions read so far need.
    pub(super) needs: Needs,
    /// Where values and steps stand, by their paths.
    marks: BTreeMap<String, Mark>,
    path: String,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str, connections: Option<&'a Connections>) -> Self {
        Self {
            source,
            connections,
            results: Vec::new(),
            reads_coupons: false,
            has_goal: false,
            segments: None,
            policy: None,
            needs: Needs::default(),
            marks: BTreeMap::new(),
            path: String::new(),
            problems: Vec::new(),
        }
    }

    /// Path of what is being read.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is an error.
    pub(super) fn failed(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Keeps where what is being read stands.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.marks.insert(self.path.clone(), mark);
    }

    /// Reports what a lint found, where its path stands or what is next above it.
    pub(super) fn report_finding(&mut self, finding: Finding) {
        let Finding { severity, path, message } = finding;
        let mut place = path.as_str();
        let mark = loop {
            if let Some(mark) = self.marks.get(place) {
                break *mark;
            }
            let Some(end) = place.rfind(['.', '[']) else { break Mark { line: 1, column: 1 } };
            place = &place[..end];
        };
        self.at(&path, |reader| reader.report(severity, mark, message));
    }

    /// Reads something below the present path: a key's value.
    pub(super) fn within<R>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        let result = read(self);
        self.path.truncate(length);
        result
    }

    /// Does something with another path than the present one.
    pub(super) fn at<R>(&mut self, path: &str, act: impl FnOnce(&mut Self) -> R) -> R {
        let present = std::mem::replace(&mut self.path, path.to_owned());
        let result = act(self);
        self.path = present;
        result
    }

    /// Reads the items of a list below the present path.
    pub(super) fn each<'n, R>(
        &mut self,
        items: &'n [Node],
        mut read: impl FnMut(&mut Self, &'n Node) -> R,
    ) -> Vec<R> {
        let length = self.path.len();
        let results = items.iter().enumerate().map(|(index, item)| {
            self.path.truncate(length);
            self.path.push_str(&format!("[{index}]"));
            read(self, item)
        });
        let results = results.collect();
        self.path.truncate(length);
        results
    }

    pub(super) fn error(&mut self, mark: Mark, message: String) {
        self.report(Severity::Error, mark, message);
    }

    pub(super) fn warning(&mut self, mark: Mark, message: String) {
        self.report(Severity::Warning, mark, message);
    }

    fn report(&mut self, severity: Severity, mark: Mark, message: String) {
        // Counted apart, so that warnings never crowd out an error.
        let kept = self.problems.iter().filter(|problem| problem.severity == severity).count();
        if kept >= MAX_PROBLEMS {
            return;
        }
        let Mark { line, column } = mark;
        self.problems.push(Problem { severity, line, column, path: self.path.clone(), message });
    }

    /// The problems in the order of the file. Where there are too many, warnings are left out first.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        let errors =
            self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let mut warnings_left = MAX_PROBLEMS - errors;
        self.problems.retain(|problem| {
            let kept = problem.severity == Severity::Error || warnings_left > 0;
            warnings_left -= usize::from(kept && problem.severity == Severity::Warning);
            kept
        });
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }
}
