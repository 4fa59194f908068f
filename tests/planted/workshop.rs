//! A copy of the sources in which one bug at a time is planted and built, and the hunt for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What of the repository takes part in a build of the hunt. The workspace names all its members,
/// so their manifests must be there too.
const SOURCES: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "functions",
    "shared",
    "tests",
    "infra",
];

/// The hunt's name in the copy: the one of the repository keeps its place in the build folder.
const HUNT: &str = "planted-hunt";

/// What a hunt came to.
#[derive(Debug)]
pub enum Hunt {
    /// A checker complained.
    Found {
        /// After so many operations.
        operations: u64,
        /// The invariant that was seen to break.
        invariant: String,
    },
    /// All operations passed.
    NothingFound,
}

/// A copy of the sources.
pub struct Workshop {
    folder: PathBuf,
    sources: PathBuf,
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

impl Workshop {
    /// Copies the sources as they are. What an earlier suite left and is the same is kept, so that
    /// only what differs is built again.
    pub fn open() -> Self {
        // The folder of cargo's that belongs to this test.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
        let sources = folder.join("sources");
        fs::create_dir_all(&sources).unwrap();
        for name in SOURCES {
            mirror(&repository().join(name), &sources.join(name)).unwrap();
        }
        let manifest = sources.join("tests/Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let renamed = text.replace("name = \"hunt\"", &format!("name = \"{HUNT}\""));
        assert_ne!(renamed, text, "the manifest names the hunt");
        fs::write(manifest, renamed).unwrap();
        Self { folder, sources }
    }

    /// Builds the hunt with these files changed, under a name of its own.
    pub fn build(&self, name: &str, changed: &[(PathBuf, String)]) -> PathBuf {
        for (place, text) in changed {
            fs::write(self.sources.join(place), text).unwrap();
        }
        // The workspace's own build folder, which cargo has let go of before it runs tests: the other
        // crates are there.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--workspace"])
            .args(["--bin", HUNT])
            .current_dir(&self.sources)
            .env("CARGO_TARGET_DIR", target)
            // Dozens of builds that differ by a line.
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .output()
            .unwrap();
        for (place, _) in changed {
            fs::copy(repository().join(place), self.sources.join(place)).unwrap();
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} does not build: {said}");
        let hunt = self.folder.join(name);
        // A link, since a program that is open for writing where another is started can not be run.
        fs::hard_link(target.join("debug").join(HUNT), &hunt).unwrap();
        hunt
    }
}

impl Hunt {
    /// Hunts with what was built, and removes it.
    pub fn with(hunt: &Path, from: u64, operations: u64) -> Self {
        let output = Command::new(hunt)
            .args(["--threads", "1", "--from", &from.to_string()])
            .args(["--operations", &operations.to_string()])
            .output()
            .unwrap();
        fs::remove_file(hunt).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) => Self::NothingFound,
            Some(1) => found(&said),
            _ => panic!(
                "the hunt broke: {}\n{said}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }
}

/// Reads the hunt's verdict, its line that begins with `found after`.
fn found(said: &str) -> Hunt {
    let line = said
        .lines()
        .find(|line| line.trim_start().starts_with("found after "));
    let line = line.unwrap_or_else(|| panic!("the hunt failed without a verdict:\n{said}"));
    // "found after 467 operations by REG-2; ..."
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, _, operations, _, _, invariant, ..] = words.as_slice() else {
        panic!("not a verdict: {line}");
    };
    let operations = operations.parse();
    Hunt::Found {
        operations: operations.unwrap_or_else(|_| panic!("no count of operations in: {line}")),
        invariant: invariant.trim_end_matches(';').to_owned(),
    }
}

/// Makes `to` equal to `from`. Equal files keep their time, so that nothing is built for them.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_file() {
        let wanted = fs::read(from)?;
        if fs::read(to).is_ok_and(|there| there == wanted) {
            return Ok(());
        }
        return fs::write(to, wanted);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !from.join(entry.file_name()).exists() {
            let path = entry.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        mirror(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
