//! What the command promises, and the bars that are counts, in virtual time.

use clap::Parser;
use tidegate_policy::flow::FlowText;

use super::{figures::Figures, *};

mod bars;

const SUPPLIERS: &str = include_str!("../../../flows/suppliers.toml");
const CONTACTS: &str = include_str!("../../../flows/examples/contacts.toml");

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    args: SimulateArgs,
}

fn args(words: &str) -> SimulateArgs {
    CommandLine::parse_from(["simulate"].into_iter().chain(words.split(' '))).args
}

/// Simulates a flow's text.
fn simulated(text: &str, words: &str) -> Figures {
    let args = args(words);
    let loaded = load::load_text(
        &FlowText::alone("flow.toml", text),
        &std::collections::BTreeMap::new(),
    )
    .unwrap();
    let zone = TimeZone::get(&loaded.runtime.flow.file().schedule.time_zone).unwrap();
    let plan = day::plan(&args, &zone).unwrap();
    let parts = Parts {
        args: &args,
        loaded: &loaded,
        plan: &plan,
        sample: None,
    };
    story::tell(&parts).unwrap()
}

#[test]
fn equal_options_and_seed_give_equal_figures_and_another_seed_does_not() {
    let figures = |words| {
        let figures = simulated(SUPPLIERS, words);
        let minutes = figures.minutes.clone();
        (serde_json::to_string(&figures).unwrap(), minutes)
    };
    let words = "f --records 60 --changes 40 --outage 10:00-10:30";
    assert_eq!(figures(words), figures(words));
    assert_ne!(figures(words), figures(&format!("{words} --seed 2")));
}

#[test]
fn a_flow_that_upserts_takes_one_call_an_update_and_keeps_its_goals() {
    let figures = simulated(CONTACTS, "f --records 200 --changes 120 --new 10");
    assert!(figures.is_kept(), "{:?}", verdict::sentences(&figures));
    assert_eq!(figures.calls_per_update, 1);
    assert_eq!(figures.changes, (12, 12, 96));
    assert_eq!(
        figures.answers.keys().copied().collect::<Vec<_>>(),
        [200, 201]
    );
    assert_eq!(figures.answers[&201], 12, "each new record is created once");
    assert!(figures.critical.worst_s < 60, "{:?}", figures.critical);
    assert_eq!(figures.reviewed.len(), 0);
}

#[test]
fn a_flow_that_creates_and_finds_is_answered_by_its_own_declaration() {
    let text = CONTACTS.replace(
        "[target.upsert]\nmethod = \"PUT\"\npath = \"/3.0/members/{{ key }}\"",
        "[target.create]\nmethod = \"POST\"\npath = \"/3.0/members\"\nid = \"/member/id\"\n\n[target.update]\nmethod = \"PATCH\"\npath = \"/3.0/members/{{ target_id }}\"\n\n[target.find]\npath = \"/3.0/search\"\nquery = { external = \"{{ search }}\" }\nby = \"fields.email\"\nrows = \"/found\"\nid = \"/id\"",
    )
    .replace("left alone.\nkey = \"row.id\"", "left alone.\nkey = \"row.id\"\nid = \"/id\"");
    // A slow target: creates end in a time-out and take effect all the same.
    let words = "f --records 50 --changes 60 --new 50 --spread even --slow 06:00-08:00=15";
    let figures = simulated(&text, words);
    assert_eq!(figures.left, 0, "{:?}", verdict::sentences(&figures));
    assert!(
        figures.answers.contains_key(&0),
        "no call timed out: {:?}",
        figures.answers
    );
    assert!(
        figures.answers[&201] < figures.changes.0,
        "no create lost its answer"
    );
    assert_eq!(
        figures.at_target,
        50 + figures.changes.0,
        "EFF-2: each was found and not made again"
    );
    assert_eq!((figures.equal, figures.differing), (figures.at_target, 0));
}

