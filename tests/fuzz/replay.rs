//! The kept corpus: what a search found once is tried for ever.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::inputs::INPUTS;

/// All files of the corpus together: it is for reading, not for storing.
const MAX_CORPUS_BYTES: u64 = 200_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name)
}

/// The kept files of an input, in the order of their names.
pub fn kept(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

#[test]
fn every_file_of_the_corpus_keeps_every_promise() {
    for (name, input) in INPUTS {
        let files = kept(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for (path, bytes) in files {
            let done = std::panic::catch_unwind(|| input(&bytes));
            assert!(done.is_ok(), "{} breaks a promise", path.display());
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_its_input_and_all_are_small() {
    let mut total = 0;
    for entry in fs::read_dir(folder("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(INPUTS.iter().any(|(input, _)| *input == name), "{name}");
        total += kept(&name)
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum::<u64>();
    }
    assert!(total <= MAX_CORPUS_BYTES, "{total} bytes");
}

#[test]
fn shipped_files_keep_every_promise() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, path) in [
        ("flow_file", "infra/flows/suppliers.toml"),
        ("flow_file", "infra/flows/examples/contacts.toml"),
        ("plan_sheet", "infra/flows/examples/sheet.csv"),
        ("schedule_event", "infra/events/batch-sync.json"),
        ("schedule_event", "infra/events/digest.json"),
        ("schedule_event", "infra/events/tick.json"),
        ("schedule_event", "infra/events/worker.json"),
    ] {
        let (_, input) = INPUTS.iter().find(|(input, _)| *input == name).unwrap();
        input(&fs::read(top.join(path)).unwrap());
    }
}
