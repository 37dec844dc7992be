//! The self-test of a target URL: when one is due, and what its result means.
//!
//! A test is two events of our own (`provider::probe`): one signed with the published key, which the receiver must take,
//! and one signed with a wrong key, which it must refuse. What it finds is the condition `Verified`; it never touches
//! `Ready`, because the provider's side is as declared whatever the receiver does.
//!
//! Not tested is what is not meant to get events now: an endpoint that is switched off by its spec, is going, is held back
//! (*Suspend and Observe*: this cluster is then not in charge of what the receiver has, nor of its key), is `Stalled`, or
//! whose key is not in the Secret. While a key is replaced the new one is tested once receivers had their time to load it.
//!
//! `status.verification` says what was tested and when, so that another process does not test everything again. A repeat
//! that finds what was wrong before changes nothing there: an object that fails comes to rest.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::condition::{Is, Progress, Report, Verdict, kept};
use super::endpoint::{EndpointInput, SecretView};
use super::frozen::{Freeze, freeze};
use super::rotation::due;
use super::{Note, elapsed, wire_time};
use crate::api::verification::VerificationStatus;
use crate::api::{ConditionType, Reason, WebhookEndpointStatus};
use crate::provider::model::probe::{Failure, Probed, Reply, TlsFailure};
use crate::signing::SecretText;

/// A fleet that was made in one minute is not tested in one: each object is early by a share of this part of its interval,
/// at most an hour, that its UID gives.
const SPREAD: (u32, Duration) = (10, Duration::from_secs(3600));

/// What is to be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOrder {
    /// The target URL.
    pub target_url: String,
    /// Fingerprint of the key that is to sign.
    pub fingerprint: String,
    /// Whether a person asked for it.
    pub asked: bool,
}

/// A test that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// What was ordered.
    pub order: TestOrder,
    /// When it ended.
    pub at: Timestamp,
    /// What it found.
    pub probed: Probed,
}

/// When the next test is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not before something changes.
    Never,
    /// After this time.
    Later(Duration),
    /// Now.
    Now(TestOrder),
}

impl Next {
    /// How long to wait, if that is known.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Later(wait) => Some(*wait),
            Self::Never | Self::Now(_) => None,
        }
    }

    /// What to test now.
    pub fn now(self) -> Option<TestOrder> {
        match self {
            Self::Now(order) => Some(order),
            Self::Never | Self::Later(_) => None,
        }
    }
}

/// What there is to say and to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// `Verified`; absent without `spec.verification`.
    pub verdict: Option<Verdict>,
    /// An Event, where a test has changed the verdict.
    pub note: Option<Note>,
    /// The next test.
    pub next: Next,
}

/// Judges what was tested and decides what is to be. `report` is what the plan is about to say of the object; its
/// `SecretPublished` is there only if this very plan has looked at the Secret.
pub fn look(input: &EndpointInput<'_>, report: &Report, status: &mut WebhookEndpointStatus) -> Look {
    let Some(spec) = &input.object.spec.verification else {
        status.verification = None;
        return Look { verdict: None, note: None, next: Next::Never };
    };
    let before = said(input, status);
    let (found, note) = match taken(input, status, before.as_ref()) {
        Some(tested) => {
            let verdict = verdict(&tested.probed);
            let news = before.is_none_or(|before| (before.is, before.reason) != (verdict.is, verdict.reason));
            let note = news.then(|| note(&verdict));
            (Some(verdict), note)
        }
        None => (before, None),
    };
    let interval = spec.interval.get().unwrap_or_default();
    let (next, why) = match hindrance(input, report) {
        Some(why) => (Next::Never, why),
        None => (next(input, status, found.as_ref(), interval), Why::Soon),
    };
    Look { verdict: Some(found.unwrap_or_else(|| untested(why))), note, next }
}

/// What was said of the present URL. A verdict about another one says nothing of this one, while one about another key
/// stays until the new key is tested.
fn said(input: &EndpointInput<'_>, status: &WebhookEndpointStatus) -> Option<Verdict> {
    let tested = status.verification.as_ref()?;
    (tested.target_url == input.object.spec.target_url)
        .then(|| kept(&status.conditions, ConditionType::Verified))
        .flatten()
}

/// Takes over the result of this process's last test, if it is about the present URL and no older than what the status
/// knows.
fn taken<'a>(
    input: &'a EndpointInput<'_>,
    status: &mut WebhookEndpointStatus,
    before: Option<&Verdict>,
) -> Option<&'a Tested> {
    let tested =
        input.memory.tested.as_ref().filter(|tested| tested.order.target_url == input.object.spec.target_url)?;
    let known = status.verification.as_ref();
    if known.is_some_and(|known| known.last_test_time.0 > tested.at) {
        return None;
    }
    let same_subject = known.is_some_and(|known| is_about(known, &tested.order));
    let found = verdict(&tested.probed);
    let repeat = same_subject && found.is != Is::True && before == Some(&found) && !tested.order.asked;
    let regular = known.is_some_and(|known| {
        interval(input).is_some_and(|interval| elapsed(known.last_test_time.0, tested.at) >= interval)
    });
    if !repeat || regular {
        status.verification = Some(VerificationStatus {
            last_test_time: wire_time(tested.at),
            target_url: tested.order.target_url.clone(),
            fingerprint: tested.order.fingerprint.clone(),
        });
    }
    Some(tested)
}

