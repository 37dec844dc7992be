//! The election against a server that keeps one Lease the way the API server does: optimistic concurrency, and faults on
//! demand. The terms are short, the claims are not: at no moment may two processes count on the lease.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::*;

const TIMING: LeaseTiming = LeaseTiming {
    duration: Duration::from_millis(1000),
    renew: Duration::from_millis(250),
    retry: Duration::from_millis(100),
};
const PATIENT: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Fake {
    lease: Mutex<(u64, Option<LeaseObject>)>,
    /// Do the write, then answer 500.
    lose_answers: AtomicBool,
}

impl Fake {
    async fn serve(self: &Arc<Self>) -> String {
        let one = get(read).put(replace);
        let app = axum::Router::new()
            .route("/apis/coordination.k8s.io/v1/namespaces/ns/leases/{name}", one)
            .route("/apis/coordination.k8s.io/v1/namespaces/ns/leases", axum::routing::post(create))
            .with_state(Arc::clone(self));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn store(&self, lease: Option<LeaseObject>) -> Response {
        let mut kept = self.lease.lock().unwrap();
        kept.0 += 1;
        let version = kept.0.to_string();
        kept.1 = lease.map(|mut lease| {
            lease.metadata.resource_version = Some(version);
            lease
        });
        if self.lose_answers.load(SeqCst) {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Json(kept.1.clone()).into_response()
    }

    fn current(&self) -> Option<LeaseObject> {
        self.lease.lock().unwrap().1.clone()
    }

    fn holder(&self) -> Option<String> {
        self.current()?.spec?.holder_identity
    }
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason,
        "code": status.as_u16()});
    (status, Json(body)).into_response()
}

async fn read(State(fake): State<Arc<Fake>>) -> Response {
    match fake.current() {
        Some(lease) => Json(lease).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "NotFound"),
    }
}

async fn create(State(fake): State<Arc<Fake>>, Json(lease): Json<LeaseObject>) -> Response {
    if fake.current().is_some() {
        return refuse(StatusCode::CONFLICT, "AlreadyExists");
    }
    fake.store(Some(lease))
}

async fn replace(State(fake): State<Arc<Fake>>, Json(lease): Json<LeaseObject>) -> Response {
    assert!(lease.metadata.resource_version.is_some(), "every replace carries the version it was decided on");
    match fake.current() {
        None => refuse(StatusCode::NOT_FOUND, "NotFound"),
        Some(current) if current.metadata.resource_version != lease.metadata.resource_version => {
            refuse(StatusCode::CONFLICT, "Conflict")
        }
        Some(_) => fake.store(Some(lease)),
    }
}

/// A way to the server that can be cut, as a network partition of one process.
struct Link {
    url: String,
    cut: Arc<AtomicBool>,
}

impl Link {
    async fn to(target: &str) -> Self {
        let cut = Arc::new(AtomicBool::new(false));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (target, broken) = (target.trim_start_matches("http://").to_owned(), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, broken) = (target.clone(), Arc::clone(&broken));
                tokio::spawn(async move {
                    let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
                    let broke = async {
                        while !broken.load(SeqCst) {
                            sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! { _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}, () = broke => {} }
                });
            }
        });
        Self { url, cut }
    }
}

fn contend(url: &str, identity: &str) -> Lease {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = kube::Config::new(url.parse().unwrap());
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    Lease::start(client, "ns", "leader", identity, TIMING, CancellationToken::new())
}

async fn leads(lease: &Lease) {
    assert!(timeout(PATIENT, lease.acquired()).await.expect("nobody gave up the lease"));
}

/// Watches that at most one of the processes counts on the lease, for as long as it lives.
fn referee(leases: &[&Lease]) -> tokio::task::JoinHandle<()> {
    let leases: Vec<Lease> = leases.iter().map(|&lease| lease.clone()).collect();
    tokio::spawn(async move {
        loop {
            let leaders = leases.iter().filter(|lease| !lease.valid_for().is_zero()).count();
            assert!(leaders <= 1, "two processes count on the lease");
            sleep(Duration::from_millis(2)).await;
        }
    })
}

