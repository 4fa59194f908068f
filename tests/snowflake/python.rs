//! What the double runs on: Python with pinned packages, in the build folder, where `.ci/run` has it too.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const REQUIREMENTS: &str = include_str!("../warehouse/requirements.txt");

/// The interpreter that has the packages. Installs them if they are missing; parallel tests, processes and
/// `.ci/run` wait for the one that does.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(install)
}

fn install() -> PathBuf {
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let tools = build.expect("cargo's folder for tests").join("ci");
    fs::create_dir_all(&tools).expect("the build folder can be written");
    let lock = fs::File::create(tools.join("warehouse-venv.lock")).expect("a lock file");
    lock.lock().expect("the lock of the Python packages");
    let venv = tools.join("warehouse-venv");
    let bin = venv.join("bin");
    // Written last, so that an interrupted installation starts again.
    let stamp = venv.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return bin.join("python");
    }
    if venv.exists() {
        fs::remove_dir_all(&venv).expect("an outdated installation can be removed");
    }
    let wanted = tools.join("warehouse-requirements.txt");
    fs::write(&wanted, REQUIREMENTS).expect("the build folder can be written");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let quiet = ["install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(bin.join("pip")).args(quiet).arg(&wanted));
    fs::write(&stamp, REQUIREMENTS).expect("the build folder can be written");
    bin.join("python")
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed\n{told}");
}