fn is_about(known: &VerificationStatus, order: &TestOrder) -> bool {
    known.target_url == order.target_url && known.fingerprint == order.fingerprint
}

/// Why nothing is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Soon,
    NotReady,
    Inactive,
    Frozen(Freeze),
}

fn hindrance(input: &EndpointInput<'_>, report: &Report) -> Option<Why> {
    if let Some(freeze) = freeze(input.object.spec.suspend, input.policy) {
        return Some(Why::Frozen(freeze));
    }
    if !input.object.spec.active {
        return Some(Why::Inactive);
    }
    let published = report.others.iter().any(|other| other.reason == Reason::Published);
    let going = input.object.metadata.deletion_timestamp.is_some();
    (going || !published || report.progress == Progress::Stalled).then_some(Why::NotReady)
}

fn next(input: &EndpointInput<'_>, status: &WebhookEndpointStatus, found: Option<&Verdict>, every: Duration) -> Next {
    let SecretView::Ours { current: Some(key), rotated_at, .. } = &input.secret else { return Next::Never };
    let order = TestOrder {
        target_url: input.object.spec.target_url.clone(),
        fingerprint: SecretText::fingerprint(key),
        asked: input.memory.test_asked,
    };
    let known = status.verification.as_ref().filter(|known| is_about(known, &order));
    let at = match (known, found) {
        (Some(known), Some(found)) if !order.asked => {
            let own = input.memory.tested.as_ref().filter(|tested| is_about(known, &tested.order));
            let last = own.map_or(known.last_test_time.0, |own| own.at.max(known.last_test_time.0));
            if every.is_zero() {
                return Next::Never;
            }
            let pause = match found.is {
                Is::True => early(input, every),
                Is::False | Is::Unknown => every.min(input.timing.self_test_retry),
            };
            after(last, pause.max(input.timing.self_test))
        }
        // New: as soon as receivers had their time to load the key.
        _ => {
            let published = rotated_at.or_else(|| due::last(status.signing_secret.as_ref(), &input.secret));
            let delay = due::pauses(&input.object.spec.signing_secret.rotation).publish_delay;
            published.map_or(input.now, |published| after(published, delay))
        }
    };
    match Duration::try_from(at - input.now) {
        Ok(wait) if !wait.is_zero() => Next::Later(wait),
        _ => Next::Now(order),
    }
}

/// The interval of the spec less the object's own share, unless only new things are tested.
fn interval(input: &EndpointInput<'_>) -> Option<Duration> {
    let every = input.object.spec.verification.as_ref()?.interval.get().filter(|every| !every.is_zero())?;
    Some(early(input, every).max(input.timing.self_test))
}

fn early(input: &EndpointInput<'_>, every: Duration) -> Duration {
    let uid = input.object.metadata.uid.as_deref().unwrap_or_default();
    let share = Sha256::digest(uid.as_bytes()).get(1).copied().unwrap_or_default();
    let early = (every / SPREAD.0).min(SPREAD.1).mul_f64(f64::from(share) / 256.0);
    every.saturating_sub(early)
}

fn after(from: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    from.checked_add(time).unwrap_or(Timestamp::MAX)
}

fn note(verdict: &Verdict) -> Note {
    match verdict.is {
        Is::True => Note::normal(verdict.reason.as_str(), "Test", verdict.message.clone()),
        Is::False | Is::Unknown => Note::warning(verdict.reason.as_str(), "Test", verdict.message.clone()),
    }
}

fn untested(why: Why) -> Verdict {
    let (reason, message) = match why {
        Why::Soon => (
            Reason::Progressing,
            "spec.targetUrl is tested as soon as receivers have had spec.signingSecret.rotation.publishDelay to load the key",
        ),
        Why::NotReady => (Reason::Progressing, "spec.targetUrl is tested once this endpoint works; see Ready"),
        Why::Inactive => (Reason::AsDeclared, "not tested while spec.active is false"),
        Why::Frozen(Freeze::Suspended) => (Reason::Suspended, "not tested while spec.suspend is true"),
        Why::Frozen(Freeze::Observed) => {
            (Reason::ObserveOnly, "not tested while the account's managementPolicy is Observe")
        }
    };
    Verdict::new(ConditionType::Verified, Is::Unknown, reason, message)
}

