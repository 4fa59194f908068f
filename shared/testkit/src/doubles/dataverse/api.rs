//! The paths of the Web API, and what it answers on each.

use serde_json::{Map, Value, json};

use super::{
    Dataverse,
    account::{is_id, number_of, selected},
    books::{Books, Entry},
    query::{Listing, Place},
};
use crate::doubles::{Acted, Incoming, Reply, Subject, System, locked};

const ROOT: &str = "/api/data/v9.2/";
/// How long a link is good, in seconds: seven days.
const LINK_LIFE_S: i64 = 7 * 24 * 3_600;

/// What a call asks for.
enum Asked<'a> {
    List,
    One(&'a str),
    Nothing,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Incoming) -> Self {
        match call.uri.path().strip_prefix(ROOT) {
            Some("accounts") => Self::List,
            Some(path) => path
                .strip_prefix("accounts(")
                .and_then(|rest| rest.strip_suffix(')'))
                .map_or(Self::Nothing, Self::One),
            None => Self::Nothing,
        }
    }
}

impl System for Dataverse {
    /// Key and id are the account's id.
    fn subject(&self, call: &Incoming) -> Subject {
        let id = match Asked::of(call) {
            Asked::One(id) => Some(id.to_owned()),
            Asked::List | Asked::Nothing => None,
        };
        Subject {
            key: id.clone(),
            id,
        }
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        let mut held = locked(&self.books);
        let reply = if !self.is_known(call) {
            Reply::of_type(401, "text/plain", "")
        } else if held.admitted.admit(self.limit, now_ms) {
            answer(&held.books, call, now_ms)
        } else {
            let after_s = held
                .admitted
                .free_in_ms(self.limit, now_ms)
                .div_euclid(1_000)
                + 1;
            let message =
                "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
            let mut reply = error(429, "0x80072322", message);
            reply
                .headers
                .push(("retry-after".to_owned(), after_s.to_string()));
            reply
        };
        Acted::read(reply)
    }
}

impl Dataverse {
    fn is_known(&self, call: &Incoming) -> bool {
        let sent = call.headers.get("authorization");
        let token = sent
            .and_then(|sent| sent.to_str().ok())
            .and_then(|sent| sent.strip_prefix("Bearer "));
        token.is_some_and(|token| self.tokens.is_live(token))
    }
}

fn answer(books: &Books, call: &Incoming, now_ms: i64) -> Reply {
    match (call.method.as_str(), Asked::of(call)) {
        (_, Asked::Nothing) => error(404, "0x8006088a", "Resource not found for the segment."),
        ("GET", Asked::One(id)) => one(books, call, id),
        ("GET", Asked::List) => list(books, call, now_ms),
        _ => error(405, "0x80060888", "The method is not allowed here."),
    }
}

fn one(books: &Books, call: &Incoming, id: &str) -> Reply {
    if !is_id(id) {
        return error(400, "0x80060888", "Error in query syntax.");
    }
    let listing = match Listing::read(call) {
        Ok(listing) => listing,
        Err((code, message)) => return error(400, code, &message),
    };
    match number_of(id).and_then(|number| books.account(number)) {
        Some(body) => {
            let mut row = selected(&body, &listing.select);
            let columns = match listing.select.join(",") {
                none if none.is_empty() => none,
                some => format!("({some})"),
            };
            let context = format!("{}$metadata#accounts{columns}/$entity", root(call));
            row.insert("@odata.context".to_owned(), json!(context));
            Reply::json(200, &Value::Object(row))
        }
        None => error(
            404,
            "0x80040217",
            &format!("Entity 'account' With Id = {id} Does Not Exist"),
        ),
    }
}

fn list(books: &Books, call: &Incoming, now_ms: i64) -> Reply {
    let listing = match Listing::read(call) {
        Ok(listing) => listing,
        Err((code, message)) => return error(400, code, &message),
    };
    let second = now_ms.div_euclid(1_000);
    // What the listing ends with: what has changed when its first page is given.
    let mut began = (books.version(), second);
    if let Some(place) = listing.place {
        let (version, at_s) = place.began();
        if !books.knows(version) || second - at_s >= LINK_LIFE_S {
            let message =
                "Version stamp associated with the client has expired. Please perform a full sync.";
            return error(410, "0x80044352", message);
        }
        if !matches!(place, Place::Since { .. }) {
            began = (version, at_s);
        }
    }
    page(books, call, &listing, began)
}

fn page(books: &Books, call: &Incoming, listing: &Listing, (version, at_s): (u64, i64)) -> Reply {
    let size = listing.page_size;
    let (entries, next) = match listing.place {
        None => books.standing(0, size),
        Some(Place::Standing { after, .. }) => books.standing(after, size),
        Some(Place::Since { version: since, .. }) => books.changed(since, version, size),
        Some(Place::Changed { after, .. }) => books.changed(after, version, size),
    };
    let is_delta = matches!(
        listing.place,
        Some(Place::Since { .. } | Place::Changed { .. })
    );
    let context = format!("{}$metadata#accounts", root(call));
    let kind = if is_delta { "/$delta" } else { "" };
    let rows = entries.iter().map(|entry| row(entry, listing, &context));
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(format!("{context}{kind}")),
    );
    body.insert("value".to_owned(), rows.collect());
    if let Some(after) = next {
        let place = if is_delta {
            Place::Changed {
                after,
                version,
                at_s,
            }
        } else {
            Place::Standing {
                after,
                version,
                at_s,
            }
        };
        let link = link(call, listing, "$skiptoken", place);
        body.insert("@odata.nextLink".to_owned(), json!(link));
    } else if listing.tracks || is_delta {
        let link = link(call, listing, "$deltatoken", Place::Since { version, at_s });
        body.insert("@odata.deltaLink".to_owned(), json!(link));
    }
    let mut reply = Reply::json(200, &Value::Object(body));
    if listing.tracks {
        let applied = "odata.track-changes".to_owned();
        reply
            .headers
            .push(("preference-applied".to_owned(), applied));
    }
    reply
}

fn row(entry: &Entry, listing: &Listing, context: &str) -> Value {
    match entry {
        Entry::Stands(body) => Value::Object(selected(body, &listing.select)),
        Entry::Gone(id) => json!({
            "@odata.context": format!("{context}/$deletedEntity"),
            "id": id,
            "reason": "deleted",
        }),
    }
}

/// A whole address with the columns that were selected and a token.
fn link(call: &Incoming, listing: &Listing, name: &str, place: Place) -> String {
    let select = listing.select.join(",");
    let select = if select.is_empty() {
        String::new()
    } else {
        format!("$select={select}&")
    };
    let token = place.token().replace('!', "%21");
    format!("{}accounts?{select}{name}={token}", root(call))
}

fn root(call: &Incoming) -> String {
    let host = call.headers.get("host").and_then(|host| host.to_str().ok());
    format!("http://{}{ROOT}", host.unwrap_or("dataverse.example"))
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": message } }),
    )
}
