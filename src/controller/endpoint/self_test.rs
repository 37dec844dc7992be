//! The self-test, the effects: a test runs beside the passes, because a receiver that hangs must not hold up what has to
//! be done at the provider. When it has ended the object is woken, and `plan::verification` judges what was found.

use jiff::Timestamp;
use kube::ResourceExt;

use super::{EndpointMind, Pass};
use crate::api::WebhookEndpoint;
use crate::controller::context::{Context, LastRead};
use crate::controller::wakes;
use crate::plan::verification::{TestOrder, Tested};
use crate::provider::model::probe::{Probed, Reply};
use crate::provider::probe::Test;
use crate::provider::realm::Realm;
use crate::runtime::metrics::SelfTestFacts;
use crate::signing::{SecretText, new_key};

impl Pass<'_> {
    /// Starts a test, unless one of this object is still under way.
    pub(super) fn start_test(&self, order: &TestOrder, realm: &Realm) {
        let Some(key) = self.current_key().filter(|key| key.fingerprint() == order.fingerprint) else { return };
        {
            let mut mind = self.memory.plan();
            if mind.testing {
                return;
            }
            mind.testing = true;
            mind.plan.test_asked = false;
        }
        let (context, memory) = (self.context.clone(), self.memory.clone());
        let (object, order, recipe) = (self.object.clone(), order.clone(), realm.provider().recipe());
        self.context.spawn(async move {
            let wrong_key = new_key(rand::random());
            let now = Timestamp::now();
            let test = Test { target_url: &order.target_url, recipe, key: &key, wrong_key: &wrong_key, now };
            let probed = tokio::select! {
                // Nobody waits for the answer any more.
                () = context.shutdown.cancelled() => return,
                probed = context.prober.probe(test) => probed,
            };
            let mut mind = memory.plan();
            mind.testing = false;
            if let Some(probed) = probed {
                mind.plan.tested = Some(Tested { order, at: Timestamp::now(), probed });
            }
            drop(mind);
            wakes::wake(&context, &*object);
        });
    }

    fn current_key(&self) -> Option<SecretText> {
        match &self.memory.plan().secret {
            LastRead::Known(Some(secret)) => secret.values.get("current").cloned(),
            LastRead::Known(None) | LastRead::Unknown => None,
        }
    }
}

/// What the metrics are told of an endpoint's last test; `None` where it wants none, or this process has made none.
pub fn self_test_facts(context: &Context, object: &WebhookEndpoint) -> Option<SelfTestFacts> {
    object.spec.verification.as_ref()?;
    let memory = context.endpoint_memory.get(&object.uid()?)?;
    facts(&memory.plan())
}

fn facts(mind: &EndpointMind) -> Option<SelfTestFacts> {
    let Probed { genuine, forged, certificate_expiry } = mind.plan.tested.as_ref()?.probed;
    let class = |reply: Reply| reply.status().map_or("none", class);
    Some(SelfTestFacts { genuine: class(genuine), forged: forged.map(class), certificate_expiry })
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
