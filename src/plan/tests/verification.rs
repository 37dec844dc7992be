//! The self-test: when one is due, what its result means, and that an object which fails comes to rest.

use serde_json::json;

use super::fixtures::*;
use crate::plan::endpoint::{EndpointStep, Leaving, OtherRemote, SecretView};
use crate::plan::verification::{TestOrder, Tested, verdict};
use crate::plan::{AccountPolicy, AccountView};
use crate::provider::model::probe::{Failure, Probed, Reply, TlsFailure};
use crate::signing::SecretText;

const GOOD: Probed = answers(200, Some(401));
const UNCHECKED: Probed = answers(200, Some(200));

const fn answers(genuine: u16, forged: Option<u16>) -> Probed {
    let forged = match forged {
        Some(status) => Some(Reply::Status(status)),
        None => None,
    };
    Probed { genuine: Reply::Status(genuine), forged, certificate_expiry: None }
}

/// A day's self-test of an endpoint whose key has been out for long.
fn tested_daily() -> Endpoint {
    tested_every("24h")
}

fn tested_every(interval: &str) -> Endpoint {
    let mut endpoint = Endpoint::held();
    publish(&mut endpoint, &key(), NOW - 10_000);
    endpoint.spec(json!({"verification": {"interval": interval}}));
    settle(&mut endpoint);
    endpoint
}

fn publish(endpoint: &mut Endpoint, key: &SecretText, second: i64) {
    endpoint.remote.held.as_mut().unwrap().key = Some(key.clone());
    let current = Some(key.clone());
    endpoint.secret =
        SecretView::Ours { current, previous: None, dressed: true, owned: true, rotated_at: Some(at(second)) };
}

/// Writes the status that a plan wants.
fn settle(endpoint: &mut Endpoint) {
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    endpoint.object.status = Some(plan.status);
}

fn order(endpoint: &Endpoint) -> Option<TestOrder> {
    endpoint.plan().test
}

/// Runs the test that is due, and writes what it found.
fn test(endpoint: &mut Endpoint, probed: Probed) {
    let order = order(endpoint).expect("a test is due");
    endpoint.memory.test_asked = false;
    endpoint.memory.tested = Some(Tested { order, at: at(endpoint.now), probed });
    settle(endpoint);
    assert_eq!(endpoint.plan().status, endpoint.object.status.clone().unwrap(), "said once");
}

fn verified(endpoint: &Endpoint) -> String {
    said(&endpoint.plan().status.conditions, "Verified")
}

fn last(endpoint: &Endpoint) -> Option<i64> {
    let status = endpoint.object.status.as_ref()?.verification.as_ref()?;
    Some(status.last_test_time.0.as_second())
}

/// A process that has just begun knows only what is written.
fn restart(endpoint: &mut Endpoint) {
    endpoint.memory = Default::default();
}

#[test]
fn left_out_nothing_is_tested_or_said() {
    let endpoint = Endpoint::held();
    let plan = endpoint.plan();
    assert_eq!((plan.test, said(&plan.status.conditions, "Verified")), (None, "absent".to_owned()));
    let mut endpoint = tested_daily();
    test(&mut endpoint, GOOD);
    endpoint.spec(json!({"verification": null}));
    settle(&mut endpoint);
    assert_eq!((verified(&endpoint), last(&endpoint)), ("absent".to_owned(), None), "taken back with the field");
}

#[test]
fn a_new_target_is_tested_at_once_and_then_after_each_interval() {
    let mut endpoint = tested_daily();
    assert_eq!(verified(&endpoint), "Unknown/Progressing");
    let expected = TestOrder { target_url: URL.into(), fingerprint: key().fingerprint(), asked: false };
    assert_eq!(order(&endpoint), Some(expected));
    test(&mut endpoint, GOOD);
    assert_eq!((verified(&endpoint), last(&endpoint)), ("True/SignatureVerified".to_owned(), Some(NOW)));
    assert_eq!(endpoint.says(), "True/InSync");
    // Up to a tenth earlier, at most an hour: each object at its own time.
    let again = i64::try_from(endpoint.plan().again.unwrap().as_secs()).unwrap();
    assert!((23 * 3600..=24 * 3600).contains(&again), "{again}");
    endpoint.now = NOW + again - 1;
    assert_eq!(order(&endpoint), None);
    endpoint.now = NOW + again + 1;
    test(&mut endpoint, GOOD);
    assert_eq!(last(&endpoint), Some(NOW + again + 1), "a test that ran moves the time");
    endpoint.spec(json!({"targetUrl": "https://hooks.example.com/other"}));
    endpoint.remote.held.as_mut().unwrap().target_url = "https://hooks.example.com/other".into();
    assert_eq!(verified(&endpoint), "Unknown/Progressing", "what was said is about another URL");
    assert!(order(&endpoint).is_some());
    test(&mut endpoint, UNCHECKED);
    assert_eq!(verified(&endpoint), "False/SignatureNotChecked");
}

