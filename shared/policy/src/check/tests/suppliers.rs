//! Each rule that the supplier flow can break, a row.

use rstest::rstest;

use super::*;

#[rstest]
// The TOML itself.
#[case::duplicate_key(
    "revision = 1",
    "revision = 1\nrevision = 2",
    "revision = 2",
    "the key `revision` stands there twice"
)]
#[case::open_text(
    "revision = 1",
    "revision = 1\nname2 = \"x",
    "name2",
    "invalid basic string, expected `\"`"
)]
// Its shape.
#[case::missing_key("revision = 1\n", "", "#:schema", "`revision` is missing")]
#[case::zero(
    "revision = 1",
    "revision = 0",
    "revision",
    "`revision` must be at least 1, 0 is written"
)]
#[case::beyond_32_bits(
    "revision = 1",
    "revision = 5_000_000_000",
    "revision",
    "`revision` must be at most 4294967295, 5000000000 is written"
)]
#[case::wrong_type(
    "revision = 1",
    "revision = \"one\"",
    "revision",
    "`revision` must be a whole number, `one` is written"
)]
#[case::a_date(
    "revision = 1",
    "revision = 2026-01-01",
    "revision",
    "`revision` must be a whole number, a date is written"
)]
#[case::wrong_name(
    "name = \"suppliers\"",
    "name = \"Suppliers\"",
    "name =",
    "`name` must be lower-case letters, digits and `-`, `Suppliers` is written"
)]
#[case::wrong_origin(
    "[webhook]\n",
    "[webhook]\ncloud_events = { origins = [\"*.azure.net\"] }\n",
    "cloud_events",
    "`origins[0]` must be a DNS name, as `eventgrid.azure.net`, `*.azure.net` is written"
)]
#[case::unknown_table(
    "[webhook]",
    "[webhok]",
    "[webhok]",
    "unknown key `webhok`; did you mean `webhook`?"
)]
#[case::unknown_word(
    "deletion = \"review\"",
    "deletion = \"revew\"",
    "deletion",
    "`deletion` must be one of delete, archive, keep, review, `revew` is written; did you mean `review`?"
)]
#[case::unknown_tag(
    "type = \"qualio\"",
    "type = \"qulio\"",
    "qulio",
    "`type` must be one of rest, qualio, store, `qulio` is written; did you mean `qualio`?"
)]
#[case::missing_tag(
    "by = \"keyset\", ",
    "",
    "has_more",
    "`by` is missing in `source.list.pages`: one of none, offset, number, cursor, link, header, delta, keyset"
)]
#[case::key_of_another_tag(
    "{ by = \"sequence\", at",
    "{ by = \"read\", at",
    "by = \"read\"",
    "unknown key `at` in `record.version`; known: by"
)]
#[case::empty_list(
    "after_s = [60, 300, 900]",
    "after_s = []",
    "after_s",
    "`after_s` must have at least 1 entry, an empty list is written"
)]
#[case::one_of_a_list(
    "after_s = [60, 300, 900]",
    "after_s = [60, 0, 900]",
    "after_s",
    "`after_s[1]` must be at least 1, 0 is written"
)]
#[case::three_secrets(
    "secrets = [\"SUPPLIERS_WEBHOOK_1\",",
    "secrets = [\"A\", \"B\",",
    "secrets",
    "`secrets` must have at most 2 entries, a list of 3 is written"
)]
// Texts.
#[case::bad_expression(
    "\"row.contact.email\"",
    "\"row.contact.email |\"",
    "email =",
    "`fields.email` does not parse: unexpected end of input, expected identifier"
)]
#[case::bad_template(
    "{{ key }}",
    "{{ key }",
    "/api/suppliers/{{",
    "`source.one.path` does not parse: unexpected `}`, expected end of variable block"
)]
#[case::unknown_filter(
    "\"row.contact.email\"",
    "\"row.contact.email | trm\"",
    "email =",
    "there is no filter `trm`; did you mean `trim`?"
)]
#[case::unknown_test(
    "\"row.contact.email\"",
    "\"row.contact.email is nonne\"",
    "email =",
    "there is no test `nonne`; did you mean `none`?"
)]
#[case::unknown_function(
    "\"row.contact.email\"",
    "\"rang(3)\"",
    "email =",
    "there is no function `rang`; did you mean `range`?"
)]
#[case::method(
    "\"row.contact.email\"",
    "\"row.contact.email.upper()\"",
    "email =",
    "there is no method `upper`; values have no methods, filters are written `| upper`"
)]
#[case::unknown_field(
    "\"fields.email\"",
    "\"fields.emial\"",
    "emial",
    "`fields.emial` is not in `[fields]`; did you mean `email`?"
)]
#[case::unknown_page_name(
    "page.after_id",
    "page.after_key",
    "page.after_key",
    "`page` has no `after_key`; did you mean `after_id`?"
)]
#[case::row_in_a_path(
    "{{ key }}",
    "{{ row.id ~ key }}",
    "row.id ~ key",
    "`row` is not known here; known: key, env"
)]
#[case::no_pointer(
    "more = \"/has_more\"",
    "more = \"has.more\"",
    "has.more",
    "`has.more` is no JSON pointer; it starts with `/`, as `/has/more`"
)]
#[case::unknown_zone(
    "Europe/Berlin",
    "Europe/Brelin",
    "Brelin",
    "`Europe/Brelin` is no time zone; zones are named as `Europe/Berlin` or `UTC`"
)]
#[case::relative_path(
    "path = \"/api/suppliers\"",
    "path = \"api/suppliers\"",
    "path = \"api",
    "a path starts with `/`; it is added to `base_url`"
)]
#[case::query_in_a_path(
    "path = \"/api/suppliers\"",
    "path = \"/api/suppliers?all=1\"",
    "?all",
    "a path has no `?`; write what follows it into `query`, where it is encoded"
)]
#[case::no_address(
    "\"{{ env.ERP_URL }}\"",
    "\"ftp://erp.example\"",
    "ftp",
    "`base_url` must be an address such as `https://api.example.com`, without user, query or fragment"
)]
// Fields and schema.
#[case::critical_twice(
    "    \"blocked\",",
    "    \"approved\",",
    "\"approved\",\n",
    "the critical field `approved` stands there twice"
)]
#[case::private_twice(
    "\"phone\", \"address\"]",
    "\"phone\", \"phone\"]",
    "\"phone\", \"phone\"",
    "the private field `phone` stands there twice"
)]
#[case::private_unknown(
    "\"phone\", \"address\"]",
    "\"phone\", \"adress\"]",
    "\"adress\"",
    "`private` names `adress`, which is not in `[fields]`; did you mean `address`?"
)]
#[case::required(
    "required = [\n    \"name\",",
    "required = [\n    \"nmae\",",
    "\"nmae\"",
    "`schema.required` names `nmae`, which is not in `[fields]`; did you mean `name`?"
)]
#[case::property(
    "email = { type",
    "emial = { type",
    "emial",
    "`[schema.properties]` names `emial`, which is not in `[fields]`; did you mean `email`?"
)]
#[case::no_schema(
    "type = \"number\"",
    "type = \"nummer\"",
    "nummer",
    "`[schema]` is no JSON Schema: `type` must be one of string, number, integer, boolean, array, object, null"
)]
// Windows and goals.
#[case::equal_windows(
    "{ at = \"14:00\" }",
    "{ at = \"10:00\" }",
    "\"18:00\"",
    "the window `10:00` stands there twice"
)]
#[case::two_cadences(
    "windows = [",
    "every_minutes = 5\nwindows = [",
    "every_minutes",
    "`windows` and `every_minutes` exclude each other: keep one"
)]
#[case::goal_below_the_schedule(
    "other_s = 32_400",
    "other_s = 28_800",
    "other_s",
    "`other_s` is 28800, but up to 32400 s (9 h) lie between the windows 2026-10-25 02:00 and 2026-10-25 10:00: make it at least 32400, or add a window"
)]
// Calls.
#[case::page_variable(
    "{{ page.after_time or since }}",
    "{{ since }}",
    "pages = ",
    "pages go by `keyset`, but `source.list` does not use `page.after_time`: every page would be the first"
)]
#[case::one_without_key(
    "{{ key }}",
    "1",
    "[source.one]",
    "`source.one` does not use `key`: every record would be read as the same one"
)]
#[case::qualio_body(
    "intended_use =",
    "purpose =",
    "purpose = \"fields",
    "Qualio takes no `purpose`; known: name, contact_information, intended_use, sponsor_user_id, risk_id"
)]
#[case::qualio_contact(
    "website = \"fields",
    "web = \"fields",
    "web = ",
    "Qualio takes no `web`; known: name, email, phone, address, website, notes"
)]
#[case::qualio_deletion(
    "deletion = \"review\"",
    "deletion = \"delete\"",
    "deletion",
    "`deletion` is `delete`, but Qualio can neither delete nor archive a supplier; write `review` or `keep`"
)]
#[case::secret_twice(
    "SUPPLIERS_WEBHOOK_2",
    "SUPPLIERS_WEBHOOK_1",
    "secrets =",
    "the secret `SUPPLIERS_WEBHOOK_1` stands there twice: name two different ones, or one"
)]
#[case::a_secret_for_its_name(
    "secret = \"QUALIO_API_KEY\"",
    "secret = \"hush\"",
    "\"hush\"",
    "`secret` must be the name of a secret: capital letters, digits and `_`, a letter first, 64 at most; what is written may be the secret itself, so it is not repeated"
)]
#[case::a_secret_for_a_kind(
    "auth = { type = \"bearer\", secret = \"ERP_TOKEN\" }",
    "auth = { type = \"hush-hush\", secret = \"ERP_TOKEN\" }",
    "hush-hush",
    "`type` must be one of none, api_key, basic, bearer, oauth2, jwt_bearer; what is written may be the secret itself, so it is not repeated"
)]
#[case::a_secret_for_a_key(
    "auth = { type = \"bearer\", secret = \"ERP_TOKEN\" }",
    "auth = { type = \"bearer\", secret = \"ERP_TOKEN\", hush-hush = \"x\" }",
    "hush-hush",
    "unknown key in `source.auth`, which takes `secret`, `type`; what is written may be the secret itself, so it is not repeated"
)]
#[case::a_webhook_secret_for_its_name(
    "SUPPLIERS_WEBHOOK_2",
    "hush",
    "secrets =",
    "`secrets[1]` must be the name of a secret: capital letters, digits and `_`, a letter first, 64 at most; what is written may be the secret itself, so it is not repeated"
)]
#[case::no_number_fits(
    "minimum = 0, maximum = 100",
    "minimum = 100.5, maximum = 0",
    "audit_score = {",
    "`minimum` 100.5 is above `maximum` 0 in `schema.properties.audit_score`: no number fits"
)]
#[case::no_text_fits(
    "minLength = 1, maxLength = 200",
    "minLength = 201, maxLength = 200",
    "maxLength = 200",
    "`minLength` 201 is above `maxLength` 200 in `schema.properties.name`: no text fits"
)]
#[case::no_number_is_below(
    "minimum = 0, maximum = 100",
    "minimum = 100, exclusiveMaximum = 100",
    "audit_score = {",
    "`minimum` 100 leaves nothing below `exclusiveMaximum` 100 in `schema.properties.audit_score`: no number fits"
)]
#[case::no_count_fits(
    "minimum = 0, maximum = 100",
    "contains = {}, minContains = 2, maxContains = 1",
    "audit_score = {",
    "`minContains` 2 is above `maxContains` 1 in `schema.properties.audit_score`: no list fits"
)]
#[case::nothing_is_named(
    "minimum = 0, maximum = 100",
    "enum = []",
    "audit_score = {",
    "`enum` names nothing in `schema.properties.audit_score`: no value fits"
)]
#[case::no_whole_number_fits(
    "minimum = 0, maximum = 100",
    "allOf = [{ type = \"integer\" }], minimum = 1.2, maximum = 1.8",
    "audit_score = {",
    "no whole number is between 1.2 and 1.8 in `schema.properties.audit_score`: no number fits"
)]
#[case::no_multiple_fits(
    "minimum = 0, maximum = 100",
    "multipleOf = 5, exclusiveMinimum = 5, exclusiveMaximum = 10",
    "audit_score = {",
    "no multiple of 5 is between 5 and 10 in `schema.properties.audit_score`: no number fits"
)]
#[case::what_is_named_is_of_another_type(
    "minimum = 0, maximum = 100",
    "enum = [\"good\", \"bad\"]",
    "audit_score = {",
    "the other keywords refuse what `enum` names in `schema.properties.audit_score`: no value fits"
)]
#[case::what_is_constant_is_out_of_bounds(
    "minimum = 0, maximum = 100",
    "const = 101, maximum = 100",
    "audit_score = {",
    "the other keywords refuse what `const` names in `schema.properties.audit_score`: no value fits"
)]
#[case::all_of_it_crosses(
    "minimum = 0, maximum = 100",
    "minimum = 0, allOf = [{ maximum = 50 }, { allOf = [{ maximum = -1 }] }]",
    "audit_score = {",
    "`minimum` 0 is above `maximum` -1 in `schema.properties.audit_score`: no number fits"
)]
#[case::all_of_it_is_of_no_type(
    "minimum = 0, maximum = 100",
    "allOf = [{ type = \"string\" }]",
    "audit_score = {",
    "`type` and what `allOf` demands have no type in common in `schema.properties.audit_score`: no value fits"
)]
#[case::a_field_that_must_not_be_there(
    "audit_score = { type = \"number\", minimum = 0, maximum = 100 }",
    "audit_score = false",
    "audit_score = false",
    "`schema.properties.audit_score` is `false`: no value fits; say what the field holds, as `{ type = \"string\" }`, or leave it out of `[fields]`"
)]
// Tiers (R37).
#[case::no_reason(
    "real_time_reason = \"Nobody may buy from a supplier that was blocked or lost its certificate.\"\n",
    "",
    "critical = [",
    "`critical` makes changes real-time, and batch is the default: say in `real_time_reason` why they cannot wait, or leave `critical` out"
)]
#[case::a_reason_that_says_nothing(
    "\"Nobody may buy from a supplier that was blocked or lost its certificate.\"",
    "\"TBD\"",
    "real_time_reason",
    "`real_time_reason` must say why changes cannot wait for a batch, `TBD` is written"
)]
#[case::an_empty_reason(
    "\"Nobody may buy from a supplier that was blocked or lost its certificate.\"",
    "\" \"",
    "real_time_reason",
    "`real_time_reason` must say why changes cannot wait for a batch, ` ` is written"
)]
#[case::less_than_no_change(
    "changes_a_day = 1_500",
    "changes_a_day = 0",
    "changes_a_day",
    "`changes_a_day` must be at least 1, 0 is written"
)]
// Limits.
#[case::above_the_account(
    "calls = 50,",
    "calls = 190,",
    "account = ",
    "both tiers together may make 210 calls in 60 s, but the account allows 200: lower `real_time` or `batch`"
)]
#[case::less_than_a_record(
    "calls = 20, per_s",
    "calls = 6, per_s",
    "real_time = {",
    "a record whose create went unanswered takes 7 calls in one window (5 to look it up, 2 to update it): allow at least 7"
)]
#[case::windows_of_another_length(
    "calls = 20, per_s = 60",
    "calls = 60, per_s = 25",
    "account = ",
    "both tiers together may make 230 calls in 60 s, but the account allows 200: lower `real_time` or `batch`"
)]
#[case::a_limit_of_both_forms(
    "batch = { calls = 50, per_s = 60 }",
    "batch = { calls = 50, per_s = 60, bucket = 50 }",
    "batch = {",
    "`batch` takes `calls` and `per_s`, or `bucket` and `leak_per_s`, not keys of both"
)]
#[case::a_limit_of_no_form(
    "batch = { calls = 50, per_s = 60 }",
    "batch = { burst = 50 }",
    "batch = {",
    "`batch` takes `calls` and `per_s`, or `bucket` and `leak_per_s`"
)]
#[case::a_limit_that_is_a_number(
    "batch = { calls = 50, per_s = 60 }",
    "batch = 50",
    "batch = 50",
    "`batch` must be a table of `calls` and `per_s`, or `bucket` and `leak_per_s`, 50 is written"
)]
#[case::half_a_bucket(
    "batch = { calls = 50, per_s = 60 }",
    "batch = { bucket = 50 }",
    "batch = {",
    "`leak_per_s` is missing in `target.limits.batch`"
)]
#[case::half_a_window(
    "batch = { calls = 50, per_s = 60 }",
    "batch = { calls = 50 }",
    "batch = {",
    "`per_s` is missing in `target.limits.batch`"
)]
#[case::a_bucket_that_does_not_leak(
    "batch = { calls = 50, per_s = 60 }",
    "batch = { bucket = 50, leak_per_s = 0 }",
    "batch = {",
    "`leak_per_s` must be at least 0.0001, 0 is written"
)]
#[case::an_account_with_a_text(
    "account = { calls = 200, per_s = 60 }",
    "account = { calls = \"200\", per_s = 60 }",
    "account = {",
    "`calls` must be a whole number, `200` is written"
)]
#[case::more_at_once_than_the_accounts_bucket_holds(
    "account = { calls = 200, per_s = 60 }",
    "account = { bucket = 60, leak_per_s = 2 }",
    "account = {",
    "both tiers together may make 70 calls at once, but the account's bucket holds 60: lower `real_time` or `batch`"
)]
#[case::more_than_leaks_from_the_accounts_bucket(
    "account = { calls = 200, per_s = 60 }",
    "account = { bucket = 70, leak_per_s = 1.1 }",
    "account = {",
    "both tiers together may make more calls than leak from the account's bucket: lower `real_time` or `batch`"
)]
#[case::buckets_above_an_account_by_the_window(
    "batch = { calls = 50, per_s = 60 }",
    "batch = { bucket = 40, leak_per_s = 2.5 }",
    "account = {",
    "both tiers together may make 210 calls in 60 s, but the account allows 200: lower `real_time` or `batch`"
)]
#[case::deaf_breaker(
    "preset = \"slow-answers\"",
    "failures = 20\nof = 10",
    "of = 10",
    "`of` is 10, but `failures` asks for 20 among them: raise `of` or lower `failures`"
)]
#[case::never_slow(
    "preset = \"slow-answers\"",
    "slow_ms = 10_000",
    "slow_ms",
    "no answer can be slow: `slow_ms` is 10000, and a call is cut after 10 s (`timeout_s`)"
)]
#[case::misspelt_keyword(
    "minLength = 1",
    "minLenght = 1",
    "minLenght",
    "unknown keyword `minLenght` in `schema.properties.name`; did you mean `minLength`?"
)]
#[case::misspelt_keyword_below(
    "items = { type = \"string\" }",
    "items = { tpye = \"string\" }",
    "tpye",
    "unknown keyword `tpye` in `schema.properties.certificates.items`; did you mean `type`?"
)]
#[case::misspelt_keyword_in_a_list(
    "email = { type = [\"string\", \"null\"] }",
    "email = { anyOf = [{ tpye = \"string\" }] }",
    "tpye",
    "unknown keyword `tpye` in `schema.properties.email.anyOf.0`; did you mean `type`?"
)]
#[case::unknown_format(
    "email = { type = [\"string\", \"null\"] }",
    "email = { format = \"emial\" }",
    "emial",
    "`[schema]` is no JSON Schema: there is no format `emial`; did you mean `email`?"
)]
fn a_mistake_in_the_supplier_flow_is_told(
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    let text = edited(SUPPLIERS, from, to);
    // The line above the one that is meant, where the meant one is not the first of its kind.
    let line = match from {
        "{ at = \"14:00\" }" => line_of(&text, at) - 1,
        "    \"blocked\"," => line_of(&text, "\"approved\",") + 1,
        _ => line_of(&text, at.trim_end()),
    };
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: {expected}")]
    );
}

