//! What is said of a verdict: each reason in words of its own, with the field or the practice that it is about.

use std::collections::BTreeSet;

use serde_json::Value;

use super::desk::{Desk, fleet, single};
use crate::api::{PracticeSyncMonitorSpec, Reason};
use crate::plan::condition::Is;
use crate::plan::monitor::practice::Word;
use crate::plan::monitor::words::message;

fn spec(spec: Value) -> PracticeSyncMonitorSpec {
    Desk::new(spec).object.spec
}

fn word(is: Is, reason: Reason) -> Word {
    Word { is, sync: Some("main".into()), ..Word::unknown(reason) }
}

const READ: usize = 0;
const WRITE: usize = 1;
const BOTH: usize = 2;

#[test]
fn no_two_reasons_read_the_same() {
    let reasons = [
        (Is::True, Reason::Green),
        (Is::False, Reason::Red),
        (Is::False, Reason::Stale),
        (Is::False, Reason::Flapping),
        (Is::False, Reason::ProviderWideOutage),
        (Is::Unknown, Reason::OfficeClosed),
        (Is::Unknown, Reason::CatchingUp),
        (Is::Unknown, Reason::NoSync),
        (Is::Unknown, Reason::ObservationStale),
        (Is::Unknown, Reason::TimeZoneUnknown),
        (Is::Unknown, Reason::ProviderUnavailable),
        (Is::Unknown, Reason::Suspended),
    ];
    for place in [READ, WRITE, BOTH] {
        let said = reasons.map(|(is, reason)| message(&spec(single()), place, &word(is, reason), None));
        assert_eq!(said.iter().collect::<BTreeSet<_>>().len(), reasons.len(), "{said:#?}");
    }
    let reason = |is| message(&spec(single()), READ, &word(is, Reason::AccountNotReady), None);
    assert!(reason(Is::Unknown).contains("the Ready condition says why"));
}

#[test]
fn a_direction_is_named_with_its_own_limit() {
    let spec = spec(single());
    let stale = |place| message(&spec, place, &word(Is::False, Reason::Stale), None);
    let limit = |name: &str, value: &str| format!("spec.{name}.staleAfter ({value})");
    for (place, doing, own, other) in [
        (READ, "reading from the practice", limit("read", "60m"), "spec.write"),
        (WRITE, "writing to the practice", limit("write", "30m"), "spec.read"),
    ] {
        let said = stale(place);
        assert!(said.contains(doing) && said.contains(&own) && !said.contains(other), "{said}");
        assert!(said.contains("\"main\""), "the sync that decides: {said}");
    }
    let both = stale(BOTH);
    assert!(both.contains("reading from or writing to") && !both.contains("staleAfter"), "{both}");
}

#[test]
fn a_fleet_names_the_practice_and_says_where_the_others_are() {
    let (fleet, single) = (spec(fleet()), spec(single()));
    let said = |spec, is, reason, practice| message(spec, READ, &word(is, reason), practice);
    let all = "status.practices.unhealthy names all";
    let stale = said(&fleet, Is::False, Reason::Stale, Some("aspen"));
    assert!(stale.starts_with("aspen: ") && stale.contains(all), "{stale}");
    let unknown = said(&fleet, Is::Unknown, Reason::CatchingUp, Some("aspen"));
    assert!(
        unknown.starts_with("aspen: ") && !unknown.contains(all),
        "who is not known to be bad is not listed: {unknown}"
    );
    let own = said(&single, Is::False, Reason::Stale, None);
    assert!(!own.contains("aspen") && !own.contains(all), "{own}");
}

#[test]
fn a_fleet_without_practices_says_so_and_one_without_syncs_says_whose() {
    let (fleet, single) = (spec(fleet()), spec(single()));
    let said = |spec, reason, practice| message(spec, BOTH, &word(Is::Unknown, reason), practice);
    let nobody = "there is no practice to watch";
    assert!(said(&fleet, Reason::NoSync, None).contains(nobody));
    assert!(!said(&fleet, Reason::NoSync, Some("aspen")).contains(nobody));
    assert!(!said(&single, Reason::NoSync, None).contains(nobody));
    assert!(!said(&fleet, Reason::ObservationStale, None).contains(nobody));
}
