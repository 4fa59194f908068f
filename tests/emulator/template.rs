//! The template as it is deployed: the file itself, with folders replaced by uploaded packages, as
//! `sam package` does.

use std::fs;

use crate::binaries::repository;

/// The bucket that holds what the template refers to.
pub const BUCKET: &str = "tidegate-code";

/// The template as it lies in the repository.
pub fn source() -> String {
    let path = repository().join("infra/template.yaml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
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
