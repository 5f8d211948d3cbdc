//! From a keyed hash to a code that people can read, say and type.

use std::ops::RangeInclusive;

/// Crockford's base 32: no I, L, O and U, so nothing looks like something else and nothing spells a word.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// From 50 bits, which nobody guesses at a shop's till, to 120 bits.
pub(crate) const LENGTHS: RangeInclusive<usize> = 10..=24;

pub(crate) fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= 16
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Prefix, `length` characters of the hash in groups of four, and a check character at the end: `SPRING-7K3M-9QXT-2F4BH`.
pub(crate) fn from_mac(mac: &[u8], prefix: &str, length: usize) -> String {
    let digits: Vec<u8> = (0..length).map(|position| five_bits(mac, position * 5)).collect();
    let mut code = prefix.to_owned();
    for group in digits.chunks(4) {
        if !code.is_empty() {
            code.push('-');
        }
        code.extend(group.iter().map(|&digit| letter(digit)));
    }
    code.push(letter(check_digit(&digits)));
    code
}

/// Luhn's sum over base 32: it catches every single wrong character and nearly all swapped neighbours.
fn check_digit(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(from_end, &digit)| {
            let weighted = u32::from(digit) * if from_end % 2 == 0 { 2 } else { 1 };
            weighted / 32 + weighted % 32
        })
        .sum();
    ((32 - sum % 32) % 32) as u8
}

/// Five bits of `bytes`, beginning at bit `start`, most significant first.
fn five_bits(bytes: &[u8], start: usize) -> u8 {
    (start..start + 5).fold(0, |bits, at| bits << 1 | bytes[at / 8] >> (7 - at % 8) & 1)
}

fn letter(digit: u8) -> char {
    char::from(ALPHABET[usize::from(digit)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_becomes_a_readable_code() {
        // HMAC-SHA256 of `key-1` under `secret`; the codes were computed by another program.
        let mac: [u8; 32] = [
            0x0f, 0x88, 0x17, 0x31, 0x68, 0xfc, 0xd4, 0xac, 0x63, 0xfa, 0x18, 0x74, 0xc8, 0xc6,
            0x1b, 0x5e, 0x0f, 0x91, 0xa0, 0x89, 0xde, 0xef, 0xff, 0x43, 0x50, 0x98, 0x77, 0x1a,
            0x81, 0xcf, 0x09, 0xb3,
        ];
        assert_eq!(from_mac(&mac, "", 12), "1Y41-ECB8-ZKAAQ");
        assert_eq!(from_mac(&mac, "SPRING", 10), "SPRING-1Y41-ECB8-ZKN");
        assert_eq!(from_mac(&mac, "", 24), "1Y41-ECB8-ZKAA-RRZT-31TC-HHGV8");
        assert_eq!(from_mac(&[0xff; 32], "SPRING", 10), "SPRING-ZZZZ-ZZZZ-ZZA");
        assert_eq!(from_mac(&[0; 32], "", 12), "0000-0000-00000");
    }

    #[test]
    fn one_wrong_character_breaks_the_check() {
        let digits = [7, 20, 3, 31, 0, 16, 9, 1, 30, 12];
        let right = check_digit(&digits);
        for position in 0..digits.len() {
            for wrong in (0..32).filter(|&wrong| wrong != digits[position]) {
                let mut typed = digits;
                typed[position] = wrong;
                assert_ne!(check_digit(&typed), right, "position {position}, {wrong} typed");
            }
        }
    }

    #[test]
    fn prefixes_are_letters_and_digits() {
        assert!(is_prefix("") && is_prefix("CART5"));
        assert!(!is_prefix("cart") && !is_prefix("A-B") && !is_prefix("ABCDEFGHIJKLMNOPQ"));
    }
}
