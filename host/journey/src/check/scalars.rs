//! Reading single values: words, durations, money.

use super::node::{Kind, Node};
use super::reader::Reader;
use crate::calendar::Span;
use crate::effect::{Benefit, Money};
use crate::nearest::{did_you_mean, one_of};

const SECOND: i64 = 1000;
const DAY: i64 = 24 * 60 * 60 * SECOND;

/// Longest duration: ten years of 365 days.
pub(super) const MAX_DURATION: i64 = 3650 * DAY;

/// Units of durations in milliseconds, the longest first.
const UNITS: [(char, i64); 5] =
    [('w', 7 * DAY), ('d', DAY), ('h', 60 * 60 * SECOND), ('m', 60 * SECOND), ('s', SECOND)];

/// Currencies and the number of digits of their minor unit (ISO 4217).
const CURRENCIES: [(&str, u32); 40] = [
    ("AED", 2),
    ("AUD", 2),
    ("BHD", 3),
    ("BRL", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("CLP", 0),
    ("CNY", 2),
    ("CZK", 2),
    ("DKK", 2),
    ("EGP", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("HKD", 2),
    ("HUF", 2),
    ("IDR", 2),
    ("ILS", 2),
    ("INR", 2),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("MOP", 2),
    ("MXN", 2),
    ("MYR", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("OMR", 3),
    ("PHP", 2),
    ("PLN", 2),
    ("SAR", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("THB", 2),
    ("TND", 3),
    ("TRY", 2),
    ("TWD", 2),
    ("USD", 2),
    ("VND", 0),
];

impl Reader<'_> {
    /// A single value that is not empty.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.is_null() || scalar.text.is_empty() => {
                self.error(node.mark, format!("{what} is missing"));
                None
            }
            Kind::Scalar(scalar) => Some(&scalar.text),
            Kind::List(_) | Kind::Map(_) => {
                self.error(
                    node.mark,
                    format!("{what} must be a single value, not {}", node.kind.name()),
                );
                None
            }
        }
    }

    /// A text of a bounded number of characters on one line.
    pub(super) fn line(&mut self, node: &Node, what: &str, limit: usize) -> Option<String> {
        let text = self.text(node, what)?;
        if text.chars().count() > limit {
            self.error(node.mark, format!("{what} is longer than {limit} characters"));
            return None;
        }
        if text.contains(char::is_control) {
            self.error(node.mark, format!("{what} must be on one line"));
            return None;
        }
        Some(text.to_owned())
    }

    /// A name of at most `limit` characters that satisfies a rule.
    pub(super) fn name(&mut self, node: &Node, rule: &NameRule) -> Option<String> {
        let text = self.line(node, rule.what, rule.limit)?;
        if rule.accepts(&text) {
            return Some(text);
        }
        self.error(node.mark, format!("`{text}` is no {}: {}", rule.noun, rule.hint));
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let guess = did_you_mean(text, words.iter().copied()).unwrap_or_else(|| one_of(&words));
        self.error(node.mark, format!("`{text}` is no {what}; {guess}"));
        None
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        let text = self.text(node, what)?;
        let number = text.parse::<u32>().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let message = format!(
                "`{text}` is out of bounds; {what} is a whole number from {least} to {most}"
            );
            self.error(node.mark, message);
        }
        number
    }

    /// A duration such as `90s`, `12h` or `1d12h`, in milliseconds.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<i64> {
        let text = self.text(node, what)?;
        match duration(text) {
            Ok(duration) => Some(duration),
            Err(message) => {
                self.error(node.mark, message);
                None
            }
        }
    }

    /// An amount of money such as `5 CNY` or `5.50 CNY`.
    pub(super) fn money(&mut self, node: &Node, what: &str) -> Option<Money> {
        let text = self.text(node, what)?;
        match parse_money(text) {
            Ok(money) => Some(money),
            Err(message) => {
                self.error(node.mark, message);
                None
            }
        }
    }

    /// What a coupon gives: `5 CNY`, `20%`, `free_shipping` or `{ gift: sample }`.
    pub(super) fn benefit(&mut self, node: &Node) -> Option<Benefit> {
        if matches!(node.kind, Kind::Map(_)) {
            let fields = self.fields(node, "the benefit", &["gift"])?;
            let gift =
                self.required(&fields, "gift", |reader, node| reader.line(node, "the gift", 128))?;
            return Some(Benefit::Gift(gift));
        }
        let text = self.text(node, "what the coupon gives")?;
        if text == "free_shipping" {
            return Some(Benefit::FreeShipping);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let per_mille = parse_per_mille(percent.trim_end())
                .filter(|per_mille| (1..=1000).contains(per_mille));
            if per_mille.is_none() {
                let message =
                    format!("`{text}` is no share; write 0.1% to 100%, with one decimal at most");
                self.error(node.mark, message);
            }
            return per_mille.map(Benefit::PerMilleOff);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            let message = format!(
                "`{text}` is nothing that a coupon can give; write such as 5 CNY, 20%, free_shipping or {{ gift: sample }}"
            );
            self.error(node.mark, message);
            return None;
        }
        self.money(node, "what the coupon gives").map(Benefit::AmountOff)
    }
}

/// What a name must look like.
pub(super) struct NameRule {
    pub(super) what: &'static str,
    pub(super) noun: &'static str,
    pub(super) hint: &'static str,
    pub(super) limit: usize,
    pub(super) accept: fn(&str) -> bool,
}

impl NameRule {
    fn accepts(&self, text: &str) -> bool {
        (self.accept)(text)
    }
}

pub(super) const JOURNEY: NameRule = NameRule {
    what: "the journey's name",
    noun: "journey name",
    hint: "lower case letters and digits in groups joined by `-`, such as `cart-unpaid-reminder`",
    limit: 64,
    accept: is_kebab,
};

