//! Reading mappings and lists.

use super::node::{Key, Kind, Mark, Node};
use super::reader::Reader;
use crate::nearest::{did_you_mean, one_of};

/// A mapping whose keys are all known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    pub(super) mark: Mark,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }
}

impl Reader<'_> {
    /// The entries of a mapping, whatever their keys.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Scalar(_) | Kind::List(_) => {
                self.error(
                    node.mark,
                    format!("{what} must be a mapping, not {}", node.kind.name()),
                );
                None
            }
        }
    }

    /// A mapping that may have these keys and no other.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let entries = self.entries(node, what)?;
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            self.unknown_key(key, known);
        }
        Some(Fields { mark: node.mark, entries })
    }

    pub(super) fn unknown_key(&mut self, key: &Key, known: &[&str]) {
        let guess = did_you_mean(&key.name, known.iter().copied())
            .map_or_else(String::new, |guess| format!("{guess} "));
        let message = format!("unknown key `{}`; {guess}{}", key.name, one_of(known));
        self.error(key.mark, message);
    }

    /// The value of a key that must be there, with the path set to it while it is read.
    pub(super) fn required<'n, R>(
        &mut self,
        fields: &Fields<'n>,
        name: &str,
        read: impl FnOnce(&mut Self, &'n Node) -> Option<R>,
    ) -> Option<R> {
        match fields.get(name) {
            Some(node) => self.within(name, |reader| {
                reader.mark(node.mark);
                read(reader, node)
            }),
            None => {
                self.error(fields.mark, format!("`{name}` is missing"));
                None
            }
        }
    }

    /// The value of a key that may be there.
    pub(super) fn optional<'n, R>(
        &mut self,
        fields: &Fields<'n>,
        name: &str,
        read: impl FnOnce(&mut Self, &'n Node) -> Option<R>,
    ) -> Option<R> {
        let node = fields.get(name)?;
        self.within(name, |reader| {
            reader.mark(node.mark);
            read(reader, node)
        })
    }

    /// A list of one to `most` items.
    pub(super) fn items<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        most: usize,
    ) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List(items) if (1..=most).contains(&items.len()) => Some(items),
            Kind::List(_) => {
                self.error(node.mark, format!("{what} must be 1 to {most} items"));
                None
            }
            Kind::Scalar(_) | Kind::Map(_) => {
                self.error(node.mark, format!("{what} must be a list, not {}", node.kind.name()));
                None
            }
        }
    }

    /// A list, which may be left out where it would hold a single item.
    pub(super) fn one_or_list<'n, R>(
        &mut self,
        node: &'n Node,
        mut read: impl FnMut(&mut Self, &'n Node) -> Option<R>,
    ) -> Vec<R> {
        match &node.kind {
            Kind::List(items) => self.each(items, read).into_iter().flatten().collect(),
            Kind::Scalar(_) | Kind::Map(_) => read(self, node).into_iter().collect(),
        }
    }
}
