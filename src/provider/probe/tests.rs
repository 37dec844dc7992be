//! The probe against receivers of every kind, on this machine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::provider::test_server::{Seen, Server, answer, install_tls, raw_server};
use crate::signing::{Keys, NEXHEALTH, SignedBy};

const KEY: &str = "NArWk7gdI96Bdn";

fn prober() -> Prober {
    install_tls();
    // Longer than any answer here takes on a machine with much to do; a receiver that hangs gets a shorter one.
    Prober::new(Duration::from_secs(20), true).unwrap()
}

async fn probe_with(prober: &Prober, url: &str) -> Probed {
    let (key, wrong_key) = (SecretText::new(KEY), SecretText::new("nobody-has-this-one"));
    let test = Test { target_url: url, recipe: NEXHEALTH, key: &key, wrong_key: &wrong_key, now: Timestamp::now() };
    prober.probe(test).await.unwrap()
}

async fn probe(url: &str) -> Probed {
    probe_with(&prober(), url).await
}

/// What a receiver is told to do: 200 where the key fits, 401 elsewhere.
fn judged(seen: &Seen) -> u16 {
    let key = SecretText::new(KEY);
    let message = Message { timestamp: Some(seen.header("timestamp")), body: &seen.body };
    let keys = Keys { current: &key, previous: None };
    match NEXHEALTH.verify(keys, message, seen.header("signature")) {
        Some(SignedBy::Current) => 200,
        _ => 401,
    }
}

fn failed(failure: Failure) -> Probed {
    Probed { genuine: Reply::Failed(failure), forged: None, certificate_expiry: None }
}

#[tokio::test]
async fn a_receiver_that_verifies_gets_one_event_of_each_kind_that_is_clearly_ours() {
    let server = Server::start(|seen| async move { answer(judged(&seen), &[], "what it says is its own") }).await;
    let probed = probe(&format!("{}/hook?token=x", server.url)).await;
    let expected = Probed { genuine: Reply::Status(200), forged: Some(Reply::Status(401)), certificate_expiry: None };
    assert_eq!(probed, expected);
    let seen = server.seen();
    assert_eq!(seen.iter().map(Seen::line).collect::<Vec<_>>(), ["POST /hook?token=x"; 2]);
    for event in &seen {
        assert_eq!(event.header("content-type"), "application/json");
        assert!(event.header("user-agent").ends_with("(self-test)"));
        let body: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!((&body["resource_type"], &body["event_name"]), (&RESOURCE_TYPE.into(), &EVENT_NAME.into()));
        assert!(body.get("subdomain").is_none() && body.get("institution_id").is_none(), "about no practice");
        assert_eq!(body["event_time"], event.header("timestamp"));
        assert!(event.header("timestamp").parse::<Timestamp>().is_ok());
    }
    assert_eq!(seen[0].body, seen[1].body, "nothing but the signature tells the second from the first");
}

#[tokio::test]
async fn the_second_event_is_sent_only_where_the_first_was_taken() {
    for status in [302, 400, 401, 404, 429, 500, 503] {
        let server = Server::start(move |_| async move { answer(status, &[("location", "/else")], "") }).await;
        let probed = probe(&server.url).await;
        assert_eq!((probed.genuine, probed.forged), (Reply::Status(status), None));
        assert_eq!(server.seen().len(), 1, "and a redirect is not followed");
    }
    let server = Server::start(|_| async { answer(204, &[], "") }).await;
    assert_eq!(probe(&server.url).await.forged, Some(Reply::Status(204)));
}

