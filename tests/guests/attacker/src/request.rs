//! Requests as words: a first line with method and URL, header fields, an empty line and the body. `{name}` stands for a
//! secret's placeholder, `{basic:…}` for base64 of what is in it, and `{n}` for the number of a request among many.

use std::fmt::Write as _;

use crate::waystation::plugin::{
    http, secrets,
    types::{HttpRequest, HttpResponse},
};

type Answer = Result<HttpResponse, http::Error>;

pub(crate) fn parse(text: &str) -> HttpRequest {
    make(&filled(text))
}

fn make(text: &str) -> HttpRequest {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.split('\n');
    let (method, url) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        // So that a value can be written that holds a line break.
        (unescaped(name), unescaped(value))
    };
    HttpRequest {
        method: unescaped(method),
        url: unescaped(url),
        headers: lines.filter(|line| !line.is_empty()).map(field).collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn unescaped(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0")
}

/// The text with placeholders of this call.
pub(crate) fn filled(text: &str) -> String {
    replaced(text, |name| match name.strip_prefix("basic:") {
        Some(credentials) => {
            base64(filled(&credentials.replace('<', "{").replace('>', "}")).as_bytes())
        }
        None => secrets::placeholder(name).unwrap_or_else(|error| format!("{error:?}")),
    })
}

/// The text with something else in the place of `{…}`.
fn replaced(text: &str, put: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
    {
        filled += before;
        filled += &put(name);
        rest = after;
    }
    filled + rest
}

/// Sends a request with something else in the place of placeholders.
pub(crate) fn with(text: &str, put: impl Fn(&str) -> String) -> String {
    shown(http::send(&make(&replaced(text, put))))
}

/// Sends several requests at once and shows an answer for each.
pub(crate) fn each(text: &str) -> String {
    let requests: Vec<HttpRequest> = text.split("\n====\n").map(parse).collect();
    http::send_all(&requests).into_iter().map(shown).collect::<Vec<_>>().join("\n====\n")
}

/// Sends a request many times at once, and counts the answers of each kind.
pub(crate) fn many(count: usize, text: &str) -> String {
    let requests: Vec<HttpRequest> =
        (0..count).map(|number| parse(&text.replace("{n}", &number.to_string()))).collect();
    let answers = http::send_all(&requests);
    let matching = answers
        .iter()
        .enumerate()
        .filter(|(number, answer)| {
            let own = format!("#{number}");
            matches!(answer, Ok(response) if response.body.ends_with(own.as_bytes()))
        })
        .count();
    let count = |kind: fn(&Answer) -> bool| answers.iter().filter(|answer| kind(answer)).count();
    let mut text = format!(
        "ok {} own {matching} denied {} not-sent {} interrupted {} too-large {}",
        count(|answer| answer.is_ok()),
        count(|answer| matches!(answer, Err(http::Error::Denied(_)))),
        count(|answer| matches!(answer, Err(http::Error::NotSent(_)))),
        count(|answer| matches!(answer, Err(http::Error::Interrupted(_)))),
        count(|answer| matches!(answer, Err(http::Error::TooLarge))),
    );
    if let Some(Err(error)) = answers.iter().find(|answer| answer.is_err()) {
        let _ = write!(text, " first {error:?}");
    }
    text
}

/// Sends a request with so many more header fields, and so many more bytes in its body.
pub(crate) fn large(headers: usize, body: usize, text: &str) -> String {
    let mut request = parse(text);
    request.headers.extend((0..headers).map(|number| (format!("x-{number}"), "x".repeat(1_000))));
    request.body.extend(std::iter::repeat_n(b'x', body));
    shown(http::send(&request))
}

/// Sends several requests one after the other and shows an answer for each.
pub(crate) fn in_turn(text: &str) -> String {
    let answers: Vec<String> =
        text.split("\n====\n").map(|text| shown(http::send(&parse(text)))).collect();
    answers.join("\n====\n")
}

/// Status, header fields but the uninteresting ones, and body; or the error.
pub(crate) fn shown(answer: Answer) -> String {
    let response = match answer {
        Ok(response) => response,
        Err(error) => return format!("{error:?}"),
    };
    let mut text = response.status.to_string();
    for (name, value) in response.headers.iter().filter(|(name, _)| name != "date") {
        let _ = write!(text, "\n{name}: {value}");
    }
    let body = String::from_utf8_lossy(&response.body);
    if body.len() > 4_000 {
        let _ = write!(text, "\n\n{} bytes", response.body.len());
    } else {
        let _ = write!(text, "\n\n{body}");
    }
    text
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().chain([&0; 3]).take(3).fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}
