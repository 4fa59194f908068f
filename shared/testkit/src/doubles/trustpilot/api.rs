//! The paths of the private API, and what it answers on each.

use serde_json::{Map, Value, json};

use super::{
    Books, Trustpilot,
    query::Listing,
    review::{self, is_id, number_of},
};
use crate::doubles::{
    Acted, Incoming, Reply, Subject, System, form::Pairs, ledger::Ledger, locked,
};

/// What a call asks for.
enum Asked<'a> {
    /// The reviews of this business unit.
    List(&'a str),
    One(&'a str),
    Nothing,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Incoming) -> Self {
        let path = call.uri.path().strip_prefix("/v1/private/");
        match path.and_then(|path| path.split_once('/')) {
            Some(("reviews", id)) if !id.contains('/') => Self::One(id),
            Some(("business-units", rest)) => rest
                .strip_suffix("/reviews")
                .filter(|unit| !unit.contains('/'))
                .map_or(Self::Nothing, Self::List),
            _ => Self::Nothing,
        }
    }
}

impl System for Trustpilot {
    /// Key and id are the review's id.
    fn subject(&self, call: &Incoming) -> Subject {
        let id = match Asked::of(call) {
            Asked::One(id) => Some(id.to_owned()),
            Asked::List(_) | Asked::Nothing => None,
        };
        Subject {
            key: id.clone(),
            id,
        }
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        let mut books = locked(&self.books);
        let reply = if !self.is_known(call) {
            error(401, "Unauthorized")
        } else if books.admitted.admit(self.limit, now_ms) {
            self.answer(&books, call)
        } else {
            error(429, "Too many requests")
        };
        Acted::read(reply)
    }
}

impl Trustpilot {
    fn is_known(&self, call: &Incoming) -> bool {
        let sent = call.headers.get("authorization");
        let token = sent
            .and_then(|sent| sent.to_str().ok())
            .and_then(|sent| sent.strip_prefix("Bearer "));
        token.is_some_and(|token| self.tokens.is_live(token))
    }

    fn answer(&self, books: &Books, call: &Incoming) -> Reply {
        match (call.method.as_str(), Asked::of(call)) {
            (_, Asked::Nothing) => error(404, "Not found"),
            ("GET", Asked::One(id)) => self.one(books, id),
            ("GET", Asked::List(unit)) => self.list(books, call, unit),
            _ => error(501, "Request not supported"),
        }
    }

    fn one(&self, books: &Books, id: &str) -> Reply {
        if !is_id(id) {
            return error(400, "reviewId is not valid");
        }
        let found = number_of(id).and_then(|number| self.review(&books.ledger, number));
        match found {
            Some(review) => Reply::json(200, &Value::Object(review)),
            None => error(404, "Review not found"),
        }
    }

    fn list(&self, books: &Books, call: &Incoming, unit: &str) -> Reply {
        if !is_id(unit) {
            return error(400, "businessUnitId is not valid");
        }
        if unit != self.business_unit {
            return error(403, "Forbidden");
        }
        let query = Pairs::read(call.uri.query().unwrap_or_default());
        let query = query.ok_or_else(|| "the query is no text".to_owned());
        let listing = match query.and_then(|query| Listing::read(&query)) {
            Ok(listing) => listing,
            Err(wrong) => return error(400, &wrong),
        };
        let ledger = &books.ledger;
        let page = ledger.page(&listing.ask(), |number| listing.has(ledger, number));
        let numbers = page.keys.iter().map(|key| key.number);
        let reviews = numbers.filter_map(|number| self.review(ledger, number));
        let reviews: Vec<Value> = reviews.map(Value::Object).collect();
        let next = page.has_more && !reviews.is_empty();
        let links: Vec<Value> = next
            .then(|| next_page(call, &listing))
            .into_iter()
            .collect();
        Reply::json(200, &json!({ "links": links, "reviews": reviews }))
    }

    /// A review as it now stands.
    pub(super) fn review(&self, ledger: &Ledger, number: u64) -> Option<Map<String, Value>> {
        let times = ledger.times(number)?;
        let held = ledger.body(number).cloned();
        Some(held.unwrap_or_else(|| {
            let choices = ledger.choices(number);
            review::made(choices, number, times, &self.business_unit)
        }))
    }
}

/// The link to the page behind this one: the same query with another number.
fn next_page(call: &Incoming, listing: &Listing) -> Value {
    let host = call.headers.get("host").and_then(|host| host.to_str().ok());
    let query = call.uri.query().unwrap_or_default();
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.retain(|pair| !pair.is_empty() && !pair.starts_with("page="));
    let page = format!("page={}", listing.page + 1);
    pairs.push(&page);
    let href = format!(
        "http://{}{}?{}",
        host.unwrap_or("trustpilot.example"),
        call.uri.path(),
        pairs.join("&")
    );
    json!({ "href": href, "method": "GET", "rel": "next-page" })
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message }))
}
