//! An order as Amazon shows it, and its items, which Amazon shows apart.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::doubles::{
    Seed,
    goods::{GOODS, Product, money},
    ledger::{Ledger, Times},
};

/// The first part of an order's id.
const ID_START: u64 = 302;
/// An id has three parts, of 3, 7 and 7 digits.
const ID_PART: u64 = 10_000_000;
/// A prime, so that the last part differs widely from one order to the next.
const ID_SPREAD: u64 = 7_654_321;
/// Items of an order at most.
const MAX_ITEMS: u32 = 4;
/// From its purchase until an order should have left, and until it must have.
const SHIPS_S: (i64, i64) = (24 * 3_600, 3 * 24 * 3_600);

/// `OrderStatus` of an order that nobody has touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Unshipped,
    PartiallyShipped,
    Shipped,
    Canceled,
}

impl Status {
    fn chosen(seed: &mut Seed) -> Self {
        match seed.below(100) {
            0..5 => Self::Pending,
            5..35 => Self::Unshipped,
            35..40 => Self::PartiallyShipped,
            40..95 => Self::Shipped,
            _ => Self::Canceled,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Unshipped => "Unshipped",
            Self::PartiallyShipped => "PartiallyShipped",
            Self::Shipped => "Shipped",
            Self::Canceled => "Canceled",
        }
    }
}

/// Who sends: Amazon for one in five.
fn channel(seed: &mut Seed) -> &'static str {
    if seed.chance(20) { "AFN" } else { "MFN" }
}

/// What a listing filters by, without making the order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: String,
    pub(super) channel: String,
    pub(super) marketplace: String,
}

impl Said {
    pub(super) fn by(ledger: &Ledger, number: u64, marketplaces: &[String]) -> Self {
        if let Some(body) = ledger.body(number) {
            let text = |name| {
                let value = body.get(name).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            return Self {
                status: text("OrderStatus"),
                channel: text("FulfillmentChannel"),
                marketplace: text("MarketplaceId"),
            };
        }
        let mut seed = ledger.choices(number);
        Self {
            status: Status::chosen(&mut seed).name().to_owned(),
            channel: channel(&mut seed).to_owned(),
            marketplace: seed.pick(marketplaces),
        }
    }
}

/// The id of the order of this number: `302-0000007-3580247`.
pub(super) fn id_of(number: u64) -> String {
    let last = number.wrapping_mul(ID_SPREAD) % ID_PART;
    format!("{ID_START}-{number:07}-{last:07}")
}

/// The number of the order of this id.
pub(super) fn number_of(id: &str) -> Option<u64> {
    let number = id.split('-').nth(1)?.parse().ok()?;
    (id == id_of(number)).then_some(number)
}

/// Whether a text has the shape of an id: digits, 3, 7 and 7.
pub(super) fn is_id(text: &str) -> bool {
    text.split('-').map(str::len).eq([3, 7, 7])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_digit())
}

