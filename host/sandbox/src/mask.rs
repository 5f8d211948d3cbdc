//! Finding a connection's secrets in what a plugin is about to see, and covering them.
//!
//! A server may repeat what it was sent: plain, or in one of the encodings in which web servers write text. All of them are
//! found in one pass. This keeps a credential from a plugin that asks an honest server for an echo. It cannot keep it from
//! a plugin whose accomplice is the server itself, which has the secret by right and can say it in any words.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose};

use crate::{connection::SecretValue, hex};

/// What stands where a secret stood.
pub(crate) const MASK: &str = "[secret]";

/// Shorter secrets are not covered: they stand in any text by chance, and where they were missing would tell them.
const SECRET_BYTES_MIN: usize = 4;

/// How encoded characters begin: percent-encoding, JSON and HTML, and a space in a form.
const ESCAPES: &[u8] = b"%\\&+";

/// A form in which a secret may be written.
enum Form {
    /// Itself, each character as it is or escaped in any way.
    Text(String),
    /// Hexadecimal digits, in upper or lower case.
    Hex(Vec<u8>),
    /// The characters of base64 that depend on the secret alone; one before and one after depend on it in part.
    Base64(Vec<u8>),
}

/// Covers secrets. Made once for a connection.
pub(crate) struct Mask {
    /// Each with the name of its secret.
    forms: Vec<(String, Form)>,
    /// Forms by the byte that they can begin with.
    starts: Vec<Vec<usize>>,
    /// A bit for each pair of bytes that a form can begin with: most of a text is passed over at this.
    pairs: Vec<u64>,
}

impl Mask {
    pub(crate) fn new(secrets: &BTreeMap<String, SecretValue>) -> Self {
        let mut mask =
            Self { forms: Vec::new(), starts: vec![Vec::new(); 256], pairs: vec![0; 65_536 / 64] };
        for (name, value) in secrets {
            let value = value.expose();
            if value.len() >= SECRET_BYTES_MIN {
                mask.add(name, value);
            }
        }
        mask
    }

