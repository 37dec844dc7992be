//! Events that go on happening, and whether their account can tell what went wrong.

use crate::support::{Client, OTHER_URL, PRACTICE, SOON, URL};
use std::time::Duration;
use testbed::nexhealth::{Account, Receiver, SimConfig, SimTiming, Simulator, Steady, verifying};

const EVENT: &str = "patient_created";
const PACE: Duration = Duration::from_millis(5);

/// One endpoint with one row, and things that happen; `keys` is what the receiver verifies with, given the right key.
async fn account(keys: impl Fn(String) -> Vec<String>, busy: (u64, usize), rows: usize) -> Account {
    let retry_offsets = [10, 30, 60].map(Duration::from_millis).to_vec();
    let timing = SimTiming { retry_offsets, ..SimTiming::default() };
    let simulator = Simulator::start(SimConfig { timing, ..SimConfig::default() }).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    simulator.route_host("hooks.example.com", receiver.address());
    let client = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    for url in [URL, OTHER_URL].iter().take(rows) {
        let endpoint = client.create_endpoint(url).await;
        client.create_row(endpoint, PRACTICE, "Patient", EVENT).await;
    }
    let keys: Vec<String> = simulator.endpoints().into_iter().flat_map(|one| keys(one.secret_key)).collect();
    receiver.answer_with(verifying(move || keys.clone(), busy.0, busy.1));
    let steady = Steady::start(&simulator, vec![(PRACTICE.to_owned(), EVENT.to_owned())], PACE);
    while steady.count() < 12 {
        tokio::time::sleep(PACE).await;
    }
    steady.account(&receiver, SOON).await.unwrap()
}

#[tokio::test]
async fn what_arrives_after_all_is_neither_lost_nor_refused_for_good() {
    let account = account(|key| vec!["another".to_owned(), key], (3, 2), 1).await;
    assert!(account.happened >= 12 && account.lost.is_empty() && account.refused_for_good.is_empty(), "{account:?}");
    assert_eq!((account.accepted, account.twice, account.unverified), (account.happened, 0, 0), "{account:?}");
    assert_eq!(account.busy, account.happened / 3 * 2, "{account:?}");
}

#[tokio::test]
async fn what_never_verifies_is_refused_for_good() {
    let account = account(|_| vec!["another".to_owned()], (0, 0), 1).await;
    assert_eq!(account.refused_for_good.len(), account.happened, "{account:?}");
    assert_eq!((account.unverified, account.accepted), (account.happened * 4, 0), "{account:?}");
    assert_eq!(account.given_up.values().sum::<usize>(), account.happened, "{account:?}");
}

#[tokio::test]
async fn what_nobody_subscribes_is_lost() {
    let account = account(|key| vec![key], (0, 0), 0).await;
    assert_eq!((account.lost.len(), account.refused_for_good.len()), (account.happened, 0), "{account:?}");
}

#[tokio::test]
async fn twins_are_counted() {
    let account = account(|key| vec![key], (0, 0), 2).await;
    assert_eq!((account.twice, account.accepted), (account.happened, account.happened * 2), "{account:?}");
}
