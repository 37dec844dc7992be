//! What is said of a verdict, for people. Nothing in here changes from look to look.

use super::memory::VERDICTS;
use super::practice::Word;
use crate::api::{PracticeSyncMonitorSpec, Reason};
use crate::plan::condition::Is;

/// The message of a verdict; `place` is that of [`VERDICTS`], `practice` is named where there are several.
pub fn message(spec: &PracticeSyncMonitorSpec, place: usize, word: &Word, practice: Option<&str>) -> String {
    if spec.all_practices.is_some() && practice.is_none() && word.reason == Reason::NoSync {
        return "there is no practice to watch: the key reaches none but those that are excepted or have a monitor of their own".to_owned();
    }
    let of = practice.map(|name| format!("{name}: ")).unwrap_or_default();
    let more = if practice.is_some() && word.is == Is::False { " (status.practices.unhealthy names all)" } else { "" };
    format!("{of}{}{more}", text(spec, place, word))
}

fn text(spec: &PracticeSyncMonitorSpec, place: usize, word: &Word) -> String {
    let sync = word.sync.as_deref().filter(|name| !name.is_empty());
    let sync = sync.map_or_else(|| "the sync".to_owned(), |name| format!("the sync {name:?}"));
    let (doing, limit) = match place {
        0 => ("reading from", limit(spec, 0)),
        1 => ("writing to", limit(spec, 1)),
        _ => ("reading from or writing to", "the limits of the spec".to_owned()),
    };
    let check = "check whether the practice's server or browser runs, and its sync agent";
    match word.reason {
        Reason::Green => format!("{doing} the practice is up and within {limit}"),
        Reason::Red => format!("the provider says that {doing} the practice is down at {sync}: {check}"),
        Reason::Stale => format!("{doing} the practice has not worked at {sync} for longer than {limit} of open time: {check}"),
        Reason::Flapping => format!(
            "{doing} the practice goes bad and good again too often, last at {sync}; it counts as bad until it has been good for half an hour: {check}"
        ),
        Reason::ProviderWideOutage => format!(
            "many practices of the account went bad together, and {doing} this one at {sync} is among what does not work: look at the provider's status page first"
        ),
        Reason::OfficeClosed => "no verdict yet: the practice is closed".to_owned(),
        Reason::CatchingUp => "no verdict yet: the practice has just opened, or a first look is to be confirmed".to_owned(),
        Reason::NoSync => {
            "the provider shows no sync of the practice (or of spec.locationIds), or none that has ever run: have the practice connected there".to_owned()
        }
        Reason::ObservationStale => {
            "the provider's sync status could not be read of late, so nothing can be said of the practice".to_owned()
        }
        Reason::TimeZoneUnknown => {
            "no time zone is known for the practice's location, so its office hours mean nothing: set timeZone in the office hours".to_owned()
        }
        Reason::ProviderUnavailable => "the provider cannot be asked, so nothing can be said of the practice".to_owned(),
        _ => "nothing can be said of the practice; the Ready condition says why".to_owned(),
    }
}

fn limit(spec: &PracticeSyncMonitorSpec, place: usize) -> String {
    let (name, block) = if place == 0 { ("read", &spec.read) } else { ("write", &spec.write) };
    let value = block.as_ref().map(|block| serde_json::to_value(&block.stale_after).unwrap_or_default());
    let value = value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    format!("spec.{name}.staleAfter ({value})")
}

/// The name of a verdict.
pub fn name(place: usize) -> &'static str {
    VERDICTS.get(place).map(|kind| kind.as_str()).unwrap_or_default()
}
