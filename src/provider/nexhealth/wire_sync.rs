//! Reading `GET /sync_status` and `GET /locations`. Only the institution's id is needed: whatever else is odd makes a sync
//! of which less is known, never an answer that is thrown away, because that would blind every monitor of the account.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::wire::{Id, Texts};
use crate::provider::model::sync::{Colour, Direction, Place, Sync};

/// Before any practice was connected: a time before it says "never".
const FIRST: i64 = 946_684_800;

/// An element of `GET /sync_status`: one sync.
#[derive(Deserialize)]
pub(super) struct SyncStatus {
    institution_id: Id,
    #[serde(default)]
    sync_source_name: Value,
    #[serde(default)]
    emr: Value,
    #[serde(default)]
    read_status: Value,
    #[serde(default)]
    read_status_at: Value,
    #[serde(default)]
    write_status: Value,
    #[serde(default)]
    write_status_at: Value,
    #[serde(default)]
    locations: LocationIds,
}

/// The ids of locations; the rest of them is let go of as it is read, for thousands of practices have a lot of it.
#[derive(Default)]
struct LocationIds(Option<Vec<Arc<str>>>);

impl<'de> Deserialize<'de> for LocationIds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Ok(Self(value.as_array().map(|places| places.iter().filter_map(|place| id(&place["id"])).collect())))
    }
}

impl SyncStatus {
    /// The practice's key, and the sync.
    pub(super) fn read(self, texts: &mut Texts) -> (Arc<str>, Sync) {
        let mut shared = |value: &Value| value.as_str().map(|text| texts.shared(text));
        let name = shared(&self.sync_source_name).unwrap_or_default();
        let emr = shared(&self.emr["name"]);
        // A text in answers, a list in the provider's own events.
        let kind = &self.emr["type"];
        let emr_types = match kind {
            Value::Array(kinds) => kinds.iter().filter_map(&mut shared).collect(),
            one => shared(one).into_iter().collect(),
        };
        let mut direction = |word: &Value, at: &Value| {
            let word = shared(word);
            let colour = match word.as_deref() {
                Some("green") => Colour::Green,
                Some("red") => Colour::Red,
                _ => Colour::Other,
            };
            Direction { colour, word, at: time(at) }
        };
        let read = direction(&self.read_status, &self.read_status_at);
        let write = direction(&self.write_status, &self.write_status_at);
        let locations = self.locations.0;
        (self.institution_id.text(), Sync { name, emr, emr_types, read, write, locations })
    }
}

/// An element of `GET /locations`: an institution with its places.
#[derive(Deserialize)]
pub(super) struct Located {
    id: Id,
    #[serde(default)]
    locations: Places,
}

/// Id, time zone and whether it is inactive; as with [`LocationIds`], nothing else is kept.
#[derive(Default)]
struct Places(Vec<(Arc<str>, Option<String>, bool)>);

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let read = |place: &Value| {
            let zone = place["tz"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
            Some((id(&place["id"])?, zone, place["inactive"] == Value::Bool(true)))
        };
        Ok(Self(value.as_array().into_iter().flatten().filter_map(read).collect()))
    }
}

impl Located {
    /// The places. One without an id cannot be named, and one without a zone says nothing.
    pub(super) fn places(self, texts: &mut Texts) -> Vec<Place> {
        let practice = self.id.text();
        let place = |(id, zone, inactive): (Arc<str>, Option<String>, bool)| {
            let time_zone = zone.map(|name| texts.shared(&name));
            Place { id, practice: practice.clone(), time_zone, inactive }
        };
        self.locations.0.into_iter().map(place).collect()
    }
}

fn id(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(text) => Some(text.as_str().into()),
        _ => None,
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    let time: Timestamp = value.as_str()?.trim().parse().ok()?;
    (time.as_second() >= FIRST).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Count, list};
    use super::*;

    fn syncs(data: &str) -> Option<Vec<(Arc<str>, Sync)>> {
        let body = format!(r#"{{"code":true,"error":null,"data":{data}}}"#);
        let mut texts = Texts::default();
        Some(list::<SyncStatus>(body.as_bytes(), Count::Whole)?.into_iter().map(|one| one.read(&mut texts)).collect())
    }

    #[test]
    fn the_documented_shapes() {
        let list = syncs(
            r#"[{"institution_id":1748,"sync_source_type":"DataSource","sync_source_name":"My Source",
                "emr":{"id":10,"name":"eaglesoft","display_name":"Eaglesoft","type":"onprem"},
                "read_status":"green","read_status_at":"2024-03-21T17:52:47.824Z","write_status":"red",
                "write_status_at":"2024-03-21T17:52:47+00:00","locations":[{"id":7,"name":"x"},{"id":"8"}]},
               {"institution_id":"1748","emr":{"type":["cloud","onprem"]},"locations":null}]"#,
        )
        .unwrap();
        let (practice, sync) = &list[0];
        assert_eq!((&**practice, &*sync.name, sync.emr.as_deref()), ("1748", "My Source", Some("eaglesoft")));
        assert_eq!((sync.read.colour, sync.write.colour), (Colour::Green, Colour::Red));
        assert_eq!(sync.read.at.unwrap().as_second(), sync.write.at.unwrap().as_second());
        assert_eq!(sync.locations.as_ref().unwrap().iter().map(|id| &**id).collect::<Vec<_>>(), ["7", "8"]);
        assert_eq!(list[1].1.emr_types.len(), 2);
        assert_eq!((&list[1].1.locations, list[1].1.read.colour, list[1].1.read.at), (&None, Colour::Other, None));
    }

    #[test]
    fn whatever_is_odd_is_not_known() {
        for (field, value) in [
            ("read_status_at", "\"yesterday\""),
            ("read_status_at", "null"),
            ("read_status_at", "1711043567"),
            ("read_status_at", "\"1970-01-01T00:00:00Z\""),
            ("read_status", "\"mauve\""),
            ("read_status", "7"),
            ("emr", "null"),
            ("emr", "[1]"),
            ("locations", "{\"a\":1}"),
            ("locations", "[null,{},7]"),
            ("sync_source_name", "{}"),
        ] {
            let list = syncs(&format!(r#"[{{"institution_id":1,"{field}":{value}}}]"#)).unwrap();
            let read = &list[0].1.read;
            assert_eq!((read.at, read.colour), (None, Colour::Other), "{field}: {value}");
        }
        assert!(syncs("[{}]").is_none() && syncs(r#"[{"institution_id":null}]"#).is_none(), "nobody could be named");
        assert!(syncs("null").is_none() && syncs("[7]").is_none());
        assert_eq!(syncs("[]").unwrap().len(), 0);
    }

    #[test]
    fn places() {
        let body = r#"{"code":true,"data":[{"id":1,"locations":[{"id":11,"tz":"America/Denver","inactive":false},
            {"id":12,"tz":null,"inactive":true},{"tz":"x"},null]},{"id":2,"locations":null},{"id":3}]}"#;
        let mut texts = Texts::default();
        let list = list::<Located>(body.as_bytes(), Count::Whole).unwrap();
        let places: Vec<Place> = list.into_iter().flat_map(|one| one.places(&mut texts)).collect();
        assert_eq!(places.len(), 2);
        assert_eq!(
            (&*places[0].practice, &*places[0].id, places[0].time_zone.as_deref()),
            ("1", "11", Some("America/Denver"))
        );
        assert!(places[1].inactive && places[1].time_zone.is_none());
    }
}
