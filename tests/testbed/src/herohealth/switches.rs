//! Every point that the pages leave open, as a switch. All can be changed while the simulator runs.
//!
//! The default is the likelier reading, or the harder one where none is likelier.

use super::catalogue;
use crate::sim::RateLimit;

/// What happens to a webhook equal to a live one in practice group, event and URL. Not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Accepted; each event is delivered twice.
    #[default]
    Allow,
    /// 409.
    Refuse,
}

/// Whether the list shows `signing_key`. The page shows one object for all answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOnList {
    /// The key itself.
    #[default]
    Returned,
    /// Asterisks.
    Masked,
    /// No such field.
    Absent,
}

/// What the list looks like. The page shows only one of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListForm {
    /// `[...]`
    #[default]
    Array,
    /// `{"data": [...]}`
    Data,
}

/// What a refusal looks like. Not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorForm {
    /// `{"message": "..."}`
    #[default]
    Message,
    /// `{"error": {"message": "..."}}`
    Nested,
    /// Nothing at all.
    Empty,
}

/// Which events there are. Copies of the page differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventList {
    /// The eight of the AsyncAPI page.
    #[default]
    Present,
    /// Those without the two of `write-to-record`.
    Older,
    /// The eight and `form-submission.created`.
    WithForms,
}

impl EventList {
    /// Whether this event can be had.
    pub fn has(self, event_type: &str) -> bool {
        catalogue::ALWAYS.contains(&event_type)
            || (self != Self::Older && catalogue::WRITE_TO_RECORD.contains(&event_type))
            || (self == Self::WithForms && event_type == catalogue::FORM_SUBMISSION)
    }
}

/// How the digest is written. Not documented; hex is what its pages suggest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureForm {
    /// Lower-case hex.
    #[default]
    Hex,
    /// Upper-case hex.
    UpperHex,
    /// Base64.
    Base64,
}

/// How the timestamp is written. Not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampForm {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// `2026-01-01T00:00:00.000Z`
    Iso,
}

/// The open points. See each field for its meaning and default.
#[derive(Clone, Debug)]
pub struct Switches {
    /// Two webhooks with one event and URL.
    pub duplicates: Duplicates,
    /// Whether the key can be read after the create.
    pub key_on_list: KeyOnList,
    /// Form of the list.
    pub list_form: ListForm,
    /// Form of refusals.
    pub error_form: ErrorForm,
    /// The events that can be had.
    pub events: EventList,
    /// Status of a create. The page says "Ok"; default 200.
    pub create_status: u16,
    /// Status of a delete. Default 204; with any other there is a body, the object that went.
    pub delete_status: u16,
    /// Status for no key or an unknown one. Default 401.
    pub unauthorized_status: u16,
    /// Status for a key that does not reach the practice group, or is for other functions. Default 403.
    pub forbidden_status: u16,
    /// Status where `x-practice-group-id` is missing. Default 400.
    pub no_group_status: u16,
    /// Status for what does not exist: a webhook, or a route such as the change of one. Default 404.
    pub not_found_status: u16,
    /// Fields that a create does not know are refused (400) instead of left aside. Default true.
    pub unknown_fields_refused: bool,
    /// `http` URLs are refused (400). Default true, though the page only wants a URI.
    pub https_only: bool,
    /// Objects carry fields that no page names. Default true.
    pub extra_fields: bool,
    /// The limit per key; default none.
    pub rate_limit: Option<RateLimit>,
    /// Encoding of signatures.
    pub signature_form: SignatureForm,
    /// Form of timestamps.
    pub timestamp_form: TimestampForm,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            duplicates: Duplicates::default(),
            key_on_list: KeyOnList::default(),
            list_form: ListForm::default(),
            error_form: ErrorForm::default(),
            events: EventList::default(),
            create_status: 200,
            delete_status: 204,
            unauthorized_status: 401,
            forbidden_status: 403,
            no_group_status: 400,
            not_found_status: 404,
            unknown_fields_refused: true,
            https_only: true,
            extra_fields: true,
            rate_limit: None,
            signature_form: SignatureForm::default(),
            timestamp_form: TimestampForm::default(),
        }
    }
}
