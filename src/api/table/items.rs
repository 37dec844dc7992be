//! Reasons of `status.failures`: one item of a subscription that failed.

use crate::api::condition::ItemReason;

/// One reason of an item.
#[derive(Clone, Copy, Debug)]
pub struct ItemRow {
    /// The reason.
    pub reason: ItemReason,
    /// What it means.
    pub means: &'static str,
    /// What to do.
    pub act: &'static str,
}

const fn item(reason: ItemReason, means: &'static str, act: &'static str) -> ItemRow {
    ItemRow { reason, means, act }
}

/// Every reason of an item.
pub const ITEMS: &[ItemRow] = &[
    item(
        ItemReason::PracticeNotFound,
        "the key does not reach a practice of this name",
        "correct the name, or have the key given access; it is picked up by itself",
    ),
    item(
        ItemReason::PracticeUnreachable,
        "the key reached the practice before; what is subscribed there stays. Under `allPractices` it is taken back after a day, and `Ready` stays True",
        "have the key given access again, or remove the practice",
    ),
    item(
        ItemReason::NeedsAccountWide,
        "the event belongs to the account, not to a practice",
        "declare it in an object with `accountWide: {}`",
    ),
    item(
        ItemReason::NeedsPractice,
        "the event belongs to a practice",
        "declare it in an object with `practices` or `allPractices`",
    ),
    item(ItemReason::ResourceTypeMissing, "the catalogue does not know the event", "correct it, or set `resourceType`"),
    item(
        ItemReason::Rejected,
        "the provider said no",
        "by the message. Believed for six hours, or until the spec or the account changes",
    ),
    item(
        ItemReason::RemoteExists,
        "somebody else's webhook delivers the event to the same URL",
        "delete it at the provider, or give `spec.targetUrl` of the endpoint another path or query",
    ),
    item(
        ItemReason::SwitchedOffRemotely,
        "it is switched off at the provider",
        "mend the receiver; see the endpoint's `Active`",
    ),
    item(ItemReason::DeclaredElsewhere, "another object declares it active", "let `spec.active` agree"),
    item(
        ItemReason::Contended,
        "somebody outside the cluster changes it back again and again",
        "find the other writer; any change of the spec tries again",
    ),
];