#[tokio::test]
async fn one_leads_and_the_other_follows_at_once_after_a_release() {
    let fake = Arc::new(Fake::default());
    let url = fake.serve().await;
    let a = contend(&url, "a");
    leads(&a).await;
    assert_eq!(a.previous_renewal(), None);
    let b = contend(&url, "b");
    let referee = referee(&[&a, &b]);
    sleep(TIMING.duration * 2).await;
    assert_eq!((a.standing(), b.standing()), (Standing::Leading, Standing::Standby));
    assert!(a.valid_for() > TIMING.renew && b.valid_for().is_zero());
    let before = std::time::Instant::now();
    a.release().await;
    assert_eq!(a.standing(), Standing::Ended);
    leads(&b).await;
    assert!(before.elapsed() < TIMING.duration, "a released lease is not waited for");
    assert!(b.previous_renewal().is_some());
    assert_eq!(fake.holder().as_deref(), Some("b"));
    assert!(!referee.is_finished());
}

#[tokio::test]
async fn a_cut_off_leader_stops_before_its_successor_starts() {
    let fake = Arc::new(Fake::default());
    let url = fake.serve().await;
    let link = Link::to(&url).await;
    let a = contend(&link.url, "a");
    leads(&a).await;
    let b = contend(&url, "b");
    let referee = referee(&[&a, &b]);
    sleep(TIMING.duration).await;
    link.cut.store(true, SeqCst);
    assert_eq!(timeout(PATIENT, a.lost()).await.unwrap(), Lost::Expired);
    assert!(b.valid_for().is_zero(), "the successor waits longer than the leader counts");
    leads(&b).await;
    sleep(TIMING.duration).await;
    assert!(!referee.is_finished());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised() {
    let fake = Arc::new(Fake::default());
    fake.lose_answers.store(true, SeqCst);
    let url = fake.serve().await;
    let a = contend(&url, "a");
    sleep(TIMING.retry * 4).await;
    assert_eq!(fake.holder().as_deref(), Some("a"), "the claim landed");
    assert!(a.valid_for().is_zero(), "but nothing may count on it yet");
    fake.lose_answers.store(false, SeqCst);
    leads(&a).await;
    fake.lose_answers.store(true, SeqCst);
    sleep(TIMING.renew * 2).await;
    fake.lose_answers.store(false, SeqCst);
    sleep(TIMING.duration * 2).await;
    assert_eq!(a.standing(), Standing::Leading);
}

#[tokio::test]
async fn a_lease_taken_by_force_is_lost_and_not_overwritten() {
    let fake = Arc::new(Fake::default());
    let a = contend(&fake.serve().await, "a");
    leads(&a).await;
    let mut stolen = fake.current().unwrap();
    stolen.spec.as_mut().unwrap().holder_identity = Some("thief".into());
    fake.store(Some(stolen));
    assert_eq!(timeout(PATIENT, a.lost()).await.unwrap(), Lost::Taken { holder: Some("thief".into()) });
    a.release().await;
    assert_eq!(fake.holder().as_deref(), Some("thief"));
}

#[tokio::test]
async fn a_deleted_lease_stays_with_its_leader() {
    let fake = Arc::new(Fake::default());
    let url = fake.serve().await;
    let (a, b) = (contend(&url, "a"), contend(&url, "b"));
    let referee = referee(&[&a, &b]);
    tokio::select! { () = leads(&a) => {}, () = leads(&b) => {} }
    sleep(TIMING.renew).await;
    let leader = fake.holder();
    fake.store(None);
    sleep(TIMING.duration * 2).await;
    assert_eq!(fake.holder(), leader);
    assert!(!referee.is_finished());
}

#[tokio::test]
async fn shutdown_ends_the_wait_and_no_election_always_leads() {
    let always = Lease::always();
    assert!(always.acquired().await);
    assert_eq!(always.valid_for(), Duration::MAX);
    always.release().await;

    let fake = Arc::new(Fake::default());
    let url = fake.serve().await;
    let a = contend(&url, "a");
    leads(&a).await;
    let shutdown = CancellationToken::new();
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let b = Lease::start(client, "ns", "leader", "b", TIMING, shutdown.clone());
    sleep(TIMING.retry).await;
    shutdown.cancel();
    assert!(!timeout(PATIENT, b.acquired()).await.unwrap());
    assert_eq!(fake.holder().as_deref(), Some("a"));
}
