//! The comparison of a flow's registers with its warehouse: counts and checksums by bucket, and row by row
//! where those differ.
//!
//! Keys are parted into passes by their bucket, so that memory is that of one pass. The registers are read
//! before the rows, and the lease keeps other loads of the flow away, so that no row is newer than its
//! register by right. A merge for another flow may land rows meanwhile: those are equal or in transit.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tidegate_model::RecordKey;
use tidegate_policy::{
    flow::Flow,
    keys,
    load::{self, Checksum, Expected, Kind, MAX_NOTES, Mark, Note},
    reconcile::passes_for,
    register::Register,
};

use super::{Comparison, Loading, MARKS_AT_ONCE, PAGE, Step};
use crate::{
    Engine, EngineError,
    ports::{Listing, Sums},
};

/// Keys of one pass. Each takes about 200 bytes, so 50 MB, a tenth of what the function has.
const MOST_KEYS: usize = 250_000;
/// A pass has one bucket at least.
const BUCKETS: u32 = 256;

type Bucket = BTreeMap<String, Expected>;

impl Loading<'_> {
    /// Compares all, or goes on with a comparison that was cut.
    pub(super) async fn compare(&mut self) -> Step<()> {
        let flow = self.runtime.flow.id();
        if self.progress.comparing.is_none() {
            let records = self.counts.records;
            let passes = passes_for(records, MOST_KEYS, BUCKETS);
            self.progress.comparing = Some(load::begin(passes, self.engine.now()));
        }
        let until = self.reads_until().await?;
        let held = self.warehouse.buckets(self.spec, flow, until).await?;
        let held: BTreeMap<u8, Sums> = held.into_iter().collect();
        while let Some(comparing) = self
            .progress
            .comparing
            .as_ref()
            .filter(|comparing| comparing.done < comparing.passes)
        {
            let (pass, passes) = (comparing.done, comparing.passes);
            self.pass(pass, passes, &held).await?;
            self.keep().await?;
        }
        self.end_comparison().await
    }

    async fn pass(&mut self, pass: u32, passes: u32, held: &BTreeMap<u8, Sums>) -> Step<()> {
        let each = BUCKETS / passes;
        let of_pass = |bucket: u8| u32::from(bucket) / each == pass;
        let buckets = self.expected(of_pass).await?;
        let empty = Bucket::new();
        // What is counted in a pass that is cut is counted by the one that repeats it.
        let before = self.progress.comparing.clone();
        let mut lacking = Vec::new();
        for bucket in (0..=u8::MAX).filter(|bucket| of_pass(*bucket)) {
            let expected = buckets.get(&bucket).unwrap_or(&empty);
            let held = held.get(&bucket).copied().unwrap_or_default();
            match self.compare_bucket(bucket, expected, held).await {
                Ok(found) => lacking.extend(found),
                Err(stop) => {
                    self.progress.comparing = before;
                    return Err(stop);
                }
            }
        }
        // What was found is kept before anything is done about it, which changes what is found. A pass that
        // was cut after that is judged again for what is still lacking, and not counted again.
        match &mut self.progress.comparing {
            Some(comparing) if !comparing.counted => comparing.counted = true,
            comparing => *comparing = before,
        }
        self.keep().await?;
        let keys: Vec<&str> = lacking.iter().map(String::as_str).collect();
        self.load_again(&keys).await?;
        if let Some(comparing) = &mut self.progress.comparing {
            comparing.counted = false;
            comparing.done += 1;
        }
        Ok(())
    }

    async fn load_again(&mut self, keys: &[&str]) -> Step<()> {
        for part in keys.chunks(MARKS_AT_ONCE) {
            self.may_go_on().await?;
            let (engine, flow) = (self.engine, &self.runtime.flow);
            let marked = part.iter().map(|key| load_again(engine, flow, key));
            for marked in join_all(marked).await {
                marked?;
            }
        }
        Ok(())
    }

    /// What the registers say of the keys of some buckets.
    async fn expected(&mut self, of_pass: impl Fn(u8) -> bool) -> Step<BTreeMap<u8, Bucket>> {
        let mut buckets: BTreeMap<u8, Bucket> = BTreeMap::new();
        for shard in 0..keys::REGISTER_SHARDS {
            let partition = keys::register_partition(self.runtime.flow.id(), shard);
            let listing = Listing::Partition(partition);
            let mut after: Option<String> = None;
            loop {
                self.may_go_on().await?;
                let store = &self.engine.ports.store;
                let page = store.list(&listing, after.as_deref(), PAGE).await?;
                for (at, item) in &page.items {
                    // What can not be read is no register: a row of it shows as unknown.
                    let (Ok(key), Ok(Some(register))) =
                        (RecordKey::try_new(&*at.sort), Register::read(item))
                    else {
                        continue;
                    };
                    let bucket = load::bucket(&key);
                    if of_pass(bucket) {
                        let flow = &self.runtime.flow;
                        let private = flow.private_fields();
                        let expected = Expected::of(flow.id(), &key, &register, private);
                        let of_bucket = buckets.entry(bucket).or_default();
                        of_bucket.insert(key.as_str().to_owned(), expected);
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(buckets)
    }

    /// The keys that are to be loaded again.
    async fn compare_bucket(
        &mut self,
        bucket: u8,
        expected: &Bucket,
        held: Sums,
    ) -> Step<Vec<String>> {
        let mut ours = Sums::default();
        for each in expected.values() {
            if let Some(digest) = each.digest() {
                ours.held += 1;
                ours.deleted += u64::from(each.deleted);
                ours.checksum += u128::from(load::summed(digest));
            }
        }
        self.add_to_checksum(ours);
        if ours == held {
            let all = u64::try_from(expected.len()).unwrap_or(u64::MAX);
            self.count(Kind::Equal, ours.held);
            self.count(Kind::Waiting, all - ours.held);
            return Ok(Vec::new());
        }
        let until = self.reads_until().await?;
        let flow = self.runtime.flow.id();
        let rows = self.warehouse.rows(self.spec, flow, bucket, until).await?;
        let now = self.engine.now();
        let mut found: Vec<(String, Kind)> = Vec::new();
        let mut seen: BTreeMap<&str, _> = rows.iter().map(|row| (row.key.as_str(), row)).collect();
        for (key, each) in expected {
            let row = seen.remove(key.as_str());
            let row = row.map(|row| (row.version, row.digest.as_str()));
            found.push((key.clone(), load::judge(Some(each), row, now)));
        }
        for (key, row) in seen {
            let row = (row.version, row.digest.as_str());
            found.push((key.to_owned(), load::judge(None, Some(row), now)));
        }
        for (key, kind) in &found {
            self.judged(key, *kind);
        }
        found.retain(|(_, kind)| kind.is_loaded_again());
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }

    fn count(&mut self, kind: Kind, keys: u64) {
        if let Some(comparing) = &mut self.progress.comparing {
            comparing.found.count_all(kind, keys);
        }
    }

    fn add_to_checksum(&mut self, ours: Sums) {
        if let Some(comparing) = &mut self.progress.comparing {
            comparing.held += ours.held;
            comparing.deleted += ours.deleted;
            let sum: u128 = comparing.checksum.parse().unwrap_or(0);
            comparing.checksum = (sum + ours.checksum).to_string();
        }
    }

    /// Counts how the comparison of a key ended, and names the first where something is wrong.
    fn judged(&mut self, key: &str, kind: Kind) {
        self.count(kind, 1);
        let (Some(remedy), Some(comparing)) = (kind.remedy(), &mut self.progress.comparing) else {
            return;
        };
        if comparing.notes.len() < MAX_NOTES {
            tracing::warn!(flow = %self.runtime.flow.id(), key, kind = kind.as_str(), remedy, request_id = self.engine.request(), "warehouse differs");
            let key = key.to_owned();
            comparing.notes.push(Note { key, kind });
        }
    }

    async fn end_comparison(&mut self) -> Step<()> {
        let (flow, spec) = (self.runtime.flow.id(), self.spec);
        let until = self.reads_until().await?;
        let held = self.warehouse.held(spec, flow, until).await?;
        let until = self.reads_until().await?;
        let unsound = self.warehouse.unsound(spec, flow, until).await?;
        let unsound: BTreeSet<String> = unsound.into_iter().map(|row| row.key).collect();
        // The digest does not cover all that people see of a row, and a landed row is in nobody's count: its
        // line in a newer file mends either.
        let keys: Vec<&str> = unsound.iter().map(String::as_str).collect();
        self.load_again(&keys).await?;
        let until = self.reads_until().await?;
        let not_loaded = self.warehouse.not_loaded(spec, flow, until).await?;
        let Some(comparing) = self.progress.comparing.take() else {
            return Ok(());
        };
        let comparison = Comparison {
            began: comparing.began,
            ended_at: self.engine.now(),
            found: comparing.found,
            notes: comparing.notes,
            registers: Checksum {
                held: comparing.held,
                deleted: comparing.deleted,
                checksum: comparing.checksum,
            },
            warehouse: Checksum {
                held: held.held,
                deleted: held.deleted,
                checksum: held.checksum.to_string(),
            },
            duplicates: held.duplicates,
            unsound: unsound.into_iter().take(MAX_NOTES).collect(),
            not_loaded: not_loaded
                .into_iter()
                .map(|one| (one.file, one.status))
                .take(MAX_NOTES)
                .collect(),
        };
        let (own, latest) = (
            keys::load_comparison(flow, comparison.began),
            keys::latest_load_comparison(flow),
        );
        let fence = self.lease.holder.fence;
        self.engine
            .keep_account(&own, &latest, comparison.ended_at, fence, &comparison)
            .await?;
        tracing::info!(
            flow = %flow,
            request_id = self.engine.request(),
            compared = comparison.found.compared(),
            found = comparison.found.found(),
            waiting = comparison.found.waiting,
            in_transit = comparison.found.in_transit,
            duplicates = comparison.duplicates,
            unsound = comparison.unsound.len(),
            not_loaded = comparison.not_loaded.len(),
            agrees = comparison.agrees(),
            "warehouse compared"
        );
        self.progress.compared_at = Some(comparison.began);
        self.comparison = Some(comparison);
        self.keep().await
    }
}

async fn load_again(engine: &Engine, flow: &Flow, key: &str) -> Result<(), EngineError> {
    let (flow, private) = (flow.id(), flow.private_fields());
    let Ok(key) = RecordKey::try_new(key) else {
        return Ok(());
    };
    let id = keys::register(flow, &key);
    let item = engine.read(&id).await?;
    let Some(Ok(Some(register))) = item.as_ref().map(Register::read) else {
        return Ok(());
    };
    if let Some(mark) = Mark::of(&register, private) {
        // Refused: something newer was applied, which is to be loaded anyway.
        engine.write(&id, &mark.load_again()).await?;
    }
    Ok(())
}
