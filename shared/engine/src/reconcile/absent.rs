//! What the source did not list, and what only the target has.
//!
//! A record is absent when a register holds it as live and no row was seen. That is a suspicion: a
//! listing can lose rows. So each is asked for by its key before it is staged as a deletion, or, where
//! the source gives none by its key, looked for in a second listing; and too many at once stop the flow
//! for a person instead.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_model::{Content, RecordKey, flow::Deletion};
use tidegate_policy::{
    fingerprint::{KeyPrint, StatePrint},
    flow_state::Side,
    keys::{self, REGISTER_SHARDS},
    reconcile::{self, Kind, MOST_ABSENT_PERCENT},
    register::{CorruptRegister, Register},
};

use super::{Comparing, Step, Stop, reading::READ_TRIES, rows::Row};
use crate::{
    RunEnd,
    ports::{CallError, Listing},
    staging::Staged,
};

/// Registers read in one call.
const SCAN_PAGE: u32 = 500;
/// Absent keys kept at once; more are looked for again. Of 256 bytes, 3 MB.
const ABSENT_AT_ONCE: usize = 10_000;
/// Registers read in one call by key (the store's limit).
const READ_AT_ONCE: usize = 100;

/// Records that were not listed.
#[derive(Default)]
struct Absent {
    count: u64,
    /// Those not listed either that were staged meanwhile: the next comparison tells.
    moved: u64,
    keys: Vec<RecordKey>,
}

