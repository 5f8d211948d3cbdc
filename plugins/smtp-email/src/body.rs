//! The body: plain text, and HTML beside it where there is any.

use email_encoding::body::{Encoding, base64};
use waystation_sdk::channel::Content;

use crate::plain_text;

/// The body with its own header fields and the empty line before it. The same content and key give the same bytes.
pub(crate) fn written(content: &Content, key: &str) -> Result<String, String> {
    let (text, html) = match content {
        Content::Text(text) => (Some(text), None),
        Content::Email(email) => (email.text.as_ref(), email.html.as_ref()),
        _ => (None, None),
    };
    let Some(html) = html else {
        let text = text.ok_or("the email has neither HTML nor text")?;
        return part("text/plain", text);
    };
    let derived;
    let text = match text {
        Some(text) => text,
        None => {
            derived = plain_text::from_html(html);
            &derived
        }
    };
    // The key is new for each message; its end differs most. A boundary has at most 70 characters.
    let boundary = format!("=_{}", &key[key.len().saturating_sub(60)..]);
    let (text, html) = (part("text/plain", text)?, part("text/html", html)?);
    // "=_" occurs neither in base64 nor in quoted-printable, but an unencoded part may hold anything.
    if text.contains(&boundary) || html.contains(&boundary) {
        return Err("the content holds the message's key".to_owned());
    }
    Ok(format!(
        "Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\n{text}--{boundary}\r\n{html}--{boundary}--\r\n"
    ))
}

/// A part with its header, ended by a line break.
fn part(kind: &str, content: &str) -> Result<String, String> {
    let content = with_crlf(content);
    let (encoding, body) = match Encoding::choose(content.as_str(), false) {
        Encoding::SevenBit if !content.contains('\0') => ("7bit", content),
        // Text that is mostly ASCII would be legible in quoted-printable, but is no shorter by much.
        _ => {
            let mut encoded = String::with_capacity(content.len() / 3 * 4 + content.len() / 32);
            base64::encode(content.as_bytes(), &mut encoded).map_err(|error| error.to_string())?;
            ("base64", encoded)
        }
    };
    let end = if body.ends_with("\r\n") { "" } else { "\r\n" };
    Ok(format!(
        "Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}{end}"
    ))
}

/// Line breaks of every kind become the one that mail has.
fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}
