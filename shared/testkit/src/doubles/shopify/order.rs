//! An order as Shopify shows it, with the fields that a warehouse needs.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use crate::doubles::{
    Seed,
    erp::names,
    goods::{GOODS, Product, money},
    ledger::{Ledger, Times},
};

/// Ids are of thirteen digits, as Shopify's are: beyond 32 bits, within what JSON readers keep.
const FIRST_ID: u64 = 5_600_000_000_000;
/// From one order's id to the next.
const ID_STEP: u64 = 32_768;
/// Customers have ids of their own.
const FIRST_CUSTOMER: u64 = 7_000_000_000_000;
/// The name of the first order is one more: shops begin at #1001.
const FIRST_NAME: u64 = 1_000;
/// Lines of an order at most.
const MAX_LINES: u32 = 4;

/// Which of Shopify's three an order is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Closed,
    Cancelled,
}

impl State {
    /// Of 100 orders 4 are cancelled and 56 are closed.
    fn chosen(seed: &mut Seed) -> Self {
        match seed.below(100) {
            0..4 => Self::Cancelled,
            4..60 => Self::Closed,
            _ => Self::Open,
        }
    }

    fn of_body(body: &Map<String, Value>) -> Self {
        let is_set = |name| body.get(name).is_some_and(|at| !at.is_null());
        match (is_set("cancelled_at"), is_set("closed_at")) {
            (true, _) => Self::Cancelled,
            (false, true) => Self::Closed,
            (false, false) => Self::Open,
        }
    }

    /// The state of an order, without making the order.
    pub(super) fn of(ledger: &Ledger, number: u64) -> Self {
        match ledger.body(number) {
            Some(body) => Self::of_body(body),
            None => Self::chosen(&mut ledger.choices(number)),
        }
    }
}

/// The id of the order of this number.
pub(super) const fn id_of(number: u64) -> u64 {
    FIRST_ID + number * ID_STEP
}

/// The number of the order of this id.
pub(super) const fn number_of(id: u64) -> Option<u64> {
    match id.checked_sub(FIRST_ID) {
        Some(beyond) if beyond.is_multiple_of(ID_STEP) => Some(beyond / ID_STEP),
        _ => None,
    }
}

