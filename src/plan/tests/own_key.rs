//! rules.md *Providers of another shape*, step by step.

use serde_json::json;

use super::fixtures::{at, said};
use super::own_key_walk::{Harm, World};
use crate::plan::endpoint::{EndpointStep, Stuck};
use crate::plan::rotation::{Publish, Source};
use crate::plan::row_calls::RowCall;
use crate::plan::{AccountView, Refusal};
use crate::provider::model::{RemoteId, RemoteRow};

/// One with a published key and its webhooks.
fn settled() -> World {
    let mut world = World::new(true, true);
    world.harm(Harm::Steps(8));
    assert_eq!(world.rows.rows.len(), 3);
    world
}

fn condition(world: &World, kind: &str) -> String {
    said(&world.status().conditions, kind)
}

fn message(world: &World, kind: &str) -> String {
    let status = world.status();
    status.conditions.iter().find(|one| one.type_ == kind).map(|one| one.message.clone()).unwrap_or_default()
}

fn rotating(world: &mut World, spec: serde_json::Value) {
    world.endpoint.object.spec.signing_secret.rotation = serde_json::from_value(spec).unwrap();
}

#[test]
fn the_key_is_published_before_anything_says_where_webhooks_stand() {
    let mut world = World::new(true, true);
    assert_eq!(world.plan().step, EndpointStep::AddFinalizer);
    world.step();
    let new = EndpointStep::PublishSecret(Publish { current: Source::New, previous: None });
    assert_eq!(world.plan().step, new);
    world.step();
    assert_eq!(world.status().home, None);
    assert_eq!(world.plan().step, EndpointStep::Acknowledge);
    world.step();
    let status = world.status();
    assert!(status.home.is_some() && status.remote_id.is_none());
    assert_eq!(status.signing_secret.map(|known| known.fingerprint), world.fingerprints()[0]);
}

#[test]
fn a_static_provider_has_neither_home_nor_finalizer_nor_an_active_condition() {
    let mut world = World::new(false, true);
    world.harm(Harm::Steps(5));
    assert_eq!(world.plan().step, EndpointStep::Rest);
    let status = world.status();
    assert_eq!((status.home, status.remote_id, status.active, status.subscriptions), (None, None, None, None));
    assert!(world.endpoint.object.metadata.finalizers.is_none());
    assert_eq!(condition(&world, "Ready"), "True/Unmanaged");
    assert_eq!(condition(&world, "Active"), "absent");
    assert!(message(&world, "Ready").contains("give its support the URL"));
}

#[test]
fn a_static_providers_key_is_replaced_by_request_alone_and_a_due_one_is_said() {
    let mut world = World::new(false, true);
    world.harm(Harm::Steps(5));
    rotating(&mut world, json!({"interval": "720h", "overlap": "49h", "publishDelay": "60s"}));
    world.harm(Harm::Wait(31 * 24 * 3600));
    world.harm(Harm::Steps(5));
    assert_eq!(condition(&world, "RotationOverdue"), "True/ArrangedByPeople");
    assert_eq!(condition(&world, "Rotating"), "absent");
    let before = world.fingerprints();
    world.harm(Harm::Request(1));
    world.harm(Harm::Steps(9));
    world.harm(Harm::Wait(61));
    world.harm(Harm::Steps(9));
    assert_eq!(condition(&world, "Rotating"), "True/Draining");
    assert_eq!(world.fingerprints()[1], before[0], "both keys");
    assert_ne!(world.fingerprints()[0], before[0]);
    world.harm(Harm::Wait(49 * 3600));
    world.harm(Harm::Steps(9));
    assert_eq!((condition(&world, "Rotating"), world.fingerprints()[1].clone()), ("absent".to_owned(), None));
}

#[test]
fn webhooks_wait_for_receivers_to_load_the_new_key() {
    let mut world = settled();
    let home = world.status().home.unwrap();
    rotating(&mut world, json!({"overlap": "49h", "publishDelay": "60s"}));
    world.harm(Harm::Request(1));
    world.harm(Harm::Steps(6));
    assert_eq!(condition(&world, "Rotating"), "True/Publishing");
    assert_eq!(world.status().home.as_ref(), Some(&home), "new webhooks are still made with the former key");
    assert_eq!(condition(&world, "Ready"), "True/InSync");
    world.harm(Harm::Wait(62));
    world.harm(Harm::Steps(6));
    assert_eq!(condition(&world, "Rotating"), "True/Draining");
    assert!(world.rows.rows.iter().all(|row| row.endpoint.as_str() != home));
    // The former key stays for what was sent before.
    assert!(world.fingerprints()[1].is_some());
}

