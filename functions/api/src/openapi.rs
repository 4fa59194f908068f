//! The OpenAPI 3.1 description of the HTTP API, made of the table of routes and of the types that are
//! answered.
//!
//! [`Route`](crate::routes::Route)s can not be made without an [`Operation`], so that nothing is
//! served that is not described; the tests of the API hold every answer against it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use tidegate_lambda::Problem;

use crate::{bodies, routes};

/// Where definitions stand in the document.
const DEFINITIONS: &str = "#/components/schemas";
/// Name of the scheme of the token.
const TOKEN: &str = "token";
/// What the two tokens are good for.
const SCOPES: &str = "One of two tokens, both good for every operation that names no other. To `API_TOKEN` the fields that a flow file calls `private` are shown as `(private)`; `API_TOKEN_FIELDS` has the scope `fields` and sees their values.";
/// Name of the scheme of the token of decisions.
const DECIDE_TOKEN: &str = "decideToken";
/// What that token is good for.
const DECIDES: &str = "`DECIDE_TOKEN` of the function `decide`: good for its one operation, for which no other token is.";
/// Problems that every path with a token may answer with: no token, a fault here, the store.
const USUAL: [u16; 3] = [401, 500, 503];

/// Who may call an operation.
#[derive(Clone, Copy)]
enum Caller {
    /// Who has a token of the API, as said for the whole document.
    OfApi,
    /// Who has the token of decisions.
    OfDecisions,
    Anybody,
}

/// Makes the schema of a type.
type Describe = fn(&mut SchemaGenerator) -> schemars::Schema;

/// One operation of the API.
pub(crate) struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    caller: Caller,
    query: Vec<(&'static str, &'static str, Value)>,
    headers: Vec<(&'static str, &'static str, bool)>,
    body: Option<(Option<Describe>, bool)>,
    answers: Vec<(u16, &'static str, Option<Describe>)>,
    problems: Vec<u16>,
}

impl Operation {
    /// An operation with the token. `path` is as OpenAPI writes it, `id` names it.
    pub(crate) fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            description: None,
            caller: Caller::OfApi,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: USUAL.to_vec(),
        }
    }

    /// Anybody may call it, and nothing can go wrong by who does.
    pub(crate) fn for_all(mut self) -> Self {
        self.caller = Caller::Anybody;
        self.problems.clear();
        self
    }

    /// It takes the token of decisions, and no other.
    fn for_decisions(mut self) -> Self {
        self.caller = Caller::OfDecisions;
        self
    }

    /// What whoever calls it must know beside the summary.
    fn described(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// A parameter of the query, which may be left out.
    pub(crate) fn query(mut self, name: &'static str, what: &'static str, schema: Value) -> Self {
        self.query.push((name, what, schema));
        self
    }

    /// A page of a listing.
    pub(crate) fn pages(self) -> Self {
        let limit = json!({
            "type": "integer",
            "minimum": 1,
            "maximum": crate::query::MAX_LIMIT,
            "default": crate::query::DEFAULT_LIMIT,
        });
        self.query(
            "cursor",
            "`next` of the page before",
            json!({"type": "string"}),
        )
        .query("limit", "Most items of the page", limit)
    }

    /// A header of the request.
    pub(crate) fn header(mut self, name: &'static str, what: &'static str, required: bool) -> Self {
        self.headers.push((name, what, required));
        self
    }

    /// A JSON body that must be sent.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some((Some(SchemaGenerator::subschema_for::<T>), true));
        self
    }

    /// A JSON body that may be left out.
    pub(crate) fn optional_body<T: JsonSchema>(mut self) -> Self {
        self.body = Some((Some(SchemaGenerator::subschema_for::<T>), false));
        self
    }

    /// A JSON body of any form.
    pub(crate) fn any_body(mut self) -> Self {
        self.body = Some((None, true));
        self
    }

    /// What it answers when it succeeds.
    pub(crate) fn answers<T: JsonSchema>(mut self, status: u16, what: &'static str) -> Self {
        self.answers
            .push((status, what, Some(SchemaGenerator::subschema_for::<T>)));
        self
    }

    /// An answer without a body, or with one of no described form.
    pub(crate) fn says(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push((status, what, None));
        self
    }

    /// Problems that it may answer with, beside the usual ones.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.problems.extend(statuses);
        self.problems.sort_unstable();
        self
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "members are put into objects that were just made here"
    )]
    fn describe(&self, schemas: &mut Schemas) -> Value {
        let mut answers = Map::new();
        for (status, what, schema) in &self.answers {
            let mut answer = json!({"description": what});
            if let Some(schema) = schema {
                let schema = schema(&mut schemas.sent);
                answer["content"] = json!({"application/json": {"schema": schema}});
            }
            answers.insert(status.to_string(), answer);
        }
        for status in &self.problems {
            let problem = schemas.sent.subschema_for::<Problem>();
            let answer = json!({
                "description": problem_of(*status),
                "content": {"application/problem+json": {"schema": problem}},
            });
            answers.insert(status.to_string(), answer);
        }
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": self.parameters(schemas),
            "responses": answers,
        });
        if let Some(description) = self.description {
            operation["description"] = json!(description);
        }
        match self.caller {
            Caller::OfApi => {}
            Caller::OfDecisions => operation["security"] = json!([{DECIDE_TOKEN: []}]),
            Caller::Anybody => operation["security"] = json!([]),
        }
        if let Some((schema, required)) = &self.body {
            let schema = schema.map_or_else(
                || json!(true),
                |schema| schema(&mut schemas.taken).to_value(),
            );
            operation["requestBody"] = json!({
                "required": required,
                "content": {"application/json": {"schema": schema}},
            });
        }
        operation
    }

    fn parameters(&self, schemas: &mut Schemas) -> Vec<Value> {
        let in_path = self.path.split('/').filter_map(|segment| {
            segment
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
        });
        let mut parameters: Vec<Value> = in_path
            .map(|name| {
                let (what, schema) = match name {
                    "flow" => (
                        "The flow",
                        schemas.taken.subschema_for::<tidegate_model::FlowId>(),
                    ),
                    "key" => (
                        "The record's key; a `/` in it may be written as it is",
                        schemas.taken.subschema_for::<tidegate_model::RecordKey>(),
                    ),
                    _ => ("The review, as `id` names it", schemars::json_schema!({"type": "string"})),
                };
                json!({"name": name, "in": "path", "required": true, "description": what, "schema": schema})
            })
            .collect();
        parameters.extend(self.query.iter().map(
            |(name, what, schema)| json!({"name": name, "in": "query", "description": what, "schema": schema}),
        ));
        parameters.extend(self.headers.iter().map(|(name, what, required)| {
            json!({
                "name": name, "in": "header", "required": required, "description": what,
                "schema": {"type": "string"},
            })
        }));
        parameters
    }
}

