//! The paths that the shop has, and what it answers on each.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    Access, Books, CALLS, Shopify,
    order::{self, State, number_of},
    query::{Bad, Listing, Turn},
};
use crate::doubles::{
    Acted, Incoming, Reply, Subject, System,
    form::Pairs,
    ledger::{Ledger, Page},
    locked,
};

const NO_TOKEN: &str =
    "[API] Invalid API key or access token (unrecognized login or wrong password)";
const TOO_MANY: &str = "Exceeded 2 calls per second for api client. \
    Reduce request rates to resume uninterrupted service.";
/// What a 429 says, whatever the bucket: MONEI/Shopify-api-node issue 135 shows the header.
const RETRY_AFTER_S: &str = "2.0";
/// Without leave for all orders, a shop shows those of so many days.
const VISIBLE_S: i64 = 60 * 24 * 3_600;

/// What a call asks for.
enum Asked<'a> {
    List,
    One(&'a str),
    Nothing,
}

impl<'a> Asked<'a> {
    /// The path behind `/admin`, with or without a version that is served.
    fn of(call: &'a Incoming, version: &str) -> Self {
        let Some(path) = call.uri.path().strip_prefix("/admin/") else {
            return Self::Nothing;
        };
        let path = match path.strip_prefix("api/") {
            None => Some(path),
            Some(rest) => rest
                .split_once('/')
                .filter(|(asked, _)| is_served(asked, version))
                .map(|(_, path)| path),
        };
        match path {
            Some("orders.json") => Self::List,
            Some(path) => path
                .strip_prefix("orders/")
                .and_then(|path| path.strip_suffix(".json"))
                .filter(|id| !id.is_empty() && !id.contains('/'))
                .map_or(Self::Nothing, Self::One),
            None => Self::Nothing,
        }
    }
}

/// A version that is no longer there is answered by the oldest that is: here the only one.
fn is_served(asked: &str, version: &str) -> bool {
    let is_version = asked.len() == version.len()
        && asked.split('-').map(str::len).eq([4, 2])
        && asked
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_digit());
    is_version && asked <= version
}

impl System for Shopify {
    /// Key and id are the order's id.
    fn subject(&self, call: &Incoming) -> Subject {
        let id = match Asked::of(call, &self.version) {
            Asked::One(id) => Some(id.to_owned()),
            Asked::List | Asked::Nothing => None,
        };
        Subject {
            key: id.clone(),
            id,
        }
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        let mut books = locked(&self.books);
        let token = call.headers.get("x-shopify-access-token");
        if token.map(AsRef::as_ref) != Some(books.token.as_bytes()) {
            return Acted::read(error(401, NO_TOKEN));
        }
        let is_within = books.bucket.admit(self.quota, now_ms);
        let mut reply = if is_within {
            self.answer(&books, call, now_ms)
        } else {
            let mut reply = error(429, TOO_MANY);
            add(&mut reply, "retry-after", RETRY_AFTER_S);
            reply
        };
        let used = format!("{}/{}", books.bucket.used(), CALLS.burst);
        add(&mut reply, "x-shopify-shop-api-call-limit", &used);
        add(&mut reply, "x-shopify-api-version", &self.version);
        Acted::read(reply)
    }
}

impl Shopify {
    fn answer(&self, books: &Books, call: &Incoming, now_ms: i64) -> Reply {
        let asked = Asked::of(call, &self.version);
        if matches!(asked, Asked::Nothing) {
            return error(404, "Not Found");
        }
        let scope = match (call.method.as_str(), books.access) {
            ("GET", Access::NoOrders) => Some("read_orders"),
            ("GET", _) => None,
            _ => Some("write_orders"),
        };
        if let Some(scope) = scope {
            let what = format!("[API] This action requires merchant approval for {scope} scope.");
            return error(403, &what);
        }
        let Some(query) = Pairs::read(call.uri.query().unwrap_or_default()) else {
            return error(400, "Bad Request");
        };
        let oldest_s = match books.access {
            Access::AllOrders => i64::MIN,
            Access::Orders | Access::NoOrders => now_ms.div_euclid(1_000) - VISIBLE_S,
        };
        match asked {
            Asked::One(id) => self.one(books, id, query.get("fields"), oldest_s),
            _ => match Listing::read(&query) {
                Ok(listing) => self.list(books, call, &listing, oldest_s),
                Err(bad) => refused(&bad),
            },
        }
    }

