//! Tables of the bookkeeping of rules.md *Pairs*: how events are named in `applied`, what it covers, who shares a pair.

use serde_json::{Value, json};

use super::fixtures::*;
use super::realm::*;
use crate::api::subscription::Applied;
use crate::api::{WebhookSubscription, WebhookSubscriptionSpec};
use crate::plan::pairs::{Sibling, applied, as_applied, covers, covers_pair, overlap, union};
use crate::provider::model::{Catalogue, KnownEvent, RowKey};

/// With one event whose name has a slash.
fn odd_catalogue() -> Catalogue {
    let mut catalogue = catalogue();
    catalogue.events.push(KnownEvent {
        resource_type: "Odd".into(),
        event: "odd/known".into(),
        practice_scoped: true,
        delivered: Vec::new(),
    });
    catalogue
}

fn spec(change: Value) -> WebhookSubscriptionSpec {
    changed(declaring("x", &["a"], &["patient_created"]).spec, change)
}

fn key(practice: Option<&str>, resource_type: &str, event: &str) -> RowKey {
    let practice = practice.map(|name| format!("#{name}").into());
    RowKey { practice, resource_type: resource_type.into(), event: event.into() }
}

#[test]
fn an_event_is_applied_plainly_where_the_catalogue_says_the_rest_and_can_be_read_back() {
    let catalogue = odd_catalogue();
    let cases = [
        (None, "patient_created", "patient_created", Some("Patient")),
        (Some("Patient"), "patient_created", "patient_created", Some("Patient")),
        (Some("Appointment"), "patient_created", "Appointment/patient_created", Some("Appointment")),
        (Some("Made"), "made_up", "Made/made_up", Some("Made")),
        (Some("A/50%"), "made_up", "A%2F50%25/made_up", Some("A/50%")),
        (Some("Made"), "odd/one", "Made/odd/one", Some("Made")),
        (None, "odd/known", "Odd/odd/known", Some("Odd")),
        (Some("Odd"), "odd/known", "Odd/odd/known", Some("Odd")),
        // Nobody knows their type, so no row can have been made.
        (None, "made_up", "made_up", None),
        (None, "odd/one", "/odd/one", None),
    ];
    for (resource_type, event, name, read) in cases {
        let stored =
            as_applied(&spec(json!({"events": [{"resourceType": resource_type, "event": event}]})), "7", &catalogue);
        assert_eq!(stored.events, [name], "{resource_type:?} {event}");
        let back = applied(&stored, &catalogue, &Subscription::new(&[], &[]).rows);
        let wanted: Vec<_> = read.into_iter().map(|kind| (Some("a".into()), key(Some("a"), kind, event))).collect();
        assert_eq!(back, wanted, "{resource_type:?} {event}");
    }
}

fn stored(change: Value) -> Applied {
    changed(as_applied(&spec(json!({})), "7", &catalogue()), change)
}

#[test]
fn whatever_is_added_is_announced_first_and_whatever_is_taken_away_is_not() {
    let old = stored(json!({"movingEndpointRemoteIds": ["8"]}));
    let wide = json!({"practices": ["a"], "accountWide": {}});
    let all = |except: &[&str]| json!({"practices": ["a"], "allPractices": {"except": except}});
    let added = [
        json!({"endpointRemoteId": "9"}),
        json!({"movingEndpointRemoteIds": ["8", "9"]}),
        json!({"scope": {"practices": ["a", "b"]}}),
        json!({"scope": wide}),
        json!({"scope": all(&["b"])}),
        json!({"events": ["patient_created", "Made/up"]}),
        json!({"active": false}),
    ];
    for change in added {
        let new = stored(change.clone());
        assert!(!covers(&old, &new), "{change}");
        assert!(covers(&union(&old, &new), &new), "{change}");
    }
    let within = [
        json!({}),
        json!({"endpointRemoteId": "8"}),
        json!({"endpointRemoteId": null}),
        json!({"movingEndpointRemoteIds": ["7"]}),
        json!({"scope": {"practices": []}}),
        json!({"events": []}),
    ];
    for change in within {
        assert!(covers(&old, &stored(change.clone())), "{change}");
    }
    let every = |except: &[&str]| stored(json!({"scope": all(except)}));
    assert!(covers(&every(&["b"]), &every(&["b", "c"])), "fewer practices");
    assert!(!covers(&every(&["b", "c"]), &every(&["b"])), "one more");
    assert!(covers(&stored(json!({"active": null})), &stored(json!({}))), "a switch that is changing is either");
}

#[test]
fn a_union_keeps_the_endpoint_it_comes_from_and_knows_no_switch_that_changes() {
    let (old, new) = (stored(json!({})), stored(json!({"endpointRemoteId": "8", "active": false})));
    let both = union(&old, &new);
    assert_eq!((both.endpoint_remote_id.as_deref(), both.active), (Some("7"), None));
    assert_eq!(both.moving_endpoint_remote_ids, ["8"]);
    let back = union(&both, &old);
    assert_eq!(back.moving_endpoint_remote_ids, ["8"], "rows may be there until a move back has ended");
    let first = union(&stored(json!({"endpointRemoteId": null, "movingEndpointRemoteIds": ["8"]})), &new);
    assert_eq!((first.endpoint_remote_id.as_deref(), first.moving_endpoint_remote_ids.len()), (Some("8"), 0));
    assert_eq!(union(&old, &stored(json!({}))), old);
}