#[test]
fn a_limit_of_one_record_is_enough_but_told_where_smaller_ones_come_first() {
    let text = edited(SUPPLIERS, "calls = 20, per_s", "calls = 7, per_s");
    let line = line_of(&text, "real_time = {");
    let report = check_text(text);
    assert_eq!(lines(&report.mistakes), [""; 0]);
    assert_eq!(
        lines(&report.warnings),
        [format!(
            "{line}: a record whose create went unanswered takes 7 calls (5 to look it up, 2 to update it), and room for them is kept 20 s ahead: with 7 calls in 60 s it waits behind the records of few calls while there is a backlog; allow at least 18"
        )]
    );
    // At an even pace 7 calls take 20 s with 18, and longer with 17.
    for (calls, warnings) in [(18, 0), (17, 1)] {
        let to = format!("calls = {calls}, per_s");
        let report = check_text(edited(SUPPLIERS, "calls = 20, per_s", &to));
        assert_eq!(report.warnings.len(), warnings, "{calls}");
    }
}

#[test]
fn a_bucket_that_leaks_slower_than_a_record_is_waited_for_is_told() {
    let text = edited(
        SUPPLIERS,
        "real_time = { calls = 20, per_s = 60 }",
        "real_time = { bucket = 20, leak_per_s = 0.0167 }",
    );
    let line = line_of(&text, "real_time = {");
    let report = check_text(text);
    assert_eq!(lines(&report.mistakes), [""; 0]);
    assert_eq!(
        lines(&report.warnings)[0],
        format!(
            "{line}: a record whose create went unanswered takes 7 calls (5 to look it up, 2 to update it), and room for them is kept 20 s ahead: with 20 calls in 1198 s it waits behind the records of few calls while there is a backlog; allow a leak of at least 6 in 20 s"
        )
    );
}

