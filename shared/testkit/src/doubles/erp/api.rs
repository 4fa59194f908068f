//! The paths that the ERP has, and what it answers on each.

use axum::extract::Query;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Erp, ErpSupplier};
use crate::doubles::{Acted, Incoming, Reply, Subject, System, locked};

/// Rows of a page when the caller names no limit.
const DEFAULT_PAGE: usize = 100;

/// The most rows of a page.
const MAX_PAGE: usize = 500;

const LIST_PATH: &str = "/api/suppliers";

impl System for Erp {
    fn subject(&self, call: &Incoming) -> Subject {
        let id = row_id(call.uri.path()).map(str::to_owned);
        Subject {
            key: id.clone(),
            id,
        }
    }

    fn act(&self, call: &Incoming, _now_ms: i64) -> Acted {
        Acted::read(self.answer(call))
    }
}

impl Erp {
    fn answer(&self, call: &Incoming) -> Reply {
        if !self.knows(call) {
            let mut reply = error(401, "unauthorized", "a valid bearer token is needed");
            let header = ("www-authenticate".to_owned(), "Bearer".to_owned());
            reply.headers.push(header);
            return reply;
        }
        let path = call.uri.path();
        if call.method != "GET" {
            return error(405, "method_not_allowed", "only GET is possible");
        }
        if path == LIST_PATH {
            return match Page::of(call) {
                Ok(page) => self.page(&page),
                Err(name) => error(400, "bad_request", &format!("{name} can not be read")),
            };
        }
        let row = row_id(path).and_then(|id| locked(&self.rows).get(id).cloned());
        match row {
            Some(row) => Reply::json(200, &json!(row)),
            None => error(404, "not_found", "there is no such thing"),
        }
    }

    fn knows(&self, call: &Incoming) -> bool {
        let header = call.headers.get("authorization");
        let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        token == Some(locked(&self.token).as_str())
    }

    fn page(&self, page: &Page) -> Reply {
        let mut rows: Vec<ErpSupplier> = locked(&self.rows)
            .values()
            .filter(|row| page.has(row))
            .cloned()
            .collect();
        rows.sort_by(|one, two| (one.modified_at, &one.id).cmp(&(two.modified_at, &two.id)));
        let has_more = rows.len() > page.limit;
        rows.truncate(page.limit);
        Reply::json(200, &json!({ "items": rows, "has_more": has_more }))
    }
}

fn row_id(path: &str) -> Option<&str> {
    let id = path.strip_prefix(LIST_PATH)?.strip_prefix('/')?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[derive(Deserialize)]
struct PageQuery {
    modified_since: Option<String>,
    after_id: Option<String>,
    limit: Option<String>,
}

/// The rows that a page may hold.
struct Page {
    since: Timestamp,
    after_id: Option<String>,
    limit: usize,
}

impl Page {
    /// Reads the query; an error is the name of the parameter that is wrong.
    fn of(call: &Incoming) -> Result<Self, &'static str> {
        let query = Query::<PageQuery>::try_from_uri(&call.uri);
        let Query(query) = query.map_err(|_| "query")?;
        let since = match query.modified_since {
            Some(text) => text.parse().map_err(|_| "modified_since")?,
            None => Timestamp::MIN,
        };
        let limit = match query.limit {
            Some(text) => text.parse().map_err(|_| "limit")?,
            None => DEFAULT_PAGE,
        };
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err("limit");
        }
        Ok(Self {
            since,
            after_id: query.after_id,
            limit,
        })
    }

    fn has(&self, row: &ErpSupplier) -> bool {
        match &self.after_id {
            Some(id) => (row.modified_at, &row.id) > (self.since, id),
            None => row.modified_at >= self.since,
        }
    }
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({ "error": { "code": code, "message": message } });
    Reply::json(status, &body)
}
