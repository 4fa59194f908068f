//! warehouse: loads what was applied into a warehouse (R22), and compares the two.
//!
//! It reads the flow's registers, puts those that no file holds into files, and merges what the pipe has
//! landed. A record counts as loaded by a write of its own, after its file is put. So a load that dies
//! repeats lines, which the merge settles by their versions; it never loses one. The daily comparison
//! finds what was lost between file and table, and has it loaded again.
//!
//! Invariants: no file is put before the warehouse was seen to have every column (R20); each register that
//! is looked at ends in one counted way (OUT-1); one load of a flow and one merge into a schema at a time, by
//! lease, and two harm nothing; memory is that of a file, or of the keys of one pass.

mod compare;
mod ending;
mod file;
mod report;

use std::time::Duration;

use futures_util::future::join_all;
use tidegate_model::{
    ClaimToken, FlowId, RecordKey, UnixMs,
    flow::WarehouseSpec,
    item::{Item, Update},
};
use tidegate_policy::{
    flow_state::{self, Side},
    keys,
    load::{self, Checkpoint, Counts, Line, LoadRequest, Mark, Progress, Start, merge_id},
    reconcile::{self, Kept},
    register::Register,
};

use crate::{
    Engine, EngineError, FlowRuntime, RunEnd,
    lease::{Busy, HeldLease},
    ports::{Column, Listing, ShelfError, Warehouse, WarehouseError, Written},
};
use file::FileInMaking;
use report::not_begun;

pub use report::{Comparison, LoadReport};

/// Records of one file at most: as many keys are remembered until it is put. Pipes like files of 100 MB
/// and more, and rather one smaller file a minute than to wait for that.
const MOST_LINES: usize = 100_000;
/// Compressed bytes from which a file is put: the largest that Snowflake advises is 250 MB, and what is
/// put lies in memory.
const FILE_BYTES: usize = 64 * 1_024 * 1_024;
/// Registers read in one call: at most 1 MB comes back anyway.
const PAGE: u32 = 500;
/// Registers that are marked as loaded at once.
const MARKS_AT_ONCE: usize = 32;
/// A step is begun only with so much time left: to put a file takes less, and to mark a part of it.
const STEP_TIME: Duration = Duration::from_secs(60);
/// How long one look at a merge takes at most: half a lease, which is renewed in between.
const LOOK_TIME: Duration = Duration::from_secs(50);
/// A look ends so shortly before its time, when the next one at the statement would be too late.
const LOOK_ENDS: Duration = Duration::from_secs(10);
/// How long a read of the warehouse, or a merge there, takes at most: as long as its virtual warehouse lets a
/// statement run (`01_account.sql`).
const STATEMENT_TIME: Duration = Duration::from_mins(10);
/// How much longer a lease is held than what it is held for.
const HELD_LONGER: Duration = Duration::from_secs(5);

/// Columns that the files and the merge write to.
const COLUMNS: [(&str, &str); 11] = [
    ("FLOW", "VARCHAR"),
    ("RECORD_KEY", "VARCHAR"),
    ("SOURCE_VERSION", "NUMBER"),
    ("REVISION", "NUMBER"),
    ("READ_NUMBER", "NUMBER"),
    ("DELETED", "BOOLEAN"),
    ("CONTENT_HASH", "VARCHAR"),
    ("CONTENT", "VARCHAR"),
    ("DIGEST", "VARCHAR"),
    ("FIELDS", "VARIANT"),
    ("LOADED_FROM", "VARCHAR"),
];
/// Those of them that the pipe's table does not have.
const OF_RECORDS: [&str; 2] = ["FIELDS", "LOADED_FROM"];

/// Why a load does not go on.
enum Stop {
    /// It ends here for now.
    End(RunEnd),
    /// The warehouse needs a person.
    Block(String),
    /// The store or the bus failed.
    Error(EngineError),
}

