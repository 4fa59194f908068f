//! DynamoDB on a file, served in the process and reached through the same adapter as AWS's.
//!
//! It listens on a free port of loopback and takes any credentials: whoever works on this machine can
//! read and write it while the process lives, be the data folder closed to them or not.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context as _;
use dynoxide::Database;
use tidegate_aws::{Aws, create_table};
use tidegate_engine::ports::Store;
use tokio::net::TcpListener;

/// The table's name.
const TABLE: &str = "tidegate";

/// Where the table is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// On a file, made if it is missing.
    File(&'a Path),
    /// In memory, gone with the process.
    Memory,
    /// Served by another process.
    At(&'a str),
}

/// The table, open.
pub(crate) struct Table {
    /// The port on it.
    pub store: Arc<dyn Store>,
    /// Where it is served.
    pub endpoint: String,
}

/// Opens the table; serves it for as long as the process lives where no other does.
pub(crate) async fn open(place: Place<'_>) -> anyhow::Result<Table> {
    let (endpoint, is_own) = match place {
        Place::At(endpoint) => (endpoint.to_owned(), false),
        Place::File(path) => {
            let shown = path.display();
            let database = path
                .to_str()
                .context("the data folder's name is not text")?;
            let database = Database::new(database)
                .map_err(|error| unopened(&shown.to_string(), &error.to_string()))?;
            (serve(database).await?, true)
        }
        Place::Memory => {
            let database = Database::memory()
                .map_err(|error| anyhow::anyhow!("no table in memory can be made: {error}"))?;
            (serve(database).await?, true)
        }
    };
    let aws = connect(&endpoint).await?;
    if is_own {
        create_table(&aws.dynamo(), TABLE).await?;
    }
    Ok(Table {
        store: Arc::new(aws.store(TABLE)),
        endpoint,
    })
}

/// A table that is no database any more, or not this user's.
fn unopened(shown: &str, told: &str) -> anyhow::Error {
    // What follows the first sentence is advice for who builds the server.
    let why = told.split_once(". ").map_or(told, |(why, _)| why);
    anyhow::anyhow!(
        "the table {shown} can not be opened: {why}; put a copy of it back, or move it away to begin with an empty one"
    )
}

async fn serve(database: Database) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("no port of loopback is free for the table")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    Ok(endpoint)
}

async fn connect(endpoint: &str) -> anyhow::Result<Aws> {
    // The server looks at neither; the protocol asks for both.
    let values = [
        ("AWS_REGION", "local"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let values: BTreeMap<String, String> = values
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    Ok(Aws::connect(&values).await?)
}
