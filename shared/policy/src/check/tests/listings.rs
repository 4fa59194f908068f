//! Each rule that the listing of a target can break, a row, and what is said where there is none.

use rstest::rstest;

use super::*;

/// The contact flow without its listing.
fn unlisted() -> String {
    let start = CONTACTS.find("[target.list]").unwrap();
    let end = CONTACTS.find("# Each leaf is").unwrap();
    format!("{}{}", &CONTACTS[..start], &CONTACTS[end..])
}

#[rstest]
#[case::no_key(
    "key = \"row.id\"\n\n# How",
    "\n# How",
    "[target.list]",
    "`key` is missing in `target.list`"
)]
#[case::a_key_of_no_row(
    "key = \"row.id\"\n\n# How",
    "key = \"env.CRM_URL\"\n\n# How",
    "key = \"env.CRM_URL\"",
    "`target.list.key` does not use `row`: it would be the same for every row"
)]
#[case::a_key_that_does_not_parse(
    "key = \"row.id\"\n\n# How",
    "key = \"row.id |\"\n\n# How",
    "key = \"row.id |\"",
    "`target.list.key` does not parse: unexpected end of input, expected identifier"
)]
#[case::no_path(
    "path = \"/3.0/members\"\n",
    "",
    "[target.list]",
    "`path` is missing in `target.list`"
)]
#[case::a_path_below_nothing(
    "path = \"/3.0/members\"\n",
    "path = \"3.0/members\"\n",
    "path = \"3.0/members\"",
    "a path starts with `/`; it is added to `base_url`"
)]
#[case::a_field_in_the_path(
    "path = \"/3.0/members\"\n",
    "path = \"/3.0/{{ key }}\"\n",
    "path = \"/3.0/{{ key }}\"",
    "`key` is not known here; known: page, env"
)]
#[case::a_loop(
    "offset = \"{{ page.offset }}\", count",
    "count",
    "pages = { by = \"offset\" }",
    "pages go by `offset`, but `target.list` does not use `page.offset`: every page would be the first"
)]
#[case::a_loop_by_number(
    "pages = { by = \"offset\" }",
    "pages = { by = \"number\" }",
    "pages = { by = \"number\" }",
    "pages go by `number`, but `target.list` does not use `page.number`: every page would be the first"
)]
#[case::a_misspelt_page(
    "{{ page.offset }}",
    "{{ page.ofset }}",
    "page.ofset",
    "`page` has no `ofset`; did you mean `offset`?"
)]
#[case::no_time_of_changes(
    "count = \"{{ page.size }}\"",
    "since = \"{{ since }}\"",
    "since = \"{{ since }}\" }\nrows",
    "`since` is not known here; known: page, env"
)]
#[case::no_pointer(
    "rows = \"/members\"",
    "rows = \"members\"",
    "rows = \"members\"",
    "`members` is no JSON pointer; it starts with `/`, as `/members`"
)]
#[case::too_large_a_page(
    "page_size = 500",
    "page_size = 5_000",
    "page_size = 5_000",
    "`page_size` must be at most 1000, 5000 is written"
)]
#[case::compares_what_is_not_sent(
    "full_name = \"row.full_name\"",
    "fullname = \"row.full_name\"",
    "fullname = \"row",
    "`target.list.compare` names `fullname`, which `[target.body]` does not send; did you mean `full_name`?"
)]
#[case::compares_no_row(
    "status = \"row.status\"",
    "status = \"'subscribed'\"",
    "status = \"'subscribed'\"",
    "`target.list.compare.status` does not use `row`: it would be the same for every row"
)]
#[case::compares_a_field(
    "status = \"row.status\"",
    "status = \"fields.subscribed\"",
    "status = \"fields.subscribed\"",
    "`fields` is not known here; known: row, env"
)]
#[case::a_word_that_is_not_known(
    "rows = \"/members\"\npage_size",
    "row = \"/members\"\npage_size",
    "row = \"/members\"",
    "unknown key `row` in `target.list`; did you mean `rows`?"
)]
fn a_mistake_in_the_listing_of_the_target_is_told_at_its_place(
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    let text = edited(CONTACTS, from, to);
    let line = line_of(&text, at.lines().next().unwrap());
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: {expected}")]
    );
}

