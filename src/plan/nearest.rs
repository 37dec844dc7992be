//! What somebody may have meant who mistyped a name.

use crate::provider::model::Catalogue;

/// How alike two names must be to be offered (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;

/// The nearest known events, as a question to append; empty where none is like it.
pub fn did_you_mean_event(event: &str, catalogue: &Catalogue) -> String {
    did_you_mean(event, catalogue.events.iter().map(|known| &*known.event))
}

/// The nearest of some names, as a question to append; empty where none is like it.
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut scored: Vec<(f64, &str)> = known.map(|known| (strsim::jaro_winkler(name, known), known)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let near: Vec<&str> = scored.into_iter().take(2).map(|(_, name)| name).collect();
    if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::KnownEvent;

    #[test]
    fn offers_what_is_alike_and_nothing_else() {
        let known = ["sunshine-dental", "lakeside-dental", "hilltop"];
        assert_eq!(did_you_mean("sunshine-dentl", known.into_iter()), " (did you mean sunshine-dental?)");
        assert_eq!(did_you_mean("zzz", known.into_iter()), "");
    }

    #[test]
    fn an_event_is_looked_for_in_the_catalogue_and_at_most_two_are_named() {
        let known = |event: &str| KnownEvent {
            resource_type: "R".into(),
            event: event.into(),
            practice_scoped: true,
            delivered: Vec::new(),
        };
        let events = ["appointment_insertion", "appointment_updated", "appointment_created", "form_updated"];
        let catalogue = Catalogue { events: events.map(known).into(), ..Catalogue::default() };
        assert_eq!(
            did_you_mean_event("appointment_update", &catalogue),
            " (did you mean appointment_updated or appointment_created?)"
        );
        assert_eq!(did_you_mean_event("zzz", &catalogue), "");
    }
}
