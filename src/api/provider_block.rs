//! Which provider an account is for, and which Secrets it names: asked in one way for all of them.

use super::account::{HeroHealthAccount, InsightHealthAccount, NexHealthAccount, ProviderAccountSpec};

/// The provider block of an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProviderBlock<'a> {
    /// `spec.nexHealth`
    NexHealth(&'a NexHealthAccount),
    /// `spec.heroHealth`
    HeroHealth(&'a HeroHealthAccount),
    /// `spec.insightHealth`
    InsightHealth(&'a InsightHealthAccount),
}

/// One key that an account names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialRef<'a> {
    /// The field, such as `spec.nexHealth.apiKeySecretRef`.
    pub field: &'static str,
    /// What it is, such as `API key`.
    pub what: &'static str,
    /// Name of the Secret.
    pub name: &'a str,
    /// Key within it.
    pub key: &'a str,
}

impl ProviderBlock<'_> {
    /// What the provider calls itself.
    pub fn provider(&self) -> &'static str {
        match self {
            Self::NexHealth(_) => "NexHealth",
            Self::HeroHealth(_) => "Hero Health",
            Self::InsightHealth(_) => "Insight Health",
        }
    }

    /// Its field in the spec.
    pub fn field(&self) -> &'static str {
        match self {
            Self::NexHealth(_) => "spec.nexHealth",
            Self::HeroHealth(_) => "spec.heroHealth",
            Self::InsightHealth(_) => "spec.insightHealth",
        }
    }
}

impl ProviderAccountSpec {
    /// The provider block; `None` only where an older schema let through none.
    pub fn block(&self) -> Option<ProviderBlock<'_>> {
        let nex_health = self.nex_health.as_ref().map(ProviderBlock::NexHealth);
        let hero_health = self.hero_health.as_ref().map(ProviderBlock::HeroHealth);
        nex_health.or(hero_health).or(self.insight_health.as_ref().map(ProviderBlock::InsightHealth))
    }

    /// The keys that it names, the API key first.
    pub fn credential_refs(&self) -> Vec<CredentialRef<'_>> {
        let api_key = |field, name, key| CredentialRef { field, what: "API key", name, key };
        match self.block() {
            None => Vec::new(),
            Some(ProviderBlock::NexHealth(block)) => {
                let secret = &block.api_key_secret_ref;
                vec![api_key("spec.nexHealth.apiKeySecretRef", &secret.name, &secret.key)]
            }
            Some(ProviderBlock::HeroHealth(block)) => {
                let secret = &block.api_key_secret_ref;
                vec![api_key("spec.heroHealth.apiKeySecretRef", &secret.name, &secret.key)]
            }
            Some(ProviderBlock::InsightHealth(block)) => {
                let (secret, signing) = (&block.api_key_secret_ref, &block.signing_key_secret_ref);
                let field = "spec.insightHealth.signingKeySecretRef";
                let signing = CredentialRef { field, what: "signing key", name: &signing.name, key: &signing.key };
                vec![api_key("spec.insightHealth.apiKeySecretRef", &secret.name, &secret.key), signing]
            }
        }
    }

    /// Whether it names this Secret.
    pub fn uses_secret(&self, name: &str) -> bool {
        self.credential_refs().iter().any(|credential| credential.name == name)
    }
}
