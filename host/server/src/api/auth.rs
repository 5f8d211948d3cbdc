//! Bearer tokens: `ws_<id>_<secret>`. The database keeps an Argon2 hash of the secret.

use std::collections::HashMap;
use std::sync::Mutex;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use waystation_store::records::TokenRow;

use super::{ApiError, App};
use crate::random::hex;

/// Verified tokens that are remembered; Argon2 is slow on purpose, and requests are many.
const REMEMBERED: usize = 1000;

/// The tokens that open the API.
pub(crate) struct Tokens {
    hashes: HashMap<String, String>,
    /// SHA-256 of tokens that were verified.
    verified: Mutex<std::collections::HashSet<[u8; 32]>>,
    /// One slow verification at a time, so that wrong tokens cannot take the whole machine.
    verifying: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub(crate) fn new(rows: Vec<TokenRow>) -> Self {
        Self {
            hashes: rows.into_iter().map(|row| (row.id, row.hash)).collect(),
            verified: Mutex::default(),
            verifying: tokio::sync::Mutex::default(),
        }
    }

    /// Answers with the token's identifier if it is a right one.
    async fn verify(&self, token: &str) -> Result<Caller, ApiError> {
        let (id, secret) = token
            .strip_prefix("ws_")
            .and_then(|rest| rest.split_once('_'))
            .ok_or(ApiError::Unauthorized)?;
        let caller = Caller(format!("token {id}"));
        let hash = self.hashes.get(id).ok_or(ApiError::Unauthorized)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = || self.verified.lock().is_ok_and(|verified| verified.contains(&digest));
        if known() {
            return Ok(caller);
        }
        let _turn = self.verifying.lock().await;
        if known() {
            return Ok(caller);
        }
        let (hash, secret) = (hash.clone(), secret.to_owned());
        let right = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok()
            })
        });
        if !right.await.map_err(|error| ApiError::Internal(error.to_string()))? {
            return Err(ApiError::Unauthorized);
        }
        if let Ok(mut verified) = self.verified.lock() {
            if verified.len() >= REMEMBERED {
                verified.clear();
            }
            verified.insert(digest);
        }
        Ok(caller)
    }
}

/// A new token: the text to show once, and the row to keep.
pub(crate) fn new_token() -> anyhow::Result<(String, TokenRow)> {
    let id = hex::<6>()?;
    let secret = hex::<24>()?;
    let hash = Argon2::default()
        .hash_password(secret.as_bytes())
        .map_err(|error| anyhow::anyhow!("the token cannot be hashed: {error}"))?;
    Ok((format!("ws_{id}_{secret}"), TokenRow { id, hash: hash.to_string() }))
}

/// Who sent a request, as histories name them.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) String);

/// Lets only requests with a right token pass.
pub(crate) async fn require(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let verified = match token {
        Some(token) => app.tokens.verify(token.trim()).await,
        None => Err(ApiError::Unauthorized),
    };
    match verified {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}
