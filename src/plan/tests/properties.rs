//! For any input: no panic, conditions that keep the rules, and a fixpoint instead of a write per pass.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::*;
use super::pairs::any_spec;
use super::realm::*;
use crate::api::WebhookEndpointStatus;
use crate::api::WebhookSubscriptionSpec;
use crate::api::endpoint::Reactivation;
use crate::plan::contention::Corrections;
use crate::plan::create::Candidate;
use crate::plan::endpoint::{EndpointMemory, EndpointStep, SecretView};
use crate::plan::pairs::declared;
use crate::plan::subscription::{EndpointLink, SubscriptionStep};
use crate::plan::{AccountPolicy, AccountView};
use crate::provider::model::{Absence, RemoteEndpoint, RowCreateState, RowKey};
use crate::signing::SecretText;

const DAY: i64 = 86_400;

fn any_account() -> impl Strategy<Value = AccountView> {
    prop_oneof![
        4 => any::<bool>().prop_map(|allow_insecure| AccountView::Ready { allow_insecure }),
        1 => Just(AccountView::NotFound),
        1 => Just(AccountView::NotReady("x".repeat(2000))),
        1 => Just(AccountView::DeletesOnly("gone".to_owned())),
        1 => any::<bool>().prop_map(|long| AccountView::Unavailable { long }),
    ]
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![NOW - 20..NOW + 20, NOW - DAY..NOW + DAY]
}

fn wire(second: i64) -> Value {
    json!(at(second).to_string())
}

fn any_ids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(prop::sample::select(vec!["7", "8", "9"]), 0..3)
        .prop_map(|ids| ids.into_iter().map(str::to_owned).collect())
}

fn any_condition() -> impl Strategy<Value = Value> {
    let reason = prop::sample::select(vec!["AsDeclared", "SwitchedOffRemotely", "Delivering", "Unheard"]);
    let status = prop::sample::select(vec!["True", "False", "Unknown", "odd"]);
    (reason, status, 1..3i64).prop_map(|(reason, status, generation)| {
        json!([{"type": "Active", "status": status, "reason": reason, "message": "m", "observedGeneration": generation,
                "lastTransitionTime": wire(NOW - 99)}])
    })
}

fn any_endpoint_status() -> impl Strategy<Value = Value> {
    let create = || (any_time(), any_time(), any_ids(), any::<bool>());
    let parts = (
        prop::option::of(Just("7")),
        any_ids(),
        prop::option::of(create()),
        prop::option::of(create()),
        any_condition(),
    );
    prop::option::of(parts).prop_map(|parts| {
        let Some((id, removing, pending, last, conditions)) = parts else { return Value::Null };
        let mut status = json!({"observedGeneration": 1, "conditions": conditions});
        if let Some(id) = id {
            status["remoteId"] = json!(id);
        }
        status["removing"] = json!(removing.into_iter().filter(|own| Some(own.as_str()) != id).collect::<Vec<_>>());
        if let Some((since, _, seen, _)) = pending {
            status["pendingCreate"] = json!({"since": wire(since), "seenRemoteIds": seen});
        }
        if let Some((since, until, seen, outstanding)) = last {
            status["lastCreate"] =
                json!({"since": wire(since), "until": wire(until), "seenRemoteIds": seen, "outstanding": outstanding});
        }
        status
    })
}

fn any_remote() -> impl Strategy<Value = RemoteEndpoint> {
    let url = prop::sample::select(vec![URL, "https://other.example.com/", "http://x", "nonsense", ""]);
    let key = prop::option::of(prop::sample::select(vec!["key-number-1", "key-number-2"]));
    (url, any::<bool>(), prop::option::of(any_time()), key, prop::sample::select(vec!["7", "8", "9"])).prop_map(
        |(url, active, created, key, name)| RemoteEndpoint {
            id: id(name),
            target_url: url.into(),
            active,
            created_at: created.map(at),
            updated_at: None,
            key: key.map(SecretText::new),
        },
    )
}

