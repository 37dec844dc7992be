//! Reads Rust sources as a tidy checker needs them: code without comments, strings and tests, and the paths it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One source file.
pub struct Source {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// As written.
    pub text: String,
    /// Without comments, the content of strings, and items under `#[cfg(test)]`; line numbers are kept.
    pub code: String,
    /// Whether the whole file is compiled for tests only.
    pub test_only: bool,
}

impl Source {
    /// A source of the given content, for self-tests.
    pub fn planted(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), code: without_tests(&strip(text)), test_only: false }
    }

    /// The paths that the code names, as modules of this file see them.
    pub fn paths(&self) -> Vec<String> {
        paths(&self.code).into_iter().map(|path| resolve(&self.path, &path)).collect()
    }

    /// Whether it lies in a folder (or is that file) of `src/`.
    pub fn is_in(&self, module: &str) -> bool {
        self.path
            .strip_prefix("src/")
            .is_some_and(|rest| rest.strip_prefix(module).is_some_and(|rest| rest.starts_with('/') || rest == ".rs"))
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the repository.
pub fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    files.sort();
    let mut sources: Vec<Source> = files.iter().map(|file| read(file)).collect();
    let test_modules: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let module = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        source.test_only = test_modules.iter().any(|test| {
            module.strip_prefix(test.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
    }
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(file: &Path) -> Source {
    let path = file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    Source::planted(&path, &std::fs::read_to_string(file).unwrap())
}

/// The modules in files of their own that a file declares for tests only, as paths without extension.
fn test_modules(source: &Source) -> Vec<String> {
    let declared = source.text.split("#[cfg(test)]\n").skip(1).filter_map(|after| {
        let after = after.trim_start();
        if let Some(named) = after.strip_prefix("#[path = \"") {
            let (folder, _) = source.path.rsplit_once('/')?;
            return Some(format!("{folder}/{}", named.split(".rs\"").next()?));
        }
        let name = after.trim_start_matches("pub ").strip_prefix("mod ")?.split(';').next()?;
        is_identifier(name).then(|| format!("{}/{name}", module_folder(&source.path)))
    });
    declared.collect()
}

/// The folder in which the modules of a file lie.
fn module_folder(path: &str) -> String {
    let module = path.trim_end_matches(".rs");
    let own_folder = ["/mod", "/lib", "/main"].iter().find_map(|name| module.strip_suffix(name));
    own_folder.unwrap_or(module).to_owned()
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_word)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Blanks comments and the content of strings and characters; everything else keeps its place.
pub fn strip(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = match letters[at] {
            '/' if letters.get(at + 1) == Some(&'/') => line_end(&letters, at),
            '/' if letters.get(at + 1) == Some(&'*') => block_end(&letters, at),
            '"' => string_end(&letters, at + 1, 0, true),
            '\'' => character_end(&letters, at),
            'r' | 'b' | 'c' if at == 0 || !is_word(letters[at - 1]) => prefixed_string_end(&letters, at),
            _ => at,
        };
        if end == at {
            out.push(letters[at]);
            at += 1;
        } else {
            // A string stays visible as an empty one, so that `f("x")` still reads as a call.
            let quoted = letters[at] != '/';
            let blank = letters[at..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' });
            let mut blank: Vec<char> = blank.collect();
            if let (true, [first, .., last]) = (quoted, blank.as_mut_slice()) {
                (*first, *last) = ('"', '"');
            }
            out.extend(blank);
            at = end;
        }
    }
    out
}

fn line_end(letters: &[char], at: usize) -> usize {
    letters[at..].iter().position(|letter| *letter == '\n').map_or(letters.len(), |length| at + length)
}

fn block_end(letters: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(letters.len())
}

/// The end of a string whose content begins at `at`.
fn string_end(letters: &[char], mut at: usize, hashes: usize, escapes: bool) -> usize {
    while at < letters.len() {
        match letters[at] {
            '\\' if escapes => at += 2,
            '"' if letters[at + 1..].iter().take(hashes).filter(|letter| **letter == '#').count() == hashes => {
                return at + 1 + hashes;
            }
            _ => at += 1,
        }
    }
    letters.len()
}

/// The end of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `b'…'`; `at` itself if there is no such thing.
fn prefixed_string_end(letters: &[char], at: usize) -> usize {
    let prefix = letters[at..].iter().take_while(|letter| matches!(letter, 'r' | 'b' | 'c')).count();
    let raw = letters[at..at + prefix].contains(&'r');
    let hashes = letters[at + prefix..].iter().take_while(|letter| **letter == '#').count();
    match letters.get(at + prefix + hashes) {
        Some('"') if prefix <= 2 && (raw || hashes == 0) => string_end(letters, at + prefix + hashes + 1, hashes, !raw),
        Some('\'') if prefix == 1 && letters[at] == 'b' => character_end(letters, at + 1),
        _ => at,
    }
}

/// The end of a character; `at` itself if it is a lifetime.
fn character_end(letters: &[char], at: usize) -> usize {
    match (letters.get(at + 1), letters.get(at + 2)) {
        (Some('\\'), _) => {
            let close = letters.iter().skip(at + 3).position(|letter| *letter == '\'');
            close.map_or(letters.len(), |length| at + 3 + length + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

/// Blanks every item under `#[cfg(test)]`. Takes stripped code.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        out.push_str(&rest[..start]);
        let item = &rest[start..];
        let end = MARK.len() + item_end(&item[MARK.len()..]);
        out.extend(item[..end].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    out.push_str(rest);
    out
}

/// Where an item ends: at the first `;` or closing brace outside of every bracket.
fn item_end(code: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth <= 0 && matches!(letter, ';' | '}' | ',') {
            return at + 1;
        }
    }
    code.len()
}

/// Every path in stripped code, with the groups of a `use` written out.
pub fn paths(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let begins = is_identifier(&tokens[at]) && (at == 0 || !matches!(tokens[at - 1].as_str(), "::" | "."));
        at = if begins { tree(&tokens, at, "", &mut found) } else { at + 1 };
    }
    found.retain(|path| path.contains("::"));
    found
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut token = letter.to_string();
        if is_word(letter) {
            while let Some(next) = letters.next_if(|next| is_word(*next)) {
                token.push(next);
            }
        } else if letter == ':' && letters.next_if_eq(&':').is_some() {
            token.push(':');
        } else if letter.is_whitespace() {
            continue;
        }
        tokens.push(token);
    }
    tokens
}

/// One path or tree of paths that begins at a token; answers where it ends.
fn tree(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut path = prefix.to_owned();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") if !path.is_empty() => {
                at += 1;
                while let Some(token) = tokens.get(at) {
                    match token.as_str() {
                        "}" => return at + 1,
                        name if is_identifier(name) || name == "*" => at = tree(tokens, at, &path, found),
                        _ => at += 1,
                    }
                }
                return at;
            }
            Some(name) if is_identifier(name) || name == "*" => {
                path = if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") };
                at += 1;
            }
            _ => {
                found.push(path);
                return at;
            }
        }
        if tokens.get(at).map(String::as_str) != Some("::") {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

/// Turns `self::` and `super::` of a file into `crate::`.
fn resolve(file: &str, path: &str) -> String {
    let Some(inside) = file.strip_prefix("src/") else { return path.to_owned() };
    let folder = module_folder(&format!("/{inside}"));
    let mut module: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let mut parts = path.split("::").peekable();
    if !parts.peek().is_some_and(|first| matches!(*first, "self" | "super")) {
        return path.to_owned();
    }
    while let Some(step) = parts.next_if(|part| matches!(*part, "self" | "super")) {
        if step == "super" {
            module.pop();
        }
    }
    ["crate"].into_iter().chain(module).chain(parts).collect::<Vec<_>>().join("::")
}

/// Whether a word stands in stripped code; a lifetime of that name is none.
pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(|letter| is_word(letter) || letter == '\'') && !after.is_some_and(is_word)
    })
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "// tokio\n/* a /* tokio */ b */ let x = \"tokio \\\" tokio\"; let y = r#\"tokio \" \"#; let c = '\"'; fn f<'a>() {}\n#[cfg(test)]\nmod tests { use tokio::x; fn g() { h(\"}\"); } }\nfn after() {}\n";
    let planted = Source::planted("src/plan/x.rs", text);
    assert!(!has_word(&planted.code, "tokio"), "{}", planted.code);
    assert!(planted.code.contains("fn f<'a>() {}") && planted.code.contains("fn after() {}"));
    assert_eq!(planted.code.lines().count(), text.lines().count());
}

#[test]
fn paths_are_read_out_of_groups_and_relative_ones_are_resolved() {
    let text = "use crate::provider::{mirror::{self, Mirror}, model};\nuse super::super::runtime::X;\nfn f() { let y = kube::Client::new(a.await::<b>()); }";
    let paths = Source::planted("src/plan/endpoint/draft.rs", text).paths();
    for path in
        ["crate::provider::mirror::Mirror", "crate::provider::model", "crate::plan::runtime::X", "kube::Client::new"]
    {
        assert!(paths.iter().any(|found| found == path), "{path} in {paths:?}");
    }
    let paths = Source::planted("src/plan/endpoint.rs", "use super::super::runtime::X;").paths();
    assert_eq!(paths, ["crate::runtime::X"]);
}

#[test]
fn a_module_declared_for_tests_is_test_only() {
    let declared = test_modules(&Source::planted("src/plan/mod.rs", "#[cfg(test)]\nmod tests;\nmod real;"));
    assert_eq!(declared, ["src/plan/tests"]);
    let declared = test_modules(&Source::planted("src/a/b.rs", "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;"));
    assert_eq!(declared, ["src/a/b_tests"]);
    assert!(sources("src").iter().any(|source| source.test_only && source.path == "src/provider/test_server.rs"));
}
