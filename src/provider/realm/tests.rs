//! The realm against a provider in memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::fake::Fake;
use super::{Health, Realm, RealmKey, RealmTiming};
use crate::provider::mirror::{Changes, CreateState, Mirror, World};
use crate::provider::model::{NewEndpoint, NewRow, Practice, RemoteId, RowKey, RowPatch};
use crate::provider::{Ambiguity, CallError, Unavailable};

const URL: &str = "https://example.org/hooks";

pub(super) fn realm(timing: RealmTiming) -> (Arc<Realm>, Arc<Fake>) {
    let fake = Arc::new(Fake::default());
    (Realm::new(RealmKey::new("fake", "https://api.example.org", [7; 32]), fake.clone(), timing), fake)
}

pub(super) fn new_row(endpoint: &RemoteId, event: &str) -> NewRow {
    NewRow {
        endpoint: endpoint.clone(),
        practice: None,
        resource_type: Arc::from("Patient"),
        event: Arc::from(event),
        active: true,
        payload_version: Arc::from("v2"),
    }
}

fn key(event: &str) -> RowKey {
    RowKey { practice: None, resource_type: Arc::from("Patient"), event: Arc::from(event) }
}

fn unavailable(ambiguity: Option<Ambiguity>) -> CallError {
    CallError::Unavailable { cause: Unavailable::Server(502), ambiguity }
}

fn held(ids: &[&RemoteId]) -> HashSet<RemoteId> {
    ids.iter().map(|id| (*id).clone()).collect()
}

#[test]
fn the_key_digest_is_not_shown() {
    let text = format!("{:?}", RealmKey::new("fake", "https://api.example.org", [7; 32]));
    assert!(text.contains("api.example.org") && !text.contains('7'), "{text}");
}

#[tokio::test]
async fn fifty_callers_cost_one_call() {
    let (realm, fake) = realm(RealmTiming::default());
    let id = fake.endpoint("1", URL);
    fake.hold("list_rows");
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (realm, id) = (realm.clone(), id.clone());
            tokio::spawn(async move { realm.refresh_rows(&id, None).await })
        })
        .collect();
    fake.until_called("list_rows", 1).await;
    fake.release("list_rows");
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Ok(()));
    }
    assert_eq!(realm.refresh_rows(&id, None).await, Ok(()));
    assert_eq!(fake.calls("list_rows"), 1);
}

#[tokio::test]
async fn a_list_that_began_too_early_does_not_serve() {
    let (realm, fake) = realm(RealmTiming::default());
    fake.hold("list_endpoints");
    let early = tokio::spawn({
        let realm = realm.clone();
        async move { realm.refresh_endpoints(None).await }
    });
    fake.until_called("list_endpoints", 1).await;
    let since = realm.read(Mirror::now);
    let late = tokio::spawn({
        let realm = realm.clone();
        async move { realm.refresh_endpoints(Some(since)).await }
    });
    fake.until_called("list_endpoints", 2).await;
    fake.release("list_endpoints");
    assert_eq!((early.await.unwrap(), late.await.unwrap()), (Ok(()), Ok(())));
    assert!(realm.read(|mirror| mirror.endpoint_list().unwrap().started > since));
}

#[tokio::test]
async fn a_failed_list_is_shared_and_not_repeated() {
    let (realm, fake) = realm(RealmTiming::default());
    fake.hold("list_practices");
    fake.fail("list_practices", unavailable(None));
    let callers: Vec<_> = (0..5)
        .map(|_| {
            let realm = realm.clone();
            tokio::spawn(async move { realm.refresh_practices(None).await })
        })
        .collect();
    fake.until_called("list_practices", 1).await;
    tokio::task::yield_now().await;
    fake.release("list_practices");
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Err(unavailable(None)));
    }
    assert_eq!(fake.calls("list_practices"), 1);
    assert_eq!(realm.refresh_practices(None).await, Ok(()), "the next caller asks again");
}