#[test]
fn at_the_end_the_target_holds_what_the_source_does() {
    let time = "{ by = \"time\", at = \"row.updated_at | rfc3339('America/New_York')\" }";
    let pages = "{ by = \"cursor\", next = \"/meta/next_cursor\" }";
    let by_links = CONTACTS
        .replace(time, "{ by = \"read\" }\nmodified = \"row.updated_at\"")
        .replace(
            pages,
            "{ by = \"delta\", next = \"/meta/next\", delta = \"/meta/delta\" }",
        )
        .replace("updated_since = \"{{ since }}\", ", "")
        .replace("page_size = 200", "page_size = 7");
    assert!(by_links.contains("/meta/delta") && by_links.contains("by = \"read\""));
    for text in [SUPPLIERS, CONTACTS, &by_links] {
        let figures = simulated(text, "f --records 60 --changes 40 --new 10 --critical 20");
        let told = verdict::sentences(&figures).join("\n");
        assert_eq!((figures.equal, figures.differing), (64, 0), "{told}");
        assert!(told.contains("At the end 64 records are alike"), "{told}");
    }
}

#[test]
fn three_times_the_peak_breaks_a_flow_with_tight_limits_and_not_one_with_room() {
    let tight = CONTACTS.replace(
        "batch = { calls = 60, per_s = 60 }",
        "batch = { calls = 1, per_s = 120 }",
    );
    let words = "f --records 100 --changes 300 --critical 0 --new 0 --spread even";
    assert!(simulated(&tight, words).is_kept());
    let broken = simulated(&tight, &format!("{words} --peak 3"));
    assert!(!broken.is_kept());
    assert!(!broken.broken.is_empty(), "windows break too");
    let sentence = verdict::sentences(&broken).join("\n");
    assert!(sentence.contains("calls in 2 min would do"), "{sentence}");
    assert!(simulated(CONTACTS, &format!("{words} --peak 3")).is_kept());
}

#[test]
fn every_planned_change_comes_where_all_fields_are_critical() {
    let text = all_critical(CONTACTS);
    let figures = simulated(&text, "f --records 100 --changes 200 --critical 10 --new 0");
    assert_eq!(figures.changes, (0, 200, 0), "by what they became");
    assert_eq!(figures.critical.came, 200);
    assert!(figures.changed_records <= 100);
    let told = verdict::sentences(&figures).join("\n");
    assert!(!told.contains("for the others"), "{told}");
}

/// The flow with every field among its critical ones.
fn all_critical(text: &str) -> String {
    let mut table: toml::Table = text.parse().unwrap();
    let fields = table["fields"].as_table().unwrap();
    let names: Vec<toml::Value> = fields.keys().map(|name| name.as_str().into()).collect();
    table.insert("critical".to_owned(), names.into());
    toml::to_string(&table).unwrap()
}

#[test]
fn a_day_without_changes_is_kept_and_has_its_price() {
    let figures = simulated(CONTACTS, "f --records 50 --changes 0");
    assert!(figures.is_kept(), "{:?}", verdict::sentences(&figures));
    assert_eq!((figures.changes, figures.applied), ((0, 0, 0), 0));
    assert!(figures.dollars > 0.0 && figures.dollars_a_day() > 0.0);
}

#[test]
fn the_report_needs_nothing_but_itself() {
    let figures = simulated(
        SUPPLIERS,
        "f --records 60 --changes 40 --outage 10:00-10:30 --slow 14:00-14:10",
    );
    let page = page::html(&figures).unwrap();
    for reference in [
        "http:", "https:", "src=", "href=", "<script", "url(", "@import",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert_eq!(page.matches("<svg").count(), 7);
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(page.contains("qualio away") && page.contains("qualio slow"));
    for name in ["svg", "table", "section", "main", "title", "path"] {
        let ends = page.matches(&format!("</{name}>")).count();
        let empty = if name == "path" {
            page.matches("<path").count()
        } else {
            0
        };
        assert_eq!(
            page.matches(&format!("<{name}")).count(),
            ends + empty,
            "{name}"
        );
    }
}
