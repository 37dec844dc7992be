//! Direction of `use`: `api <- plan <- controller -> provider`, and who may name the outside world.

use crate::scan::{Source, has_word, sources};
use crate::{complaints, refuse};

/// Which modules of the crate a module may name besides itself. `cli` joins them all and may name every one.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("signing", &[]),
    ("plan", &["crate::api", "crate::provider::model", "crate::signing"]),
    ("provider", &["crate::signing"]),
    // What it serves and measures it is told by its callers; an error of the provider is a label of a metric.
    ("runtime", &["crate::provider"]),
    ("controller", &["crate::api", "crate::plan", "crate::provider", "crate::runtime", "crate::signing"]),
];

/// Where the HTTP adapters are: the only places that speak HTTP as a client.
const ADAPTERS: &[&str] = &[
    "provider/credentials",
    "provider/herohealth",
    "provider/http",
    "provider/insighthealth",
    "provider/nexhealth",
    "provider/probe",
];

/// Words that mean a clock, chance, waiting, or state that a plan does not get as an argument.
const IMPURE_WORDS: &[&str] = &[
    "async",
    "await",
    "tokio",
    "futures",
    "reqwest",
    "rand",
    "unsafe",
    "SystemTime",
    "Instant",
    "Mutex",
    "RwLock",
    "RefCell",
    "Cell",
    "OnceLock",
    "OnceCell",
    "LazyLock",
    "thread_local",
    "tracing",
    "println",
];
const IMPURE_PATHS: &[&str] =
    &["kube::", "std::env", "std::fs", "std::io", "std::net", "std::process", "std::thread", "std::sync::atomic"];
const IMPURE_ENDS: &[&str] = &["Timestamp::now", "Zoned::now", "Utc::now", "Local::now", "random"];

fn begins(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || prefix.ends_with("::"))
}

fn wrong_direction(source: &Source) -> Vec<String> {
    let Some((own, allowed)) = MAY_NAME.iter().find(|(module, _)| source.is_in(module)) else { return Vec::new() };
    let wrong = source.paths().into_iter().filter(|path| {
        begins(path, "crate")
            && !begins(path, &format!("crate::{own}"))
            && !allowed.iter().any(|allowed| begins(path, allowed))
    });
    wrong.map(|path| format!("src/{own} may not name {path}")).collect()
}

fn outside_world(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let names_kube = ["controller", "runtime", "cli"].iter().any(|module| source.is_in(module));
    for path in source.paths() {
        if begins(&path, "kube::Client") && !names_kube {
            wrong.push(format!("only controller and runtime name {path}"));
        }
        if begins(&path, "kube") && source.is_in("provider") {
            wrong.push(format!("a provider knows nothing of Kubernetes: {path}"));
        }
    }
    if has_word(&source.code, "reqwest") && !ADAPTERS.iter().any(|adapter| source.is_in(adapter)) {
        wrong.push("only the HTTP adapters name reqwest".to_owned());
    }
    wrong
}

fn impure(source: &Source) -> Vec<String> {
    let words = IMPURE_WORDS.iter().filter(|word| has_word(&source.code, word)).map(|word| (*word).to_owned());
    let mut wrong: Vec<String> = words.collect();
    if source.code.contains("static mut ") {
        wrong.push("static mut".to_owned());
    }
    wrong.extend(source.paths().into_iter().filter(|path| {
        IMPURE_PATHS.iter().any(|impure| begins(path, impure))
            || IMPURE_ENDS.iter().any(|impure| path.ends_with(impure))
    }));
    wrong
}

/// `api` is types: nothing in it waits, calls, reads a clock or logs.
fn behaviour(source: &Source) -> Vec<String> {
    impure(source).into_iter().filter(|word| !word.starts_with("kube::") || begins(word, "kube::Client")).collect()
}

fn shipped() -> Vec<Source> {
    sources("src").into_iter().filter(|source| !source.test_only).collect()
}

#[test]
fn use_goes_one_way() {
    refuse("api <- plan <- controller -> provider", complaints(&shipped(), wrong_direction));
}

#[test]
fn only_the_edges_name_the_outside_world() {
    refuse("only the edges name the outside world", complaints(&shipped(), outside_world));
}

#[test]
fn plans_are_pure() {
    let plan = shipped().into_iter().filter(|source| source.is_in("plan")).collect::<Vec<_>>();
    assert!(plan.len() > 10, "the scan must see src/plan");
    refuse("src/plan gets time and the world as arguments and answers with data", complaints(&plan, impure));
}

#[test]
fn the_api_is_types() {
    let api = shipped().into_iter().filter(|source| source.is_in("api") || source.is_in("signing")).collect::<Vec<_>>();
    refuse("src/api and src/signing have no behaviour of their own", complaints(&api, behaviour));
}

#[test]
fn planted_violations_are_caught() {
    let caught = |rule: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        assert!(!rule(&Source::planted(path, text)).is_empty(), "{path}: {text}");
    };
    caught(wrong_direction, "src/plan/x.rs", "use crate::provider::{mirror::Mirror, model::RemoteId};");
    caught(wrong_direction, "src/plan/x.rs", "use super::super::controller;");
    caught(wrong_direction, "src/plan/x.rs", "use crate::provider;");
    caught(wrong_direction, "src/api/x.rs", "fn f() { crate::plan::elapsed(a, b) }");
    caught(wrong_direction, "src/provider/x.rs", "use crate::api::Reason;");
    caught(wrong_direction, "src/runtime.rs", "use crate::controller::run;");
    caught(outside_world, "src/provider/x.rs", "use kube::Api;");
    caught(outside_world, "src/plan/x.rs", "use kube::{Api, Client};");
    caught(outside_world, "src/controller/x.rs", "fn f(r: reqwest::Response) {}");
    for text in [
        "async fn f() {}",
        "let now = jiff::Timestamp::now();",
        "use jiff::Zoned; fn f() { Zoned::now(); }",
        "let n: u8 = rand::random();",
        "use std::{env, fmt};",
        "static mut X: u8 = 0;",
        "static X: std::sync::Mutex<u8> = std::sync::Mutex::new(0);",
        "let t = std::time::Instant::now();",
        "let at = SystemTime::now();",
    ] {
        caught(impure, "src/plan/x.rs", text);
    }
    caught(behaviour, "src/api/x.rs", "use kube::Client;");
    let pure = "use std::sync::Arc; const X: &'static str = \"async\"; // rand\nfn f(now: Timestamp) {}";
    assert_eq!(impure(&Source::planted("src/plan/x.rs", pure)), Vec::<String>::new());
    assert_eq!(behaviour(&Source::planted("src/api/x.rs", "use kube::CustomResource;")), Vec::<String>::new());
}