/// A Secret as plain data: its kind, its key, and whether it is dressed and owned.
type PlainSecret = (u8, Option<&'static str>, bool, bool);

fn any_secret() -> impl Strategy<Value = PlainSecret> {
    (0..4u8, prop::option::of(prop::sample::select(vec!["key-number-1", "key-number-2"])), any::<bool>(), any::<bool>())
}

fn secret_of((kind, key, dressed, owned): PlainSecret) -> SecretView {
    match kind {
        0 => SecretView::Missing,
        1 => SecretView::Foreign,
        _ => SecretView::Ours { current: key.map(SecretText::new), previous: None, dressed, owned, rotated_at: None },
    }
}

prop_compose! {
    fn any_memory()(
        mine in any::<bool>(), made in prop::option::of(any_ids()), lost in prop::option::of(any_time()),
        refused in prop::option::of(any_time()), delete_refused in prop::option::of(any_time()),
        in_the_way in prop::option::of(0..3usize), definition_going in any::<bool>(),
    ) -> EndpointMemory {
        let refusal = |second| crate::plan::Refusal { status: 422, at: at(second) };
        EndpointMemory {
            definition_going,
            unreadable: in_the_way.map(|count| (u32::try_from(count).unwrap(), at(0))),
            intent_is_mine: mine,
            made: made.and_then(|ids| ids.first().map(|made| id(made))),
            lost_post: lost.map(at),
            refused: refused.map(refusal),
            delete_refused: delete_refused.map(|at| (id("7"), refusal(at))).into_iter().collect(),
            rows_in_the_way: in_the_way.map(|count| vec![row("1", "7", "a", "patient_created"); count]),
            rows_tried: lost.map(at),
            corrections: Corrections::default(),
            reactivated: lost.map(at),
            ..EndpointMemory::default()
        }
    }
}

prop_compose! {
    fn any_endpoint()(
        status in any_endpoint_status(), account in any_account(), secret in any_secret(), memory in any_memory(),
        url in prop::sample::select(vec![URL, "http://h.example.com/", "nonsense", ""]), active in any::<bool>(),
        flags in any::<[bool; 7]>(), rival in prop::option::of("[a-z]{1,3}"), leaving in 0..2usize,
        held in prop::option::of(any_remote()), absence in prop::option::of((any_time(), any_time(), 0..4u32, any::<bool>())),
        same_url in prop::collection::vec((any_remote(), prop::option::of(0..2usize), any::<bool>()), 0..3),
        uncertain in prop::option::of(any_time()), policy in prop::sample::select(vec!["Delete", "Orphan"]), now in any_time(),
        more in any::<[bool; 8]>(),
    ) -> Endpoint {
        let mut endpoint = Endpoint::new();
        endpoint.spec(json!({"targetUrl": url, "active": active, "deletionPolicy": policy, "suspend": more[1],
            "adoption": if more[2] { "IfUnclaimed" } else { "Never" }, "adoptRemoteId": more[3].then_some("7"),
            "reactivation": if more[4] { "Auto" } else { "Never" }}));
        if !status.is_null() {
            endpoint.object.status = Some(serde_json::from_value(status).unwrap());
        }
        if flags[0] {
            endpoint.delete();
        }
        if flags[1] {
            endpoint.object.metadata.finalizers = None;
        }
        let remote = &mut endpoint.remote;
        (remote.listed, remote.listed_since_intent, remote.gone, remote.removing_gone) = (!flags[2], flags[3], flags[4], flags[5]);
        remote.held = held;
        remote.absence = absence.map(|(first, last, lists, witnessed)| Absence { first: at(first), last: at(last), lists, witnessed, seen: None });
        remote.same_url = same_url.into_iter().map(|(endpoint, rows, taken)| Candidate { endpoint, rows, taken, held_elsewhere: taken && rows.is_none() }).collect();
        remote.named = remote.same_url.first().cloned().filter(|_| more[0]);
        remote.uncertain = uncertain.map(at);
        (endpoint.account, endpoint.secret, endpoint.memory) = (account, secret_of(secret), memory);
        endpoint.policy = AccountPolicy { observe: more[5], orphan: more[6], releasing: more[6] && more[7] };
        (endpoint.rival, endpoint.leaving, endpoint.now) = (rival.filter(|_| flags[6]), leaving, now);
        endpoint.look_again();
        endpoint
    }
}

prop_compose! {
    fn any_subscription()(
        spec in any_spec(), before in prop::option::of(any_spec()), account in any_account(), flags in any::<[bool; 6]>(),
        link in prop_oneof![
            6 => any::<[bool; 2]>().prop_map(|[silent, never]| EndpointLink::Usable {
                remote_id: id("7"), leaving: None, silent: silent.then_some("silent"), off_remotely: silent,
                reactivation: if never { Reactivation::Never } else { Reactivation::Auto },
            }),
            1 => Just(EndpointLink::NotFound), 1 => Just(EndpointLink::NotReady), 1 => Just(EndpointLink::Going),
        ],
        there in prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "", "z"]), prop::sample::select(vec!["patient_created", "appointment_insertion", "account_changed"]), any::<bool>()), 0..6),
        siblings in prop::collection::vec((any_spec(), any::<bool>()), 0..2), listed_at in prop::option::of(any_time()),
        doubt in prop::option::of(any_time()), policy in prop::sample::select(vec!["Delete", "Orphan"]), now in any_time(),
        refused in prop::option::of(any_time()), unreachable in any::<bool>(), more in any::<[bool; 6]>(),
    ) -> Subscription {
        let mut subscription = Subscription::new(&[], &[]);
        if let Some(before) = before {
            subscription.object.spec = before;
            let plan = subscription.plan();
            if matches!(plan.step, SubscriptionStep::Acknowledge { .. }) {
                subscription.object.status = Some(plan.status);
            }
        }
        subscription.object.spec = spec;
        subscription.spec(json!({"deletionPolicy": policy, "suspend": more[0], "undeclared": if more[1] { "Delete" } else { "Report" }}));
        subscription.policy = AccountPolicy { observe: more[2] && more[3], orphan: more[3], releasing: more[3] && more[4] };
        subscription.rows.former = if more[5] { vec!["z".into()] } else { Vec::new() };
        if flags[0] {
            subscription.delete();
        }
        if flags[1] {
            subscription.object.metadata.finalizers = None;
        }
        if flags[2] {
            subscription.rows.unsettled.insert(id("7"));
        }
        subscription.has_realm = !(flags[3] && flags[4]);
        for (place, (practice, event, active)) in there.into_iter().enumerate() {
            subscription.rows.rows.push(crate::provider::model::RemoteRow { active, ..row(&place.to_string(), "7", practice, event) });
        }
        if let Some(row) = subscription.rows.rows.first() {
            if let Some(doubt) = doubt {
                subscription.rows.states.insert(row.key(), RowCreateState::Uncertain { look_after: at(doubt) });
            }
            if let Some(refused) = refused {
                let refusal = crate::plan::Refusal { status: 403, at: at(refused) };
                subscription.memory.refused.insert(row.key(), refusal);
                subscription.memory.undeletable.insert(row.id.clone(), refusal);
            }
        }
        if unreachable {
            subscription.old.unreachable = vec![id("8")];
        }
        for (spec, older) in siblings {
            let mut object = declaring("other", &[], &[]);
            object.spec = spec;
            subscription.siblings.push((object, older));
        }
        subscription.rows.listed_at = listed_at.map(at);
        (subscription.account, subscription.link, subscription.now) = (account, link, now);
        subscription
    }
}