#[rstest]
#[case::text(
    "name = \"'x' * 200_000\"",
    "fields.name",
    "it gives more than 102400 bytes"
)]
#[case::a_list_without_an_end(
    "name = \"[row.name] * 90_000_000\"",
    "fields.name",
    "it gives more than 102400 bytes"
)]
#[case::more_than_can_be_made(
    "name = \"'x' * 900_000_000\"",
    "fields.name",
    "repeated string is too large"
)]
#[case::a_long_range(
    "name = \"range(900_000) | sum\"",
    "fields.name",
    "range has too many elements"
)]
#[case::whatever_several_values_are(
    "name = \"range(900_000 + row.audits + row.findings) | sum\"",
    "fields.name",
    "range has too many elements"
)]
fn a_field_that_costs_too_much_whatever_its_row_is_refused(
    #[case] field: &str,
    #[case] place: &str,
    #[case] why: &str,
) {
    let text = edited(SUPPLIERS, "name = \"row.legal_name\"", field);
    let line = line_of(&text, field);
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: `{place}` costs too much: {why}")]
    );
}

#[test]
fn a_path_that_costs_too_much_is_refused() {
    let text = edited(
        SUPPLIERS,
        "path = \"/api/suppliers/{{ key }}\"",
        "path = \"/api/{{ key }}/{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}\"",
    );
    let line = line_of(&text, "path = \"/api/{{ key }}");
    let why = "it does more work than one expression may";
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: `source.one.path` costs too much: {why}")]
    );
}

