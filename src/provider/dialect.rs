//! Whose server answers? Told by the form of a refusal, for the message to a person who pointed an account of one provider
//! at another's server. Only what is recognised counts: proxies answer in forms of their own.

use serde_json::Value;

/// The forms of the providers' answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{"code": true, ...}`
    Nex,
    /// `{"message": "..."}`, which is nobody's alone.
    Hero,
    /// `{"success": true, ...}`
    Insight,
}

impl Dialect {
    /// What the provider calls itself.
    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::Nex => "NexHealth",
            Self::Hero => "Hero Health",
            Self::Insight => "Insight Health",
        }
    }

    /// Whose answer this is, if it is somebody else's for certain. Of the body nothing but that is kept.
    pub(super) fn other_than(self, body: &[u8]) -> Option<Self> {
        recognise(body).filter(|found| *found != self)
    }
}

fn recognise(body: &[u8]) -> Option<Dialect> {
    let Value::Object(fields) = serde_json::from_slice(body).ok()? else { return None };
    let is_flag = |name: &str| fields.get(name).is_some_and(Value::is_boolean);
    match (is_flag("success"), is_flag("code"), fields.get("message")) {
        (true, false, _) => Some(Dialect::Insight),
        (false, true, _) => Some(Dialect::Nex),
        (false, false, Some(Value::String(_))) if fields.len() == 1 => Some(Dialect::Hero),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_is_somebody_elses() {
        let nexhealth = br#"{"code":false,"description":null,"error":["Not authorized"],"data":{}}"#.as_slice();
        let hero = br#"{"message":"Unauthorized"}"#.as_slice();
        let insight = br#"{"error":"Missing X-API-Key header","success":false}"#.as_slice();
        let invalid = br#"{"message":"No","errors":[],"success":false,"code":400}"#.as_slice();
        for (body, speaker) in [
            (nexhealth, Some(Dialect::Nex)),
            (hero, Some(Dialect::Hero)),
            (insight, Some(Dialect::Insight)),
            (invalid, Some(Dialect::Insight)),
            (b"<html>", None),
            (b"", None),
            (b"[]", None),
            (br#"{"error":{"message":"x"}}"#, None),
            (br#"{"message":"no Route matched","request_id":"1"}"#, None),
        ] {
            for own in [Dialect::Nex, Dialect::Hero, Dialect::Insight] {
                assert_eq!(own.other_than(body), speaker.filter(|speaker| *speaker != own), "{own:?}");
            }
        }
    }
}
