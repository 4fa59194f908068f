//! Least privilege, permission by permission: each action and each resource that a role of a function
//! is allowed is taken away in turn, the function is set to work, and the emulator's refusal of that
//! very action is what has to show. What nobody misses is too much.

mod policy;
mod work;

use std::collections::BTreeSet;

use policy::{Case, Policy};
use work::{Function, Works};

use crate::{journey::QUICK_RETRIES, stack::RunBy, world::World};

/// Enough for each kind of work to have a record of its own.
const SUPPLIERS: u32 = 8;

/// What lets the flow decide.
const DECIDES: (&str, &str) = (
    "\n[schedule]\n",
    "\n[decide]\npath = \"/api/suppliers/{{ key }}\"\nyes = \"answer.quality.blocked == false\"\nlimit = { calls = 50, per_s = 60 }\n\n[schedule]\n",
);

/// Works that may pass without a word: the emulator hands over a line that comes 5 ms after the one
/// before it with the next invocation of the process, and on a busy machine such lines are lost.
const WORKS: u32 = 5;

/// Statements that the emulator does not ask for, since what would is AWS's own: Lambda in the function's
/// name, and the key behind table, queues and secrets. What would fail without them is the journey on AWS
/// itself, by what is said here. So would it without the two statements of
/// `SchedulerRole`, by which the emulator's schedules start functions unasked.
const UNSEEN: [(&str, &str); 5] = [
    ("Key", "nothing that is stored could be read or written"),
    ("Poll", "no message would arrive"),
    ("Log", "the log groups would stay empty"),
    (
        "Files",
        "S3 says that it refuses, and not what: `triggers` shows that the bucket is read and written",
    ),
    (
        "Undelivered",
        "Lambda refuses to deploy a function that can not use its dead-letter queue",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_of_each_function_is_missed_when_it_is_taken_away() {
    let world =
        World::with_warehouse(RunBy::Hand, SUPPLIERS, &[QUICK_RETRIES, DECIDES], None).await;
    let works = Works::new(&world);
    let mut unseen = BTreeSet::new();
    let mut superfluous = Vec::new();
    for function in Function::ALL {
        let denials = works.denials(function).await;
        assert!(
            denials.is_empty(),
            "{function:?} lacks a permission: {denials:#?}"
        );
        let whole = Policy::of(&world, function.name()).await;
        for case in whole.cases() {
            if let Some((sid, _)) = UNSEEN.iter().find(|(sid, _)| case.sid == *sid) {
                unseen.insert(*sid);
                continue;
            }
            whole.put(&world, &case.rest).await;
            if let Err(denials) = missed(&works, function, &case).await {
                superfluous.push(format!("{function:?} without {case}: {denials:?}"));
            }
        }
        whole.put(&world, &whole.document).await;
    }
    assert!(superfluous.is_empty(), "not missed: {superfluous:#?}");
    let listed: BTreeSet<&str> = UNSEEN.iter().map(|(sid, _)| *sid).collect();
    assert_eq!(unseen, listed, "the list is out of date");
}

/// Whether a function's log names what was taken away; the refusals that it does name, if not.
async fn missed(works: &Works<'_>, function: Function, case: &Case) -> Result<(), Vec<String>> {
    let mut denials = Vec::new();
    for _ in 0..WORKS {
        denials = works.denials(function).await;
        if denials.iter().any(|denial| case.shows(denial)) {
            return Ok(());
        }
    }
    Err(denials)
}
