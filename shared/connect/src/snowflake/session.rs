//! One statement from its submission to its last row.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Map, Value, json};
use tidegate_engine::ports::{
    Body, Doubt, Effect, Header, HeaderValue, Request, SecretError, TransportError, WarehouseError,
};
use tidegate_model::{
    UnixMs,
    flow::{Method, WarehouseSpec},
};

use super::{
    Snowflake,
    meaning::{self, Meaning, failed, meaning, over},
    result::{MAX_PARTITIONS, MAX_ROWS, Outline, cells},
    statement::{Statement, name},
};

/// The endpoint of the SQL API.
const STATEMENTS: &str = "/api/v2/statements";
/// Seconds that a merge may take, whoever waits for it: as long as the virtual warehouse lets a statement run
/// (`01_account.sql`). Cut at the deadline of who asked, one that needs longer would never end.
const MERGE_TIMEOUT_S: u64 = 600;
/// The wait before the first look at a statement that runs on. It has run for 45 s by then, so that it is one
/// of minutes.
const FIRST_LOOK: Duration = Duration::from_millis(500);
/// The longest wait between two looks, by which a result is late at most.
const MAX_LOOK: Duration = Duration::from_secs(5);
/// Looks at a statement: 200 of 5 s are more than the 15 minutes of the longest invocation.
const MAX_LOOKS: usize = 200;
/// By this much a token says that it is older than it is: to a clock that is behind ours, one that was made
/// later is not valid yet.
const CLOCKS_APART: Duration = Duration::from_secs(10);

/// The one who asks, and until when.
pub(super) struct Session<'a> {
    snowflake: &'a Snowflake,
    spec: &'a WarehouseSpec,
    deadline: UnixMs,
    /// Whether the key was looked up anew: once, since the second one is what the vault holds.
    is_renewed: bool,
}

/// A request that is made once, and once more where its answer was lost and that does no harm.
struct Call {
    method: Method,
    url: Url,
    body: Option<Value>,
    effect: Effect,
    /// The address of the repetition.
    repeat: Option<Url>,
}

impl Call {
    fn get(url: Url) -> Self {
        Self {
            method: Method::Get,
            repeat: Some(url.clone()),
            url,
            body: None,
            effect: Effect::Read,
        }
    }
}

/// What came of a request.
enum Exchanged {
    Result(Value),
    Running(Value),
    /// Something may have been sent, and no answer was read.
    Lost(WarehouseError),
}

impl<'a> Session<'a> {
    pub(super) fn new(snowflake: &'a Snowflake, spec: &'a WarehouseSpec, deadline: UnixMs) -> Self {
        Self {
            snowflake,
            spec,
            deadline,
            is_renewed: false,
        }
    }

    /// The rows of a statement that only reads.
    pub(super) async fn rows(
        &mut self,
        statement: &Statement,
        id: &str,
    ) -> Result<Vec<Vec<Option<String>>>, WarehouseError> {
        let call = Call {
            method: Method::Post,
            url: self.submission(id, false)?,
            body: Some(self.body(statement, self.left_s())?),
            effect: Effect::Read,
            repeat: Some(self.submission(id, true)?),
        };
        let first = self.ended(call).await?;
        self.all_parts(statement, first).await
    }

    /// Merges: `again` under an id that was used before.
    pub(super) async fn merge(
        &mut self,
        statement: &Statement,
        id: &str,
        again: bool,
    ) -> Result<(), WarehouseError> {
        let call = Call {
            method: Method::Post,
            url: self.submission(id, again)?,
            body: Some(self.body(statement, MERGE_TIMEOUT_S)?),
            effect: Effect::Write,
            repeat: None,
        };
        self.ended(call).await?;
        Ok(())
    }

    async fn all_parts(
        &mut self,
        statement: &Statement,
        mut first: Value,
    ) -> Result<Vec<Vec<Option<String>>>, WarehouseError> {
        let file = statement.name();
        let spec = self.spec;
        let no_result = || {
            let most = format!("{MAX_ROWS} rows in {MAX_PARTITIONS} partitions");
            let at = &spec.base_url;
            failed(
                spec,
                &format!("{file} gave no result of at most {most}: is {at} the account's address?"),
            )
        };
        let outline = Outline::of(&first).ok_or_else(no_result)?;
        let mut rows = cells(&mut first).ok_or_else(no_result)?;
        for number in 1..outline.partitions {
            let path = format!("{STATEMENTS}/{}?partition={number}", outline.handle);
            let mut part = self.ended(Call::get(self.address(&path)?)).await?;
            rows.extend(cells(&mut part).ok_or_else(no_result)?);
            if rows.len() > outline.rows {
                break;
            }
        }
        if rows.len() != outline.rows {
            let why = format!("{file} gave another number of rows than it says");
            return Err(failed(spec, &why));
        }
        Ok(rows)
    }

    /// The answer once the statement has ended.
    async fn ended(&mut self, call: Call) -> Result<Value, WarehouseError> {
        let mut running = match self.answer(&call).await? {
            Ok(result) => return Ok(result),
            Err(running) => running,
        };
        let mut pause = FIRST_LOOK;
        for _ in 0..MAX_LOOKS {
            let look = Call::get(self.status_url(&running)?);
            let at = self.snowflake.clock.now() + pause;
            if at >= self.deadline {
                return Err(over(self.spec));
            }
            self.snowflake.clock.wait_until(at).await;
            running = match self.answer(&look).await? {
                Ok(result) => return Ok(result),
                Err(running) => running,
            };
            pause = (pause * 2).min(MAX_LOOK);
        }
        Err(over(self.spec))
    }

