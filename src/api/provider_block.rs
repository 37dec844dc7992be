//! Which provider an account is for, and which Secrets it names: asked in one way for all of them.

use super::account::{HeroHealthAccount, InsightHealthAccount, NexHealthAccount, ProviderAccountSpec, SecretKeyRef};

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
    /// Namespace of the Secret, where the account is one of the cluster.
    pub namespace: Option<&'a str>,
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
        match self.block() {
            None => Vec::new(),
            Some(ProviderBlock::NexHealth(block)) => {
                vec![CredentialRef::new("spec.nexHealth.apiKeySecretRef", "API key", &block.api_key_secret_ref)]
            }
            Some(ProviderBlock::HeroHealth(block)) => {
                vec![CredentialRef::new("spec.heroHealth.apiKeySecretRef", "API key", &block.api_key_secret_ref)]
            }
            Some(ProviderBlock::InsightHealth(block)) => {
                let (secret, signing) = (&block.api_key_secret_ref, &block.signing_key_secret_ref);
                vec![
                    CredentialRef::new("spec.insightHealth.apiKeySecretRef", "API key", secret),
                    CredentialRef {
                        field: "spec.insightHealth.signingKeySecretRef",
                        what: "signing key",
                        namespace: signing.namespace.as_deref(),
                        name: &signing.name,
                        key: &signing.key,
                    },
                ]
            }
        }
    }
}

impl<'a> CredentialRef<'a> {
    fn new(field: &'static str, what: &'static str, secret: &'a SecretKeyRef) -> Self {
        Self { field, what, namespace: secret.namespace.as_deref(), name: &secret.name, key: &secret.key }
    }
}
