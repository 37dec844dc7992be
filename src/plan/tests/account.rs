//! What is said of an account, and who may still use it.

use crate::api::{ConditionType, Reason};
use crate::plan::account::{AccountFinding, held_up};
use crate::plan::condition::{Is, Progress};

fn secret() -> String {
    "nexhealth".to_owned()
}

fn sent() -> String {
    "the API key in the Secret \"nexhealth\"".to_owned()
}

#[test]
fn each_finding_says_whether_dependants_may_use_the_account_and_whether_a_key_in_memory_still_may_delete() {
    use Progress::{AtRest, Reconciling, Stalled};
    let refused = AccountFinding::BadSpec(Reason::BaseUrlNotAllowed, "not allowed".to_owned());
    let unusable = AccountFinding::KeyUnusable("the key has a line break".to_owned());
    let suspect =
        |same_practices| AccountFinding::ScopeSuspect { fingerprint: Some("sha256:ab".to_owned()), same_practices };
    // Finding, reason, progress, whether dependants are held up with its words, whether the key in memory may delete.
    let table = [
        (refused, Reason::BaseUrlNotAllowed, Stalled, true, false),
        (
            AccountFinding::SecretMissing {
                secret: secret(),
                field: "spec.nexHealth.apiKeySecretRef",
                what: "API key",
            },
            Reason::SecretMissing,
            Reconciling,
            true,
            true,
        ),
        (
            AccountFinding::SecretForbidden { secret: secret(), field: "spec.nexHealth.apiKeySecretRef" },
            Reason::SecretMissing,
            Reconciling,
            true,
            true,
        ),
        (unusable, Reason::CredentialsRejected, Stalled, true, false),
        (AccountFinding::CredentialsRejected { sent: sent() }, Reason::CredentialsRejected, Stalled, true, false),
        (AccountFinding::Unavailable { cause: "503".into() }, Reason::ProviderUnavailable, Reconciling, false, false),
        (AccountFinding::Refused { status: 403, check: "what the key may do" }, Reason::Rejected, Stalled, true, false),
        (suspect(true), Reason::ScopeSuspect, Reconciling, true, false),
        (suspect(false), Reason::ScopeSuspect, Reconciling, true, false),
        (AccountFinding::Authenticated, Reason::Authenticated, AtRest, false, false),
    ];
    for (finding, reason, progress, blocks, deletes) in table {
        let report = finding.report();
        assert_eq!((report.reason, report.progress), (reason, progress), "{finding:?}");
        assert_eq!(report.ready == Is::True, finding == AccountFinding::Authenticated, "{finding:?}");
        assert_eq!(finding.blocks(), blocks.then_some(report.message), "{finding:?}");
        assert_eq!(finding.leaves_key_in_memory(), deletes, "{finding:?}");
    }
}

#[test]
fn a_suspect_world_names_the_way_out_only_where_there_is_one() {
    let message = |fingerprint: Option<&str>| {
        let fingerprint = fingerprint.map(str::to_owned);
        AccountFinding::ScopeSuspect { fingerprint, same_practices: false }.report().message
    };
    assert!(message(Some("sha256:ab")).contains("spec.acceptScope to status.scope.fingerprint (\"sha256:ab\")"));
    assert!(!message(None).contains("acceptScope"));
}

#[test]
fn an_account_that_is_going_names_up_to_five_endpoints_and_its_own_trouble() {
    let names = |count: usize| (0..count).map(|number| format!("e{number}")).collect::<Vec<_>>();
    let said = |finding: &AccountFinding, count| held_up(finding, &names(count)).message;
    assert!(said(&AccountFinding::Authenticated, 1).starts_with("WebhookEndpoints \"e0\" still need"));
    let five = said(&AccountFinding::Authenticated, 5);
    assert!(five.contains("\"e4\" still need"), "{five}");
    let six = said(&AccountFinding::Authenticated, 6);
    assert!(six.contains("\"e4\" and others still need") && !six.contains("e5"), "{six}");
    assert!(!six.contains("cannot be used"), "{six}");
    let rejected = AccountFinding::CredentialsRejected { sent: sent() };
    let broken = held_up(&rejected, &names(1));
    assert!(broken.message.ends_with(&rejected.report().message), "{}", broken.message);
    assert_eq!((broken.reason, broken.progress), (Reason::Deleting, Progress::Reconciling));
    let blocked = broken.others.iter().find(|other| other.kind == ConditionType::DeletionBlocked).unwrap();
    assert_eq!((blocked.is, blocked.reason, &blocked.message), (Is::True, Reason::InUse, &broken.message));
}
