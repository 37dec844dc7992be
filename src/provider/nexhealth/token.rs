//! The bearer token: how long it is good for, and one sign-in for all workers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::provider::error::{CallError, Unavailable};
use crate::signing::SecretText;

/// No token is trusted for longer than this, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long a token is used, given what it says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTiming {
    /// A token is replaced this long before it expires, or a tenth of its lifetime where that is less.
    pub margin: Duration,
    /// Every token is used at least this long, so that short ones make no hot loop; the 401 of one that was not good
    /// for so long is repaired anyway.
    pub shortest: Duration,
    /// Life of a token that does not say when it expires, or says that it has.
    pub unknown: Duration,
    /// After a refused sign-in, calls fail without another one for this long: a provider may lock a key out.
    pub refused: Duration,
}

impl Default for TokenTiming {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { margin: minute, shortest: Duration::from_secs(5), unknown: minute, refused: minute }
    }
}

/// A token in use. No `Debug`.
#[derive(Clone)]
pub(super) struct Token {
    /// `Bearer …`, marked sensitive.
    pub(super) header: HeaderValue,
    /// Counts sign-ins, so that many 401s about one token lead to one new sign-in.
    pub(super) generation: u64,
    until: Instant,
}

/// What a caller wants.
#[derive(Clone, Copy)]
pub(super) enum Need {
    /// Any token that should work.
    Usable,
    /// One that was made after this one, which got a 401.
    NewerThan(u64),
    /// A sign-in that ends after now.
    Proof,
}

/// Keeps the token.
pub(super) struct Tokens {
    timing: TokenTiming,
    kept: Mutex<Kept>,
    /// Sign-ins that have ended. Read before waiting for the lock: if it has moved on by then, another worker's sign-in
    /// ended meanwhile, and its outcome, good or bad, is ours too.
    ended: AtomicU64,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    failure: Option<(Instant, CallError)>,
}

impl Tokens {
    pub(super) fn new(timing: TokenTiming) -> Self {
        Self { timing, kept: Mutex::default(), ended: AtomicU64::new(0) }
    }

    /// A token that meets the need, signing in only where no other worker has just done so.
    pub(super) async fn get<F, S>(&self, need: Need, sign_in: F) -> Result<Token, CallError>
    where
        F: FnOnce() -> S,
        S: Future<Output = Result<SecretText, CallError>>,
    {
        let seen = self.ended.load(Ordering::Acquire);
        let mut kept = self.kept.lock().await;
        let ended = self.ended.load(Ordering::Acquire);
        let now = Instant::now();
        let fresh = ended != seen;
        if let Some(token) = &kept.token {
            let meets = match need {
                Need::Usable => now < token.until,
                Need::NewerThan(generation) => now < token.until && token.generation > generation,
                Need::Proof => fresh && kept.failure.is_none(),
            };
            if meets {
                return Ok(token.clone());
            }
        }
        if let Some((at, failure)) = &kept.failure {
            let refused = *failure == CallError::CredentialsRejected && now < *at + self.timing.refused;
            if fresh || (refused && !matches!(need, Need::Proof)) {
                return Err(failure.clone());
            }
        }
        let outcome = sign_in().await.and_then(|secret| self.token(&secret, ended + 1));
        if matches!(outcome, Err(CallError::Unavailable { cause: Unavailable::BreakerOpen, .. })) {
            // Nothing was sent. The next in line may be a probe, which asks all the same.
            return outcome;
        }
        match &outcome {
            Ok(token) => *kept = Kept { token: Some(token.clone()), failure: None },
            Err(failure) => {
                let still_good = matches!(need, Need::Proof) && *failure != CallError::CredentialsRejected;
                kept.token = kept.token.take().filter(|_| still_good);
                kept.failure = Some((Instant::now(), failure.clone()));
            }
        }
        self.ended.store(ended + 1, Ordering::Release);
        outcome
    }

    fn token(&self, secret: &SecretText, generation: u64) -> Result<Token, CallError> {
        let bad = CallError::Unavailable { cause: Unavailable::BadAnswer, ambiguity: None };
        let text = zeroize::Zeroizing::new(format!("Bearer {}", secret.expose()));
        let header = super::sensitive(&text).ok_or(bad)?;
        let life = usable_for(secret.expose(), Timestamp::now(), &self.timing);
        Ok(Token { header, generation, until: Instant::now() + life })
    }
}

/// How long to use a token that was just handed out.
///
/// `exp` is compared with our clock and, where `iat` is there, with the provider's own, and the shorter wins: neither
/// clock has to be right for the other to help.
fn usable_for(token: &str, now: Timestamp, timing: &TokenTiming) -> Duration {
    let Some((issued, expires)) = claims(token) else { return timing.unknown };
    let seconds = |from: f64| Duration::try_from_secs_f64(expires - from).ok().filter(|life| !life.is_zero());
    let Some(left) = seconds(now.as_duration().as_secs_f64()) else { return timing.unknown };
    let lifetime = issued.and_then(seconds).map_or(left, |stated| stated.min(left)).min(LONGEST);
    lifetime.saturating_sub(timing.margin.min(lifetime / 10)).max(timing.shortest)
}

/// `iat` and `exp`, unverified: they only decide when to ask for the next token.
fn claims(token: &str) -> Option<(Option<f64>, f64)> {
    #[derive(Deserialize)]
    struct Claims {
        exp: serde_json::Value,
        #[serde(default)]
        iat: serde_json::Value,
    }
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some((claims.iat.as_f64(), claims.exp.as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn lifetimes() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (token, seconds) in [
            (jwt(r#"{"iat":1000000,"exp":1003600}"#), 3540),
            (jwt(r#"{"iat":1000000,"exp":1086400}"#), 86_340),
            (jwt(r#"{"exp":1000100}"#), 90),
            (jwt(r#"{"exp":1000100.0,"iat":"yesterday"}"#), 90),
            (jwt(r#"{"iat":990000,"exp":1000100}"#), 90),
            (jwt(r#"{"iat":1000000,"exp":1000002}"#), 5),
            (jwt(r#"{"iat":0,"exp":99999999999}"#), 86_340),
            (jwt(r#"{"exp":1e300}"#), 60),
            (jwt(r#"{"exp":-1}"#), 60),
            (jwt(r#"{"exp":999999}"#), 60),
            (jwt(r#"{"exp":"soon"}"#), 60),
            (jwt(r#"{"exp":null}"#), 60),
            (jwt(r"{}"), 60),
            (jwt("not json"), 60),
            ("a.%%%.c".to_owned(), 60),
            ("opaque".to_owned(), 60),
            (String::new(), 60),
        ] {
            let life = usable_for(&token, now, &TokenTiming::default());
            assert_eq!(life, Duration::from_secs(seconds), "{token}");
        }
    }

    proptest! {
        #[test]
        fn any_token_has_a_bounded_life(claims in ".{0,80}", raw in ".{0,80}", exp in any::<f64>()) {
            let timing = TokenTiming::default();
            for token in [jwt(&claims), raw, jwt(&format!("{{\"exp\":{exp:e}}}"))] {
                let life = usable_for(&token, Timestamp::now(), &timing);
                prop_assert!(life >= timing.shortest && life <= LONGEST);
            }
        }
    }
}
