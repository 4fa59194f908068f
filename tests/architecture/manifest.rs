//! The manifests of the workspace, as far as its rules need them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use toml::Table;

use crate::root;

/// Names of the crates that a crate uses, by how.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// Folder below the top.
    pub place: String,
    pub name: String,
    /// Used by what ships, build scripts included.
    pub shipped: BTreeSet<String>,
    /// Used by tests alone.
    pub tested: BTreeSet<String>,
}

impl Manifest {
    /// Reads a manifest. `shared` has the workspace's own dependencies, since an entry can rename.
    pub fn read(place: &str, text: &str, shared: &Table) -> Self {
        let table: Table = text.parse().unwrap();
        let mut manifest = Self {
            place: place.to_owned(),
            name: table["package"]["name"].as_str().unwrap().to_owned(),
            ..Self::default()
        };
        manifest.take(&table, shared);
        if let Some(targets) = table.get("target").and_then(toml::Value::as_table) {
            for target in targets.values().filter_map(toml::Value::as_table) {
                manifest.take(target, shared);
            }
        }
        manifest
    }

    fn take(&mut self, table: &Table, shared: &Table) {
        self.shipped.extend(names(table, "dependencies", shared));
        self.shipped
            .extend(names(table, "build-dependencies", shared));
        self.tested.extend(names(table, "dev-dependencies", shared));
    }
}

fn names(table: &Table, section: &str, shared: &Table) -> Vec<String> {
    let Some(entries) = table.get(section).and_then(toml::Value::as_table) else {
        return Vec::new();
    };
    entries
        .iter()
        .map(|(alias, entry)| {
            let renamed = |entry: &toml::Value| {
                let package = entry.as_table()?.get("package")?;
                package.as_str().map(str::to_owned)
            };
            renamed(entry)
                .or_else(|| shared.get(alias).and_then(renamed))
                .unwrap_or_else(|| alias.clone())
        })
        .collect()
}

/// The workspace's own dependencies.
fn shared() -> Table {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let table: Table = text.parse().unwrap();
    table["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .clone()
}

/// Every crate of the workspace, by its name.
pub(crate) fn workspace() -> BTreeMap<String, Manifest> {
    let shared = shared();
    let mut places: Vec<String> = vec!["infra/local".to_owned(), "tests".to_owned()];
    for parent in ["functions", "shared"] {
        for entry in fs::read_dir(root().join(parent)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            places.push(format!("{parent}/{name}"));
        }
    }
    places
        .into_iter()
        .filter(|place| root().join(place).join("Cargo.toml").exists())
        .map(|place| {
            let path = Path::new(&place).join("Cargo.toml");
            let text = fs::read_to_string(root().join(path)).unwrap();
            let manifest = Manifest::read(&place, &text, &shared);
            (manifest.name.clone(), manifest)
        })
        .collect()
}

#[test]
fn a_panic_unwinds_in_what_is_deployed() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let table: Table = text.parse().unwrap();
    // Where nothing is said, `cargo lambda build --release` says "abort", and no guard answers.
    let said = &table["profile"]["release"]["panic"];
    assert_eq!(said.as_str(), Some("unwind"));
}

#[test]
fn all_crates_of_the_workspace_are_read() {
    let crates = workspace();
    for name in [
        "tidegate-model",
        "tidegate-worker",
        "tidegate",
        "tidegate-tests",
    ] {
        assert!(crates.contains_key(name), "{name}");
    }
    assert!(crates["tidegate-policy"].shipped.contains("tidegate-model"));
    assert!(crates["tidegate-policy"].tested.contains("proptest"));
}

#[test]
fn a_dependency_can_not_hide_behind_a_name_a_platform_or_a_build_script() {
    let shared: Table = "clock = { package = \"chrono\", version = \"1\" }"
        .parse()
        .unwrap();
    let manifest = Manifest::read(
        "shared/x",
        r#"
        [package]
        name = "tidegate-x"
        [dependencies]
        net = { package = "reqwest", version = "1" }
        clock.workspace = true
        [target.'cfg(unix)'.dependencies]
        tokio = "1"
        [build-dependencies]
        aws-config = "1"
        [dev-dependencies]
        axum = "1"
        "#,
        &shared,
    );
    let shipped: Vec<&str> = manifest.shipped.iter().map(String::as_str).collect();
    assert_eq!(shipped, ["aws-config", "chrono", "reqwest", "tokio"]);
    assert!(manifest.tested.contains("axum"));
}
