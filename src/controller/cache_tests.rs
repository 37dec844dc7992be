//! After any sequence of events and writes, what the indices answer is what a look at every object would.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use proptest::prelude::*;

use super::cache::{Cache, Put};
use super::found_by::{self, Scope};
use crate::api::subscription::{AllPractices, Applied, AppliedScope, EndpointRef, EventSpec};
use crate::api::{DeletionPolicy, WebhookSubscription, WebhookSubscriptionSpec, WebhookSubscriptionStatus};
use crate::plan::pairs;

const ENDPOINTS: [&str; 2] = ["a", "b"];
const EVENTS: [&str; 3] = ["created", "updated", "odd/one"];
const PRACTICES: [&str; 2] = ["north", "south"];

/// What one version of an object says.
#[derive(Clone, Debug)]
struct Version {
    endpoint: usize,
    events: Vec<usize>,
    scope: usize,
    past: Option<(usize, Vec<usize>)>,
    deleting: bool,
}

#[derive(Clone, Debug)]
enum Step {
    See {
        name: usize,
        life: usize,
        version: Version,
    },
    Write {
        name: usize,
        version: Version,
    },
    /// An event that is older than what is known.
    Echo {
        name: usize,
    },
    Delete {
        name: usize,
    },
    List {
        keep: BTreeSet<usize>,
    },
}

fn version() -> impl Strategy<Value = Version> {
    let events = || proptest::collection::vec(0_usize..3, 1..3);
    let past = proptest::option::of((0_usize..4, events()));
    (0_usize..2, events(), 0_usize..4, past, any::<bool>())
        .prop_map(|(endpoint, events, scope, past, deleting)| Version { endpoint, events, scope, past, deleting })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..5, 0_usize..2, version())
            .prop_map(|(name, life, version)| Step::See { name, life, version }),
        4 => (0_usize..5, version()).prop_map(|(name, version)| Step::Write { name, version }),
        1 => (0_usize..5).prop_map(|name| Step::Echo { name }),
        1 => (0_usize..5).prop_map(|name| Step::Delete { name }),
        1 => proptest::collection::btree_set(0_usize..5, 0..5).prop_map(|keep| Step::List { keep }),
    ]
}

fn build(name: usize, life: &str, clock: u64, version: &Version) -> WebhookSubscription {
    let (mut practices, mut all, mut account) = (None, None, None);
    match version.scope {
        2 => all = Some(AllPractices::default()),
        3 => account = Some(Default::default()),
        number => practices = Some(vec![PRACTICES[number].to_owned()]),
    }
    let events = version
        .events
        .iter()
        .map(|event| EventSpec { event: EVENTS[*event].to_owned(), resource_type: Some("Thing".to_owned()) });
    let mut object = WebhookSubscription::new(
        &format!("s{name}"),
        WebhookSubscriptionSpec {
            endpoint_ref: EndpointRef { name: ENDPOINTS[version.endpoint].to_owned() },
            practices,
            all_practices: all,
            account_wide: account,
            events: events.collect(),
            active: true,
            undeclared: Default::default(),
            suspend: false,
            deletion_policy: DeletionPolicy::Delete,
        },
    );
    object.metadata.namespace = Some("team".to_owned());
    object.metadata.uid = Some(life.to_owned());
    object.metadata.resource_version = Some(clock.to_string());
    object.metadata.deletion_timestamp = version.deleting.then_some(Time(jiff::Timestamp::UNIX_EPOCH));
    let applied = version.past.as_ref().map(|(scope, events)| Applied {
        endpoint_remote_id: Some(format!("{}", version.endpoint)),
        scope: AppliedScope {
            practices: PRACTICES.get(*scope).map(|name| (*name).to_owned()).into_iter().collect(),
            all_practices: (*scope == 2).then(AllPractices::default),
            account_wide: (*scope == 3).then(Default::default),
        },
        events: events.iter().map(|event| format!("Thing/{}", EVENTS[*event])).collect(),
        ..Applied::default()
    });
    object.status = Some(WebhookSubscriptionStatus { applied, ..WebhookSubscriptionStatus::default() });
    object
}

/// Events and scopes that an object declares or has applied, as a reader of rules.md *Pairs* would list them.
fn named(object: &WebhookSubscription) -> (BTreeSet<String>, BTreeSet<String>) {
    let applied = object.status.as_ref().and_then(|status| status.applied.clone()).unwrap_or_default();
    let mut events: BTreeSet<String> = object.spec.events.iter().map(|event| event.event.clone()).collect();
    events.extend(applied.events.iter().map(|name| name.trim_start_matches("Thing/").to_owned()));
    let mut scopes: BTreeSet<String> = object.spec.practices.iter().flatten().cloned().collect();
    scopes.extend(applied.scope.practices);
    if object.spec.all_practices.is_some() || applied.scope.all_practices.is_some() {
        scopes.extend(PRACTICES.map(str::to_owned));
        scopes.insert("later".to_owned());
    }
    if object.spec.account_wide.is_some() || applied.scope.account_wide.is_some() {
        scopes.insert("the account".to_owned());
    }
    (events, scopes)
}

fn names(objects: impl IntoIterator<Item = std::sync::Arc<WebhookSubscription>>) -> BTreeSet<String> {
    objects.into_iter().map(|object| object.name_any()).collect()
}

