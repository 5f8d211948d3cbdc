//! One request of a plugin: from what it wrote to what it may see of the response.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use reqwest::{Body, Method, Request, Response, StatusCode, header::LOCATION};
use tokio::time::timeout_at;
use url::Url;

use super::{
    Outbound,
    client::Watched,
    failure::{self, Failure},
    filling::Secrets,
    origin::Origin,
    request::{Draft, Ready, URL_BYTES_MAX, parsed},
    response::{self, Reading, Room},
};
use crate::{
    bindings::waystation::plugin::http::Error,
    contract::types::{HttpRequest, HttpResponse},
    mask::Mask,
};

/// How often a request is sent once more that its server did not look at.
const RETURNS_MAX: usize = 2;

/// What the requests of one call of `http` have in common.
pub(crate) struct Sending<'a> {
    pub(crate) outbound: &'a Outbound,
    pub(crate) secrets: Secrets<'a>,
    pub(crate) mask: &'a Arc<Mask>,
    /// Bytes of one response's body, decompressed.
    pub(crate) response_max: usize,
    /// Bytes of all responses.
    pub(crate) room: &'a Room,
    /// When the answer must be there.
    pub(crate) until: Instant,
}

/// Where the next request of a chain of redirects goes.
struct Hop {
    draft: Draft,
    origin: Origin,
}

impl Sending<'_> {
    /// Sends one request and follows its redirects. The request holds placeholders, the response no secret.
    pub(crate) async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (draft, origin) = Draft::new(request, self.secrets)
            .and_then(|draft| {
                let origin = self.outbound.allowed(&draft.url)?;
                Ok((draft, origin))
            })
            .map_err(Error::Denied)?;
        // The semaphore is never closed.
        let Ok(Ok(_turn)) = timeout_at(self.until.into(), self.outbound.turns.acquire()).await
        else {
            return Err(Error::NotSent(
                "the connection's other requests did not end in time".to_owned(),
            ));
        };
        let mut hop = Hop { draft, origin };
        let mut response = self.send(&hop).await?;
        for _ in 0..self.outbound.redirects {
            let next = match self.next(&mut hop, &response) {
                None => break,
                Some(next) => next.map_err(|why| {
                    Error::Interrupted(format!("{} redirects: {why}", hop.origin.host()))
                })?,
            };
            // The answer to the request before is given up, so its connection is as well.
            drop(response);
            hop = next;
            response = self.send(&hop).await.map_err(followed)?;
        }
        let host = hop.origin.host().to_string();
        let reading =
            Reading { host: &host, max: self.response_max, room: self.room, until: self.until };
        response::read(response, self.mask, reading).await
    }

    /// Sends one request and waits for the head of its response.
    async fn send(&self, hop: &Hop) -> Result<Response, Error> {
        let ready = hop.draft.fill(&hop.origin, self.secrets).map_err(Error::Denied)?;
        let host = hop.origin.host().to_string();
        let mut returned = String::new();
        for _ in 0..=RETURNS_MAX {
            match self.attempt(&ready, &hop.origin, &host).await {
                Ok(response) => return Ok(response),
                Err(Failure::Returned(detail)) => returned = detail,
                Err(Failure::Final(error)) => return Err(error),
            }
        }
        Err(Error::NotSent(returned))
    }

    async fn attempt(
        &self,
        ready: &Ready,
        origin: &Origin,
        host: &str,
    ) -> Result<Response, Failure> {
        // A request that is begun for no time at all might go out all the same.
        if Instant::now() >= self.until {
            let text = format!("no time was left to ask {host}");
            return Err(Failure::Final(Error::NotSent(text)));
        }
        let client = self
            .outbound
            .clients
            .client(origin)
            .map_err(|detail| Failure::Final(Error::NotSent(detail)))?;
        let mut request = Request::new(ready.method.clone(), ready.url.clone());
        *request.headers_mut() = ready.headers.clone();
        let (body, begun) = Watched::new(ready.body.clone());
        let empty = ready.body.is_empty();
        if !empty {
            *request.body_mut() = Some(Body::wrap(body));
        }
        let answer = timeout_at(self.until.into(), client.execute(request)).await;
        // Of a request without a body it is not known when it went out.
        let begun = empty || begun.load(Ordering::Relaxed);
        match answer {
            Ok(Ok(response)) => {
                response::check_head(&response).map_err(Failure::Final)?;
                Ok(response)
            }
            Ok(Err(error)) => Err(failure::attempt(error, host, begun)),
            Err(_) => {
                let text = format!("{host} did not answer in time");
                let error = if begun { Error::Interrupted(text) } else { Error::NotSent(text) };
                Err(Failure::Final(error))
            }
        }
    }

    /// The request that a response redirects to, or why it may not be sent; `None` for a response that is no redirect.
    fn next(&self, hop: &mut Hop, response: &Response) -> Option<Result<Hop, String>> {
        let status = response.status();
        let follows = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let location = response.headers().get(LOCATION).filter(|_| follows)?;
        Some(
            self.target(&hop.draft.url, location.as_bytes())
                .map(|(url, origin)| self.redirected(hop, status, url, origin)),
        )
    }

    /// Where a redirect leads, if it may be followed there.
    fn target(&self, from: &Url, location: &[u8]) -> Result<(Url, Origin), String> {
        let location = std::str::from_utf8(location).map_err(|_| "not to a URL".to_owned())?;
        if location.len() > URL_BYTES_MAX {
            return Err(format!("to a URL of more than {URL_BYTES_MAX} bytes"));
        }
        let url = from.join(location).map_err(|error| format!("not to a URL: {error}"))?;
        let url = parsed(url)?;
        let origin = self.outbound.allowed(&url)?;
        // A server may put what it was sent into the URL that it redirects to.
        let mut carried = self.mask.names(url.as_str().as_bytes());
        if let Some(name) = carried.find(|name| !self.secrets.granted(name, &origin)) {
            return Err(format!(
                "it would carry the secret {name} to {origin}, which it is not granted for"
            ));
        }
        drop(carried);
        Ok((url, origin))
    }

    /// The next request of a chain: RFC 9110, 15.4, on the method, and no credentials for others than they were meant for.
    fn redirected(&self, hop: &mut Hop, status: StatusCode, url: Url, origin: Origin) -> Hop {
        let mut headers = std::mem::take(&mut hop.draft.headers);
        let mut body = std::mem::take(&mut hop.draft.body);
        let mut method = hop.draft.method.clone();
        let rewritten = match status.as_u16() {
            303 => method != Method::HEAD,
            301 | 302 => method == Method::POST,
            _ => false,
        };
        if rewritten {
            method = Method::GET;
            body.clear();
            headers.retain(|(name, _)| !name.starts_with("content-"));
        }
        if origin != hop.origin {
            headers.retain(|(name, value)| {
                if self.secrets.within_header(name, value) {
                    return self.secrets.fill_header((name, value), &origin, usize::MAX).is_ok();
                }
                !matches!(name.as_str(), "authorization" | "cookie" | "cookie2")
            });
        }
        Hop { draft: Draft { method, url, headers, body }, origin }
    }
}

/// An error after a redirect: the request before it was sent, so nothing is certain any more.
fn followed(error: Error) -> Error {
    match error {
        Error::Denied(text) | Error::NotSent(text) | Error::Interrupted(text) => {
            Error::Interrupted(format!("after a redirect: {text}"))
        }
        Error::TooLarge => Error::TooLarge,
    }
}
