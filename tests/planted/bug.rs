//! A planted bug, read from its patch.

use std::{
    fs,
    path::{Path, PathBuf},
};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

/// A planted bug.
pub struct Bug {
    /// The patch's name without its ending.
    pub name: String,
    /// The files that it changes, from the root of the repository, with their new text.
    pub files: Vec<(PathBuf, String)>,
    /// The seed from which it is hunted: a late theme's would come after the operations of all others.
    pub from: u64,
}

/// How a patch says so, above its first file.
const FROM: &str = "Hunted from seed ";

impl Bug {
    /// All patches, by name.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted/bugs");
        let mut patches: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "patch"))
            .collect();
        patches.sort();
        patches.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap();
        let files = PatchSet::parse(&text, ParseOptions::unidiff())
            .map(|file| {
                let file = file.unwrap_or_else(|error| panic!("{name}.patch: {error}"));
                let FileOperation::Modify { original, .. } = file.operation().strip_prefix(1)
                else {
                    panic!("{name}.patch does more than change files");
                };
                let place = PathBuf::from(original.as_ref());
                let source = fs::read_to_string(crate::workshop::repository().join(&place))
                    .unwrap_or_else(|error| panic!("{name}.patch: {}: {error}", place.display()));
                let change = file.patch().as_text().unwrap();
                let changed = diffy::apply(&source, change).unwrap_or_else(|error| {
                    panic!(
                        "{name}.patch no longer fits {}, renew it: {error}",
                        place.display()
                    )
                });
                assert_ne!(changed, source, "{name}.patch changes nothing");
                (place, changed)
            })
            .collect::<Vec<_>>();
        assert!(!files.is_empty(), "{name}.patch changes no file");
        let mut head = text.lines().take_while(|line| !line.starts_with("--- "));
        let from = head.find_map(|line| line.strip_prefix(FROM)?.strip_suffix('.'));
        let from = from.map_or(0, |seed| seed.parse().unwrap());
        Self { name, files, from }
    }
}
