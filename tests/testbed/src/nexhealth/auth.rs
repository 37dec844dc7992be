//! Signing in, tokens and the rate limit that hangs on the key.

use super::{
    envelope::{Outcome, Refusal, Success},
    model::ApiKey,
    switches::ExpClaim,
    world::World,
};
use crate::sim::Bucket;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};

/// A token that was handed out.
#[derive(Clone, Debug)]
pub struct Token {
    /// Value of the API key it was made with.
    key: String,
    label: String,
    ends: Instant,
}

/// Who is calling, as far as routes need to know.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub organisation: String,
    pub key: ApiKey,
}

impl Caller {
    /// Whether this caller may name the subdomain: it is the organisation's and the key is not narrower.
    pub fn reaches(&self, world: &World, subdomain: &str) -> bool {
        let owned = world.organisations.iter().any(|organisation| {
            organisation.name == self.organisation
                && organisation.institutions.iter().any(|institution| institution.subdomain == subdomain)
        });
        owned && self.key.reaches.as_ref().is_none_or(|reaches| reaches.contains(subdomain))
    }
}

/// Label of whoever sent this `Authorization`, valid or not, for the ledger.
pub(crate) fn label(world: &World, authorization: Option<&str>) -> Option<String> {
    let sent = authorization?;
    let sent = sent.strip_prefix("Bearer ").unwrap_or(sent);
    let by_token = world.tokens.get(sent).map(|token| token.label.clone());
    by_token.or_else(|| world.key(sent).map(|(_, key)| key.label.clone()))
}

/// `POST /authenticates`: the bare API key for a token. 201.
pub(crate) fn authenticate(world: &mut World, authorization: Option<&str>) -> Outcome {
    let value = authorization.ok_or_else(Refusal::unauthorized)?.to_owned();
    let (_, key) = world.key(&value).ok_or_else(Refusal::unauthorized)?;
    let label = key.label.clone();
    limit(world, &value)?;
    if world.switches.new_token_ends_older {
        world.tokens.retain(|_, token| token.key != value);
    }
    let lifetime = world.switches.token_lifetime;
    let token = issue(world, &label, lifetime);
    let ends = match world.switches.token_exp {
        ExpClaim::Past => Instant::now(),
        ExpClaim::Honest | ExpClaim::Missing => Instant::now() + lifetime,
    };
    world.tokens.insert(token.clone(), Token { key: value, label, ends });
    let data = json!({ "token": token });
    Ok(Success { text: Some("Authenticated"), ..Success::new(201, data) })
}

/// The caller behind a bearer token, or 401. An API key is no token.
pub(crate) fn caller(world: &World, authorization: Option<&str>) -> Result<Caller, Refusal> {
    let bearer = authorization.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(Refusal::unauthorized)?;
    let token = world.tokens.get(bearer).ok_or_else(Refusal::unauthorized)?;
    if Instant::now() >= token.ends {
        return Err(Refusal::unauthorized());
    }
    let (organisation, key) = world.key(&token.key).ok_or_else(Refusal::unauthorized)?;
    Ok(Caller { organisation: organisation.name.clone(), key: key.clone() })
}

/// Takes one call out of the key's allowance, or 429.
pub(crate) fn limit(world: &mut World, key: &str) -> Result<(), Refusal> {
    let Some(limit) = world.switches.rate_limit else { return Ok(()) };
    let now = Instant::now();
    let bucket = world.buckets.entry(key.to_owned()).or_insert_with(|| Bucket::full(limit, now));
    if bucket.take(limit, now) {
        return Ok(());
    }
    let retry_after = world.switches.retry_after.clone();
    Err(Refusal { retry_after, ..Refusal::new(429, "Rate limit exceeded") })
}

impl World {
    /// Ends every token issued so far.
    pub fn expire_tokens(&mut self) {
        let now = Instant::now();
        self.tokens.values_mut().for_each(|token| token.ends = now);
    }

    /// Takes a key away, and its tokens unless the switch says otherwise.
    pub fn revoke_key(&mut self, value: &str) {
        if self.switches.tokens_outlive_key {
            // The token then needs an owner that no longer signs in.
            for organisation in &mut self.organisations {
                for key in organisation.keys.iter_mut().filter(|key| key.value == value) {
                    key.value = format!("revoked:{value}");
                }
            }
            for token in self.tokens.values_mut().filter(|token| token.key == value) {
                token.key = format!("revoked:{value}");
            }
            return;
        }
        for organisation in &mut self.organisations {
            organisation.keys.retain(|key| key.value != value);
        }
    }
}

/// A JWT with the claims of the documented sample, signed HS256.
fn issue(world: &mut World, subject: &str, lifetime: Duration) -> String {
    let number = world.next_seq();
    let issued = world.now().as_second();
    let mut claims = json!({
        "sub": subject,
        "scp": "api_user",
        "iat": issued,
        "jti": hex::encode(&Sha256::digest(format!("{}/token/{number}", world.nonce))[..16]),
    });
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    match world.switches.token_exp {
        ExpClaim::Honest => claims["exp"] = json!(issued.saturating_add(seconds)),
        ExpClaim::Past => claims["exp"] = json!(issued - 3_600),
        ExpClaim::Missing => {}
    }
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = format!("{header}.{payload}");
    let signature = Hmac::<Sha256>::new_from_slice(world.nonce.as_bytes()).map(|mut mac| {
        mac.update(signed.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    });
    format!("{signed}.{}", signature.unwrap_or_default())
}
