//! Reading templates.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::ScalarStyle;

use super::fields::Fields;
use super::node::{Key, Kind, Mark, Node, Scalar};
use super::reader::Reader;
use super::scalars::NameRule;
use crate::nearest::{did_you_mean, one_of};
use crate::template::{
    Body, HTML, Localized, Needs, Piece, Source, Template, Templates, Unreadable,
};

const TEMPLATE: NameRule = NameRule {
    what: "the template's name",
    noun: "template name",
    hint: "lower case letters and digits in groups joined by `-`",
    limit: 64,
    accept: super::scalars::is_kebab,
};

/// Variables that templates may read.
const VARIABLES: [&str; 7] =
    ["customer", "entry", "coupons", "steps", "now", "coupon", "unsubscribe_url"];

/// How many of them are at hand in parameters, too: the first ones.
const IN_PARAMETERS: usize = 5;

/// What a locale may consist of.
const CONTENTS: [&str; 5] = ["email", "text", "card", "template", "post"];

/// Most pictures and videos of a post.
const MAX_MEDIA: usize = 20;

/// Most parameters of a registered template.
const MAX_PARAMETERS: usize = 50;

/// A variable that a template reads, checked once all steps are known.
pub(super) struct StepUse {
    mark: Mark,
    path: String,
    variable: String,
}

/// All templates, as read so far.
pub(super) struct TemplateReader {
    pub(super) templates: Templates,
    uses: Vec<StepUse>,
    /// Where each template's name stands.
    marks: Vec<(String, Mark)>,
}

pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> TemplateReader {
    let mut into =
        TemplateReader { templates: Templates::new(), uses: Vec::new(), marks: Vec::new() };
    let Some(node) = node else { return into };
    reader.within("templates", |reader| {
        let Some(entries) = reader.entries(node, "the templates") else { return };
        for (key, node) in entries {
            reader.check_key(key, &TEMPLATE);
            let locales = reader.within(&key.name, |reader| into.locales(reader, &key.name, node));
            // A template with errors is known all the same, so that the steps that name it are not blamed.
            into.marks.push((key.name.clone(), key.mark));
            into.templates.by_name.insert(key.name.clone(), Template { locales });
        }
    });
    into
}

impl TemplateReader {
    fn locales(&mut self, reader: &mut Reader<'_>, template: &str, node: &Node) -> Vec<Localized> {
        let Some(entries) = reader.entries(node, "the template") else { return Vec::new() };
        if entries.is_empty() {
            reader.error(
                node.mark,
                "the template needs at least one locale, such as `default`".to_owned(),
            );
        }
        let mut locales: Vec<Localized> = Vec::new();
        for (key, node) in entries {
            if !is_locale(&key.name) {
                let message = format!(
                    "`{}` is no locale; write `default` or a BCP 47 tag such as zh-CN",
                    key.name
                );
                reader.error(key.mark, message);
            } else if locales.iter().any(|known| known.tag.eq_ignore_ascii_case(&key.name)) {
                reader
                    .error(key.mark, format!("the locale `{}` is given twice; keep one", key.name));
            }
            let name = format!("{template}/{}", key.name);
            let contents = reader.within(&key.name, |reader| self.contents(reader, &name, node));
            locales.push(Localized { tag: key.name.clone(), contents });
        }
        locales
    }

    fn contents(&mut self, reader: &mut Reader<'_>, name: &str, node: &Node) -> Vec<Body> {
        let Some(fields) = reader.fields(node, "the locale's content", &CONTENTS) else {
            return Vec::new();
        };
        let kinds: [(&str, ReadSource); 5] = [
            ("email", |pieces, reader, node| pieces.email(reader, node)),
            ("text", |pieces, reader, node| pieces.text(reader, node)),
            ("card", |pieces, reader, node| pieces.card(reader, node)),
            ("template", |pieces, reader, node| pieces.registered(reader, node)),
            ("post", |pieces, reader, node| pieces.post(reader, node)),
        ];
        let contents = kinds.into_iter().filter_map(|(kind, read)| {
            reader.optional(&fields, kind, |reader, node| {
                let mut needs = Needs::default();
                let of = Of::Message;
                let source =
                    read(&mut Pieces { all: self, needs: &mut needs, name, of }, reader, node)?;
                Some(Body { source, needs })
            })
        });
        let contents = contents.collect();
        if CONTENTS.iter().all(|kind| fields.get(kind).is_none()) {
            reader.error(node.mark, format!("the locale has no content; {}", one_of(&CONTENTS)));
        }
        contents
    }

    /// Warns of templates that no step sends.
    pub(super) fn check_unused(&self, reader: &mut Reader<'_>, used: &BTreeSet<String>) {
        for (name, mark) in self.marks.iter().filter(|(name, _)| !used.contains(name)) {
            reader.at(&format!("templates.{name}"), |reader| {
                reader.warning(*mark, format!("no step sends the template `{name}`"));
            });
        }
    }

