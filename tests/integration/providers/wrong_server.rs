//! An account of one kind that is pointed at another provider's server says so.

use std::sync::Arc;

use testbed::{herohealth, insighthealth};

use super::{hero_account, hero_secret, insight_account, insight_secret};
use crate::support::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_account_at_every_other_server() {
    let hero = Arc::new(herohealth::Simulator::start(herohealth::SimConfig::default()).await.unwrap());
    let insight = Arc::new(insighthealth::Simulator::start(insighthealth::SimConfig::default()).await.unwrap());
    let mut world = World::named("wrong-server").prepare().await;
    world.settings.allowed_base_urls.extend([hero.base_url(), insight.base_url()]);
    world.start_operator();
    world.apply([world.secret(), hero_secret(), insight_secret()]).await;
    let nexhealth = world.provider.base_url();
    let odd = |mut account: serde_json::Value, name: &str, url: &str| {
        account["metadata"]["name"] = name.into();
        account["spec"]["baseUrl"] = url.into();
        account
    };
    let accounts = [
        odd(world.account("default"), "nex-at-hero", &hero.base_url()),
        odd(world.account("default"), "nex-at-insight", &insight.base_url()),
        odd(hero_account(""), "hero-at-nex", &nexhealth),
        odd(hero_account(""), "hero-at-insight", &insight.base_url()),
        odd(insight_account(""), "insight-at-nex", &nexhealth),
        odd(insight_account(""), "insight-at-hero", &hero.base_url()),
    ];
    world.apply(accounts).await;
    let names =
        ["nex-at-hero", "nex-at-insight", "hero-at-nex", "hero-at-insight", "insight-at-nex", "insight-at-hero"];
    for name in names {
        let told = |object: &crate::support::Object| {
            let message = object.message("Ready");
            object.said("Ready").starts_with("False/")
                && (message.contains("does not answer as") || message.contains("does not have the route"))
                && message.contains("spec.baseUrl")
        };
        world.wait("ProviderAccount", name, "says that the server is another one", told).await;
    }
    world.finish().await;
}
