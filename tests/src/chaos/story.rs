//! One story: a seed's world from its first change until everything is at rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tidegate_engine::{Event, ports::Clock};
use tidegate_model::{FlowId, RecordKey, Tier, UnixMs};
use tidegate_simulator::{ProcessKind, Setup, TrueClock, Workers, World};
use tidegate_testkit::doubles::qualio::{QualioConfig, QualioDouble};

use super::{
    book::{Ends, Totals, Violation},
    check::{end, message},
    comparing::{self, Which},
    faults::Faults,
    flow::{FLOW, careless_file, flow_file},
    ledger::Ledger,
    locked, person,
    plan::{Deed, Happening, Plan, TargetKind},
    push,
    script::Script,
    source::{Row, Source},
    systems::{Kept, Systems, Wire},
    target::Things,
};

/// The two secrets of the flow's webhook.
pub(super) const SECRETS: [&str; 2] = [
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
];
/// How often the world is looked at.
const LOOK: Duration = Duration::from_secs(20);
/// Everything comes to rest within this, or it never does: the longest are the sweep's waits.
const REST: Duration = Duration::from_secs(8 * 3_600);
/// Port calls of a story that goes round in circles; the longest lawful ones make some 30,000.
const ENDLESS: u64 = 40_000;

/// How long after a deployment a person asks for the run over everything.
const ASKS_FOR_ALL: Duration = Duration::from_secs(4);

/// How a story is told.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// Faults and happenings that are left out.
    pub left_out: BTreeSet<String>,
    /// Whether every line is kept.
    pub traced: bool,
    /// Overrules the seed's kind of target.
    pub only: Option<TargetKind>,
}

/// What a story came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The kind of target.
    pub target: TargetKind,
    /// Broken invariants, in order.
    pub violations: Vec<Violation>,
    /// Figures.
    pub totals: Totals,
    /// Equal for equal stories.
    pub hash: u64,
    /// Call sites and how their calls ended.
    pub sites: BTreeMap<String, Ends>,
    /// Faults and happenings, in order.
    pub struck: Vec<String>,
    /// Port calls of a hunt until its first broken invariant, the stories before it included.
    pub found_after: u64,
    /// Lines and the record that each is about, if asked for.
    pub trace: Vec<(Option<String>, String)>,
}

/// Tells the story of a seed.
///
/// # Panics
/// When the story itself is wrong: a flow file that can not be loaded.
pub fn tell(seed: u64, telling: &Telling) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime on this thread");
    runtime.block_on(story(seed, telling))
}

pub(super) struct Told {
    pub(super) plan: Arc<Plan>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) systems: Arc<Systems>,
    pub(super) clock: Arc<TrueClock>,
    pub(super) world: World,
    pub(super) revision: Mutex<u32>,
    pub(super) hooks: Mutex<u64>,
}

async fn story(seed: u64, telling: &Telling) -> Outcome {
    let plan = Arc::new(Plan::of(seed, telling.only));
    let clock = Arc::new(TrueClock::starting(plan.begin));
    let script = Arc::new(Script::new(plan.dice, plan.calm, telling.left_out.clone()));
    let ledger = Arc::new(Ledger::new(Arc::clone(&plan), telling.traced));
    let told = Arc::new(world(&plan, &script, &ledger, &clock));
    told.world.start();
    told.world.start_windows();
    for happening in plan.happenings.clone() {
        let name = format!("happening {}", happening.n);
        if script.leaves_out(&name) {
            continue;
        }
        script.note(name);
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            told.clock.wait_until(happening.at).await;
            happen(told, happening).await;
        });
    }
    for at in plan.runs.clone() {
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            told.clock.wait_until(at).await;
            run(&told, &json!({ "flow": FLOW }));
        });
    }
    let last = plan.comparisons.last().copied();
    for at in plan.comparisons.clone() {
        let told = Arc::clone(&told);
        let which = if Some(at) == last {
            Which::Last
        } else {
            Which::Early
        };
        tokio::spawn(async move {
            told.clock.wait_until(at).await;
            comparing::reconcile(told, which).await;
        });
    }
    tokio::spawn(person::person(Arc::clone(&told)));
    until_rest(&told).await;
    told.world.stop();
    let now = clock.now();
    ledger.with(|state| {
        end::compare(state, &told.systems, now);
        let mut totals = state.book.totals;
        totals.faults = u64::try_from(script.struck().len()).unwrap_or(0);
        let source = locked(&told.systems.source);
        totals.changes = source
            .history
            .values()
            .map(|states| states.len() as u64)
            .sum();
        Outcome {
            seed,
            target: plan.target,
            violations: state.book.violations.clone(),
            totals,
            hash: state.book.hash(),
            sites: state.book.sites.clone(),
            struck: script.struck(),
            found_after: 0,
            trace: state.book.trace.take().unwrap_or_default(),
        }
    })
}

