use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::*;

fn replacer() -> Replacer {
    let mut replacer = Replacer::default();
    replacer.add(Needle::value("zhang@mail.example", "u1@redacted.example"));
    replacer.add(Needle::value("Zhang \"W\"", "Qxpwe \"K\""));
    replacer.add(Needle::value("张伟", "王力"));
    replacer.add(Needle::value("c1", "k7"));
    replacer.add(Needle::value("13800138000", "13945561234"));
    replacer.add(Needle::marked("s3cr3t/+key", "{{secret:key}}"));
    replacer
}

#[track_caller]
fn check(hay: &str, expected: &str) {
    let replaced = replacer().replaced(hay.as_bytes());
    let text = replaced.map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(text.as_deref().unwrap_or(hay), expected);
}

#[test]
fn values_are_found_as_they_are_usually_written() {
    let cases = [
        ("to zhang@mail.example.", "to u1@redacted.example."),
        ("<Zhang@Mail.Example>", "<u1@redacted.example>"),
        ("?to=zhang%40mail.example&x", "?to=u1%40redacted.example&x"),
        ("?name=Zhang+%22W%22", "?name=Qxpwe%20%22K%22"),
        (r#"{"n":"Zhang \"W\""}"#, r#"{"n":"Qxpwe \"K\""}"#),
        (r#"{"n":"\u5f20\u4f1f"}"#, r#"{"n":"王力"}"#),
        (r#"{"m":"zhang\u0040mail.example"}"#, r#"{"m":"u1@redacted.example"}"#),
        ("你好张伟!", "你好王力!"),
        ("=E5=BC=A0=E4=\r\n=BC=9F", "=E7=8E=8B=E5=8A=9B"),
        ("key=s3cr3t/+key", "key={{secret:key}}"),
        ("key=s3cr3t%2F%2Bkey", "key={{secret:key}}"),
        ("nothing here", "nothing here"),
        ("", ""),
    ];
    for (hay, expected) in cases {
        check(hay, expected);
    }
}

#[test]
fn short_values_and_numbers_are_replaced_as_whole_words_only() {
    check("c1 /c1/ \"c1\" c1.", "k7 /k7/ \"k7\" k7.");
    check("abc1 c12 c1c1", "abc1 c12 c1c1");
    check("to=%20c1%20 \\nc1", "to=%20k7%20 \\nk7");
    check("+8613800138000 13800138000", "+8613800138000 13945561234");
}

#[test]
fn values_are_found_within_base64() {
    let plain = "user:zhang@mail.example:s3cr3t/+key, and more";
    let redacted = "user:u1@redacted.example:{{secret:key}}, and more";
    for shift in ["", "a", "ab"] {
        let (plain, redacted) = (format!("{shift}{plain}"), format!("{shift}{redacted}"));
        check(
            &format!("Basic {}", BASE64_STANDARD.encode(&plain)),
            &format!("Basic {}", BASE64_STANDARD.encode(&redacted)),
        );
        check(
            &format!("/v1/{}/x", BASE64_URL_SAFE_NO_PAD.encode(&plain)),
            &format!("/v1/{}/x", BASE64_URL_SAFE_NO_PAD.encode(&redacted)),
        );
    }
}

#[test]
fn values_are_found_within_base64_that_is_broken_into_lines() {
    let lines = |plain: &str| {
        let letters = BASE64_STANDARD.encode(plain).into_bytes();
        let lines: Vec<&[u8]> = letters.chunks(76).collect();
        String::from_utf8(lines.join(b"\r\n".as_slice())).unwrap()
    };
    let text = |name: &str| format!("{}{name}, {}", "你好。".repeat(20), "x".repeat(100));
    check(
        &format!("\r\n\r\n{}\r\n--", lines(&text("张伟"))),
        &format!("\r\n\r\n{}\r\n--", lines(&text("王力"))),
    );
}

#[test]
fn bytes_that_are_no_text_are_looked_into() {
    let mut value = json::blob(b"\xff zhang@mail.example");
    replacer().apply(&mut value);
    assert_eq!(json::bytes(&value).unwrap(), b"\xff u1@redacted.example");
}
