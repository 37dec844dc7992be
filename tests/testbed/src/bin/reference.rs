//! Writes the reference page from the definitions in a folder: `reference crds docs/reference.md`.

use std::process::ExitCode;

use serde_json::Value;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, page] = &arguments[..] else {
        eprintln!("usage: reference FOLDER PAGE");
        return ExitCode::from(2);
    };
    match write(folder, page) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reference: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &str, page: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut definitions: Vec<Value> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        definitions.push(serde_saphyr::from_str(&std::fs::read_to_string(entry?.path())?)?);
    }
    Ok(std::fs::write(page, testbed::reference::page(&definitions))?)
}
