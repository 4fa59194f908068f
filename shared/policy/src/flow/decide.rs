//! A decision that somebody waits for: what the source is asked, and what its answer says (R28).
//!
//! Invariant: only what is surely a yes is one. An expression that gives no value, gives anything but
//! `true`, or names a value that is not there, is none: to minijinja 5 is more than null.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tidegate_model::{
    RecordKey,
    flow::{DecideSpec, RestSource},
};

use super::{CallTemplate, Rendered};
use crate::{
    expr::{Body, Context, ExprError, Expression},
    limiter::Limit,
};

/// The compiled `[decide]` of a flow.
#[derive(Debug)]
pub struct Decide {
    base: Context,
    call: CallTemplate,
    body: Option<Body>,
    yes: Expression,
    /// What the expression names of answer and question.
    needs: BTreeSet<String>,
    limit: Limit,
}

/// What the source is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The call.
    pub call: Rendered,
    /// The body that goes with it.
    pub body: Option<Value>,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Neither.
    Unclear,
}

impl Decide {
    pub(super) fn compile(
        spec: &DecideSpec,
        source: &RestSource,
        base: &Context,
    ) -> Result<Self, ExprError> {
        let yes = Expression::compile(&spec.yes)?;
        Ok(Self {
            base: base.clone(),
            call: CallTemplate::asking(spec, &source.headers)?,
            body: spec.body.as_ref().map(Body::compile).transpose()?,
            needs: yes.names().paths,
            yes,
            limit: Limit::of_source(spec.limit),
        })
    }

    /// How many calls decisions may make.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// The question about a key; an error where what the caller says does not fit it.
    pub fn question(
        &self,
        key: &RecordKey,
        ask: &Map<String, Value>,
    ) -> Result<Question, ExprError> {
        let context = self.context(key, ask);
        let body = self.body.as_ref().map(|body| body.render(&context));
        Ok(Question {
            call: self.call.render(&context)?,
            body: body.transpose()?.map(Value::Object),
        })
    }

    /// What an answer says to a question.
    pub fn said(&self, key: &RecordKey, ask: &Map<String, Value>, answer: &Value) -> Said {
        let is_there = |path: &String| match path.split_once('.') {
            None => path != "answer" || !answer.is_null(),
            Some(("answer", rest)) => has_value(at(answer, rest)),
            Some(("ask", rest)) => {
                let (first, rest) = rest.split_once('.').unwrap_or((rest, ""));
                has_value(ask.get(first).and_then(|value| at(value, rest)))
            }
            // A setting is there, or the flow would not be loaded.
            Some(_) => true,
        };
        if !self.needs.iter().all(is_there) {
            return Said::Unclear;
        }
        let context = self.context(key, ask).with("answer", answer);
        match self.yes.eval(&context) {
            Ok(Value::Bool(true)) => Said::Yes,
            Ok(Value::Bool(false)) => Said::No,
            Ok(_) | Err(_) => Said::Unclear,
        }
    }

    fn context(&self, key: &RecordKey, ask: &Map<String, Value>) -> Context {
        self.base.clone().with("key", key.as_str()).with("ask", ask)
    }
}

/// What stands at a path with dots; an empty one is the value itself.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut steps = path.split('.').filter(|step| !step.is_empty());
    steps.try_fold(value, |value, step| value.get(step))
}

fn has_value(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null())
}