    /// The result, or else what is told of a statement that still runs.
    async fn answer(&mut self, call: &Call) -> Result<Result<Value, Value>, WarehouseError> {
        let mut exchanged = self.exchange(call, &call.url).await?;
        if let (Exchanged::Lost(_), Some(repeat)) = (&exchanged, &call.repeat) {
            exchanged = self.exchange(call, repeat).await?;
        }
        match exchanged {
            Exchanged::Result(body) => Ok(Ok(body)),
            Exchanged::Running(body) => Ok(Err(body)),
            Exchanged::Lost(error) => Err(error),
        }
    }

    /// One request; a second one where the key was replaced since the first.
    async fn exchange(&mut self, call: &Call, url: &Url) -> Result<Exchanged, WarehouseError> {
        loop {
            let started = self.snowflake.clock.now();
            if started >= self.deadline {
                return Err(over(self.spec));
            }
            let request = self.request(call, url, started);
            let sent = match self.snowflake.http.send(&request).await {
                Ok(sent) => sent,
                Err(error) => return self.unanswered(&error),
            };
            match meaning(self.spec, sent.status, sent.body.as_ref()) {
                Meaning::Done => return Ok(Exchanged::Result(sent.body.unwrap_or_default())),
                Meaning::Running => return Ok(Exchanged::Running(sent.body.unwrap_or_default())),
                Meaning::Not(error) => return Err(error),
                Meaning::Unauthorised(error) => {
                    if self.is_renewed || !self.is_replaced(started).await? {
                        return Err(error);
                    }
                    self.is_renewed = true;
                }
            }
        }
    }

    fn unanswered(&self, error: &TransportError) -> Result<Exchanged, WarehouseError> {
        let is_over = self.snowflake.clock.now() >= self.deadline;
        let meant = meaning::unanswered(self.spec, error, is_over);
        match error {
            TransportError::TimedOut(_) | TransportError::Broken => Ok(Exchanged::Lost(meant)),
            _ => Err(meant),
        }
    }

    /// Whether the key is another one since a call that began at `used`.
    async fn is_replaced(&self, used: UnixMs) -> Result<bool, WarehouseError> {
        let key = self.spec.key.as_str();
        let renewed = self.snowflake.secrets.renew(key, Doubt::Refused, used);
        match renewed.await {
            Ok(is_replaced) => Ok(is_replaced),
            Err(SecretError::Missing(_)) => Ok(false),
            Err(error @ SecretError::Unavailable { .. }) => {
                Err(failed(self.spec, &error.to_string()))
            }
        }
    }

    fn request(&self, call: &Call, url: &Url, now: UnixMs) -> Request {
        let header = |name: &str, value| Header {
            name: name.to_owned(),
            value,
        };
        let key = HeaderValue::KeyPair {
            account: self.spec.account.clone(),
            user: self.spec.user.clone(),
            secret: self.spec.key.to_string(),
            issued: now - CLOCKS_APART,
        };
        let kind = HeaderValue::Plain("KEYPAIR_JWT".to_owned());
        let own = Duration::from_secs(u64::from(self.spec.timeout_s));
        Request {
            method: call.method,
            url: url.to_string(),
            headers: vec![
                header("Authorization", key),
                header("X-Snowflake-Authorization-Token-Type", kind),
            ],
            body: call.body.clone().map(Body::Json),
            effect: call.effect,
            timeout: own.min(self.deadline.since(now)),
        }
    }

    fn body(&self, statement: &Statement, timeout_s: u64) -> Result<Value, WarehouseError> {
        let spec = self.spec;
        let mut body = json!({
            "statement": statement.text(),
            "timeout": timeout_s,
            "database": name("database", &spec.database)?,
            "schema": name("schema", &spec.schema)?,
            "warehouse": name("virtual warehouse", &spec.warehouse)?,
            "role": name("role", &spec.role)?,
            "parameters": { "MULTI_STATEMENT_COUNT": statement.count().to_string() },
        });
        let bindings: Map<String, Value> = (1..)
            .zip(statement.bindings())
            .map(|(number, value): (usize, _)| {
                (
                    number.to_string(),
                    json!({ "type": "TEXT", "value": value }),
                )
            })
            .collect();
        // Several statements take none, not even an empty table of them.
        if let (false, Some(body)) = (bindings.is_empty(), body.as_object_mut()) {
            body.insert("bindings".to_owned(), bindings.into());
        }
        Ok(body)
    }

    /// Seconds until the deadline: nobody reads a result after it. Zero would mean as long as can be.
    fn left_s(&self) -> u64 {
        let left = self.deadline.since(self.snowflake.clock.now()).as_secs();
        left.clamp(1, MERGE_TIMEOUT_S)
    }

    fn submission(&self, id: &str, again: bool) -> Result<Url, WarehouseError> {
        let mut url = self.address(STATEMENTS)?;
        url.query_pairs_mut().append_pair("requestId", id);
        if again {
            url.query_pairs_mut().append_pair("retry", "true");
        }
        Ok(url)
    }

    /// An address below the account's.
    fn address(&self, path: &str) -> Result<Url, WarehouseError> {
        let base = self.spec.base_url.trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|_| WarehouseError::Refused {
            reason: format!("{}: its `base_url` is no address", self.spec.name),
        })
    }

    /// Where to ask for a statement that runs on. It goes nowhere else, since the key's token goes with it.
    fn status_url(&self, running: &Value) -> Result<Url, WarehouseError> {
        let bad = || failed(self.spec, "a statement that runs on has no address here");
        let told = running.get("statementStatusUrl").and_then(Value::as_str);
        let base = self.address(STATEMENTS)?;
        let url = base.join(told.ok_or_else(bad)?).map_err(|_| bad())?;
        if url.origin() == base.origin() {
            Ok(url)
        } else {
            Err(bad())
        }
    }
}