impl<E: Into<EngineError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<WarehouseError> for Stop {
    fn from(error: WarehouseError) -> Self {
        match error {
            WarehouseError::Refused { reason } => Self::Block(reason),
            WarehouseError::Undone { reason }
            | WarehouseError::Later { reason }
            | WarehouseError::Failed { reason } => Self::End(RunEnd::Interrupted { reason }),
        }
    }
}

impl From<ShelfError> for Stop {
    fn from(error: ShelfError) -> Self {
        let reason = error.to_string();
        match error {
            ShelfError::Refused(_) => Self::Block(reason),
            ShelfError::Failed(_) => Self::End(RunEnd::Interrupted { reason }),
        }
    }
}

type Step<T> = Result<T, Stop>;

/// A load at work.
struct Loading<'a> {
    engine: &'a Engine,
    runtime: &'a FlowRuntime,
    warehouse: &'a dyn Warehouse,
    spec: &'a WarehouseSpec,
    lease: HeldLease,
    progress: Progress,
    /// When a comparison was last wished for.
    wished: Option<UnixMs>,
    checking: bool,
    began: UnixMs,
    deadline: UnixMs,
    counts: Counts,
    files: u32,
    bytes: u64,
    merged: bool,
    /// Where this invocation began.
    begun: Progress,
    comparison: Option<Comparison>,
}

impl Engine {
    /// Loads what is not loaded, merges what has landed, and compares where that is due.
    pub async fn load(
        &self,
        warehouse: &dyn Warehouse,
        flow: &FlowId,
        request: LoadRequest,
        deadline: UnixMs,
    ) -> Result<LoadReport, EngineError> {
        let report = Box::pin(self.load_part(warehouse, flow, request, deadline)).await?;
        report.end.log("load", self.request(), flow, None, None);
        Ok(report)
    }

    async fn load_part(
        &self,
        warehouse: &dyn Warehouse,
        flow: &FlowId,
        request: LoadRequest,
        deadline: UnixMs,
    ) -> Result<LoadReport, EngineError> {
        let runtime = self.flow(flow)?;
        let now = self.now();
        let Some(spec) = runtime.flow.warehouse() else {
            // A request may outlive the file that it was made for.
            let reason = "the flow file has no `[warehouse]`".to_owned();
            return Ok(not_begun(RunEnd::Stopped { reason }, now));
        };
        let state = self.flow_state(flow).await?;
        if let Some(reason) = state.stops(Side::Warehouse) {
            return Ok(not_begun(RunEnd::Stopped { reason }, now));
        }
        let lease_key = keys::load_lease(flow);
        if request.compare {
            // Whatever becomes of this load: tick asks for what is wished.
            self.write(&lease_key, &load::wish(now)).await?;
        }
        let item = self.read(&lease_key).await?;
        let seen = Checkpoint::read(item.as_ref());
        let mut progress = match load::plan(&seen, now) {
            Start::Busy { until } => return Ok(not_begun(RunEnd::Busy { until }, now)),
            Start::Go(progress) => *progress,
        };
        progress.since.get_or_insert(now);
        let owner = self.token();
        let lease = match self.take_lease(lease_key, owner, &seen, &progress).await? {
            Ok(lease) => lease,
            Err(Busy(until)) => return Ok(not_begun(RunEnd::Busy { until }, now)),
        };
        tracing::info!(flow = %flow, warehouse = %spec.name, request_id = self.request(), revision = runtime.flow.revision(), flow_hash = runtime.flow.hash(), "load begins");
        let loading = Loading {
            engine: self,
            runtime,
            warehouse,
            spec,
            lease,
            begun: progress.clone(),
            progress,
            wished: load::wished(item.as_ref()),
            checking: state.checking,
            began: now,
            deadline,
            counts: Counts::default(),
            files: 0,
            bytes: 0,
            merged: false,
            comparison: None,
        };
        Box::pin(loading.go()).await
    }
}

