//! No key, no token, no remote text in errors, logs or remedies.

use std::io;

use tracing_subscriber::util::SubscriberInitExt;

use super::*;

#[test]
fn keys_that_cannot_be_sent() {
    assert_eq!(check_api_key(&SecretText::new(KEY)), Ok(()));
    for key in ["", " ", "\n", "canary\n", "can\nary", "canary\r\n", " canary", "canary ", "canary\0", "canäry"] {
        let remedy = check_api_key(&SecretText::new(key)).unwrap_err();
        assert!(!remedy.contains("canary") && remedy.contains("write the key"), "{remedy}");
        install_tls();
        let http = HttpClient::new(CallLimits::default(), None).unwrap();
        let account = account("https://nexhealth.info", key, TokenTiming::default());
        let gate = Arc::new(Gate::new(GateConfig::default()));
        let (observer, fence) = (Arc::<Journal>::default(), Arc::new(TimeLeft(Mutex::new(Duration::MAX))));
        let made = NexHealth::new(account, Wiring { gate, http, observer, fence });
        assert_eq!(made.err(), Some(SetupError::ApiKey(remedy)));
    }
}

/// Everything that is logged while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_errors_nor_traces_show_a_secret() {
    // With one subscriber alive, a log statement first reached by a test without it is switched off for all of them;
    // with two it is asked each time.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let log = Log::default();
    let writer = log.clone();
    let guard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish()
        .set_default();
    let echo = |status: u16| {
        move |seen: Seen| {
            let body = format!("{:?} {:?} {ENDPOINT}", seen.headers, seen.body);
            answer(status, &[("location", "/canary"), ("x-echo", "canary-echo")], body)
        }
    };
    let mut said = String::new();
    for status in [200, 201, 202, 302, 400, 401, 403, 404, 408, 422, 429, 500, 503] {
        let bench = Bench::answering(echo(status)).await;
        let error = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap_err();
        said.push_str(&format!("{error:?} {error}\n"));
        let bench = Bench::new(empty_list, move |_| answer(status, &[], "canary-body"), TokenTiming::default()).await;
        let error = bench.nexhealth.authenticate().await.unwrap_err();
        said.push_str(&format!("{error:?} {error}\n"));
    }
    let bench = Bench::answering(|_| ok(201, ENDPOINT)).await;
    let made = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap();
    said.push_str(&format!("{made:?}\n"));
    drop(guard);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("provider call") && logged.contains("create_endpoint"), "the log works: {logged}");
    for client in ["hyper_util", "reqwest"] {
        assert!(logged.contains(client), "the traces of {client} are in it");
    }
    for canary in ["canary", KEY, "Bearer"] {
        for text in [&said, &logged] {
            let line = text.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{canary}");
        }
    }
}