pub(super) const SEGMENT: NameRule = NameRule {
    what: "the segment's name",
    noun: "segment name",
    hint: "lower case letters and digits in groups joined by `-`, such as `big-spenders`",
    limit: 64,
    accept: is_kebab,
};

pub(super) const CONNECTION: NameRule = NameRule {
    what: "the connection's name",
    noun: "connection name",
    hint: "lower case letters and digits in groups joined by `-`",
    limit: 64,
    accept: is_kebab,
};

pub(super) const EVENT: NameRule = NameRule {
    what: "the event's name",
    noun: "event name",
    hint: "letters, digits and `_ - . :`, such as `order.paid`",
    limit: 128,
    accept: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c)),
};

pub(super) const STEP: NameRule = NameRule {
    what: "the step's name",
    noun: "step name",
    hint: "a letter or `_`, then letters, digits and `_`, as expressions read it",
    limit: 64,
    accept: is_identifier,
};

pub(super) const ARM: NameRule = NameRule {
    what: "the arm's name",
    noun: "arm name",
    hint: "letters, digits and `_ -`",
    limit: 64,
    accept: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)),
};

pub(super) const OUTCOME: NameRule = NameRule {
    what: "the outcome",
    noun: "outcome",
    hint: "a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own",
    limit: 64,
    accept: |text| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            && ![crate::OUTCOME_FINISHED, crate::OUTCOME_ERROR].contains(&text)
    },
};

pub(super) const CAMPAIGN: NameRule = NameRule {
    what: "the campaign",
    noun: "campaign",
    hint: "letters, digits and `_ - .`",
    limit: 64,
    accept: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)),
};

pub(super) fn is_kebab(text: &str) -> bool {
    let group = |group: &str| {
        !group.is_empty() && group.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    text.split('-').all(group)
}

pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A duration such as `90s`, `12h` or `1d12h`, in milliseconds; or what is wrong with it.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let duration = parse_duration(text).ok_or_else(|| {
        format!("`{text}` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h")
    })?;
    if !(SECOND..=MAX_DURATION).contains(&duration) {
        return Err(format!("`{text}` is out of bounds; a duration is between 1s and 3650d"));
    }
    Ok(duration)
}

/// What is wrong with an event's name, if anything.
pub(crate) fn wrong_event(text: &str) -> Option<String> {
    wrong_name(text, &EVENT)
}

/// What is wrong with a segment's name, if anything.
pub(crate) fn wrong_segment(text: &str) -> Option<String> {
    wrong_name(text, &SEGMENT)
}

fn wrong_name(text: &str, rule: &NameRule) -> Option<String> {
    if text.is_empty() {
        return Some(format!("{} is missing", rule.what));
    }
    let fits = text.chars().count() <= rule.limit && rule.accepts(text);
    (!fits).then(|| {
        format!("`{text}` is no {}: {}; at most {} characters", rule.noun, rule.hint, rule.limit)
    })
}

/// Numbers with units, the longest first and each at most once. None if it is no duration at all.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let number: i64 = rest[..digits].parse().unwrap_or(i64::MAX);
        let unit = rest[digits..].chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        total = total.saturating_add(number.saturating_mul(*length));
        rest = &rest[digits + unit.len_utf8()..];
    }
    if text.is_empty() { None } else { Some(total) }
}

/// The same with weeks and days apart from what is exact.
pub(super) fn parse_span(text: &str) -> Option<Span> {
    let total = parse_duration(text)?;
    let end = text.rfind(['d', 'w']).map_or(0, |unit| unit + 1);
    let days = if end == 0 { 0 } else { parse_duration(&text[..end])? };
    Some(Span { days: days / DAY, ms: total.saturating_sub(days) })
}

/// Decimals of a currency.
pub(crate) fn minor_digits(currency: &str) -> u32 {
    CURRENCIES.iter().find(|(code, _)| *code == currency).map_or(0, |(_, digits)| *digits)
}

fn parse_money(text: &str) -> Result<Money, String> {
    let malformed = || format!("`{text}` is no amount of money; write such as 5 CNY or 5.50 CNY");
    let (number, currency) = text.trim().rsplit_once(' ').ok_or_else(malformed)?;
    let number = number.trim_end();
    let Some((currency, digits)) = CURRENCIES.iter().find(|(code, _)| *code == currency) else {
        let codes: Vec<&str> = CURRENCIES.iter().map(|(code, _)| *code).collect();
        let guess = did_you_mean(currency, codes.iter().copied()).unwrap_or_else(|| one_of(&codes));
        return Err(format!("unknown currency `{currency}`; {guess}"));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || number.ends_with('.') {
        return Err(malformed());
    }
    if fraction.len() > *digits as usize {
        return Err(format!("`{text}` is too exact; {currency} has {digits} decimals"));
    }
    // Twelve digits are more than any coupon is worth, and keep the product within 64 bits.
    if whole.len() > 12 {
        return Err(format!("`{text}` is too large; 12 digits are the most"));
    }
    let scale = 10_i64.pow(*digits);
    let missing = 10_i64.pow(*digits - u32::try_from(fraction.len()).unwrap_or(0));
    let whole: i64 = whole.parse().map_err(|_| malformed())?;
    let fraction: i64 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| malformed())? };
    let amount = whole * scale + fraction * missing;
    if amount == 0 {
        return Err(format!("`{text}` is nothing; an amount must be more"));
    }
    Ok(Money { amount, currency: (*currency).to_owned() })
}

/// `20` is 200, `12.5` is 125.
fn parse_per_mille(text: &str) -> Option<u32> {
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(tenth) || tenth.len() != 1 || whole.len() > 3 {
        return None;
    }
    Some(whole.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?)
}
