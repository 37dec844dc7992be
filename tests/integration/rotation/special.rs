//! A leaked key, a lost key, a provider that takes a URL only once, and rows of nobody.

use kube::api::DeleteParams;
use serde_json::json;
use testbed::nexhealth::{DeleteWithRows, Duplicates, SecretOnList};
use testbed::volume::Volume;

use super::{
    assert_always_ready, assert_no_gap, assert_one, assert_two_at_most, handled, ids, made, phase, remotes, rotated,
    rotating,
};
use crate::support::{HILLTOP, Object, SUNSHINE, World, endpoint, events, pairs, subscription, torn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_key_is_dropped_at_once() {
    let world = World::named("leak").brief_logs().start().await;
    let events = events(4);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let volume = Volume::mount(world.client.clone(), world.namespace.name(), "intake-signing", Default::default());
    volume.mounted().await;
    let (leaked, mark) = (world.remote_of("intake"), world.provider.mark());
    world.apply([rotating("intake", "1s", "0s", "leak")]).await;
    rotated(&world, "intake", "leak").await;
    let remote = assert_one(&world, "intake").await;
    assert_ne!(remote.secret_key, leaked.secret_key);
    assert_no_gap(&world, "intake", mark, &pairs(&[SUNSHINE], &events));
    assert_two_at_most(&world, "intake");
    world.assert_writes(mark, [("POST endpoint", 1), ("PATCH row", 4), ("DELETE endpoint", 1)]);
    assert_eq!(torn(&volume.contents()), Vec::<String>::new());
    // Nobody waited for an hour of retries, and it says so nowhere.
    let drained = world.recorder.versions().iter().filter(|object| phase(object) == "Draining").count();
    assert!(drained <= 1, "{drained} versions were draining");
    assert_always_ready(&world);
    world.finish().await;
}

/// The key is in no list, the Secret is gone, and so is the process that had read the key: nobody has it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_is_replaced_at_once() {
    for hidden in [SecretOnList::Absent, SecretOnList::Masked] {
        let mut world = World::named("lost-key")
            .brief_logs()
            .provider(|config| config.switches.secret_on_list = hidden)
            .start()
            .await;
        let events = events(3);
        let intake = rotating("intake", "1s", "1s", "");
        world.apply([intake, subscription("one", "intake", &[SUNSHINE], &events)]).await;
        world.all_ready().await;
        world.rounds(2).await;
        let (lost, mark) = (world.remote_of("intake"), world.provider.mark());
        assert_one(&world, "intake").await;
        world.stop_operator().await;
        world.secrets().delete("intake-signing", &DeleteParams::default()).await.unwrap();
        world.start_operator();
        let replaced = |object: &Object| {
            object.is_ready() && phase(object).is_empty() && object.status()["remoteId"] != lost.id.to_string().as_str()
        };
        world.wait("WebhookEndpoint", "intake", "another endpoint", replaced).await;
        world.all_ready().await;
        assert_one(&world, "intake").await;
        assert_eq!(made(&world, "intake", mark).len(), 1);
        assert_no_gap(&world, "intake", mark, &pairs(&[SUNSHINE], &events));
        let said = world.recorder.versions().iter().any(|object| object.said("SecretPublished") == "False/KeyLost");
        assert!(said, "it never said that the key was lost\n{}", world.report());
        world.rounds(2).await;
        assert_eq!(made(&world, "intake", mark).len(), 1, "{}", world.report());
        world.finish().await;
    }
}

