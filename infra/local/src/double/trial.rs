//! A request to try, as a person types it.

use crate::cli::quoted;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Trial {
    pub(super) const fn get(url: String) -> Self {
        Self {
            method: "GET",
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Sends JSON.
    pub(super) fn json(method: &'static str, url: String, body: &str) -> Self {
        let mime = "application/json".to_owned();
        Self {
            method,
            body: Some(body.to_owned()),
            ..Self::get(url).with("Content-Type", mime)
        }
    }

    /// Posts a form, whose type is curl's own.
    pub(super) fn form(url: String, body: &str) -> Self {
        Self {
            method: "POST",
            body: Some(body.to_owned()),
            ..Self::get(url)
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The line to type.
    pub(super) fn curl(&self) -> String {
        let mut words = vec!["curl -sS".to_owned()];
        let usual = if self.body.is_some() { "POST" } else { "GET" };
        if self.method != usual {
            words.push(format!("-X {}", self.method));
        }
        for (name, value) in &self.headers {
            words.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
        }
        if let Some(body) = &self.body {
            words.push(format!("-d {}", quoted(body)));
        }
        words.push(quoted(&self.url));
        words.join(" ")
    }

    /// Sends it as curl would.
    #[cfg(test)]
    pub(super) async fn sent(&self) -> reqwest::StatusCode {
        let method = self.method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method, &self.url);
        let has_type = self.headers.iter().any(|(name, _)| *name == "Content-Type");
        if self.body.is_some() && !has_type {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(self.body.clone().unwrap_or_default());
        request.send().await.unwrap().status()
    }
}

#[cfg(test)]
mod tests {
    use super::Trial;

    #[test]
    fn a_line_is_typed_as_a_shell_takes_it() {
        let url = || "http://127.0.0.1:9/a?b=1&c".to_owned();
        assert_eq!(
            Trial::get(url()).curl(),
            "curl -sS 'http://127.0.0.1:9/a?b=1&c'"
        );
        let put = Trial::json("PUT", "http://x/y".to_owned(), "{\"it's\":1}");
        assert_eq!(
            put.curl(),
            r#"curl -sS -X PUT -H 'Content-Type: application/json' -d '{"it'\''s":1}' http://x/y"#
        );
        let form = Trial::form(url(), "a=b").with("Authorization", "Basic eA".to_owned());
        assert!(
            form.curl()
                .starts_with("curl -sS -H 'Authorization: Basic eA' -d 'a=b' ")
        );
    }
}
