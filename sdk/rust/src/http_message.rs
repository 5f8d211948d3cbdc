//! Requests and responses: those a plugin sends through the host, and those a hook receives and answers.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::host::waystation::plugin::types::{HttpRequest, HttpResponse};
use crate::json;

impl HttpRequest {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A `GET` of an absolute URL.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        HttpRequest::new("GET", url)
    }

    /// A `POST` to an absolute URL.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        HttpRequest::new("POST", url)
    }

    /// Adds a header field; its name becomes lower case.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    ///
    /// # Errors
    /// The value cannot be written as JSON, for example a map whose keys are not text.
    pub fn with_json(self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(self
            .with_header("content-type", "application/json")
            .with_body(serde_json::to_vec(value)?))
    }

    /// The first header field of this name.
    ///
    /// ```
    /// use waystation_sdk::http::HttpRequest;
    ///
    /// let request = HttpRequest::get("https://api.example.com").with_header("Accept", "text/plain");
    /// assert_eq!(request.header("ACCEPT"), Some("text/plain"));
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// Every header field of this name, in order.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        named(&self.headers, name)
    }

    /// Reads the body as JSON.
    ///
    /// ```
    /// use waystation_sdk::http::HttpRequest;
    ///
    /// let request = HttpRequest::post("/").with_body(r#"[{ "sku": 7 }]"#);
    /// let fault = request.json::<Vec<std::collections::BTreeMap<String, String>>>().unwrap_err();
    /// assert_eq!(fault, "/0/sku: invalid type: integer `7`, expected a string");
    /// ```
    ///
    /// # Errors
    /// The body is not JSON, or not of this shape: says what is wrong and, as a JSON Pointer, where, for whoever sent it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        json::read(&self.body).map_err(|fault| match fault.path.as_str() {
            "" => fault.message,
            path => format!("{path}: {}", fault.message),
        })
    }
}

impl HttpResponse {
    /// A response without headers and body. The status is 200 .. 599.
    #[must_use]
    pub fn new(status: u16) -> Self {
        HttpResponse { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A response of plain text.
    ///
    /// ```
    /// use waystation_sdk::http::HttpResponse;
    ///
    /// let response = HttpResponse::text(405, "use POST").with_header("allow", "POST");
    /// assert_eq!(response.header("allow"), Some("POST"));
    /// ```
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        HttpResponse::new(status)
            .with_header("content-type", "text/plain; charset=utf-8")
            .with_body(text.into().into_bytes())
    }

    /// Adds a header field; its name becomes lower case.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    ///
    /// # Errors
    /// The value cannot be written as JSON, for example a map whose keys are not text.
    pub fn with_json(self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(self
            .with_header("content-type", "application/json")
            .with_body(serde_json::to_vec(value)?))
    }

    /// The first header field of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        named(&self.headers, name).next()
    }

    /// Whether the status is 200 .. 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// The body is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

fn named<'a>(headers: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(present, _)| present.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
