//! The paths that the service has, and what it answers on each.

use std::collections::BTreeMap;

use axum::extract::Query;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Held, Lie, Member, Members};
use crate::doubles::{Acted, Incoming, Reply, Subject, System, locked};

/// Members of a page when the caller names no limit.
const DEFAULT_PAGE: usize = 50;
/// The most members of a page.
const MAX_PAGE: usize = 200;
const MEMBERS: &str = "/v1/members";
const BY_OFFSET: &str = "/v1/members/by-offset";
const DESCRIPTION: &str = "/openapi.json";

impl System for Members {
    fn subject(&self, call: &Incoming) -> Subject {
        let key = reference(call.uri.path());
        Subject {
            id: key.clone(),
            key,
        }
    }

    fn act(&self, call: &Incoming, _now_ms: i64) -> Acted {
        if (call.method.as_str(), call.uri.path()) == ("GET", DESCRIPTION) {
            return Acted::read(locked(&self.held).description());
        }
        let header = call.headers.get("authorization");
        let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if token != Some(self.token.as_str()) {
            return Acted::read(error(401, "a valid bearer token is needed"));
        }
        let mut held = locked(&self.held);
        match (
            call.method.as_str(),
            call.uri.path(),
            reference(call.uri.path()),
        ) {
            ("GET", MEMBERS, _) => Acted::read(held.page(call, "cursor").unwrap_or_else(|bad| bad)),
            ("GET", BY_OFFSET, _) => {
                Acted::read(held.page(call, "offset").unwrap_or_else(|bad| bad))
            }
            ("PUT", _, Some(key)) => held.put(&key, &call.body),
            ("DELETE", _, Some(key)) => {
                if held.remove(&key) {
                    Acted::wrote(Reply::of_type(204, "application/json", ""))
                } else {
                    Acted::read(error(404, "there is no such member"))
                }
            }
            (_, _, Some(_)) | (_, MEMBERS | BY_OFFSET, _) => {
                Acted::read(error(405, "this is not possible here"))
            }
            _ => Acted::read(error(404, "there is no such path")),
        }
    }
}

impl Held {
    fn put(&mut self, key: &str, body: &[u8]) -> Acted {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            return Acted::read(error(422, "a member is a table"));
        };
        if !self.takes(&body) {
            return Acted::read(error(422, "this is no member"));
        }
        match self.find(key).and_then(|at| self.members.get_mut(at)) {
            Some(member) => {
                member.body = body;
                Acted::wrote(Reply::json(200, &shown(member)))
            }
            None => Acted::wrote(Reply::json(201, &shown(&self.make(Some(key), body)))),
        }
    }

    fn description(&self) -> Reply {
        let Some(member) = &self.described else {
            return error(404, "there is no such path");
        };
        let put = json!({ "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Member" } } },
        }, "responses": { "200": { "description": "The member" } } });
        Reply::json(
            200,
            &json!({
                "openapi": "3.1.0",
                "info": { "title": "Members", "version": "1" },
                "paths": { "/v1/members/{ref}": { "put": put } },
                "components": { "schemas": { "Member": member } },
            }),
        )
    }

    fn takes(&self, body: &Map<String, Value>) -> bool {
        let body = Value::Object(body.clone());
        let described = self.described.as_ref();
        described.is_none_or(|member| jsonschema::is_valid(member, &body))
    }

    fn page(&self, call: &Incoming, place: &str) -> Result<Reply, Reply> {
        let bad = |what: &str| error(400, &format!("{what} can not be read"));
        let query = Query::<BTreeMap<String, String>>::try_from_uri(&call.uri);
        let Query(mut query) = query.map_err(|_| bad("the query"))?;
        let limit = query.remove("limit").map(|text| text.parse());
        let limit: usize = limit
            .transpose()
            .map_err(|_| bad("limit"))?
            .unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(bad("limit"));
        }
        let at = query.remove(place);
        if let Some(name) = query.keys().next() {
            return Err(bad(name));
        }
        // A cursor is a place that was given; it means nothing to the caller.
        let digits = at.as_deref().map(|at| match place {
            "cursor" => at.strip_prefix("after-").unwrap_or("none"),
            _ => at,
        });
        let at = digits.map_or(Ok(0), str::parse).map_err(|_| bad(place))?;
        let (rows, next) = self.listed(at, limit);
        Ok(Reply::json(
            200,
            &if place == "offset" {
                json!(rows)
            } else {
                json!({ "members": rows, "next": next.map(|at| format!("after-{at}")) })
            },
        ))
    }

    /// The members of a page, and where the next one begins.
    fn listed(&self, at: usize, limit: usize) -> (Vec<Value>, Option<usize>) {
        let count = self.members.len();
        let from = match self.lie {
            Some(Lie::SamePage) => 0,
            Some(Lie::Repeats) => at.saturating_sub(1),
            // The last page first.
            Some(Lie::Reorders) => {
                let pages = count.div_ceil(limit);
                pages.saturating_sub(at / limit + 1) * limit
            }
            _ => at,
        };
        let to = match self.lie {
            Some(Lie::Repeats) => at + limit,
            _ => from + limit,
        };
        let asked_beyond = at >= count && self.lie != Some(Lie::SamePage);
        let page = self.members.iter().take(to).skip(from);
        let mut rows: Vec<Value> = page.map(shown).collect();
        if self.lie == Some(Lie::Reorders) {
            rows.reverse();
        }
        if asked_beyond || self.lie == Some(Lie::Empty) {
            rows.clear();
        }
        let next = at + limit;
        let next = match self.lie {
            Some(Lie::Empty) => None,
            Some(Lie::SamePage) => Some(next),
            Some(Lie::ToItself) => Some(at),
            Some(Lie::Circle) if next >= count => Some(0),
            _ => (next < count).then_some(next),
        };
        (rows, next)
    }
}

/// A member as it is answered.
fn shown(member: &Member) -> Value {
    let mut row: Map<String, Value> = member.body.clone();
    row.insert("id".to_owned(), json!(member.id));
    row.insert("ref".to_owned(), json!(member.reference));
    Value::Object(row)
}

fn reference(path: &str) -> Option<String> {
    let key = path.strip_prefix(MEMBERS)?.strip_prefix('/')?;
    if path == BY_OFFSET || key.is_empty() || key.contains('/') {
        return None;
    }
    Some(percent_decode_str(key).decode_utf8().ok()?.into_owned())
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "message": message } }))
}
