//! The one path that the double has, and what it answers there.

use serde_json::{Map, Value, json};

use super::{
    Books, SHOP, Webwinkelkeur,
    query::{EVERYTHING, Listing},
    rating,
};
use crate::doubles::{
    Acted, Incoming, Reply, Subject, System, form::Pairs, ledger::Ledger, locked,
};

const RATINGS: &str = "/api/1.0/ratings.json";

const INCOMPLETE: &str = "Not all obligated variables are set.";
const STRANGER: &str = "Incorrect authentication credentials.";

/// As whom a caller reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The shop itself.
    Shop,
    /// Whoever has read the code in its pages.
    Anybody,
}

impl System for Webwinkelkeur {
    /// Nothing: no call is about one rating.
    fn subject(&self, _: &Incoming) -> Subject {
        Subject::default()
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        let mut books = locked(&self.books);
        let reply = if books.admitted.admit(self.limit, now_ms) {
            self.answer(&books, call)
        } else {
            error(429, "Too many requests.")
        };
        Acted::read(reply)
    }
}

impl Webwinkelkeur {
    fn answer(&self, books: &Books, call: &Incoming) -> Reply {
        if call.uri.path() != RATINGS {
            return error(404, "Not found.");
        }
        if call.method != "GET" {
            return error(405, "Method not allowed.");
        }
        let query = Pairs::read(call.uri.query().unwrap_or_default());
        let query = query.ok_or_else(|| "the query is no text".to_owned());
        let read = query.and_then(|query| {
            let reader = self.reader(&query)?;
            Ok((reader, Listing::read(&query)?))
        });
        match read {
            Ok((reader, listing)) => self.list(&books.ledger, reader, &listing),
            // With 200, as an error of this vendor is told by its body.
            Err(wrong) => error(200, &wrong),
        }
    }

    fn reader(&self, query: &Pairs) -> Result<Reader, String> {
        let (reader, known, sent) = match (query.get("code"), query.get("public_code")) {
            (Some(code), _) => (Reader::Shop, &self.code, code),
            (None, Some(code)) => (Reader::Anybody, &self.public_code, code),
            (None, None) => return Err(INCOMPLETE.to_owned()),
        };
        let id = query.get("id").ok_or(INCOMPLETE)?;
        if id == SHOP && sent == known {
            Ok(reader)
        } else {
            Err(STRANGER.to_owned())
        }
    }

    fn list(&self, ledger: &Ledger, reader: Reader, listing: &Listing) -> Reply {
        let language = listing.language.as_ref();
        let has =
            |number| language.is_none_or(|language| rating::language(ledger, number) == *language);
        let total = ledger.page(&EVERYTHING, has).keys.len();
        let page = ledger.page(&listing.ask(), has);
        let numbers = page.keys.iter().map(|key| key.number);
        let ratings = numbers.filter_map(|number| self.rating(ledger, number));
        let ratings = ratings.map(|mut rating| {
            if reader == Reader::Anybody {
                rating.remove("email");
            }
            Value::Object(rating)
        });
        let body = json!({
            "status": "success",
            "message": "Ratings successfully retrieved!",
            "total": total,
            "ratings": ratings.collect::<Vec<_>>(),
        });
        Reply::json(200, &body)
    }

    /// A rating as it now stands.
    pub(super) fn rating(&self, ledger: &Ledger, number: u64) -> Option<Map<String, Value>> {
        let times = ledger.times(number)?;
        let held = ledger.body(number).cloned();
        let untouched = || rating::untouched(ledger, number, times.created_s, &self.zone);
        Some(held.unwrap_or_else(untouched))
    }
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "status": "error", "message": message }))
}