    fn one(&self, books: &Books, id: &str, fields: Option<&str>, oldest_s: i64) -> Reply {
        let Ok(id) = id.parse() else {
            return refused(&Bad {
                name: Some("id".to_owned()),
                what: "expected String to be a id".to_owned(),
            });
        };
        let seen = number_of(id).filter(|number| {
            let times = books.ledger.times(*number);
            times.is_some_and(|times| times.created_s >= oldest_s)
        });
        match seen.and_then(|number| self.order(&books.ledger, number)) {
            Some(order) => Reply::json(200, &json!({ "order": only(order, fields) })),
            None => error(404, "Not Found"),
        }
    }

    fn list(&self, books: &Books, call: &Incoming, listing: &Listing, oldest_s: i64) -> Reply {
        let ledger = &books.ledger;
        let keep = |number| {
            let is_seen = ledger
                .times(number)
                .is_some_and(|times| times.created_s >= oldest_s && listing.filters.has(times));
            is_seen && listing.filters.status.has(State::of(ledger, number))
        };
        let mut page = ledger.page(&listing.ask(), keep);
        if listing.is_backwards() {
            page.keys.reverse();
        }
        let fields = listing.fields.as_deref();
        let orders: Vec<Value> = page
            .keys
            .iter()
            .filter_map(|key| self.order(ledger, key.number))
            .map(|order| only(order, fields))
            .collect();
        let mut reply = Reply::json(200, &json!({ "orders": orders }));
        let links = links(&origin(books, call), call.uri.path(), listing, &page);
        if !links.is_empty() {
            add(&mut reply, "link", &links.join(", "));
        }
        reply
    }

    /// An order as it now stands.
    pub(super) fn order(&self, ledger: &Ledger, number: u64) -> Option<Map<String, Value>> {
        let times = ledger.times(number)?;
        let held = ledger.body(number).cloned();
        Some(held.unwrap_or_else(|| {
            let choices = ledger.choices(number);
            order::made(choices, number, times, &self.zone)
        }))
    }
}

/// The top-level fields that are asked for; one that there is not is passed over.
fn only(mut order: Map<String, Value>, fields: Option<&str>) -> Value {
    if let Some(fields) = fields {
        let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
        order.retain(|name, _| fields.contains(&name.as_str()));
    }
    Value::Object(order)
}

/// Where a link leads: to whom was called, unless a test says otherwise.
fn origin(books: &Books, call: &Incoming) -> String {
    let host = call.headers.get("host").and_then(|host| host.to_str().ok());
    let here = || format!("http://{}", host.unwrap_or("shop.example"));
    books.link_origin.clone().unwrap_or_else(here)
}

fn links(origin: &str, path: &str, listing: &Listing, page: &Page) -> Vec<String> {
    let (Some(first), Some(last)) = (page.keys.first(), page.keys.last()) else {
        return Vec::new();
    };
    // One came from the other side of the page, so there is something there.
    let (has_previous, has_next) = if listing.is_backwards() {
        (page.has_more, true)
    } else {
        (listing.from.is_some(), page.has_more)
    };
    let link = |turn, key, rel: &str| {
        let limit = listing.limit;
        let page_info = listing.page_info(turn, key);
        let fields = listing.fields.as_ref().map(|fields| {
            let fields = utf8_percent_encode(fields, NON_ALPHANUMERIC);
            format!("&fields={fields}")
        });
        let fields = fields.unwrap_or_default();
        format!("<{origin}{path}?limit={limit}{fields}&page_info={page_info}>; rel=\"{rel}\"")
    };
    let previous = has_previous.then(|| link(Turn::Previous, *first, "previous"));
    let next = has_next.then(|| link(Turn::Next, *last, "next"));
    previous.into_iter().chain(next).collect()
}

fn refused(bad: &Bad) -> Reply {
    let errors = match &bad.name {
        Some(name) => json!({ name: bad.what }),
        None => json!(bad.what),
    };
    Reply::json(400, &json!({ "errors": errors }))
}

fn error(status: u16, what: &str) -> Reply {
    Reply::json(status, &json!({ "errors": what }))
}

fn add(reply: &mut Reply, name: &str, value: &str) {
    reply.headers.push((name.to_owned(), value.to_owned()));
}
