//! Tokens of a registry's token server (Docker's "Token Authentication Specification").

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// The registry and the repository that a token is valid for.
pub(super) type TokenKey = (String, String);

/// The tokens of this client, which are kept until they expire.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<TokenKey, (String, Instant)>>);

/// The answer of a token server.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// The lifetime of a token in seconds if the server does not state it ("for compatibility with older clients", at least
/// 60 s).
const DEFAULT_LIFETIME: u64 = 60;
/// The time before its end in which a token is not used any more, because the request takes some time.
const MARGIN: Duration = Duration::from_secs(5);

impl TokenAnswer {
    pub fn token(self) -> Option<(String, Duration)> {
        let lifetime = Duration::from_secs(self.expires_in.unwrap_or(DEFAULT_LIFETIME).clamp(1, 24 * 3600));
        let token = self.token.or(self.access_token).filter(|token| !token.is_empty())?;
        // The token becomes part of a header.
        token.bytes().all(|byte| byte.is_ascii_graphic()).then_some((token, lifetime))
    }
}

impl Tokens {
    pub fn get(&self, key: &TokenKey) -> Option<String> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(key).filter(|(_, until)| *until > Instant::now()).map(|(token, _)| token.clone())
    }

    pub fn insert(&self, key: TokenKey, token: String, lifetime: Duration) {
        let until = Instant::now() + lifetime.saturating_sub(MARGIN);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (token, until));
    }

    pub fn forget(&self, key: &TokenKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