#[test]
fn a_restart_tests_nothing_again() {
    let mut endpoint = tested_daily();
    test(&mut endpoint, GOOD);
    restart(&mut endpoint);
    let plan = endpoint.plan();
    assert_eq!((plan.test, Some(plan.status)), (None, endpoint.object.status.clone()));
    let mut zero = tested_every("0s");
    test(&mut zero, GOOD);
    restart(&mut zero);
    zero.now += 1_000_000;
    assert_eq!(order(&zero), None, "0s: only a new URL or key");
    zero.memory.test_asked = true;
    assert!(order(&zero).is_some_and(|order| order.asked), "or when somebody asks");
}

#[test]
fn objects_of_one_minute_are_tested_at_different_times() {
    let waits = ["a", "b", "c", "d"].map(|uid| {
        let mut endpoint = tested_daily();
        endpoint.object.metadata.uid = Some(uid.into());
        test(&mut endpoint, GOOD);
        endpoint.plan().again.unwrap()
    });
    assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
}

#[test]
fn a_new_key_is_tested_once_receivers_had_time_to_load_it() {
    let mut endpoint = Endpoint::held();
    publish(&mut endpoint, &key(), NOW - 30);
    endpoint.spec(json!({"verification": {"interval": "0s"}}));
    settle(&mut endpoint);
    assert_eq!((order(&endpoint), endpoint.plan().again.map(|wait| wait.as_secs())), (None, Some(60)));
    endpoint.now = NOW + 60;
    test(&mut endpoint, GOOD);
    let other = SecretText::new("another-key");
    publish(&mut endpoint, &other, NOW + 60);
    settle(&mut endpoint);
    assert_eq!(
        (order(&endpoint), verified(&endpoint)),
        (None, "True/SignatureVerified".to_owned()),
        "until it is tested"
    );
    endpoint.now = NOW + 150;
    assert_eq!(order(&endpoint).map(|order| order.fingerprint), Some(other.fingerprint()));
    test(&mut endpoint, answers(401, None));
    assert_eq!(verified(&endpoint), "False/Refused");
}

#[test]
fn what_fails_is_repeated_sooner_and_writes_nothing_for_it() {
    let mut endpoint = tested_daily();
    test(&mut endpoint, UNCHECKED);
    let written = endpoint.object.status.clone();
    for _ in 0..5 {
        assert_eq!(endpoint.plan().again.map(|wait| wait.as_secs()), Some(600));
        endpoint.now += 600;
        test(&mut endpoint, UNCHECKED);
        assert_eq!(endpoint.object.status, written);
    }
    endpoint.now += 600;
    test(&mut endpoint, GOOD);
    assert_eq!((verified(&endpoint), last(&endpoint)), ("True/SignatureVerified".to_owned(), Some(endpoint.now)));
    // Once an interval has passed the time is news, whatever was found.
    let mut endpoint = tested_daily();
    test(&mut endpoint, UNCHECKED);
    endpoint.now += 24 * 3600;
    test(&mut endpoint, UNCHECKED);
    assert_eq!(last(&endpoint), Some(endpoint.now));
    let mut often = tested_every("1s");
    test(&mut often, GOOD);
    assert_eq!(often.plan().again.map(|wait| wait.as_secs()), Some(60), "never more than once a minute");
}

