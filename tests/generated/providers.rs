//! The page about providers, docs/providers.md, from `provider::directory`.

use std::fmt::Write;

use external_webhooks::provider::directory::{Profile, Shape, all};
use external_webhooks::provider::model::KeyOrigin;
use external_webhooks::signing::{HexCase, Recipe, Signed};

use crate::golden;

const MADE: &str =
    "Made by `make generated` from src/provider/directory.rs and the providers' catalogues; do not edit.";

#[test]
fn the_page_of_providers_is_as_made() {
    let mut page = format!("<!-- {MADE} -->\n# Providers\n\n");
    page.push_str(
        "An account is for one provider. What its objects do there depends on what the provider has; the kinds and their conditions are the same.\n\n",
    );
    let profiles = all();
    let names: Vec<&str> = profiles.iter().map(|profile| profile.catalogue.provider).collect();
    writeln!(page, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len())).unwrap();
    let mut line = |what: &str, cell: &dyn Fn(&Profile) -> String| {
        let cells: Vec<String> = profiles.iter().map(cell).collect();
        writeln!(page, "| {what} | {} |", cells.join(" | ")).unwrap();
    };
    line("block in the account", &|profile| format!("`{}`", profile.block));
    line("API", &|profile| profile.base_url.to_owned());
    line("shape", &|profile| shape(profile.shape).to_owned());
    line("created there", &|profile| profile.created.to_owned());
    line("signing key made by", &|profile| origin(profile.key_origin).to_owned());
    line("how the key is replaced", &|profile| profile.rotates.to_owned());
    line("`active: false`", &|profile| profile.off.to_owned());
    line("only reported", &|profile| profile.reported.to_owned());
    line("what proves the account's keys", &|profile| profile.proof.to_owned());
    line("known events", &|profile| profile.catalogue.events.len().to_string());
    page.push_str(
        "\nAn account of one kind that is pointed at another provider's server says so (`OtherProvider`), or that the server lacks the route that every account uses.\n\
         A catalogue is known, not closed: an event that it lacks gives `KnownEvents=False` with the nearest names, is sent all the same, and the provider decides.\n",
    );
    for profile in &profiles {
        section(&mut page, profile);
    }
    golden("docs/providers.md", &page);
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Split => "endpoints, and subscriptions on them",
        Shape::Fused => "one webhook per event, with URL and key of its own; nothing can be changed in place",
        Shape::Static => "nothing to register: URLs and keys are exchanged between people",
    }
}

fn origin(origin: KeyOrigin) -> &'static str {
    match origin {
        KeyOrigin::Provider => "the provider",
        KeyOrigin::Operator => "the operator: 32 random bytes in hex, in the Secret before anything signs with it",
    }
}

fn section(page: &mut String, profile: &Profile) {
    write!(page, "\n## {}\n\n", profile.catalogue.provider).unwrap();
    signature(page, &profile.recipe);
    if profile.catalogue.events.is_empty() {
        return;
    }
    let typed = !profile.catalogue.name_alone;
    let (head, rule) = if typed { ("| resourceType ", "|---") } else { ("", "") };
    writeln!(page, "\n| event {head}| belongs to | delivered as |\n|---{rule}|---|---|").unwrap();
    for known in &profile.catalogue.events {
        let resource_type = if typed { format!("| `{}` ", known.resource_type) } else { String::new() };
        let whose = if known.practice_scoped { "a practice" } else { "the account" };
        let delivered: Vec<String> = known.delivered.iter().map(|name| format!("`{name}`")).collect();
        let delivered = if delivered.is_empty() { "not documented".to_owned() } else { delivered.join(", ") };
        writeln!(page, "| `{}` {resource_type}| {whose} | {delivered} |", known.event).unwrap();
    }
}

fn signature(page: &mut String, recipe: &Recipe) {
    let signed = match recipe.signed {
        Signed::TimestampAndBase64Body => "`<timestamp>.<base64 of the raw body>`",
        Signed::TimestampAndBody => "`<timestamp>.<raw body>`",
        Signed::Body => "the raw body",
    };
    let case = match recipe.case {
        HexCase::Lower => "lower-case hex",
        HexCase::Either => "hex",
    };
    let prefix = if recipe.prefix.is_empty() { String::new() } else { format!(" after `{}`", recipe.prefix) };
    let time = match recipe.timestamp_header {
        Some(header) => format!("the header `{header}` holds the timestamp"),
        None => "there is no timestamp, so a delivery can be replayed".to_owned(),
    };
    writeln!(
        page,
        "Signature: HMAC-SHA256 with the key in the Secret over {signed}, as {case}{prefix} in the header `{}`; {time}. [Receivers](receivers.md#verify) verify with every key of the Secret.",
        recipe.signature_header
    )
    .unwrap();
}
