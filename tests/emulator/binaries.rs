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
pub const FUNCTIONS: [&str; 10] = [
    "api",
    "batch-sync",
    "decide",
    "digest",
    "quality-audit",
    "reconcile",
    "tick",
    "warehouse",
    "webhook",
    "worker",
];

/// One that panics, beside them.
pub const PANICS: &str = "panics";

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

/// Each function's deployment package, and that of the one that panics: the binary as `bootstrap` in a zip.
pub fn packages() -> &'static BTreeMap<&'static str, Vec<u8>> {
    static PACKAGES: OnceLock<BTreeMap<&'static str, Vec<u8>>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let all = FUNCTIONS.into_iter().chain([PANICS]);
        all.map(|function| {
            let binary = built().join(package_of(function));
            let bytes =
                fs::read(&binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
            (function, zipped(&[("bootstrap".to_owned(), bytes)]))
        })
        .collect()
    })
}

/// The folder of the functions' binaries.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// Builds in the workspace's own build folder: cargo has let go of its lock before it runs tests. With
/// the features of the whole workspace, as tests and `cargo lambda watch` have them, only these
/// programs are left to build.
fn build() -> PathBuf {
    let all = FUNCTIONS.into_iter().chain([PANICS]);
    let names: Vec<String> = all.map(package_of).collect();
    let bins = names.iter().flat_map(|name| ["--bin", name.as_str()]);
    python::output_of(cargo_build().args(bins));
    let stripped = python::workshop().join("stripped");
    fs::create_dir_all(&stripped).expect("the build folder can be written");
    for name in &names {
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(stripped.join(name));
        // Half of a program is names: each stack is sent eight.
        python::output_of(strip.arg(python::build_folder().join("debug").join(name)));
    }
    stripped
}

/// The command `tidegate`, as the other tests of the workspace have it.
pub fn command() -> PathBuf {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        python::output_of(cargo_build().args(["--bin", "tidegate"]));
        python::build_folder().join("debug/tidegate")
    };
    COMMAND.get_or_init(build).clone()
}

fn cargo_build() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--workspace"])
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", python::build_folder());
    cargo
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
