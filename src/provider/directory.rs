//! What is known of every provider without calling it: one form for all, from which `docs/providers.md` is made.

use super::model::{Catalogue, KeyOrigin};
use super::{herohealth, insighthealth, nexhealth};
use crate::signing::{HERO_HEALTH, INSIGHT_HEALTH, NEXHEALTH, Recipe};

/// How a provider registers what is to be delivered (rules.md *Providers of another shape*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Endpoints, and subscriptions on them.
    Split,
    /// One webhook per event, each with URL and key.
    Fused,
    /// Nothing: people exchange URLs and keys.
    Static,
}

/// One provider. The texts are ends of table rows in `docs/providers.md`.
pub struct Profile {
    /// Short name for metrics and messages.
    pub id: &'static str,
    /// The provider block of an account.
    pub block: &'static str,
    /// Where its API is.
    pub base_url: &'static str,
    /// How it registers.
    pub shape: Shape,
    /// Who makes the signing key.
    pub key_origin: KeyOrigin,
    /// The known events.
    pub catalogue: &'static Catalogue,
    /// How it signs.
    pub recipe: Recipe,
    /// What objects create there.
    pub created: &'static str,
    /// How the signing key is replaced.
    pub rotates: &'static str,
    /// What is only reported, because nobody can do it for the user.
    pub reported: &'static str,
    /// What `active: false` does.
    pub off: &'static str,
    /// What proves that the account's keys are right.
    pub proof: &'static str,
}

/// Every provider that an account can be for.
pub fn all() -> [Profile; 3] {
    [
        Profile {
            id: "nexhealth",
            block: "nexHealth",
            base_url: nexhealth::DEFAULT_BASE_URL,
            shape: Shape::Split,
            key_origin: KeyOrigin::Provider,
            catalogue: nexhealth::catalogue(),
            recipe: NEXHEALTH,
            created: "one endpoint per `WebhookEndpoint`, one subscription per declared practice and event",
            rotates: "a second endpoint with a key of its own is made, both keys are published, every subscription is moved, the first endpoint is deleted after `overlap`; no event is lost, none delivered twice",
            reported: "endpoints that no object holds (`status.unclaimed`); how each practice is kept in step (`PracticeSyncMonitor`)",
            off: "the endpoint or subscription is switched off",
            proof: "every list",
        },
        Profile {
            id: "herohealth",
            block: "heroHealth",
            base_url: herohealth::DEFAULT_BASE_URL,
            shape: Shape::Fused,
            key_origin: KeyOrigin::Operator,
            catalogue: herohealth::catalogue(),
            recipe: HERO_HEALTH,
            created: "one webhook per declared event, with the `WebhookEndpoint`'s URL and the key of its Secret",
            rotates: "a new key is made and published beside the present one; after `publishDelay` each webhook is made anew with it and the former one deleted at once (its events arrive twice for the time between those two calls); the former key stays in the Secret for `overlap`",
            reported: "webhooks that no object holds; a webhook of somebody else's with the same URL and event (`RemoteExists`); where the provider hides keys, a webhook that a crash left unrecorded",
            off: "the webhooks are deleted, because nothing there can be switched",
            proof: "every list",
        },
        Profile {
            id: "insighthealth",
            block: "insightHealth",
            base_url: insighthealth::DEFAULT_BASE_URL,
            shape: Shape::Static,
            key_origin: KeyOrigin::Operator,
            catalogue: insighthealth::catalogue(),
            recipe: INSIGHT_HEALTH,
            created: "nothing; a `WebhookEndpoint` publishes a key for what is pushed and is `Unmanaged`",
            rotates: "on request only: the Secret holds the new key beside the present one for `overlap`, in which a person gives the new one to the provider; a due interval is reported (`RotationOverdue/ArrangedByPeople`)",
            reported: "what a person must arrange, in the message of `Ready`; a subscription or monitor is `Stalled/NotSupportedByProvider`",
            off: "nothing",
            proof: "a signed request with an empty batch, which cannot create data: once per start of the operator, after a change of key or spec, and once a day",
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_also_within_each_catalogue() {
        let ids: BTreeSet<_> = all().iter().map(|profile| profile.id).collect();
        assert_eq!(ids.len(), all().len());
        for profile in all() {
            let events = &profile.catalogue.events;
            let names: BTreeSet<_> = events.iter().map(|known| &known.event).collect();
            assert_eq!(names.len(), events.len(), "{}", profile.id);
            let untyped = events.iter().all(|known| known.resource_type.is_empty() && !known.practice_scoped);
            assert!(!profile.catalogue.name_alone || untyped, "{}", profile.id);
            assert_eq!(profile.shape == Shape::Static, events.is_empty(), "{}", profile.id);
        }
    }
}
