//! The minijinja environments. There is one per process and kind, so that what is compiled in it
//! can own itself.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};

use super::filters;

/// Instructions that one evaluation may take. The longest expression in use takes under 100; a
/// filter over a list of a thousand entries takes a few thousand. A loop that would stall a worker
/// is stopped within a few milliseconds.
const FUEL: u64 = 50_000;

/// Nesting of brackets and calls that is parsed: what a person can read, far below a stack's end.
const MAX_NESTING: usize = 60;

/// Bytes of one expression or template. The longest in use have some hundred. A chain such as
/// `1+1+1` nests without brackets, and compiling takes up to 1 KB of stack for each link (measured
/// without optimisation), of which a thread has 2 MB: a longer one would end the process, where a
/// mistake belongs.
pub(super) const MAX_TEXT_BYTES: usize = 1_024;

/// Where expressions are compiled.
pub(super) fn expressions() -> &'static Environment<'static> {
    static EXPRESSIONS: LazyLock<Environment<'static>> =
        LazyLock::new(|| base(UndefinedBehavior::Chainable));
    &EXPRESSIONS
}

/// What every template's environment starts from: a missing name is an error when it is written
/// out, but may stand in `{{ a or b }}`.
pub(super) fn templates() -> &'static Environment<'static> {
    static TEMPLATES: LazyLock<Environment<'static>> =
        LazyLock::new(|| base(UndefinedBehavior::SemiStrict));
    &TEMPLATES
}

fn base(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_NESTING);
    // They show the whole context, or keep state between evaluations.
    for name in ["debug", "namespace"] {
        environment.remove_global(name);
    }
    for name in ["pprint", "safe", "escape", "e"] {
        environment.remove_filter(name);
    }
    filters::add_to(&mut environment);
    environment
}
