//! REG-1: what is desired of a record changes by staging alone, and only towards newer versions.

use tidegate_model::{UnixMs, item::Item};
use tidegate_simulator::{ProcessId, ProcessKind};

use super::Write;
use crate::chaos::{
    book::Book,
    ledger::{number, text},
};

/// So many of a dozen are a mass, even where some were staged a moment ago and are not counted: one
/// that is absent alone is believed.
const MASS: usize = 5;

/// REG-1: the desired version only grows, and nothing else changes what is desired.
pub(super) fn versions(book: &mut Book, write: &Write<'_>) {
    let (old, new) = (text(write.before, "dv"), text(write.after, "dv"));
    if old.is_some() && new < old {
        let what = format!("the desired version went from {old:?} to {new:?}");
        book.fault("REG-1", write.now, Some(write.record), what);
    }
    let content = |item| {
        (
            text(item, "dh").map(str::to_owned),
            text(item, "df").map(str::to_owned),
        )
    };
    let differs = content(write.before) != content(write.after);
    if old.is_some() && old == new && differs && !write.by_person {
        let what = format!("the desired content changed under the same version {new:?}");
        book.fault("REG-1", write.now, Some(write.record), what);
    }
    let new_content = text(write.before, "dh") != text(write.after, "dh");
    let in_review = |item| text(item, "rv").is_some();
    // What a person discards goes back to what the source says, and is not sent.
    let discarded = write.by_person && in_review(write.before) && !in_review(write.after);
    if new_content && !discarded && number(write.after, "du").is_none() {
        let what = "new content is desired and the record is not dirty".to_owned();
        book.fault("QUE-2", write.now, Some(write.record), what);
    }
    let foreign = text(write.before, "un").is_some() && text(write.after, "un").is_none();
    let staged = old != new;
    if staged && foreign {
        let what = "a stage forgot an outcome that is not known".to_owned();
        book.fault("EFF-2", write.now, Some(write.record), what);
    }
}

/// R33: what the source lists no longer is staged as deleted, but not when most of it is gone at once.
/// `hidden`: how many records that were staged the source has lost sight of, this one among them.
pub fn deletion(
    book: &mut Book,
    (now, process): (UnixMs, ProcessId),
    record: &str,
    (before, after): (Option<&Item>, &Item),
    hidden: usize,
) {
    // A hint or a person asked for this one, and by its key the source knows nothing of it.
    if matches!(process.kind, ProcessKind::Worker(_)) {
        return;
    }
    let gone = |item| text(item, "df").is_some_and(|content| content.contains("eleted"));
    if hidden >= MASS && gone(Some(after)) && !gone(before) {
        let what = format!(
            "{process} staged it as deleted, one of {hidden} that the source lost sight of at once"
        );
        book.fault("R33", now, Some(record), what);
    }
}