/// A time as Amazon tells it.
pub(super) fn told(at_s: i64) -> String {
    let at = Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes into an order what the double keeps about it, whatever a test wrote there.
pub(super) fn stamp(body: &mut Map<String, Value>, number: u64, times: Times) {
    for (name, value) in [
        ("AmazonOrderId", id_of(number)),
        ("PurchaseDate", told(times.created_s)),
        ("LastUpdateDate", told(times.updated_s)),
    ] {
        body.insert(name.to_owned(), Value::String(value));
    }
}

/// The order of this number as nobody has touched it.
pub(super) fn made(
    mut seed: Seed,
    number: u64,
    times: Times,
    marketplaces: &[String],
) -> Map<String, Value> {
    let status = Status::chosen(&mut seed);
    let channel = channel(&mut seed);
    let marketplace = seed.pick(marketplaces);
    let items = Items::chosen(&mut seed, status);
    let mut body = Map::new();
    for part in [
        standing(status, channel, &marketplace, &items),
        sent(&mut seed, number, times),
    ] {
        if let Value::Object(part) = part {
            body.extend(part);
        }
    }
    // A payment that is not authorised yet has no total.
    if status != Status::Pending {
        body.insert("OrderTotal".to_owned(), amount(items.cents));
    }
    stamp(&mut body, number, times);
    body
}

fn standing(status: Status, channel: &str, marketplace: &str, items: &Items) -> Value {
    json!({
        "OrderStatus": status.name(),
        "FulfillmentChannel": channel,
        "MarketplaceId": marketplace,
        "SalesChannel": "Amazon.de",
        "OrderType": "StandardOrder",
        "PaymentMethod": "Other",
        "PaymentMethodDetails": ["Standard"],
        "ShipServiceLevel": "Std DE Dom",
        "ShipmentServiceLevelCategory": "Standard",
        "NumberOfItemsShipped": items.shipped(),
        "NumberOfItemsUnshipped": items.unshipped(status),
        "IsReplacementOrder": false,
        "IsBusinessOrder": false,
        "IsPrime": false,
        "IsGlobalExpressEnabled": false,
        "IsPremiumOrder": false,
        "IsSoldByAB": false,
        "IsIBA": false,
        "IsISPU": false,
        "IsAccessPointOrder": false,
    })
}

/// Without a restricted data token the buyer has neither name nor street.
fn sent(seed: &mut Seed, number: u64, times: Times) -> Value {
    let zip = 10_000 + seed.below(80_000);
    let (early, late) = SHIPS_S;
    json!({
        "EarliestShipDate": told(times.created_s + early),
        "LatestShipDate": told(times.created_s + late),
        "BuyerInfo": { "BuyerEmail": format!("buyer{number}@marketplace.example") },
        "ShippingAddress": {
            "City": "Berlin",
            "PostalCode": format!("{zip:05}"),
            "CountryCode": "DE",
        },
    })
}

/// `OrderItems` of the order of this number; what a test changed in the order alters none of them.
pub(super) fn items(mut seed: Seed, number: u64, marketplaces: &[String]) -> Vec<Value> {
    let status = Status::chosen(&mut seed);
    channel(&mut seed);
    drop(seed.pick(marketplaces));
    let items = Items::chosen(&mut seed, status).items;
    let numbered = (1_u64..).zip(items);
    numbered
        .map(|(place, item)| item.shown(number * 10 + place, status))
        .collect()
}

struct Items {
    items: Vec<Item>,
    cents: u32,
}

#[derive(Clone, Copy)]
struct Item {
    product: Product,
    ordered: u32,
    shipped: u32,
}

impl Items {
    fn chosen(seed: &mut Seed, status: Status) -> Self {
        let mut chosen = Self {
            items: Vec::new(),
            cents: 0,
        };
        // Of one item nothing can be shipped in part.
        let least = 1 + u32::from(status == Status::PartiallyShipped);
        for place in 0..least + seed.below(MAX_ITEMS + 1 - least) {
            let (product, ordered) = (seed.pick(&GOODS), 1 + seed.below(3));
            let has_left =
                status == Status::Shipped || (status == Status::PartiallyShipped && place == 0);
            chosen.cents += product.cents * ordered;
            chosen.items.push(Item {
                product,
                ordered,
                shipped: if has_left { ordered } else { 0 },
            });
        }
        chosen
    }

    fn shipped(&self) -> u32 {
        self.items.iter().map(|item| item.shipped).sum()
    }

    fn unshipped(&self, status: Status) -> u32 {
        if matches!(status, Status::Pending | Status::Canceled) {
            return 0;
        }
        let ordered: u32 = self.items.iter().map(|item| item.ordered).sum();
        ordered - self.shipped()
    }
}

impl Item {
    fn shown(self, id: u64, status: Status) -> Value {
        let mut item = json!({
            "ASIN": format!("B0{:08}", self.product.grams),
            "SellerSKU": self.product.sku,
            "OrderItemId": format!("{:014}", id),
            "Title": self.product.title,
            "QuantityOrdered": self.ordered,
            "QuantityShipped": self.shipped,
        });
        if let (false, Some(item)) = (status == Status::Pending, item.as_object_mut()) {
            let price = amount(self.product.cents * self.ordered);
            item.insert("ItemPrice".to_owned(), price);
        }
        item
    }
}

fn amount(cents: u32) -> Value {
    json!({ "CurrencyCode": "EUR", "Amount": money(cents) })
}
