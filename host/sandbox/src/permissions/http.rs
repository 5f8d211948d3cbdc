//! HTTP requests to origins that the operator allowed.

use super::bounded;
use crate::{
    bindings::waystation::plugin::http::{self, Error},
    contract::types::{HttpRequest, HttpResponse},
    guest::Guest,
};

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
        let denied = || Err(Error::Denied("the connection may not send HTTP requests".to_owned()));
        Ok(requests.iter().map(|_| denied()).collect())
    }
}
