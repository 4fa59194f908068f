//! The calls of a target.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_model::{
    EndpointId, Fields, RecordKey,
    flow::{Auth, Call, FindSpec, JwtBearer, Oauth2, RestTarget, TargetSpec},
};

use super::{
    CallTemplate, Standing,
    address::{base_url, token_url},
};
use crate::expr::{Body, Context, Encoding, ExprError, Expression, Template};

/// The compiled calls of a target. Of a Qualio target its connector knows
/// them, all but the one that reads what it says of itself.
#[derive(Debug)]
pub struct Target {
    base: Context,
    name: EndpointId,
    base_url: String,
    auth: Auth,
    body: Body,
    upsert: Option<CallTemplate>,
    create: Option<CallTemplate>,
    update: Option<CallTemplate>,
    delete: Option<CallTemplate>,
    archive: Option<CallTemplate>,
    find: Option<Find>,
    list: Option<Standing>,
    contract: Option<CallTemplate>,
    idempotency_header: Option<String>,
}

/// How a record is found after a create whose outcome is not known (EFF-2).
#[derive(Debug)]
pub struct Find {
    call: CallTemplate,
    by: Expression,
    spec: FindSpec,
}

impl Find {
    /// The call. Its context is [`Target::find_context`].
    pub fn call(&self) -> &CallTemplate {
        &self.call
    }

    /// JSON pointer to the rows of the answer.
    pub fn rows_pointer(&self) -> &str {
        &self.spec.rows
    }

    /// JSON pointer to the id within a row.
    pub fn id_pointer(&self) -> &str {
        &self.spec.id
    }
}

impl Target {
    pub(super) fn compile(spec: &TargetSpec, base: &Context) -> Result<Self, String> {
        let body = Body::compile(spec.body()).map_err(|error| error.to_string())?;
        let none = BTreeMap::new();
        let headers = match spec {
            TargetSpec::Rest(rest) => &rest.headers,
            TargetSpec::Qualio(_) | TargetSpec::Store(_) => &none,
        };
        let contract = spec
            .contract()
            .map(|contract| CallTemplate::get(&contract.openapi, &none, headers))
            .transpose()
            .map_err(|error| error.to_string())?;
        match spec {
            TargetSpec::Rest(rest) => Self::compile_rest(rest, base, body, contract),
            TargetSpec::Qualio(qualio) => {
                let auth = Auth::ApiKey {
                    header: "X-Api-Key".to_owned(),
                    secret: qualio.secret.clone(),
                };
                let url = base_url(&qualio.base_url, base)?;
                Ok(Self {
                    contract,
                    ..Self::without_calls(qualio.name.clone(), url, auth, base, body)
                })
            }
            TargetSpec::Store(store) => {
                let name = store.name.clone();
                Ok(Self::without_calls(
                    name,
                    String::new(),
                    Auth::None,
                    base,
                    body,
                ))
            }
        }
    }

    fn without_calls(
        name: EndpointId,
        base_url: String,
        auth: Auth,
        base: &Context,
        body: Body,
    ) -> Self {
        Self {
            base: base.clone(),
            name,
            base_url,
            auth,
            body,
            upsert: None,
            create: None,
            update: None,
            delete: None,
            archive: None,
            find: None,
            list: None,
            contract: None,
            idempotency_header: None,
        }
    }

    fn compile_rest(
        rest: &RestTarget,
        base: &Context,
        body: Body,
        contract: Option<CallTemplate>,
    ) -> Result<Self, String> {
        let error = |error: ExprError| error.to_string();
        let call = |call: &Option<Call>| {
            call.as_ref()
                .map(|call| CallTemplate::compile(call, &rest.headers))
                .transpose()
                .map_err(error)
        };
        let find = match &rest.find {
            Some(spec) => Some(Find {
                call: CallTemplate::get(&spec.path, &spec.query, &rest.headers).map_err(error)?,
                by: Expression::compile(&spec.by).map_err(error)?,
                spec: spec.clone(),
            }),
            None => None,
        };
        Ok(Self {
            base: base.clone(),
            name: rest.name.clone(),
            base_url: base_url(&rest.base_url, base)?,
            auth: render_auth(&rest.auth, base)?,
            body,
            upsert: call(&rest.upsert)?,
            create: call(&rest.create)?,
            update: call(&rest.update)?,
            delete: call(&rest.delete)?,
            archive: call(&rest.archive)?,
            find,
            list: Standing::compile(rest, base).map_err(error)?,
            contract,
            idempotency_header: rest.idempotency_header.clone(),
        })
    }

