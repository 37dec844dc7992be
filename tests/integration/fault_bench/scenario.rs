//! What users do in a plan: the state before, the act during which things go wrong, and what must be so afterwards.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testbed::nexhealth::{
    ApiKey, DeleteWithRows, Duplicates, EnvelopeStyle, ExpClaim, IgnoredNote, Mode, SecretOnList, SimConfig, Switches,
};

use crate::rotation::rotating;
use crate::support::{LAKESIDE, SUNSHINE, World, all_practices, endpoint, events, pairs, secret, subscription};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// An operator starts, and everything is new.
    Create,
    /// Events and practices of a subscription come and go.
    Scale,
    /// Another target URL, and a subscription switched off.
    Edit,
    /// A GitOps rename of a subscription: the new object is applied, then the old one is pruned.
    Rename,
    /// An endpoint that a person made, with rows, is taken over.
    Adopt,
    /// Everything but the account is deleted.
    Delete,
    /// The namespace is deleted.
    NamespaceDelete,
    /// The Secret gets another key of the same organisation, with an edit in the same moment.
    KeyChange,
    /// A second operator takes over in the middle of a change.
    LeaderChange,
    /// The key is replaced on request; the former one stays for its overlap.
    Rotate,
    /// The key is replaced because it leaked: nothing of it stays.
    Leak,
    /// The key is in no list, the Secret that held it is deleted, and another process starts.
    LostKey,
}

/// Kind and name of an object.
type Name = (&'static str, &'static str);

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Scale,
        Self::Edit,
        Self::Rename,
        Self::Adopt,
        Self::Delete,
        Self::NamespaceDelete,
        Self::KeyChange,
        Self::LeaderChange,
        Self::Rotate,
        Self::Leak,
        Self::LostKey,
    ];

    /// Its name in a plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Scale => "scale",
            Self::Edit => "edit",
            Self::Rename => "rename",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
            Self::NamespaceDelete => "namespace-delete",
            Self::KeyChange => "key-change",
            Self::LeaderChange => "leader-change",
            Self::Rotate => "rotate",
            Self::Leak => "leak",
            Self::LostKey => "lost-key",
        }
    }

    /// Whether the key is replaced, once.
    pub fn rotates(self) -> bool {
        matches!(self, Self::Rotate | Self::Leak | Self::LostKey)
    }

    /// The pairs that are declared before the act, in it and after it.
    pub fn lasting(self) -> Vec<(&'static str, &'static str)> {
        pairs(&[SUNSHINE], &events(3)[1..])
    }

    /// The endpoint, with durations of a rotation where there is one. Whole seconds, as in the API.
    fn intake(self, request: &str) -> Value {
        match self {
            Self::Rotate | Self::LostKey => rotating("intake", "1s", "1s", request),
            Self::Leak => rotating("intake", "1s", "0s", request),
            _ => endpoint("intake"),
        }
    }

    /// Whether the operator runs, and has done its work, before the act.
    pub fn begins_at_rest(self) -> bool {
        self != Self::Create
    }

    /// What is there before the act.
    pub fn before(self, world: &World, seed: u64) -> Vec<Value> {
        let mut objects = vec![world.secret(), world.account("default")];
        if matches!(self, Self::Create | Self::Adopt) {
            return objects;
        }
        objects.extend([self.intake(""), subscription("one", "intake", &[SUNSHINE], &events(3))]);
        if seed.is_multiple_of(2) {
            objects.push(subscription("two", "intake", &[LAKESIDE], &events(1)));
        }
        objects
    }

    /// What users do.
    pub async fn act(self, world: &World, seed: u64) {
        let all = events(5);
        match self {
            Self::Create => {
                let mut objects = self.before(world, seed);
                objects.extend([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &all[..3])]);
                match seed % 3 {
                    1 => {}
                    2 => objects.extend([endpoint("second"), subscription("two", "second", &[LAKESIDE], &all[..2])]),
                    _ => objects.push(all_practices("two", "intake", &[SUNSHINE], &all[3..4])),
                }
                world.apply(objects).await;
            }
            Self::Scale | Self::LeaderChange => {
                world.apply([subscription("one", "intake", &[SUNSHINE, LAKESIDE], &all[1..4])]).await;
            }
            Self::Edit => {
                let mut edited = endpoint("intake");
                edited["spec"]["targetUrl"] = json!("https://elsewhere.example.com/hooks");
                let mut off = subscription("two", "intake", &[LAKESIDE], &all[..1]);
                off["spec"]["active"] = json!(false);
                world.apply([edited, off]).await;
            }
            Self::Rename => {
                world.apply([subscription("renamed", "intake", &[SUNSHINE], &all[..3])]).await;
                world.delete("WebhookSubscription", "one").await;
            }
            Self::Adopt => {
                let portal = world.provider.edit();
                let made = portal.create_endpoint(SimConfig::ORGANISATION, "https://hooks.example.com/intake");
                // One of the declared pairs is there already.
                portal.create_row(made.id, SUNSHINE, all[0].resource_type, all[0].event);
                let mut adopting = endpoint("intake");
                adopting["spec"]["adoption"] = json!("IfUnclaimed");
                world.apply([adopting, subscription("one", "intake", &[SUNSHINE], &all[..3])]).await;
            }
            Self::Delete => {
                for (kind, name) in self.deleted(seed) {
                    world.delete(kind, name).await;
                }
            }
            Self::NamespaceDelete => world.namespace.delete().await.unwrap(),
            Self::KeyChange => {
                let other = format!("another-{}", world.api_key());
                world.provider.add_key(SimConfig::ORGANISATION, ApiKey::new("other", &other, Mode::Production));
                world.apply([secret("nexhealth", &other)]).await;
                world.apply([subscription("one", "intake", &[SUNSHINE], &all[1..4])]).await;
            }
            Self::Rotate | Self::Leak => {
                world.apply([self.intake("now")]).await;
                if seed.is_multiple_of(3) {
                    world.apply([subscription("one", "intake", &[SUNSHINE], &all[1..4])]).await;
                }
            }
            // The Secret is deleted while no operator runs, that may still know the key.
            Self::LostKey => {}
        }
    }

    /// What users delete one by one.
    fn deleted(self, seed: u64) -> Vec<Name> {
        match self {
            // The order is the user's; neither may leak or hang.
            Self::Delete if seed.is_multiple_of(2) => {
                vec![("WebhookEndpoint", "intake"), ("WebhookSubscription", "one"), ("WebhookSubscription", "two")]
            }
            Self::Delete => vec![("WebhookSubscription", "one"), ("WebhookEndpoint", "intake")],
            Self::Rename => vec![("WebhookSubscription", "one")],
            _ => Vec::new(),
        }
    }

    /// Whether this object must be gone in the end.
    pub fn removes(self, kind: &str, name: &str, seed: u64) -> bool {
        self == Self::NamespaceDelete || self.deleted(seed).contains(&(kind, name))
    }
}