impl Loading<'_> {
    async fn go(mut self) -> Result<LoadReport, EngineError> {
        let end = match self.work().await {
            Ok(()) => RunEnd::Complete,
            Err(Stop::End(end)) => end,
            Err(Stop::Block(reason)) => self.block(reason).await,
            Err(Stop::Error(error)) => return Err(self.broken(error).await),
        };
        self.close(end).await
    }

    async fn work(&mut self) -> Step<()> {
        self.look_at_columns().await?;
        if self.progress.merge.is_some() {
            self.merge().await?;
        }
        self.stage().await?;
        self.progress.staged_at = Some(self.began);
        if self.progress.owes_merge() {
            self.merge().await?;
        }
        let now = self.engine.now();
        if self.progress.owes_comparison(self.wished, now) && self.all_is_merged().await? {
            self.compare().await?;
        }
        Ok(())
    }

    /// Schema drift: nothing is written that the warehouse could not take or show (R20).
    async fn look_at_columns(&mut self) -> Step<()> {
        let until = self.reads_until().await?;
        let columns = self.warehouse.columns(self.spec, until).await?;
        if let Some(reason) = self.drift(&columns) {
            return Err(Stop::Block(reason));
        }
        if self.checking {
            let flow = self.runtime.flow.id();
            let write = flow_state::unblock(Side::Warehouse, self.engine.now());
            let written = self.engine.write(&keys::flow_state(flow), &write).await?;
            if matches!(written, Written::Done { .. }) {
                tracing::info!(flow = %flow, side = Side::Warehouse.as_str(), request_id = self.engine.request(), "blocker closed");
            }
        }
        Ok(())
    }

    fn drift(&self, columns: &[Column]) -> Option<String> {
        let kind_of = |table: &str, name: &str| {
            let of_table = columns
                .iter()
                .find(|one| one.table == table && one.name == name);
            of_table.map(|one| one.kind.as_str())
        };
        for table in ["LANDING", "RECORDS"] {
            for (name, kind) in COLUMNS {
                if table == "LANDING" && OF_RECORDS.contains(&name) {
                    continue;
                }
                match kind_of(table, name) {
                    Some(found) if found == kind => {}
                    Some(found) => {
                        return Some(format!(
                            "schema drift: the column `{name}` of `{table}` is {found}, and {kind} is written to it"
                        ));
                    }
                    None => {
                        return Some(format!(
                            "schema drift: `{table}` has no column `{name}`, which infra/snowflake/02_objects.sql gives it"
                        ));
                    }
                }
            }
        }
        let view = self.spec.view.as_ref()?.to_ascii_uppercase();
        let private = self.runtime.flow.private_fields();
        let shown = self.runtime.flow.file().fields.keys();
        let mut shown = shown.filter(|name| !private.contains(name));
        let lacking = shown.find(|name| kind_of(&view, &name.to_ascii_uppercase()).is_none())?;
        Some(format!(
            "schema drift: the view `{view}` has no column for the field `{lacking}`"
        ))
    }

    /// Puts what no file holds into files.
    async fn stage(&mut self) -> Step<()> {
        let mut file = FileInMaking::new();
        for shard in 0..keys::REGISTER_SHARDS {
            let partition = keys::register_partition(self.runtime.flow.id(), shard);
            let listing = Listing::Partition(partition);
            let mut after: Option<String> = None;
            loop {
                self.may_go_on().await?;
                let store = &self.engine.ports.store;
                let page = store.list(&listing, after.as_deref(), PAGE).await?;
                for (key, item) in &page.items {
                    self.look_at(&key.sort, item, &mut file);
                }
                if file.lines() >= MOST_LINES || file.bytes() >= FILE_BYTES {
                    self.put(std::mem::take(&mut file)).await?;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        self.put(file).await
    }

    /// Counts a register, and puts its line into the file where that is due.
    fn look_at(&mut self, key: &str, item: &Item, file: &mut FileInMaking) {
        self.counts.records += 1;
        let private = self.runtime.flow.private_fields();
        let is_due = load::is_due(item, private);
        if Register::is_at_rest(item) && !is_due {
            self.counts.unchanged += 1;
            return;
        }
        let (Ok(key), Ok(Some(register))) = (RecordKey::try_new(key), Register::read(item)) else {
            self.counts.unreadable += 1;
            return;
        };
        let flow = &self.runtime.flow;
        let line = Line::of(flow.id(), &key, &register, private);
        match line.zip(Mark::of(&register, private)) {
            Some((line, mark)) if is_due => file.add(flow.id(), key, mark, &line),
            Some(_) => self.counts.unchanged += 1,
            None => self.counts.held_back += 1,
        }
    }

    /// Puts a file, then remembers of each of its records that it is in one. What dies in between is put
    /// again, as another file.
    async fn put(&mut self, file: FileInMaking) -> Step<()> {
        if file.lines() == 0 {
            return Ok(());
        }
        self.may_go_on().await?;
        // Before the file: a merge is owed from when it may have landed.
        let moment = self.progress.next_put(self.engine.now());
        self.progress.put_at = Some(moment);
        self.keep().await?;
        let name = self.next_name(moment);
        let (bytes, records) = file.finish();
        let size = bytes.len();
        self.warehouse.put(self.spec, &name, bytes).await?;
        self.files += 1;
        self.bytes += u64::try_from(size).unwrap_or(u64::MAX);
        tracing::info!(flow = %self.runtime.flow.id(), file = name, lines = records.len(), bytes = size, request_id = self.engine.request(), "file put");
        for part in records.chunks(MARKS_AT_ONCE) {
            if self.lease.holder.wants_renewal(self.engine.now()) {
                self.renew().await?;
            }
            let (engine, flow, now) = (self.engine, self.runtime.flow.id(), self.engine.now());
            let marked = join_all(part.iter().map(|(key, mark)| async move {
                engine
                    .write(&keys::register(flow, key), &mark.loaded(now))
                    .await
            }));
            for written in marked.await {
                match written? {
                    Written::Done { .. } => self.counts.loaded += 1,
                    Written::Refused { .. } => self.counts.overtaken += 1,
                }
            }
        }
        Ok(())
    }

    /// Never used before: the fence is another in each load, and the time should the table be restored. Of two
    /// files the later one has the greater name, which is what the merge goes by for lines of one version.
    fn next_name(&self, moment: UnixMs) -> String {
        format!(
            "{}/{:015}-{:012}-{:04}.jsonl.gz",
            self.runtime.flow.id(),
            moment.0,
            self.lease.holder.fence,
            self.files
        )
    }

    /// Merges what has landed, of all flows of the schema; false: another flow does so now. One that was asked
    /// for and may not be done is asked for under the same name again.
    async fn merge(&mut self) -> Step<bool> {
        self.may_go_on().await?;
        let before = self.progress.merge.as_deref();
        let token = before.and_then(load::merge_token);
        let token = token.unwrap_or_else(|| self.engine.token());
        let Some(mut turn) = self.take_turn(&token).await? else {
            tracing::info!(flow = %self.runtime.flow.id(), request_id = self.engine.request(), "another flow merges");
            return Ok(false);
        };
        let merged = self.run_merge(&mut turn, &merge_id(&token)).await;
        // One that may still run has the schema for itself until it surely has ended.
        if self.progress.merge.is_none() {
            let let_go = reconcile::let_go(&turn.holder);
            if let Err(error) = turn.advance(self.engine, &let_go).await {
                tracing::warn!(flow = %self.runtime.flow.id(), request_id = self.engine.request(), error = %crate::chain(&error), "the turn to merge was not given up");
            }
        }
        merged.map(|()| true)
    }

    /// The turn to merge into the schema, new or as an earlier load took it.
    async fn take_turn(&self, token: &ClaimToken) -> Step<Option<HeldLease>> {
        let WarehouseSpec {
            account,
            database,
            schema,
            ..
        } = self.spec;
        let key = keys::merge_lease(account, database, schema);
        let seen: Kept<FlowId> = Kept::read(self.engine.read(&key).await?.as_ref());
        let now = self.engine.now();
        if let Some(turn) = HeldLease::again(key.clone(), token, &seen, now) {
            return Ok(Some(turn));
        }
        if seen.held_until(now).is_some() {
            return Ok(None);
        }
        let (token, flow) = (token.clone(), self.runtime.flow.id());
        let turn = self.engine.take_lease(key, token, &seen, flow).await?;
        Ok(turn.ok())
    }

    async fn run_merge(&mut self, turn: &mut HeldLease, id: &str) -> Step<()> {
        let began = self.engine.now();
        let of_before = self.progress.merge.is_some();
        let mut again = of_before;
        self.progress.merge = Some(id.to_owned());
        loop {
            self.may_go_on().await?;
            self.keep().await?;
            let now = self.engine.now();
            let hold = reconcile::hold(&turn.holder, now + STATEMENT_TIME + HELD_LONGER);
            if !turn.advance(self.engine, &hold).await? {
                let reason = "another flow took the turn to merge".to_owned();
                return Err(Stop::End(RunEnd::Interrupted { reason }));
            }
            let until = (now + LOOK_TIME).min(self.deadline);
            match self.warehouse.merge(self.spec, id, again, until).await {
                Ok(()) => break,
                // Answered: it was not begun, or it is undone. Its name is spent.
                Err(error @ (WarehouseError::Refused { .. } | WarehouseError::Undone { .. })) => {
                    self.progress.merge = None;
                    return Err(error.into());
                }
                Err(WarehouseError::Later { .. }) if self.engine.now() + LOOK_ENDS >= until => {}
                Err(error) => return Err(error.into()),
            }
            again = true;
        }
        // Of one that an earlier load asked for nobody knows what had landed when it began.
        if !of_before {
            self.progress.merged_at = Some(began);
        }
        self.progress.merge = None;
        self.merged = true;
        self.keep().await
    }

    /// Merges what landed later than a merge was owed, which would stand in the way of the comparison.
    async fn all_is_merged(&mut self) -> Step<bool> {
        // One of an earlier load has not seen what landed since.
        if self.progress.merge.is_some() && !self.merge().await? {
            return Ok(false);
        }
        let until = self.reads_until().await?;
        match self.warehouse.waiting(self.spec, until).await? {
            0 => Ok(true),
            _ => self.merge().await,
        }
    }

    /// Until when a read of the warehouse may take. The lease is held so long.
    async fn reads_until(&mut self) -> Step<UnixMs> {
        self.may_go_on().await?;
        let until = (self.engine.now() + STATEMENT_TIME).min(self.deadline);
        let hold = reconcile::hold(&self.lease.holder, until + HELD_LONGER);
        self.advance(hold).await?;
        Ok(until)
    }

    /// Looks whether it may go on. Renews the lease when half of it is over, and only then reads whether a
    /// person stopped the flow.
    async fn may_go_on(&mut self) -> Step<()> {
        let now = self.engine.now();
        if now + STEP_TIME > self.deadline {
            return Err(Stop::End(self.continues()));
        }
        if self.lease.holder.wants_renewal(now) {
            self.renew().await?;
            let state = self.engine.flow_state(self.runtime.flow.id()).await?;
            if let Some(reason) = state.stops(Side::Warehouse) {
                return Err(Stop::End(RunEnd::Stopped { reason }));
            }
        }
        Ok(())
    }

    /// Keeps the lease. Where the loads stand is not written: half a pass is not where anything stands.
    async fn renew(&mut self) -> Step<()> {
        let write = reconcile::renew(&self.lease.holder, self.engine.now());
        self.advance(write).await
    }

    /// Keeps the lease and where the loads stand.
    async fn keep(&mut self) -> Step<()> {
        let now = self.engine.now();
        let write = reconcile::keep(&self.lease.holder, &self.progress, now);
        self.advance(write).await
    }

    async fn advance(&mut self, write: Update) -> Step<()> {
        if self.lease.advance(self.engine, &write).await? {
            Ok(())
        } else {
            Err(Stop::End(RunEnd::LeaseLost))
        }
    }
}