#[rstest]
#[case::of_a_target(
    CONTACTS,
    "pages = { by = \"offset\" }",
    "pages = { by = \"delta\", next = \"/next\", delta = \"/delta\" }",
    "pages go by `delta`, which only a source's runs keep the link of"
)]
#[case::no_pointer(
    CONTACTS,
    "pages = { by = \"offset\" }",
    "pages = { by = \"delta\", next = \"/next\", delta = \"delta\" }",
    "`delta` is no JSON pointer; it starts with `/`, as `/delta`"
)]
#[case::of_a_source_whose_deletions_have_no_time(
    CONTACTS,
    "pages = { by = \"cursor\", next = \"/meta/next_cursor\" }",
    "pages = { by = \"delta\", next = \"/next\", delta = \"/delta\" }",
    "pages go by `delta`, whose deletions have no `time`: write `version = { by = \"read\" }`"
)]
#[case::of_a_source_without_the_link_to_changes(
    CONTACTS,
    "pages = { by = \"cursor\", next = \"/meta/next_cursor\" }",
    "pages = { by = \"delta\", next = \"/next\" }",
    "`delta` is missing in `source.list.pages`"
)]
fn a_mistake_in_pages_by_delta_is_told(
    #[case] base: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: &str,
) {
    let found = lines(&check_text(edited(base, from, to)).mistakes);
    assert!(
        found.iter().any(|told| told.ends_with(expected)),
        "{found:#?}"
    );
}

#[test]
fn pages_by_delta_and_the_order_of_reads_go_together() {
    let text = edited(
        CONTACTS,
        "pages = { by = \"cursor\", next = \"/meta/next_cursor\" }",
        "pages = { by = \"delta\", next = \"/@odata.nextLink\", delta = \"/@odata.deltaLink\" }",
    );
    let time = "{ by = \"time\", at = \"row.updated_at | rfc3339('America/New_York')\" }";
    let text = edited(&text, time, "{ by = \"read\" }");
    let text = edited(&text, "updated_since = \"{{ since }}\", ", "");
    assert_eq!(lines(&check_text(text).mistakes), [""; 0]);
}

#[test]
fn where_calls_go_by_the_targets_id_a_row_must_say_it() {
    let text = edited(
        CONTACTS,
        "[target.upsert]\nmethod = \"PUT\"\npath = \"/3.0/members/{{ key }}\"",
        "[target.upsert]\nmethod = \"PUT\"\npath = \"/3.0/members/{{ key }}\"\nid = \"/id\"",
    );
    let text = edited(
        &text,
        "method = \"DELETE\"\npath = \"/3.0/members/{{ key }}\"",
        "method = \"DELETE\"\npath = \"/3.0/members/{{ target_id }}\"",
    );
    let line = line_of(&text, "[target.list]");
    assert_eq!(
        lines(&check_text(text.clone()).mistakes),
        [format!(
            "{line}: `delete` uses `target_id`, so `target.list` needs `id`: a JSON pointer to the id in a row"
        )]
    );
    let told = edited(
        &text,
        "key = \"row.id\"\n\n# How",
        "key = \"row.id\"\nid = \"/no\"\n\n# How",
    );
    assert_eq!(lines(&check_text(told).mistakes), [""; 0]);
}

#[test]
fn a_flow_whose_target_is_not_compared_is_told_so() {
    let report = check_text(unlisted());
    assert_eq!(report.mistakes, []);
    let told = report.to_string();
    let plainly = "  reconcile: source and registers; what stands at the target is NOT compared, since `[target.list]` is missing\n";
    assert!(told.contains(plainly), "{told}");
    assert!(!report.flows[0].compares_target);
    let listed = check_text(CONTACTS.to_owned());
    assert!(listed.flows[0].compares_target, "{listed}");
}

#[test]
fn qualio_is_listed_without_a_word_in_the_flow() {
    let text = edited(
        SUPPLIERS,
        "[target.body]",
        "[target.list]\npath = \"/x\"\nkey = \"row.id\"\n\n[target.body]",
    );
    let line = line_of(&text, "[target.list]");
    let found = lines(&check_text(text).mistakes);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(&format!("{line}: unknown key `list`")),
        "{found:?}"
    );
}
