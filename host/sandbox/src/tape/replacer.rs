//! Replacing texts wherever they stand: as they are, percent-encoded, escaped as JSON, quoted-printable, or within base64.

use std::collections::HashMap;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::json;

/// A text to be replaced.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    find: Vec<u8>,
    put: Vec<u8>,
    /// Whether the replacement is encoded as what it replaces was; otherwise it stands as it is.
    encoded: bool,
    /// Whether it must not be part of a longer word or number.
    whole: bool,
}

impl Needle {
    /// A text that nobody has by chance, replaced by a marker that stands as it is.
    pub(super) fn marked(find: impl Into<Vec<u8>>, marker: impl Into<Vec<u8>>) -> Self {
        Self { find: find.into(), put: marker.into(), encoded: false, whole: false }
    }

    /// A value that may stand in other texts too; where it is short or a mere number, as a word of its own only.
    pub(super) fn value(find: &str, put: &str) -> Self {
        let plain = find.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Self {
            find: find.into(),
            put: put.into(),
            encoded: true,
            whole: plain || find.len() < WHOLE_BYTES,
        }
    }
}

/// Values of fewer bytes are replaced as whole words only.
const WHOLE_BYTES: usize = 8;
/// Shorter runs of letters are not looked into for base64.
const BASE64_LETTERS: usize = 12;
/// A line of base64 that is broken has at least so many letters.
const BASE64_LINE: usize = 60;

/// How a text may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Plain,
    Percent,
    Json,
    Quoted,
}

/// Needles, found by their first two bytes.
#[derive(Default)]
pub(super) struct Replacer {
    needles: Vec<Needle>,
    /// The longest first.
    index: HashMap<[u8; 2], Vec<usize>>,
}

impl Replacer {
    /// Adds a needle. Those of fewer than two bytes are passed over: they stand everywhere.
    pub(super) fn add(&mut self, needle: Needle) {
        let [first, second, ..] = *needle.find.as_slice() else { return };
        let length = needle.find.len();
        let place = self.index.entry([fold(first), fold(second)]).or_default();
        let at = place.partition_point(|other| self.needles[*other].find.len() >= length);
        place.insert(at, self.needles.len());
        self.needles.push(needle);
    }

    /// Replaces in all texts and bytes of a value.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(bytes) = self.replaced(text.as_bytes()) {
                    // Needles are text, and so is what stands for them.
                    *text = String::from_utf8_lossy(&bytes).into_owned();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(object) => {
                if object.len() == 1
                    && let Some(bytes) = json::bytes(&Value::Object(object.clone()))
                {
                    if let Some(bytes) = self.replaced(&bytes) {
                        *value = json::blob(&bytes);
                    }
                    return;
                }
                object.values_mut().for_each(|item| self.apply(item));
            }
            _ => {}
        }
    }

    /// The bytes with everything replaced; `None` if there was nothing to replace.
    pub(super) fn replaced(&self, hay: &[u8]) -> Option<Vec<u8>> {
        let scanned = self.scanned(hay);
        let url = self.unpacked(scanned.as_deref().unwrap_or(hay), Alphabet::Url);
        let scanned = url.or(scanned);
        let standard = self.unpacked(scanned.as_deref().unwrap_or(hay), Alphabet::Standard);
        standard.or(scanned)
    }

    fn scanned(&self, hay: &[u8]) -> Option<Vec<u8>> {
        let mut writings = vec![Writing::Plain];
        let mut also = |sign: u8, writing| {
            if hay.contains(&sign) {
                writings.push(writing);
            }
        };
        also(b'%', Writing::Percent);
        also(b'\\', Writing::Json);
        also(b'=', Writing::Quoted);
        let mut out: Vec<u8> = Vec::new();
        let (mut copied, mut at) = (0, 0);
        while at < hay.len() {
            let found = writings.iter().find_map(|writing| self.found(hay, at, *writing));
            let Some((needle, end, writing)) = found else {
                at += 1;
                continue;
            };
            out.extend_from_slice(&hay[copied..at]);
            write(&mut out, needle, writing);
            (copied, at) = (end, end);
        }
        if copied == 0 && out.is_empty() {
            return None;
        }
        out.extend_from_slice(&hay[copied..]);
        Some(out)
    }

    /// The longest needle that begins here, where it ends and how it is written.
    fn found(&self, hay: &[u8], at: usize, writing: Writing) -> Option<(&Needle, usize, Writing)> {
        let mut units = Units { hay, at, writing, char: [0; 4], left: 0 };
        let start = [fold(units.next()?), fold(units.next()?)];
        let candidates = self.index.get(&start)?;
        candidates.iter().map(|index| &self.needles[*index]).find_map(|needle| {
            let mut units = Units { hay, at, writing, char: [0; 4], left: 0 };
            // The parts of an address that come before its `@` may differ in case, and so may its domain.
            let same = |a: u8, b: u8| {
                a == b || needle.encoded && needle.find.contains(&b'@') && fold(a) == fold(b)
            };
            let matches =
                needle.find.iter().all(|byte| units.next().is_some_and(|unit| same(unit, *byte)));
            let whole = || !needle.whole || is_apart(hay, at, units.at, needle);
            (matches && units.left == 0 && whole()).then_some((needle, units.at, writing))
        })
    }

    /// Looks into runs of base64.
    fn unpacked(&self, hay: &[u8], alphabet: Alphabet) -> Option<Vec<u8>> {
        let mut out: Vec<u8> = Vec::new();
        let (mut copied, mut at) = (0, 0);
        while at < hay.len() {
            if !alphabet.has(hay[at]) {
                at += 1;
                continue;
            }
            let run = Run::at(hay, at, alphabet);
            if let Some(new) = run.decoded(hay).and_then(|plain| self.scanned(&plain)) {
                out.extend_from_slice(&hay[copied..at]);
                out.extend_from_slice(&run.encoded(hay, &new));
                copied = run.end;
            }
            at = run.end;
        }
        if copied == 0 {
            return None;
        }
        out.extend_from_slice(&hay[copied..]);
        Some(out)
    }
}

