//! The tenant who tries: another's URL and id, adoption, practices, `allPractices`, `undeclared: Delete`, and what can be
//! learnt from messages.

use serde_json::{Value, json};
use testbed::nexhealth::SimConfig;

use super::{Neighbour, Town};
use crate::support::{
    HILLTOP, LAKESIDE, SUNSHINE, World, all_practices, endpoint, events, fleet, monitor, pairs, subscription,
};

/// A path that must be seen by nobody but its owner.
const URL: &str = "https://hooks.example.com/path-of-the-honest";

/// A town with an honest neighbour, who has a practice that the tenant is not lent.
async fn with_neighbour(name: &'static str) -> (Town, Neighbour) {
    let town = Town::new(name).await;
    let honest = town.neighbour("honest").await;
    lend(&town, &honest, json!({})).await;
    let mut theirs = town.tenant(endpoint("object-of-the-honest"));
    theirs["spec"]["targetUrl"] = URL.into();
    let events = events(2);
    let subscribed = subscription("rows", "object-of-the-honest", &[LAKESIDE], &events);
    town.apply_in(&honest.namespace, [theirs, subscribed, town.tenant(monitor("watch", LAKESIDE))]).await;
    town.ready_at(&honest, "WebhookSubscription", "rows").await;
    town.ready_at(&honest, "PracticeSyncMonitor", "watch").await;
    (town, honest)
}

/// The tenant is lent Sunshine and Hilltop, with a change; the neighbour Lakeside. Both share a host.
async fn lend(town: &Town, honest: &Neighbour, change: Value) {
    let mut own = town.grant(json!({"practices": [SUNSHINE, HILLTOP]}));
    change.as_object().unwrap().iter().for_each(|(name, value)| own[name] = value.clone());
    let theirs = town.grant_to(honest.namespace.name(), json!({"practices": [LAKESIDE]}));
    town.lends(json!([own, theirs])).await;
}

fn with(mut object: Value, spec: Value) -> Value {
    spec.as_object().unwrap().iter().for_each(|(name, value)| object["spec"][name] = value.clone());
    object
}

/// What belongs to the neighbour is as it was, and the tenant has learnt nothing of it.
async fn unharmed(town: &Town, honest: &Neighbour, before: &Before) {
    let world = &town.world;
    assert_eq!(Before::of(world, honest), *before, "{}", world.report());
    let seen = town.seen_by_tenant().await;
    let id = honest.recorder.get("WebhookEndpoint", "object-of-the-honest").unwrap().status()["remoteId"].clone();
    let quoted = format!("endpoint {}", id.as_str().unwrap());
    // What the tenant has written into its own spec is no news to it.
    let seen = seen.replace(&format!("spec.adoptRemoteId names remote {quoted}"), "");
    for word in ["of-the-honest", honest.namespace.name(), LAKESIDE, &quoted] {
        let at = seen.find(word);
        assert!(
            at.is_none(),
            "{word}: {}",
            &seen[at.unwrap().saturating_sub(300)..(at.unwrap() + 100).min(seen.len())]
        );
    }
}

#[derive(Debug, PartialEq)]
struct Before {
    status: Vec<Value>,
    remote: Vec<(i64, String, bool)>,
    rows: Vec<i64>,
}