#[test]
fn a_secret_that_is_written_again_gives_receivers_their_time_again() {
    let mut world = settled();
    rotating(&mut world, json!({"overlap": "49h", "publishDelay": "60s"}));
    world.harm(Harm::Request(1));
    world.harm(Harm::Steps(6));
    let published = world.status().rotation.unwrap().published_at.unwrap().0;
    world.harm(Harm::Wait(50));
    world.harm(Harm::LoseSecret);
    world.harm(Harm::Steps(6));
    let again = world.status().rotation.unwrap().published_at.unwrap().0;
    assert!(again >= published + jiff::SignedDuration::from_secs(50), "{published} {again}");
    assert_eq!(condition(&world, "Rotating"), "True/Publishing");
}

#[test]
fn a_stranger_with_a_hidden_key_holds_its_event_up_and_no_other() {
    let mut world = settled();
    world.endpoint.object.spec.target_url = "https://hooks.example.com/elsewhere".into();
    let event = world.rows.rows[0].event.clone();
    world.rows.rows.push(RemoteRow {
        id: RemoteId::new("wh_0"),
        endpoint: crate::provider::model::home::home_of_unknown_key("https://hooks.example.com/elsewhere"),
        event: event.clone(),
        ..world.rows.rows[0].clone()
    });
    world.harm(Harm::Steps(6));
    let waits: Vec<&RemoteRow> =
        world.rows.rows.iter().filter(|row| Some(row.endpoint.as_str()) != world.status().home.as_deref()).collect();
    assert_eq!(waits.len(), 2, "the stranger, and ours that it may be the successor of");
    assert!(waits.iter().all(|row| row.event == event));
    assert_eq!(condition(&world, "Ready"), "False/RemoteNotDeleted");
    assert!(message(&world, "Ready").contains("delete wh_0 there"), "{}", message(&world, "Ready"));
}

#[test]
fn a_refused_replacement_is_overdue_and_names_the_webhook() {
    let mut world = settled();
    rotating(&mut world, json!({"overlap": "0s", "publishDelay": "0s"}));
    world.harm(Harm::Request(1));
    let id = world.rows.rows[0].id.clone();
    let refusal = Refusal { status: 403, at: at(world.endpoint.now) };
    world.endpoint.memory.stuck.insert(id.clone(), Stuck::Move(refusal));
    world.harm(Harm::Steps(12));
    assert_eq!(condition(&world, "RotationOverdue"), "True/MoveRefused");
    assert!(message(&world, "RotationOverdue").contains(&format!("webhook {id} (HTTP 403)")));
    assert_eq!(condition(&world, "Ready"), "True/InSync");
    assert_eq!(world.rows.rows.iter().filter(|row| row.id == id).count(), 1, "it goes on delivering");
}

#[test]
fn deletion_takes_every_webhook_of_its_keys_and_looks_once_more() {
    let mut world = settled();
    world.endpoint.object.metadata.deletion_timestamp = Some(crate::plan::wire_time(at(world.endpoint.now)));
    let EndpointStep::Rows(calls) = world.plan().step else { panic!("{:?}", world.plan().step) };
    assert_eq!(calls.iter().filter(|call| matches!(call, RowCall::Delete { .. })).count(), 3);
    // Something is in doubt until a later list.
    world.rows.rows.clear();
    let home = RemoteId::new(world.status().home.unwrap());
    world.rows.unsettled.insert(home.clone());
    assert_eq!(world.plan().step, EndpointStep::ListRows(home));
    world.rows.unsettled.clear();
    assert_eq!(world.plan().step, EndpointStep::RemoveFinalizer);
    // A process before this one may have sent what still lands.
    world.endpoint.unsettled = 1;
    world.endpoint.started = world.endpoint.now - 1;
    let plan = world.plan();
    assert!(plan.step == EndpointStep::Rest && plan.again.is_some(), "{plan:?}");
    world.endpoint.account = AccountView::NotFound;
    assert_eq!(said(&world.plan().status.conditions, "DeletionBlocked"), "True/AccountNotFound");
}

#[test]
fn a_restored_secret_is_taken_up_and_two_keys_resume_a_rotation() {
    let mut world = settled();
    let before = world.fingerprints();
    world.endpoint.object.status = None;
    world.harm(Harm::Steps(4));
    assert_eq!((world.fingerprints(), world.rows.rows.len()), (before.clone(), 3), "nothing is made anew");
    assert_eq!(world.status().signing_secret.map(|known| known.fingerprint), before[0]);
    rotating(&mut world, json!({"overlap": "49h", "publishDelay": "0s"}));
    world.harm(Harm::Request(1));
    world.harm(Harm::Steps(4));
    world.endpoint.object.status = None;
    world.harm(Harm::Steps(8));
    assert_eq!(condition(&world, "Rotating"), "True/Draining");
    let current = world.fingerprints()[0].clone();
    let under = |row: &RemoteRow| crate::provider::model::home::fingerprint_of(&row.endpoint);
    assert!(world.rows.rows.iter().all(|row| under(row) == current), "{world:?}");
}
