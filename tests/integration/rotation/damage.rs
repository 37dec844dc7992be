//! What other hands take away or change in the middle of a rotation.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::stopped::{PHASES, Stopped, named, own_pairs};
use super::{assert_no_gap, assert_one};
use crate::support::World;

/// Rotated, one endpoint, its key in the Secret, every declared row on it.
async fn all_whole(stopped: &Stopped) {
    stopped.all_rotated("first").await;
    let mut all = Vec::new();
    for phase in PHASES {
        assert_one(&stopped.world, &named(phase)).await;
        all.extend(own_pairs(phase));
    }
    stopped.world.until("exactly what is declared", |world| world.has_exactly(&all)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_former_endpoint_vanishes_in_each_phase() {
    let stopped = Stopped::start("rotate-lose-a").await;
    for phase in PHASES {
        assert!(stopped.world.provider.edit().delete_endpoint(stopped.from[phase].id), "{phase}");
    }
    stopped.go_on().await;
    all_whole(&stopped).await;
    for phase in ["Draining", "Retiring"] {
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_endpoint_vanishes_in_each_phase() {
    let stopped = Stopped::start("rotate-lose-b").await;
    for phase in &PHASES[1..] {
        let to = stopped.to(phase).unwrap_or_else(|| panic!("{phase}: no toRemoteId\n{}", stopped.world.report()));
        assert_ne!(to, stopped.from[*phase].id, "{phase}: toRemoteId is fromRemoteId");
        assert!(stopped.world.provider.edit().delete_endpoint(to), "{phase}");
    }
    stopped.go_on().await;
    all_whole(&stopped).await;
    for phase in ["Preparing", "Publishing"] {
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_deleted_in_each_phase() {
    let stopped = Stopped::start("rotate-no-secret").await;
    for phase in PHASES {
        let secret = format!("{}-signing", named(phase));
        stopped.world.secrets().delete(&secret, &DeleteParams::default()).await.unwrap();
    }
    stopped.go_on().await;
    all_whole(&stopped).await;
    for phase in PHASES {
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
    }
    stopped.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_tampered_with_in_each_phase() {
    let stopped = Stopped::start("rotate-tampered").await;
    for phase in PHASES {
        let secret = format!("{}-signing", named(phase));
        let wrong = json!({"stringData": {"current": "somebody-else's", "previous": "another-one's"}});
        let patch = Patch::Merge(wrong);
        stopped.world.secrets().patch(&secret, &PatchParams::default(), &patch).await.unwrap();
    }
    // Put back in the phases that do not end by themselves.
    for (phase, keys) in [("Publishing", 2), ("Draining", 2)] {
        restored(&stopped, phase, keys).await;
    }
    stopped.go_on().await;
    all_whole(&stopped).await;
    for phase in PHASES {
        assert_no_gap(&stopped.world, &named(phase), stopped.mark, &own_pairs(phase));
    }
    stopped.world.finish().await;
}

/// Waits until the Secret holds the keys of both endpoints again.
async fn restored(stopped: &Stopped, phase: &str, count: usize) {
    let keys = super::remotes(&stopped.world, &named(phase));
    assert_eq!(keys.len(), count, "{phase}");
    let (secret, began) = (format!("{}-signing", named(phase)), std::time::Instant::now());
    loop {
        let current = stopped.world.secret_value(&secret, "current").await;
        let previous = stopped.world.secret_value(&secret, "previous").await;
        let to = keys.iter().find(|key| Some(&key.secret_key) == current.as_ref()).map(|key| key.id);
        let from = keys.iter().find(|key| Some(&key.secret_key) == previous.as_ref()).map(|key| key.id);
        if from == Some(stopped.from[phase].id) && to.is_some() && to != from {
            return;
        }
        assert!(began.elapsed() < crate::support::PATIENCE, "{phase}: {to:?} {from:?}\n{}", stopped.world.report());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The provider switches the endpoint off that has the rows, as after days of refusals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_at_the_provider_in_each_phase() {
    let quick = |timing: &mut external_webhooks::controller::Timing| {
        timing.plan.reactivation = [Duration::from_millis(50); 4];
    };
    let stopped = Stopped::start_with("rotate-deactivated", quick, |_| ()).await;
    for phase in PHASES {
        let id = match phase {
            "Draining" | "Retiring" => stopped.to(phase).unwrap(),
            _ => stopped.from[phase].id,
        };
        stopped.world.provider.edit().deactivate(id);
    }
    stopped.go_on().await;
    all_whole(&stopped).await;
    let active = |world: &World| world.provider.endpoints().iter().all(|endpoint| endpoint.active);
    stopped.world.until("switched on again", active).await;
    stopped.world.finish().await;
}

/// A person adds rows to the former endpoint, after the rows were moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_appears_on_the_former_endpoint_is_moved() {
    let stopped = Stopped::start("rotate-late-row").await;
    let added = crate::support::events(20)[19];
    let mut rows = Vec::new();
    for phase in &PHASES[..4] {
        let from = stopped.from[*phase].id;
        let row =
            stopped.world.provider.edit().create_row(from, crate::support::HILLTOP, added.resource_type, added.event);
        rows.push(row.unwrap().id);
    }
    stopped.go_on().await;
    stopped.all_rotated("first").await;
    for (phase, row) in PHASES.into_iter().zip(rows) {
        let on = assert_one(&stopped.world, &named(phase)).await.id;
        let found = stopped.world.provider.rows().into_iter().find(|one| one.id == row).map(|one| one.endpoint_id);
        assert_eq!(found, Some(on), "{phase}: a row of nobody was not moved\n{}", stopped.world.report());
    }
    stopped.world.finish().await;
}
