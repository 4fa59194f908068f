//! The first lines: what runs, where its state is, how to look closer.

use std::{fmt, path::PathBuf};

use crate::{
    cli::{data_option, quoted},
    log::LogTo,
};

/// What is told at start.
pub(crate) struct Banner {
    /// Where the API answers.
    pub url: String,
    /// What to know of that address.
    pub warning: Option<String>,
    /// The data folder.
    pub data: PathBuf,
    /// Where the log goes.
    pub log: LogTo,
    /// Records that were found to have work.
    pub refilled: usize,
    /// The flows' names.
    pub flows: Vec<String>,
    /// Whether the API's token was set in the environment.
    pub token_in_env: bool,
    /// The simulated ERP and Qualio.
    pub demo: Option<(String, String)>,
}

impl Banner {
    /// A command line for the API that works as it stands.
    fn curl(&self, method: &str, path: &str) -> String {
        let token = if self.token_in_env {
            "$TIDEGATE_API_TOKEN".to_owned()
        } else {
            let path = self.data.join("token");
            format!("$(cat {})", quoted(&path.display().to_string()))
        };
        format!(
            "curl -s {method}-H \"Authorization: Bearer {token}\" {}{path}",
            self.url
        )
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data.display();
        writeln!(f, "Tidegate runs at {}", self.url)?;
        writeln!(f, "  flows  {}", self.flows.join(", "))?;
        match self.refilled {
            0 => writeln!(f, "  state  {data}")?,
            waiting => writeln!(
                f,
                "  state  {data}, going on with {waiting} records that wait"
            )?,
        }
        match &self.log {
            LogTo::File(path) => writeln!(f, "  log    {}", path.display())?,
            LogTo::Stderr => writeln!(f, "  log    standard error")?,
        }
        if let Some((erp, qualio)) = &self.demo {
            writeln!(
                f,
                "  demo   a simulated ERP at {erp} and a simulated Qualio at {qualio}"
            )?;
        }
        if let Some(warning) = &self.warning {
            writeln!(f, "\n{warning}")?;
        }
        let flow = self.flows.first().map_or("FLOW", String::as_str);
        let key = if self.demo.is_some() {
            "SUP-000001"
        } else {
            "KEY"
        };
        let record = format!("/v1/flows/{flow}/records/{key}");
        writeln!(f, "\nLook closer in another terminal:")?;
        writeln!(f, "  {}", self.curl("", "/v1/flows"))?;
        writeln!(f, "  {}", self.curl("", &record))?;
        writeln!(f, "  {}", self.curl("-X POST ", &format!("{record}/sync")))?;
        writeln!(f, "  {}", self.curl("", "/v1/reviews"))?;
        if let Some((_, qualio)) = &self.demo {
            writeln!(f, "  curl -s {qualio}/_double/suppliers")?;
        }
        let options = data_option(&self.data);
        let each = if options.is_empty() {
            String::new()
        } else {
            format!(", each with{options}")
        };
        writeln!(
            f,
            "or: tidegate status, reviews, preview {flow}, digest{each} (by cargo: cargo run -- status{options})"
        )?;
        writeln!(f, "Ctrl-C stops.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(data: &str) -> Banner {
        Banner {
            url: "http://127.0.0.1:8787".to_owned(),
            warning: None,
            data: data.into(),
            log: LogTo::File("x.log".into()),
            refilled: 0,
            flows: vec!["suppliers".to_owned()],
            token_in_env: false,
            demo: None,
        }
    }

    #[test]
    fn command_lines_can_be_pasted() {
        let shown = banner(".tidegate").to_string();
        let line = "curl -s -H \"Authorization: Bearer $(cat .tidegate/token)\" \
                    http://127.0.0.1:8787/v1/flows\n";
        assert!(shown.contains(line), "{shown}");
        assert!(
            shown.contains("digest (by cargo: cargo run -- status)\n"),
            "{shown}"
        );
        let shown = banner("my data/it's").to_string();
        let each = r"digest, each with --data 'my data/it'\''s' (by cargo";
        assert!(shown.contains(each), "{shown}");
        assert!(shown.contains(r"$(cat 'my data/it'\''s/token')"), "{shown}");
    }
}
