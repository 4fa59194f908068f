//! Runs that are cut, die or lose an answer go on from their checkpoint: nothing is left out, and
//! nothing that was staged is read again without need (R34, CP-1, CP-2).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tidegate_engine::{Event, RunEnd, RunReport, ports::Clock};
use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::{keys, run::Lease};
use tidegate_simulator::{Fate, Interposer, Operation, PortCall};
use tidegate_testkit::doubles::{Action, Answer, Fault, Point, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

const RECORDS: u32 = 47;
/// Small pages, so that there are several.
const PAGE: u32 = 12;
/// Longer than the hard limit of the flow below, and shorter than a lease.
const SLOW_PAGE: Duration = Duration::from_secs(61);

fn flow() -> String {
    suppliers_flow()
        .replace("page_size = 50", &format!("page_size = {PAGE}"))
        .replace("time_zone =", "max_run_minutes = 1\ntime_zone =")
}

/// Every page of the source takes longer than a run may.
struct SlowPages;

impl Interposer for SlowPages {
    fn decide(&self, call: &PortCall<'_>) -> Fate {
        match call.operation {
            Operation::Http { request } if is_listing(&request.url) => Fate::StallAfter(SLOW_PAGE),
            _ => Fate::Proceed,
        }
    }
}

fn is_listing(url: &str) -> bool {
    url.starts_with("http://erp/api/suppliers?")
}

/// The first page of the source takes long, once.
#[derive(Default)]
struct SlowOnce(AtomicU32);

impl Interposer for SlowOnce {
    fn decide(&self, call: &PortCall<'_>) -> Fate {
        match call.operation {
            Operation::Http { request } if is_listing(&request.url) => {
                if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                    Fate::StallAfter(SLOW_PAGE)
                } else {
                    Fate::Proceed
                }
            }
            _ => Fate::Proceed,
        }
    }
}

/// The n-th write of the checkpoint meets this fate.
struct Strike {
    nth: u32,
    fate: Fate,
    seen: AtomicU32,
}

impl Interposer for Strike {
    fn decide(&self, call: &PortCall<'_>) -> Fate {
        let Operation::Update { key, .. } = call.operation else {
            return Fate::Proceed;
        };
        if *key != keys::lease(&suppliers()) {
            return Fate::Proceed;
        }
        if self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.nth {
            self.fate
        } else {
            Fate::Proceed
        }
    }
}

fn suppliers() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

/// Asks for a run until one is complete; the reports of those that told one.
async fn run_to_the_end(world: &World) -> Vec<RunReport> {
    let mut reports = Vec::new();
    for _ in 0..40 {
        let report = world.ask_run(MANUAL).await;
        let complete = matches!(&report, Some(report) if report.end == RunEnd::Complete);
        reports.extend(report);
        if complete {
            return reports;
        }
        // A lease of the dead runs out.
        tokio::time::sleep(Duration::from_secs(121)).await;
    }
    panic!("no run is complete: {reports:?}");
}

fn lease(world: &World) -> Lease {
    Lease::read(world.table().item(&keys::lease(&suppliers())).as_ref())
}

/// Every row is staged, and has a message.
fn is_whole(world: &World) {
    let registers = world.registers();
    assert_eq!(registers.len(), RECORDS as usize, "CP-1: a row is left out");
    let queued = world.queued_keys();
    for ((_, key), register) in registers {
        assert!(register.is_dirty(), "nothing works here");
        assert!(queued.contains(&key), "CP-1: {key} was never queued");
    }
}

fn listings(world: &World) -> usize {
    let calls = world.erp.calls_between(i64::MIN, i64::MAX);
    calls
        .iter()
        .filter(|call| call.path == "/api/suppliers")
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_at_every_page_goes_on_where_it_was_r34() {
    let suppliers = realistic_suppliers(5, RECORDS, 0);
    let world = World::with_interposer(suppliers, &[flow()], Arc::new(SlowPages));
    let mut cuts = 0;
    loop {
        let report = world.ask_run(MANUAL).await.expect("nothing dies");
        assert!(report.counts.add_up(), "OUT-1: {report:?}");
        if report.end == RunEnd::Complete {
            assert_eq!(report.counts.received, u64::from(RECORDS), "no row twice");
            break;
        }
        assert_eq!(report.end, RunEnd::Cut);
        cuts += 1;
        assert_eq!(report.pages, cuts, "one page a part");
        assert_eq!(lease(&world).covered, None, "CP-2: no watermark of a part");
        assert!(cuts < 40);
    }
    assert!(cuts >= 3, "{cuts}");
    assert_eq!(listings(&world) as u64, cuts + 1, "no page is read again");
    is_whole(&world);
    assert!(lease(&world).covered.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_or_loses_an_answer_at_any_write_of_its_checkpoint_leaves_nothing_out_cp_1()
{
    let fates = [
        Fate::CrashBefore,
        Fate::CrashAfter,
        Fate::LoseAnswer,
        Fate::FailUnsent,
    ];
    let mut struck = 0;
    for fate in fates {
        // The taking, each page's advance, and the end.
        for nth in 1..=5 {
            let suppliers = realistic_suppliers(5, RECORDS, 0);
            let strike = Arc::new(Strike {
                nth,
                fate,
                seen: AtomicU32::new(0),
            });
            let world = World::with_interposer(suppliers, &[flow()], Arc::<Strike>::clone(&strike));
            let before = world.clock_ms();
            run_to_the_end(&world).await;
            is_whole(&world);
            let lease = lease(&world);
            assert!(lease.progress.is_none() && lease.held_until(UnixMs(before)).is_none());
            let repeated = listings(&world) - (RECORDS as usize).div_ceil(PAGE as usize);
            assert!(repeated <= 4, "{fate:?} at {nth}: {repeated} pages again");
            struck += u32::from(strike.seen.load(Ordering::SeqCst) > nth);
        }
    }
    assert_eq!(
        struck, 20,
        "each write was struck, and others came after it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_part_that_has_no_time_for_another_page_like_the_last_does_a_small_one_r34() {
    let suppliers = realistic_suppliers(5, RECORDS, 0);
    let flow = flow().replace("max_run_minutes = 1", "max_run_minutes = 60");
    let world = World::with_interposer(suppliers, &[flow], Arc::new(SlowOnce::default()));
    let deadline = world.clock.now() + Duration::from_secs(100);
    let first = world.ask_run_until(MANUAL, deadline).await.unwrap();
    assert_eq!((first.end, first.pages), (RunEnd::Continues, 1));
    let deadline = world.clock.now() + Duration::from_secs(45);
    let second = world.ask_run_until(MANUAL, deadline).await.unwrap();
    assert!(second.pages > first.pages, "{second:?}");
    assert_eq!(second.end, RunEnd::Complete, "the rest is fast again");
    is_whole(&world);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_only_waits_for_its_source_does_not_ask_for_itself_again() {
    let world = World::new(realistic_suppliers(5, RECORDS, 0), &[flow()]);
    let wait = Answer {
        status: 429,
        headers: [("retry-after".to_owned(), "600".to_owned())].into(),
        body: serde_json::Value::Null,
    };
    let busy = Fault::new(Action::Answer(wait)).at(Point::BeforeAct);
    world.erp.set_fault(busy).unwrap();
    let deadline = world.clock.now() + Duration::from_secs(60);
    let report = world.ask_run_until(MANUAL, deadline).await.unwrap();
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let asks = |event: &Event| matches!(event, Event::RunRequested { .. });
    assert!(!world.events().iter().any(asks), "tick asks for the rest");
}