/// What a result means, with the one thing to do.
pub fn verdict(probed: &Probed) -> Verdict {
    let (is, reason, message) = match (probed.genuine, probed.forged) {
        (Reply::Status(200..=299), Some(forged)) => about_forged(forged),
        (Reply::Status(200..=299), None) => about_failure(Failure::Broken),
        (Reply::Status(status), _) => (Is::False, Reason::Refused, refused(status)),
        (Reply::Failed(failure), _) => about_failure(failure),
    };
    Verdict::new(ConditionType::Verified, is, reason, message)
}

fn about_forged(forged: Reply) -> (Is, Reason, String) {
    let unchecked = Reason::SignatureNotChecked;
    match forged {
        Reply::Status(401 | 403) => (
            Is::True,
            Reason::SignatureVerified,
            "the receiver took an event signed with the key in the Secret, and refused one signed with a wrong key".into(),
        ),
        Reply::Status(200..=299) => (
            Is::False,
            unchecked,
            "the receiver answered 2xx to an event signed with a wrong key, so whoever knows spec.targetUrl can send it events: have it verify signatures with the keys of the Secret and answer 401 where none fits".into(),
        ),
        // It may have been busy just then.
        Reply::Status(status @ (408 | 429 | 500..)) => (
            Is::Unknown,
            unchecked,
            format!("the receiver answered {} to an event signed with a wrong key, so nobody can tell whether it checks signatures: have it answer 401", class(status)),
        ),
        Reply::Status(status) => (
            Is::False,
            unchecked,
            format!("the receiver answered {} to an event signed with a wrong key, so nobody can tell whether it checks signatures: have it answer 401 (or 403)", class(status)),
        ),
        Reply::Failed(failure) => about_failure(failure),
    }
}

fn refused(status: u16) -> String {
    match status {
        401 | 403 => format!(
            "the receiver refused (HTTP {status}) an event signed with the key in the Secret, and so refuses what the provider sends: have it load the key \"current\" of the Secret and verify the raw body"
        ),
        300..=399 => format!(
            "spec.targetUrl redirects ({}), which a provider need not follow: set spec.targetUrl to where it leads",
            class(status)
        ),
        404 | 405 | 410 => format!(
            "nothing at spec.targetUrl takes events (HTTP {status}): correct its path, or let the receiver take POST there"
        ),
        _ => format!(
            "the receiver answered {} to an event signed with the key in the Secret: have it answer 2xx, also to events that it does not know; its own log says more",
            class(status)
        ),
    }
}

fn about_failure(failure: Failure) -> (Is, Reason, String) {
    let unreachable = |message: &str| (Is::Unknown, Reason::Unreachable, message.to_owned());
    match failure {
        Failure::Dns => unreachable(
            "the host of spec.targetUrl does not resolve from here: correct spec.targetUrl, or its DNS entry",
        ),
        Failure::PrivateAddress => unreachable(
            "the host of spec.targetUrl has an address that is not public, which the self-test does not call: give it a public one, or start the operator with --allow-private-targets",
        ),
        Failure::Connect => unreachable(
            "no connection to the host of spec.targetUrl comes about from here: start the receiver, or let the operator out (NetworkPolicy, firewall)",
        ),
        Failure::Broken => unreachable(
            "the receiver at spec.targetUrl cut the connection, or did not answer in HTTP: look at what is in front of it",
        ),
        Failure::Timeout => unreachable(
            "the receiver at spec.targetUrl did not answer in time: have it answer first and work later, or let the operator out (NetworkPolicy, firewall)",
        ),
        Failure::Tls(problem) => (Is::False, Reason::TlsInvalid, tls(problem).to_owned()),
    }
}

fn tls(problem: TlsFailure) -> &'static str {
    match problem {
        TlsFailure::Expired => {
            "the certificate of the receiver has expired, so a provider may refuse to send: renew it"
        }
        TlsFailure::NotYetValid => {
            "the certificate of the receiver is not valid yet: put the one before it back, or correct a clock"
        }
        TlsFailure::WrongName => {
            "the certificate of the receiver is for another name: have one made for the host of spec.targetUrl"
        }
        TlsFailure::UnknownIssuer => {
            "the certificate of the receiver is self-signed, of an unknown issuer, or comes without the chain in between: use one of a public authority and serve the whole chain"
        }
        TlsFailure::BadCertificate => {
            "the certificate of the receiver cannot be used (an authority's own, revoked, not for servers, or not well-formed): have another one made for the host of spec.targetUrl"
        }
        TlsFailure::Handshake => {
            "no TLS connection to spec.targetUrl comes about: have the receiver speak TLS 1.2 or 1.3 on that port"
        }
    }
}

/// A status as it may stand in a message, which must not change from one bad gateway to another.
fn class(status: u16) -> String {
    match status {
        400..=499 => format!("HTTP {status}"),
        _ => format!("HTTP {}xx", status / 100),
    }
}
