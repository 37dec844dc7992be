//! Key material and what is done with it: the redacting secret type, new keys, and how each provider signs.
//!
//! A provider's signature is a [`Recipe`], that is data: a file here per provider, with its sources. [`Recipe::sign`] and
//! [`Recipe::verify`] are the only code that reads it, so that a fourth provider is a fourth file and no new code.
//!
//! There is no clock in here: how old a timestamp may be is the caller's decision, and he has to make one, because a
//! genuine delivery that somebody sends once more is as genuine as before. Nor is there chance: whoever wants a new key
//! brings its bytes.

mod hero_health;
mod insight_health;
mod new_key;
mod nexhealth;
mod recipe;
mod secret;
#[cfg(test)]
mod tests;

pub use hero_health::HERO_HEALTH;
pub use insight_health::INSIGHT_HEALTH;
pub use new_key::new_key;
pub use nexhealth::NEXHEALTH;
pub use recipe::{HexCase, Keys, Message, Recipe, Signed, SignedBy};
pub use secret::SecretText;