fn fold(byte: u8) -> u8 {
    byte.to_ascii_lowercase()
}

/// Reads text as it was before it was encoded, byte by byte.
struct Units<'a> {
    hay: &'a [u8],
    at: usize,
    writing: Writing,
    /// Bytes of a character that was escaped, and how many of them were not read yet.
    char: [u8; 4],
    left: usize,
}

impl Units<'_> {
    fn next(&mut self) -> Option<u8> {
        if self.left > 0 {
            self.left -= 1;
            let byte = self.char[0];
            self.char.rotate_left(1);
            return Some(byte);
        }
        let byte = *self.hay.get(self.at)?;
        match (self.writing, byte) {
            (Writing::Percent, b'%') | (Writing::Quoted, b'=') => {
                // A line of quoted-printable that is broken ends in the sign.
                if self.writing == Writing::Quoted && self.hay[self.at + 1..].starts_with(b"\r\n") {
                    self.at += 3;
                    return self.next();
                }
                let digits = self.hay.get(self.at + 1..self.at + 3)?;
                let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
                self.at += 3;
                Some(byte)
            }
            (Writing::Percent, b'+') => {
                self.at += 1;
                Some(b' ')
            }
            (Writing::Json, b'\\') => self.escaped(),
            _ => {
                self.at += 1;
                Some(byte)
            }
        }
    }

    fn escaped(&mut self) -> Option<u8> {
        // The library reads the escape: one, or two where they are halves of one character.
        let length = match self.hay.get(self.at + 1)? {
            b'u' if self.hay.get(self.at + 6..self.at + 8) == Some(b"\\u") => 12,
            b'u' => 6,
            _ => 2,
        };
        let read = |length: usize| {
            let escape = std::str::from_utf8(self.hay.get(self.at..self.at + length)?).ok()?;
            let text: String = serde_json::from_str(&format!("\"{escape}\"")).ok()?;
            Some((text.chars().next()?, text.chars().count(), length))
        };
        let (char, length) = match read(length) {
            Some((char, 1, length)) => (char, length),
            // Two characters that follow each other: the first of them.
            _ => read(length.min(6)).map(|(char, _, length)| (char, length))?,
        };
        self.at += length;
        self.left = char.encode_utf8(&mut self.char).len();
        self.next()
    }
}

