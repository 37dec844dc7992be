//! Properties of `applied`, the bookkeeping of rules.md *Pairs*.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::api::subscription::{AccountWide, AllPractices, Applied, AppliedScope, EventSpec};
use crate::api::{WebhookSubscription, WebhookSubscriptionSpec};
use crate::plan::pairs::{Sibling, applied, as_applied, covers, declared, overlap, union};
use crate::provider::model::{Catalogue, RowKey};

fn names(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = prop::collection::btree_set(prop::sample::select(from), 0..from.len());
    some.prop_map(|names| names.into_iter().map(str::to_owned).collect()).prop_shuffle()
}

fn any_applied() -> impl Strategy<Value = Applied> {
    let scope = (names(&["a", "b", "c"]), prop::option::of(names(&["a", "b"])), any::<bool>());
    let ids = (prop::option::of(prop::sample::select(vec!["7", "8"])), names(&["8", "9"]));
    let events = names(&["patient_created", "appointment_insertion", "account_changed", "Made/up", "/no/type"]);
    (scope, ids, events, any::<Option<bool>>()).prop_map(|((practices, all, wide), (id, moving), events, active)| {
        Applied {
            endpoint_remote_id: id.map(str::to_owned),
            moving_endpoint_remote_ids: moving.into_iter().filter(|other| Some(other.as_str()) != id).collect(),
            scope: AppliedScope {
                practices,
                all_practices: all.map(|except| AllPractices { except }),
                account_wide: wide.then_some(AccountWide {}),
            },
            events,
            active,
        }
    })
}

fn any_event() -> impl Strategy<Value = EventSpec> {
    let event = prop_oneof![
        prop::sample::select(vec!["patient_created", "appointment_insertion", "account_changed"])
            .prop_map(String::from),
        "[a-z/%]{1,6}",
    ];
    let resource_type = prop_oneof![
        Just(None),
        prop::sample::select(vec!["Patient", "Appointment", "Account"]).prop_map(|name| Some(name.to_owned())),
        "[A-Z/%2F]{1,6}".prop_map(Some),
    ];
    (event, resource_type).prop_map(|(event, resource_type)| EventSpec { resource_type, event })
}

pub fn any_spec() -> impl Strategy<Value = WebhookSubscriptionSpec> {
    let scope = prop_oneof![
        names(&["a", "b", "c", "gone"]).prop_map(|practices| json!({"practices": practices})),
        names(&["a", "b"]).prop_map(|except| json!({"allPractices": {"except": except}})),
        Just(json!({"accountWide": {}})),
    ];
    let events = prop::collection::vec(any_event(), 1..4);
    (scope, events, any::<bool>()).prop_map(|(scope, mut events, active)| {
        let mut seen = BTreeSet::new();
        events.retain(|event| seen.insert(event.event.clone()));
        let spec = json!({"endpointRef": {"name": "intake"}, "events": events, "active": active});
        changed::<WebhookSubscriptionSpec>(serde_json::from_value(spec).unwrap(), scope)
    })
}

fn object_of(spec: WebhookSubscriptionSpec) -> WebhookSubscription {
    let mut object = declaring("x", &[], &[]);
    object.spec = spec;
    object
}

fn rows() -> Rows {
    Subscription::new(&[], &[]).rows
}

fn keys(spec: &WebhookSubscriptionSpec, catalogue: &Catalogue) -> BTreeSet<RowKey> {
    declared(spec, catalogue, &rows()).unwrap().into_iter().filter_map(|item| item.key.ok()).collect()
}

fn unique(list: &[String]) -> bool {
    list.iter().collect::<BTreeSet<_>>().len() == list.len()
}

proptest! {
    #[test]
    fn a_union_covers_both_and_is_a_valid_status(old in any_applied(), new in any_applied()) {
        let both = union(&old, &new);
        prop_assert!(covers(&both, &old) && covers(&both, &new), "{both:?}");
        prop_assert!(covers(&old, &old));
        prop_assert_eq!(&union(&both, &new), &both, "announcing again changes nothing");
        for list in [&both.events, &both.scope.practices, &both.moving_endpoint_remote_ids] {
            prop_assert!(unique(list), "a set for the API server: {list:?}");
        }
        let main = both.endpoint_remote_id.as_ref();
        prop_assert!(!both.moving_endpoint_remote_ids.iter().any(|id| Some(id) == main));
    }

    #[test]
    fn what_a_union_names_is_no_less_than_what_both_name(old in any_applied(), new in any_applied()) {
        let (catalogue, rows) = (catalogue(), rows());
        let of = |applied_: &Applied| applied(applied_, &catalogue, &rows).into_iter().collect::<BTreeSet<_>>();
        let both = of(&union(&old, &new));
        prop_assert!(of(&old).is_subset(&both) && of(&new).is_subset(&both));
    }

    #[test]
    fn covering_means_naming_no_less(old in any_applied(), new in any_applied()) {
        let (catalogue, rows) = (catalogue(), rows());
        let of = |applied_: &Applied| applied(applied_, &catalogue, &rows).into_iter().collect::<BTreeSet<_>>();
        prop_assert!(!covers(&old, &new) || of(&new).is_subset(&of(&old)));
    }

    #[test]
    fn what_is_declared_can_be_named_again(spec in any_spec()) {
        let catalogue = catalogue();
        let stored = as_applied(&spec, "7", &catalogue);
        let named: BTreeSet<RowKey> = applied(&stored, &catalogue, &rows()).into_iter().map(|(_, key)| key).collect();
        let declared = keys(&spec, &catalogue);
        prop_assert!(declared.is_subset(&named), "lost: {:?}", declared.difference(&named));
        prop_assert!(unique(&stored.events));
        // No trespass: nothing but declared events is named, whatever slashes they contain.
        let types: BTreeSet<_> = spec.events.iter().map(|event| event.event.as_str()).collect();
        prop_assert!(named.iter().all(|key| types.contains(&*key.event)), "{named:?}");
    }

    #[test]
    fn overlap_never_says_no_wrongly(a in any_spec(), b in any_spec()) {
        let catalogue = catalogue();
        let common = keys(&a, &catalogue).intersection(&keys(&b, &catalogue)).next().cloned();
        let (a, b) = (object_of(a), object_of(b));
        prop_assert!(common.is_none() || overlap(&a, &b), "{common:?}");
        prop_assert_eq!(overlap(&a, &b), overlap(&b, &a));
    }

    #[test]
    fn a_sibling_declares_what_its_spec_declares(spec in any_spec(), other in any_spec()) {
        let catalogue = catalogue();
        let object = object_of(spec.clone());
        let sibling = Sibling { object: &object, older: false };
        let own = keys(&spec, &catalogue);
        for item in declared(&spec, &catalogue, &rows()).unwrap() {
            let Ok(key) = item.key else { continue };
            prop_assert!(sibling.declares(item.practice.as_deref(), &key, &catalogue), "{key:?}");
        }
        for item in declared(&other, &catalogue, &rows()).unwrap() {
            let Ok(key) = item.key else { continue };
            let says = sibling.declares(item.practice.as_deref(), &key, &catalogue);
            prop_assert!(own.contains(&key) || !says, "claims {key:?}, which it does not declare");
        }
    }
}

#[test]
fn an_order_is_no_change() {
    let of = |events: &[&str]| Applied {
        events: events.iter().map(|name| (*name).to_owned()).collect(),
        ..Applied::default()
    };
    assert!(covers(&of(&["x", "y"]), &of(&["y", "x"])));
    assert!(!covers(&of(&["x"]), &of(&["x", "y"])));
}
