//! What a table of tests needs of any provider: objects for it, and what it delivers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use testbed::{herohealth, insighthealth, nexhealth};

use super::{endpoint_at, events_at, hero_account, hero_secret, insight_account, insight_secret};
use crate::support::{SUNSHINE, World};

/// What happens to one changing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Not carried out, no answer.
    Lost,
    /// Carried out, no answer.
    AnswerLost,
    /// Carried out; the answer is cut.
    Cut,
    /// 503, not carried out.
    Down,
    /// 503, carried out all the same.
    DownLate,
    /// Carried out, and the process dies before the answer.
    Killed,
    /// The process dies, and nothing was carried out.
    KilledBefore,
}

impl Strike {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Lost, Self::AnswerLost, Self::Cut, Self::Down, Self::DownLate, Self::Killed, Self::KilledBefore];

    /// Whether the process is to be killed.
    pub fn kills(self) -> bool {
        matches!(self, Self::Killed | Self::KilledBefore)
    }

    fn fault(self) -> nexhealth::Fault {
        use nexhealth::{Fault, MadeUp, When};
        match self {
            Self::Lost => Fault::Reset(When::Before),
            Self::AnswerLost => Fault::Reset(When::After),
            Self::Cut => Fault::TruncatedBody(9),
            Self::Down => Fault::Status(When::Before, MadeUp::status(503)),
            Self::DownLate => Fault::Status(When::After, MadeUp::status(503)),
            Self::Killed => Fault::Hang(When::After),
            Self::KilledBefore => Fault::Hang(When::Before),
        }
    }
}

/// One line of the table.
#[derive(Clone)]
pub enum Remote {
    /// Endpoints and subscriptions.
    Split(Arc<nexhealth::Simulator>),
    /// One webhook per event.
    Fused(Arc<herohealth::Simulator>),
    /// Nothing is registered.
    Static(Arc<insighthealth::Simulator>),
}

/// Calls something on whichever simulator it is: all have the same stand.
macro_rules! stand {
    ($remote:expr, $stand:ident => $body:expr) => {
        match $remote {
            Remote::Split($stand) => $body,
            Remote::Fused($stand) => $body,
            Remote::Static($stand) => $body,
        }
    };
}

impl Remote {
    /// Every provider, and its name in a plan.
    pub const NAMES: [&str; 3] = ["nexhealth", "herohealth", "insighthealth"];

    /// The world's own, or another one that its operator may call.
    pub async fn of(name: &str, world: &mut World) -> Self {
        let remote = match name {
            "nexhealth" => Self::Split(world.provider.clone()),
            "herohealth" => {
                let hero = herohealth::Simulator::start(herohealth::SimConfig::default()).await.unwrap();
                Self::Fused(Arc::new(hero))
            }
            _ => {
                let insight = insighthealth::Simulator::start(insighthealth::SimConfig::default()).await.unwrap();
                Self::Static(Arc::new(insight))
            }
        };
        let (base_url, secrets) = (stand!(&remote, stand => stand.base_url()), remote.clone());
        world.settings.allowed_base_urls.push(base_url);
        world.secrets_elsewhere.push(Box::new(move || secrets.secrets()));
        remote
    }

    fn secrets(&self) -> Vec<String> {
        match self {
            Self::Split(_) => Vec::new(),
            Self::Fused(hero) => hero.secrets(),
            Self::Static(insight) => insight.secrets(),
        }
    }

    /// The account `remote` and its Secret.
    pub fn account(&self, world: &World) -> Vec<Value> {
        let (secret, mut account) = match self {
            Self::Split(_) => (world.secret(), world.account("remote")),
            Self::Fused(hero) => (hero_secret(), hero_account(&hero.base_url())),
            Self::Static(insight) => (insight_secret(), insight_account(&insight.base_url())),
        };
        account["metadata"]["name"] = json!("remote");
        vec![secret, account]
    }

    /// Events that the objects of a test declare.
    pub fn events(&self) -> Vec<&'static str> {
        match self {
            Self::Split(_) => crate::support::events(3).into_iter().map(|pair| pair.event).collect(),
            Self::Fused(_) => vec!["appointment.confirmed", "prescription.issued", "patient.added-to-sequence"],
            Self::Static(_) => Vec::new(),
        }
    }

    /// The endpoint `intake`.
    pub fn endpoint(&self, request: &str) -> Value {
        let mut object = endpoint_at("remote", "intake");
        object["spec"]["signingSecret"] =
            json!({"rotation": {"publishDelay": "0s", "overlap": "0s", "requestId": request}});
        object
    }

    /// The subscription `some`, where there can be one.
    pub fn subscription(&self, events: &[&str]) -> Option<Value> {
        match self {
            Self::Split(_) => {
                let mut object = events_at("some", "intake", events);
                object["spec"].as_object_mut().unwrap().remove("accountWide");
                object["spec"]["practices"] = json!([SUNSHINE]);
                Some(object)
            }
            Self::Fused(_) => Some(events_at("some", "intake", events)),
            Self::Static(_) => None,
        }
    }

    /// What is delivered: the keys that sign each event, and where it goes.
    pub fn live(&self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut live: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        match self {
            Self::Split(simulator) => {
                let endpoints = simulator.endpoints();
                for row in simulator.rows().into_iter().filter(|row| row.active) {
                    let endpoint = endpoints.iter().find(|endpoint| endpoint.id == row.endpoint_id).unwrap();
                    let signed = (endpoint.secret_key.clone(), endpoint.target_url.clone());
                    live.entry(row.event).or_default().push(signed);
                }
            }
            Self::Fused(hero) => {
                for webhook in hero.webhooks() {
                    let signed = (webhook.signing_key.unwrap_or_default(), webhook.url);
                    live.entry(webhook.event_type).or_default().push(signed);
                }
            }
            Self::Static(_) => {}
        }
        live
    }

    /// Things of the provider's own that an object may leave behind, besides what is delivered.
    pub fn endpoints(&self) -> usize {
        match self {
            Self::Split(simulator) => simulator.endpoints().len(),
            _ => 0,
        }
    }

    /// How many live registrations an event had since a moment: the fewest, and the most.
    pub fn extent(&self, event: &str, since: nexhealth::Mark) -> (usize, usize) {
        let live: Vec<usize> = match self {
            Self::Split(simulator) => {
                let query = nexhealth::LiveQuery::new(SUNSHINE, event);
                simulator.timeline(&query, since).iter().map(|stretch| stretch.live).collect()
            }
            Self::Fused(hero) => {
                let query = herohealth::LiveQuery::new(herohealth::SimConfig::GROUP, event);
                hero.timeline(&query, since).iter().map(|stretch| stretch.live).collect()
            }
            Self::Static(_) => vec![1],
        };
        (live.iter().copied().min().unwrap_or(0), live.iter().copied().max().unwrap_or(0))
    }

    /// Now.
    pub fn mark(&self) -> nexhealth::Mark {
        stand!(self, stand => stand.mark())
    }

    /// Calls since a moment that could change something, as far as that is known; a proof changes nothing.
    pub fn writes(&self, since: nexhealth::Mark) -> usize {
        if matches!(self, Self::Static(_)) {
            return 0;
        }
        stand!(self, stand => stand.calls_since(since).iter().filter(|call| call.is_write()).count())
    }

    /// From now on: this happens to the nth changing call, once.
    pub fn strike(&self, nth: u64, strike: Strike) {
        let matcher = nexhealth::Matcher::any().filter(nexhealth::Call::is_write).nth(nth).times(1);
        stand!(self, stand => _ = stand.faults().on(matcher, strike.fault()));
    }
}
