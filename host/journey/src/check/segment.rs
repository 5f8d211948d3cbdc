//! Reading a segment file.

use super::node::{self, Kind, Node};
use super::reader::Reader;
use super::scalars::SEGMENT;
use super::{Problem, Severity};
use crate::segment::{Audience, Segment, Segments};

/// Longest title and owner in characters.
const MAX_LINE: usize = 200;

/// What a check of a segment file found.
#[derive(Debug)]
pub struct CheckedSegment {
    /// The segment; present if and only if there is no error.
    pub segment: Option<Segment>,
    /// Everything found, in the order of the file; at most 100.
    pub problems: Vec<Problem>,
}

/// Checks a segment file against the segments there are.
///
/// ```
/// let file = "
/// segment: sleeping
/// owner: retention
/// when: days_since(\"login\") >= 90 && !(\"staff\" in customer.tags)
/// ";
/// let checked = waystation_journey::check_segment(file, &waystation_journey::Segments::default());
/// assert_eq!(checked.problems, []);
/// assert_eq!(checked.segment.map(|segment| segment.name().to_owned()).as_deref(), Some("sleeping"));
/// ```
#[must_use]
pub fn check_segment(source: &str, segments: &Segments) -> CheckedSegment {
    let mut reader = Reader::new(source, None);
    let segment =
        node::parse(source, &mut reader).and_then(|root| read(&mut reader, &root, segments));
    let problems = reader.finish();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    CheckedSegment { segment: segment.filter(|_| !failed), problems }
}

/// The segments of several files, whatever their order: one that asks for another may come before it. Files that are not sound
/// are given back with what is wrong with them.
#[must_use]
pub fn check_segments<K>(files: Vec<(K, String)>) -> (Segments, Vec<(K, Vec<Problem>)>) {
    let mut segments = Segments::default();
    let mut open = files;
    loop {
        let (before, mut left) = (open.len(), Vec::new());
        for (key, source) in open {
            match with(&segments, &source) {
                Ok(next) => segments = next,
                Err(problems) => left.push((key, source, problems)),
            }
        }
        if left.is_empty() || left.len() == before {
            let faulty = left.into_iter().map(|(key, _, problems)| (key, problems));
            return (segments, faulty.collect());
        }
        open = left.into_iter().map(|(key, source, _)| (key, source)).collect();
    }
}

/// The segments and that of one more file.
fn with(segments: &Segments, source: &str) -> Result<Segments, Vec<Problem>> {
    let CheckedSegment { segment, problems } = check_segment(source, segments);
    segments.with(segment.ok_or(problems)?).map_err(|message| {
        let path = String::new();
        vec![Problem { severity: Severity::Error, line: 1, column: 1, path, message }]
    })
}

fn read(reader: &mut Reader<'_>, root: &Node, segments: &Segments) -> Option<Segment> {
    let fields = reader.fields(root, "a segment", &["segment", "title", "owner", "when"])?;
    let name = reader.required(&fields, "segment", |reader, node| reader.name(node, &SEGMENT));
    let title =
        reader.optional(&fields, "title", |reader, node| reader.line(node, "the title", MAX_LINE));
    let owner =
        reader.optional(&fields, "owner", |reader, node| reader.line(node, "the owner", MAX_LINE));
    let audience =
        reader.required(&fields, "when", |reader, node| audience(reader, node, segments));
    let name = name?;
    Some(Segment { title: title.unwrap_or_else(|| name.clone()), name, owner, audience: audience? })
}

fn audience(reader: &mut Reader<'_>, node: &Node, segments: &Segments) -> Option<Audience> {
    let Kind::Scalar(scalar) = &node.kind else {
        let message = format!("an expression must be a single text, not {}", node.kind.name());
        reader.error(node.mark, message);
        return None;
    };
    if scalar.text.trim().is_empty() {
        reader.error(node.mark, "the expression is missing".to_owned());
        return None;
    }
    match Audience::read(&scalar.text, reader.path(), segments) {
        Ok(audience) => Some(audience),
        Err(faults) => {
            for fault in faults {
                let mark = reader.mark_within(node.mark, scalar, fault.line, fault.column);
                reader.error(mark, fault.message);
            }
            None
        }
    }
}
