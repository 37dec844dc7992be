//! Leader election against the real API server.

use std::time::Duration;

use external_webhooks::runtime::lease::{Lost, Standing};
use external_webhooks::runtime::{Lease, LeaseTiming};
use k8s_openapi::api::coordination::v1::Lease as Object;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, cluster};

const NAME: &str = "external-webhooks";
const TIMING: LeaseTiming = LeaseTiming {
    duration: Duration::from_secs(2),
    renew: Duration::from_millis(300),
    retry: Duration::from_millis(100),
};

/// A namespace with the operator's rights, and no more.
async fn stage(prefix: &str) -> (Client, Api<Object>) {
    let (cluster, _) = cluster().await;
    let namespace = cluster.namespace(prefix).await.unwrap();
    cluster.install_operator_rbac(namespace.name()).await.unwrap();
    let (client, _) = cluster.service_account_client(namespace.name(), "external-webhooks").await.unwrap();
    let leases = Api::namespaced(cluster.admin(), namespace.name());
    (client, leases)
}

fn contend(client: &Client, leases: &Api<Object>, identity: &str) -> Lease {
    let namespace = leases.namespace().unwrap();
    Lease::start(client.clone(), namespace, NAME, identity, TIMING, CancellationToken::new())
}

async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

async fn holder(leases: &Api<Object>) -> Option<String> {
    leases.get(NAME).await.unwrap().spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leads_until_it_gives_the_lease_back() {
    let (client, leases) = stage("lease-release").await;
    let first = contend(&client, &leases, "first");
    assert!(soon("the first leads", first.acquired()).await);
    let second = contend(&client, &leases, "second");
    // Longer than a term: the holder renews, and the other does not get in.
    assert!(tokio::time::timeout(TIMING.duration + TIMING.renew, second.acquired()).await.is_err());
    assert_eq!((first.standing(), second.standing()), (Standing::Leading, Standing::Standby));
    assert!(first.valid_for() > Duration::ZERO && second.valid_for() == Duration::ZERO);
    soon("the release", first.release()).await;
    assert!(soon("the second leads", second.acquired()).await);
    assert_eq!(holder(&leases).await.as_deref(), Some("second"));
    soon("the release", second.release()).await;
    assert_eq!(holder(&leases).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_stops_renewing_is_followed_after_its_term() {
    let (client, leases) = stage("lease-expire").await;
    let first = contend(&client, &leases, "first");
    assert!(soon("the first leads", first.acquired()).await);
    let second = contend(&client, &leases, "second");
    let (until, stopped) = (first.valid_for(), std::time::Instant::now());
    // Dropped without a release, as by a process that was killed.
    drop(first);
    assert!(soon("the second leads", second.acquired()).await);
    let margin = TIMING.renew;
    assert!(stopped.elapsed() + margin >= until, "it led while the first could still count on its lease");
    assert!(second.previous_renewal().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_somebody_else_writes_is_lost() {
    let (client, leases) = stage("lease-taken").await;
    let lease = contend(&client, &leases, "first");
    assert!(soon("it leads", lease.acquired()).await);
    let taken = json!({"spec": {"holderIdentity": "a-stranger"}});
    leases.patch(NAME, &PatchParams::default(), &Patch::Merge(taken)).await.unwrap();
    let why = soon("it is lost", lease.lost()).await;
    assert_eq!(why, Lost::Taken { holder: Some("a-stranger".to_owned()) });
    assert_eq!(lease.valid_for(), Duration::ZERO);
}
