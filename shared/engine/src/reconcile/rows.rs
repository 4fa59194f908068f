//! The rows of the source, each compared with its register and the target.

use serde_json::Value;
use tidegate_model::{Content, RecordKey, UnixMs, item::Update};
use tidegate_policy::{
    fingerprint::{KeyPrint, StatePrint},
    flow::RowError,
    keys,
    reconcile::{self, AtTarget, Kind, MAX_NOTES, Phase},
    register::{self, Register, ReviewCause, ReviewKind},
    stage::{self, Incoming},
    sweep::Waits,
};

use super::{Comparing, Step, Stop, reading::Reading};
use crate::{
    RunEnd,
    ports::Written,
    staging::{Staged, critical_changes},
};

/// Registers read in one call (the store's limit).
const READ_AT_ONCE: usize = 100;

/// A row whose register has to be looked at.
pub(super) struct Row {
    pub(super) key: RecordKey,
    pub(super) incoming: Incoming,
    pub(super) modified_us: Option<u64>,
}

impl Comparing<'_> {
    /// Reads every page of the source.
    pub(super) async fn rows(&mut self) -> Step<()> {
        let mut tries = 0;
        while self.progress.phase == Phase::Rows {
            self.may_go_on().await?;
            let reading = self.begin_reading().await?;
            let page = match self.try_page(self.progress.cursor.clone()).await {
                Ok(page) => page,
                Err(error) => {
                    self.end_reading(reading).await?;
                    self.after_failed_read(error, &mut tries).await?;
                    continue;
                }
            };
            tries = 0;
            let (trail, here) = (&mut self.progress.trail, self.progress.cursor.as_ref());
            if page
                .next
                .as_ref()
                .is_some_and(|next| trail.leads_back(here, next))
            {
                self.end_reading(reading).await?;
                return Err(Stop::End(RunEnd::goes_round()));
            }
            self.lease_for_staging().await?;
            let taken = match reading.may_stage(self.engine.now()) {
                Ok(()) => self.take_rows(&page.rows, &reading).await,
                late => late,
            };
            self.end_reading(reading).await?;
            taken?;
            self.progress.pages += 1;
            self.progress.cursor = page.next;
            if self.progress.cursor.is_none() {
                self.progress.phase = Phase::Absent;
            }
            self.keep_place().await?;
            if self.progress.phase == Phase::Rows {
                self.let_others_read().await?;
            }
        }
        Ok(())
    }

    /// Compares the rows of a page and heals what is wrong. A page that is broken off is read again, and
    /// what was counted of it is known by its key: what has none is counted last.
    async fn take_rows(&mut self, rows: &[Value], reading: &Reading) -> Step<()> {
        let reader = self.reader(reading.read);
        let now = self.engine.now();
        let mut todo: Vec<Row> = Vec::new();
        let mut rejected = Vec::new();
        for (row, position) in rows.iter().zip(self.progress.rows..) {
            match self.runtime.incoming(row, &reader, position, now) {
                Ok((key, incoming, modified_us)) => {
                    let row = Row {
                        key,
                        incoming,
                        modified_us,
                    };
                    if !self.is_in_order(&row)? {
                        todo.push(row);
                    }
                }
                Err(error) => rejected.push((row, position, error)),
            }
        }
        for chunk in todo.chunks(READ_AT_ONCE) {
            let record_keys: Vec<RecordKey> = chunk.iter().map(|row| row.key.clone()).collect();
            self.lease_for_staging().await?;
            reading.may_stage(self.engine.now())?;
            let registers = self
                .engine
                .registers_each(self.runtime, &record_keys)
                .await?;
            for (row, register) in chunk.iter().zip(registers) {
                match register {
                    Ok(register) => self.compare(row, register).await?,
                    Err(error) => self.unreadable(&row.key, &error).await?,
                }
            }
        }
        for (row, position, error) in rejected {
            self.reject(row, position, &error).await?;
        }
        self.send_queued().await?;
        if self.progress.pass == 0 {
            self.progress.rows += u64::try_from(rows.len()).unwrap_or(0);
        }
        Ok(())
    }

    /// Whether nothing is to be done for a row: it belongs to another pass, was compared as it is, or
    /// the index and the target say that all agree. Costs no read. So a record that was put back to just
    /// what the comparison before had seen is told of only where the target is listed and shows the
    /// difference.
    fn is_in_order(&mut self, row: &Row) -> Step<bool> {
        let print = KeyPrint::of(&row.key);
        if !self.is_in_pass(print) {
            return Ok(true);
        }
        let state = self.state_of(row);
        if let Some(seen) = self.memory.seen.get(&print) {
            return Ok(*seen == state);
        }
        // Rule 9: only when the version in the index is equal too.
        if self.memory.index_of(print) != Some(state) {
            return Ok(false);
        }
        let Some(fields) = row.incoming.content.fields() else {
            return Ok(false);
        };
        let wanted = self.runtime.target.print(&row.key, fields);
        let at_target = self.memory.at_target(print, wanted.as_ref(), None);
        if !matches!(at_target, AtTarget::Same | AtTarget::NotCompared) {
            return Ok(false);
        }
        self.progress.findings.compared += 1;
        self.progress.live += 1;
        self.judged(row.key.as_str(), Kind::Equal);
        self.saw(print, state, true)?;
        Ok(true)
    }

    fn state_of(&self, row: &Row) -> StatePrint {
        StatePrint::of(
            &row.key,
            row.incoming.version.source,
            self.runtime.flow.revision(),
            &row.incoming.content.hash(),
        )
    }

    /// Compares one row with its register, and heals.
    pub(super) async fn compare(&mut self, row: &Row, register: Option<Register>) -> Step<()> {
        let print = KeyPrint::of(&row.key);
        if self.memory.seen.contains_key(&print) {
            // It changed while the source was read. It has been counted.
            self.stage(row, register).await?;
            return self.saw(print, StatePrint::LOOK, false);
        }
        let is_live = row.incoming.content != Content::Deleted;
        let now = self.engine.now();
        let seen = register.as_ref();
        let anew = seen.and_then(|seen| reconcile::mapped_anew(seen, &row.incoming));
        let row = &Row {
            key: row.key.clone(),
            incoming: anew.unwrap_or_else(|| row.incoming.clone()),
            modified_us: row.modified_us,
        };
        let critical = critical_changes(self.runtime, seen, &row.incoming);
        let plan = stage::plan(seen, &row.incoming, &critical);
        let arrival = self.arrival(row.modified_us);
        let known = register.is_some();
        let by_plan = reconcile::judge_plan(&plan, &row.incoming, register.as_ref(), arrival, now);
        let (kind, state) = match (by_plan, register) {
            (Some(Kind::Equal), _) => (Kind::Equal, StatePrint::LOOK),
            (Some(kind), register) => {
                let moved = self.stage(row, register).await?;
                (if moved { kind } else { Kind::Pending }, StatePrint::LOOK)
            }
            (None, Some(register)) => {
                let kind = match self.compare_register(&row.key, &register).await? {
                    kind @ (Kind::Equal | Kind::InReview | Kind::Discarded) => {
                        self.was_put_back(row, &register, kind).await?
                    }
                    kind => kind,
                };
                let state = self.state_after(row, &register, kind);
                if matches!(plan, stage::StagePlan::Move(_)) {
                    self.stage(row, Some(register)).await?;
                }
                (kind, state)
            }
            // Without a register every plan is a kind.
            (None, None) => (Kind::Pending, StatePrint::LOOK),
        };
        // Not before it is judged: who is out of time until then compares it again.
        self.progress.findings.compared += 1;
        self.progress.live += u64::from(is_live);
        self.judged(row.key.as_str(), kind);
        self.saw(print, state, known)
    }

    /// Whether what was judged so is not what the source shows any more: then a person decides which of
    /// them the target is to hold. It is asked by its key first: a listing may lag, or show what was
    /// beside what is.
    async fn was_put_back(&mut self, row: &Row, register: &Register, kind: Kind) -> Step<Kind> {
        let started = self.progress.started;
        if !reconcile::is_put_back(register, &row.incoming, started) {
            return Ok(kind);
        }
        // As many as a report can name: of a whole source that was put back each would cost a call, and
        // a person's time.
        if usize::try_from(self.progress.findings.put_back_at_source).is_ok_and(|n| n >= MAX_NOTES)
        {
            return Ok(Kind::PutBackAtSource);
        }
        self.may_go_on().await?;
        let (reader, now) = (self.reader(self.read), self.engine.now());
        let shown = if self.runtime.flow.file().source.gives_one() {
            let Ok(Some(shown)) = self.try_fetch(&row.key).await else {
                // The next comparison tells.
                return Ok(Kind::Pending);
            };
            let shown = self.runtime.incoming(&shown, &reader, 0, now);
            shown.map(|(key, shown, _)| (key, shown))
        } else {
            Ok((row.key.clone(), row.incoming.clone()))
        };
        match shown {
            Ok((key, shown)) if key == row.key => {
                if !reconcile::is_put_back(register, &shown, started) {
                    return Ok(kind);
                }
                let Some(incoming) = self.runtime.put_back(register, shown, now) else {
                    return Ok(kind);
                };
                self.lease_for_staging().await?;
                let seen = Some(register.clone());
                let staged = self.stage_one(&key, &incoming, seen).await?;
                Ok(match staged {
                    Staged::InReview => Kind::PutBackAtSource,
                    // The target holds just that, or something newer came meanwhile, or it is what a
                    // person had made of it.
                    Staged::New { .. } | Staged::Unchanged | Staged::Superseded => Kind::Pending,
                })
            }
            _ => Ok(Kind::Pending),
        }
    }

    /// What the index may say of a record whose comparison ended so.
    fn state_after(&self, row: &Row, register: &Register, kind: Kind) -> StatePrint {
        if kind == Kind::Equal && reconcile::agrees(register, &row.incoming) {
            self.state_of(row)
        } else {
            StatePrint::LOOK
        }
    }

    /// Compares a register that is as new as the source with the target, and heals.
    pub(super) async fn compare_register(
        &mut self,
        key: &RecordKey,
        register: &Register,
    ) -> Step<Kind> {
        let print = KeyPrint::of(key);
        let target = &self.runtime.flow.file().target;
        let settle = std::time::Duration::from_secs(target.settle_s().into());
        let content = register.effective();
        let wanted = content
            .fields()
            .and_then(|fields| self.runtime.target.print(key, fields));
        let target_id = register.target_id.as_deref();
        let at_target = match content {
            Content::Deleted => self.memory.has_deleted(print),
            // With what, is not known any more, nor what would be sent.
            Content::Forgotten => AtTarget::NotCompared,
            Content::Record(_) => self.memory.at_target(print, wanted.as_ref(), target_id),
        };
        let listed = self.progress.listed.as_ref();
        let listed_from = listed.map_or(self.began, |listed| listed.from);
        let settled = reconcile::is_settled(register, settle, listed_from);
        let now = self.engine.now();
        let (longest, swept) = self.gauges.lawful_wait(self.runtime, register.tier);
        let stranded =
            Waits::of(register).is_some_and(|waits| waits.is_stranded(longest, swept, now));
        let deletion = self.runtime.flow.deletion();
        let kind = reconcile::judge(register, at_target, deletion, settled, stranded);
        // A page that is read again after a crash finds it staged, and perhaps not queued (rule 1).
        let unqueued = kind == Kind::Pending
            && self.progress.started < self.began
            && reconcile::may_be_unqueued(register, self.progress.started);
        if kind == Kind::Stranded || unqueued {
            self.queue.push((key.clone(), register.tier));
        }
        let write = match kind {
            Kind::EditedAtTarget => register::reopen(register, now),
            Kind::MissingAtTarget => register::reopen_missing(register, &self.engine.token(), now),
            Kind::BackAtTarget => {
                let stranger = self.memory.stranger(print).map(|(_, id)| id.as_str());
                if stranger.is_none() && !self.runtime.target.traits().upsert {
                    // By what id it would be deleted is not known.
                    return Ok(Kind::UnknownAtSource);
                }
                register::reopen_deleted(register, stranger, now)
            }
            _ => return Ok(kind),
        };
        let reopened = self.reopen(key, &write, now).await?;
        Ok(if reopened { kind } else { Kind::Pending })
    }

    /// Makes a record dirty again whose target no longer holds what was applied. False when it was
    /// staged or worked on meanwhile: what was compared is no longer so.
    async fn reopen(&mut self, key: &RecordKey, write: &Update, now: UnixMs) -> Step<bool> {
        let id = keys::register(self.runtime.flow.id(), key);
        let current = match self.engine.write(&id, write).await? {
            Written::Done { after, .. } => Some(after),
            Written::Refused { current } => current,
        };
        let current = current.as_ref().map_or(Ok(None), Register::read)?;
        // The answer of an earlier try may have been lost: the write is known by its moment.
        let mine = current.as_ref().is_some_and(|register| {
            register.applied.is_none() && register.dirty_since == Some(now)
        });
        if mine {
            self.queue.push((key.clone(), tidegate_model::Tier::Batch));
        }
        Ok(mine)
    }

    /// Stages what the source shows. False when others had staged as much or more meanwhile.
    pub(super) async fn stage(&mut self, row: &Row, register: Option<Register>) -> Step<bool> {
        let mut incoming = row.incoming.clone();
        let known = register.is_some();
        if !known {
            self.link(&row.key, &mut incoming);
        }
        let staged = self.stage_one(&row.key, &incoming, register).await?;
        Ok(matches!(staged, Staged::New { .. } | Staged::InReview))
    }

    /// Stages, and queues what comes of it, were it another's work that has no message (rule 1).
    pub(super) async fn stage_one(
        &mut self,
        key: &RecordKey,
        incoming: &Incoming,
        register: Option<Register>,
    ) -> Step<Staged> {
        let result = self
            .engine
            .stage(self.runtime, key, incoming, register)
            .await?;
        if let Some(tier) = result.message {
            self.queue.push((key.clone(), tier));
        }
        Ok(result.staged)
    }

    /// A record without register that stands in the target already is linked, not created again.
    fn link(&self, key: &RecordKey, incoming: &mut Incoming) {
        let print = KeyPrint::of(key);
        let traits = self.runtime.target.traits();
        let mut ambiguous = None;
        match self.memory.at_target(print, None, None) {
            AtTarget::Doubled => {
                ambiguous = Some("the target has several records that bear its mark");
            }
            // What was not listed may stand there all the same (EFF-2).
            _ if !self.memory.target_listed => {
                incoming.look_first = traits.searchable && !traits.upsert;
            }
            _ if !self.memory.stands(print) => {}
            _ => match self.memory.stranger(print) {
                Some((_, id)) => incoming.link = Some(id.clone()),
                None if traits.searchable => incoming.look_first = true,
                None if traits.upsert => {}
                None => ambiguous = Some("the target has it under an id that is not known"),
            },
        }
        if let Some(reason) = ambiguous {
            let cause = ReviewCause {
                kind: ReviewKind::Ambiguous,
                field: None,
                reason: reason.to_owned(),
                since: self.engine.now(),
            };
            let flow = self.runtime.flow.id().clone();
            incoming.review.get_or_insert((flow, cause));
        }
    }

    /// A row that is no record needs a person. One whose key can be read is not absent.
    async fn reject(&mut self, row: &Value, position: u64, error: &RowError) -> Step<()> {
        let key = self.runtime.flow.key_of_row(row).ok();
        let print = key.as_ref().map(KeyPrint::of);
        let mine = match print {
            Some(print) => self.is_in_pass(print) && !self.memory.seen.contains_key(&print),
            None => self.progress.pass == 0,
        };
        if !mine {
            return Ok(());
        }
        self.keep_rejected(row, position, error).await?;
        self.progress.findings.compared += 1;
        let name = key.map_or_else(|| format!("row {position}"), |key| key.to_string());
        self.judged(&name, Kind::Rejected);
        if let Some(print) = print {
            // Whether it has a register is not known, so the tick's sum may differ and be looked at.
            self.saw(print, StatePrint::LOOK, false)?;
        }
        Ok(())
    }

    /// Keeps such a row among the reviews.
    pub(super) async fn keep_rejected(
        &self,
        row: &Value,
        position: u64,
        error: &RowError,
    ) -> Step<()> {
        let reason = format!(
            "row {position} of {}: {}",
            self.progress.run,
            crate::chain(error)
        );
        let flow = self.runtime.flow.id();
        self.engine.keep_row(flow, row, reason, false).await?;
        Ok(())
    }

    /// Nothing is staged under a lease that is nearly over.
    async fn lease_for_staging(&mut self) -> Step<()> {
        let now = self.engine.now();
        if !self.lease.holder.may_stage(now) {
            self.advance(&reconcile::renew(&self.lease.holder, now))
                .await?;
        }
        Ok(())
    }
}
