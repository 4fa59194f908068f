//! `kill -9` of a run of 300 suppliers, triggered by the double at each kind of moment: nothing is
//! lost and no supplier is created twice (EFF-2, QUE-2).

use std::{collections::BTreeMap, time::Duration};

use tidegate_testkit::doubles::{Action, Fault, Point, erp::realistic_suppliers};

use super::machine::{Systems, suppliers_flow, until};
use crate::binaries::command;

const SUPPLIERS: u32 = 300;
const KILLS_OF_A_KIND: usize = 5;
/// Creates before each kill: the kills spread over the run.
const CREATES_BETWEEN: u64 = 6;
const KINDS: [(Point, &str); 4] = [
    (Point::BeforeAct, "before it acts"),
    (
        Point::AfterActBeforeAnswer,
        "after it acted, before it answers",
    ),
    (Point::AfterAnswer, "after its answer"),
    (Point::BetweenCalls, "between calls"),
];

/// Quick limits and time-outs; 20 calls in 2 s leave enough to do for twenty kills.
fn quick_flow() -> String {
    suppliers_flow()
        .replace(
            "batch = { calls = 50, per_s = 60 }",
            "batch = { calls = 20, per_s = 2 }",
        )
        .replace("account = { calls = 200, per_s = 60 }\n", "")
        .replace(
            "secret = \"QUALIO_API_KEY\"",
            "secret = \"QUALIO_API_KEY\"\ntimeout_s = 2\nsettle_s = 1",
        )
        .replace(
            "preset = \"slow-answers\"",
            "preset = \"failures\"\ncool_down_s = 2",
        )
        .replace("after_s = [60, 300, 900]", "after_s = [4, 5, 6]")
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_and_create_nothing_twice() {
    let systems = Systems::new(
        realistic_suppliers(11, SUPPLIERS, 0),
        &[("suppliers", quick_flow())],
    )
    .await;
    let mut hit: BTreeMap<&str, usize> = BTreeMap::new();
    let mut program = systems.start(&command());
    until(
        "everything is staged",
        Duration::from_secs(120),
        async || {
            (program.health().await["items"][0]["last_run"]["ended"] == "complete").then_some(())
        },
    )
    .await;
    for round in 0..KILLS_OF_A_KIND * KINDS.len() {
        let (point, name) = KINDS[round % KINDS.len()];
        systems.qualio.clear_faults();
        let before = systems.qualio.fired().len();
        let kill = Fault::new(Action::KillPid(program.pid()))
            .at(point)
            .method("POST")
            .nth(CREATES_BETWEEN);
        systems.qualio.set_fault(kill).unwrap();
        until("it was killed", Duration::from_secs(120), async || {
            program.has_ended().then_some(())
        })
        .await;
        let fired = systems.qualio.fired();
        assert_eq!(fired.len(), before + 1, "{name}");
        *hit.entry(name).or_default() += 1;
        program = systems.start(&command());
    }
    systems.qualio.clear_faults();
    let created = systems.qualio.created_by_key();
    println!(
        "killed, with {} of {SUPPLIERS} created by then:",
        created.len()
    );
    for (_, name) in KINDS {
        println!("  {:2} times {name}", hit.get(name).unwrap_or(&0));
        assert_eq!(hit.get(name), Some(&KILLS_OF_A_KIND), "{name}");
    }

    let wanted = systems.erp.suppliers();
    until("all 300 are right", Duration::from_secs(300), async || {
        let all = wanted.iter().all(|row| {
            let standing = systems.qualio.suppliers_of_key(&row.id);
            standing.len() == 1 && standing[0].name == row.legal_name
        });
        all.then_some(())
    })
    .await;
    until("nothing is pending", Duration::from_secs(120), async || {
        let health = program.health().await;
        let backlog = &health["items"][0]["backlog"];
        (backlog["applied"] == SUPPLIERS && backlog["in_review"] == 0).then_some(())
    })
    .await;
    let created = systems.qualio.created_by_key();
    assert_eq!(created.len(), wanted.len());
    assert!(
        created.values().all(|count| *count == 1),
        "EFF-2: {created:?}"
    );
    assert_eq!(systems.qualio.suppliers().len(), wanted.len());
}
