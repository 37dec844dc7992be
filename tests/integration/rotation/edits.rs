//! Edits in the middle of a rotation. Each ends in a state that a person would call right, in whichever phase it came.

use serde_json::json;
use testbed::nexhealth::{ApiKey, Mode, SimConfig};

use super::stopped::{PHASES, Stopped, held_up, named, own_events, own_pairs, own_subscription};
use super::{assert_no_gap, assert_one, assert_two_at_most, ids, made, phase, remotes};
use crate::support::{LAKESIDE, Object, SUNSHINE, World, pairs, secret, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn left_alone_every_phase_leads_to_the_end() {
    let stopped = Stopped::start("rotate-phases").await;
    stopped.edit(|_, object| object["spec"]["signingSecret"]["rotation"]["overlap"] = json!("1s")).await;
    stopped.all_rotated("first").await;
    for phase in PHASES {
        let name = named(phase);
        let remote = assert_one(&stopped.world, &name).await;
        assert_ne!(remote.secret_key, stopped.from[phase].secret_key, "{phase}: the key is the old one");
        assert_eq!(ids(&made(&stopped.world, &name, stopped.mark)), [remote.id], "{phase}");
        assert_no_gap(&stopped.world, &name, stopped.mark, &own_pairs(phase));
        assert_two_at_most(&stopped.world, &name);
        stopped.world.until_event(&name, "Rotated").await;
        let told = stopped.world.event_reasons(&name).await;
        for reason in ["Started", "Publishing", "Switching", "Draining", "Retiring"] {
            assert!(told.contains(&format!("Rotation{reason}")), "{phase}: {told:?}");
        }
    }
    super::assert_always_ready(&stopped.world);
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_url_in_each_phase() {
    let stopped = Stopped::start("rotate-url").await;
    let url = |phase: &str| format!("https://hooks.example.com/{}/v2", named(phase));
    stopped.edit(|phase, object| object["spec"]["targetUrl"] = json!(url(phase))).await;
    stopped.all_rotated("first").await;
    for phase in PHASES {
        let remote = assert_one(&stopped.world, &named(phase)).await;
        assert_eq!(remote.target_url, url(phase), "{phase}");
        assert_ne!(remote.secret_key, stopped.from[phase].secret_key, "{phase}: the key is the old one");
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
        assert_two_at_most(&stopped.world, &named(phase));
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_in_each_phase() {
    let stopped = Stopped::start("rotate-off").await;
    stopped.edit(|_, object| object["spec"]["active"] = json!(false)).await;
    for phase in PHASES {
        super::rotated(&stopped.world, &named(phase), "first").await;
        let remote = assert_one(&stopped.world, &named(phase)).await;
        assert!(!remote.active, "{phase}");
        assert_eq!(stopped.object(phase).said("Active"), "False/AsDeclared", "{phase}");
    }
    stopped.go_on().await;
    stopped.all_rotated("first").await;
    for phase in PHASES {
        assert!(assert_one(&stopped.world, &named(phase)).await.active, "{phase}");
        let rows = stopped.world.provider.rows_on(stopped.world.remote_of(&named(phase)).id);
        assert_eq!(rows.len(), own_pairs(phase).len(), "{phase}: {rows:?}");
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_each_phase() {
    let stopped = Stopped::start("rotate-events").await;
    // One event goes, another practice comes.
    let wanted = |phase: &str| own_events(phase)[1..].to_vec();
    let practices = [SUNSHINE, LAKESIDE];
    let edited = PHASES.map(|phase| subscription(&named(phase), &named(phase), &practices, &wanted(phase)));
    stopped.world.apply(edited).await;
    stopped.go_on().await;
    stopped.all_rotated("first").await;
    let mut all = Vec::new();
    for phase in PHASES {
        assert_one(&stopped.world, &named(phase)).await;
        let kept = pairs(&[SUNSHINE], &wanted(phase));
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &kept);
        all.extend(pairs(&practices, &wanted(phase)));
    }
    let exactly = |world: &World| world.has_exactly(&all);
    stopped.world.until("exactly what is declared", exactly).await;
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_request_in_each_phase() {
    let stopped = Stopped::start("rotate-twice").await;
    let ask =
        |object: &mut serde_json::Value| object["spec"]["signingSecret"]["rotation"]["requestId"] = json!("second");
    stopped.edit(|_, object| ask(object)).await;
    stopped.all_rotated("second").await;
    stopped.world.rounds(2).await;
    for phase in PHASES {
        assert_one(&stopped.world, &named(phase)).await;
        let made = made(&stopped.world, &named(phase), stopped.mark);
        // What comes while nothing of the new key is out yet is answered by the same rotation.
        let wanted = if phase == "Preparing" { 1..=2 } else { 2..=2 };
        assert!(wanted.contains(&made.len()), "{phase}: {:?} were made\n{}", ids(&made), stopped.world.report());
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
        assert_two_at_most(&stopped.world, &named(phase));
    }
    super::assert_always_ready(&stopped.world);
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_in_each_phase() {
    let stopped = Stopped::start("rotate-suspend").await;
    let suspend = |phase: &str| {
        let mut object = held_up(phase, "first");
        object["spec"]["suspend"] = json!(true);
        object
    };
    stopped.world.apply(PHASES.map(suspend)).await;
    stays_frozen(&stopped).await;
    stopped.go_on().await;
    goes_on(stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_observed_in_each_phase() {
    let stopped = Stopped::start("rotate-observe").await;
    let mut account = stopped.world.account("default");
    account["spec"]["managementPolicy"] = json!("Observe");
    stopped.world.apply([account]).await;
    stopped.world.wait("ProviderAccount", "default", "seen", Object::is_current).await;
    stays_frozen(&stopped).await;
    stopped.world.apply([stopped.world.account("default")]).await;
    stopped.go_on().await;
    goes_on(stopped).await;
}

/// Nothing is written, and no phase passes.
async fn stays_frozen(stopped: &Stopped) {
    stopped.open();
    for phase in PHASES {
        let seen = |object: &Object| object.is_current();
        stopped.world.wait("WebhookEndpoint", &named(phase), "seen", seen).await;
    }
    // What was under way when it was frozen has ended.
    stopped.world.rounds(2).await;
    let mark = stopped.world.provider.mark();
    stopped.world.rounds(3).await;
    stopped.world.assert_writes(mark, []);
    let now = PHASES.map(|name| phase(&stopped.object(name)).to_owned());
    assert_eq!(now, PHASES, "a frozen phase does not pass\n{}", stopped.world.report());
}

async fn goes_on(stopped: Stopped) {
    stopped.all_rotated("first").await;
    for phase in PHASES {
        assert_one(&stopped.world, &named(phase)).await;
        assert_eq!(made(&stopped.world, &named(phase), stopped.mark).len(), 1, "{phase}");
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_of_the_account_in_each_phase() {
    let stopped = Stopped::start("rotate-key").await;
    let other = format!("another-{}", stopped.world.api_key());
    stopped.world.provider.add_key(SimConfig::ORGANISATION, ApiKey::new("other", &other, Mode::Production));
    stopped.world.apply([secret("nexhealth", &other)]).await;
    stopped.go_on().await;
    stopped.all_rotated("first").await;
    // The POST that was under way with the former key has left one more.
    let one = |world: &World| remotes(world, "preparing").len() == 1;
    stopped.world.until("no twin stays", one).await;
    for phase in PHASES {
        assert_one(&stopped.world, &named(phase)).await;
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_deleted_in_each_phase() {
    let stopped = Stopped::start("rotate-unsubscribe").await;
    for phase in PHASES {
        stopped.world.delete("WebhookSubscription", &named(phase)).await;
    }
    stopped.go_on().await;
    for phase in PHASES {
        stopped.world.gone("WebhookSubscription", &named(phase)).await;
    }
    stopped.all_rotated("first").await;
    for phase in PHASES {
        assert_one(&stopped.world, &named(phase)).await;
        assert!(remotes(&stopped.world, &named(phase)).len() == 1, "{phase}");
    }
    assert!(stopped.world.provider.rows().is_empty(), "{:?}", stopped.world.provider.rows());
    stopped.world.apply(PHASES.map(own_subscription)).await;
    stopped.world.all_ready().await;
    stopped.world.finish().await;
}
