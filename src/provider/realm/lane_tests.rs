//! In which lane the calls of a realm reach the provider (rules.md *Gate*).

use std::sync::Arc;
use std::time::Duration;

use super::tests::{new_row, realm};
use super::{Realm, RealmTiming};
use crate::provider::gate::{Errand, Lane};
use crate::provider::model::{EndpointPatch, NewEndpoint, RemoteId};

const URL: &str = "https://example.org/hooks";

#[tokio::test]
async fn each_kind_of_write_has_its_lane_and_a_more_urgent_errand_takes_it_along() {
    let (realm, fake) = realm(RealmTiming::default());
    let new = NewEndpoint { target_url: URL.to_owned(), active: true };
    let made = realm.create_endpoint(&new).await.unwrap();
    let off = EndpointPatch { active: Some(false), target_url: None };
    realm.patch_endpoint(&made.id, &off).await.unwrap();
    let row = realm.create_row(&new_row(&made.id, "one"), None).await.unwrap().unwrap();
    realm.delete_row(&row).await.unwrap();
    let lost = new_row(&made.id, "two");
    Errand::new(Lane::Repairs).run(realm.create_row(&lost, None)).await.unwrap();
    Errand::new(Lane::Creates).run(realm.delete_endpoint(&made.id)).await.unwrap();
    assert_eq!(fake.lanes("create_endpoint"), [Lane::Creates]);
    assert_eq!(fake.lanes("patch_endpoint"), [Lane::Repairs]);
    assert_eq!(fake.lanes("create_row"), [Lane::Creates, Lane::Repairs]);
    assert_eq!(fake.lanes("delete_row"), [Lane::Deletes]);
    assert_eq!(fake.lanes("delete_endpoint"), [Lane::Deletes]);
}

fn list(realm: &Arc<Realm>, id: &RemoteId, errand: Errand) -> tokio::task::JoinHandle<()> {
    let (realm, id) = (realm.clone(), id.clone());
    tokio::spawn(errand.run(async move { realm.refresh_rows(&id, None).await.unwrap() }))
}

#[tokio::test(start_paused = true)]
async fn a_list_is_as_urgent_as_the_most_urgent_of_those_who_wait_for_it() {
    let (realm, fake) = realm(RealmTiming::default());
    let id = fake.endpoint("1", URL);
    fake.hold("list_rows");
    let (round, lever) = Errand::with_lever(Lane::Reads);
    let round = list(&realm, &id, round);
    fake.until_called("list_rows", 1).await;
    assert_eq!(fake.lanes("list_rows"), [Lane::Reads]);
    let urgent = list(&realm, &id, Errand::new(Lane::Deletes));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(fake.lanes("list_rows"), [Lane::Deletes], "a deletion waits for it");
    let idle = list(&realm, &id, Errand::new(Lane::Reads));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(fake.lanes("list_rows"), [Lane::Deletes], "nobody makes it less urgent");
    lever.raise(Lane::Front);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(fake.lanes("list_rows"), [Lane::Front], "the round that began it is late now");
    fake.release("list_rows");
    for caller in [round, urgent, idle] {
        caller.await.unwrap();
    }
    assert_eq!(fake.calls("list_rows"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_join_a_list_that_an_open_breaker_may_send_away() {
    let (realm, fake) = realm(RealmTiming::default());
    let id = fake.endpoint("1", URL);
    fake.hold("list_rows");
    let ordinary = list(&realm, &id, Errand::new(Lane::Creates));
    fake.until_called("list_rows", 1).await;
    let probe = list(&realm, &id, Errand::new(Lane::Reads).probing());
    fake.until_called("list_rows", 2).await;
    let joins = list(&realm, &id, Errand::new(Lane::Creates));
    tokio::time::sleep(Duration::from_millis(1)).await;
    fake.release("list_rows");
    for caller in [ordinary, probe, joins] {
        caller.await.unwrap();
    }
    assert_eq!(fake.calls("list_rows"), 2, "others join the probe");
}
