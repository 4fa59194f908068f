//! Snowflake as a warehouse: its SQL API over HTTP, with the statements of `infra/snowflake`.
//!
//! Why the SQL API and no driver: a statement is one request, the key pair one header, and a driver is larger
//! than the function that would hold it.
//!
//! Invariants: the statements are those files, so that what is tested there is what runs; a name goes into a
//! text only when it can be nothing but a name, and a value only as a binding; the private key is put in by the
//! transport alone; every request has a time-out and none begins at the deadline or after it; a merge is sent
//! again by its caller alone, under the same id.

mod meaning;
mod result;
mod session;
mod statement;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tidegate_engine::{
    Ports,
    ports::{
        Chance, Clock, Column, Http, NotLoaded, Secrets, Shelf, ShelfError, Sums, Unsound,
        Warehouse, WarehouseError, WarehouseRow,
    },
};
use tidegate_model::{FlowId, SourceVersion, UnixMs, Version, flow::WarehouseSpec};

use self::{
    result::{MAX_ROWS, MAX_ROWS_OF_BUCKET, Row},
    session::Session,
    statement::Statement,
};

/// Runs the statements of `infra/snowflake`.
pub struct Snowflake {
    http: Arc<dyn Http>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    shelf: Arc<dyn Shelf>,
}

impl fmt::Debug for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snowflake").finish_non_exhaustive()
    }
}

impl Snowflake {
    /// Sends by `http`, which takes keys from `secrets`; puts files on `shelf`.
    pub fn new(
        http: Arc<dyn Http>,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        shelf: Arc<dyn Shelf>,
    ) -> Self {
        Self {
            http,
            secrets,
            clock,
            chance,
            shelf,
        }
    }

    /// The same over an engine's ports.
    pub fn over(ports: &Ports, shelf: Arc<dyn Shelf>) -> Self {
        let (http, secrets) = (Arc::clone(&ports.http), Arc::clone(&ports.secrets));
        let (clock, chance) = (Arc::clone(&ports.clock), Arc::clone(&ports.chance));
        Self::new(http, secrets, clock, chance, shelf)
    }

    /// Runs a statement that only reads, and reads each row of its result.
    async fn read<T>(
        &self,
        spec: &WarehouseSpec,
        deadline: UnixMs,
        statement: Statement,
        read: impl Fn(&mut Row) -> Option<T> + Send,
    ) -> Result<Vec<T>, WarehouseError> {
        let id = self.new_id();
        let rows = Session::new(self, spec, deadline)
            .rows(&statement, &id)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = Row::new(row);
            found.push(read(&mut row).ok_or_else(|| {
                let columns = statement.name();
                meaning::failed(spec, &format!("a row of {columns} is not of its columns"))
            })?);
        }
        Ok(found)
    }

    /// A UUID of version 4 (RFC 9562, 5.4).
    fn new_id(&self) -> String {
        let [high, low] = [self.chance.next(), self.chance.next()];
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff,
        )
    }
}