    fn add(&mut self, name: &str, value: &str) {
        let bytes = value.as_bytes();
        let seconds = [&bytes[1..2], ESCAPES].concat();
        self.begin(&bytes[..1], &seconds, ESCAPES);
        self.push(name, Form::Text(value.to_owned()));

        let digits = hex::encode(bytes).into_bytes();
        let upper = digits.to_ascii_uppercase();
        self.begin(&[digits[0], upper[0]], &[digits[1], upper[1]], &[]);
        self.push(name, Form::Hex(digits));

        for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
            for before in 0..3 {
                let padded = [&[0; 2][..before.min(2)], bytes, &[0; 2]].concat();
                let text = engine.encode(padded).into_bytes();
                let own = (before * 8).div_ceil(6)..(before + bytes.len()) * 8 / 6;
                let text = text[own].to_vec();
                let known = |(_, form): &(String, Form)| matches!(form, Form::Base64(known) if *known == text);
                if self.forms.iter().any(known) {
                    continue;
                }
                self.begin(&text[..1], &text[1..2], &[]);
                self.push(name, Form::Base64(text));
            }
        }
    }

    /// Says how the next form to be pushed can begin: with one of the pairs, or with an escape.
    fn begin(&mut self, firsts: &[u8], seconds: &[u8], escapes: &[u8]) {
        let next = self.forms.len();
        let every: Vec<u8> = (0..=255).collect();
        for (firsts, seconds) in [(firsts, seconds), (escapes, &every)] {
            for first in firsts {
                let start = &mut self.starts[usize::from(*first)];
                if start.last() != Some(&next) {
                    start.push(next);
                }
                for second in seconds {
                    let pair = pair(*first, *second);
                    self.pairs[pair / 64] |= 1 << (pair % 64);
                }
            }
        }
    }

    fn push(&mut self, name: &str, form: Form) {
        self.forms.push((name.to_owned(), form));
    }

    /// The same bytes with every secret covered.
    pub(crate) fn cover<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut covered = Vec::new();
        let mut copied = 0;
        let mut open: Option<(usize, usize)> = None;
        let mut put = |(start, end): (usize, usize)| {
            covered.extend_from_slice(&bytes[copied.min(start)..start]);
            covered.extend_from_slice(MASK.as_bytes());
            copied = end;
        };
        for (start, end, _) in self.found(bytes) {
            open = match open {
                // Secrets that overlap are covered as one.
                Some((first, last)) if start <= last => Some((first.min(start), last.max(end))),
                Some(range) => {
                    put(range);
                    Some((start, end))
                }
                None => Some((start, end)),
            };
        }
        let Some(range) = open else { return bytes.into() };
        put(range);
        covered.extend_from_slice(&bytes[copied..]);
        covered.into()
    }

    /// The same, without a copy of bytes that hold no secret.
    pub(crate) fn cover_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self.cover(&bytes) {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(covered) => covered,
        }
    }

    /// The same for text.
    pub(crate) fn cover_text(&self, text: String) -> String {
        match self.cover(text.as_bytes()) {
            Cow::Borrowed(_) => text,
            // What is cut out of text in whole characters leaves text.
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Names of the secrets that the bytes hold, some more than once.
    pub(crate) fn names<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = &'a str> {
        self.found(bytes).map(|(_, _, name)| name)
    }

    /// Whether a header field's name holds a secret; such names come in lower case.
    pub(crate) fn names_secret(&self, name: &str) -> bool {
        self.forms.iter().any(|(_, form)| match form {
            Form::Text(secret) => name.contains(&secret.to_ascii_lowercase()),
            Form::Hex(digits) => {
                name.as_bytes().windows(digits.len()).any(|here| here == digits.as_slice())
            }
            Form::Base64(_) => false,
        })
    }

    /// Where secrets are, by where they begin.
    fn found<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, usize, &'a str)> {
        let candidates = (0..bytes.len().saturating_sub(1)).filter(|at| {
            let pair = pair(bytes[*at], bytes[at + 1]);
            self.pairs[pair / 64] >> (pair % 64) & 1 == 1
        });
        candidates.flat_map(move |at| {
            self.starts[usize::from(bytes[at])].iter().filter_map(move |form| {
                let (name, form) = &self.forms[*form];
                let (start, end) = form.at(bytes, at)?;
                Some((start, end, name.as_str()))
            })
        })
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

impl Form {
    /// The range to cover if the form begins here.
    fn at(&self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let here = &bytes[at..];
        match self {
            Self::Text(secret) => {
                if here.starts_with(secret.as_bytes()) {
                    return Some((at, at + secret.len()));
                }
                let mut length = 0;
                for letter in secret.chars() {
                    length += character(&here[length..], letter)?;
                }
                Some((at, at + length))
            }
            Self::Hex(digits) => here
                .get(..digits.len())
                .is_some_and(|here| here.eq_ignore_ascii_case(digits))
                .then(|| (at, at + digits.len())),
            Self::Base64(text) => here.starts_with(text).then(|| {
                let end = at + text.len();
                let digit = |at: usize| {
                    bytes
                        .get(at)
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte))
                };
                (at - usize::from(at > 0 && digit(at - 1)), end + usize::from(digit(end)))
            }),
        }
    }
}

/// How many bytes the character takes if the bytes begin with it, escaped or not.
fn character(bytes: &[u8], letter: char) -> Option<usize> {
    let mut utf8 = [0; 4];
    let plain = letter.encode_utf8(&mut utf8).as_bytes();
    let escaped = match bytes.first()? {
        b'%' => percent(bytes, plain),
        b'\\' => backslash(bytes, letter),
        b'&' => entity(bytes, letter),
        b'+' if letter == ' ' => Some(1),
        _ => None,
    };
    escaped.or_else(|| bytes.starts_with(plain).then_some(plain.len()))
}

fn percent(bytes: &[u8], plain: &[u8]) -> Option<usize> {
    let escaped = bytes.get(..plain.len() * 3)?;
    escaped
        .chunks_exact(3)
        .zip(plain)
        .all(|(escape, byte)| escape[0] == b'%' && number(&escape[1..], 16) == Some((*byte).into()))
        .then_some(escaped.len())
}

/// JSON's escapes, and `\x` of other languages.
fn backslash(bytes: &[u8], letter: char) -> Option<usize> {
    let unit = |at: usize| {
        let escape = bytes.get(at..at + 6)?;
        escape.starts_with(b"\\u").then(|| number(&escape[2..], 16)).flatten()
    };
    let short = match letter {
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '"' | '\\' | '/' | '\'' => letter as u8,
        _ => 0,
    };
    match *bytes.get(1)? {
        b'u' => {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units);
            let same = |(index, wanted): (usize, &u16)| unit(index * 6) == Some((*wanted).into());
            units.iter().enumerate().all(same).then_some(units.len() * 6)
        }
        b'x' => (number(bytes.get(2..4)?, 16)? == u32::from(letter)).then_some(4),
        byte => (byte == short).then_some(2),
    }
}

