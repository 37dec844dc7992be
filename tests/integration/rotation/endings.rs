//! Objects that go, and processes that die, in the middle of a rotation.

use std::collections::BTreeSet;

use serde_json::json;

use super::stopped::{PHASES, Stopped, named, own_pairs};
use super::{assert_no_gap, assert_one, assert_two_at_most, ids, made, remotes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_in_each_phase_nothing_stays() {
    let stopped = Stopped::start("rotate-delete").await;
    for phase in PHASES {
        stopped.world.delete("WebhookEndpoint", &named(phase)).await;
    }
    stopped.open();
    for phase in PHASES {
        stopped.world.gone("WebhookEndpoint", &named(phase)).await;
        let left = remotes(&stopped.world, &named(phase));
        assert!(left.is_empty(), "{phase}: {:?} stayed\n{}", ids(&left), stopped.world.report());
    }
    assert!(stopped.world.provider.rows().is_empty(), "{:?}", stopped.world.provider.rows());
    stopped.world.finish().await;
}

/// rules.md *Rotation*: Orphan in Preparing or Publishing deletes B, from Switching on it keeps both, with both keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_in_each_phase_what_stays_has_its_key_in_the_secret() {
    let stopped = Stopped::start("rotate-orphan").await;
    let orphan = |phase: &str| {
        let mut object = super::stopped::held_up(phase, "first");
        object["spec"]["deletionPolicy"] = json!("Orphan");
        object
    };
    stopped.world.apply(PHASES.map(orphan)).await;
    let to = PHASES.map(|phase| stopped.to(phase));
    for phase in PHASES {
        stopped.world.delete("WebhookEndpoint", &named(phase)).await;
    }
    stopped.open();
    for (phase, to) in PHASES.into_iter().zip(to) {
        let (name, from) = (named(phase), stopped.from[phase].id);
        stopped.world.gone("WebhookEndpoint", &name).await;
        let left = remotes(&stopped.world, &name);
        let found: BTreeSet<Option<i64>> = left.iter().map(|remote| Some(remote.id)).collect();
        let wanted: &[&[Option<i64>]] = match phase {
            "Preparing" | "Publishing" => &[&[Some(from)]],
            "Switching" | "Draining" => &[&[Some(from), to]],
            // The DELETE that was under way may have been carried out.
            _ => &[&[Some(from), to], &[to]],
        };
        let right = wanted.iter().any(|wanted| wanted.iter().copied().collect::<BTreeSet<_>>() == found);
        assert!(right, "{phase}: {found:?} stayed of {from} and {to:?}\n{}", stopped.world.report());
        let secret = format!("{name}-signing");
        let mut keys = Vec::new();
        for name in ["current", "previous"] {
            keys.extend(stopped.world.secret_value(&secret, name).await);
        }
        for remote in &left {
            assert!(keys.contains(&remote.secret_key), "{phase}: the key of {} is lost", remote.id);
        }
        let secret = stopped.world.secrets().get(&secret).await.unwrap();
        assert!(
            secret.metadata.owner_references.unwrap_or_default().is_empty(),
            "{phase}: the Secret would be collected"
        );
        let moved = left.iter().map(|remote| stopped.world.provider.rows_on(remote.id).len()).sum::<usize>();
        assert_eq!(moved, own_pairs(phase).len(), "{phase}");
    }
    stopped.world.finish().await;
}

/// The process dies in each phase; what it had sent is carried out when the next one is at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_each_phase_it_goes_on() {
    let mut stopped = Stopped::start("rotate-kill").await;
    stopped.world.kill_operator().await;
    stopped.world.start_operator();
    stopped.world.rounds(1).await;
    stopped.go_on().await;
    stopped.all_rotated("first").await;
    stopped.world.rounds(2).await;
    stopped.all_rotated("first").await;
    for phase in PHASES {
        let remote = assert_one(&stopped.world, &named(phase)).await;
        assert_ne!(remote.secret_key, stopped.from[phase].secret_key, "{phase}: the key is the old one");
        // One more may have been made of the POST that nobody heard of.
        let most = if phase == "Preparing" { 2 } else { 1 };
        let made = made(&stopped.world, &named(phase), stopped.mark);
        assert!(made.len() <= most, "{phase}: {:?}\n{}", ids(&made), stopped.world.report());
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
        if phase != "Preparing" {
            assert_two_at_most(&stopped.world, &named(phase));
        }
    }
    super::assert_always_ready(&stopped.world);
    stopped.world.finish().await;
}

/// The same, but the object is deleted before the next process starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_deleted_in_each_phase_nothing_stays() {
    let mut stopped = Stopped::start("rotate-kill-delete").await;
    stopped.world.kill_operator().await;
    for phase in PHASES {
        stopped.world.delete("WebhookEndpoint", &named(phase)).await;
    }
    stopped.open();
    stopped.world.start_operator();
    for phase in PHASES {
        stopped.world.gone("WebhookEndpoint", &named(phase)).await;
        let left = remotes(&stopped.world, &named(phase));
        assert!(left.is_empty(), "{phase}: {:?} stayed\n{}", ids(&left), stopped.world.report());
    }
    stopped.world.finish().await;
}
