//! A marked region of a template: what lies between two lines that name it.

use std::collections::BTreeMap;

use super::resources::Resource;

/// Why a region can not be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegionError {
    /// A line that names it is not there.
    #[error("it has no line `{0}`")]
    Missing(String),
    /// A line that names it stands there more than once.
    #[error("the line `{0}` stands there more than once")]
    Twice(String),
}

/// A region and what is around it. The lines that name it belong to the surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region<'a> {
    name: &'a str,
    before: String,
    inside: &'a str,
    after: String,
}

impl<'a> Region<'a> {
    /// Finds the region `name`.
    pub(super) fn find(template: &'a str, name: &'a str) -> Result<Self, RegionError> {
        let marker = |word: &str| format!("  # tidegate render: {word} {name}\n");
        let (begin, end) = (marker("begin"), marker("end"));
        for marker in [&begin, &end] {
            let line = || marker.trim().to_owned();
            match template.matches(marker.as_str()).count() {
                0 => return Err(RegionError::Missing(line())),
                1 => {}
                _ => return Err(RegionError::Twice(line())),
            }
        }
        let missing = |marker: &String| RegionError::Missing(marker.trim().to_owned());
        let parts = template.split_once(&begin);
        let (before, rest) = parts.ok_or_else(|| missing(&begin))?;
        let parts = rest.split_once(&end);
        let (inside, after) = parts.ok_or_else(|| missing(&end))?;
        Ok(Self {
            name,
            before: format!("{before}{begin}"),
            inside,
            after: format!("{end}{after}"),
        })
    }

    /// The template with these resources in the region.
    pub(super) fn with(&self, resources: &[Resource]) -> String {
        format!("{}{}{}", self.before, written(resources), self.after)
    }

    /// What does not stand in the region as it should, by name.
    pub(super) fn stale(&self, resources: &[Resource]) -> Vec<String> {
        let name = self.name;
        let mut stands = self.resources();
        let mut stale = Vec::new();
        for resource in resources {
            match stands.remove(resource.id.as_str()) {
                None => stale.push(format!("{} is missing in {name}", resource.id)),
                Some(text) if text != resource.text => {
                    stale.push(format!("{} is stale in {name}", resource.id));
                }
                Some(_) => {}
            }
        }
        let gone = stands.into_keys();
        stale.extend(gone.map(|id| format!("{id} belongs to no flow in {name}")));
        if stale.is_empty() && self.inside != written(resources) {
            stale.push(format!("{name} is not as it is written"));
        }
        stale
    }

    /// The resources that stand there, each with its text.
    fn resources(&self) -> BTreeMap<&str, String> {
        let mut stand: BTreeMap<&str, String> = BTreeMap::new();
        let mut id = None;
        for line in self.inside.split_inclusive('\n') {
            let top = line
                .strip_prefix("  ")
                .filter(|line| !line.starts_with(' '));
            let named = top.and_then(|line| line.strip_suffix(":\n"));
            id = named.filter(|name| !name.starts_with('#')).or(id);
            if let Some(id) = id.filter(|_| !line.trim().is_empty()) {
                stand.entry(id).or_default().push_str(line);
            }
        }
        stand
    }
}

/// As they stand in a region.
fn written(resources: &[Resource]) -> String {
    let texts: Vec<&str> = resources.iter().map(|one| one.text.as_str()).collect();
    texts.join("\n")
}
