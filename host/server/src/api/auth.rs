//! Bearer tokens: `ws_<id>_<secret>`. The database keeps an Argon2 hash of the secret.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

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
    /// Argon2 hashes by identifier.
    hashes: RwLock<HashMap<String, String>>,
    /// SHA-256 of tokens that were verified.
    verified: Mutex<std::collections::HashSet<[u8; 32]>>,
    /// One slow verification at a time, so that wrong tokens cannot take the whole machine.
    verifying: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub(crate) fn new(rows: Vec<TokenRow>) -> Self {
        Self {
            hashes: RwLock::new(hashes(rows)),
            verified: Mutex::default(),
            verifying: tokio::sync::Mutex::default(),
        }
    }

    /// These and no others open the API from now on.
    pub(crate) fn replace(&self, rows: Vec<TokenRow>) {
        let hashes = hashes(rows);
        let mut known = self.hashes.write().unwrap_or_else(PoisonError::into_inner);
        if *known != hashes {
            *known = hashes;
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn hash(&self, id: &str) -> Option<String> {
        self.hashes.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Remembers a token that was verified by this hash, unless it was changed or revoked meanwhile.
    fn remember(&self, digest: [u8; 32], id: &str, hash: &str) -> Result<(), ApiError> {
        let known = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        if known.get(id).is_none_or(|known| known != hash) {
            return Err(ApiError::Unauthorized);
        }
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(digest);
        Ok(())
    }

    /// Answers with the token's identifier if it is a right one.
    async fn verify(&self, token: &str) -> Result<Caller, ApiError> {
        let (id, secret) = token
            .strip_prefix("ws_")
            .and_then(|rest| rest.split_once('_'))
            .ok_or(ApiError::Unauthorized)?;
        let caller = Caller(format!("token {id}"));
        let hash = self.hash(id).ok_or(ApiError::Unauthorized)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = || self.verified.lock().is_ok_and(|verified| verified.contains(&digest));
        if known() {
            return Ok(caller);
        }
        let _turn = self.verifying.lock().await;
        if known() {
            return Ok(caller);
        }
        let (asked, secret) = (hash.clone(), secret.to_owned());
        let right = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&asked).is_ok_and(|hash| {
                Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok()
            })
        });
        if !right.await.map_err(|error| ApiError::Internal(error.to_string()))? {
            return Err(ApiError::Unauthorized);
        }
        self.remember(digest, id, &hash)?;
        Ok(caller)
    }
}

fn hashes(rows: Vec<TokenRow>) -> HashMap<String, String> {
    rows.into_iter().map(|row| (row.id, row.hash)).collect()
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
