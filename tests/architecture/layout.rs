//! What may lie at the top of the repository, so that a visitor sees at once where things are.

use std::fs;

use crate::root;

/// Folders, and the files of the tools. Names that begin with a dot are tools' own.
const TOP: [&str; 14] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "functions",
    "infra",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "shared",
    // What cargo builds; it is not kept.
    "target",
    "tests",
];

fn strays<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    names
        .into_iter()
        .filter(|name| !name.starts_with('.') && !TOP.contains(name))
        .collect()
}

#[test]
fn the_top_holds_only_what_belongs_there() {
    let names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let found = strays(names.iter().map(String::as_str));
    assert_eq!(found, Vec::<&str>::new());
    assert!(
        names.iter().any(|name| name == "Cargo.toml"),
        "the top was read"
    );
}

#[test]
fn a_stray_file_or_folder_is_found() {
    let names = ["Cargo.toml", ".gitignore", "utils", "notes.md", "src"];
    assert_eq!(strays(names), ["utils", "notes.md", "src"]);
}