fn problem_of(status: u16) -> &'static str {
    match status {
        400 => "The request can not be read; `field` names what is at fault",
        401 => "Who asks is not known",
        404 => "There is no such thing",
        405 => "Not served here",
        409 => "It can not be done with the thing as it stands",
        413 => "The body is too large",
        415 => "The body is of a form that is not taken",
        422 => "The content does not fit",
        500 => "A fault on this side, which a repeat does not mend",
        _ => "Nothing was done; try again after a while",
    }
}

/// Definitions of what is taken and of what is sent: what may be left out differs.
struct Schemas {
    taken: SchemaGenerator,
    sent: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = DEFINITIONS.trim_start_matches('#').into();
            })
        };
        Self {
            taken: settings().for_deserialize().into_generator(),
            sent: settings().for_serialize().into_generator(),
        }
    }

    fn definitions(mut self) -> BTreeMap<String, Value> {
        let mut all: BTreeMap<_, _> = self.taken.take_definitions(true).into_iter().collect();
        all.extend(self.sent.take_definitions(true));
        all
    }
}

/// What the webhook answers: it is served by a function of its own.
fn webhook() -> Operation {
    Operation::new(
        "post",
        "/v1/flows/{flow}/webhook",
        "pushChange",
        "A change, pushed by a system (Standard Webhooks 1.0.0; an event of CloudEvents where the flow says so): a whole payload is used, a partial one is a hint",
    )
    .for_all()
    .header("webhook-id", "Names the delivery: a repeat changes nothing", true)
    .header("webhook-timestamp", "Seconds since 1970", true)
    .header("webhook-signature", "`v1,` and the HMAC of id, time and body", true)
    .any_body()
    .answers::<bodies::HookTaken>(202, "Durable")
    .refuses(&[400, 401, 413, 415, 503])
}

/// The handshake by which a sender of `CloudEvents` asks first, of the same function.
fn handshake() -> Operation {
    Operation::new(
        "options",
        "/v1/flows/{flow}/webhook",
        "askConsent",
        "The handshake of the CloudEvents HTTP webhook specification: consent for the origins that the flow names",
    )
    .for_all()
    .header("WebHook-Request-Origin", "Who would send", true)
    .says(200, "Consent: `WebHook-Allowed-Origin` and, in deliveries a minute, `WebHook-Allowed-Rate`")
    .refuses(&[405])
}

/// What decide answers: it is served by a function of its own, since this one has no way out (READ-1).
fn decide() -> Operation {
    Operation::new(
        "post",
        "/v1/flows/{flow}/decide",
        "decide",
        "Ask the flow's source now, while somebody waits: yes or no",
    )
    .described("Served by the function `decide`, with a token of its own. Fail-closed: only the status 200 with the decision `yes` is a yes; every other answer, and none within 5 s, is a no. Nothing that is kept here is looked at, and neither question nor answer is kept or logged.")
    .for_decisions()
    .body::<bodies::DecideBody>()
    .answers::<bodies::Decided>(200, "A decision; a no is one, too")
    .refuses(&[400, 404, 413, 422])
}

/// The description, as `GET /v1/openapi.json` serves it.
pub fn openapi() -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let operations = routes::all().into_iter().flat_map(|route| route.operations);
    for operation in operations.chain([webhook(), handshake(), decide()]) {
        let described = operation.describe(&mut schemas);
        let path = paths.entry(operation.path).or_default();
        path.insert(operation.method.to_owned(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Keeps the records of two systems in step, inside their API limits. Reads never call another system; what changes the world is queued; a decision is asked for live. Every moment is RFC 3339 in UTC, every error is a problem of RFC 9457.",
        },
        "servers": [{"url": "/"}],
        "security": [{TOKEN: []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                TOKEN: {"type": "http", "scheme": "bearer", "description": SCOPES},
                DECIDE_TOKEN: {"type": "http", "scheme": "bearer", "description": DECIDES},
            },
            "schemas": schemas.definitions(),
        },
    })
}

/// The same as text, as it is served and shipped: pretty, with a line break at its end.
pub fn openapi_text() -> String {
    format!("{:#}\n", openapi())
}
