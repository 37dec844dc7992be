//! Key material: the redacting secret type, and (with the rotation issue) signature recipes per provider.

mod secret;

pub use secret::SecretText;