/// What should be there, by name.
type Model = BTreeMap<String, WebhookSubscription>;

fn check(cache: &Cache<WebhookSubscription>, model: &Model) -> Result<(), TestCaseError> {
    let all: Model = cache.all().into_iter().map(|object| (object.name_any(), (*object).clone())).collect();
    prop_assert_eq!(&all, model);
    let those = |holds: &dyn Fn(&WebhookSubscription) -> bool| -> BTreeSet<String> {
        model.values().filter(|object| holds(object)).map(|object| object.name_any()).collect()
    };
    for (number, endpoint) in ENDPOINTS.iter().enumerate() {
        let here = |object: &WebhookSubscription| object.spec.endpoint_ref.name == *endpoint;
        prop_assert_eq!(names(cache.find(found_by::endpoint("team", endpoint))), those(&here));
        let going = |object: &WebhookSubscription| here(object) && object.metadata.deletion_timestamp.is_some();
        prop_assert_eq!(names(cache.find(found_by::deleting("team", endpoint))), those(&going));
        let on = |object: &WebhookSubscription| here(object) && object.status.as_ref().unwrap().applied.is_some();
        prop_assert_eq!(names(cache.find(found_by::applied("team", &number.to_string()))), those(&on));
        for event in EVENTS {
            for practice in PRACTICES {
                let keys = [Scope::Practice(practice), Scope::Every];
                let keys = keys.map(|scope| found_by::pair("team", endpoint, event, scope));
                let declares = |object: &WebhookSubscription| {
                    let (events, scopes) = named(object);
                    here(object) && events.contains(event) && scopes.contains(practice)
                };
                prop_assert_eq!(names(cache.find_any(&keys)), those(&declares));
            }
        }
        for object in model.values() {
            let (events, scopes) = named(object);
            let found = names(cache.find_any(&found_by::shared_with(object, endpoint)));
            let shares = |other: &WebhookSubscription| {
                let (others, there) = named(other);
                here(other) && !events.is_disjoint(&others) && !scopes.is_disjoint(&there)
            };
            prop_assert!(found.is_superset(&those(&shares)), "{found:?} lacks some of {:?}", those(&shares));
            let overlaps = |other: &WebhookSubscription| here(other) && pairs::overlap(object, other);
            let practices = |other: &WebhookSubscription| {
                overlaps(other) && (object.spec.account_wide.is_none() && other.spec.account_wide.is_none())
            };
            prop_assert!(found.is_superset(&those(&practices)));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_indices_answer_as_a_look_at_every_object_would(steps in proptest::collection::vec(step(), 0..40)) {
        let cache = Cache::<WebhookSubscription>::new(1);
        let mut model = Model::new();
        let (mut clock, mut list) = (1_u64, 0_u64);
        for step in steps {
            clock += 1;
            match step {
                Step::See { name, life, version } => {
                    let object = build(name, &format!("life {life}"), clock, &version);
                    let before = model.insert(object.name_any(), object.clone());
                    let Put::News { replaced, .. } = cache.see(object.clone(), list) else {
                        return Err(TestCaseError::fail("a new version is news"));
                    };
                    let other = before.filter(|before| before.metadata.uid != object.metadata.uid);
                    prop_assert_eq!(replaced.map(|object| (*object).clone()), other);
                }
                Step::Write { name, version } => {
                    let known = model.get_mut(&format!("s{name}"));
                    let life = known.as_ref().map_or("nobody".to_owned(), |known| known.uid().unwrap());
                    let object = build(name, &life, clock, &version);
                    let news = matches!(cache.wrote(object.clone()), Put::News { .. });
                    prop_assert_eq!(news, known.is_some(), "what no watch has shown is not kept");
                    if let Some(known) = known {
                        *known = object;
                    }
                }
                Step::Echo { name } => {
                    if let Some(known) = model.get(&format!("s{name}")) {
                        let mut older = known.clone();
                        older.spec.endpoint_ref.name = "elsewhere".to_owned();
                        older.metadata.resource_version = Some("1".to_owned());
                        let (echo, older) = (cache.see(known.clone(), list), cache.see(older, list));
                        prop_assert!(matches!((echo, older), (Put::Known(_), Put::Known(_))));
                    }
                }
                Step::Delete { name } => {
                    if let Some(gone) = model.remove(&format!("s{name}")) {
                        let mut other = gone.clone();
                        other.metadata.uid = Some("another life".to_owned());
                        prop_assert!(cache.take(&other).is_none());
                        prop_assert!(cache.take(&gone).is_some());
                    }
                }
                Step::List { keep } => {
                    list += 1;
                    let kept = |object: &WebhookSubscription| keep.iter().any(|name| object.name_any() == format!("s{name}"));
                    model.values().filter(|object| kept(object)).for_each(|object| _ = cache.see(object.clone(), list));
                    prop_assert!(cache.take_unlisted(Some("elsewhere"), list).is_empty());
                    let gone = names(cache.take_unlisted(Some("team"), list));
                    let expected = model.values().filter(|object| !kept(object)).map(|object| object.name_any());
                    prop_assert_eq!(gone, expected.collect::<BTreeSet<_>>());
                    model.retain(|_, object| kept(object));
                }
            }
            check(&cache, &model)?;
        }
    }
}
