//! Monitors: what is refused, what is accepted, what cannot be edited.

use serde_json::{Value, json};

use super::{Court, MONITOR, lacking, with};

fn monitor() -> Value {
    json!({"practice": "sunshine-dental", "read": {"staleAfter": "60m"}})
}

fn hours(change: Value) -> Value {
    let week = json!({"weekly": [{"days": ["Mon", "Tue"], "open": "08:00", "close": "17:00"}]});
    with(monitor(), json!({"officeHours": with(week, change)}))
}

fn window(open: &str, close: &str) -> Value {
    hours(json!({"weekly": [{"days": ["Mon"], "open": open, "close": close}]}))
}

#[tokio::test]
async fn refused() {
    let court = Court::new().await;
    let change = |change: Value| with(monitor(), change);
    let names = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>();
    let subject: &[&str] = &["exactly one of spec.practice and spec.allPractices"];
    let judged: &[&str] = &["set spec.read, spec.write or both"];
    let open: &[&str] = &["officeHours.weekly", "open must be a time of day", "in quotes"];
    let close: &[&str] = &["officeHours.weekly", "close must be a time of day", "in quotes"];
    let zero: &[&str] = &["close must differ from open", "next day", "24:00"];
    let cases: &[(&str, Value, &[&str])] = &[
        ("no practice", change(json!({"practice": null})), subject),
        ("two subjects", change(json!({"allPractices": {}})), subject),
        ("an empty practice", change(json!({"practice": ""})), &["spec.practice"]),
        ("nothing to judge", change(json!({"read": null})), judged),
        ("no limit", change(json!({"read": {"staleAfter": null}})), &["spec.read.staleAfter", "Required"]),
        ("a limit in days", change(json!({"read": {"staleAfter": "1d"}})), &["staleAfter", "such as 60m"]),
        ("a limit beyond a year", change(json!({"read": {"staleAfter": "8761h"}})), &["staleAfter", "8760h"]),
        ("no confirmation", change(json!({"confirm": "soon"})), &["spec.confirm", "such as 10m"]),
        ("no recovery", change(json!({"recover": "5"})), &["spec.recover", "such as 5m"]),
        ("a number for a location", change(json!({"locationIds": [7]})), &["spec.locationIds", "string"]),
        ("a location twice", change(json!({"locationIds": ["7", "7"]})), &["spec.locationIds[1]", "Duplicate"]),
        (
            "locations of every practice",
            change(json!({"practice": null, "allPractices": {}, "locationIds": ["7"]})),
            &["spec.locationIds", "spec.practice instead of spec.allPractices"],
        ),
        (
            "too many exceptions",
            change(json!({"practice": null, "allPractices": {"except": names(501)}})),
            &["spec.allPractices.except", "500"],
        ),
        (
            "hours twice",
            with(hours(json!({})), json!({"officeHoursFrom": {"configMapRef": {"name": "a", "key": "b"}}})),
            &["at most one of spec.officeHours and spec.officeHoursFrom"],
        ),
        (
            "a ConfigMap without a key",
            change(json!({"officeHoursFrom": {"configMapRef": {"name": "a"}}})),
            &["spec.officeHoursFrom.configMapRef.key", "Required"],
        ),
        ("an empty week", hours(json!({"weekly": []})), &["officeHours.weekly is empty", "leave officeHours out"]),
        ("no week", hours(json!({"weekly": null})), &["spec.officeHours.weekly", "Required"]),
        ("no days", hours(json!({"weekly": [{"days": [], "open": "08:00", "close": "17:00"}]})), &["days"]),
        (
            "an unknown day",
            hours(json!({"weekly": [{"days": ["Monday"], "open": "08:00", "close": "17:00"}]})),
            &["days", "Mon", "Sun"],
        ),
        ("close equal to open", window("08:00", "08:00"), zero),
        ("open at 8", window("08", "17:00"), &["open"]),
        ("open at 8:00", window("8:00", "17:00"), &["open"]),
        ("open at 24:00", window("24:00", "17:00"), open),
        ("open at 08:60", window("08:60", "17:00"), open),
        ("close at 24:01", window("08:00", "24:01"), close),
        ("a holiday of another calendar", hours(json!({"closedDates": ["25.12.2026"]})), &["closedDates"]),
        ("a grace without end", hours(json!({"openingGrace": "9000h"})), &["officeHours.openingGrace", "8760h"]),
    ];
    let mut complaints = Vec::new();
    for (case, spec, words) in cases {
        complaints.extend(lacking(case, court.create(MONITOR, "x", spec, false).await, words));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn accepted() {
    let court = Court::new().await;
    let made = court.create(MONITOR, "m", &monitor(), false).await.unwrap();
    assert_eq!(
        made["spec"],
        json!({
            "accountRef": {"kind": "ProviderAccount", "name": "default"}, "practice": "sunshine-dental",
            "read": {"staleAfter": "60m"}, "confirm": "10m", "recover": "5m", "suspend": false
        })
    );
    assert_eq!(made["status"]["observedGeneration"], -1, "a fresh object is not ready");
    for (case, spec) in [
        ("over midnight", window("22:00", "06:00")),
        ("a whole day", window("00:00", "24:00")),
        ("what only the operator can judge", hours(json!({"timeZone": "Mars/Olympus", "closedDates": ["2026-02-30"]}))),
        ("no grace", hours(json!({"openingGrace": "0s", "timeZone": "America/Phoenix"}))),
        ("the fleet", json!({"allPractices": {"except": ["demo"]}, "write": {"staleAfter": "30m"}})),
        ("explicit nulls", with(monitor(), json!({}))),
    ] {
        let answer = court.create(MONITOR, "x", &spec, false).await;
        assert!(answer.is_ok(), "{case}: {answer:?}");
    }
}

#[tokio::test]
async fn edits() {
    let court = Court::new().await;
    court.create(MONITOR, "one", &hours(json!({})), true).await.unwrap();
    let immutable: &[&str] = &["spec.practice is immutable", "create another PracticeSyncMonitor"];
    for (case, spec, words) in [
        ("another practice", json!({"practice": "other"}), immutable),
        ("every practice", json!({"practice": null, "allPractices": {}}), immutable),
        (
            "another account",
            json!({"accountRef": {"name": "other"}}),
            &["spec.accountRef is immutable", "create another"][..],
        ),
    ] {
        assert_eq!(lacking(case, court.edit(MONITOR, "one", spec).await, words), None);
    }
    for spec in [
        json!({"read": {"staleAfter": "90m"}, "write": {"staleAfter": "30m"}, "confirm": "0s"}),
        json!({"officeHours": null, "officeHoursFrom": {"configMapRef": {"name": "office", "key": "hours"}}}),
        json!({"locationIds": ["7"], "suspend": true}),
    ] {
        let answer = court.edit(MONITOR, "one", spec.clone()).await;
        assert!(answer.is_ok(), "{spec}: {answer:?}");
    }
}
