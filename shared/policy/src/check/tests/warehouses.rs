//! What a flow file can get wrong about a warehouse, and about the places of files.

use rstest::rstest;

use super::*;

const WAREHOUSE: &str = r#"
[warehouse]
name = "snowflake"
place = "s3://staged/suppliers/"
base_url = "https://org-acc.snowflakecomputing.com"
account = "org-acc"
user = "TIDEGATE_LOADER"
key = "SNOWFLAKE_KEY"
role = "TIDEGATE_LOAD"
warehouse = "TIDEGATE_WH"
database = "TIDEGATE"
schema = "MARKET"
view = "SUPPLIERS"
"#;
const INVOICES: &str = include_str!("../../../../../infra/flows/examples/invoices.toml");

const NO_PLACE: &str =
    "`place` must be `s3://BUCKET/PREFIX/`, with the slash at its end, or a folder";
const PLAIN_HTTP: &str = "`base_url` must be an address of `https://`: what proves who we are goes there, and over `http://` all on the way can read it; that is for this machine alone, as `http://127.0.0.1:8080`";
const NO_ACCOUNT: &str =
    "`account` must be `ORGANISATION-ACCOUNT`: letters, digits, `_`, `-` and `.`, no address";
const NO_USER: &str =
    "`user` must be the name of a user as tokens have it, without blanks and quotes";

/// What is told of a warehouse that has another value, all of it of that line.
fn told(key: &str, value: &str, more: &[(&str, &str)]) -> Vec<String> {
    let start = format!("\n{key} = ");
    let (head, rest) = WAREHOUSE.split_once(&start).unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let text = format!("{SUPPLIERS}{head}{start}\"{value}\"\n{rest}");
    let at = 1 + SUPPLIERS.lines().count() + head.lines().count();
    let mut settings = settings();
    settings.extend(
        more.iter()
            .map(|(name, value)| ((*name).into(), (*value).into())),
    );
    let found = check(&[FlowText::alone("flow.toml", text)], &settings, NOW).mistakes;
    assert!(found.iter().all(|one| one.line == at), "{at}: {found:?}");
    found.into_iter().map(|mistake| mistake.message).collect()
}

#[rstest]
#[case::no_bucket("place", "s3://", NO_PLACE)]
#[case::no_slash("place", "s3://bucket", NO_PLACE)]
#[case::no_last_slash("place", "s3://bucket/prefix", NO_PLACE)]
#[case::no_name_of_a_bucket("place", "s3://My Bucket/prefix/", NO_PLACE)]
#[case::another_scheme("place", "https://x/", NO_PLACE)]
#[case::no_place("place", "", NO_PLACE)]
#[case::blanks("account", "org acc", NO_ACCOUNT)]
#[case::an_address("account", "https://org-acc", NO_ACCOUNT)]
#[case::no_account("account", "", NO_ACCOUNT)]
#[case::no_user("user", "", NO_USER)]
#[case::blanks("user", "the loader", NO_USER)]
fn what_no_warehouse_takes_is_told(#[case] key: &str, #[case] value: &str, #[case] right: &str) {
    let written = match value {
        "" => "an empty text".to_owned(),
        value => format!("`{value}`"),
    };
    assert_eq!(
        told(key, value, &[]),
        [format!("{right}, {written} is written")]
    );
}

#[rstest]
fn what_stands_in_statements_is_a_plain_name(
    #[values("role", "warehouse", "database", "schema")] key: &str,
    #[values("", "A B", "a-b", "A.B", "A;", "\\\"A\\\"", "\u{c4}")] value: &str,
) {
    let written = match value {
        "" => "an empty text".to_owned(),
        value => format!("`{}`", value.replace('\\', "")),
    };
    assert_eq!(
        told(key, value, &[]),
        [format!(
            "`{key}` must be letters, digits, `_` and `$`: it stands in statements without quotes, {written} is written"
        )]
    );
}

#[test]
fn a_view_has_the_letters_of_one() {
    for value in ["ORD ERS", "7_ORDERS", "a-b"] {
        let right = "`view` must be letters, digits and `_`, no digit first";
        assert_eq!(
            told("view", value, &[]),
            [format!("{right}, `{value}` is written")]
        );
    }
}

#[test]
fn the_token_of_a_warehouse_is_not_sent_in_the_clear() {
    assert_eq!(
        told("base_url", "http://snow.example.com", &[]),
        [PLAIN_HTTP]
    );
    assert_eq!(
        told("base_url", "{{ env.SNOW }}", &[("SNOW", "http://snow")]),
        [PLAIN_HTTP]
    );
}

#[test]
fn settings_are_judged_where_they_are_known() {
    let unknown = [""; 0];
    for key in ["place", "base_url", "account", "user", "role", "schema"] {
        assert_eq!(told(key, "{{ env.NAME }}", &[]), unknown, "{key}");
    }
    assert_eq!(
        told(
            "account",
            "{{ env.ORG }} {{ env.ACC }}",
            &[("ORG", "o"), ("ACC", "a")]
        ),
        [format!(
            "{NO_ACCOUNT}, `o a` is what its settings make of it"
        )]
    );
    assert_eq!(
        told("role", "{{ env.ROLE }}", &[("ROLE", "")]),
        [
            "`role` must be letters, digits, `_` and `$`: it stands in statements without quotes, an empty text is what its settings make of it"
        ]
    );
}

#[rstest]
#[case("place", "s3://bucket/")]
#[case("place", "s3://my.bucket-1/a b/c/")]
#[case("place", "/var/staged")]
#[case("place", "staged/files/")]
#[case("base_url", "http://127.0.0.1:9902")]
#[case("base_url", "http://localhost:9902/")]
#[case("account", "MY_ORG-Acc1")]
#[case("user", "loader.7@example.com")]
#[case("role", "LOAD_$1")]
#[case("view", "_orders_2")]
fn what_a_warehouse_takes_is_no_mistake(#[case] key: &str, #[case] value: &str) {
    assert_eq!(told(key, value, &[]), [""; 0]);
}

#[rstest]
#[case("https://x/y", false)]
#[case("s3://bucket/prefix", false)]
#[case("s3://bucket", false)]
#[case("S3://bucket/prefix/", false)]
#[case("", false)]
#[case("s3://bucket/prefix/", true)]
#[case("./drop", true)]
fn files_lie_in_a_bucket_or_in_a_folder(#[case] place: &str, #[case] fits: bool) {
    let text = edited(INVOICES, "{{ env.INVOICES }}", place);
    let line = line_of(&text, "place = ");
    let written = match place {
        "" => "an empty text".to_owned(),
        place => format!("`{place}`"),
    };
    let expected = format!("{line}: {NO_PLACE}, {written} is written");
    let expected: Vec<String> = (!fits).then_some(expected).into_iter().collect();
    assert_eq!(lines(&check_text(text).mistakes), expected);
}
