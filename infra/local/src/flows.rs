//! Where the flow files are, and loading them with everything they need, all faults at once.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use tidegate_lambda::{CONNECTORS, STAGES, read_connectors};
use tidegate_model::{
    UnixMs,
    flow::{FlowFile, SecretName, Signing},
};
use tidegate_policy::{
    check::{self, Mistake},
    flow::{Connectors, Flow, FlowText},
    signature::SigningSecret,
};

use crate::place::{self, Place};

/// Folders that are looked at where none is named, from the working directory.
const USUAL_FOLDERS: [&str; 2] = ["infra/flows", "flows"];

/// The demo's flow, for a command that runs outside the repository.
const DEMO_FLOW: &str = include_str!("../../flows/suppliers.toml");
const DEMO_FILE: &str = "suppliers.toml (built in)";

/// Flow files as they were read.
pub(crate) type Files = Vec<FlowText>;

/// Reads the flow files of the named folder, or of the usual one.
pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<Files> {
    match find(named) {
        Some(folder) => read_flows(&folder),
        None => bail!(
            "there are no flow files: neither {} is here; name their folder with --flows",
            USUAL_FOLDERS.join(" nor ")
        ),
    }
}

/// The same; outside the repository the demo's own flow.
pub(crate) fn read_or_demo(named: Option<&Path>) -> anyhow::Result<Files> {
    match find(named) {
        Some(folder) => read_flows(&folder),
        None => Ok(vec![FlowText::alone(DEMO_FILE, DEMO_FLOW)]),
    }
}

fn find(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(folder) => Some(folder.to_owned()),
        None => USUAL_FOLDERS
            .iter()
            .map(PathBuf::from)
            .find(|folder| folder.is_dir()),
    }
}

/// The flow files of a folder, or one file, with the connectors that they may name.
fn read_flows(folder: &Path) -> anyhow::Result<Files> {
    if folder.is_file() {
        return Ok(vec![read_flow(folder)?]);
    }
    let connectors = Arc::new(connectors_of(folder)?);
    let files = read_folder(folder)?.into_iter();
    let flows = files.map(|(name, text)| FlowText {
        name,
        text,
        connectors: Arc::clone(&connectors),
    });
    Ok(flows.collect())
}

/// Reads one flow file, with the connectors that it may name.
pub(crate) fn read_flow(path: &Path) -> anyhow::Result<FlowText> {
    let (name, text) = read_file(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(FlowText {
        name,
        text,
        connectors: Arc::new(connectors_of(folder)?),
    })
}

/// The connectors beside flow files, or, for a folder of examples, beside their folder.
fn connectors_of(folder: &Path) -> anyhow::Result<Connectors> {
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        if folder.join(CONNECTORS).is_dir() {
            return read_connectors(folder).map_err(|problem| anyhow::anyhow!("{problem}"));
        }
    }
    Ok(Connectors::new())
}

fn read_folder(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let unreadable = || format!("the flow folder {} can not be read", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|end| end == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        bail!("{} holds no flow file (*.toml)", folder.display());
    }
    paths.iter().map(|path| read_file(path)).collect()
}

/// Reads a file: its name and its text.
fn read_file(path: &Path) -> anyhow::Result<(String, String)> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("the flow file {name} can not be read"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let whole = error
                .as_bytes()
                .iter()
                .take(error.utf8_error().valid_up_to());
            let line = 1 + whole.filter(|byte| **byte == b'\n').count();
            bail!("{name}:{line}: this line is not UTF-8 text; save the flow file as UTF-8")
        }
    }
}

/// The flows that files without mistakes describe, each with the name of its file.
pub(crate) fn parse(files: &Files) -> anyhow::Result<Vec<(String, FlowFile)>> {
    files
        .iter()
        .map(|flow| {
            let file = check::read(flow);
            let file = file.with_context(|| format!("{} does not parse", flow.name))?;
            Ok((flow.name.clone(), file))
        })
        .collect()
}