    /// Checks the results that templates read, once it is known which steps leave one.
    pub(super) fn check_uses(&self, reader: &mut Reader<'_>) {
        for StepUse { mark, path, variable } in &self.uses {
            let mut parts = variable.split('.').skip(1);
            let Some(step) = parts.next() else { continue };
            if let Some(message) = wrong_use(reader, "step", step, parts.next()) {
                reader.at(path, |reader| reader.error(*mark, message));
            }
        }
    }
}

/// What is wrong with reading a step's result. `step_named` says which steps count: `step` or `step before`.
fn wrong_use(
    reader: &Reader<'_>,
    step_named: &str,
    step: &str,
    field: Option<&str>,
) -> Option<String> {
    let kind = reader.results.iter().find(|(name, _)| name == step).map(|(_, kind)| *kind);
    let Some(kind) = kind else {
        let known = reader.results.iter().map(|(name, _)| name.as_str());
        let hint = did_you_mean(step, known)
            .unwrap_or_else(|| format!("a step gets its name by `as: {step}`"));
        return Some(format!("no {step_named} is named `{step}`; {hint}"));
    };
    let known = kind.fields()?;
    let field = field.filter(|field| !known.contains(field))?;
    let hint = did_you_mean(field, known.iter().copied()).unwrap_or_else(|| one_of(known));
    Some(format!("the result of `{step}` has no `{field}`; {hint}"))
}

type ReadSource = fn(&mut Pieces<'_>, &mut Reader<'_>, &Node) -> Option<Source>;

/// Reads the pieces of one content.
pub(super) struct Pieces<'a> {
    pub(super) all: &'a mut TemplateReader,
    pub(super) needs: &'a mut Needs,
    /// Of the template and locale; empty for parameters.
    pub(super) name: &'a str,
    pub(super) of: Of,
}

/// What pieces are parts of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A message, which is sent by steps that may be anywhere.
    Message,
    /// The parameters of a step, which know the steps before.
    Parameters,
}