#[test]
fn what_a_row_alone_decides_is_right() {
    for field in [
        "row.n * 1_000_000",
        "range(row.n) | join(',')",
        "row.name * 2",
    ] {
        let field = format!("name = \"{field}\"");
        let text = edited(SUPPLIERS, "name = \"row.legal_name\"", &field);
        assert_eq!(lines(&check_text(text).mistakes), [""; 0], "{field}");
    }
}

#[rstest]
#[case::tenths("multipleOf = 0.1, minimum = 0.25, maximum = 0.3")]
#[case::one_number("minimum = 7, maximum = 7, multipleOf = 7")]
#[case::beyond_f64("exclusiveMinimum = 9007199254740992, maximum = 9007199254740993")]
#[case::what_is_not("not = { enum = [] }")]
#[case::one_of_several("anyOf = [{ minimum = 5, maximum = 1 }, { minimum = 7 }]")]
#[case::of_an_older_draft("anyOf = [{ enum = [1], minimum = 2 }, {}]")]
#[case::some_that_are_named("enum = [1, \"none\"]")]
fn a_schema_that_a_value_fits_is_right(#[case] keywords: &str) {
    let text = edited(SUPPLIERS, "minimum = 0, maximum = 100", keywords);
    assert_eq!(lines(&check_text(text).mistakes), [""; 0]);
}

/// What a part refers to is not in the part, and its draft is that of the whole.
#[test]
fn a_part_of_a_schema_is_judged_as_a_part() {
    let text = edited(
        SUPPLIERS,
        "[schema]",
        "[schema]\n\"$schema\" = \"http://json-schema.org/draft-07/schema#\"",
    );
    for score in [
        "{ enum = [\"none\"], format = \"uuid\" }",
        "{ enum = [7], allOf = [{ \"$ref\" = \"#/properties/name\" }] }",
    ] {
        let whole = "{ type = \"number\", minimum = 0, maximum = 100 }";
        let text = edited(&text, whole, score);
        assert_eq!(lines(&check_text(text).mistakes), [""; 0], "{score}");
    }
}