/// Loads flows that are to run. Every mistake of every file is told at once, every setting and secret
/// that is missing, and every webhook secret that is none.
pub(crate) fn load(files: &Files, place: &Place, now: UnixMs) -> anyhow::Result<Vec<Arc<Flow>>> {
    let mut problems: BTreeSet<String> = check::check(files, place.settings(), now)
        .mistakes
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut flows = Vec::new();
    for flow in files {
        match Flow::load_text(flow, place.settings()) {
            Ok(flow) => flows.push(Arc::new(flow)),
            Err(mistakes) => problems.extend(mistakes.iter().map(ToString::to_string)),
        }
        problems.extend(missing_secrets(flow, place));
        let malformed = malformed_secrets(flow, place);
        problems.extend(malformed.iter().map(ToString::to_string));
    }
    if problems.is_empty() {
        return Ok(flows);
    }
    let problems: Vec<String> = problems.into_iter().collect();
    bail!(
        "the flows can not run:\n  {}\n(looked in {})",
        problems.join("\n  "),
        place::ORIGIN
    )
}

/// Secrets that a flow names and that are not here. Read from the file itself, since a flow with
/// mistakes is told about its secrets too.
fn missing_secrets(text: &FlowText, place: &Place) -> Vec<String> {
    let Some(flow) = check::read(text) else {
        return Vec::new();
    };
    let file = &text.name;
    secrets(&flow)
        .into_iter()
        .filter(|name| place.secret(name).is_none())
        .map(|name| format!("{file}: the secret `{name}` is not set"))
        .collect()
}

/// Webhook secrets that are here and verify nothing, each at the line that names it.
pub(crate) fn malformed_secrets(text: &FlowText, place: &Place) -> Vec<Mistake> {
    let Some(flow) = check::read(text) else {
        return Vec::new();
    };
    let signing = flow.webhook.as_ref().map(|webhook| &webhook.signed);
    let signing = signing.unwrap_or(&Signing::Standard);
    let malformed = webhook_secrets(&flow).filter_map(|name| {
        let fault = SigningSecret::of(signing, place.secret(name)?.reveal()).err()?;
        let quoted = format!("\"{name}\"");
        // One that a connector names is told at the first line.
        let at = text.text.lines().position(|line| line.contains(&quoted));
        Some(Mistake {
            file: text.name.clone(),
            line: at.unwrap_or(0) + 1,
            message: format!("the secret `{name}` can not be used: {fault}"),
        })
    });
    malformed.collect()
}

/// The names of the secrets that webhooks of a flow are signed by.
pub(crate) fn webhook_secrets(flow: &FlowFile) -> impl Iterator<Item = &str> {
    let names = flow.webhook.iter().flat_map(|webhook| &webhook.secrets);
    names.map(SecretName::as_str)
}

/// The names of the secrets by which the warehouse of a flow is called.
pub(crate) fn warehouse_secrets(flow: &FlowFile) -> impl Iterator<Item = &str> {
    flow.warehouse_secrets().map(SecretName::as_str)
}

/// The names of the secrets by which source and target of a flow are called.
pub(crate) fn system_secrets(flow: &FlowFile) -> impl Iterator<Item = &str> {
    flow.system_secrets().map(SecretName::as_str)
}

/// The names of the secrets by which the source of a flow is called.
pub(crate) fn source_secrets(flow: &FlowFile) -> impl Iterator<Item = &str> {
    let source = flow.source.rest().into_iter();
    let named = source.flat_map(|source| source.auth.secrets());
    named.map(SecretName::as_str)
}

/// The names of the secrets of a flow.
pub(crate) fn secrets(flow: &FlowFile) -> BTreeSet<&str> {
    system_secrets(flow)
        .chain(warehouse_secrets(flow))
        .chain(webhook_secrets(flow))
        .collect()
}

