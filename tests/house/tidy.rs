//! What every file owes its reader: a size one can hold in mind, a first line that says what it is, no way to panic, and a
//! reason for every dependency.

use external_webhooks::signing::SecretText;

use crate::scan::{Source, has_word, root, sources};
use crate::{complaints, refuse};

const LONGEST: usize = 400;

/// Calls and macros that end the process, or write where nobody reads.
const PANICS: &[&str] = &[".unwrap(", ".expect(", ".unwrap_err(", ".expect_err("];
const MACROS: &[&str] = &[
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "assert",
    "assert_eq",
    "dbg",
    "print",
    "println",
    "eprint",
    "eprintln",
];

fn too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines > LONGEST { vec![format!("{lines} lines; divide it by subject")] } else { Vec::new() }
}

fn undescribed(source: &Source) -> Vec<String> {
    let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.starts_with("//! ") { Vec::new() } else { vec!["begins without a //! line that says what it is".into()] }
}

fn can_panic(source: &Source) -> Vec<String> {
    let code: String = source.code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".");
    let calls = PANICS.iter().filter(|call| code.contains(**call)).map(|call| (*call).to_owned());
    let macros = MACROS.iter().map(|name| format!("{name}!")).filter(|name| {
        code.match_indices(name.as_str())
            .any(|(at, _)| !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_'))
    });
    calls.chain(macros).collect()
}

fn without_reason(manifest: &str) -> Vec<String> {
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let dependencies = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let bare = dependencies.filter(|line| line.split_once(" # ").is_none_or(|(_, reason)| reason.trim().is_empty()));
    bare.map(str::to_owned).collect()
}

/// The crates of `[dependencies]` that no code names.
fn unused(manifest: &str, code: &[Source]) -> Vec<String> {
    let section = manifest.split("\n[dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty());
    names
        .map(|name| name.replace('-', "_"))
        .filter(|name| !code.iter().any(|source| has_word(&source.code, name)))
        .collect()
}

fn all() -> Vec<Source> {
    sources("src").into_iter().chain(sources("tests")).collect()
}

fn manifest() -> String {
    std::fs::read_to_string(root().join("Cargo.toml")).unwrap()
}

#[test]
fn files_can_be_held_in_mind() {
    refuse(&format!("no file is longer than {LONGEST} lines"), complaints(&all(), too_long));
}

#[test]
fn every_file_says_what_it_is() {
    refuse("every file begins with a //! line", complaints(&all(), undescribed));
}

#[test]
fn shipped_code_does_not_panic() {
    let shipped = sources("src").into_iter().filter(|source| !source.test_only).collect::<Vec<_>>();
    refuse("shipped code answers with errors and writes through tracing", complaints(&shipped, can_panic));
}

#[test]
fn every_dependency_has_a_reason_and_a_use() {
    refuse("each line of [workspace.dependencies] ends with the reason", without_reason(&manifest()));
    refuse("each of [dependencies] is used", unused(&manifest(), &sources("src")));
}

#[test]
fn planted_violations_are_caught() {
    let plant = |text: &str| Source::planted("src/x.rs", text);
    assert!(!too_long(&plant(&"//! x\n".repeat(LONGEST + 1))).is_empty());
    assert!(too_long(&plant(&"//! x\n".repeat(LONGEST))).is_empty());
    assert!(!undescribed(&plant("use a::b;\n//! late")).is_empty());
    for text in
        ["x\n    .unwrap()", "x.expect(\"y\")", "panic!(\"z\")", "if a { todo!() }", "std::println!(\"\")", "dbg!(x)"]
    {
        assert!(!can_panic(&plant(text)).is_empty(), "{text}");
    }
    for text in ["x.unwrap_or(0)", "// x.unwrap()", "debug_assert!(x)", "#[cfg(test)] mod t { fn f() { x.unwrap() } }"]
    {
        assert_eq!(can_panic(&plant(text)), Vec::<String>::new(), "{text}");
    }
    let toml = "[workspace.dependencies]\na = \"1\" # why\nb = \"2\"\nc = \"3\" # \n\n[package]\n";
    assert_eq!(without_reason(toml), ["b = \"2\"", "c = \"3\" # "]);
    let toml = "x\n[dependencies]\nserde.workspace = true\nnot-used.workspace = true\n[lints]\n";
    assert_eq!(unused(toml, &[plant("use serde::X;")]), ["not_used"]);
}

/// Does not compile if the type has one of the traits: then two implementations fit, and the compiler cannot choose.
macro_rules! lacks {
    ($type:ty: $($unwanted:path),+ $(,)?) => {
        $(const _: fn() = || {
            struct Has;
            trait Lacks<Which> {
                fn proof() {}
            }
            impl<T: ?Sized> Lacks<()> for T {}
            impl<T: ?Sized + $unwanted> Lacks<Has> for T {}
            <$type as Lacks<_>>::proof();
        };)+
    };
}

// Invariant *No leak*: nothing that formats or stores a value can reach a key by accident.
lacks!(SecretText: std::fmt::Debug, std::fmt::Display, serde::Serialize, std::ops::Deref, AsRef<str>, Into<String>);
