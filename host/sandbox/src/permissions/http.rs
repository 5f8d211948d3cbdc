//! HTTP requests to origins that the operator allowed.

use super::{NOT_RECORDED, bounded};
use crate::{
    bindings::waystation::plugin::http::{self, Error},
    contract::types::{HttpRequest, HttpResponse},
    guest::Guest,
};

const DENIED: &str = "the connection may not send HTTP requests";

/// What a replayed call is answered that the recording has no answer for.
fn missing(granted: bool) -> Result<HttpResponse, Error> {
    Err(if granted {
        Error::NotSent(NOT_RECORDED.to_owned())
    } else {
        Error::Denied(DENIED.to_owned())
    })
}

impl http::Host for Guest {
    async fn send(
        &mut self,
        request: HttpRequest,
    ) -> wasmtime::Result<Result<HttpResponse, Error>> {
        let mut answers = self.send_all(vec![request]).await?;
        answers.pop().ok_or_else(|| wasmtime::Error::msg("a request got no answer"))
    }

    async fn send_all(
        &mut self,
        requests: Vec<HttpRequest>,
    ) -> wasmtime::Result<Vec<Result<HttpResponse, Error>>> {
        bounded("http.send-all", requests.len())?;
        if let Some(answers) = self.tape.replayed("http.send", &requests, missing) {
            return Ok(answers);
        }
        let asked = self.tape.asked(&requests);
        let denied = || Err(Error::Denied(DENIED.to_owned()));
        let answers: Vec<_> = requests.iter().map(|_| denied()).collect();
        self.tape.answered("http.send", asked, &answers);
        Ok(answers)
    }
}
