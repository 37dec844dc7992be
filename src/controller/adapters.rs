//! From the provider block of an account to the adapter that serves it. The only place that knows all of them.

use std::sync::Arc;

use super::context::Context;
use crate::api::provider_block::ProviderBlock;
use crate::provider::base_url::BaseUrl;
use crate::provider::caller::Wiring;
use crate::provider::gate::Gate;
use crate::provider::realm::RealmKey;
use crate::provider::{Provider, herohealth, insighthealth, nexhealth};
use crate::signing::SecretText;

/// Where the provider's API is unless the spec says otherwise.
pub fn default_base_url(block: &ProviderBlock<'_>) -> &'static str {
    match block {
        ProviderBlock::NexHealth(_) => nexhealth::DEFAULT_BASE_URL,
        ProviderBlock::HeroHealth(_) => herohealth::DEFAULT_BASE_URL,
        ProviderBlock::InsightHealth(_) => insighthealth::DEFAULT_BASE_URL,
    }
}

/// rules.md *Realm*: what makes two accounts one. `keys` are the values of the spec's credentials, in their order.
pub fn realm_key(block: &ProviderBlock<'_>, base_url: &BaseUrl, keys: &[SecretText]) -> RealmKey {
    let (provider, splits) = match block {
        ProviderBlock::NexHealth(_) => ("nexhealth", ""),
        ProviderBlock::HeroHealth(block) => ("herohealth", block.practice_group_id.as_str()),
        ProviderBlock::InsightHealth(block) => ("insighthealth", block.ehr.as_str()),
    };
    let digest = match (keys, splits) {
        ([key], "") => key.digest(),
        _ => {
            // One text of all: each part's digest has the same length, so none runs into the next.
            let parts = keys.iter().map(|key| hex::encode(key.digest()));
            SecretText::new(parts.chain([splits.to_owned()]).collect::<String>()).digest()
        }
    };
    RealmKey::new(provider, base_url.origin(), digest)
}

/// `Nex-Api-Version`, to which rows are pinned; empty where there is none.
pub fn payload_version(block: Option<ProviderBlock<'_>>) -> Arc<str> {
    match block {
        Some(ProviderBlock::NexHealth(block)) => Arc::from(block.api_version.as_str()),
        _ => Arc::from(""),
    }
}

/// The adapter. `keys` are the values of the spec's credentials, in their order.
///
/// # Errors
/// What is wrong with the spec or a key, for the status.
pub fn adapter(
    context: &Context,
    block: &ProviderBlock<'_>,
    base_url: BaseUrl,
    keys: &[SecretText],
    gate: Arc<Gate>,
) -> Result<Arc<dyn Provider>, String> {
    let Some(api_key) = keys.first().cloned() else {
        return Err(format!("{} names no API key: set apiKeySecretRef", block.field()));
    };
    let wiring = Wiring {
        gate,
        http: context.http.clone(),
        fence: Arc::new(context.lease.clone()),
        observer: Arc::new(context.metrics.clone()),
    };
    Ok(match block {
        ProviderBlock::NexHealth(block) => {
            let api_version = Arc::from(block.api_version.as_str());
            let account =
                nexhealth::NexHealthAccount { base_url, api_key, api_version, token_timing: context.timing.tokens };
            let made = nexhealth::NexHealth::new(account, wiring);
            Arc::new(made.map_err(|error| error.to_string())?)
        }
        ProviderBlock::HeroHealth(block) => {
            let practice_group_id = Arc::from(block.practice_group_id.as_str());
            let account = herohealth::HeroHealthAccount { base_url, api_key, practice_group_id };
            let made = herohealth::HeroHealth::new(account, wiring);
            Arc::new(made.map_err(|error| error.to_string())?)
        }
        ProviderBlock::InsightHealth(block) => {
            let Some(signing_key) = keys.get(1).cloned() else {
                return Err("spec.insightHealth names no signing key: set signingKeySecretRef".to_owned());
            };
            let ehr = Arc::from(block.ehr.as_str());
            let account = insighthealth::InsightHealthAccount { base_url, api_key, signing_key, ehr };
            let made = insighthealth::InsightHealth::new(account, wiring);
            Arc::new(made.map_err(|error| error.to_string())?)
        }
    })
}