impl Pieces<'_> {
    fn email(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Source> {
        let fields = reader.fields(node, "the email", &["subject", "html", "text"])?;
        let subject = reader.required(&fields, "subject", |reader, node| {
            self.piece(reader, node, "/email/subject")
        });
        let html = self.optional(reader, &fields, "html", &format!("/email{HTML}"));
        let text = self.optional(reader, &fields, "text", "/email/text");
        if fields.get("html").is_none() && fields.get("text").is_none() {
            reader.error(node.mark, "the email needs `html` or `text`".to_owned());
            return None;
        }
        Some(Source::Email { subject: subject?, html, text })
    }

    fn text(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Source> {
        self.piece(reader, node, "/text").map(Source::Text)
    }

    fn card(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Source> {
        let fields = reader.fields(node, "the card", &["title", "body", "image", "link"])?;
        let title = reader
            .required(&fields, "title", |reader, node| self.piece(reader, node, "/card/title"));
        let body =
            reader.required(&fields, "body", |reader, node| self.piece(reader, node, "/card/body"));
        let image = self.optional(reader, &fields, "image", "/card/image");
        let link = self.optional(reader, &fields, "link", "/card/link");
        Some(Source::Card { title: title?, body: body?, image, link })
    }

    fn registered(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Source> {
        let fields = reader.fields(node, "the template", &["id", "parameters"])?;
        let id = reader.required(&fields, "id", |reader, node| {
            reader.line(node, "the provider's identifier", 200)
        });
        let parameters = reader.optional(&fields, "parameters", |reader, node| {
            let entries = reader.entries(node, "the parameters")?;
            if entries.len() > MAX_PARAMETERS {
                reader.error(node.mark, format!("there are more than {MAX_PARAMETERS} parameters"));
            }
            let parameters = entries.iter().map(|(key, node)| {
                let suffix = format!("/template/{}", key.name);
                let piece = reader.within(&key.name, |reader| self.piece(reader, node, &suffix))?;
                Some((key.name.clone(), piece))
            });
            parameters.collect::<Option<Vec<_>>>()
        });
        let complete = fields.get("parameters").is_none() || parameters.is_some();
        let parameters = parameters.unwrap_or_default();
        complete.then_some(Source::Template { id: id?, parameters })
    }

    fn post(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Source> {
        let fields = reader.fields(node, "the post", &["title", "body", "media", "link"])?;
        let title = self.optional(reader, &fields, "title", "/post/title");
        let body =
            reader.required(&fields, "body", |reader, node| self.piece(reader, node, "/post/body"));
        let media = reader.optional(&fields, "media", |reader, node| {
            let items = reader.items(node, "pictures and videos", MAX_MEDIA)?;
            let mut place = 0;
            let media = reader.each(items, |reader, node| {
                place += 1;
                self.piece(reader, node, &format!("/post/media/{place}"))
            });
            media.into_iter().collect::<Option<Vec<_>>>()
        });
        let link = self.optional(reader, &fields, "link", "/post/link");
        Some(Source::Post { title, body: body?, media: media.unwrap_or_default(), link })
    }

    fn optional(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &Fields<'_>,
        key: &str,
        suffix: &str,
    ) -> Option<Piece> {
        reader.optional(fields, key, |reader, node| self.piece(reader, node, suffix))
    }

    fn piece(&mut self, reader: &mut Reader<'_>, node: &Node, suffix: &str) -> Option<Piece> {
        reader.text(node, "the text")?;
        let Kind::Scalar(scalar) = &node.kind else { return None };
        self.scalar(reader, node.mark, scalar, suffix)
    }

    pub(super) fn scalar(
        &mut self,
        reader: &mut Reader<'_>,
        mark: Mark,
        scalar: &Scalar,
        suffix: &str,
    ) -> Option<Piece> {
        let name = format!("{}{suffix}", self.name);
        match self.all.templates.add_piece(&name, &scalar.text) {
            Ok((piece, variables)) => {
                for variable in variables {
                    self.variable(reader, mark, &variable);
                }
                Some(piece)
            }
            Err(Unreadable { line, message }) => {
                let mark = line.map_or(mark, |line| line_within(reader, mark, scalar, line));
                reader.error(mark, format!("the template cannot be read: {message}"));
                None
            }
        }
    }

    fn variable(&mut self, reader: &mut Reader<'_>, mark: Mark, variable: &str) {
        let mut parts = variable.split('.');
        let root = parts.next().unwrap_or_default();
        let field = parts.next();
        match root {
            "customer" => self.needs.customer.note(field),
            "entry" => self.needs.entry.note(field),
            "steps" => {
                self.needs.steps.note(field);
                self.step_result(reader, mark, variable);
            }
            "coupons" => {
                self.needs.coupons = true;
                reader.reads_coupons = true;
            }
            "now" => self.needs.now = true,
            "coupon" | "unsubscribe_url" if self.of == Of::Parameters => {
                let message = format!("`{root}` is at hand in messages only");
                reader.error(mark, message);
            }
            "coupon" => self.needs.coupon = true,
            "unsubscribe_url" => self.needs.unsubscribe_url = true,
            _ if self.all.templates.globals().any(|global| global == root) => {}
            _ => {
                let known = match self.of {
                    Of::Message => &VARIABLES[..],
                    Of::Parameters => &VARIABLES[..IN_PARAMETERS],
                };
                let hint =
                    did_you_mean(root, known.iter().copied()).unwrap_or_else(|| one_of(known));
                reader.error(
                    mark,
                    format!("the template reads an unknown variable `{root}`; {hint}"),
                );
            }
        }
    }

    /// Steps name templates before all steps are known, but parameters stand in a step, and know those before it.
    fn step_result(&mut self, reader: &mut Reader<'_>, mark: Mark, variable: &str) {
        if self.of == Of::Message {
            let path = reader.path().to_owned();
            return self.all.uses.push(StepUse { mark, path, variable: variable.to_owned() });
        }
        let mut parts = variable.split('.').skip(1);
        let Some(step) = parts.next() else { return };
        if let Some(message) = wrong_use(reader, "step before", step, parts.next()) {
            reader.error(mark, message);
        }
    }
}

/// The place of a line of a scalar's text: exact in a literal block, else the scalar's.
fn line_within(reader: &Reader<'_>, mark: Mark, scalar: &Scalar, line: usize) -> Mark {
    if scalar.style != ScalarStyle::Literal {
        return mark;
    }
    let line = mark.line + line.max(1) - 1;
    let in_file = reader.source.lines().nth(line - 1).unwrap_or_default();
    let column = in_file.chars().take_while(|c| c.is_whitespace()).count() + 1;
    Mark { line, column }
}

/// `default`, or a tag of letters and digits in groups of at most eight, the first of letters only.
fn is_locale(tag: &str) -> bool {
    let mut groups = tag.split('-');
    let language = groups.next().unwrap_or_default();
    let is_language =
        (2..=8).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphabetic());
    is_language
        && tag.len() <= 35
        && groups.all(|group| {
            (1..=8).contains(&group.len()) && group.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

/// Names of templates, for guesses.
pub(super) fn names(templates: &BTreeMap<String, Template>) -> Vec<&str> {
    templates.keys().map(String::as_str).collect()
}

impl Reader<'_> {
    fn check_key(&mut self, key: &Key, rule: &NameRule) {
        if key.name.chars().count() > rule.limit || !(rule.accept)(&key.name) {
            self.error(key.mark, format!("`{}` is no {}: {}", key.name, rule.noun, rule.hint));
        }
    }
}
