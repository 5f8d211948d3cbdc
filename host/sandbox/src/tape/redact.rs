//! What of a call tells of customers, and what stands for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Exchange,
    pseudonym::{Pseudonyms, is_phone},
    replacer::{Needle, Replacer},
};

/// Digits of a phone number's end that are looked for by themselves, as a number without its country is.
const PHONE_DIGITS: usize = 7;
/// Letters of a name's part that is looked for by itself.
const NAME_LETTERS: usize = 3;

/// Values that tell of customers: where they stand in the contract's records, and addresses in what comes from outside.
///
/// # What it does not find
/// Anything else that a message's text or a shop's event says about a customer, and values that a plugin has changed before
/// it hands them over: hashed, compressed, encrypted, spelled differently, or in an encoding that the replacer does not know.
#[derive(Default)]
pub(super) struct Found {
    values: BTreeMap<String, Shape>,
    /// Texts of the operator's own, which are no customer's.
    own: String,
}

#[derive(Clone, Copy)]
enum Shape {
    Value,
    Name,
    Link,
}

impl Found {
    /// Looks through a call.
    pub(super) fn of(input: &Value, exchanges: &[Exchange], output: &Value) -> Self {
        let mut found = Self::default();
        for exchange in exchanges {
            if let ("config.get", Value::String(config)) =
                (exchange.function.as_str(), &exchange.answer)
            {
                found.own.clone_from(config);
            }
        }
        found.records(input);
        found.records(output);
        found.addresses(input);
        for exchange in exchanges {
            match exchange.function.as_str() {
                "codes.take" => found.code(&exchange.answer),
                "audience.read" => found.records(&exchange.answer),
                "http.send" | "mail.submit" => found.addresses(&exchange.answer),
                _ => {}
            }
        }
        found
    }

    /// Adds a needle for each value.
    pub(super) fn add_to(&self, replacer: &mut Replacer, pseudonyms: &Pseudonyms<'_>) {
        for (value, shape) in &self.values {
            let put = match shape {
                Shape::Link => pseudonyms.of_link(value),
                Shape::Value | Shape::Name => pseudonyms.of(value),
            };
            for (part, put) in parts(value, &put, *shape) {
                replacer.add(Needle::value(part, put));
            }
            replacer.add(Needle::value(value, &put));
        }
    }

    fn add(&mut self, value: &str, shape: Shape) {
        // Words of JSON and single letters stand everywhere and tell nothing.
        if value.len() > 1 && !["true", "false", "null"].contains(&value) {
            self.values.insert(value.to_owned(), shape);
        }
    }

    fn text(&mut self, value: Option<&Value>, shape: Shape) {
        if let Some(Value::String(text)) = value {
            self.add(text, shape);
        }
    }

    /// Values in the places where the contract's records have them.
    fn records(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.records(item)),
            Value::Object(record) => {
                self.record(record);
                record.values().for_each(|item| self.records(item));
            }
            _ => {}
        }
    }

    fn record(&mut self, record: &Map<String, Value>) {
        self.text(record.get("customer"), Shape::Value);
        if record.contains_key("address") && record.contains_key("customer") {
            self.text(record.get("address"), Shape::Value);
            self.text(record.get("name"), Shape::Name);
        }
        if record.contains_key("campaign") || record.contains_key("valid_until") {
            self.text(record.get("code"), Shape::Value);
        }
        for (name, value) in pairs(record.get("fields")) {
            match serde_json::from_str::<Value>(value) {
                Ok(json @ (Value::Object(_) | Value::Array(_))) => self.leaves(&json),
                _ if name == "name" => self.add(value, Shape::Name),
                _ => self.add(value, Shape::Value),
            }
        }
        for (name, value) in pairs(record.get("extras")) {
            match name {
                "address" => self.add(value, Shape::Value),
                "unsubscribe-url" => self.add(value, Shape::Link),
                _ => {}
            }
        }
        if let Some(subject) = record.get("subject").and_then(Value::as_object) {
            self.text(subject.get("Customer"), Shape::Value);
            self.text(
                subject.get("Identity").and_then(|identity| identity.get("value")),
                Shape::Value,
            );
        }
    }

    fn leaves(&mut self, json: &Value) {
        match json {
            Value::String(text) => self.add(text, Shape::Value),
            Value::Array(items) => items.iter().for_each(|item| self.leaves(item)),
            Value::Object(object) => object.values().for_each(|item| self.leaves(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn code(&mut self, answer: &Value) {
        self.text(answer.get("Ok"), Shape::Value);
    }

    /// Addresses of email and phone numbers with their country in any text, but for the operator's own.
    fn addresses(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                let mut seen = BTreeSet::new();
                let apart = |letter: char| {
                    letter.is_whitespace() || "<>()[]{}\"',;:=&?/\\|%".contains(letter)
                };
                for word in text.split(apart) {
                    let word = word.trim_matches(|letter: char| ".!".contains(letter));
                    if is_address(word) && !self.own.contains(word) && seen.insert(word) {
                        self.add(word, Shape::Value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.addresses(item)),
            Value::Object(object) => {
                // The sender of a message is the operator.
                let customers = object.iter().filter(|(name, _)| *name != "sender");
                customers.for_each(|(_, item)| self.addresses(item));
            }
            _ => {}
        }
    }
}

fn pairs(value: Option<&Value>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = value.and_then(Value::as_array).into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?)))
}

fn is_address(word: &str) -> bool {
    if let Some((local, domain)) = word.split_once('@') {
        let label = |label: &str| {
            !label.is_empty()
                && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
        };
        return !local.is_empty() && domain.contains('.') && domain.split('.').all(label);
    }
    let digits = word.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Parts of a value that a plugin may use by themselves, each with its part of the pseudonym: a phone number without its
/// country, the words of a name.
fn parts<'a>(value: &'a str, put: &'a str, shape: Shape) -> Vec<(&'a str, &'a str)> {
    if value.len() != put.len() {
        return Vec::new();
    }
    if is_phone(value) && value.bytes().skip(1).all(|byte| byte.is_ascii_digit()) {
        let ends = (1..=value.len().saturating_sub(PHONE_DIGITS)).take(4);
        return ends.map(|at| (&value[at..], &put[at..])).collect();
    }
    match shape {
        Shape::Name => value
            .split(' ')
            .zip(put.split(' '))
            .filter(|(word, _)| word.chars().count() >= NAME_LETTERS)
            .collect(),
        Shape::Value | Shape::Link => Vec::new(),
    }
}
