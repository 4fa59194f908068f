//! The template as it is deployed: the file itself, with folders replaced by uploaded packages, as
//! `sam package` does.

use std::{collections::BTreeMap, fs};

use crate::binaries::repository;

/// The bucket that holds what the template refers to.
pub const BUCKET: &str = "tidegate-code";

/// The template as it lies in the repository.
pub fn source() -> String {
    let path = repository().join("infra/template.yaml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of each resource, by its name.
pub fn resources(template: &str) -> BTreeMap<&str, String> {
    let after = |start: &str| template.split_once(start).map(|(_, rest)| rest);
    let section = after("\nResources:\n").expect("resources");
    let (section, _) = section.split_once("\nOutputs:\n").expect("outputs");
    let mut resources: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = None;
    for line in section.lines() {
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        match line.trim().strip_suffix(':') {
            Some(new) if is_name => name = Some(new),
            _ => {
                if let Some(name) = name {
                    let text = resources.entry(name).or_default();
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    resources
}

/// The template with `CodeUri` and `ContentUri` pointing at the bucket: the package of function F
/// is `F.zip`, the layer of flow files is `flows.zip`.
pub fn packaged() -> String {
    source()
        .lines()
        .map(|line| match line.trim_start().split_once(' ') {
            Some((name @ ("CodeUri:" | "ContentUri:"), folder)) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let package = folder.rsplit('/').next().unwrap_or(folder);
                format!("{indent}{name} s3://{BUCKET}/{package}.zip\n")
            }
            _ => format!("{line}\n"),
        })
        .collect()
}
