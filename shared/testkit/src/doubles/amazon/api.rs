//! The paths of the Orders API, and what it answers on each.

use serde_json::{Map, Value, json};

use super::{
    Amazon, Books, Operation,
    order::{self, Said, is_id, number_of},
    query::{By, Listing},
};
use crate::doubles::{
    Acted, Incoming, Reply, Subject, System, authority::Standing, form::Pairs, ledger::Ledger,
    locked,
};

const ORDERS: &str = "/orders/v0/orders";

/// What a call asks for.
enum Asked<'a> {
    List,
    One(&'a str),
    Items(&'a str),
    Nothing,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Incoming) -> Self {
        let path = call.uri.path().strip_prefix(ORDERS);
        match path.map(|path| path.strip_prefix('/').unwrap_or(path)) {
            Some("") => Self::List,
            Some(rest) => match rest.split_once('/') {
                None => Self::One(rest),
                Some((id, "orderItems")) => Self::Items(id),
                Some(_) => Self::Nothing,
            },
            None => Self::Nothing,
        }
    }
}

impl System for Amazon {
    /// Key and id are the order's id.
    fn subject(&self, call: &Incoming) -> Subject {
        let id = match Asked::of(call) {
            Asked::One(id) | Asked::Items(id) => Some(id.to_owned()),
            Asked::List | Asked::Nothing => None,
        };
        Subject {
            key: id.clone(),
            id,
        }
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        let mut books = locked(&self.books);
        books.calls += 1;
        let mut reply = self.answer(&mut books, call, now_ms);
        let request_id = format!("00000000-0000-4000-8000-{:012x}", books.calls);
        add(&mut reply, "x-amzn-requestid", &request_id);
        Acted::read(reply)
    }
}

impl Amazon {
    fn answer(&self, books: &mut Books, call: &Incoming, now_ms: i64) -> Reply {
        if let Some(details) = self.stranger(call) {
            return denied(details);
        }
        let asked = Asked::of(call);
        let operation = match (call.method.as_str(), &asked) {
            ("GET", Asked::List) => Operation::List,
            ("GET", Asked::One(_)) => Operation::One,
            ("GET", Asked::Items(_)) => Operation::Items,
            _ => return error(404, "NotFound", "There is no such operation.", ""),
        };
        if !books.bucket(operation).admit(self.quota, now_ms) {
            let message = "You exceeded your quota for the requested resource.";
            return error(429, "QuotaExceeded", message, "");
        }
        let mut reply = match asked {
            Asked::One(id) => self.one(books, id, now_ms, Self::order_payload),
            Asked::Items(id) => self.one(books, id, now_ms, Self::items_payload),
            Asked::List | Asked::Nothing => self.list(books, call, now_ms),
        };
        // Told with 200, 400 and 404 alone.
        add(&mut reply, "x-amzn-ratelimit-limit", operation.rate());
        reply
    }

    /// What is wrong with the token; nothing when it is live.
    fn stranger(&self, call: &Incoming) -> Option<&'static str> {
        let token = call.headers.get("x-amz-access-token");
        let Some(token) = token.and_then(|token| token.to_str().ok()) else {
            return Some("Access token is missing in the request header.");
        };
        match self.tokens.standing(token) {
            Standing::Live => None,
            Standing::Expired => Some("The access token you provided has expired."),
            Standing::Revoked | Standing::Unknown => {
                Some("The access token you provided is revoked, malformed or invalid.")
            }
        }
    }

    fn list(&self, books: &Books, call: &Incoming, now_ms: i64) -> Reply {
        let query = Pairs::read(call.uri.query().unwrap_or_default());
        let query = query.ok_or_else(|| "the query is no UTF-8".to_owned());
        let second = now_ms.div_euclid(1_000);
        let listing = query.and_then(|query| Listing::read(&query, &self.marketplaces, second));
        let listing = match listing {
            Ok(listing) => listing,
            Err(details) => return invalid(&details),
        };
        let ledger = &books.ledger;
        let keep = |number| listing.has(&Said::by(ledger, number, &self.marketplaces));
        let page = ledger.page(&listing.ask(), keep);
        let orders: Vec<Value> = page
            .keys
            .iter()
            .filter_map(|key| self.order(ledger, key.number))
            .map(Value::Object)
            .collect();
        let before = match listing.by {
            By::Created => "CreatedBefore",
            By::LastUpdated => "LastUpdatedBefore",
        };
        let mut payload = Map::new();
        payload.insert("Orders".to_owned(), Value::Array(orders));
        payload.insert(before.to_owned(), json!(order::told(listing.before_s)));
        if let (true, Some(last)) = (page.has_more, page.keys.last()) {
            payload.insert("NextToken".to_owned(), json!(listing.token(*last)));
        }
        Reply::json(200, &json!({ "payload": payload }))
    }

    fn one(
        &self,
        books: &Books,
        id: &str,
        now_ms: i64,
        payload: fn(&Self, &Ledger, u64) -> Option<Value>,
    ) -> Reply {
        if !is_id(id) {
            return invalid("orderId is not in 3-7-7 format");
        }
        // Orders of the last two years; here none is older, but a clock may be moved.
        let oldest_s = now_ms.div_euclid(1_000) - OLDEST_S;
        let number = number_of(id).filter(|number| {
            let times = books.ledger.times(*number);
            times.is_some_and(|times| times.created_s >= oldest_s)
        });
        match number.and_then(|number| payload(self, &books.ledger, number)) {
            Some(payload) => Reply::json(200, &json!({ "payload": payload })),
            None => error(
                404,
                "NotFound",
                "The resource specified does not exist.",
                "",
            ),
        }
    }

    fn order_payload(&self, ledger: &Ledger, number: u64) -> Option<Value> {
        self.order(ledger, number).map(Value::Object)
    }

    fn items_payload(&self, ledger: &Ledger, number: u64) -> Option<Value> {
        ledger.times(number)?;
        let items = order::items(ledger.choices(number), number, &self.marketplaces);
        Some(json!({ "AmazonOrderId": order::id_of(number), "OrderItems": items }))
    }

    /// An order as it now stands.
    pub(super) fn order(&self, ledger: &Ledger, number: u64) -> Option<Map<String, Value>> {
        let times = ledger.times(number)?;
        let held = ledger.body(number).cloned();
        Some(held.unwrap_or_else(|| {
            let choices = ledger.choices(number);
            order::made(choices, number, times, &self.marketplaces)
        }))
    }
}

/// The Orders API shows two years.
const OLDEST_S: i64 = 730 * 24 * 3_600;

fn denied(details: &str) -> Reply {
    let message = "Access to requested resource is denied.";
    error(403, "Unauthorized", message, details)
}

fn invalid(details: &str) -> Reply {
    let message =
        "The input you have submitted is not valid. Please check your input and try again.";
    error(400, "InvalidInput", message, details)
}

fn error(status: u16, code: &str, message: &str, details: &str) -> Reply {
    let error = json!({ "code": code, "message": message, "details": details });
    Reply::json(status, &json!({ "errors": [error] }))
}

fn add(reply: &mut Reply, name: &str, value: &str) {
    reply.headers.push((name.to_owned(), value.to_owned()));
}