#[tokio::test]
async fn a_redirect_carries_nothing_elsewhere() {
    let other = Server::start(|_| async { answer(200, &[], "") }).await;
    let to = other.url.clone();
    let server = Server::start(move |_| {
        let to = to.clone();
        async move { answer(307, &[("location", &to)], "") }
    })
    .await;
    assert_eq!(probe(&server.url).await.genuine, Reply::Status(307));
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn receivers_that_hang_drip_or_talk_without_end_cost_no_more_than_the_deadline() {
    let brief = Prober { deadline: Duration::from_millis(300), ..prober() };
    let silent = Server::start(|_| async { std::future::pending::<Response>().await }).await;
    assert_eq!(probe_with(&brief, &silent.url).await, failed(Failure::Timeout));

    // A byte of a header now and then, for ever.
    let drip = raw_tcp(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(probe_with(&brief, &drip).await, failed(Failure::Timeout));

    // Taken, and then nothing.
    let first = Arc::new(AtomicUsize::new(0));
    let once = Server::start(move |_| {
        let first = first.clone();
        async move {
            if first.fetch_add(1, Ordering::Relaxed) > 0 {
                std::future::pending::<()>().await;
            }
            answer(200, &[], "")
        }
    })
    .await;
    let brief = Prober { deadline: Duration::from_secs(2), ..prober() };
    let probed = probe_with(&brief, &once.url).await;
    assert_eq!((probed.genuine, probed.forged), (Reply::Status(200), Some(Reply::Failed(Failure::Timeout))));

    // An endless body is not read: the status is all that counts.
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let endless = raw_tcp(move |mut stream| {
        let sent = counted.clone();
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                sent.fetch_add(4096, Ordering::Relaxed);
            }
        }
    })
    .await;
    assert_eq!(probe(&endless).await.forged, Some(Reply::Status(200)));
    assert!(sent.load(Ordering::Relaxed) < 1_000_000_000, "nobody waited for all of it");
}

#[tokio::test]
async fn what_does_not_answer_in_http_is_told_apart() {
    install_tls();
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    assert_eq!(probe(&format!("http://{address}/")).await, failed(Failure::Connect));
    assert_eq!(probe(&raw_server(Vec::new()).await).await, failed(Failure::Broken));
    assert_eq!(probe(&raw_server(b"SSH-2.0-x\r\n".to_vec()).await).await, failed(Failure::Broken));
    let plain = raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let handshake = failed(Failure::Tls(TlsFailure::Handshake));
    assert_eq!(probe(&plain.replace("http:", "https:")).await, handshake);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_not_called_unless_allowed() {
    let server = Server::start(|_| async { answer(200, &[], "") }).await;
    let port = Url::parse(&server.url).unwrap().port().unwrap();
    let careful = Prober { allow_private: false, ..prober() };
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"] {
        let probed = probe_with(&careful, &format!("http://{host}:{port}/")).await;
        assert_eq!(probed, failed(Failure::PrivateAddress), "{host}");
    }
    assert!(server.seen().is_empty());
    assert_eq!(probe_with(&prober(), &server.url).await.genuine, Reply::Status(200));
}

/// Answers each look at a name with the next of these lists, the last one for ever.
fn names(careful: bool, answers: Vec<Vec<SocketAddr>>) -> (Prober, Arc<Mutex<usize>>) {
    let looks = Arc::new(Mutex::new(0));
    let counted = looks.clone();
    let resolve: Resolve = Arc::new(move |_, _| {
        let mut looks = counted.lock().unwrap();
        let found = answers[(*looks).min(answers.len() - 1)].clone();
        *looks += 1;
        futures::future::ready(Ok(found)).boxed()
    });
    (Prober { allow_private: !careful, resolve, ..prober() }, looks)
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_its_addresses_are_kept() {
    let server = Server::start(|_| async { answer(200, &[], "") }).await;
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], 1));
    for host in ["hooks.example.com", "hooks.example.com."] {
        let (prober, looks) = names(false, vec![vec![address], vec![elsewhere]]);
        let probed = probe_with(&prober, &format!("http://{host}:{}/", address.port())).await;
        assert_eq!((probed.genuine, probed.forged), (Reply::Status(200), Some(Reply::Status(200))), "{host}");
        assert_eq!(*looks.lock().unwrap(), 1, "{host}: both events went to what the first look found");
    }
    assert!(server.seen().iter().all(|seen| seen.header("host").starts_with("hooks.example.com")));
}

