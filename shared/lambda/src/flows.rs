//! Flow files, from a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tidegate_policy::{
    check::{self, Mistake},
    flow::{Connectors, Flow, FlowText, Settings},
};

use crate::FlowsFolder;

const EXTENSION: &str = "toml";

/// One reason why the flows can not be loaded.
#[derive(Debug)]
pub enum FlowsProblem {
    /// The folder or a file can not be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has no flow file.
    None {
        /// The folder.
        folder: PathBuf,
    },
    /// A file has a mistake.
    Mistake(Mistake),
}

impl fmt::Display for FlowsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => write!(f, "{}: {source}", path.display()),
            Self::None { folder } => write!(f, "{}: no *.toml in this folder", folder.display()),
            Self::Mistake(mistake) => mistake.fmt(f),
        }
    }
}

/// Every reason at once.
#[derive(Debug)]
pub struct FlowsError(pub Vec<FlowsProblem>);

impl std::error::Error for FlowsError {}

impl fmt::Display for FlowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flows can not be loaded:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Where in the folder of the flow files the files of stages are.
pub const STAGES: &str = "stages";

/// The settings of a stage, from its file `stages/STAGE.toml`; what is `given` goes before them.
pub fn load_settings(flows: &FlowsFolder, given: Settings) -> Result<Settings, FlowsError> {
    let Some(stage) = &flows.stage else {
        return Ok(given);
    };
    let path = flows
        .folder
        .join(STAGES)
        .join(format!("{stage}.{EXTENSION}"));
    let file = path.display().to_string();
    let text = fs::read_to_string(&path)
        .map_err(|source| FlowsError(vec![FlowsProblem::Unreadable { path, source }]))?;
    let of_mistakes = |mistakes: Vec<Mistake>| {
        FlowsError(mistakes.into_iter().map(FlowsProblem::Mistake).collect())
    };
    let mut settings = check::stage(&file, &text).map_err(of_mistakes)?;
    settings.extend(given);
    Ok(settings)
}

/// Where in the folder of the flow files those of connectors are, each in a folder of its own.
pub const CONNECTORS: &str = "connectors";
/// The file of a connector in its folder.
const CONNECTOR_FILE: &str = "connector.toml";

/// The connectors that flow files of this folder may name: those beside them. A folder without any is
/// none, and so is a folder in there without a connector's file.
pub fn read_connectors(flows: &Path) -> Result<Connectors, FlowsProblem> {
    let mut connectors = Connectors::new();
    let folder = flows.join(CONNECTORS);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(connectors),
        Err(source) => {
            return Err(FlowsProblem::Unreadable {
                path: folder,
                source,
            });
        }
    };
    for entry in entries {
        let unreadable = |path: &Path, source| FlowsProblem::Unreadable {
            path: path.to_owned(),
            source,
        };
        let entry = entry.map_err(|source| unreadable(&folder, source))?;
        let path = entry.path().join(CONNECTOR_FILE);
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                connectors.insert(name, (path.display().to_string(), text));
            }
            Err(error) if is_none(&error) => {}
            Err(source) => return Err(unreadable(&path, source)),
        }
    }
    Ok(connectors)
}

/// There is no such file, or what should be its folder is a file.
fn is_none(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Loads every `*.toml` that lies directly in the folder, in the order of their names. All mistakes
/// of all files are reported at once.
pub fn load_flows(folder: &Path, settings: &Settings) -> Result<Vec<Flow>, FlowsError> {
    let files = flow_files(folder).map_err(|problem| FlowsError(vec![problem]))?;
    let connectors = read_connectors(folder).map_err(|problem| FlowsError(vec![problem]))?;
    let connectors = Arc::new(connectors);
    let mut problems = Vec::new();
    let mut told: BTreeSet<Mistake> = BTreeSet::new();
    let mut flows: Vec<Flow> = Vec::new();
    let mut files_by_name: BTreeMap<String, String> = BTreeMap::new();
    for path in files {
        let file = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => {
                problems.push(FlowsProblem::Unreadable { path, source });
                continue;
            }
        };
        let text = FlowText {
            name: file,
            text,
            connectors: Arc::clone(&connectors),
        };
        match Flow::load_text(&text, settings) {
            Ok(flow) => {
                let (name, file) = (flow.id().to_string(), text.name);
                if let Some(first) = files_by_name.get(&name) {
                    let message = format!("the flow {name} is declared in {first} too");
                    problems.push(FlowsProblem::Mistake(Mistake {
                        file,
                        line: 1,
                        message,
                    }));
                } else {
                    files_by_name.insert(name, file);
                    flows.push(flow);
                }
            }
            Err(mistakes) => told.extend(mistakes),
        }
    }
    // A mistake of a connector is told once, however many flows name it.
    problems.extend(told.into_iter().map(FlowsProblem::Mistake));
    if problems.is_empty() {
        Ok(flows)
    } else {
        Err(FlowsError(problems))
    }
}

