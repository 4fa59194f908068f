//! The template as it is deployed: the file itself, with folders replaced by uploaded packages, as
//! `sam package` does.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    binaries::{command, repository},
    python::workshop,
};

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

/// The template for these flow files, as `tidegate render` makes it, with `CodeUri` and `ContentUri` pointing
/// at the bucket: the package of function F is `F.zip`, the layer of flow files is `flows.zip`.
pub fn packaged(flows: &Path) -> String {
    rendered(flows)
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

fn rendered(flows: &Path) -> String {
    let folder = TempDir::with_prefix_in("template-", workshop()).expect("a folder");
    let template = folder.path().join("template.yaml");
    fs::write(&template, source()).expect("a template");
    let output = Command::new(command())
        .args(["render".as_ref(), "--flows".as_ref(), flows.as_os_str()])
        .args(["--template".as_ref(), template.as_os_str()])
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    fs::read_to_string(&template).expect("the rendered template")
}