#[test]
fn a_verdict_that_changes_is_an_event_and_one_that_stays_is_none() {
    let mut endpoint = tested_daily();
    let mut told = |probed: Probed| {
        endpoint.memory.test_asked = true;
        let order = order(&endpoint).unwrap();
        endpoint.memory.tested = Some(Tested { order, at: at(endpoint.now), probed });
        let notes: Vec<_> = endpoint.plan().notes.iter().map(|note| (note.reason, note.warning)).collect();
        settle(&mut endpoint);
        endpoint.now += 1;
        notes
    };
    assert_eq!(told(GOOD), [("SignatureVerified", false)]);
    assert_eq!(told(GOOD), []);
    assert_eq!(told(UNCHECKED), [("SignatureNotChecked", true)]);
    assert_eq!(told(UNCHECKED), []);
}

#[test]
fn nothing_is_tested_that_is_not_meant_to_get_events_now() {
    type Edit = fn(&mut Endpoint);
    let cases: [(&str, Edit, &str); 8] = [
        ("suspended", |endpoint| endpoint.spec(json!({"suspend": true})), "Unknown/Suspended"),
        (
            "observed",
            |endpoint| endpoint.policy = AccountPolicy { observe: true, ..AccountPolicy::default() },
            "Unknown/ObserveOnly",
        ),
        (
            "inactive",
            |endpoint| {
                endpoint.spec(json!({"active": false}));
                endpoint.remote.held.as_mut().unwrap().active = false;
            },
            "Unknown/AsDeclared",
        ),
        ("a rival has the URL", |endpoint| endpoint.rival = Some("other".into()), "Unknown/Progressing"),
        ("a key of somebody else", |endpoint| endpoint.secret = SecretView::Foreign, "Unknown/Progressing"),
        ("no account", |endpoint| endpoint.account = AccountView::NotFound, "Unknown/Progressing"),
        (
            "unencrypted",
            |endpoint| {
                endpoint.spec(json!({"targetUrl": "http://hooks.example.com/x"}));
            },
            "Unknown/Progressing",
        ),
        (
            "the key is lost",
            |endpoint| {
                endpoint.remote.held.as_mut().unwrap().key = None;
                endpoint.secret = SecretView::Missing;
            },
            "Unknown/Progressing",
        ),
    ];
    for (what, edit, says) in cases {
        let mut endpoint = tested_daily();
        assert!(order(&endpoint).is_some());
        edit(&mut endpoint);
        assert_eq!((order(&endpoint), verified(&endpoint).as_str()), (None, says), "{what}");
    }
    let mut endpoint = tested_daily();
    endpoint.delete();
    assert_eq!(order(&endpoint), None);
    // What was found before is still true while nothing is tested.
    let mut endpoint = tested_daily();
    test(&mut endpoint, GOOD);
    endpoint.spec(json!({"suspend": true}));
    assert_eq!(verified(&endpoint), "True/SignatureVerified");
    let mut endpoint = tested_daily();
    endpoint.remote.held.as_mut().unwrap().active = false;
    assert!(order(&endpoint).is_some(), "one that was switched off remotely: whether the receiver is mended is news");
}

#[test]
fn a_test_of_another_target_or_of_long_ago_says_nothing() {
    let mut endpoint = tested_daily();
    let other = TestOrder { target_url: "https://other.example.com/".into(), ..order(&endpoint).unwrap() };
    endpoint.memory.tested = Some(Tested { order: other, at: at(NOW), probed: GOOD });
    assert_eq!(verified(&endpoint), "Unknown/Progressing");
    assert!(order(&endpoint).is_some());
    test(&mut endpoint, GOOD);
    // Another process has tested since.
    let own = endpoint.memory.tested.clone().unwrap();
    endpoint.memory.tested = Some(Tested { at: at(NOW - 5), probed: UNCHECKED, ..own });
    assert_eq!(verified(&endpoint), "True/SignatureVerified");
}

