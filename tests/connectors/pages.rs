//! A source of five orders that pages in one of several ways, honest or not.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use serde_json::{Value, json};
use tidegate_connect::MAX_ANSWER_BYTES;
use tidegate_testkit::doubles::authority::Tokens;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::place::{Hands, Place};

/// Orders in all, and on a page.
const ORDERS: usize = 5;
const PAGE: usize = 2;

/// How pages go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A cursor in a header.
    Header,
    /// An opaque cursor in the body.
    Body,
    /// The `Link` header.
    Link,
    /// A link to another host.
    LinkAway,
    /// A link to another port of the same host.
    LinkToAnotherPort,
    /// A link back to the first page.
    LinkInACircle,
    /// A link to this page.
    LinkToItself,
    /// A page after each page.
    LinkWithoutEnd,
    /// It gives no order by its id, and its second listing lacks one that is there.
    Forgets,
    /// A row without an id.
    BadRow,
    /// A page of HTML with 200.
    Html,
    /// 20 GB are announced.
    Announced20Gb,
    /// Blanks without end.
    BlanksWithoutEnd,
    /// What is small and would be large.
    GzipBomb,
}

#[derive(Clone)]
struct Shop {
    way: Way,
    tokens: Option<Tokens>,
    calls: Arc<Mutex<Vec<String>>>,
}

/// The source, which ends when it is dropped.
pub struct Pages {
    url: String,
    way: Way,
    calls: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Pages {
    /// Starts it; with tokens it takes those alone.
    pub async fn start(way: Way, tokens: Option<Tokens>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::default();
        let shop = Shop {
            way,
            tokens,
            calls: Arc::clone(&calls),
        };
        let router = Router::new()
            .route("/api/orders", get(list))
            .route("/api/orders/{id}", get(one))
            .with_state(shop);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            way,
            calls,
            server,
        }
    }

    /// What was called, without the host.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// A flow that reads it.
    pub fn place(&self, hands: &Hands, auth: &str, secrets: &[(&str, &str)]) -> Place {
        let pages = match self.way {
            Way::Header => r#"{ by = "header", name = "X-Next-Page" }"#,
            Way::Body | Way::BadRow | Way::Forgets => r#"{ by = "cursor", next = "/meta/next" }"#,
            _ => r#"{ by = "link" }"#,
        };
        let one = match self.way {
            Way::Forgets => "",
            _ => "[source.one]\npath = \"/orders/{{ key }}\"",
        };
        let source = format!(
            r#"
[source]
type = "rest"
name = "shop"
base_url = "{}/api"
limit = {{ calls = 10, per_s = 60 }}
{auth}

[source.list]
path = "/orders"
rows = "/orders"
page_size = {PAGE}
pages = {pages}
query = {{ since = "{{{{ since }}}}", cursor = "{{{{ page.cursor }}}}" }}

{one}

[record]
key = "row.id"
version = {{ by = "time", at = "row.updated_at" }}
"#,
            self.url
        );
        Place::new(hands, &source, "total = \"row.total\"", &[], secrets)
    }
}

fn order(n: usize) -> Value {
    json!({
        "id": format!("O{n}"),
        "total": format!("{n}.00"),
        "updated_at": format!("2026-11-19T0{n}:00:00Z"),
    })
}

async fn one(State(shop): State<Shop>, Path(id): Path<String>) -> Response {
    shop.calls.lock().unwrap().push(format!("/orders/{id}"));
    let found = (0..ORDERS)
        .map(order)
        .find(|order| order["id"] == id.as_str());
    found.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |order| Json(order).into_response(),
    )
}

async fn list(
    State(shop): State<Shop>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    shop.calls
        .lock()
        .unwrap()
        .push(format!("/orders {query:?}"));
    if let Some(tokens) = &shop.tokens {
        let token = headers.get(header::AUTHORIZATION);
        let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if !token.is_some_and(|token| tokens.is_live(token)) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
    }
    let at = query
        .get("cursor")
        .map_or(Ok(0), |cursor| cursor.trim_start_matches('p').parse());
    let at: usize = at.unwrap_or(0);
    let since = query.get("since").cloned().unwrap_or_default();
    let is_new = |order: &Value| order["updated_at"].as_str() >= Some(since.as_str());
    let orders: Vec<Value> = (0..ORDERS).map(order).filter(is_new).collect();
    let next = (at + PAGE < orders.len()).then(|| format!("p{}", at + PAGE));
    let mut rows: Vec<Value> = orders.into_iter().skip(at).take(PAGE).collect();
    let link = |address: String| [(header::LINK, format!("<{address}>; rel=\"next\""))];
    match shop.way {
        Way::Header => {
            let name = HeaderName::from_static("x-next-page");
            let value = next.unwrap_or_default();
            ([(name, value)], Json(json!({"orders": rows}))).into_response()
        }
        Way::Body => Json(json!({"orders": rows, "meta": {"next": next}})).into_response(),
        Way::Forgets => {
            let calls = shop.calls.lock().unwrap();
            if calls.iter().filter(|call| !call.contains("cursor")).count() == 2 {
                rows.retain(|row| row["id"] != "O3");
            }
            Json(json!({"orders": rows, "meta": {"next": next}})).into_response()
        }
        Way::BadRow => {
            if at == 0 {
                rows[0] = json!({"total": "1.00", "updated_at": "2026-11-19T00:00:00Z"});
            }
            Json(json!({"orders": rows, "meta": {"next": next}})).into_response()
        }
        Way::Link => {
            let body = Json(json!({"orders": rows}));
            match next {
                Some(next) => (link(format!("?cursor={next}")), body).into_response(),
                None => body.into_response(),
            }
        }
        Way::LinkAway => {
            let address = "http://elsewhere.example/api/orders?cursor=p2".to_owned();
            (link(address), Json(json!({"orders": rows}))).into_response()
        }
        Way::LinkToAnotherPort => {
            let address = "http://127.0.0.1:9/api/orders?cursor=p2".to_owned();
            (link(address), Json(json!({"orders": rows}))).into_response()
        }
        Way::LinkInACircle => {
            let next = if at == 0 { "p2" } else { "p0" };
            (
                link(format!("?cursor={next}")),
                Json(json!({"orders": rows})),
            )
                .into_response()
        }
        Way::LinkToItself => {
            let here = format!("?cursor=p{at}");
            let here = if at == 0 {
                "?cursor=p2".to_owned()
            } else {
                here
            };
            (link(here), Json(json!({"orders": rows}))).into_response()
        }
        Way::LinkWithoutEnd => {
            let next = format!("?cursor=p{}", at + 1);
            (link(next), Json(json!({"orders": []}))).into_response()
        }
        Way::Html => {
            let kind = [(header::CONTENT_TYPE, "text/html")];
            (kind, "<html><body>Log in first</body></html>").into_response()
        }
        Way::Announced20Gb => Response::builder()
            .header(header::CONTENT_LENGTH, 20_000_000_000_u64)
            .body(without_end())
            .unwrap(),
        Way::BlanksWithoutEnd => Response::new(without_end()),
        Way::GzipBomb => {
            // Blanks, as gzip packs them: a thousand to one.
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&vec![b' '; 2 * MAX_ANSWER_BYTES]).unwrap();
            let body = packer.finish().unwrap();
            let kind = [(header::CONTENT_ENCODING, "gzip")];
            (kind, body).into_response()
        }
    }
}

fn without_end() -> Body {
    let chunk = Bytes::from(vec![b' '; 65_536]);
    let chunks = stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
    Body::from_stream(chunks)
}
