//! Several rotations, one after the other, under steady delivery to a receiver whose volume is late, with the operator
//! killed at moments that a seed chooses. The bench of faults has the same with a kill at every call.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use testbed::nexhealth::{DeliveryOutcome, Mark, RowPatch, SimConfig};

use super::{
    assert_always_ready, assert_no_gap, assert_one, assert_two_at_most, handled, made, phase, rotated, rotating,
};
use crate::support::{Deliveries, LAKESIDE, Mood, SUNSHINE, World, events, pairs, repeats, subscription, torn};

const SEED: u64 = 6;
const ROTATIONS: usize = 3;
const KILLS: usize = 5;
const PACE: Duration = Duration::from_millis(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_lose_nothing_and_nothing_is_refused_for_good() {
    let mut world = World::named("delivery").brief_logs().provider(repeats).start().await;
    let (events, mut random) = (events(3), rand::rngs::StdRng::seed_from_u64(SEED));
    let intake = |request: &str| rotating("intake", "1s", "1s", request);
    world.apply([intake(""), subscription("one", "intake", &[SUNSHINE, LAKESIDE], &events)]).await;
    world.all_ready().await;
    let (pairs, mark) = (pairs(&[SUNSHINE, LAKESIDE], &events), world.provider.mark());
    let deliveries = Deliveries::start(&world, "intake-signing", &pairs, PACE, Mood::Busy).await;
    let mut inside = 0;
    for number in 1..=ROTATIONS {
        let request = format!("request-{number}");
        world.apply([intake(&request)]).await;
        for _ in 0..KILLS {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
            let object = world.recorder.get("WebhookEndpoint", "intake").unwrap();
            inside += usize::from(!phase(&object).is_empty() || handled(&object) != request);
            world.kill_operator().await;
            world.start_operator();
        }
        rotated(&world, "intake", &request).await;
        assert_one(&world, "intake").await;
    }
    world.all_ready().await;
    assert!(inside >= ROTATIONS * KILLS / 2, "most kills must fall into a rotation: {inside}");
    let (account, broken) = deliveries.end(true).await;
    assert!(broken.is_empty(), "{}\n{account:?}\n{}", broken.join("\n"), world.report());
    assert!(account.busy > 0 && account.happened > ROTATIONS * 50, "{account:?}");
    // Each rotation makes one, and each kill can lose the answer to one POST.
    assert!((ROTATIONS..=ROTATIONS * (1 + KILLS)).contains(&made(&world, "intake", mark).len()));
    assert_no_gap(&world, "intake", mark, &pairs);
    assert_eq!(torn(&deliveries.contents()), Vec::<String>::new());
    assert_always_ready(&world);
    world.finish().await;
}

/// The same without kills: then nothing is even refused once for its key, nothing comes twice, and the calls are exactly
/// those that a rotation needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_rotation_is_not_noticed_by_the_receiver() {
    let world = World::named("delivery-calm").brief_logs().provider(repeats).start().await;
    let events = events(3);
    world.apply([rotating("intake", "2s", "1s", ""), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let pairs = pairs(&[SUNSHINE], &events);
    let deliveries = Deliveries::start(&world, "intake-signing", &pairs, PACE, Mood::Busy).await;
    let mark: Mark = world.provider.mark();
    world.apply([rotating("intake", "2s", "1s", "one")]).await;
    rotated(&world, "intake", "one").await;
    let (account, broken) = deliveries.end(false).await;
    assert!(broken.is_empty(), "{}\n{}", broken.join("\n"), world.report());
    assert_eq!((account.unverified, account.given_up.len()), (0, 0), "{account:?}\n{}", world.report());
    assert!(account.happened >= 100 && account.busy > 0, "{account:?}");
    world.assert_writes(mark, [("POST endpoint", 1), ("PATCH row", 3), ("DELETE endpoint", 1)]);
    assert_no_gap(&world, "intake", mark, &pairs);
    assert_two_at_most(&world, "intake");
    assert_eq!(torn(&deliveries.contents()), Vec::<String>::new());
    assert_always_ready(&world);
    world.finish().await;
}

/// That the account can tell: a person who moves the rows to another endpoint, and says so to nobody, is found out; so is one
/// who deletes the former endpoint while it still has something to repeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_by_hand_is_noticed() {
    let mut world = World::named("delivery-by-hand").brief_logs().provider(repeats).start().await;
    let events = events(3);
    world.apply([rotating("intake", "1s", "1s", ""), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    world.stop_operator().await;
    let pairs = pairs(&[SUNSHINE], &events);
    let portal = world.provider.edit();
    let from = world.remote_of("intake");
    // Without telling receivers the new key.
    let deliveries = Deliveries::start(&world, "intake-signing", &pairs, PACE, Mood::Calm).await;
    let to = portal.create_endpoint(SimConfig::ORGANISATION, &from.target_url);
    let moved = |id| RowPatch { active: None, new_endpoint_id: Some(id) };
    for row in world.provider.rows() {
        portal.patch_row(row.id, moved(to.id)).unwrap();
    }
    world.until("something is given up", gave_up).await;
    let (account, broken) = deliveries.end(false).await;
    assert!(!account.refused_for_good.is_empty() && broken.len() == 1, "{account:?} {broken:?}");
    // Without waiting for what is still to be repeated.
    for row in world.provider.rows() {
        portal.patch_row(row.id, moved(from.id)).unwrap();
    }
    let deliveries = Deliveries::start(&world, "intake-signing", &pairs, PACE, Mood::Busy).await;
    let busy =
        |world: &World| world.provider.deliveries().iter().any(|one| one.endpoint_id == from.id && one.attempt == 2);
    world.until("something waits to be repeated", busy).await;
    portal.delete_endpoint(from.id);
    let so_far = deliveries.count();
    world.until("more happens", |_| deliveries.count() > so_far + pairs.len()).await;
    let (account, broken) = deliveries.end(false).await;
    assert!(!account.refused_for_good.is_empty() && !account.lost.is_empty(), "{account:?}");
    assert_eq!(broken.len(), 2, "{broken:?}");
    world.finish().await;
}

fn gave_up(world: &World) -> bool {
    let given_up = |outcome: &DeliveryOutcome| matches!(outcome, DeliveryOutcome::GivenUp(_));
    world.provider.deliveries().iter().any(|one| given_up(&one.outcome))
}
