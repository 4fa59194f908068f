//! Random edits of what is kept and shipped.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    inputs::{INPUTS, VALUE},
    replay::kept,
};

/// Words that mean something to some reader.
const WORDS: [&str; 40] = [
    VALUE,
    "\n",
    "\r\n",
    "\"",
    "'",
    ",",
    ";",
    "{",
    "}",
    "[",
    "]",
    "{{",
    "}}",
    "{%",
    "\\",
    "\u{1b}[31m",
    "\0",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "9223372036854775807",
    "TBD",
    "2026-10-25T02:30:00+02:00",
    "none",
    "env.",
    "row.",
    "page.cursor",
    "right",
    "v1,",
    "whsec_",
    "../",
    "%00",
    "https://evil.example/",
    "<>; rel=next",
    "\u{202e}",
    "=",
    " | rfc3339('X')",
];

/// Edits of one kept file.
fn edited(name: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<Vec<u8>> = kept(name).into_iter().map(|(_, bytes)| bytes).collect();
    let word = prop_oneof![
        3 => (0..WORDS.len()).prop_map(|at| WORDS[at].as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    let edit = (any::<Index>(), 0..24_usize, word);
    (any::<Index>(), vec(edit, 0..6)).prop_map(move |(file, edits)| {
        let mut bytes = file.get(&files).clone();
        for (at, cut, word) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, word);
        }
        bytes
    })
}

fn tried(name: &'static str, cases: u32) {
    let (_, input) = INPUTS.iter().find(|(input, _)| *input == name).unwrap();
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    proptest!(config, |(bytes in edited(name))| {
        input(&bytes);
    });
}

macro_rules! edits {
    ($($test:ident: $name:literal, $cases:literal;)*) => {
        $(
            #[test]
            fn $test() {
                tried($name, $cases);
            }
        )*

        #[test]
        fn every_input_is_edited() {
            assert_eq!([$($name),*], INPUTS.map(|(name, _)| name));
        }
    };
}

edits! {
    edited_requests_end_in_an_answer: "api_request", 200;
    edited_events_of_cloudevents_are_read_or_named: "cloud_event", 2_000;
    edited_flow_files_are_whole_or_told: "flow_file", 200;
    edited_sheets_are_planned_or_told: "plan_sheet", 400;
    edited_messages_are_read_or_kept: "queue_message", 300;
    edited_refusals_are_told_without_what_was_sent: "refusal", 2_000;
    edited_rows_are_taken_or_refused_without_their_values: "row", 400;
    edited_events_are_of_a_kind_or_of_none: "schedule_event", 1_000;
    edited_signatures_do_not_verify: "signature", 1_000;
    edited_pages_end_or_are_refused: "source_page", 300;
    edited_answers_end_in_a_named_outcome: "target_answer", 300;
    edited_deliveries_are_durable_or_refused: "webhook", 300;
}
