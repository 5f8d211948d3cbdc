//! What a plugin may ask to be sent, and how it becomes a request.

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue},
};
use url::{Host, Position, Url};

use super::{
    Outbound, address,
    filling::{Secrets, Writing},
    origin::Origin,
};
use crate::contract::types::{HttpHeaders, HttpRequest};

const METHOD_BYTES_MAX: usize = 32;
pub(super) const URL_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 100;
pub(super) const HEADER_BYTES_MAX: usize = 64 << 10;

/// By how much secrets may lengthen a body: a placeholder is short and a secret may be long, and many may stand in a body.
const SECRETS_BYTES_MAX: usize = 1 << 20;

/// Header fields that say how a message is transported, which is the host's to decide: with them a plugin could make a
/// server see another host, or two requests where the host sees one.
const TRANSPORT: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request as the plugin wrote it, with placeholders, found good.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HttpHeaders,
    pub(super) body: Vec<u8>,
}

/// A request to be sent, with secrets in place. It must not be shown to anybody.
pub(super) struct Ready {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Draft {
    /// Checks everything about a request that does not depend on where it goes.
    pub(super) fn new(request: HttpRequest, secrets: Secrets<'_>) -> Result<Self, String> {
        let method = method(&request.method)?;
        let url = url(&request.url)?;
        headers(&request.headers, secrets)?;
        Ok(Self { method, url, headers: request.headers, body: request.body })
    }

    /// Puts the secrets in place, if each is granted towards the origin.
    pub(super) fn fill(&self, origin: &Origin, secrets: Secrets<'_>) -> Result<Ready, String> {
        let body = secrets.fill(
            &self.body,
            origin,
            Writing::Plain,
            self.body.len() + SECRETS_BYTES_MAX,
        )?;
        let mut ready = Ready {
            method: self.method.clone(),
            url: self.filled_url(origin, secrets)?,
            headers: filled_headers(&self.headers, origin, secrets)?,
            body: Bytes::from(body.into_owned()),
        };
        // Servers want to be told that a body is empty where one is usual.
        if ready.body.is_empty()
            && matches!(ready.method, Method::POST | Method::PUT | Method::PATCH)
        {
            ready.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(ready)
    }

    fn filled_url(&self, origin: &Origin, secrets: Secrets<'_>) -> Result<Url, String> {
        if secrets.placeholders.within(self.url[..Position::BeforePath].as_bytes()) {
            return Err("a placeholder stands in the URL's scheme, host or port".to_owned());
        }
        let text = self.url.as_str().as_bytes();
        let filled = secrets.fill(text, origin, Writing::Url, URL_BYTES_MAX)?;
        let refused = || "with its secrets in place the URL is none".to_owned();
        let filled = std::str::from_utf8(&filled).map_err(|_| refused())?;
        let url = Url::parse(filled).map_err(|_| refused())?;
        // Encoded secrets cannot change where a request goes; this is to stay so.
        if Origin::of(&url)? != *origin { Err(refused()) } else { Ok(url) }
    }
}

fn method(text: &str) -> Result<Method, String> {
    let upper = text.bytes().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte));
    if text.is_empty() || text.len() > METHOD_BYTES_MAX || !upper {
        return Err(format!(
            "the method is not a word in upper case of 1 to {METHOD_BYTES_MAX} letters"
        ));
    }
    match text {
        // A tunnel would leave the allowed origins, and an echo of the request would show its secrets.
        "CONNECT" | "TRACE" | "TRACK" => Err(format!("the method {text} is not allowed")),
        _ => Method::from_bytes(text.as_bytes()).map_err(|error| error.to_string()),
    }
}

fn url(text: &str) -> Result<Url, String> {
    if text.len() > URL_BYTES_MAX {
        return Err(format!(
            "the URL has {} bytes, more than the {URL_BYTES_MAX} allowed",
            text.len()
        ));
    }
    // The parser would drop them, so that what was checked by the plugin is not what is sent.
    if text.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
        return Err("the URL has spaces, line breaks or control characters".to_owned());
    }
    parsed(
        Url::parse(text).map_err(|error| format!("the URL is not absolute or is none: {error}"))?,
    )
}

/// A URL without what is never sent, and with the plain form of its host.
pub(super) fn parsed(mut url: Url) -> Result<Url, String> {
    url.set_fragment(None);
    if let Some(name) = url.domain().and_then(|name| name.strip_suffix('.')).map(str::to_owned) {
        url.set_host(Some(&name)).map_err(|_| "the URL names no host".to_owned())?;
    }
    Ok(url)
}

fn headers(headers: &HttpHeaders, secrets: Secrets<'_>) -> Result<(), String> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(format!(
            "{} header fields with {bytes} bytes; at most {HEADERS_MAX} with {HEADER_BYTES_MAX} are allowed",
            headers.len()
        ));
    }
    for (name, _) in headers {
        if secrets.placeholders.within(name.as_bytes()) {
            return Err("a placeholder stands in a header field's name".to_owned());
        }
        let upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        if upper || HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!(
                "the header field's name {:?} is not one in lower case",
                start(name)
            ));
        }
        if TRANSPORT.contains(&name.as_str()) || name.starts_with("proxy-") {
            return Err(format!("the header field {name} is set by the host; leave it out"));
        }
        // A secret that a server repeats is found in whole only.
        if name == "range" && !secrets.origins.is_empty() {
            return Err(
                "the header field range is not allowed over a connection that may use secrets"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

/// Enough of a text to know it by.
fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(100)]
}

fn filled_headers(
    headers: &HttpHeaders,
    origin: &Origin,
    secrets: Secrets<'_>,
) -> Result<HeaderMap, String> {
    let mut filled = HeaderMap::with_capacity(headers.len());
    let mut left = HEADER_BYTES_MAX;
    for (name, value) in headers {
        let bytes = secrets.fill_header((name, value), origin, left)?;
        left = left.saturating_sub(bytes.len());
        let mut value = HeaderValue::from_bytes(&bytes).map_err(|_| {
            format!("the header field {name} has a line break or control character in its value")
        })?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        filled.append(name, value);
    }
    Ok(filled)
}

impl Outbound {
    /// The origin of a URL that may be requested, or why it may not.
    pub(super) fn allowed(&self, url: &Url) -> Result<Origin, String> {
        let origin = Origin::of(url)?;
        if !self.origins.iter().any(|pattern| pattern.allows(&origin)) {
            return Err(format!(
                "{origin} is not an allowed origin; permissions.http.origins must hold it to allow it"
            ));
        }
        // Names are checked when they are resolved; an address never is.
        let refusal = match origin.host() {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => address::refusal((*ip).into(), &self.networks),
            Host::Ipv6(ip) => address::refusal((*ip).into(), &self.networks),
        };
        refusal.map_or(Ok(origin), Err)
    }
}
