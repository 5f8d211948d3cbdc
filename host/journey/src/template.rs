//! Message templates: which locale and content fits, and rendering it.

use std::collections::BTreeMap;
use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use crate::connection::ContentKind;
use crate::effect::Content;
use words::{Role, Unbounded, words};

mod context;
mod date;
mod filters;
mod parameters;
mod words;

pub(crate) use context::{Facts, Needs};
pub(crate) use parameters::{Parameter, Parameters};

/// Most work that rendering one piece may take, in minijinja's units.
const FUEL: u64 = 100_000;

/// Deepest nesting while rendering, in units of minijinja, which counts a loop as one and a macro as about ten.
const MAX_CALLS: usize = 100;

/// Largest rendered piece in bytes.
const MAX_OUTPUT: usize = 1024 * 1024;

/// Statements that a text may use: none that gives a value a name, as texts could grow without bound then.
const STATEMENTS: [&str; 8] = ["if", "elif", "else", "endif", "for", "endfor", "raw", "endraw"];

/// Names of pieces that end so are HTML and escaped as such.
pub(crate) const HTML: &str = "/html";

/// All templates of a journey.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    pub(crate) by_name: BTreeMap<String, Template>,
}

/// One template: its locales in the order of the file.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) locales: Vec<Localized>,
}

/// A template in one locale.
#[derive(Debug)]
pub(crate) struct Localized {
    /// BCP 47 tag, or `default`.
    pub(crate) tag: String,
    pub(crate) contents: Vec<Body>,
}

/// One kind of content, to be rendered.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) source: Source,
    pub(crate) needs: Needs,
}

#[derive(Debug)]
pub(crate) enum Source {
    Text(Piece),
    Email { subject: Piece, html: Option<Piece>, text: Option<Piece> },
    Card { title: Piece, body: Piece, image: Option<Piece>, link: Option<Piece> },
    Template { id: String, parameters: Vec<(String, Piece)> },
    Post { title: Option<Piece>, body: Piece, media: Vec<Piece>, link: Option<Piece> },
}

impl Source {
    pub(crate) fn kind(&self) -> ContentKind {
        match self {
            Self::Text(_) => ContentKind::Text,
            Self::Email { .. } => ContentKind::Email,
            Self::Card { .. } => ContentKind::Card,
            Self::Template { .. } => ContentKind::Template,
            Self::Post { .. } => ContentKind::Post,
        }
    }
}

/// One text of a content.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Nothing in it is to be filled in.
    Fixed(String),
    /// A template by this name in the environment.
    Rendered(String),
}

/// Why a piece is no template.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// Line in the piece's text, from 1, where it is known.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

impl From<minijinja::Error> for Unreadable {
    fn from(error: minijinja::Error) -> Self {
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Self { line: error.line(), message }
    }
}

