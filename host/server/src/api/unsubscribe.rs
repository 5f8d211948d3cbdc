//! Unsubscribe links. Following one shows a page with a button; the button, and mail clients by RFC 8058, send a POST.
//! A mere visit changes nothing, because mail scanners visit every link.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Html;
use waystation_engine::Withdrawal;
use waystation_store::records::CustomerPatch;

use super::App;
use super::extract::Path;
use super::problem::ApiError;

const ASK: &str = "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<meta name=\"robots\" content=\"noindex\"><title>退订 · Unsubscribe</title></head><body><form method=\"post\">\
<p>不再接收此类消息？<br>Stop receiving these messages?</p><button>退订 · Unsubscribe</button></form></body></html>";
const DONE: &str = "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<title>已退订 · Unsubscribed</title></head><body><p>已退订，您不会再收到此类消息。<br>You will not receive these messages any more.</p>\
</body></html>";

/// Shows the page.
pub(crate) async fn ask(
    State(app): State<App>,
    Path(token): Path<String>,
) -> Result<Html<&'static str>, ApiError> {
    read(&app, &token)?;
    Ok(Html(ASK))
}

/// Withdraws consent.
pub(crate) async fn withdraw(
    State(app): State<App>,
    Path(token): Path<String>,
) -> Result<Html<&'static str>, ApiError> {
    let withdrawal = read(&app, &token)?;
    let kinds = BTreeMap::from([(withdrawal.address, false)]);
    let patch = CustomerPatch {
        id: withdrawal.customer,
        consents: BTreeMap::from([(withdrawal.purpose, kinds)]),
        ..CustomerPatch::default()
    };
    app.engine.upsert_customers(vec![patch]).await?;
    Ok(Html(DONE))
}

fn read(app: &App, token: &str) -> Result<Withdrawal, ApiError> {
    let links = app.engine.unsubscribe();
    links
        .and_then(|links| links.read(token))
        .ok_or_else(|| ApiError::NotFound("such unsubscribe link".to_owned()))
}
