//! Every point that the documentation leaves open or contradicts, as a switch.
//!
//! The default is what observation or the better of two documents suggests; the other values are what an
//! operator must survive as well. All can be changed while the simulator runs.

use super::{RateLimit, envelope::EnvelopeStyle};
use jiff::SignedDuration;
use std::{collections::BTreeSet, time::Duration};

/// What happens to a second object equal to a live one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Accepted; the second gets its own id (and key). No document lists a 409 or 422.
    #[default]
    Allow,
    /// 400 `... has already been taken`.
    Refuse,
}

/// Whether answers other than the create show `secret_key`. OpenAPI says yes, a third party says no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretOnList {
    /// The key itself.
    #[default]
    Returned,
    /// Asterisks.
    Masked,
    /// No such field.
    Absent,
}

/// What `DELETE` of an endpoint does while it still has subscriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteWithRows {
    /// 204 and the subscriptions go too; a published run deleted only the endpoint and got 204.
    #[default]
    Cascade,
    /// 400, nothing changes.
    Refuse,
}

/// How strictly `resource_type` and `event` are checked on create.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PairCheck {
    /// 400 unless the pair is in the catalogue, letter for letter.
    #[default]
    Strict,
    /// Anything is stored as sent; an older guide sends lower-case names.
    AcceptAny,
}

/// What the failing period switches off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deactivation {
    /// The endpoint only.
    #[default]
    EndpointOnly,
    /// The endpoint and every subscription on it; the documented remedy names both.
    WithSubscriptions,
}

/// Whether this account may still use v2. New accounts are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum V2 {
    /// 403 with the documented text.
    #[default]
    Refuse,
    /// Served, with the v2 rules (no `subdomain` on a subscription's PATCH).
    Accept,
}

/// Where the note about ignored query parameters stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IgnoredNote {
    /// In `description`, as the newer pages say.
    #[default]
    InDescription,
    /// In `error`, beside `code: true`, as the older pages say.
    InError,
}

/// The `exp` claim of new tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpClaim {
    /// When the token really ends.
    #[default]
    Honest,
    /// No such claim; the token still ends.
    Missing,
    /// An hour ago; the token is refused from the start.
    Past,
}

/// What a list shows of an institution the key no longer reaches. Not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostInstitution {
    /// Its subscriptions stay in the list.
    #[default]
    Listed,
    /// They are hidden.
    Hidden,
}

/// When a delivery carries `delivery_errors`. The older guide shows the field, the newer samples do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryErrors {
    /// On retries only.
    #[default]
    OnRetry,
    /// Always, empty on the first attempt.
    Always,
}

/// How `event_time` is written. Both forms are in the documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventTime {
    /// `...Z`
    #[default]
    Zulu,
    /// `...+00:00`
    Offset,
}

/// The open points. See each field for its meaning and default.
#[derive(Clone, Debug)]
pub struct Switches {
    /// Two endpoints with one `target_url`.
    pub duplicate_target_url: Duplicates,
    /// Two subscriptions equal in endpoint, institution, resource type and event.
    pub duplicate_subscription: Duplicates,
    /// Whether the key can be read after the create.
    pub secret_on_list: SecretOnList,
    /// Length of a new `secret_key`; the documented sample has 14 characters.
    pub secret_length: usize,
    /// Deleting an endpoint that has subscriptions.
    pub delete_with_rows: DeleteWithRows,
    /// Checking of resource type and event.
    pub pair_check: PairCheck,
    /// Events that this account may not use; a create answers 400.
    pub events_not_enabled: BTreeSet<String>,
    /// The limit per key; `None` switches it off. Default: 2,000 a minute with a burst of 100.
    pub rate_limit: Option<RateLimit>,
    /// `Retry-After` of a 429, verbatim; `None` sends none. Default: one second.
    pub retry_after: Option<String>,
    /// What the failing period switches off.
    pub deactivation: Deactivation,
    /// v2 or not.
    pub v2: V2,
    /// Whether the account is an approved partner for v3.1.0; otherwise 403.
    pub beta: bool,
    /// Status for a version nobody knows. Not documented; default 400.
    pub unknown_version_status: u16,
    /// Which of the documented envelope forms answers take.
    pub envelope: EnvelopeStyle,
    /// Where ignored parameters are named.
    pub ignored_note: IgnoredNote,
    /// Objects carry fields that no document names. Default true.
    pub extra_fields: bool,
    /// How long a token is accepted. Documents say 1 h or 24 h; default 1 h.
    pub token_lifetime: Duration,
    /// The `exp` claim.
    pub token_exp: ExpClaim,
    /// A new token ends the older ones of its key. Not documented; default false.
    pub new_token_ends_older: bool,
    /// Tokens outlive the revocation of their key. Not documented; default false.
    pub tokens_outlive_key: bool,
    /// Subscriptions of an institution out of reach.
    pub lost_institution: LostInstitution,
    /// A message that waits for its retry follows a subscription moved with `new_endpoint_id`.
    /// Not documented; default false: it stays with the endpoint it was queued for.
    pub waiting_messages_follow_move: bool,
    /// Waiting messages go on when an endpoint is switched on again. Not documented; default false: they are lost.
    pub reactivation_resumes_retries: bool,
    /// When `delivery_errors` is present.
    pub delivery_errors: DeliveryErrors,
    /// Form of `event_time`.
    pub event_time: EventTime,
    /// Header of the signature. The docs' name is the default; a verifier in the wild falls back to another.
    pub signature_header: String,
    /// How far the provider's clock is ahead of ours; negative: behind.
    pub clock_offset: SignedDuration,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            duplicate_target_url: Duplicates::default(),
            duplicate_subscription: Duplicates::default(),
            secret_on_list: SecretOnList::default(),
            secret_length: 14,
            delete_with_rows: DeleteWithRows::default(),
            pair_check: PairCheck::default(),
            events_not_enabled: BTreeSet::new(),
            rate_limit: Some(RateLimit { per_minute: 2_000, burst: 100 }),
            retry_after: Some("1".to_owned()),
            deactivation: Deactivation::default(),
            v2: V2::default(),
            beta: false,
            unknown_version_status: 400,
            envelope: EnvelopeStyle::default(),
            ignored_note: IgnoredNote::default(),
            extra_fields: true,
            token_lifetime: Duration::from_secs(3_600),
            token_exp: ExpClaim::default(),
            new_token_ends_older: false,
            tokens_outlive_key: false,
            lost_institution: LostInstitution::default(),
            waiting_messages_follow_move: false,
            reactivation_resumes_retries: false,
            delivery_errors: DeliveryErrors::default(),
            event_time: EventTime::default(),
            signature_header: "signature".to_owned(),
            clock_offset: SignedDuration::ZERO,
        }
    }
}
