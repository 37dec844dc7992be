//! Office hours: shared in a ConfigMap, and on the clock of the practice's own location.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{KIND, polls, read, verdict, with};
use crate::support::{LAKESIDE, SUNSHINE, World, monitor, office_hours};

const ALWAYS: &str = r#"weekly: [{days: [Mon, Tue, Wed, Thu, Fri, Sat, Sun], open: "00:00", close: "24:00"}]"#;

/// A week in which no practice anywhere is open now.
fn closed_now() -> String {
    let in_two_days = Timestamp::now() + SignedDuration::from_hours(3 * 24);
    let day = in_two_days.to_zoned(TimeZone::UTC).strftime("%a").to_string();
    format!(r#"weekly: [{{days: [{day}], open: "11:00", close: "13:00"}}]"#)
}

fn shared(name: &str, practice: &str) -> Value {
    with(monitor(name, practice), "officeHoursFrom", json!({"configMapRef": {"name": "office", "key": "hours"}}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_shared_hours_wakes_every_monitor() {
    // Only watches wake the operator: neither rounds nor polls.
    let hour = Some(Duration::from_secs(3600));
    let world = World::named("hours").watches_only().timing(|timing| timing.sync_interval = hour).start().await;
    read(&world, LAKESIDE, 90);
    let zoned = |text: &str| format!("timeZone: UTC\n{text}");
    world.apply([office_hours("office", &zoned(&closed_now()))]).await;
    world.apply([shared("sunshine", SUNSHINE), shared("lakeside", LAKESIDE)]).await;
    for name in ["sunshine", "lakeside"] {
        let object = verdict(&world, name, "SyncHealthy", "Unknown/OfficeClosed").await;
        assert!(object.is_ready(), "{}", object.value);
    }
    world.apply([office_hours("office", &zoned(ALWAYS))]).await;
    verdict(&world, "sunshine", "SyncHealthy", "True/Green").await;
    verdict(&world, "lakeside", "SyncHealthy", "False/Stale").await;
    // Closed again: the verdict of before stays, and only the metric says that nobody is there.
    let before = world.recorder.get(KIND, "lakeside").unwrap().version();
    world.apply([office_hours("office", &zoned(&closed_now()))]).await;
    world
        .until("the metric says closed", |world| {
            let page = world.metrics_page();
            page.lines()
                .any(|line| line.contains("office_open{") && line.contains("\"lakeside\"") && line.ends_with(" 0.0"))
        })
        .await;
    let object = world.recorder.get(KIND, "lakeside").unwrap();
    assert_eq!((object.said("SyncHealthy"), object.version()), ("False/Stale".into(), before));
    assert_eq!(world.provider.calls("GET", "/sync_status").len(), 1, "an edit of hours costs no call");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_zone_is_that_of_the_practices_location() {
    let mut world = World::named("zone").start().await;
    let hours: Value = json!({
        "weekly": [{"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "open": "00:00", "close": "24:00"}]
    });
    let here = |name: &str, practice: &str| with(monitor(name, practice), "officeHours", hours.clone());
    world.apply([here("sunshine", SUNSHINE), here("lakeside", LAKESIDE)]).await;
    verdict(&world, "sunshine", "SyncHealthy", "True/Green").await;
    verdict(&world, "lakeside", "SyncHealthy", "True/Green").await;
    assert_eq!(world.provider.calls("GET", "/locations").len(), 1, "one list for all, kept");
    // A new process knows neither syncs nor places; what stands there stays until it does.
    let versions =
        |world: &World| ["sunshine", "lakeside"].map(|name| world.recorder.get(KIND, name).unwrap().version());
    let before = versions(&world);
    world.kill_operator().await;
    world.start_operator();
    polls(&world, 3).await;
    assert_eq!(versions(&world), before, "{}", world.report());
    assert_eq!(world.provider.calls("GET", "/locations").len(), 2);
    world.finish().await;
}
