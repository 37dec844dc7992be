//! Conditions as they are stored and read back.

use jiff::Timestamp;

use crate::api::{ConditionType, Reason};
use crate::plan::condition::{Is, Report, Verdict, bounded, is_true, kept};

fn stored(is: Is) -> Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    let active = Verdict::new(ConditionType::Active, is, Reason::AsDeclared, "as declared");
    Report::ready(Reason::InSync, "all is well").with(active).conditions(&[], 1, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_stored_condition_is_said_again_as_it_stands() {
    for is in [Is::True, Is::False, Is::Unknown] {
        let again = kept(&stored(is), ConditionType::Active).unwrap();
        assert_eq!(again, Verdict::new(ConditionType::Active, is, Reason::AsDeclared, "as declared"));
        assert_eq!(is_true(&stored(is), ConditionType::Active), is == Is::True);
    }
    assert_eq!(kept(&stored(Is::True), ConditionType::KnownEvents), None);
    assert!(!is_true(&stored(Is::True), ConditionType::KnownEvents), "what is not there is not true");
    let mut foreign = stored(Is::True);
    foreign.iter_mut().for_each(|condition| condition.reason = "OfAnotherVersion".to_owned());
    assert_eq!(kept(&foreign, ConditionType::Active), None, "a reason that this version does not know is not repeated");
}

#[test]
fn a_message_is_cut_only_where_the_schema_would_refuse_it() {
    let of = |length: usize| "ä".repeat(length);
    assert_eq!(bounded(of(1024)), of(1024));
    assert_eq!(bounded(of(1025)), of(1023) + "…");
}
