//! A warehouse that the records of a flow are loaded into (R22).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretName;
use crate::EndpointId;

/// What a view's name is where it is not quoted.
pub const VIEW_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// A Snowflake account, prepared by the statements of `infra/snowflake`. What was applied is staged as
/// files, which a pipe lands and a merge settles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarehouseSpec {
    /// Names the warehouse in logs.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: EndpointId,
    /// Where the files are put: `s3://BUCKET/PREFIX/`, or on one machine a folder. The pipe's stage reads
    /// there.
    #[schemars(extend("format" = "template"))]
    pub place: String,
    /// Address of the account's SQL API, `https://ORGANISATION-ACCOUNT.snowflakecomputing.com`.
    #[schemars(extend("format" = "template"))]
    pub base_url: String,
    /// The account's identifier, `ORGANISATION-ACCOUNT`, as it stands in tokens.
    #[schemars(extend("format" = "template"))]
    pub account: String,
    /// The user that loads.
    #[schemars(extend("format" = "template"))]
    pub user: String,
    /// Name of the secret that holds the user's private key (PKCS#8, PEM).
    pub key: SecretName,
    /// The role that loads.
    #[schemars(extend("format" = "template"))]
    pub role: String,
    /// The virtual warehouse that computes.
    #[schemars(extend("format" = "template"))]
    pub warehouse: String,
    /// The database.
    #[schemars(extend("format" = "template"))]
    pub database: String,
    /// The schema in it.
    #[schemars(extend("format" = "template"))]
    pub schema: String,
    /// The view through which people query the flow's records: a canonical field that is no column of it
    /// stops the loads before a file is written (R20). Left out: no view is looked at.
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = VIEW_PATTERN)
    )]
    pub view: Option<String>,
    /// Seconds until an answer must be complete. A statement that takes longer is asked for again.
    #[serde(default = "default_timeout_s")]
    #[schemars(range(min = 5, max = 60))]
    pub timeout_s: u32,
}

/// Snowflake holds a request for 45 seconds before it says that the statement goes on.
fn default_timeout_s() -> u32 {
    60
}
