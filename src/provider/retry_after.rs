//! `Retry-After` in both forms of RFC 9110, from providers that may write anything into it.

use std::time::Duration;

use crate::provider::gate::LONGEST_PAUSE;

/// How long the answer asks to wait, clamped; `None` when it says nothing usable.
///
/// "Now" (zero, a negative number, a date that has passed) is nothing usable: obeying it would be a hot loop, so the
/// gate's own backoff decides. A date is read against the provider's own `Date`, because our clocks may disagree.
pub(super) fn parse(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(LONGEST_PAUSE, Duration::from_secs)
    } else if let Ok(until) = httpdate::parse_http_date(text) {
        let now = date.and_then(|text| httpdate::parse_http_date(text.trim()).ok());
        until.duration_since(now.unwrap_or_else(std::time::SystemTime::now)).ok()?
    } else {
        let seconds: f64 = text.parse().ok().filter(|seconds: &f64| !seconds.is_nan())?;
        Duration::try_from_secs_f64(seconds.ceil().min(LONGEST_PAUSE.as_secs_f64())).ok()?
    };
    (!asked.is_zero()).then(|| asked.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_and_the_ways_they_go_wrong() {
        let date = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        let table = [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("1.5", Some(2)),
            ("0", None),
            ("-3", None),
            ("-0.5", None),
            ("", None),
            ("soon", None),
            ("NaN", None),
            ("inf", Some(600)),
            ("31536000", Some(600)),
            ("99999999999999999999999999999", Some(600)),
            ("Wed, 21 Oct 2026 07:28:09 GMT", Some(9)),
            ("Wednesday, 21-Oct-26 07:28:09 GMT", Some(9)),
            ("Wed Oct 21 07:28:09 2026", Some(9)),
            ("Wed, 21 Oct 2026 07:27:00 GMT", None),
            ("Thu, 21 Oct 2027 07:28:00 GMT", Some(600)),
            ("Wed, 99 Oct 2026 07:28:09 GMT", None),
            ("2026-10-21T07:28:09Z", None),
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text, date), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn a_date_without_the_providers_clock_is_read_against_ours() {
        let soon = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(30));
        let wait = parse(&soon, None).unwrap();
        assert!(wait <= Duration::from_secs(30) && wait > Duration::from_secs(20), "{wait:?}");
        assert!(parse(&soon, Some("rubbish")).is_some());
    }

    proptest! {
        #[test]
        fn nothing_panics_or_passes_the_clamp(text in ".{0,60}", date in proptest::option::of(".{0,40}")) {
            if let Some(wait) = parse(&text, date.as_deref()) {
                prop_assert!(wait <= LONGEST_PAUSE && !wait.is_zero());
            }
        }
    }
}
