//! The functions' binaries, built once a process and packed as Lambda wants them.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::python;

/// The functions by the name of their crate's folder.
pub const FUNCTIONS: [&str; 7] = [
    "api",
    "batch-sync",
    "digest",
    "reconcile",
    "tick",
    "webhook",
    "worker",
];

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the workspace")
        .to_path_buf()
}

/// The package that holds a function's binary.
pub fn package_of(function: &str) -> String {
    format!("tidegate-{function}")
}

/// Each function's deployment package: the binary as `bootstrap` in a zip.
pub fn packages() -> &'static BTreeMap<&'static str, Vec<u8>> {
    static PACKAGES: OnceLock<BTreeMap<&'static str, Vec<u8>>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let built = build();
        FUNCTIONS
            .iter()
            .map(|function| {
                let binary = built.join(package_of(function));
                let bytes = fs::read(&binary)
                    .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
                (*function, zipped(&[("bootstrap".to_owned(), bytes)]))
            })
            .collect()
    })
}

/// Builds in the workspace's own build folder: cargo has let go of its lock before it runs tests.
/// The binaries are named without their packages, so that features are resolved over the whole
/// workspace as `cargo lambda watch` does, and nothing is built twice.
fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--profile", "e2e"])
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", python::build_folder());
    for function in FUNCTIONS {
        cargo.args(["--bin", &package_of(function)]);
    }
    python::output_of(&mut cargo);
    python::build_folder().join("e2e")
}

/// The command `tidegate`, as the other tests of the workspace have it: beside a test, features are
/// resolved with those of tests, so that after `cargo test --workspace` nothing is left to build.
pub fn command() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked"])
        .args(["--bin", "tidegate", "--test", "architecture"])
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", python::build_folder());
    python::output_of(&mut cargo);
    python::build_folder().join("debug/tidegate")
}

/// A zip of executable files. Not compressed: it travels over loopback.
pub fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o755);
    for (name, bytes) in files {
        zip.start_file(name, options).expect("a new entry of a zip");
        zip.write_all(bytes).expect("a zip in memory grows");
    }
    zip.finish().expect("a zip in memory ends").into_inner()
}