/// A time as the shop's clock shows it, with its offset.
pub(super) fn told(zone: &TimeZone, at_s: i64) -> String {
    let at = Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(zone.clone());
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Writes into an order what the double keeps about it, whatever a test wrote there.
pub(super) fn stamp(body: &mut Map<String, Value>, number: u64, times: Times, zone: &TimeZone) {
    body.insert("id".to_owned(), json!(id_of(number)));
    for (name, at_s) in [
        ("created_at", times.created_s),
        ("updated_at", times.updated_s),
    ] {
        body.insert(name.to_owned(), json!(told(zone, at_s)));
    }
}

/// The order of this number as nobody has touched it.
pub(super) fn made(
    mut seed: Seed,
    number: u64,
    times: Times,
    zone: &TimeZone,
) -> Map<String, Value> {
    let state = State::chosen(&mut seed);
    let lines = Lines::chosen(&mut seed, number, state);
    let mut body = Map::new();
    for part in [
        named(number),
        standing(&mut seed, state, times, zone),
        priced(&lines),
        sent_to(&mut seed, number),
    ] {
        if let Value::Object(part) = part {
            body.extend(part);
        }
    }
    body.insert("fulfillment_status".to_owned(), json!(lines.status));
    body.insert("line_items".to_owned(), Value::Array(lines.items));
    stamp(&mut body, number, times, zone);
    body
}

fn named(number: u64) -> Value {
    json!({
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", id_of(number)),
        "name": format!("#{}", FIRST_NAME + number),
        "number": number,
        "order_number": FIRST_NAME + number,
        "source_name": "web",
        "confirmed": true,
        "test": false,
        "tags": "",
        "note": null,
        "location_id": null,
    })
}

fn standing(seed: &mut Seed, state: State, times: Times, zone: &TimeZone) -> Value {
    let ended = told(zone, times.updated_s);
    json!({
        "processed_at": told(zone, times.created_s),
        "closed_at": (state == State::Closed).then_some(&ended),
        "cancelled_at": (state == State::Cancelled).then_some(&ended),
        "cancel_reason": (state == State::Cancelled).then_some("customer"),
        "financial_status": paid(seed, state),
    })
}

fn priced(lines: &Lines) -> Value {
    let total = money(lines.cents);
    json!({
        "currency": "EUR",
        "presentment_currency": "EUR",
        "total_price": total,
        "subtotal_price": total,
        "current_total_price": total,
        "total_line_items_price": total,
        "total_discounts": "0.00",
        "total_tax": money(lines.cents * 19 / 119),
        "taxes_included": true,
        "total_weight": lines.grams,
    })
}

fn sent_to(seed: &mut Seed, number: u64) -> Value {
    let (first, last) = names::person(seed);
    // RFC 2606: nobody can be reached there.
    let email = format!("{first}.{last}{number}@mail.example").to_lowercase();
    let (house, zip) = (1 + seed.below(180), 10_000 + seed.below(80_000));
    json!({
        "email": email,
        "contact_email": email,
        "phone": null,
        "customer": {
            "id": FIRST_CUSTOMER + number,
            "email": email,
            "first_name": first,
            "last_name": last,
            "phone": null,
        },
        "shipping_address": {
            "first_name": first,
            "last_name": last,
            "address1": format!("Example Street {house}"),
            "address2": null,
            "zip": format!("{zip:05}"),
            "city": "Berlin",
            "province": null,
            "country": "Germany",
            "country_code": "DE",
            "phone": null,
        },
        "shipping_lines": [{ "title": "Standard", "code": "standard", "price": "0.00" }],
    })
}

fn paid(seed: &mut Seed, state: State) -> &'static str {
    match (state, seed.below(100)) {
        (State::Cancelled, 0..50) => "voided",
        (State::Cancelled, _) => "refunded",
        (State::Open, 0..8) => "pending",
        (State::Open, 8..14) => "authorized",
        (State::Closed, 0..3) => "partially_refunded",
        _ => "paid",
    }
}

/// The lines of an order and what they come to.
struct Lines {
    items: Vec<Value>,
    cents: u32,
    grams: u32,
    /// `fulfillment_status` of the whole; null before anything has left.
    status: Option<&'static str>,
}

impl Lines {
    fn chosen(seed: &mut Seed, number: u64, state: State) -> Self {
        let count = 1 + seed.below(MAX_LINES);
        let is_partial = state == State::Open && count > 1 && seed.chance(20);
        let mut lines = Self {
            items: Vec::new(),
            cents: 0,
            grams: 0,
            status: match state {
                State::Closed => Some("fulfilled"),
                State::Open if is_partial => Some("partial"),
                State::Open | State::Cancelled => None,
            },
        };
        for place in 0..count {
            let (product, quantity) = (seed.pick(&GOODS), 1 + seed.below(3));
            let has_left = state == State::Closed || (is_partial && place == 0);
            let id = id_of(number) * 8 + u64::from(place);
            lines.cents += product.cents * quantity;
            lines.grams += product.grams * quantity;
            lines.items.push(line(id, product, quantity, has_left));
        }
        lines
    }
}

fn line(id: u64, product: Product, quantity: u32, has_left: bool) -> Value {
    json!({
        "id": id,
        "sku": product.sku,
        "title": product.title,
        "name": product.title,
        "variant_title": null,
        "vendor": "Tea and Cup",
        "quantity": quantity,
        "current_quantity": quantity,
        "fulfillable_quantity": if has_left { 0 } else { quantity },
        "fulfillment_status": has_left.then_some("fulfilled"),
        "price": money(product.cents),
        "total_discount": "0.00",
        "grams": product.grams,
        "requires_shipping": true,
        "taxable": true,
        "gift_card": false,
    })
}
