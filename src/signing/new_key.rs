//! Signing keys of our own making, for providers that take one from us.

use super::SecretText;
use zeroize::Zeroizing;

/// A key of 32 random bytes, as 64 lower-case hex digits: no provider that takes keys says which letters or lengths it
/// allows, and these survive every header, shell and YAML file. The bytes come from the caller, who takes them from the
/// operating system's generator.
pub fn new_key(random: [u8; 32]) -> SecretText {
    SecretText::new(hex::encode(*Zeroizing::new(random)))
}