#[test]
fn each_result_has_its_verdict_and_its_remedy() {
    let failed = |failure| Probed { genuine: Reply::Failed(failure), forged: None, certificate_expiry: None };
    let half = |failure| Probed { forged: Some(Reply::Failed(failure)), ..GOOD };
    let cases = [
        (GOOD, "True/SignatureVerified", "refused one signed with a wrong key"),
        (answers(204, Some(403)), "True/SignatureVerified", "took an event"),
        (UNCHECKED, "False/SignatureNotChecked", "answer 401"),
        (answers(200, Some(302)), "False/SignatureNotChecked", "HTTP 3xx"),
        (answers(200, Some(400)), "False/SignatureNotChecked", "HTTP 400"),
        (answers(200, Some(429)), "Unknown/SignatureNotChecked", "HTTP 429"),
        (answers(200, Some(503)), "Unknown/SignatureNotChecked", "HTTP 5xx"),
        (half(Failure::Timeout), "Unknown/Unreachable", "in time"),
        (answers(401, None), "False/Refused", "\"current\""),
        (answers(403, None), "False/Refused", "load the key"),
        (answers(301, None), "False/Refused", "redirects (HTTP 3xx)"),
        (answers(404, None), "False/Refused", "path"),
        (answers(405, None), "False/Refused", "POST"),
        (answers(422, None), "False/Refused", "HTTP 422"),
        (answers(503, None), "False/Refused", "HTTP 5xx"),
        (failed(Failure::Dns), "Unknown/Unreachable", "does not resolve"),
        (failed(Failure::PrivateAddress), "Unknown/Unreachable", "--allow-private-targets"),
        (failed(Failure::Connect), "Unknown/Unreachable", "start the receiver"),
        (failed(Failure::Broken), "Unknown/Unreachable", "in front of it"),
        (failed(Failure::Timeout), "Unknown/Unreachable", "work later"),
        (failed(Failure::Tls(TlsFailure::Expired)), "False/TlsInvalid", "renew"),
        (failed(Failure::Tls(TlsFailure::NotYetValid)), "False/TlsInvalid", "not valid yet"),
        (failed(Failure::Tls(TlsFailure::WrongName)), "False/TlsInvalid", "host of spec.targetUrl"),
        (failed(Failure::Tls(TlsFailure::UnknownIssuer)), "False/TlsInvalid", "whole chain"),
        (failed(Failure::Tls(TlsFailure::BadCertificate)), "False/TlsInvalid", "another one"),
        (failed(Failure::Tls(TlsFailure::Handshake)), "False/TlsInvalid", "TLS 1.2"),
    ];
    for (probed, says, words) in cases {
        let verdict = verdict(&probed);
        assert_eq!(format!("{:?}/{}", verdict.is, verdict.reason), says, "{probed:?}");
        assert!(verdict.message.contains(words), "{probed:?}: {}", verdict.message);
    }
    assert_eq!(verdict(&answers(502, None)), verdict(&answers(503, None)), "no news from one bad gateway to the next");
}

#[test]
fn while_a_key_is_replaced_the_new_one_is_tested_once_it_was_out_for_its_time() {
    let mut endpoint = tested_daily();
    test(&mut endpoint, GOOD);
    let (former, other) = (endpoint.remote.held.clone().unwrap(), SecretText::new("another-key"));
    let mut new = remote("8");
    new.key = Some(other.clone());
    endpoint.remote.other = Some(OtherRemote { id: id("8"), endpoint: Some(new), absence: None, gone: false });
    endpoint.secret = SecretView::Ours {
        current: Some(other.clone()),
        previous: former.key,
        dressed: true,
        owned: true,
        rotated_at: Some(at(NOW)),
    };
    let since = "1970-01-12T13:46:40Z";
    let rotation = json!({"phase": "Publishing", "fromRemoteId": "7", "toRemoteId": "8", "startedAt": since, "publishedAt": since});
    endpoint.status(json!({"rotation": rotation}));
    endpoint.now = NOW + 30;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.test), (EndpointStep::Rest, None), "receivers may not have it yet");
    assert_eq!(said(&plan.status.conditions, "Verified"), "True/SignatureVerified", "the former key's");
    assert_eq!(said(&plan.status.conditions, "Rotating"), "True/Publishing");
    endpoint.status(json!({"rotation": {"phase": "Draining", "fromRemoteId": "7", "toRemoteId": "8", "startedAt": since, "publishedAt": since, "switchedAt": since}, "remoteId": "8"}));
    let (from, to) = (endpoint.remote.held.take(), endpoint.remote.other.take());
    endpoint.remote.held = to.and_then(|other| other.endpoint);
    endpoint.remote.other = Some(OtherRemote { id: id("7"), endpoint: from, absence: None, gone: false });
    endpoint.remote.leaving = Some(Leaving::default());
    endpoint.now = NOW + 120;
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    assert_eq!(plan.test.map(|order| order.fingerprint), Some(other.fingerprint()));
}