fn flow_files(folder: &Path) -> Result<Vec<PathBuf>, FlowsProblem> {
    let unreadable = |source| FlowsProblem::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file()
            && path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
        {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(FlowsProblem::None {
            folder: folder.to_owned(),
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");

    /// A value for every `env.NAME` of the flow file.
    fn settings() -> Settings {
        let names = FLOW.split("env.").skip(1).map(|rest| {
            let end =
                rest.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
            rest.get(..end.unwrap_or(rest.len()))
                .unwrap_or_default()
                .to_owned()
        });
        let value = |name: &String| {
            if name.ends_with("_URL") {
                "https://example.com"
            } else {
                "1"
            }
            .to_owned()
        };
        names.map(|name| (name.clone(), value(&name))).collect()
    }

    #[test]
    fn flow_files_directly_in_the_folder_are_loaded() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("suppliers.toml"), FLOW).unwrap();
        fs::write(folder.path().join("README.md"), "no flow").unwrap();
        fs::create_dir(folder.path().join("old.toml")).unwrap();
        let flows = load_flows(folder.path(), &settings()).unwrap();
        assert_eq!(flows.len(), 1);
        assert_eq!(flows[0].id().as_str(), "suppliers");
    }

    #[test]
    fn mistakes_of_all_files_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.toml"), "name = 1\n").unwrap();
        fs::write(folder.path().join("b.toml"), "revision = \n").unwrap();
        fs::write(folder.path().join("c.toml"), FLOW).unwrap();
        fs::write(folder.path().join("d.toml"), FLOW).unwrap();
        let shown = load_flows(folder.path(), &settings())
            .unwrap_err()
            .to_string();
        for file in [
            "a.toml:1",
            "b.toml:1",
            "d.toml:1: the flow suppliers is declared in",
        ] {
            assert!(shown.contains(file), "{file} in {shown}");
        }
    }

    #[test]
    fn the_settings_are_those_of_the_stage_unless_given() {
        let folder = tempfile::tempdir().unwrap();
        let of = |stage: &str| FlowsFolder {
            folder: folder.path().to_owned(),
            stage: Some(stage.to_owned()),
        };
        fs::create_dir(folder.path().join(STAGES)).unwrap();
        for (file, text) in [
            ("staging.toml", "ERP_URL = \"https://test\"\nRISK = \"2\"\n"),
            ("wrong.toml", "ERP_URL = \"https://test\"\nrisk = \"2\"\n"),
        ] {
            fs::write(folder.path().join(STAGES).join(file), text).unwrap();
        }
        let given = Settings::from([("RISK".to_owned(), "9".to_owned())]);
        let loaded = load_settings(&of("staging"), given.clone()).unwrap();
        assert_eq!(loaded["ERP_URL"], "https://test");
        assert_eq!(loaded["RISK"], "9");
        let without = FlowsFolder {
            stage: None,
            ..of("")
        };
        assert_eq!(load_settings(&without, given.clone()).unwrap(), given);
        for (stage, told) in [
            ("wrong", "wrong.toml:2: \"risk\""),
            ("none", "stages/none.toml: "),
        ] {
            let error = load_settings(&of(stage), given.clone())
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{told} in {error}");
        }
    }

    #[test]
    fn a_folder_without_flows_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load_flows(folder.path(), &Settings::new()).is_err());
        assert!(load_flows(&folder.path().join("none"), &Settings::new()).is_err());
    }
}
