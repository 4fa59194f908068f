//! An `OpenAPI` 3.x document: where the body of a call is described.

use serde_json::Value;

use super::{
    ContractError, Operation, Schema, Writes,
    schema::{Below, MAX_DEPTH, Part, Reader},
    writes::segments,
};

/// A document that says it is one.
pub(super) struct Document<'a> {
    root: Part<'a>,
    /// Segments of the paths of its servers.
    servers: Vec<Vec<String>>,
}

impl<'a> Document<'a> {
    pub(super) fn open(value: &'a Value) -> Result<Self, ContractError> {
        let root = Part {
            at: String::new(),
            value,
        };
        let is_3 = |version: &str| version.starts_with("3.");
        if !value
            .get("openapi")
            .and_then(Value::as_str)
            .is_some_and(is_3)
        {
            let at = if value.get("openapi").is_some() {
                "/openapi"
            } else {
                ""
            };
            let why =
                "this is no OpenAPI 3.x document in JSON: `openapi` must be a text such as `3.1.0`";
            return Err(ContractError::new(at, why));
        }
        if root.get("paths").is_none() {
            return Err(root.wrong("`paths` is missing"));
        }
        let urls = value.get("servers").and_then(Value::as_array);
        let urls = urls.into_iter().flatten();
        let servers = urls
            .filter_map(|server| server.get("url")?.as_str())
            .map(|url| segments(path_of_url(url)));
        Ok(Self {
            servers: servers.collect(),
            root,
        })
    }

    /// What the target accepts as the body of a call; none where it does not describe the call.
    pub(super) fn body_of(
        &self,
        operation: &Operation,
        writes: &Writes,
    ) -> Result<Option<Schema>, ContractError> {
        let Some(path) = self.path(operation, writes)? else {
            return Ok(None);
        };
        let mut reader = Reader::new(self.root.value);
        let path = resolved(&reader, path)?;
        let method = operation.method.as_str().to_ascii_lowercase();
        let Some(call) = path.get(&method) else {
            return Ok(None);
        };
        let Some(body) = call.get("requestBody") else {
            return Err(call.wrong(format!("{} takes no body here", operation.name())));
        };
        let body = resolved(&reader, body)?;
        let Some(content) = body.get("content") else {
            return Err(body.wrong("`content` is missing"));
        };
        let media = content
            .table()?
            .iter()
            .find(|(media, _)| is_json(media))
            .map(|(media, value)| content.child(media, value));
        let Some(media) = media else {
            return Err(content.wrong("no JSON is taken here, and a flow sends nothing else"));
        };
        match media.get("schema") {
            Some(schema) => reader
                .read(&schema, Below::Only(writes.body()), 0)
                .map(Some),
            None => Ok(Some(Schema::any())),
        }
    }

    /// The path of the document that a call goes to: the same text first, then one with a parameter
    /// where the call has a text.
    fn path(
        &self,
        operation: &Operation,
        writes: &Writes,
    ) -> Result<Option<Part<'a>>, ContractError> {
        let Some(paths) = self.root.get("paths") else {
            return Ok(None);
        };
        for same in [is_same as fn(&str, &str) -> bool, is_filled] {
            for (text, value) in paths.table()? {
                let described = segments(text);
                let full = self
                    .servers
                    .iter()
                    .map(|server| [server.as_slice(), &described].concat());
                let mut candidates = full.chain([described.clone()]);
                if candidates.any(|one| writes.goes_to(operation, &one, same)) {
                    return Ok(Some(paths.child(text, value)));
                }
            }
        }
        Ok(None)
    }
}

/// Follows references to their end.
fn resolved<'a>(reader: &Reader<'a>, part: Part<'a>) -> Result<Part<'a>, ContractError> {
    let mut part = part;
    for _ in 0..MAX_DEPTH {
        match reader.referred(&part)? {
            Some(next) => part = next,
            None => return Ok(part),
        }
    }
    Err(part.wrong("references lead on and on"))
}

fn is_same(described: &str, called: &str) -> bool {
    described == called
}

fn is_filled(described: &str, called: &str) -> bool {
    described == called || described == "{}"
}

fn is_json(media: &str) -> bool {
    let kind = media.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json") || kind == "*/*"
}

/// The path of a server's address, which may be a path alone.
fn path_of_url(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .and_then(|at| rest.get(at..))
            .unwrap_or_default(),
        None => url,
    }
}