#[tokio::test]
async fn one_closed_address_among_public_ones_is_enough_to_refuse() {
    let public = SocketAddr::from(([1, 1, 1, 1], 80));
    let (prober, _) = names(true, vec![vec![public, SocketAddr::from(([10, 0, 0, 1], 80))]]);
    assert_eq!(probe_with(&prober, "http://hooks.example.com/").await, failed(Failure::PrivateAddress));
    let (prober, _) = names(true, vec![Vec::new()]);
    assert_eq!(probe_with(&prober, "http://hooks.example.com/").await, failed(Failure::Dns));
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    assert_eq!(probe("https://does-not-exist.invalid/").await, failed(Failure::Dns));
}

/// A server that gets each connection after it has read something from it.
async fn raw_tcp<F>(serve: impl Fn(tokio::net::TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    install_tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            tokio::spawn(serve(stream));
        }
    });
    url
}

/// An authority, and receivers with certificates of its making.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn prober(&self) -> Prober {
        Prober { roots: vec![Certificate::from_der(self.0.der()).unwrap()], ..prober() }
    }

    /// A receiver that answers 200 with a certificate for 127.0.0.1 as it is edited.
    async fn serves(&self, edit: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        tls_server(certificate.der().clone(), &key).await
    }
}

async fn tls_server(certificate: rustls::pki_types::CertificateDer<'static>, key: &KeyPair) -> String {
    install_tls();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut buffer = [0; 8192];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    url
}

#[tokio::test]
async fn a_good_certificate_is_taken_and_its_end_is_told() {
    let authority = Authority::new();
    let probed = probe_with(&authority.prober(), &authority.serves(|_| {}).await).await;
    let expected = Probed {
        genuine: Reply::Status(200),
        forged: Some(Reply::Status(200)),
        certificate_expiry: Some("2090-01-01T00:00:00Z".parse().unwrap()),
    };
    assert_eq!(probed, expected);
}

#[tokio::test]
async fn each_bad_certificate_is_told_by_what_is_wrong_with_it() {
    let authority = Authority::new();
    let tls = |problem| Reply::Failed(Failure::Tls(problem));
    let expired = authority.serves(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    });
    let probed = probe_with(&authority.prober(), &expired.await).await;
    assert_eq!((probed.genuine, probed.forged), (tls(TlsFailure::Expired), None));
    assert_eq!(probed.certificate_expiry, Some("2021-02-03T00:00:00Z".parse().unwrap()));

    let future = authority.serves(|params| params.not_before = rcgen::date_time_ymd(2080, 1, 1)).await;
    assert_eq!(probe_with(&authority.prober(), &future).await.genuine, tls(TlsFailure::NotYetValid));

    let other = SanType::DnsName("other.example.com".try_into().unwrap());
    let other = authority.serves(|params| params.subject_alt_names = vec![other]).await;
    assert_eq!(probe_with(&authority.prober(), &other).await.genuine, tls(TlsFailure::WrongName));

    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = tls_server(own.cert.der().clone(), &own.signing_key).await;
    assert_eq!(probe_with(&authority.prober(), &own).await.genuine, tls(TlsFailure::UnknownIssuer));
    // What `openssl req -x509` makes: an authority's own certificate, served as it is.
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = tls_server(params.self_signed(&key).unwrap().der().clone(), &key).await;
    assert_eq!(probe_with(&authority.prober(), &own).await.genuine, tls(TlsFailure::BadCertificate));
    // The same as the real prober sees it, with the authorities of the system.
    let unknown = authority.serves(|_| {}).await;
    assert_eq!(probe(&unknown).await.genuine, tls(TlsFailure::UnknownIssuer));
}
