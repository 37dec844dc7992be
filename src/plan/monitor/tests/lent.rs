//! A monitor of an account that is lent: verdicts, counts and hints are of granted practices only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::desk::{Desk, fleet, single};
use crate::plan::grants::{Grants, Share};

fn share(practices: Value) -> Share {
    let grants = json!([{"namespaceSelector": {}, "practices": practices, "accountWide": {}, "targetHosts": []}]);
    Grants::new("shared", &serde_json::from_value::<Vec<_>>(grants).unwrap()).share(&BTreeMap::new())
}

#[test]
fn a_practice_that_is_not_lent_is_not_judged() {
    let mut desk = Desk::new(single());
    desk.share = share(json!(["birch"]));
    let plan = desk.pass();
    assert_eq!((desk.said("Ready").as_str(), desk.said("Stalled").as_str()), ("False/NotGranted", "True/NotGranted"));
    assert!(desk.message("Ready").contains("practice \"aspen\" of spec.practice"), "{}", desk.message("Ready"));
    assert_eq!((plan.members, plan.office_open), (Some(Vec::new()), None));
    let status = desk.object.status.clone().unwrap();
    assert!(status.institution_id.is_none() && status.syncs.is_empty());
    desk.share = share(json!(["aspen"]));
    desk.pass();
    assert_eq!((desk.said("Ready").as_str(), desk.said("ReadHealthy").as_str()), ("True/InSync", "True/Green"));
}

#[test]
fn a_fleet_is_what_is_lent() {
    let mut desk = Desk::new(fleet());
    desk.share = share(json!(["birch", "cedar", "not-reached"]));
    desk.pass();
    assert_eq!(desk.object.status.clone().unwrap().practices.unwrap().total, 1, "birch; cedar is excepted");
    desk.share = share(json!([]));
    desk.pass();
    assert_eq!(desk.said("Ready"), "False/NotGranted");
}

#[test]
fn a_hint_names_only_what_is_lent() {
    let mut spec = single();
    spec["practice"] = "asven".into();
    for (also, hint) in [("aspen", true), ("birch", false)] {
        let mut desk = Desk::new(spec.clone());
        desk.share = share(json!(["asven", also]));
        desk.pass();
        assert_eq!(desk.said("Ready"), "False/PracticeNotFound");
        assert_eq!(desk.message("Ready").contains("aspen"), hint, "{}", desk.message("Ready"));
    }
}
