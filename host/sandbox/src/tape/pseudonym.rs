//! What stands for a customer in a recording: values of the same shape, made with a key, so that the same value becomes the
//! same pseudonym everywhere and nobody without the key finds the way back.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::hex;

/// Leading digits of a phone number that are kept: plugins tell countries by them.
const PHONE_PREFIX: usize = 2;

pub(super) struct Pseudonyms<'a>(pub(super) &'a [u8; 32]);

impl Pseudonyms<'_> {
    /// An address of email stays one, digits stay digits, letters letters of their case, and signs themselves.
    pub(super) fn of(&self, text: &str) -> String {
        if is_email(text) {
            let mac = self.mac(&text.to_lowercase(), 0);
            return format!("u{}@redacted.example", hex::encode(&mac[..5]));
        }
        let kept = if is_phone(text) { PHONE_PREFIX } else { 0 };
        let mut stream = Stream { of: self, text, bytes: [0; 32], at: 32, block: 0 };
        let mut digits = 0;
        text.chars()
            .map(|letter| match letter {
                '0'..='9' => {
                    digits += 1;
                    if digits <= kept { letter } else { stream.among('0', 10) }
                }
                'a'..='z' => stream.among('a', 26),
                'A'..='Z' => stream.among('A', 26),
                '\u{4e00}'..='\u{9fff}' => stream.among('\u{4e00}', 0x51a0),
                other if other.is_alphanumeric() => stream.among('a', 26),
                other => other,
            })
            .collect()
    }

    /// A link with its last part changed, which is what says whose it is.
    pub(super) fn of_link(&self, link: &str) -> String {
        match link.rsplit_once('/') {
            Some((place, last)) => format!("{place}/{}", self.of(last)),
            None => self.of(link),
        }
    }

    fn mac(&self, text: &str, block: u32) -> [u8; 32] {
        match Hmac::<Sha256>::new_from_slice(self.0) {
            Ok(mut mac) => {
                mac.update(&block.to_be_bytes());
                mac.update(text.as_bytes());
                mac.finalize().into_bytes().into()
            }
            // HMAC takes keys of every length.
            Err(_) => [0; 32],
        }
    }
}

/// As many bytes as a text needs.
struct Stream<'a> {
    of: &'a Pseudonyms<'a>,
    text: &'a str,
    bytes: [u8; 32],
    at: usize,
    block: u32,
}

impl Stream<'_> {
    fn among(&mut self, first: char, count: u32) -> char {
        if self.at + 2 > self.bytes.len() {
            self.block += 1;
            self.bytes = self.of.mac(self.text, self.block);
            self.at = 0;
        }
        let number = u32::from(u16::from_be_bytes([self.bytes[self.at], self.bytes[self.at + 1]]));
        self.at += 2;
        char::from_u32(u32::from(first) + number % count).unwrap_or(first)
    }
}

fn is_email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text.contains(char::is_whitespace)
}

/// At least seven digits, and nothing but digits and the signs that people put between them.
pub(super) fn is_phone(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 7
        && text.chars().all(|letter| letter.is_ascii_digit() || "+-() .".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_have_the_shape_of_what_they_stand_for() {
        let pseudonyms = Pseudonyms(&[7; 32]);
        for text in ["+86 138-0013-8000", "Zhang Wei", "张伟", "c-1042", "{\"a\":1}", ""] {
            let other = pseudonyms.of(text);
            assert_eq!(other, pseudonyms.of(text));
            assert_eq!(other.chars().count(), text.chars().count(), "{text}: {other}");
            for (was, is) in text.chars().zip(other.chars()) {
                assert_eq!(was.is_ascii_digit(), is.is_ascii_digit(), "{text}: {other}");
                assert_eq!(was.is_uppercase(), is.is_uppercase(), "{text}: {other}");
                assert!(was.is_alphanumeric() || was == is, "{text}: {other}");
            }
            assert!(text.len() < 5 || other != text, "{text}: {other}");
        }
        assert!(pseudonyms.of("+8613800138000").starts_with("+86"));
        let email = pseudonyms.of("Zhang.Wei@mail.example");
        assert!(email.starts_with('u') && email.ends_with("@redacted.example"), "{email}");
        assert_eq!(email, pseudonyms.of("zhang.wei@mail.example"));
        assert_ne!(email, Pseudonyms(&[8; 32]).of("zhang.wei@mail.example"));
        let link = pseudonyms.of_link("https://m.shop.example/u/AbC123");
        assert!(
            link.starts_with("https://m.shop.example/u/") && !link.contains("AbC123"),
            "{link}"
        );
    }
}