/// rules.md *Rotation*: if the provider refuses B's URL nothing changes; another URL and another request in one edit help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_the_provider_takes_once_only() {
    let world = World::named("rotate-duplicate")
        .brief_logs()
        .provider(|config| config.switches.duplicate_target_url = Duplicates::Refuse)
        .start()
        .await;
    let events = events(3);
    let intake = |request: &str| rotating("intake", "0s", "0s", request);
    world.apply([intake(""), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let (before, rows) = (world.provider.endpoints(), world.provider.rows());
    let (key, mark) = (world.secret_value("intake-signing", "current").await, world.provider.mark());
    world.apply([intake("one")]).await;
    let said = |object: &Object| object.said("RotationOverdue") == "True/DuplicateUrlRefused";
    let object = world.wait("WebhookEndpoint", "intake", "says so", said).await;
    for word in ["targetUrl", "requestId"] {
        assert!(object.message("RotationOverdue").contains(word), "{}", object.message("RotationOverdue"));
    }
    world.rounds(2).await;
    assert_eq!((world.provider.endpoints(), world.provider.rows()), (before.clone(), rows), "nothing changes");
    assert!(key == world.secret_value("intake-signing", "current").await);
    let tries = world.writes(mark).values().sum::<usize>();
    assert!(tries <= 2, "{:?}", world.writes(mark));
    assert_always_ready(&world);
    // The remedy.
    let mut other = intake("two");
    other["spec"]["targetUrl"] = json!("https://hooks.example.com/intake?key=2");
    world.apply([other]).await;
    let object = rotated(&world, "intake", "two").await;
    assert_eq!(object.said("RotationOverdue"), "-/-");
    let remote = assert_one(&world, "intake").await;
    assert_eq!(remote.target_url, "https://hooks.example.com/intake?key=2");
    assert_no_gap(&world, "intake", mark, &pairs(&[SUNSHINE], &events));
    // The former endpoint kept its URL to the end.
    let patched = world
        .provider
        .calls_since(mark)
        .iter()
        .filter(|call| crate::support::describe(call) == "PATCH endpoint")
        .count();
    assert_eq!((patched, handled(&object)), (0, "two"), "{}", world.report());
    world.finish().await;
}

/// Everything on the former endpoint moves: also what nobody declares, what is switched off, and what a suspended object has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_nobody_move_too() {
    let world = World::named("rotate-foreign")
        .brief_logs()
        .provider(|config| config.switches.delete_with_rows = DeleteWithRows::Refuse)
        .start()
        .await;
    let all = events(6);
    let mut suspended = subscription("two", "intake", &[HILLTOP], &all[..2]);
    world.apply([rotating("intake", "0s", "1s", ""), subscription("one", "intake", &[SUNSHINE], &all[..2])]).await;
    world.apply([suspended.clone()]).await;
    world.all_ready().await;
    suspended["spec"]["suspend"] = json!(true);
    world.apply([suspended]).await;
    world.ready("WebhookSubscription", "two").await;
    let (from, mark) = (world.remote_of("intake"), world.provider.mark());
    let portal = world.provider.edit();
    let add = |pair: usize| portal.create_row(from.id, SUNSHINE, all[pair].resource_type, all[pair].event).unwrap();
    let foreign = add(4);
    let off = add(5);
    let patch = testbed::nexhealth::RowPatch { active: Some(false), new_endpoint_id: None };
    portal.patch_row(off.id, patch).unwrap();
    let before: Vec<i64> = world.provider.rows().iter().map(|row| row.id).collect();
    world.apply([rotating("intake", "0s", "1s", "one")]).await;
    rotated(&world, "intake", "one").await;
    let remote = assert_one(&world, "intake").await;
    let rows = world.provider.rows();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), before, "the rows are the same ones");
    assert!(rows.iter().all(|row| row.endpoint_id == remote.id), "{rows:?}");
    for row in &rows {
        assert_eq!(row.active, row.id != off.id, "{row:?}");
    }
    assert!(rows.iter().any(|row| row.id == foreign.id));
    assert_no_gap(&world, "intake", mark, &pairs(&[SUNSHINE, HILLTOP], &all[..2]));
    assert_eq!(ids(&remotes(&world, "intake")), [remote.id]);
    world.finish().await;
}

/// Nobody looks any more (the interval is an hour) when a row appears on the former endpoint: the last look before it goes
/// finds the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_appears_last_moves_too() {
    let world = World::named("rotate-last").brief_logs().watches_only().start().await;
    let all = events(3);
    world.apply([rotating("intake", "0s", "3600s", ""), subscription("one", "intake", &[SUNSHINE], &all[..2])]).await;
    world.all_ready().await;
    let from = world.remote_of("intake");
    world.apply([rotating("intake", "0s", "3600s", "one")]).await;
    super::reaches(&world, "intake", "Draining").await;
    let late = world.provider.edit().create_row(from.id, SUNSHINE, all[2].resource_type, all[2].event).unwrap();
    world.apply([rotating("intake", "0s", "0s", "one")]).await;
    rotated(&world, "intake", "one").await;
    let remote = assert_one(&world, "intake").await;
    let found = world.provider.rows().into_iter().find(|row| row.id == late.id).map(|row| row.endpoint_id);
    assert_eq!(found, Some(remote.id), "{}", world.report());
    world.finish().await;
}