/// Many, unless the environment says how many: `make mutants` runs them a thousand times.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(2000),
    }
}

proptest! {
    #![proptest_config(cases())]

    /// `Endpoint::plan` checks the rules of every status that is written.
    #[test]
    fn endpoints_come_to_a_fixpoint(mut endpoint in any_endpoint()) {
        for _ in 0..6 {
            let plan = endpoint.plan();
            let unchanged = endpoint.object.status.as_ref() == Some(&plan.status);
            match plan.step {
                EndpointStep::Acknowledge => {
                    prop_assert!(!unchanged, "an acknowledgement that says nothing new");
                    let before = endpoint.object.status.replace(plan.status);
                    // From its acknowledgement on an intent is this process's own.
                    let intent = |status: &WebhookEndpointStatus| status.pending_create.clone();
                    endpoint.memory.intent_is_mine |=
                        before.as_ref().and_then(intent) != endpoint.object.status.as_ref().and_then(intent);
                    endpoint.look_again();
                    endpoint.now += 7;
                }
                EndpointStep::Rest if unchanged => return Ok(()),
                EndpointStep::Rest => {
                    endpoint.object.status = Some(plan.status);
                    let again = endpoint.plan();
                    prop_assert_eq!(again.step, EndpointStep::Rest);
                    prop_assert_eq!(again.status, endpoint.object.status.clone().unwrap());
                    prop_assert!(again.notes.is_empty(), "an Event per pass");
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        prop_assert!(false, "acknowledges without end");
    }

    #[test]
    fn subscriptions_come_to_a_fixpoint(mut subscription in any_subscription()) {
        for _ in 0..6 {
            let plan = subscription.plan();
            let unchanged = subscription.object.status.as_ref() == Some(&plan.status);
            match plan.step {
                SubscriptionStep::Acknowledge { .. } => {
                    prop_assert!(!unchanged, "an acknowledgement that says nothing new");
                    subscription.object.status = Some(plan.status);
                    subscription.now += 7;
                }
                SubscriptionStep::Rest if unchanged => return Ok(()),
                SubscriptionStep::Rest => {
                    subscription.object.status = Some(plan.status);
                    subscription.memory.seen = plan.seen.unwrap_or_default();
                    let again = subscription.plan();
                    prop_assert_eq!(again.step, SubscriptionStep::Rest);
                    prop_assert_eq!(again.status, subscription.object.status.clone().unwrap());
                    prop_assert!(again.notes.is_empty(), "an Event per pass");
                    return Ok(());
                }
                SubscriptionStep::Calls(calls) => {
                    prop_assert!(!calls.is_empty(), "calls without a call");
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        prop_assert!(false, "acknowledges without end");
    }

    /// Invariant *No event gap*: whatever was applied and is declared now, a pair that the object or another one declares
    /// and that has a row never loses its last one, and in the end exactly what is declared stands.
    #[test]
    fn no_declared_pair_is_ever_without_a_row(
        before in known_spec(), after in known_spec(), other in known_spec(), going in any::<bool>(),
    ) {
        let catalogue = catalogue();
        let mut subscription = Subscription::new(&[], &[]);
        subscription.object.spec = before;
        subscription.obey();
        let mut sibling = declaring("other", &[], &[]);
        sibling.spec = other.clone();
        subscription.siblings.push((sibling, false));
        let of = |spec, rows: &Rows| -> BTreeSet<RowKey> {
            declared(spec, &catalogue, rows).unwrap().into_iter().filter_map(|item| item.key.ok()).collect()
        };
        let here = |rows: &Rows| rows.rows.iter().map(|row| row.key()).collect::<BTreeSet<_>>();
        let mut wanted = of(&other, &subscription.rows);
        let own = of(&after, &subscription.rows);
        subscription.object.spec = after;
        subscription.object.metadata.generation = Some(2);
        if going {
            subscription.delete();
        } else {
            wanted.extend(own.iter().cloned());
        }
        for _ in 0..50 {
            let plan = subscription.plan();
            match plan.step {
                SubscriptionStep::Acknowledge { .. } => _ = subscription.acknowledge(),
                SubscriptionStep::Calls(calls) => {
                    for call in &calls {
                        let stood = here(&subscription.rows);
                        subscription.call(call);
                        let stands = here(&subscription.rows);
                        prop_assert!(stood.intersection(&wanted).all(|key| stands.contains(key)), "{call:?}");
                    }
                }
                SubscriptionStep::Rest | SubscriptionStep::RemoveFinalizer => {
                    let stands = here(&subscription.rows);
                    prop_assert!(going || own.is_subset(&stands), "declared and not there");
                    prop_assert!(stands.is_subset(&wanted), "left behind: {:?}", stands.difference(&wanted));
                    return Ok(());
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(false, "no end");
    }
}

/// A spec of known events that the provider would take, in one of the three scopes.
fn known_spec() -> impl Strategy<Value = WebhookSubscriptionSpec> {
    let some = |from: &'static [&'static str]| prop::collection::btree_set(prop::sample::select(from), 1..=from.len());
    let scope = prop_oneof![
        some(&["a", "b", "c"]).prop_map(|names| json!({"practices": names})),
        some(&["a", "b"]).prop_map(|names| json!({"practices": null, "allPractices": {"except": names}})),
        Just(json!({"practices": null, "allPractices": null, "accountWide": {}})),
    ];
    let events = some(&["patient_created", "appointment_insertion", "account_changed"]);
    (scope, events).prop_map(|(scope, events)| {
        let events: Vec<Value> = events.into_iter().map(|event| json!({"event": event})).collect();
        let spec = json!({"endpointRef": {"name": "intake"}, "events": events, "practices": null, "allPractices": null, "accountWide": null});
        changed(serde_json::from_value::<WebhookSubscriptionSpec>(spec).unwrap(), scope)
    })
}