fn world(
    plan: &Arc<Plan>,
    script: &Arc<Script>,
    ledger: &Arc<Ledger>,
    clock: &Arc<TrueClock>,
) -> Told {
    let kept = match plan.target {
        TargetKind::Qualio => {
            let clock = Arc::clone(clock);
            let config = QualioConfig::new(Arc::new(move || clock.now().0), "key");
            Kept::Qualio(Box::new(QualioDouble::unserved_of(config)))
        }
        kind => Kept::Things(Mutex::new(Things::new(kind))),
    };
    let systems = Arc::new(Systems {
        script: Arc::clone(script),
        ledger: Arc::clone(ledger),
        plan: Arc::clone(plan),
        clock: Arc::clone(clock),
        source: Mutex::new(Source::default()),
        kept,
    });
    let mut setup = Setup::new(
        plan.seed,
        vec![("things.toml".to_owned(), flow_file(plan, 1))],
    );
    let (real_time, batch) = plan.workers;
    setup.workers = Workers { real_time, batch };
    setup.batch_syncs = plan.batch_syncs;
    setup.batch_sync_timeout = plan.run_time;
    let (real_time, batch) = plan.dose.visibility_s;
    setup.real_time.visibility = Duration::from_secs(real_time);
    setup.batch.visibility = Duration::from_secs(batch);
    setup.batch.timeout = Duration::from_secs(120);
    setup.tick_every = Duration::from_secs(plan.dose.tick_s);
    setup.secrets = [
        ("HOOK_1", SECRETS[0]),
        ("HOOK_2", SECRETS[1]),
        ("TARGET_KEY", "key"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    setup.interposer = Arc::new(Faults {
        plan: Arc::clone(plan),
        script: Arc::clone(script),
        ledger: Arc::clone(ledger),
        systems: Arc::clone(&systems),
        clock: Arc::clone(clock),
    });
    let http = Arc::new(Wire(Arc::clone(&systems)));
    let world = World::new(setup, Arc::clone(clock), http).expect("the plan's flow is right");
    Told {
        plan: Arc::clone(plan),
        ledger: Arc::clone(ledger),
        systems,
        clock: Arc::clone(clock),
        world,
        revision: Mutex::new(1),
        hooks: Mutex::new(0),
    }
}

/// Looks at the world until it is at rest.
async fn until_rest(told: &Told) {
    let end = told.plan.calm + REST;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = told.clock.now();
        if told.world.operations() > ENDLESS {
            told.ledger.with(|state| {
                let what =
                    format!("more than {ENDLESS} port calls: something goes round in circles");
                state.book.fault("LIM-4", now, None, what);
            });
            return;
        }
        let queued = told.world.queue().bodies();
        let unrest = told.ledger.with(|state| {
            message::look_for_stranded(state, now, &queued);
            if now < told.plan.calm {
                return Some((None, String::new()));
            }
            let unrest = end::unrest(state, &told.systems);
            if let Some((key, what)) = unrest.as_ref().filter(|_| now >= end) {
                state.book.totals.lost += 1;
                state.book.fault(
                    "REG-2",
                    now,
                    key.as_deref(),
                    format!("it comes to no rest: {what}"),
                );
            }
            unrest
        });
        if unrest.is_none() || now >= end {
            return;
        }
    }
}

pub(super) fn flow() -> FlowId {
    FlowId::try_new(FLOW).expect("the flow's name is one")
}

async fn happen(told: Arc<Told>, happening: Happening) {
    let now = told.clock.now();
    told.ledger.with(|state| {
        state.book.line(now, Some(&happening.key), || {
            format!("*** {:?} {:?}", happening.deed, happening.pushes)
        });
    });
    match &happening.deed {
        Deed::Set { .. } | Deed::Delete => {
            let row = change(&told, &happening);
            for (kind, wait) in &happening.pushes {
                tokio::spawn(push::pushed(Arc::clone(&told), row.clone(), *kind, *wait));
            }
        }
        Deed::Restore => restore(&told, happening.key),
        Deed::RestoreAll => {
            let keys: Vec<String> = locked(&told.systems.source)
                .history
                .keys()
                .cloned()
                .collect();
            for key in keys {
                restore(&told, key);
            }
        }
        Deed::Retold => {
            let newest = locked(&told.systems.source).newest(&happening.key).cloned();
            for (row, (kind, wait)) in newest.iter().zip(&happening.pushes) {
                tokio::spawn(push::pushed(Arc::clone(&told), row.clone(), *kind, *wait));
            }
        }
        Deed::Force => {
            let key = RecordKey::try_new(&happening.key).expect("a key");
            let asked = told.world.ask(ProcessKind::Api, |engine| async move {
                engine.force_sync(&flow(), &key).await.is_ok()
            });
            asked.await.unwrap_or(false);
        }
        Deed::RunNow => run(&told, &json!({ "flow": FLOW })),
        Deed::RunAll => run(&told, &json!({ "flow": FLOW, "mode": "initial" })),
        Deed::Pause(span) => {
            let request = json!({ "scope": "target", "reason": "a test", "by": "person" });
            let request = serde_json::from_value(request).expect("a pause");
            let asked = told.world.ask(ProcessKind::Api, |engine| async move {
                engine.pause(&flow(), request).await.is_ok()
            });
            asked.await.unwrap_or(false);
            tokio::time::sleep(*span).await;
            person::resume(&told).await;
        }
        Deed::Deploy => {
            let revision = {
                let mut revision = locked(&told.revision);
                *revision += 1;
                *revision
            };
            let careless = (
                "things.toml".to_owned(),
                careless_file(&told.plan, revision),
            );
            if told.world.deploy(&[careless]).is_ok() {
                let what = "limits were taken whose tiers together exceed the account's".to_owned();
                told.ledger
                    .with(|state| state.book.fault("LIM-1", now, None, what));
            }
            let file = ("things.toml".to_owned(), flow_file(&told.plan, revision));
            told.world
                .deploy(&[file])
                .expect("the plan's flow is right");
            told.ledger.with(|state| state.runs.deployed = Some(now));
            tokio::time::sleep(ASKS_FOR_ALL).await;
            run(&told, &json!({ "flow": FLOW, "mode": "initial" }));
        }
        Deed::Tamper => told.systems.tamper(&happening.key, happening.n),
        Deed::Vanish(span) => {
            let hidden = locked(&told.systems.source).hide_most();
            told.ledger.with(|state| state.hidden = hidden);
            tokio::time::sleep(*span).await;
            locked(&told.systems.source).hidden.clear();
            told.ledger.with(|state| state.hidden.clear());
        }
        Deed::Junk => {
            let tier = if happening.n.is_multiple_of(2) {
                Tier::Batch
            } else {
                Tier::RealTime
            };
            told.world.queue().inject(tier, "{\"v\":99}");
        }
    }
}

fn restore(told: &Told, key: String) {
    if locked(&told.systems.source).restore(&key) {
        told.ledger
            .with(|state| state.registers.restored.insert(key));
    }
}

fn run(told: &Told, detail: &serde_json::Value) {
    let event = json!({ "detail-type": "RunRequested", "detail": detail });
    let event: Event = serde_json::from_value(event).expect("an event");
    told.world.publish(&event);
}

fn change(told: &Told, happening: &Happening) -> Row {
    let now = told.clock.now();
    let mut source = locked(&told.systems.source);
    let (deed, n) = (&happening.deed, happening.n);
    let at = match deed {
        Deed::Set { ahead_s, .. } => UnixMs(now.0 + ahead_s * 1_000),
        _ => now,
    };
    let before = source.before_last(&happening.key).cloned();
    source.change(
        &happening.key,
        (now, at),
        told.plan.order,
        |row| match deed {
            Deed::Set {
                critical,
                renames,
                toggles,
                spoils,
                ..
            } => {
                row.gone = false;
                match before.filter(|before| *toggles && !before.gone) {
                    Some(before) => row.content = before.content,
                    None => alter(row, n, *critical, *renames),
                }
                row.content.spoiled = *spoils;
            }
            _ => row.gone = true,
        },
    )
}

fn alter(row: &mut Row, n: u64, critical: bool, renames: bool) {
    if critical {
        row.content.level = (row.content.level + 1) % 4;
    }
    if renames {
        row.content.name = format!("N.{}.{n}", row.key);
    }
    row.content.note = format!("§{}", n % 3);
}