impl Templates {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_CALLS);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(HTML) { AutoEscape::Html } else { AutoEscape::None }
        });
        // It would print everything that is known of a customer.
        environment.remove_global("debug");
        filters::set_up(&mut environment);
        Self { environment, by_name: BTreeMap::new() }
    }

    /// Adds a piece and tells which variables it reads, such as `customer.name`.
    pub(crate) fn add_piece(
        &mut self,
        name: &str,
        text: &str,
    ) -> Result<(Piece, Vec<String>), Unreadable> {
        if !text.contains('{') {
            // As rendering would do it.
            let text = text.strip_suffix('\n').unwrap_or(text);
            return Ok((Piece::Fixed(text.to_owned()), Vec::new()));
        }
        let words = words(text).map_err(|Unbounded(message)| Unreadable { line: None, message })?;
        self.environment.add_template_owned(name.to_owned(), text.to_owned())?;
        if let Some(message) =
            words.into_iter().find_map(|(role, word)| self.unknown_word(role, word))
        {
            return Err(Unreadable { line: None, message });
        }
        let variables = self.environment.get_template(name)?.undeclared_variables(true);
        let mut variables: Vec<String> = variables.into_iter().collect();
        variables.sort_unstable();
        Ok((Piece::Rendered(name.to_owned()), variables))
    }

    /// What is wrong with a word that would be looked up only while rendering.
    fn unknown_word(&self, role: Role, word: &str) -> Option<String> {
        let probe =
            |text: &str| self.environment.render_str(text, ()).err().map(|error| error.kind());
        match role {
            Role::Statement if !STATEMENTS.contains(&word) => Some(format!(
                "`{word}` is not supported; a text may use if, elif, else and for, and values are computed by steps"
            )),
            Role::Operator => Some(format!(
                "`{word}` is not supported, as it repeats texts; compute the value in a `set` step"
            )),
            Role::Filter if word.starts_with("date(") => self.date_fault(word),
            Role::Filter
                if probe(&format!("{{{{ 0 | {word} }}}}")) == Some(ErrorKind::UnknownFilter) =>
            {
                Some(format!("unknown filter `{word}`"))
            }
            Role::Test
                if probe(&format!("{{{{ 0 is {word} }}}}")) == Some(ErrorKind::UnknownTest) =>
            {
                Some(format!("unknown test `{word}`"))
            }
            Role::Statement | Role::Filter | Role::Test => None,
        }
    }

    /// What is wrong with a date whose format and zone are written out.
    fn date_fault(&self, filter: &str) -> Option<String> {
        let error = self.environment.render_str(&format!("{{{{ 0 | {filter} }}}}"), ()).err()?;
        Some(Unreadable::from(error).message)
    }

    /// The text of a piece, as the file gives it.
    pub(crate) fn source(&self, name: &str) -> Option<String> {
        Some(self.environment.get_template(name).ok()?.source().to_owned())
    }

    /// The texts of a template's pieces that are filled in.
    pub(crate) fn texts(&self, template: &str) -> impl Iterator<Item = String> {
        let own = format!("{template}/");
        let pieces = self.environment.templates().filter(move |(name, _)| name.starts_with(&own));
        pieces.map(|(_, piece)| piece.source().to_owned())
    }

    /// Whether a template's texts name this variable.
    pub(crate) fn reads(&self, template: &str, variable: &str) -> bool {
        self.texts(template).any(|text| text.contains(variable))
    }

    /// Names that every template may use besides the journey's variables.
    pub(crate) fn globals(&self) -> impl Iterator<Item = &str> {
        self.environment.globals().map(|(name, _)| name)
    }

    /// Finds the content for a customer: the locale that fits best among those that have a kind the channel takes, and
    /// in it the kind that the channel prefers.
    pub(crate) fn choose(
        &self,
        template: &str,
        locale: Option<&str>,
        takes: &[ContentKind],
    ) -> Option<&Body> {
        let template = self.by_name.get(template)?;
        let mut candidates =
            locale.into_iter().flat_map(broader).filter_map(|tag| template.locale(tag));
        candidates
            .find_map(|localized| localized.body(takes))
            .or_else(|| template.locales.iter().find_map(|localized| localized.body(takes)))
    }

    /// Renders a content. An error says what is wrong, without the customer's data.
    pub(crate) fn render(
        &self,
        body: &Body,
        facts: Facts<'_>,
        unsubscribe_url: impl FnOnce() -> Option<String>,
    ) -> Result<Content, String> {
        let context = context::build(&body.needs, facts, unsubscribe_url);
        let render = |piece: &Piece| self.render_piece(piece, &context);
        let render_some = |piece: &Option<Piece>| piece.as_ref().map(render).transpose();
        Ok(match &body.source {
            Source::Text(text) => Content::Text { text: render(text)? },
            Source::Email { subject, html, text } => Content::Email {
                subject: on_one_line(&render(subject)?),
                html: render_some(html)?,
                text: render_some(text)?,
            },
            Source::Card { title, body, image, link } => Content::Card {
                title: on_one_line(&render(title)?),
                body: render(body)?,
                image: render_some(image)?.map(|url| on_one_line(&url)),
                link: render_some(link)?.map(|url| on_one_line(&url)),
            },
            Source::Template { id, parameters } => Content::Template {
                id: id.clone(),
                parameters: parameters
                    .iter()
                    .map(|(name, piece)| Ok((name.clone(), render(piece)?)))
                    .collect::<Result<_, String>>()?,
            },
            Source::Post { title, body, media, link } => Content::Post {
                title: render_some(title)?.map(|title| on_one_line(&title)),
                body: render(body)?,
                media: media
                    .iter()
                    .map(|piece| render(piece).map(|url| on_one_line(&url)))
                    .collect::<Result<_, String>>()?,
                link: render_some(link)?.map(|url| on_one_line(&url)),
            },
        })
    }

    fn render_piece(&self, piece: &Piece, context: &Value) -> Result<String, String> {
        let name = match piece {
            Piece::Fixed(text) => return Ok(text.clone()),
            Piece::Rendered(name) => name,
        };
        let mut output = Bounded(Vec::new());
        let template =
            self.environment.get_template(name).map_err(|error| describe(name, &error))?;
        template
            .render_captured_to(context, &mut output)
            .map_err(|error| describe(name, &error))?;
        String::from_utf8(output.0).map_err(|error| format!("template {name}: {error}"))
    }
}

impl Template {
    fn locale(&self, tag: &str) -> Option<&Localized> {
        self.locales.iter().find(|localized| localized.tag.eq_ignore_ascii_case(tag))
    }
}

impl Localized {
    fn body(&self, takes: &[ContentKind]) -> Option<&Body> {
        takes.iter().find_map(|kind| self.contents.iter().find(|body| body.source.kind() == *kind))
    }
}

/// A language tag and what is left of it when subtags are dropped from its end: `zh-Hant-TW`, `zh-Hant`, `zh`.
fn broader(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| tag.rsplit_once('-').map(|(broader, _)| broader))
}

/// Control characters would break a header or a title in two.
fn on_one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

fn describe(name: &str, error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" line {line}"));
    let detail = error.detail().map(str::to_owned);
    // What a filter or the bound on the output has to say comes as the source.
    let detail = std::error::Error::source(error).map(ToString::to_string).or(detail);
    let what = detail
        .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    format!("template {name}{line}: {}", crate::expression::shorten(&what))
}

/// Takes so many bytes and then fails.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("the rendered text is larger than 1 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
