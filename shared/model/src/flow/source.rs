//! Sources, as a flow file describes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auth, BreakerSpec, ErrorRow, Rate};
use crate::EndpointId;

/// Where records come from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SourceSpec {
    /// A JSON API over HTTP.
    Rest(Box<RestSource>),
    /// Files of rows that are dropped in a folder or in S3.
    Files(FilesSource),
}

impl SourceSpec {
    /// Names the source.
    pub fn name(&self) -> &EndpointId {
        match self {
            Self::Rest(source) => &source.name,
            Self::Files(source) => &source.name,
        }
    }

    /// The source as an API that is called; none where it is files.
    pub fn rest(&self) -> Option<&RestSource> {
        match self {
            Self::Rest(source) => Some(source),
            Self::Files(_) => None,
        }
    }

    /// Whether one record is read by its key. Where it is not, the listing alone tells of it.
    pub fn gives_one(&self) -> bool {
        self.rest().is_some_and(|source| source.one.is_some())
    }

    /// Whether it lists every record whenever it is asked, so that what it does not list is gone. A file
    /// is read once, and says nothing of what it does not hold.
    pub fn lists_all(&self) -> bool {
        self.rest().is_some()
    }

    /// Rows of a page at most.
    pub fn page_size(&self) -> u32 {
        match self {
            Self::Rest(source) => source.list.page_size,
            Self::Files(source) => source.page_size,
        }
    }
}

/// Files of rows: each is read once, in the order of their names, and again when its content changes. A
/// row has the columns of its file (of CSV as texts), and `_file` and `_line`, where it stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesSource {
    /// Names the source in logs.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: EndpointId,
    /// Where the files lie: `s3://BUCKET/PREFIX/`, or on one machine a folder.
    #[schemars(extend("format" = "template"))]
    pub place: String,
    /// What is in them. Files whose names end otherwise (`.csv`, `.jsonl`) are passed over.
    pub format: FileFormat,
    /// Rows of a page at most: a page is staged before the next one is read.
    #[serde(default = "default_file_page_size")]
    #[schemars(range(min = 1, max = 1_000))]
    pub page_size: u32,
}

/// What is in a file. Text is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "snake_case")]
pub enum FileFormat {
    /// CSV (RFC 4180).
    Csv {
        /// What stands between two fields.
        #[serde(default)]
        delimiter: Delimiter,
        /// Names of the columns, where the first line does not have them.
        #[serde(default)]
        columns: Vec<String>,
    },
    /// A JSON object in each line.
    JsonLines,
}

impl FileFormat {
    /// How the names of such files end.
    pub fn ending(&self) -> &'static str {
        match self {
            Self::Csv { .. } => ".csv",
            Self::JsonLines => ".jsonl",
        }
    }
}

/// What stands between two fields of CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Pipe,
}

impl Delimiter {
    /// The byte in the file.
    pub fn as_byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

/// A JSON API over HTTP that lists rows by pages and, where it can, gives one row by its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestSource {
    /// Flows that name the same source share its limit and breaker.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: EndpointId,
    /// Scheme, host and leading path.
    #[schemars(extend("format" = "template"))]
    pub base_url: String,
    /// Seconds until an answer must be complete.
    #[serde(default = "default_timeout_s")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_s: u32,
    /// How calls are authenticated.
    #[serde(default)]
    pub auth: Auth,
    /// Headers of every call.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub headers: BTreeMap<String, String>,
    /// How rows are listed.
    pub list: ListSpec,
    /// How one row is read by its key. Left out: the source gives none; who asks for one record starts
    /// a run, and what the listing lacks is listed once more before it is taken for deleted.
    #[serde(default)]
    pub one: Option<OneSpec>,
    /// What the source allows.
    pub limit: Rate,
    /// When reads pause.
    #[serde(default)]
    pub breaker: BreakerSpec,
    /// Answers that mean something else than HTTP says.
    #[serde(default)]
    pub errors: Vec<ErrorRow>,
}

/// How rows are listed. At hand in templates: `since` (RFC 3339, empty in a first run), `page.size`,
/// `page.offset`, `page.number`, `page.cursor`, `page.after_time`, `page.after_id`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSpec {
    /// Path below `base_url`.
    #[schemars(extend("format" = "template"))]
    pub path: String,
    /// Query parameters; one that renders empty is left out.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub query: BTreeMap<String, String>,
    /// JSON pointer to the rows; empty when the body is the array.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub rows: String,
    /// Rows asked for in a page.
    #[serde(default = "default_page_size")]
    #[schemars(range(min = 1, max = 1_000))]
    pub page_size: u32,
    /// How the next page is found.
    #[serde(default)]
    pub pages: Pages,
}

/// How the next page is found.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "by", rename_all = "snake_case")]
pub enum Pages {
    /// There is one page.
    #[default]
    None,
    /// `page.offset` grows by the rows read; an empty page is the end.
    Offset,
    /// `page.number` grows by one; an empty page is the end.
    Number {
        /// Number of the first page.
        #[serde(default = "one")]
        first: u32,
    },
    /// `page.cursor` comes from the body; absent, null or empty is the end.
    Cursor {
        /// JSON pointer to it.
        #[schemars(extend("format" = "json-pointer"))]
        next: String,
    },
    /// The whole next address comes from the `Link` header, `rel="next"`. It must stay on the
    /// origin of `base_url`.
    Link,
    /// `page.cursor` comes from a header; absent or empty is the end.
    Header {
        /// The header's name.
        #[schemars(length(min = 1))]
        name: String,
    },
    /// The whole next address comes from the body, and with the last page one that tells what changes
    /// from then on (a delta link): a run that is complete keeps it, and the next one begins there.
    /// An initial run, a reconciliation, and a run whose link is refused as gone (404, 410, or an error
    /// that is `missing`) begin with the first address. Both must stay on the origin of `base_url`.
    Delta {
        /// JSON pointer to the next page's address; absent on the last page.
        #[schemars(extend("format" = "json-pointer"))]
        next: String,
        /// JSON pointer to the address of what changes later, which the last page must have.
        #[schemars(extend("format" = "json-pointer"))]
        delta: String,
    },
    /// `page.after_time` and `page.after_id` come from the last row, so that no row is lost or
    /// repeated at a boundary.
    Keyset {
        /// Expression over `row` for the time by which the source sorts.
        #[schemars(extend("format" = "expression"))]
        time: String,
        /// Expression over `row` for the id by which the source sorts rows of the same time. Often
        /// that of `record.key`, but never derived from it: another id here would skip rows.
        #[schemars(extend("format" = "expression"))]
        id: String,
        /// JSON pointer to a flag that tells whether there is more; left out: an empty page
        /// is the end.
        #[serde(default)]
        #[schemars(extend("format" = "json-pointer"))]
        more: Option<String>,
    },
}

/// How one row is read by its key. A 404 is a deletion.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneSpec {
    /// Path below `base_url`; `key` is at hand, percent-encoded.
    #[schemars(extend("format" = "template"))]
    pub path: String,
    /// Query parameters; one that renders empty is left out.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub query: BTreeMap<String, String>,
    /// JSON pointer to the row; empty when the body is the row.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub row: String,
}

/// 10 s: over three times what the slow-answer preset calls slow.
pub(super) fn default_timeout_s() -> u32 {
    10
}

/// 100 rows: small enough that a page is staged within seconds.
pub(super) fn default_page_size() -> u32 {
    100
}

/// 500 rows: staged within seconds.
fn default_file_page_size() -> u32 {
    500
}

fn one() -> u32 {
    1
}
