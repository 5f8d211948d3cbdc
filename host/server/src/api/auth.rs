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

    async fn verify(&self, token: &str) -> bool {
        let Some((id, secret)) = token.strip_prefix("ws_").and_then(|rest| rest.split_once('_')) else { return false };
        let Some(hash) = self.hashes.get(id) else { return false };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = || self.verified.lock().is_ok_and(|verified| verified.contains(&digest));
        if known() {
            return true;
        }
        let _turn = self.verifying.lock().await;
        if known() {
            return true;
        }
        let (hash, secret) = (hash.clone(), secret.to_owned());
        let right = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
        });
        let right = right.await.unwrap_or(false);
        if right && let Ok(mut verified) = self.verified.lock() {
            if verified.len() >= REMEMBERED {
                verified.clear();
            }
            verified.insert(digest);
        }
        right
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

/// Lets only requests with a right token pass.
pub(crate) async fn require(State(app): State<App>, request: Request, next: Next) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match token {
        Some(token) if app.tokens.verify(token.trim()).await => next.run(request).await,
        _ => ApiError::Unauthorized.into_response(),
    }
}