#[tokio::test]
async fn own_answers_are_read_at_once() {
    let (realm, fake) = realm(RealmTiming::default());
    let new = NewEndpoint { target_url: URL.to_owned(), active: true };
    let id = realm.create_endpoint(&new).await.unwrap().id;
    assert!(realm.read(|mirror| mirror.endpoint(&id).is_some() && mirror.row_list_known(&id)));
    assert!(realm.read(|mirror| mirror.is_missing(std::slice::from_ref(&id), &key("a"))), "no list is needed");
    let row = realm.create_row(&new_row(&id, "a"), None).await.unwrap().unwrap();
    assert_eq!(realm.read(|mirror| mirror.rows(&id, &key("a"))), std::slice::from_ref(&row));
    assert_eq!(realm.create_row(&new_row(&id, "a"), None).await, Ok(None), "there is one");
    let other = fake.endpoint("5", "https://example.org/other");
    let moved = RowPatch { active: Some(false), new_endpoint: Some(other.clone()) };
    let row = realm.patch_row(&row, None, &moved).await.unwrap();
    assert_eq!(realm.read(|mirror| mirror.rows(&other, &key("a"))), std::slice::from_ref(&row));
    assert!(realm.read(|mirror| mirror.rows(&id, &key("a")).is_empty()));
    realm.delete_row(&row).await.unwrap();
    realm.delete_endpoint(&id).await.unwrap();
    assert!(realm.read(|mirror| mirror.row(&row.id).is_none() && mirror.endpoint(&id).is_none()));
    assert_eq!(fake.calls("list_rows") + fake.calls("list_endpoints"), 0);
}

#[tokio::test]
async fn a_lost_answer_closes_the_pair_until_it_can_be_known() {
    let settle_answered = Duration::from_millis(20);
    let (realm, fake) = realm(RealmTiming { settle_answered, ..RealmTiming::default() });
    let id = fake.endpoint("1", URL);
    realm.refresh_rows(&id, None).await.unwrap();
    fake.fail("create_row", unavailable(Some(Ambiguity::Answered)));
    let before = Timestamp::now();
    realm.create_row(&new_row(&id, "a"), None).await.unwrap_err();
    let state = realm.read(|mirror| mirror.row_create_state(&id, &key("a")));
    let CreateState::Uncertain { look_after } = state else { panic!("{state:?}") };
    assert!(look_after >= before + settle_answered);
    assert_eq!(realm.create_row(&new_row(&id, "a"), None).await, Ok(None));
    assert_eq!(fake.calls("create_row"), 1);
    tokio::time::sleep(settle_answered * 2).await;
    realm.refresh_rows(&id, Some(realm.read(Mirror::now))).await.unwrap();
    assert_eq!(realm.read(|mirror| mirror.rows(&id, &key("a")).len()), 1);
    assert_eq!(realm.read(|mirror| mirror.row_create_state(&id, &key("a"))), CreateState::Free);
}

