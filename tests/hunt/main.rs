//! `hunt`: tells story after story until enough port calls were made or one breaks an invariant; then
//! shows the shortest story that ends so, and exits with 1.
//!
//! `cargo run --release --bin hunt -- --operations 10000000` is the long run;
//! `-- --seed 17` tells one story again.

use std::{process::ExitCode, str::FromStr};

use clap::Parser;
use tidegate_tests::chaos::{Hunt, Outcome, Telling, hunt, plan::TargetKind, shortest, tell};

/// Lines of a trace that are shown: the end is what matters.
const SHOWN: usize = 120;

#[derive(Parser)]
#[command(about = "Looks for a seed whose story breaks an invariant")]
struct Arguments {
    /// Port calls after which nothing was found.
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// Stories that are told at least.
    #[arg(long, default_value_t = 0)]
    stories: u64,
    /// Tells the story of this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Stories that are told side by side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only this kind of target: upsert, search, blind, idempotent or qualio.
    #[arg(long)]
    only_target: Option<Named>,
    /// Goes on after a story that breaks an invariant.
    #[arg(long)]
    all: bool,
    /// Prints the table of call sites: not sent; done and the answer lost; done.
    #[arg(long)]
    sites: bool,
    /// Shows the whole story, not the shortest one.
    #[arg(long)]
    whole: bool,
}

#[derive(Clone, Copy)]
struct Named(TargetKind);

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = TargetKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text);
        named
            .map(Self)
            .ok_or_else(|| format!("there is no target {text}"))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let telling = Telling {
        only: arguments.only_target.map(|named| named.0),
        ..Telling::default()
    };
    if let Some(seed) = arguments.seed {
        return one(seed, &telling, arguments.whole);
    }
    let plan = Hunt {
        first: arguments.from,
        stories: arguments.stories,
        operations: arguments.operations,
        threads: arguments.threads,
        goes_on: arguments.all,
    };
    let found = hunt(&plan, &telling);
    println!("{} stories: {}", found.stories, found.totals);
    for outcome in &found.broken {
        report(outcome, outcome.violations.len().min(3));
        let invariant = outcome
            .violations
            .first()
            .map_or("-", |first| first.invariant);
        println!(
            "  found after {} operations by {invariant}; tell it again: cargo run --release --bin hunt -- --seed {}{}",
            outcome.found_after,
            outcome.seed,
            only(telling.only)
        );
    }
    if arguments.sites {
        for (site, [unsent, lost, done]) in &found.sites {
            println!("{unsent:8} {lost:8} {done:8}  {site}");
        }
    }
    if found.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn only(kind: Option<TargetKind>) -> String {
    kind.map_or_else(String::new, |kind| {
        format!(" --only-target {}", kind.as_str())
    })
}

fn report(outcome: &Outcome, most: usize) {
    println!(
        "BROKEN by seed {} ({}):",
        outcome.seed,
        outcome.target.as_str()
    );
    for violation in outcome.violations.iter().take(most) {
        println!("  {violation}");
    }
}

fn one(seed: u64, telling: &Telling, whole: bool) -> ExitCode {
    if whole {
        let traced = Telling {
            traced: true,
            ..telling.clone()
        };
        let outcome = tell(seed, &traced);
        for (_, line) in &outcome.trace {
            println!("{line}");
        }
        report(&outcome, usize::MAX);
        return ExitCode::from(u8::from(!outcome.violations.is_empty()));
    }
    let Some(found) = shortest(seed, telling) else {
        let outcome = tell(seed, telling);
        println!(
            "seed {seed} ({}), hash {:016x}: {}",
            outcome.target.as_str(),
            outcome.hash,
            outcome.totals
        );
        return ExitCode::SUCCESS;
    };
    let outcome = &found.outcome;
    report(outcome, 5);
    println!(
        "The shortest story ({} tellings) has these faults and happenings:",
        found.tellings
    );
    for name in &found.left_in {
        println!("  {name}");
    }
    let key = outcome
        .violations
        .first()
        .and_then(|violation| violation.key.clone());
    let about: Vec<&String> = outcome
        .trace
        .iter()
        .filter(|(of, _)| match (&key, of) {
            (Some(key), Some(of)) => of.split(' ').any(|of| of == key),
            (Some(_), None) => false,
            (None, _) => true,
        })
        .map(|(_, line)| line)
        .collect();
    println!("What happened to {}:", key.as_deref().unwrap_or("the flow"));
    for line in about.iter().skip(about.len().saturating_sub(SHOWN)) {
        println!("  {line}");
    }
    ExitCode::FAILURE
}
