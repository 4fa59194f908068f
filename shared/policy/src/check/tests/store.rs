//! Our own store as a target, and webhooks that are not of the standard.

use super::*;

const ORDERS: &str = include_str!("../../../../../infra/flows/examples/orders-shopify.toml");

/// The flow of the shop's orders, its source written out.
fn orders() -> String {
    let (head, rest) = ORDERS.split_once("[source]").unwrap();
    let (_, rest) = rest.split_once("# --- What an order is").unwrap();
    format!(
        r#"{head}[source]
type = "rest"
name = "shop"
base_url = "https://shop.example.com"
limit = {{ calls = 40, per_s = 20 }}
list = {{ path = "/orders" }}
one = {{ path = "/orders/{{{{ key }}}}" }}

[record]
key = "row.id"
version = {{ by = "time", at = "row.updated_at" }}

# {rest}"#
    )
}

fn told(from: &str, to: &str) -> Vec<String> {
    let text = edited(&orders(), from, to);
    let report = check_text(text);
    report
        .mistakes
        .into_iter()
        .map(|mistake| mistake.message)
        .collect()
}

#[test]
fn a_flow_into_our_own_store_needs_neither_limits_nor_a_body() {
    let report = check_text(orders());
    assert_eq!(report.mistakes, []);
    let told = report.to_string();
    for line in [
        "our own store: applied by the write that stages it, no call",
        "reconcile: source and registers, which are the store",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(!told.contains("calls a minute"), "{told}");
}

#[test]
fn our_own_store_holds_nothing_that_the_source_has_deleted() {
    let expected = "our own store holds what the source says, and nothing beside it: write `deletion = \"delete\"`, which leaves a tombstone";
    for instead in [
        "",
        "deletion = \"keep\"",
        "deletion = \"archive\"",
        "deletion = \"review\"",
    ] {
        assert_eq!(
            told("deletion = \"delete\"", instead),
            [expected],
            "{instead}"
        );
    }
}

#[test]
fn a_system_that_is_read_is_not_called_as_our_own_store_is() {
    let told = told("name = \"shop\"", "name = \"store\"");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("`store` is a source too"), "{told:?}");
}

#[test]
fn what_signs_a_webhook_is_checked_as_a_header_is() {
    let listens = |more: &str| {
        let webhook = format!(
            "real_time_reason = \"Stock.\"\n[webhook]\nsecrets = [\"SHOP\"]\nkey = \"body.id\"\n{more}\n[expected]"
        );
        told("[expected]", &webhook)
    };
    let hmac = "signed = { by = \"hmac\", header = \"X-Signature\", encoding = \"hex\" }";
    for fine in [
        "",
        hmac,
        "signed = { by = \"query\", parameter = \"code\" }",
    ] {
        assert_eq!(listens(fine), [] as [String; 0], "{fine}");
    }
    assert_eq!(
        listens(&format!("{hmac}\nid = \"X-Id\"")),
        [] as [String; 0]
    );
    for (more, expected) in [
        (
            hmac.replace("X-Signature", "X Signature"),
            "`X Signature` is no name of a header; letters, digits and `-` make one",
        ),
        (
            format!("{hmac}\nid = \"X:Id\""),
            "`X:Id` is no name of a header; letters, digits and `-` make one",
        ),
        (
            "id = \"X-Id\"".to_owned(),
            "Standard Webhooks names a delivery in `webhook-id`, which is signed: leave `id` out",
        ),
        (
            hmac.replace("hmac", "rsa"),
            "`by` must be one of standard, hmac, header, query, `rsa` is written",
        ),
    ] {
        assert_eq!(listens(&more), [expected], "{more}");
    }
}

#[test]
fn a_source_that_gives_no_record_by_its_key_takes_no_hints() {
    let one = "one = { path = \"/orders/{{ key }}\" }\n";
    assert_eq!(told(one, ""), [""; 0]);
    let listed = edited(&orders(), one, "");
    let reason = "revision = 1\nreal_time_reason = \"Stock.\"";
    let listed = edited(&listed, "revision = 1", reason);
    let hints = format!("{listed}\n[webhook]\nsecrets = [\"A\"]\nkey = \"body.id\"\n");
    let report = check_text(hints.clone());
    let lines: Vec<String> = report
        .mistakes
        .iter()
        .map(|mistake| mistake.message.clone())
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("`webhook` brings hints, but without `source.one`"),
        "{lines:?}"
    );
    let whole = check_text(format!("{hints}row = \"body\"\n"));
    assert_eq!(whole.mistakes, []);
}
