//! Every pair of the provider's catalogue, over HTTP through the operator.

use serde_json::Value;
use testbed::nexhealth::Mark;
use testbed::nexhealth::catalogue::{self, Pair};

use crate::support::{LAKESIDE, SUNSHINE, World, account_wide, endpoint, pairs, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_50_pairs_with_and_without_their_resource_type() {
    let world = World::named("catalogue").start().await;
    let (of_practices, of_account): (Vec<Pair>, Vec<Pair>) = catalogue::pairs().partition(Pair::institution_scoped);
    assert_eq!(of_practices.len() + of_account.len(), 50);
    let mut bare = subscription("bare", "intake", &[LAKESIDE], &of_practices);
    for event in bare["spec"]["events"].as_array_mut().unwrap() {
        event.as_object_mut().and_then(|event| event.remove("resourceType")).unwrap();
    }
    let full = subscription("full", "intake", &[SUNSHINE], &of_practices);
    world.apply([endpoint("intake"), full, bare, account_wide("wide", "intake", &of_account)]).await;
    for name in ["full", "bare", "wide"] {
        let object = world.ready("WebhookSubscription", name).await;
        assert_eq!(object.said("KnownEvents"), "True/AllKnown");
        assert_eq!(object.status()["failures"], Value::Null);
    }
    let mut expected = pairs(&[SUNSHINE, LAKESIDE], &of_practices);
    expected.extend(pairs(&[""], &of_account));
    assert!(world.has_exactly(&expected), "{}", world.report());
    world.assert_writes(
        Mark::default(),
        [("POST endpoint", 1), ("POST row", of_practices.len() * 2 + of_account.len())],
    );
    world.finish().await;
}
