//! YAML as a tree of nodes that know where they stand.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::MAX_FILE;
use super::reader::Reader;

/// Deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 32;

/// Longest scalar in bytes.
const MAX_SCALAR: usize = 64 * 1024;

/// A place in the file: line and column in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Kind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) mark: Mark,
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: ScalarStyle,
}

impl Scalar {
    /// Whether there is nothing, or a word that stands for nothing.
    pub(super) fn is_null(&self) -> bool {
        self.style == ScalarStyle::Plain && matches!(self.text.as_str(), "" | "~" | "null")
    }
}

/// Parses a file that holds one document of plain YAML. Every problem found is reported; none if the tree is unusable.
pub(super) fn parse(source: &str, reader: &mut Reader<'_>) -> Option<Node> {
    let start = Mark { line: 1, column: 1 };
    if source.len() > MAX_FILE {
        reader.error(
            start,
            format!("the file is larger than {} KiB; split the journey", MAX_FILE / 1024),
        );
        return None;
    }
    let mut builder = Builder { reader, open: Vec::new(), root: None, documents: 0 };
    for event in Parser::new_from_str(source) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                builder
                    .reader
                    .error(mark_of(&error), format!("this is not YAML: {}", error.info()));
                return None;
            }
        };
        if taken.is_err() {
            return None;
        }
    }
    if builder.root.is_none() {
        builder.reader.error(
            start,
            "the file is empty; a journey starts with `journey: its-name`".to_owned(),
        );
    }
    builder.root
}

fn mark_of(error: &ScanError) -> Mark {
    Mark { line: error.marker().line().max(1), column: error.marker().col() + 1 }
}

/// The file cannot be read on; why has been reported.
struct Stop;

struct Builder<'r, 's> {
    reader: &'r mut Reader<'s>,
    /// Lists and mappings that are not complete yet, the innermost last.
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

struct Open {
    mark: Mark,
    kind: Kind,
    /// The key of a mapping that still lacks its value.
    key: Option<Key>,
}

impl Builder<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let mark = Mark { line: span.start.line().max(1), column: span.start.col() + 1 };
        match event {
            Event::DocumentStart(_) => self.document(mark),
            Event::Alias(_) => self.refuse(mark, "aliases are not supported; write the value out"),
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(mark, anchor, tag.is_some())?;
                if text.len() > MAX_SCALAR {
                    return self.refuse(
                        mark,
                        &format!("the text is longer than {} KiB", MAX_SCALAR / 1024),
                    );
                }
                self.scalar(mark, Scalar { text: text.into_owned(), style })
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain(mark, anchor, tag.is_some())?;
                self.begin(mark, Kind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.plain(mark, anchor, tag.is_some())?;
                self.begin(mark, Kind::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, mark: Mark) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents > 1 {
            return self.refuse(
                mark,
                "a file holds one journey; put the second document into a file of its own",
            );
        }
        Ok(())
    }

    fn plain(&mut self, mark: Mark, anchor: usize, tagged: bool) -> Result<(), Stop> {
        if anchor != 0 {
            return self
                .refuse(mark, "anchors are not supported; write the value out where it is needed");
        }
        if tagged { self.refuse(mark, "tags are not supported; remove the `!`") } else { Ok(()) }
    }

    fn refuse(&mut self, mark: Mark, message: &str) -> Result<(), Stop> {
        self.reader.error(mark, message.to_owned());
        Err(Stop)
    }

    fn begin(&mut self, mark: Mark, kind: Kind) -> Result<(), Stop> {
        if self.expects_key() {
            return self.refuse(mark, "a key must be a single word");
        }
        if self.open.len() == MAX_DEPTH {
            return self
                .refuse(mark, &format!("nested more than {MAX_DEPTH} deep; split the journey"));
        }
        self.open.push(Open { mark, kind, key: None });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.kind, Kind::Map(_)) && open.key.is_none())
    }

    fn scalar(&mut self, mark: Mark, scalar: Scalar) -> Result<(), Stop> {
        if !self.expects_key() {
            self.complete(Node { mark, kind: Kind::Scalar(scalar) });
            return Ok(());
        }
        if scalar.text == "<<" {
            return self.refuse(mark, "merge keys are not supported; write the values out");
        }
        if let Some(open) = self.open.last_mut() {
            open.key = Some(Key { mark, name: scalar.text });
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.complete(Node { mark: open.mark, kind: open.kind });
        }
    }

    fn complete(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => {
                let Some(key) = open.key.take() else { return };
                if let Some((first, _)) = entries.iter().find(|(known, _)| known.name == key.name) {
                    let message = format!(
                        "`{}` is given twice, first on line {}; keep one",
                        key.name, first.mark.line
                    );
                    self.reader.error(key.mark, message);
                } else {
                    entries.push((key, node));
                }
            }
            Kind::Scalar(_) => {}
        }
    }
}
