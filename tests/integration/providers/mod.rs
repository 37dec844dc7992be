//! Providers of another shape: Hero Health (fused) and Insight Health (static), through the real API server.

mod bench;
mod hero;
mod hero_damage;
mod hero_rotation;
mod insight;
mod remote;
mod wrong_server;

use std::sync::Arc;

use serde_json::{Value, json};
use testbed::{herohealth, insighthealth};

use crate::support::World;

/// The account of the world's Hero Health.
const HERO: &str = "hero";

/// A world whose operator may call a Hero Health, with an account there.
async fn with_hero(name: &'static str) -> (World, Arc<herohealth::Simulator>) {
    let hero = Arc::new(herohealth::Simulator::start(herohealth::SimConfig::default()).await.unwrap());
    let mut world = World::named(name).prepare().await;
    admit_hero(&mut world, &hero);
    world.start_operator();
    world.apply([hero_secret(), hero_account(&hero.base_url())]).await;
    (world, hero)
}

fn admit_hero(world: &mut World, hero: &Arc<herohealth::Simulator>) {
    world.settings.allowed_base_urls.push(hero.base_url());
    let secrets = hero.clone();
    world.secrets_elsewhere.push(Box::new(move || secrets.secrets()));
}

fn hero_secret() -> Value {
    crate::support::secret("hero", herohealth::SimConfig::API_KEY)
}

fn hero_account(base_url: &str) -> Value {
    json!({
        "kind": "ProviderAccount",
        "metadata": {"name": HERO},
        "spec": {
            "heroHealth": {
                "apiKeySecretRef": {"name": "hero"},
                "practiceGroupId": herohealth::SimConfig::GROUP,
            },
            "baseUrl": base_url,
            "rateLimit": {"requestsPerMinute": 1_000_000, "burst": 10_000},
        },
    })
}

fn insight_secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "insight"},
        "stringData": {
            "api-key": insighthealth::SimConfig::API_KEY,
            "signing-key": insighthealth::SimConfig::SIGNING_KEY,
        },
    })
}

fn insight_account(base_url: &str) -> Value {
    json!({
        "kind": "ProviderAccount",
        "metadata": {"name": "insight"},
        "spec": {
            "insightHealth": {
                "ehr": insighthealth::SimConfig::EHR,
                "apiKeySecretRef": {"name": "insight"},
                "signingKeySecretRef": {"name": "insight"},
            },
            "baseUrl": base_url,
            "rateLimit": {"requestsPerMinute": 1_000_000, "burst": 10_000},
        },
    })
}

/// An endpoint of an account.
fn endpoint_at(account: &str, name: &str) -> Value {
    let mut object = crate::support::endpoint(name);
    object["spec"]["accountRef"] = json!({"name": account});
    object
}

/// Events of a practice group.
fn events_at(name: &str, endpoint: &str, events: &[&str]) -> Value {
    let events: Vec<Value> = events.iter().map(|event| json!({"event": event})).collect();
    json!({
        "kind": "WebhookSubscription",
        "metadata": {"name": name},
        "spec": {"endpointRef": {"name": endpoint}, "accountWide": {}, "events": events},
    })
}
