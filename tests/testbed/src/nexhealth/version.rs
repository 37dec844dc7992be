//! Which API version a request selects.
//!
//! `Nex-Api-Version` wins; without it the old `Accept: ...;version=2` selects v2; with neither the answer is 404.

use super::{
    envelope::Refusal,
    switches::{Switches, V2},
};

/// A version this account may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V2,
    V3,
    /// v3.1.0, restricted.
    Beta,
}

/// The version, or why not.
pub(crate) fn select(header: Option<&str>, accept: Option<&str>, switches: &Switches) -> Result<Version, Refusal> {
    let named = header.map(str::trim);
    match named {
        Some("v3.0.0" | "v20240412") => Ok(Version::V3),
        Some("v3.1.0") if switches.beta => Ok(Version::Beta),
        Some("v3.1.0") => Err(Refusal::forbidden()),
        Some("v2" | "v2.2.2") => second(switches),
        Some(other) => {
            Err(Refusal::new(switches.unknown_version_status, format!("API version '{other}' is not supported")))
        }
        None if accept.is_some_and(accepts_v2) => second(switches),
        None => Err(Refusal::not_found()),
    }
}

fn second(switches: &Switches) -> Result<Version, Refusal> {
    match switches.v2 {
        V2::Accept => Ok(Version::V2),
        V2::Refuse => Err(Refusal::new(403, "API version 'v2' is below the minimum allowed")),
    }
}

/// Whether `Accept` is the vendor type of version 2, however it is spaced or cased.
fn accepts_v2(accept: &str) -> bool {
    let plain: String = accept.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    plain.contains("application/vnd.nexhealth+json;version=2")
}
