//! Reading steps that run an action.

use saphyr_parser::ScalarStyle;
use serde_json::{Number, Value};

use super::effects::{connection, step_name};
use super::fields::Fields;
use super::node::{Key, Kind, Mark, Node, Scalar};
use super::reader::Reader;
use super::schema;
use super::steps::Compiler;
use super::templates::{Of, Pieces};
use crate::expression::ResultKind;
use crate::program::{Action, Op};
use crate::template::{Needs, Parameter, Parameters};

/// Longest name of a parameter in characters.
const MAX_NAME: usize = 64;

/// Largest `otherwise` in bytes of JSON.
const MAX_OTHERWISE: usize = 16 * 1024;

impl Compiler<'_> {
    pub(super) fn run(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        let connection = reader.required(fields, "use", |reader, node| {
            connection(reader, node, "action", |facts| facts.action)
        });
        let parameters = match fields.get("with") {
            None => Some(Parameters::default()),
            Some(node) => reader.within("with", |reader| self.parameters(reader, node)),
        };
        if let (Some(connection), Some(parameters)) = (&connection, &parameters) {
            check_parameters(reader, fields, connection, parameters);
        }
        let otherwise = reader.optional(fields, "otherwise", otherwise).unwrap_or(Value::Null);
        // Named last: a step does not know its own result.
        let name = step_name(reader, fields, "run", ResultKind::Run);
        let (Some(name), Some(connection), Some(parameters)) = (name, connection, parameters)
        else {
            return;
        };
        self.steps.connections.insert(connection.clone());
        self.push(reader, Op::Run(Action { name, connection, parameters, otherwise }));
    }

    /// Texts that are filled in for each customer.
    pub(super) fn texts(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &Fields<'_>,
        keys: &[&str],
    ) -> Option<Parameters> {
        let mut needs = Needs::default();
        let mut pieces =
            Pieces { all: self.templates, needs: &mut needs, name: "", of: Of::Parameters };
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(node) = fields.get(key) else { continue };
            let Kind::Scalar(scalar) = &node.kind else { continue };
            let text = reader.within(key, |reader| text(&mut pieces, reader, node, scalar));
            texts.push(((*key).to_owned(), text?));
        }
        Some(Parameters { fields: texts, needs })
    }

    fn parameters(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Parameters> {
        let entries = reader.entries(node, "the parameters")?;
        let mut needs = Needs::default();
        let mut pieces =
            Pieces { all: self.templates, needs: &mut needs, name: "", of: Of::Parameters };
        let fields = parameter_fields(&mut pieces, reader, entries)?;
        Some(Parameters { fields, needs })
    }
}

/// Holds the parameters against what the connection says that it takes.
fn check_parameters(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    connection: &str,
    parameters: &Parameters,
) {
    let facts = reader.connections.and_then(|connections| connections.get(connection));
    let Some(Value::Object(schema)) = facts.and_then(|facts| facts.parameters.as_ref()) else {
        return;
    };
    match fields.get("with") {
        None => schema::check(reader, fields.mark, &[], &parameters.fields, schema),
        Some(node) => reader.within("with", |reader| {
            if let Kind::Map(entries) = &node.kind {
                schema::check(reader, node.mark, entries, &parameters.fields, schema);
            }
        }),
    }
}

fn parameter_fields(
    pieces: &mut Pieces<'_>,
    reader: &mut Reader<'_>,
    entries: &[(Key, Node)],
) -> Option<Vec<(String, Parameter)>> {
    let read: Vec<Option<(String, Parameter)>> = entries
        .iter()
        .map(|(key, node)| {
            let name = parameter_name(reader, key);
            let value = reader.within(&key.name, |reader| parameter(pieces, reader, node));
            Some((name?, value?))
        })
        .collect();
    read.into_iter().collect()
}

fn parameter_name(reader: &mut Reader<'_>, key: &Key) -> Option<String> {
    let name = &key.name;
    let sound = (1..=MAX_NAME).contains(&name.chars().count()) && !name.contains(char::is_control);
    if !sound {
        let message = format!("a parameter's name has 1 to {MAX_NAME} characters on one line");
        reader.error(key.mark, message);
    }
    sound.then(|| name.clone())
}

fn parameter(pieces: &mut Pieces<'_>, reader: &mut Reader<'_>, node: &Node) -> Option<Parameter> {
    Some(match &node.kind {
        Kind::Scalar(scalar) => match plain(scalar) {
            Some(value) => Parameter::Fixed(value),
            None => text(pieces, reader, node, scalar)?,
        },
        Kind::List(items) => {
            let items = reader.each(items, |reader, node| parameter(pieces, reader, node));
            Parameter::List(items.into_iter().collect::<Option<_>>()?)
        }
        Kind::Map(entries) => Parameter::Object(parameter_fields(pieces, reader, entries)?),
    })
}

fn text(
    pieces: &mut Pieces<'_>,
    reader: &mut Reader<'_>,
    node: &Node,
    scalar: &Scalar,
) -> Option<Parameter> {
    // The place tells apart what a dot in a name would not, and no parameter is taken for HTML.
    let Mark { line, column } = node.mark;
    let name = format!("{} at {line}:{column}", reader.path());
    pieces.scalar(reader, node.mark, scalar, &name).map(Parameter::Text)
}

/// A fixed value. What looks like a template is none here, and was hardly meant as it stands.
fn otherwise(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let value = fixed(reader, node);
    if value.to_string().len() > MAX_OTHERWISE {
        reader.error(
            node.mark,
            format!("the value is larger than {} KiB as JSON", MAX_OTHERWISE / 1024),
        );
        return None;
    }
    Some(value)
}

/// A value without templates.
pub(super) fn fixed(reader: &mut Reader<'_>, node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) => plain(scalar).unwrap_or_else(|| {
            if scalar.text.contains("{{") || scalar.text.contains("{%") {
                let message = "this is a fixed value; templates are filled in elsewhere only";
                reader.error(node.mark, message.to_owned());
            }
            Value::from(scalar.text.as_str())
        }),
        Kind::List(items) => Value::Array(reader.each(items, fixed)),
        Kind::Map(entries) => {
            let fields = entries.iter().map(|(key, node)| {
                (key.name.clone(), reader.within(&key.name, |reader| fixed(reader, node)))
            });
            Value::Object(fields.collect())
        }
    }
}

/// The value of a scalar that is no text: as in JSON, with YAML's words for nothing.
fn plain(scalar: &Scalar) -> Option<Value> {
    if scalar.style != ScalarStyle::Plain {
        return None;
    }
    match scalar.text.as_str() {
        _ if scalar.is_null() => Some(Value::Null),
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        text => serde_json::from_str::<Number>(text).ok().map(Value::Number),
    }
}
