//! The Python tools that the tests run: the emulator and cargo-lambda, pinned, in the build folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The build folder.
pub fn build_folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's folder for tests lies in the build folder")
}

/// A folder below the build folder that only these tests use.
pub fn workshop() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulator");
    fs::create_dir_all(&folder).expect("the build folder can be written");
    folder
}

/// The program `name` of the pinned Python tools. Installs them if they are missing; parallel
/// tests and processes wait for the one that does.
pub fn tool(name: &str) -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(install).join(name)
}

fn install() -> PathBuf {
    let lock = fs::File::create(workshop().join("venv.lock")).expect("a lock file");
    lock.lock().expect("the lock of the Python tools");
    let venv = workshop().join("venv");
    let bin = venv.join("bin");
    // Written last, so that an interrupted installation starts again.
    let stamp = venv.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return bin;
    }
    if venv.exists() {
        fs::remove_dir_all(&venv).expect("an outdated installation can be removed");
    }
    let requirements = workshop().join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("the build folder can be written");
    output_of(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    output_of(
        Command::new(bin.join("pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&requirements),
    );
    fs::write(&stamp, REQUIREMENTS).expect("the build folder can be written");
    bin
}

/// Runs `command` to its end, fails with all it wrote unless it succeeds, and gives its output.
pub fn output_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