/// Whether no letter or digit touches what begins or ends with one.
fn is_apart(hay: &[u8], start: usize, end: usize, needle: &Needle) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = hay[..start].last();
    // The end of `%20`, `=20`, `\n` or `\u4f60` is no letter.
    let escape = (start >= 3 && matches!(hay[start - 3], b'%' | b'='))
        || (start >= 2 && hay[start - 2] == b'\\')
        || (start >= 6 && hay[start - 6..].starts_with(b"\\u"));
    let touches = |edge: Option<&u8>, beside: Option<&u8>| word(edge) && word(beside);
    (escape || !touches(needle.find.first(), before)) && !touches(needle.find.last(), hay.get(end))
}

fn write(out: &mut Vec<u8>, needle: &Needle, writing: Writing) {
    if !needle.encoded {
        out.extend_from_slice(&needle.put);
        return;
    }
    match writing {
        Writing::Plain => out.extend_from_slice(&needle.put),
        Writing::Percent => {
            for byte in &needle.put {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                        out.push(*byte);
                    }
                    _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                }
            }
        }
        Writing::Quoted => {
            for byte in &needle.put {
                match byte {
                    b' '..=b'<' | b'>'..=b'~' => out.push(*byte),
                    _ => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
                }
            }
        }
        Writing::Json => {
            let text = Value::String(String::from_utf8_lossy(&needle.put).into_owned()).to_string();
            out.extend_from_slice(&text.as_bytes()[1..text.len() - 1]);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Standard,
    Url,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
            || match self {
                Self::Standard => matches!(byte, b'+' | b'/'),
                Self::Url => matches!(byte, b'-' | b'_'),
            }
    }

    fn engine(self, padded: bool) -> GeneralPurpose {
        let alphabet = match self {
            Self::Standard => &alphabet::STANDARD,
            Self::Url => &alphabet::URL_SAFE,
        };
        let config = GeneralPurposeConfig::new()
            .with_encode_padding(padded)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, config)
    }
}

/// Letters of base64 that follow each other, perhaps in several lines.
struct Run {
    start: usize,
    end: usize,
    alphabet: Alphabet,
    /// Letters of a line, where there are several.
    line: Option<usize>,
    padded: bool,
}

impl Run {
    fn at(hay: &[u8], start: usize, alphabet: Alphabet) -> Self {
        let letters = |from: usize| {
            hay[from..].iter().position(|byte| !alphabet.has(*byte)).map_or(hay.len(), |n| from + n)
        };
        let mut end = letters(start);
        let mut line = None;
        let mut from = start;
        while end - from >= BASE64_LINE
            && line.is_none_or(|line| line == end - from)
            && hay[end..].starts_with(b"\r\n")
            && hay.get(end + 2).is_some_and(|byte| alphabet.has(*byte))
        {
            line = Some(end - from);
            from = end + 2;
            end = letters(from);
        }
        let signs = hay[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        Self { start, end: end + signs, alphabet, line, padded: signs > 0 }
    }

    fn decoded(&self, hay: &[u8]) -> Option<Vec<u8>> {
        if self.end - self.start < BASE64_LETTERS {
            return None;
        }
        let mut letters = hay[self.start..self.end].to_vec();
        letters.retain(|byte| !b"\r\n".contains(byte));
        self.alphabet.engine(true).decode(letters).ok()
    }

    fn encoded(&self, hay: &[u8], plain: &[u8]) -> Vec<u8> {
        // Whether a text that fits exactly would have been padded cannot be seen. In the alphabet for addresses it is not the
        // custom; a word of its own without that alphabet's signs is more likely in the other one.
        let signs = hay[self.start..self.end].iter().any(|byte| matches!(byte, b'-' | b'_'));
        let apart = hay[..self.start].last().is_none_or(|byte| b" \":\n".contains(byte));
        let padded = self.padded || self.alphabet == Alphabet::Standard || (apart && !signs);
        let letters = self.alphabet.engine(padded).encode(plain).into_bytes();
        match self.line {
            Some(line) => letters.chunks(line).collect::<Vec<_>>().join(b"\r\n".as_slice()),
            None => letters,
        }
    }
}

#[cfg(test)]
#[path = "replacer_tests.rs"]
mod tests;