    /// Names the target; flows that name the same one share its limits and breaker.
    pub fn name(&self) -> &EndpointId {
        &self.name
    }

    /// Scheme, host and leading path, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How calls are authenticated, with settings in place.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Creates or replaces by the external id.
    pub fn upsert(&self) -> Option<&CallTemplate> {
        self.upsert.as_ref()
    }

    /// Creates.
    pub fn create(&self) -> Option<&CallTemplate> {
        self.create.as_ref()
    }

    /// Updates by `target_id`.
    pub fn update(&self) -> Option<&CallTemplate> {
        self.update.as_ref()
    }

    /// Deletes.
    pub fn delete(&self) -> Option<&CallTemplate> {
        self.delete.as_ref()
    }

    /// Archives.
    pub fn archive(&self) -> Option<&CallTemplate> {
        self.archive.as_ref()
    }

    /// Finds a record after a create whose outcome is not known.
    pub fn find(&self) -> Option<&Find> {
        self.find.as_ref()
    }

    /// How it lists what stands there; none where the flow names no listing.
    pub fn list(&self) -> Option<&Standing> {
        self.list.as_ref()
    }

    /// Reads what it says of itself; none where the flow does not say where. Its context is
    /// [`Target::contract_context`].
    pub fn contract(&self) -> Option<&CallTemplate> {
        self.contract.as_ref()
    }

    /// Header that takes an idempotency key, where the target keeps one.
    pub fn idempotency_header(&self) -> Option<&str> {
        self.idempotency_header.as_deref()
    }

    /// What templates of a call see: `key`, `target_id` (null before it is known), `fields`, `env`.
    pub fn context(&self, key: &RecordKey, target_id: Option<&str>, fields: &Fields) -> Context {
        self.base
            .clone()
            .with("key", key.as_str())
            .with("target_id", &target_id)
            .with("fields", fields)
    }

    /// What templates of `find` see: `search`, as it was sent, and `env`.
    pub fn find_context(&self, search: &str) -> Context {
        self.base.clone().with("search", search)
    }

    /// What the template of the description sees: `env`.
    pub fn contract_context(&self) -> &Context {
        &self.base
    }

    /// The value by which the record will be found: the create intent. None where the target cannot
    /// be searched, or the value is empty.
    pub fn search_value(
        &self,
        key: &RecordKey,
        fields: &Fields,
    ) -> Result<Option<String>, ExprError> {
        let Some(find) = &self.find else {
            return Ok(None);
        };
        let context = self
            .base
            .clone()
            .with("key", key.as_str())
            .with("fields", fields);
        Ok(match find.by.eval(&context)? {
            Value::String(text) if !text.is_empty() => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::String(_) => None,
            _ => {
                return Err(ExprError::evaluate(
                    find.by.text(),
                    "it must give a text or a number",
                ));
            }
        })
    }

    pub(super) fn body(&self, key: &RecordKey, fields: &Fields) -> Result<Value, ExprError> {
        let context = self
            .base
            .clone()
            .with("key", key.as_str())
            .with("fields", fields);
        self.body.render(&context).map(Value::Object)
    }

    pub(super) fn fields_of_body(&self, part: &str) -> BTreeSet<String> {
        self.body.fields_of(part)
    }
}

/// What stands in an authentication, with settings in place.
pub(super) fn render_auth(auth: &Auth, base: &Context) -> Result<Auth, String> {
    let plain = |text: &str| -> Result<String, String> {
        let template = Template::compile(text, Encoding::Plain);
        let rendered = template.and_then(|template| template.render(base));
        rendered.map_err(|error| error.to_string())
    };
    let perhaps = |text: &Option<String>| text.as_deref().map(plain).transpose();
    Ok(match auth {
        Auth::None | Auth::ApiKey { .. } | Auth::Bearer { .. } => auth.clone(),
        Auth::Basic { user, secret } => Auth::Basic {
            user: plain(user)?,
            secret: secret.clone(),
        },
        Auth::Oauth2(client) => Auth::Oauth2(Oauth2 {
            token_url: token_url(&client.token_url, base)?,
            client_id: plain(&client.client_id)?,
            scope: perhaps(&client.scope)?,
            ..client.clone()
        }),
        Auth::JwtBearer(client) => Auth::JwtBearer(JwtBearer {
            token_url: token_url(&client.token_url, base)?,
            issuer: plain(&client.issuer)?,
            subject: perhaps(&client.subject)?,
            audience: perhaps(&client.audience)?,
            key_id: perhaps(&client.key_id)?,
            scope: perhaps(&client.scope)?,
            ..client.clone()
        }),
    })
}