impl Before {
    fn of(world: &World, honest: &Neighbour) -> Self {
        let objects = [
            ("WebhookEndpoint", "object-of-the-honest"),
            ("WebhookSubscription", "rows"),
            ("PracticeSyncMonitor", "watch"),
        ];
        let status =
            |(kind, name): (&str, &str)| honest.recorder.get(kind, name).unwrap().status()["conditions"].clone();
        let theirs = |remote: &testbed::nexhealth::Endpoint| remote.target_url == URL;
        let remote = world.provider.endpoints().into_iter().filter(theirs);
        let rows = world.provider.rows().into_iter().filter(|row| row.subdomain.as_deref() == Some(LAKESIDE));
        Self {
            status: objects.map(status).to_vec(),
            remote: remote.map(|remote| (remote.id, remote.target_url, remote.active)).collect(),
            rows: rows.map(|row| row.id).collect(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_url_and_no_id_of_another_is_taken() {
    let (town, honest) = with_neighbour("trick-url").await;
    let (world, before) = (&town.world, Before::of(&town.world, &honest));
    let id = before.remote[0].0.to_string();
    let mark = world.provider.mark();
    let of = |name: &str, spec: Value| with(town.tenant(endpoint(name)), spec);
    // A person at the provider made this one, at a host that the tenant may use.
    let stranger = world.provider.edit().create_endpoint(SimConfig::ORGANISATION, "https://hooks.example.com/stranger");
    // Seen before anybody intends to make one there: what appears later may be what a lost answer of ours has made.
    world.rounds(2).await;
    world
        .apply([
            of("host", json!({"targetUrl": "https://evil.example/x"})),
            of("trick-host", json!({"targetUrl": "https://hooks.example.com.evil.example/x"})),
            of("port", json!({"targetUrl": "https://evil.example:443/hooks.example.com"})),
            of("same", json!({"targetUrl": URL})),
            of("query", json!({"targetUrl": format!("{URL}#")[..URL.len()].to_uppercase().replace("/PATH-OF-THE-HONEST", "/path-of-the-honest")})),
            of("adopt", json!({"targetUrl": URL, "adoption": "IfUnclaimed"})),
            of("adopt-id", json!({"targetUrl": URL, "adoptRemoteId": id})),
            of("other-id", json!({"adoptRemoteId": id})),
            of("stranger", json!({"targetUrl": "https://hooks.example.com/stranger"})),
        ])
        .await;
    for name in ["host", "trick-host", "port"] {
        assert!(town.not_granted("WebhookEndpoint", name).await.contains("targetHosts"));
    }
    for name in ["adopt", "adopt-id", "other-id"] {
        assert!(town.not_granted("WebhookEndpoint", name).await.contains("allowAdoption: true"));
    }
    for name in ["same", "query"] {
        world.says("WebhookEndpoint", name, "False/Conflict").await;
    }
    let refused = world.says("WebhookEndpoint", "stranger", "False/RemoteExists").await;
    assert!(!refused.message("Ready").contains(&stranger.id.to_string()), "{}", refused.message("Ready"));
    town.quiet(mark, &[]).await;
    unharmed(&town, &honest, &before).await;

    // With the right to adopt, what another object holds is still not for the taking.
    lend(&town, &honest, json!({"practices": [SUNSHINE, HILLTOP], "allowAdoption": true})).await;
    world.says("WebhookEndpoint", "other-id", "False/CannotAdopt").await;
    for name in ["adopt", "adopt-id", "same"] {
        world.says("WebhookEndpoint", name, "False/Conflict").await;
    }
    town.quiet(mark, &[]).await;
    world
        .apply([of("stranger", json!({"targetUrl": "https://hooks.example.com/stranger", "adoption": "IfUnclaimed"}))])
        .await;
    world.ready("WebhookEndpoint", "stranger").await;
    assert_eq!(world.remote_of("stranger").id, stranger.id, "an unclaimed one is");
    town.quiet(mark, &[]).await;
    unharmed(&town, &honest, &before).await;
    for name in ["host", "trick-host", "port", "same", "query", "adopt", "adopt-id", "other-id"] {
        world.delete("WebhookEndpoint", name).await;
        world.gone("WebhookEndpoint", name).await;
    }
    town.quiet(mark, &[]).await;
    unharmed(&town, &honest, &before).await;
    town.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_practice_of_another_is_subscribed_pruned_or_watched() {
    let (town, honest) = with_neighbour("trick-practice").await;
    let (world, before) = (&town.world, Before::of(&town.world, &honest));
    let (pair, two) = (events(1), events(2));
    world.apply([town.tenant(endpoint("intake"))]).await;
    world.ready("WebhookEndpoint", "intake").await;
    let own = world.remote_of("intake");
    // Left there by a person: one of the neighbour's practice, one of the tenant's.
    let plant = |practice: &str| {
        world.provider.edit().create_row(own.id, practice, two[1].resource_type, two[1].event).unwrap()
    };
    let (foreign, undeclared) = (plant(LAKESIDE), plant(SUNSHINE));
    let before = Before { rows: Before::of(world, &honest).rows, ..before };
    let mark = world.provider.mark();
    let typo = &LAKESIDE[..LAKESIDE.len() - 1];
    let delete = json!({"undeclared": "Delete"});
    world
        .apply([
            with(subscription("deletes", "intake", &[SUNSHINE], &pair), delete.clone()),
            with(all_practices("deletes-all", "intake", &[], &pair), delete.clone()),
            crate::support::account_wide("account", "intake", &pair),
            subscription("guess", "intake", &[SUNSHINE, typo], &pair),
            town.tenant(monitor("guess", typo)),
            all_practices("all", "intake", &[], &pair),
            town.tenant(fleet("fleet")),
        ])
        .await;
    for (name, field) in [
        ("deletes", "allowUndeclaredDelete: true"),
        ("deletes-all", "allowUndeclaredDelete: true"),
        ("account", "accountWide: {}"),
        ("guess", "practices"),
    ] {
        let message = town.not_granted("WebhookSubscription", name).await;
        assert!(message.contains(field) && !message.contains("did you mean"), "{message}");
    }
    town.not_granted("PracticeSyncMonitor", "guess").await;
    world.ready("WebhookSubscription", "all").await;
    let fleet =
        world.wait("PracticeSyncMonitor", "fleet", "judged", |object| !object.status()["practices"].is_null()).await;
    assert_eq!(fleet.status()["practices"]["total"], 2);
    town.quiet(mark, &[("POST row", 2)]).await;
    unharmed(&town, &honest, &before).await;

    // One of the two that would delete the same row.
    world.delete("WebhookSubscription", "deletes").await;
    world.gone("WebhookSubscription", "deletes").await;
    lend(&town, &honest, json!({"allowUndeclaredDelete": true})).await;
    world
        .until("the tenant's own stray row is gone", |world| {
            world.provider.rows().iter().all(|row| row.id != undeclared.id)
        })
        .await;
    world.ready("WebhookSubscription", "deletes-all").await;
    town.quiet(mark, &[("POST row", 2), ("DELETE row", 1)]).await;
    assert!(
        world.provider.rows().iter().any(|row| row.id == foreign.id),
        "the neighbour's practice is not its to prune"
    );
    unharmed(&town, &honest, &before).await;
    for name in ["deletes-all", "account", "guess", "all"] {
        world.delete("WebhookSubscription", name).await;
    }
    for name in ["deletes-all", "account", "guess", "all"] {
        world.gone("WebhookSubscription", name).await;
    }
    assert!(world.provider.rows().iter().any(|row| row.id == foreign.id), "nor does a deletion take it");
    unharmed(&town, &honest, &before).await;
    town.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_without_a_grant_keeps_nobody_from_a_url_and_a_host_is_not_swapped_under_a_practice() {
    let town = Town::new("trick-squat").await;
    let world = &town.world;
    let mut squatter = town.tenant(endpoint("squatter"));
    squatter["spec"]["targetUrl"] = URL.into();
    world.apply([squatter]).await;
    town.not_granted("WebhookEndpoint", "squatter").await;
    let honest = town.neighbour("honest").await;
    let theirs = |practices: &[&str]| town.grant_to(honest.namespace.name(), json!({"practices": practices}));
    town.lends(json!([theirs(&[LAKESIDE])])).await;
    let mut object = town.tenant(endpoint("object"));
    object["spec"]["targetUrl"] = URL.into();
    town.apply_in(&honest.namespace, [object]).await;
    town.ready_at(&honest, "WebhookEndpoint", "object").await;

    // One practice for one host, another for another.
    let other = json!({"practices": [HILLTOP], "targetHosts": ["*.other.example"]});
    town.lends(json!([theirs(&[LAKESIDE]), town.grant(json!({"practices": [SUNSHINE]})), town.grant(other)])).await;
    let events = events(1);
    let moved = |name: &str, spec: Value| with(town.tenant(endpoint(name)), spec);
    world.apply([town.tenant(endpoint("intake")), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "one").await;
    let mark = world.provider.mark();
    world.apply([moved("intake", json!({"targetUrl": "https://a.other.example/", "suspend": true}))]).await;
    world.apply([subscription("two", "intake", &[HILLTOP], &events)]).await;
    town.not_granted("WebhookEndpoint", "intake").await;
    town.not_granted("WebhookSubscription", "one").await;
    town.not_granted("WebhookSubscription", "two").await;
    town.quiet(mark, &[]).await;
    world.delete("WebhookSubscription", "one").await;
    world.gone("WebhookSubscription", "one").await;
    world.apply([moved("intake", json!({"targetUrl": "https://a.other.example/", "suspend": false}))]).await;
    world.ready("WebhookEndpoint", "intake").await;
    world.ready("WebhookSubscription", "two").await;
    let expected = pairs(&[HILLTOP], &events);
    assert!(world.has_exactly(&expected), "{}", world.report());
    town.quiet(mark, &[("DELETE row", 1), ("PATCH endpoint", 1), ("POST row", 1)]).await;
    town.world.finish().await;
}