impl Comparing<'_> {
    /// Looks for registers that no row led to, and stages as deleted what the source does not know
    /// by its key either.
    pub(super) async fn absent(&mut self) -> Step<()> {
        loop {
            let found = self.look_for_absent().await?;
            if found.count == 0 {
                return Ok(());
            }
            let live = self.progress.live + found.count;
            if !self.progress.accept_absent && reconcile::is_mass_absence(found.count, live) {
                return Err(self.stop_for_absence(found.count, live).await);
            }
            // Where a mass was not listed that is judged by the next comparison, so are the few others.
            let unlisted = found.count + found.moved;
            let is_doubtful = reconcile::is_mass_absence(unlisted, live + found.moved)
                && !self.progress.accept_absent;
            let gives_one = self.runtime.flow.file().source.gives_one();
            let mut listed = BTreeMap::new();
            if !gives_one && !is_doubtful {
                listed = self.list_again(&found.keys).await?;
            }
            for key in &found.keys {
                if is_doubtful {
                    self.leave(key, Kind::Pending)?;
                    continue;
                }
                if gives_one {
                    self.verify(key).await?;
                } else {
                    self.verify_listed(key, listed.remove(key)).await?;
                }
                self.send_queued().await?;
                self.keep_place().await?;
            }
            if u64::try_from(found.keys.len()).is_ok_and(|kept| kept == found.count) {
                return Ok(());
            }
        }
    }

    async fn stop_for_absence(&self, absent: u64, live: u64) -> Stop {
        let reason = format!(
            "the source lists {absent} of {live} records no longer, more than {MOST_ABSENT_PERCENT} % at once; nothing was deleted. If they are gone: resume the flow, then reconcile it with --accept-absent"
        );
        self.engine
            .stop_flow(self.runtime, Side::Source, &reason, self.began)
            .await;
        Stop::Abandon(RunEnd::Stopped { reason })
    }

    /// Reads the registers of every shard in which a key was not compared.
    async fn look_for_absent(&mut self) -> Step<Absent> {
        let mut absent = Absent::default();
        for shard in self.suspect_shards()? {
            let flow = self.runtime.flow.id();
            let listing = Listing::Partition(keys::register_partition(flow, shard));
            let mut after: Option<String> = None;
            loop {
                self.may_go_on().await?;
                let store = &self.engine.ports.store;
                let page = store.list(&listing, after.as_deref(), SCAN_PAGE).await?;
                for (key, item) in page.items {
                    let Ok(key) = RecordKey::try_new(key.sort) else {
                        continue;
                    };
                    match Register::read(&item) {
                        Ok(Some(register)) => {
                            self.unlisted(key, &register, &mut absent).await?;
                        }
                        Ok(None) => {}
                        Err(error) => self.unreadable(&key, &error).await?,
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            self.send_queued().await?;
        }
        Ok(absent)
    }

    /// Shards of keys that the index knows and that were not compared, and those where tick has
    /// counted other keys than were compared.
    fn suspect_shards(&mut self) -> Step<BTreeSet<u32>> {
        let mut suspects = BTreeSet::new();
        let deletes = self.runtime.flow.deletion() == Deletion::Delete;
        for entry in self.memory.unseen() {
            let stands = deletes && self.memory.stands(entry.key);
            if entry.state == StatePrint::GONE && !stands {
                self.progress.findings.compared += 1;
                self.progress.findings.count(Kind::Equal);
                self.saw(entry.key, StatePrint::GONE, true)?;
            } else {
                suspects.insert(entry.key.shard());
            }
        }
        for shard in 0..REGISTER_SHARDS {
            if !self.is_in_pass(KeyPrint::first_of(shard)) && !self.holds_part_of(shard) {
                continue;
            }
            let at = usize::try_from(shard).unwrap_or(0);
            if self.gauges.key_sums.get(at) != self.progress.sums.get(at) {
                suspects.insert(shard);
            }
        }
        Ok(suspects)
    }

    /// Whether a pass smaller than a shard lies within it.
    fn holds_part_of(&self, shard: u32) -> bool {
        self.progress.passes > REGISTER_SHARDS
            && self.progress.pass / (self.progress.passes / REGISTER_SHARDS) == shard
    }

    /// A register, listed. Whatever was compared is passed over.
    async fn unlisted(
        &mut self,
        key: RecordKey,
        register: &Register,
        absent: &mut Absent,
    ) -> Step<()> {
        let print = KeyPrint::of(&key);
        if !self.is_in_pass(print) || self.memory.seen.contains_key(&print) {
            return Ok(());
        }
        if register.desired.content != Content::Deleted {
            if reconcile::has_moved_since(register, self.progress.started) {
                // It came while the source was read: the next comparison tells.
                absent.moved += 1;
                return self.leave(&key, Kind::Pending);
            }
            absent.count += 1;
            if absent.keys.len() < ABSENT_AT_ONCE {
                absent.keys.push(key);
            }
            return Ok(());
        }
        self.progress.findings.compared += 1;
        let kind = self.compare_register(&key, register).await?;
        let state = if kind == Kind::Equal {
            StatePrint::GONE
        } else {
            StatePrint::LOOK
        };
        self.judged(key.as_str(), kind);
        self.saw(print, state, true)
    }

    /// The rows of these keys in another listing of the source, read to its end. Where it is cut, all of
    /// it is read again.
    async fn list_again(&mut self, wanted: &[RecordKey]) -> Step<BTreeMap<RecordKey, Value>> {
        let wanted: BTreeSet<&RecordKey> = wanted.iter().collect();
        let mut listed = BTreeMap::new();
        let (mut cursor, mut tries) = (None, 0);
        loop {
            self.may_go_on().await?;
            let page = match self.try_page(cursor.clone()).await {
                Ok(page) => page,
                Err(error) => {
                    self.after_failed_read(error, &mut tries).await?;
                    continue;
                }
            };
            tries = 0;
            for row in page.rows {
                match self.runtime.flow.key_of_row(&row) {
                    Ok(key) if wanted.contains(&key) => drop(listed.insert(key, row)),
                    Ok(_) | Err(_) => {}
                }
            }
            if page.next.is_none() {
                return Ok(listed);
            }
            if page.next == cursor {
                return Err(Stop::End(RunEnd::goes_round()));
            }
            cursor = page.next;
        }
    }

    /// Takes what a second listing says of an absent record.
    async fn verify_listed(&mut self, key: &RecordKey, row: Option<Value>) -> Step<()> {
        self.may_go_on().await?;
        let reading = self.begin_reading().await?;
        let keys = std::slice::from_ref(key);
        let registers = self.engine.registers_each(self.runtime, keys).await?;
        let done = match registers.into_iter().next() {
            Some(Err(error)) => self.unreadable(key, &error).await,
            Some(Ok(Some(register)))
                if reconcile::has_moved_since(&register, self.progress.started) =>
            {
                // Staged since the listing began: the next comparison tells.
                self.leave(key, Kind::Pending)
            }
            Some(Ok(register)) => self.verified(key, row, register, reading.read).await,
            None => self.verified(key, row, None, reading.read).await,
        };
        self.end_reading(reading).await?;
        done
    }

    /// Asks the source for an absent record by its key. Only what it does not know is deleted, and
    /// what it does not answer for stays as it is.
    async fn verify(&mut self, key: &RecordKey) -> Step<()> {
        let mut tries = 0;
        loop {
            self.may_go_on().await?;
            let reading = self.begin_reading().await?;
            // Before the source is asked: what is staged after its answer is newer than that.
            let keys = std::slice::from_ref(key);
            let registers = self.engine.registers_each(self.runtime, keys).await?;
            let register = match registers.into_iter().next() {
                Some(Ok(register)) => register,
                Some(Err(error)) => {
                    self.end_reading(reading).await?;
                    return self.unreadable(key, &error).await;
                }
                None => None,
            };
            match self.try_fetch(key).await {
                Ok(row) => {
                    let done = match reading.may_stage(self.engine.now()) {
                        Ok(()) => self.verified(key, row, register, reading.read).await,
                        late => late,
                    };
                    self.end_reading(reading).await?;
                    return done;
                }
                Err(CallError::Refused { reason, .. } | CallError::Gone { reason }) => {
                    self.end_reading(reading).await?;
                    return self.unanswered(key, &reason);
                }
                Err(CallError::Failed { reason, .. }) if tries + 1 >= READ_TRIES => {
                    self.end_reading(reading).await?;
                    return self.unanswered(key, &reason);
                }
                Err(error) => {
                    self.end_reading(reading).await?;
                    self.after_failed_read(error, &mut tries).await?;
                }
            }
        }
    }

    fn unanswered(&mut self, key: &RecordKey, reason: &str) -> Step<()> {
        tracing::warn!(flow = %self.runtime.flow.id(), key = key.as_str(), reason, "not read by its key");
        self.leave(key, Kind::Unanswered)
    }

    /// A register that can not be read needs a person, and the others are compared.
    pub(super) async fn unreadable(
        &mut self,
        key: &RecordKey,
        error: &CorruptRegister,
    ) -> Step<()> {
        let print = KeyPrint::of(key);
        if !self.is_in_pass(print) || self.memory.seen.contains_key(&print) {
            return Ok(());
        }
        self.engine
            .keep_unreadable(self.runtime.flow.id(), key, error)
            .await?;
        self.leave(key, Kind::Rejected)
    }

    async fn verified(
        &mut self,
        key: &RecordKey,
        row: Option<Value>,
        register: Option<Register>,
        read: u64,
    ) -> Step<()> {
        let reader = self.reader(read);
        let now = self.engine.now();
        if let Some(row) = row {
            tracing::warn!(flow = %self.runtime.flow.id(), key = key.as_str(), "not listed by the source, but there");
            return match self.runtime.incoming(&row, &reader, 0, now) {
                Ok((found, incoming, modified_us)) if found == *key => {
                    let row = Row {
                        key: found,
                        incoming,
                        modified_us,
                    };
                    self.compare(&row, register).await
                }
                // Another record's row is no answer about this one.
                Ok(_) => self.leave(key, Kind::Pending),
                Err(error) => {
                    self.keep_rejected(&row, 0, &error).await?;
                    self.leave(key, Kind::Rejected)
                }
            };
        }
        let incoming = self.runtime.deletion(key, register.as_ref(), &reader, now);
        let kind = match self.stage_one(key, &incoming, register).await? {
            Staged::New { .. } | Staged::InReview => Kind::DeletedAtSource,
            Staged::Unchanged | Staged::Superseded => Kind::Pending,
        };
        self.leave(key, kind)
    }

    fn leave(&mut self, key: &RecordKey, kind: Kind) -> Step<()> {
        self.progress.findings.compared += 1;
        self.judged(key.as_str(), kind);
        self.saw(KeyPrint::of(key), StatePrint::LOOK, true)
    }

    /// What bears one of our keys at the target and nothing else knows. A person decides. Done in one
    /// go up to the checkpoint, since no other mark says which of them were counted.
    pub(super) async fn at_target_only(&mut self) -> Step<()> {
        let unknown = self.memory.standing_unseen();
        for chunk in unknown.chunks(READ_AT_ONCE) {
            let named: Vec<(KeyPrint, Option<RecordKey>)> = chunk
                .iter()
                .map(|print| {
                    let stranger = self.memory.stranger(*print);
                    (*print, stranger.map(|(key, _)| key.clone()))
                })
                .collect();
            let record_keys: Vec<RecordKey> =
                named.iter().filter_map(|(_, key)| key.clone()).collect();
            let registers = self
                .engine
                .registers_each(self.runtime, &record_keys)
                .await?;
            let mut registers = registers.into_iter();
            for (_, key) in named {
                self.progress.findings.compared += 1;
                let Some(key) = key else {
                    self.judged("(one of many)", Kind::UnknownAtSource);
                    continue;
                };
                // A record that came while this ran has its register by now.
                let kind = match registers.next() {
                    Some(Ok(Some(_)) | Err(_)) => Kind::Pending,
                    Some(Ok(None)) | None => Kind::UnknownAtSource,
                };
                self.judged(key.as_str(), kind);
            }
        }
        Ok(())
    }
}
