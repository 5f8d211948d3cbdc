//! Reading a response within bounds, and covering the secrets in it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use reqwest::{Response, header::HeaderMap};
use tokio::time::timeout_at;

use super::{client::HEADER_BYTES_MAX, failure};
use crate::{
    bindings::waystation::plugin::http::Error,
    contract::types::{HttpHeaders, HttpResponse},
    mask::Mask,
};

/// A longer body is searched for secrets beside the threads that serve everybody.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Bytes that the responses of one call may still take together.
#[derive(Debug)]
pub(crate) struct Room(AtomicUsize);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }
}

/// What one response has taken of the room. It is given back with the response, unless that is kept.
struct Taken<'a> {
    room: &'a Room,
    bytes: usize,
}

impl Taken<'_> {
    /// Makes sure that so many bytes are taken.
    fn reach(&mut self, bytes: usize) -> Result<(), Error> {
        let more = bytes.saturating_sub(self.bytes);
        self.room
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more))
            .map_err(|_| Error::TooLarge)?;
        self.bytes += more;
        Ok(())
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// How much of a response is read, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) host: &'a str,
    /// Bytes of one body, decompressed.
    pub(super) max: usize,
    pub(super) room: &'a Room,
    pub(super) until: Instant,
}

/// Refuses the head of a response that has more than may be kept.
pub(super) fn check_head(response: &Response) -> Result<(), Error> {
    let bytes: usize =
        response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX as usize { Err(Error::TooLarge) } else { Ok(()) }
}

/// Reads all of a response, as the plugin may see it.
pub(super) async fn read(
    mut response: Response,
    mask: &Arc<Mask>,
    reading: Reading<'_>,
) -> Result<HttpResponse, Error> {
    let status = response.status().as_u16();
    if !(200..=599).contains(&status) {
        return Err(Error::Interrupted(format!(
            "{} answered with the status {status}",
            reading.host
        )));
    }
    let headers = covered(response.headers(), mask);
    let head: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    // Known lengths are taken whole: or many responses would each get a part of the room, and none enough.
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > reading.max {
        return Err(Error::TooLarge);
    }
    let mut taken = Taken { room: reading.room, bytes: 0 };
    taken.reach(head + announced)?;
    let mut body = Vec::new();
    loop {
        let chunk = match timeout_at(reading.until.into(), response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(failure::body(error, reading.host)),
            Err(_) => {
                let text = format!("{} did not end its response in time", reading.host);
                return Err(Error::Interrupted(text));
            }
        };
        if body.len() + chunk.len() > reading.max {
            return Err(Error::TooLarge);
        }
        taken.reach(head + body.len() + chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let body = covered_body(body, mask).await?;
    taken.keep();
    Ok(HttpResponse { status, headers, body })
}

/// A field whose name holds a secret is left out, because there is no name for it.
fn covered(headers: &HeaderMap, mask: &Mask) -> HttpHeaders {
    headers
        .iter()
        .filter(|(name, _)| !mask.names_secret(name.as_str()))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(&mask.cover(value.as_bytes())).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

async fn covered_body(body: Vec<u8>, mask: &Arc<Mask>) -> Result<Vec<u8>, Error> {
    if body.len() <= INLINE_BYTES_MAX {
        return Ok(mask.cover_bytes(body));
    }
    let mask = Arc::clone(mask);
    tokio::task::spawn_blocking(move || mask.cover_bytes(body))
        .await
        .map_err(|error| Error::Interrupted(format!("the response cannot be read: {error}")))
}