#[test]
fn a_pair_was_applied_if_its_practice_and_its_event_were() {
    let named = stored(json!({"events": ["patient_created", "Made/made_up"]}));
    let all = stored(json!({"scope": {"allPractices": {"except": ["c"]}}}));
    let both = stored(json!({"scope": {"practices": ["c"], "allPractices": {"except": ["c"]}}}));
    let wide = stored(json!({"scope": {"accountWide": {}}, "events": ["account_changed"]}));
    let patient = |practice| key(Some(practice), "Patient", "patient_created");
    let cases = [
        (&named, Some("a"), patient("a"), true),
        (&named, Some("b"), patient("b"), false),
        (&named, Some("a"), key(Some("a"), "Made", "made_up"), true),
        (&named, Some("a"), key(Some("a"), "Other", "made_up"), false),
        (&named, Some("a"), key(Some("a"), "Patient", "patient_updated"), false),
        (&named, Some("a"), key(Some("a"), "Appointment", "appointment_insertion"), false),
        (&all, Some("b"), patient("b"), true),
        (&all, Some("c"), patient("c"), false),
        (&both, Some("c"), patient("c"), true),
        (&wide, None, key(None, "Account", "account_changed"), true),
        (&wide, Some("a"), key(Some("a"), "Account", "account_changed"), false),
        (&stored(json!({"events": ["account_changed"]})), None, key(None, "Account", "account_changed"), false),
        // Of a practice whose name nobody knows any more: in doubt it is somebody's.
        (&named, None, patient("x"), true),
        (&named, None, key(Some("x"), "Appointment", "appointment_insertion"), false),
    ];
    for (applied, practice, key, says) in cases {
        assert_eq!(
            covers_pair(applied, practice, &key, &catalogue()),
            says,
            "{practice:?} {key:?} {:?}",
            applied.scope
        );
    }
}

#[test]
fn objects_share_a_pair_only_if_they_share_an_event_and_may_share_a_practice() {
    let of = |scope: Value, event: &str| -> WebhookSubscription {
        let mut object = declaring("x", &[], &[event]);
        object.spec.practices = None;
        object.spec = changed(object.spec, scope);
        object
    };
    let (patient, other) = ("patient_created", "appointment_insertion");
    let (a, b, ab) = (json!({"practices": ["a"]}), json!({"practices": ["b"]}), json!({"practices": ["b", "a"]}));
    let (all, wide) = (json!({"allPractices": {}}), json!({"accountWide": {}}));
    let cases = [
        (&a, patient, &a, patient, true),
        (&a, patient, &ab, patient, true),
        (&a, patient, &b, patient, false),
        (&a, patient, &a, other, false),
        (&a, patient, &all, patient, true),
        (&a, patient, &all, other, false),
        (&a, patient, &wide, patient, false),
        (&wide, patient, &wide, patient, true),
        (&wide, patient, &wide, other, false),
    ];
    for (scope, event, others, others_event, says) in cases {
        let (one, two) = (of(scope.clone(), event), of(others.clone(), others_event));
        assert_eq!(
            (overlap(&one, &two), overlap(&two, &one)),
            (says, says),
            "{scope} {event}, {others} {others_event}"
        );
    }
}

#[test]
fn an_object_declares_a_pair_if_its_spec_names_practice_event_and_type() {
    let events =
        json!([{"event": "patient_created"}, {"resourceType": "Made", "event": "made_up"}, {"event": "unknown"}]);
    let of = |scope: Value| spec(changed(json!({"practices": null, "events": events}), scope));
    let named = of(json!({"practices": ["a", "c"]}));
    let all = of(json!({"allPractices": {"except": ["c"]}}));
    let wide = of(json!({"accountWide": {}, "events": [{"event": "account_changed"}]}));
    let patient = ("Patient", "patient_created");
    let cases = [
        (&named, Some("a"), patient, true),
        (&named, Some("b"), patient, false),
        (&named, Some("a"), ("Made", "made_up"), true),
        (&named, Some("a"), ("Other", "made_up"), false),
        (&named, Some("a"), ("Made", "patient_created"), false),
        (&named, Some("a"), ("Made", "unknown"), false),
        (&named, Some("a"), ("Appointment", "appointment_insertion"), false),
        (&named, None, patient, false),
        (&all, Some("b"), patient, true),
        (&all, Some("c"), patient, false),
        (&wide, None, ("Account", "account_changed"), true),
        (&wide, Some("a"), ("Account", "account_changed"), false),
    ];
    for (spec, practice, (resource_type, event), says) in cases {
        let mut object = declaring("x", &[], &[]);
        object.spec = spec.clone();
        let key = key(practice, resource_type, event);
        let declares = Sibling { object: &object, older: false }.declares(practice, &key, &catalogue());
        assert_eq!(declares, says, "{practice:?} {resource_type}/{event} of {}", json!(spec));
    }
}

#[test]
fn what_was_applied_to_all_practices_is_theirs_without_the_exceptions() {
    let rows = Subscription::new(&[], &[]).rows;
    let of = |scope: Value| -> Vec<String> {
        let named = applied(&stored(json!({"scope": scope})), &catalogue(), &rows);
        named.into_iter().map(|(practice, _)| practice.as_deref().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(of(json!({"allPractices": {"except": ["b"]}})), ["a", "c"]);
    assert_eq!(of(json!({"practices": ["c", "b"], "allPractices": {"except": ["b"]}})), ["a", "b", "c"], "each once");
    assert_eq!(of(json!({"practices": ["a"], "accountWide": {}})), ["a", "-"]);
}