#[tokio::test]
async fn the_answer_is_applied_though_the_caller_has_gone() {
    let (realm, fake) = realm(RealmTiming::default());
    let id = fake.endpoint("1", URL);
    realm.refresh_rows(&id, None).await.unwrap();
    fake.hold("create_row");
    let caller = tokio::spawn({
        let (realm, id) = (realm.clone(), id.clone());
        async move { realm.create_row(&new_row(&id, "a"), None).await }
    });
    fake.until_called("create_row", 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(realm.read(|mirror| mirror.row_create_state(&id, &key("a"))), CreateState::InFlight);
    let mut changes = realm.changes();
    fake.release("create_row");
    assert!(changes.recv().await.unwrap().pairs.contains(&(id.clone(), key("a"))));
    assert_eq!(realm.read(|mirror| mirror.rows(&id, &key("a")).len()), 1);
}

#[tokio::test]
async fn wakes_name_exactly_what_changed() {
    let (realm, fake) = realm(RealmTiming::default());
    let (a, b) = (fake.endpoint("1", URL), fake.endpoint("2", "https://EXAMPLE.org"));
    realm.set_expectations(held(&[&a, &b]), Vec::new());
    let mut changes = realm.changes();
    realm.round().await.unwrap();
    let first = changes.recv().await.unwrap();
    assert_eq!(first.endpoints.iter().collect::<Vec<_>>(), [&a, &b]);
    assert_eq!(first.urls.iter().map(|url| &**url).collect::<Vec<_>>(), ["https://example.org/", URL]);
    assert!(first.world && first.pairs.is_empty() && !first.practices);

    realm.round().await.unwrap();
    assert!(changes.try_recv().is_err(), "an idle realm wakes nobody");

    realm.create_row(&new_row(&b, "a"), None).await.unwrap();
    let pairs = |changes: &Changes| changes.pairs.iter().cloned().collect::<Vec<_>>();
    assert_eq!(pairs(&changes.recv().await.unwrap()), [(b.clone(), key("a"))]);
    fake.state(|state| state.rows.clear());
    realm.round().await.unwrap();
    let lost = changes.recv().await.unwrap();
    assert_eq!((pairs(&lost), lost.endpoints.is_empty()), (vec![(b.clone(), key("a"))], true));
    assert!(realm.read(|mirror| mirror.is_missing(&[b], &key("a"))));
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn a_round_costs_endpoints_plus_two_calls() {
    let (realm, fake) = realm(RealmTiming::default());
    let (a, b) = (fake.endpoint("1", URL), fake.endpoint("2", "https://example.org/b"));
    fake.endpoint("3", "https://example.org/foreign");
    realm.set_expectations(held(&[&a, &b]), vec![Arc::from("7")]);
    realm.round().await.unwrap();
    assert_eq!(fake.all_calls(), ["list_endpoints", "list_rows", "list_rows", "list_practices"]);
    // One call more only while something is lacking.
    fake.state(|state| state.endpoints.get_mut(&b).unwrap().active = false);
    realm.round().await.unwrap();
    assert_eq!(fake.all_calls()[..2], ["list_endpoints", "list_inactive"]);
    assert!(realm.read(|mirror| mirror.endpoint(&b).is_some_and(|remote| !remote.active)));
}

#[tokio::test]
async fn the_last_endpoint_may_vanish_when_the_practices_witness_it() {
    let (realm, fake) = realm(RealmTiming::default());
    let id = fake.endpoint("1", URL);
    fake.state(|state| state.practices.push(Practice { name: Arc::from("smile"), key: Arc::from("7") }));
    realm.set_expectations(held(&[&id]), vec![Arc::from("7"), Arc::from("8")]);
    realm.round().await.unwrap();
    fake.state(|state| state.endpoints.clear());
    realm.refresh_endpoints(Some(realm.read(Mirror::now))).await.unwrap();
    assert!(realm.read(|mirror| mirror.absence(&id).is_some_and(|absence| absence.witnessed)));
    assert_eq!(realm.read(Mirror::world), World::Trusted);
    fake.state(|state| state.practices.clear());
    realm.refresh_endpoints(Some(realm.read(Mirror::now))).await.unwrap();
    let absence = realm.read(|mirror| mirror.absence(&id)).unwrap();
    assert_eq!((absence.lists, absence.witnessed, absence.witnessed_run), (2, false, None));
    assert_eq!(realm.read(Mirror::world), World::Unwitnessed);
}

#[tokio::test]
async fn health_follows_every_call() {
    let (realm, fake) = realm(RealmTiming::default());
    assert_eq!(realm.health(), Health::Unknown);
    let watched = realm.watch_health();
    fake.fail("list_practices", unavailable(None));
    realm.refresh_practices(None).await.unwrap_err();
    let Health::Unavailable { since, cause: Unavailable::Server(502) } = realm.health() else { panic!() };
    fake.fail("authenticate", CallError::RateLimited { retry_after: None });
    realm.authenticate().await.unwrap_err();
    assert!(matches!(realm.health(), Health::Unavailable { since: still, .. } if still == since));
    fake.fail("authenticate", CallError::CredentialsRejected);
    realm.authenticate().await.unwrap_err();
    assert!(matches!(realm.health(), Health::CredentialsRejected { .. }));
    fake.fail("authenticate", CallError::Rejected { status: 422 });
    realm.authenticate().await.unwrap_err();
    assert_eq!(realm.health(), Health::Healthy);
    assert!(watched.has_changed().unwrap());
}
