//! The file of a stage: the settings that flow files call `env.NAME`, as that stage has them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Document, Mistake, secrets, sound};
use crate::flow::{FlowText, Settings, named_settings};

/// Reads the file of a stage: a table of names, each with a text. A flow does not run by a placeholder.
pub fn stage(file: &str, text: &str) -> Result<Settings, Vec<Mistake>> {
    let Stage { settings, open, .. } = read(file, text)?;
    if open.is_empty() {
        Ok(settings)
    } else {
        Err(open)
    }
}

/// A stage as its file has it.
struct Stage {
    settings: Settings,
    /// What nobody has filled in yet.
    open: Vec<Mistake>,
    /// The line of each setting.
    lines: BTreeMap<String, usize>,
}

/// Stands in the place of a placeholder while the rest is looked at: it is an address, as some must be.
const FILLED_IN: &str = "https://placeholder.invalid";

fn read(file: &str, text: &str) -> Result<Stage, Vec<Mistake>> {
    let document = Document::parse(file, text)?;
    let (mut settings, mut open, mut lines) = (Settings::new(), Vec::new(), BTreeMap::new());
    let mut mistakes = Vec::new();
    let entries = document.value.as_object().into_iter().flatten();
    for (name, value) in entries {
        let (_, line) = document.place(&format!("/{name}"));
        lines.insert(name.clone(), line);
        let mut wrong = |message: String| mistakes.push(Mistake::new(file, line, message));
        match value.as_str().map(str::trim) {
            _ if !is_name(name) => wrong(format!(
                "{name:?} is no name of a setting: capitals, digits and `_`, as in `env.ERP_URL`"
            )),
            None => wrong(format!("{name} must be a text in quotes")),
            Some("") => wrong(format!("{name} is empty")),
            Some(value) if value.contains(['<', '>']) => {
                let message = format!("{name} is still a placeholder: put the value in its place");
                open.push(Mistake::new(file, line, message));
                settings.insert(name.clone(), FILLED_IN.to_owned());
            }
            Some(value) => {
                settings.insert(name.clone(), value.to_owned());
            }
        }
    }
    if mistakes.is_empty() {
        Ok(Stage {
            settings,
            open,
            lines,
        })
    } else {
        Err(mistakes)
    }
}

/// The settings of a stage, something in the place of each placeholder; none of a file with mistakes.
pub fn filled_in(file: &str, text: &str) -> Option<Settings> {
    read(file, text).ok().map(|stage| stage.settings)
}

/// What is wrong with the flow files in each of these stages: a setting that the stage does not give,
/// or one whose value does not do. The second list is of placeholders, by which no function of that stage
/// works, of what may be a secret, which stands in no file, and of what no flow names.
pub fn stages(files: &[FlowText], stages: &[(String, String)]) -> (Vec<Mistake>, Vec<Mistake>) {
    let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
    let flows = files.iter().filter_map(super::read);
    let named: BTreeSet<String> = flows.flat_map(|flow| named_settings(&flow)).collect();
    for (name, text) in stages {
        let Stage {
            settings,
            open,
            lines,
        } = match read(name, text) {
            Ok(stage) => stage,
            Err(wrong) => {
                mistakes.extend(wrong);
                continue;
            }
        };
        warnings.extend(open);
        for (setting, value) in &settings {
            let line = lines.get(setting).copied().unwrap_or(1);
            if !is_uuid(value) && secrets::hide(value) != *value {
                let message = format!(
                    "{setting} may hold a secret: name it in the flow file as one, and keep it in Secrets Manager"
                );
                warnings.push(Mistake::new(name, line, message));
            }
            if !named.contains(setting) {
                let message = format!("{setting} is named by no flow: is it spelt so there?");
                warnings.push(Mistake::new(name, line, message));
            }
        }
        for flow in files {
            let wrong = sound(flow, &settings).err().unwrap_or_default();
            let told = wrong
                .into_iter()
                .map(|wrong| Mistake::new(name, 1, format!("in this stage, {wrong}")));
            mistakes.extend(told);
        }
    }
    (mistakes, warnings)
}

/// An id as many systems give them, which looks as random as a secret.
fn is_uuid(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_hex = |part: &&str| part.chars().all(|c| c.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(is_hex)
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = include_str!("../../../../infra/flows/suppliers.toml");
    const WHOLE: &str = r#"# The stage of the tests.
ERP_URL = "https://erp.example.com"
QUALIO_URL = "https://qualio.example.com"
QUALIO_RISK_LOW = "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a01"
QUALIO_RISK_MEDIUM = "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a02"
QUALIO_RISK_HIGH = "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a03"
"#;

    fn told(text: &str) -> (String, String) {
        let flows = [FlowText::alone("f.toml", FLOW)];
        let (mistakes, warnings) = stages(&flows, &[("stages/x.toml".to_owned(), text.to_owned())]);
        let lines = |found: Vec<Mistake>| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        (lines(mistakes), lines(warnings))
    }

    #[test]
    fn a_stage_that_gives_every_setting_is_whole() {
        assert_eq!(told(WHOLE), (String::new(), String::new()));
        let settings = stage("stages/x.toml", WHOLE).unwrap();
        assert_eq!(settings.len(), 5);
        assert_eq!(settings["ERP_URL"], "https://erp.example.com");
    }

    #[test]
    fn each_mistake_of_a_stage_is_told_at_its_place() {
        for (line, instead, says) in [
            ("ERP_URL", "", "stages/x.toml:1: in this stage, f.toml:35: "),
            (
                "ERP_URL",
                "ERP_URL = \"ftp://x\"",
                "stages/x.toml:1: in this stage, f.toml:35: ",
            ),
            (
                "ERP_URL",
                "ERP_URL = 7",
                "stages/x.toml:2: ERP_URL must be a text in quotes",
            ),
            (
                "ERP_URL",
                "ERP_URL = \" \"",
                "stages/x.toml:2: ERP_URL is empty",
            ),
            (
                "QUALIO_RISK_LOW",
                "erp_url = \"x\"",
                "stages/x.toml:4: \"erp_url\" is no name of a setting",
            ),
            ("QUALIO_RISK_LOW", "= 3", "stages/x.toml:4: "),
        ] {
            let lines = WHOLE.lines().map(|text| {
                if text.starts_with(line) {
                    instead
                } else {
                    text
                }
            });
            let (mistakes, _) = told(&lines.collect::<Vec<_>>().join("\n"));
            assert!(mistakes.contains(says), "{instead}: {mistakes}");
        }
    }

    #[test]
    fn a_placeholder_is_warned_of_and_no_function_works_by_it() {
        let text = WHOLE.replace("https://erp.example.com", "https://<tenant>.example.com");
        let (mistakes, warnings) = told(&text);
        assert_eq!(mistakes, "");
        assert!(
            warnings.contains("stages/x.toml:2: ERP_URL is still a placeholder"),
            "{warnings}"
        );
        let wrong = stage("stages/x.toml", &text).unwrap_err();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }

    #[test]
    fn what_may_be_a_secret_is_warned_of_and_not_repeated() {
        let secret = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
        let (mistakes, warnings) = told(&format!("{WHOLE}ERP_KEY = \"{secret}\"\n"));
        assert_eq!(mistakes, "");
        let at = "stages/x.toml:7: ERP_KEY";
        for says in ["may hold a secret", "is named by no flow"] {
            assert!(warnings.contains(&format!("{at} {says}")), "{warnings}");
        }
        assert!(!warnings.contains(secret), "{warnings}");
    }
}