/// The character of the provider: the points that its documents leave open.
pub fn character(scenario: Scenario, switches: &mut Switches, seed: u64) {
    if scenario == Scenario::LostKey {
        switches.secret_on_list = if seed.is_multiple_of(2) { SecretOnList::Absent } else { SecretOnList::Masked };
    }
    match seed % 3 {
        1 => {}
        2 => {
            switches.delete_with_rows = DeleteWithRows::Refuse;
            switches.envelope = EnvelopeStyle::Rotate;
            switches.token_exp = ExpClaim::Missing;
        }
        _ => {
            switches.duplicate_subscription = Duplicates::Refuse;
            switches.ignored_note = IgnoredNote::InError;
            switches.new_token_ends_older = true;
        }
    }
}

/// One endpoint as it must be: target URL, active.
pub type WantedEndpoint = (String, bool);
/// One row as it must be: URL of its endpoint, practice, event, active.
pub type WantedRow = (String, String, String, bool);

/// What the provider must have of ours when all is done, computed from what users wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Endpoints.
    pub endpoints: BTreeSet<WantedEndpoint>,
    /// Rows.
    pub rows: BTreeSet<WantedRow>,
}

impl Wanted {
    /// By these specs, by kind; deleted objects are left out by the caller.
    pub fn by(specs: &[(&str, &str, &Value)]) -> Self {
        let mut wanted = Self::default();
        let flag = |spec: &Value| spec["active"].as_bool().unwrap_or(true);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for (_, _, spec) in specs.iter().filter(|(kind, ..)| *kind == "WebhookEndpoint") {
            wanted.endpoints.insert((text(&spec["targetUrl"]), flag(spec)));
        }
        for (_, _, spec) in specs.iter().filter(|(kind, ..)| *kind == "WebhookSubscription") {
            let of = |(kind, name, _): &&(&str, &str, &Value)| {
                *kind == "WebhookEndpoint" && spec["endpointRef"]["name"] == **name
            };
            let Some((_, _, endpoint)) = specs.iter().find(of) else { continue };
            for practice in practices(spec) {
                for event in spec["events"].as_array().into_iter().flatten() {
                    let url = text(&endpoint["targetUrl"]);
                    wanted.rows.insert((url, practice.clone(), text(&event["event"]), flag(spec)));
                }
            }
        }
        wanted
    }
}

fn practices(spec: &Value) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    if spec["allPractices"].is_object() {
        let except = texts(&spec["allPractices"]["except"]);
        let all = SimConfig::SUBDOMAINS.into_iter().map(str::to_owned);
        return all.filter(|name| !except.contains(name)).collect();
    }
    texts(&spec["practices"])
}