/// HTML's references by number, and the five names that are written for safety.
fn entity(bytes: &[u8], letter: char) -> Option<usize> {
    const LONGEST: usize = 10;
    let end = bytes.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let code = match &bytes[1..end] {
        b"amp" => u32::from('&'),
        b"lt" => u32::from('<'),
        b"gt" => u32::from('>'),
        b"quot" => u32::from('"'),
        b"apos" => u32::from('\''),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    (code == u32::from(letter)).then_some(end + 1)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    // A sign would be read as part of the number.
    if !digits.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Mask, SecretValue};

    fn mask(secrets: &[&str]) -> Mask {
        let secrets: BTreeMap<String, SecretValue> = secrets
            .iter()
            .map(|secret| ((*secret).to_owned(), SecretValue::new(*secret)))
            .collect();
        Mask::new(&secrets)
    }

    fn check(secret: &str, text: &str, covered: &str) {
        let mask = mask(&[secret, "another secret"]);
        assert_eq!(mask.cover_text(text.to_owned()), covered, "{secret} in {text}");
        assert_eq!(mask.names(text.as_bytes()).next(), Some(secret), "{secret} in {text}");
    }

    #[test]
    fn a_secret_is_covered_in_every_form() {
        for text in [
            "a/b c&\"日😀%",
            "a%2Fb%20c%26%22%E6%97%A5%F0%9F%98%80%25",
            "a%2fb+c%26%22%e6%97%a5%f0%9f%98%80%25",
            "%61%2F%62%20%63%26%22%E6%97%A5%F0%9F%98%80%25",
            "a/b%20c&%22日%F0%9F%98%80%25",
            r#"a\/b c&\"日😀%"#,
            r#"a/b c&\"\u65e5\ud83d\ude00%"#,
            r#"\u0061\u002Fb\u0020c\u0026\"\u65E5\uD83D\uDE00\u0025"#,
            r#"\x61/b c&\"日😀%"#,
            "a&#x2F;b c&amp;&quot;日&#128512;%",
            "a/b&#32;c&#38;&#34;&#26085;😀&#37;",
            "612f6220632622e697a5f09f988025",
            "612F6220632622E697A5F09F988025",
        ] {
            check("a/b c&\"日😀%", &format!("<{text}>"), "<[secret]>");
        }
        check("%25%", "(%25%)", "([secret])");
    }

    #[test]
    fn a_secret_is_covered_in_base64_wherever_it_stands() {
        use base64::{Engine as _, engine::general_purpose};
        for secret in ["s3cr", "s3cre", "s3cret", "?>?>~~\u{ff}\u{ff}??>>"] {
            for before in ["", "u", "us", "use", "user:"] {
                for after in ["", "!", "!!", "!!!"] {
                    for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE_NO_PAD] {
                        let text = engine.encode(format!("{before}{secret}{after}"));
                        let covered = mask(&[secret]).cover_text(format!("<{text}>"));
                        assert!(covered.contains("[secret]"), "{secret} in {text}: {covered}");
                        let left = covered.replace("[secret]", "");
                        // What is left holds the neighbours only.
                        let most = 2 + (before.len() + after.len()) * 8 / 6 + 4;
                        assert!(left.len() <= most, "{secret} in {text}: {covered}");
                    }
                }
            }
        }
    }

    #[test]
    fn secrets_that_touch_or_overlap_are_covered() {
        let mask = mask(&["abcdef", "defghi", "abcd"]);
        assert_eq!(mask.cover_text("abcdefghi".to_owned()), "[secret]");
        assert_eq!(mask.cover_text("abcdefabcd!".to_owned()), "[secret]!");
        assert_eq!(mask.cover_text("x abcdef y defghi z".to_owned()), "x [secret] y [secret] z");
    }

    #[test]
    fn other_text_is_left_alone() {
        let mask = mask(&["s3cret", "abc", ""]);
        for text in ["", "s", "s3cre", "abc", "%", "%7", "\\u", "&#", "\\", "100 % sure & so on +"]
        {
            assert_eq!(mask.cover_text(text.to_owned()), text);
        }
        assert!(mask.names_secret("x-s3cret") && !mask.names_secret("x-secret"));
    }
}