#[async_trait]
impl Warehouse for Snowflake {
    async fn put(
        &self,
        spec: &WarehouseSpec,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<(), ShelfError> {
        self.shelf.put(&spec.place, name, bytes).await
    }

    async fn columns(
        &self,
        spec: &WarehouseSpec,
        deadline: UnixMs,
    ) -> Result<Vec<Column>, WarehouseError> {
        // The table that is asked for anyway stands where no view is named.
        let view = spec.view.as_deref().unwrap_or("records");
        let statement = Statement::new(statement::COLUMNS, spec)?.bind(view.to_uppercase());
        let columns = self.read(spec, deadline, statement, |row| {
            Some(Column {
                table: row.text()?,
                name: row.text()?,
                kind: kind(&row.text()?),
            })
        });
        columns.await
    }

    async fn merge(
        &self,
        spec: &WarehouseSpec,
        id: &str,
        again: bool,
        deadline: UnixMs,
    ) -> Result<(), WarehouseError> {
        let statement = Statement::new(statement::MERGE, spec)?;
        Session::new(self, spec, deadline)
            .merge(&statement, id, again)
            .await
    }

    async fn waiting(&self, spec: &WarehouseSpec, deadline: UnixMs) -> Result<u64, WarehouseError> {
        let statement = Statement::new(statement::LANDING_AGE, spec)?;
        let counts = self.read(spec, deadline, statement, Row::number);
        let counts = counts.await?;
        let one = counts.first().copied();
        one.ok_or_else(|| meaning::failed(spec, "a count has no row"))
    }

    async fn held(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Sums, WarehouseError> {
        let statement = Statement::new(statement::FLOWS, spec)?;
        let flows = self.read(spec, deadline, statement, |row| {
            let flow = row.text()?;
            let sums = Sums {
                held: row.number()?,
                deleted: row.number()?,
                duplicates: row.number()?,
                checksum: row.number()?,
            };
            Some((flow, sums))
        });
        let of_flow = flows.await?.into_iter().find(|(of, _)| of == flow.as_str());
        Ok(of_flow.map(|(_, sums)| sums).unwrap_or_default())
    }

    async fn buckets(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Vec<(u8, Sums)>, WarehouseError> {
        let statement = Statement::new(statement::BUCKETS, spec)?.bind(flow.as_str());
        let buckets = self.read(spec, deadline, statement, |row| {
            let bucket = u8::from_str_radix(&row.text()?, 16).ok()?;
            let sums = Sums {
                held: row.number()?,
                deleted: row.number()?,
                duplicates: 0,
                checksum: row.number()?,
            };
            Some((bucket, sums))
        });
        buckets.await
    }

    async fn rows(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        bucket: u8,
        deadline: UnixMs,
    ) -> Result<Vec<WarehouseRow>, WarehouseError> {
        let bucket = format!("{bucket:02x}");
        let mut rows: Vec<WarehouseRow> = Vec::new();
        loop {
            let last = rows.last().map(|row| row.key.as_str());
            let statement = Statement::new(statement::ROWS, spec)?
                .bind(flow.as_str())
                .bind(bucket.as_str())
                .bind(last.unwrap_or_default());
            let part = self.read(spec, deadline, statement, row_of_bucket).await?;
            let is_last = part.len() < MAX_ROWS;
            rows.extend(part);
            if is_last {
                return Ok(rows);
            }
            if rows.len() >= MAX_ROWS_OF_BUCKET {
                let why = format!("the bucket {bucket} has more than {MAX_ROWS_OF_BUCKET} rows");
                return Err(meaning::failed(spec, &why));
            }
        }
    }

    async fn unsound(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Vec<Unsound>, WarehouseError> {
        let statement = Statement::new(statement::UNSOUND, spec)?
            .bind(flow.as_str())
            .bind(flow.as_str());
        let rows = self.read(spec, deadline, statement, |row| {
            Some(Unsound {
                held_in: row.text()?,
                key: row.text()?,
            })
        });
        rows.await
    }

    async fn not_loaded(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Vec<NotLoaded>, WarehouseError> {
        let statement = Statement::new(statement::NOT_LOADED, spec)?.bind(flow.as_str());
        let files = self.read(spec, deadline, statement, |row| {
            Some(NotLoaded {
                file: row.text()?,
                status: row.text()?,
            })
        });
        files.await
    }
}

fn row_of_bucket(row: &mut Row) -> Option<WarehouseRow> {
    let (key, version) = (row.text()?, version(row)?);
    row.pass();
    let digest = row.text()?;
    Some(WarehouseRow {
        key,
        version,
        digest,
    })
}

fn version(row: &mut Row) -> Option<Version> {
    Some(Version {
        source: SourceVersion(row.number()?),
        revision: row.number()?,
        read: row.number()?,
    })
}

/// A type without length and precision. `TEXT` is how the information schema calls VARCHAR.
fn kind(told: &str) -> String {
    let kind = told.split('(').next().unwrap_or_default().trim();
    match kind.to_uppercase().as_str() {
        "TEXT" => "VARCHAR".to_owned(),
        kind => kind.to_owned(),
    }
}