/// The files of the stages that stand beside the flow files: the name of each and its text.
pub(crate) fn read_stages(named: Option<&Path>) -> anyhow::Result<Vec<(String, String)>> {
    let folder = find(named).map(|folder| folder.join(STAGES));
    match folder {
        Some(folder) if folder.is_dir() => read_folder(&folder),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegate_lambda::Config;

    use super::*;

    fn demo_files() -> Files {
        vec![FlowText::alone(DEMO_FILE, DEMO_FLOW)]
    }

    #[test]
    fn all_that_is_missing_is_told_at_once_with_where_it_was_looked_for() {
        let values = [("TIDEGATE_VAR_ERP_URL", "http://127.0.0.1:1")];
        let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let place = Place::of_config(&Config::from_map(values.into(), "a test"));
        let error = load(&demo_files(), &place, UnixMs::EPOCH).unwrap_err();
        let told = error.to_string();
        for missing in [
            "`QUALIO_URL`",
            "`QUALIO_RISK_LOW`",
            "the secret `ERP_TOKEN` is not set",
            "the secret `QUALIO_API_KEY` is not set",
            "the secret `SUPPLIERS_WEBHOOK_2` is not set",
            "TIDEGATE_VAR_",
            "TIDEGATE_SECRET_",
        ] {
            assert!(told.contains(missing), "{missing} in {told}");
        }
        assert!(!told.contains("`ERP_URL`"), "{told}");
    }

    #[test]
    fn a_webhook_secret_that_is_none_is_told_by_its_line_and_never_by_its_value() {
        let line = 1 + DEMO_FLOW
            .lines()
            .position(|line| line.contains("SUPPLIERS_WEBHOOK_2"))
            .unwrap();
        for (text, why) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None),
            (" whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", None),
            ("whsec_MfKQ9r8GKYq_", Some("`whsec_` and base64")),
            ("arn:aws:secretsmanager:eu", Some("`whsec_` and base64")),
            ("whsec_MfKQ9r8GKYqr", Some("24 to 64 bytes")),
            ("whsec_", Some("24 to 64 bytes")),
        ] {
            let place = Place::of_config(&Config::from_map(BTreeMap::new(), "a test"))
                .with_secret("SUPPLIERS_WEBHOOK_1", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
                .with_secret("SUPPLIERS_WEBHOOK_2", text);
            let told = load(&demo_files(), &place, UnixMs::EPOCH)
                .unwrap_err()
                .to_string();
            let named = why.map(|why| {
                format!("{DEMO_FILE}:{line}: the secret `SUPPLIERS_WEBHOOK_2` can not be used: a webhook secret ")
                    + if why.starts_with('`') { "is " } else { "has " }
                    + why
            });
            match named {
                Some(named) => assert!(told.contains(&named), "{named} in {told}"),
                None => assert!(!told.contains("can not be used"), "{text}: {told}"),
            }
            assert!(!told.contains("MfKQ9r8GKY"), "{told}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_its_name_is_not_told_as_missing() {
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let text = DEMO_FLOW.replace("SUPPLIERS_WEBHOOK_2", key);
        let place = Place::of_config(&Config::from_map(BTreeMap::new(), "a test"));
        let error = load(
            &vec![FlowText::alone(DEMO_FILE, text)],
            &place,
            UnixMs::EPOCH,
        )
        .unwrap_err();
        let told = error.to_string();
        assert!(told.contains("must be the name of a secret"), "{told}");
        assert!(!told.contains("MfKQ9r8GKY"), "{told}");
    }

    #[test]
    fn a_file_that_is_no_text_is_told_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        fs::write(&path, b"name = \"x\"\n# caf\xe9\n").unwrap();
        let told = read(Some(folder.path())).unwrap_err().to_string();
        assert!(told.contains("x.toml:2: this line is not UTF-8"), "{told}");
    }

    #[test]
    fn a_folder_without_flows_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("holds no flow file"), "{error}");
        assert!(read(Some(&folder.path().join("none"))).is_err());
    }
}
