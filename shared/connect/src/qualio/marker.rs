//! The marker: `[key:SUP-000123]` at the end of one generated line of a supplier's notes, our
//! stand-in for an external id.
//!
//! Brackets guard it: `SUP-1` is not found in `[key:SUP-12]`. So a key must hold no bracket.

use tidegate_model::RecordKey;

const OPEN: &str = "[key:";
const CLOSE: char = ']';

/// Why a record of this key cannot be marked.
pub(super) fn reject(key: &RecordKey) -> Option<String> {
    key.as_str()
        .contains(['[', ']'])
        .then(|| "its key holds a bracket, which would end the marker in Qualio's notes".to_owned())
}

/// Whether the text holds the beginning of a marker.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(OPEN)
}

/// The keys of all markers in the text.
pub(super) fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.split(OPEN)
        .skip(1)
        .filter_map(|rest| rest.split_once(CLOSE))
        .map(|(key, _)| key)
        .filter(|key| !key.is_empty())
}

/// The generated line: the flow's text on one line, then the marker.
pub(super) fn line(text: Option<&str>, key: &RecordKey) -> String {
    let text: String = text
        .unwrap_or_default()
        .chars()
        .map(|c| if breaks_line(c) { ' ' } else { c })
        .collect();
    let marker = marker(key);
    match text.trim() {
        "" => marker,
        text => format!("{text} {marker}"),
    }
}

fn marker(key: &RecordKey) -> String {
    format!("{OPEN}{key}{CLOSE}")
}

fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The notes with our line in the place of the one that bears the key's marker, or at the end. All
/// other lines stay as they are, to the byte.
///
/// A hand in Qualio may cut out the marker alone. So where no line bears it, the first that is our
/// line's text without the marker is taken as ours, or it would stand beside the new one for ever.
/// What is not recognised: a line without marker whose values changed meanwhile. It may as well be a
/// person's words, so it stays, and a person has to remove it.
pub(super) fn replace(notes: &str, line: &str, key: &RecordKey) -> String {
    let bears = |old: &str| keys(old).any(|found| found == key.as_str());
    let text = line.strip_suffix(&marker(key)).map_or("", str::trim_end);
    let bare = |old: &str| !text.is_empty() && old.trim_end() == text;
    let ours = notes
        .split('\n')
        .position(bears)
        .or_else(|| notes.split('\n').position(bare));
    let mut kept: Vec<String> = Vec::new();
    for (at, old) in notes.split('\n').enumerate() {
        if ours == Some(at) {
            let carriage_return = if old.ends_with('\r') { "\r" } else { "" };
            kept.push(format!("{line}{carriage_return}"));
        } else if !bears(old) {
            // A second line of ours is left out: there is one.
            kept.push(old.to_owned());
        }
    }
    if ours.is_none() {
        if kept.last().is_some_and(String::is_empty) {
            kept.pop();
        }
        kept.push(line.to_owned());
    }
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tidegate_model::RecordKey;

    use super::{keys, line, reject, replace};

    fn key(text: &str) -> RecordKey {
        RecordKey::try_new(text).unwrap()
    }

    #[rstest]
    #[case::none("Call first.", &[])]
    #[case::alone("[key:SUP-1]", &["SUP-1"])]
    #[case::at_the_end("Call first.\nERP: ok [key:SUP-1]", &["SUP-1"])]
    #[case::within_a_line("ERP: ok [key:SUP-1] (checked)", &["SUP-1"])]
    #[case::longer_key("[key:SUP-12]", &["SUP-12"])]
    #[case::two("[key:A] and [key:B]", &["A", "B"])]
    #[case::broken("[key:A [key:B]", &["B"])]
    #[case::open("[key:A", &[])]
    #[case::empty("[key:]", &[])]
    #[case::another_word("[keys:A] key:B]", &[])]
    fn markers_are_read_exactly(#[case] text: &str, #[case] found: &[&str]) {
        assert_eq!(keys(text).collect::<Vec<_>>(), found);
    }

    #[rstest]
    #[case::text(Some("ERP: score 80"), "ERP: score 80 [key:K]")]
    #[case::no_text(None, "[key:K]")]
    #[case::blank(Some(" \n"), "[key:K]")]
    #[case::several_lines(Some("a\r\nb\u{2028}c"), "a  b c [key:K]")]
    fn the_generated_line_is_one_line(#[case] text: Option<&str>, #[case] expected: &str) {
        assert_eq!(line(text, &key("K")), expected);
    }

    #[rstest]
    #[case::nothing("", "NEW")]
    #[case::ours_alone("old [key:K]", "NEW")]
    #[case::people_before("Call first.\nold [key:K]", "Call first.\nNEW")]
    #[case::people_after("old [key:K]\nCall first.\n", "NEW\nCall first.\n")]
    #[case::between("a\n[key:K]\n\n  b ", "a\nNEW\n\n  b ")]
    #[case::removed_by_a_person("Call first.", "Call first.\nNEW")]
    #[case::ends_with_a_break("Call first.\n", "Call first.\nNEW")]
    #[case::blank_lines_stay("Call first.\n\n", "Call first.\n\nNEW")]
    #[case::windows("a\r\nold [key:K]\r\nb", "a\r\nNEW\r\nb")]
    #[case::twice("old [key:K]\na\nold [key:K]", "NEW\na")]
    #[case::of_another_key("see [key:K2]", "see [key:K2]\nNEW")]
    fn our_line_is_replaced_and_the_others_stay(#[case] notes: &str, #[case] expected: &str) {
        assert_eq!(replace(notes, "NEW", &key("K")), expected);
    }

    #[rstest]
    #[case::cut_out("a\nERP: 2\nb", "a\nERP: 2 [key:K]\nb")]
    #[case::white_space_left("ERP: 2 \t\nb", "ERP: 2 [key:K]\nb")]
    #[case::windows("a\r\nERP: 2\r\nb", "a\r\nERP: 2 [key:K]\r\nb")]
    #[case::first_of_two("ERP: 2\nERP: 2", "ERP: 2 [key:K]\nERP: 2")]
    #[case::a_marked_line_comes_first("ERP: 2\nold [key:K]", "ERP: 2\nERP: 2 [key:K]")]
    #[case::indented(" ERP: 2", " ERP: 2\nERP: 2 [key:K]")]
    #[case::within_words("see ERP: 2", "see ERP: 2\nERP: 2 [key:K]")]
    #[case::values_changed("ERP: 1", "ERP: 1\nERP: 2 [key:K]")]
    #[case::of_another_key("ERP: 2 [key:K2]", "ERP: 2 [key:K2]\nERP: 2 [key:K]")]
    fn our_line_is_known_without_its_marker(#[case] notes: &str, #[case] expected: &str) {
        assert_eq!(replace(notes, "ERP: 2 [key:K]", &key("K")), expected);
    }

    #[test]
    fn a_line_of_the_marker_alone_takes_no_blank_line_for_itself() {
        assert_eq!(replace("a\n\nb", "[key:K]", &key("K")), "a\n\nb\n[key:K]");
    }

    #[rstest]
    #[case("SUP-000123", false)]
    #[case("a b/c", false)]
    #[case("a]b", true)]
    #[case("a[b", true)]
    fn a_key_with_a_bracket_is_rejected(#[case] text: &str, #[case] rejected: bool) {
        assert_eq!(reject(&key(text)).is_some(), rejected);
    }
}
