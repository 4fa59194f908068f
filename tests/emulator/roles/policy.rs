//! The policy of a function's role, and what is left of it without one permission.

use std::fmt;

use reqwest::Url;
use serde_json::{Value, json};

use crate::{stack::between, world::World};

/// All that a role allows, in a policy of its own.
pub struct Policy {
    role: String,
    name: String,
    /// The whole of it.
    pub document: Value,
}

/// A policy without one permission.
pub struct Case {
    /// Its statement.
    pub sid: String,
    /// Actions that are not allowed any more, without a star.
    actions: Vec<String>,
    /// The resource that they are not allowed for; none: any.
    resource: Option<String>,
    /// What is left.
    pub rest: Value,
}

impl Policy {
    /// What the role of a function allows. Policies that it shares with others are taken off it and their
    /// statements put into its own, so that each can be taken away from it alone.
    pub async fn of(world: &World, function: &str) -> Self {
        let path = format!(
            "/2015-03-31/functions/{}/configuration",
            world.stack.name(function)
        );
        let get = reqwest::Method::GET;
        let configured = world
            .stack
            .wire()
            .rest("lambda", get, &path, &Value::Null)
            .await;
        let role = configured["Role"].as_str().expect("a role");
        let (_, role) = role.rsplit_once('/').expect("an ARN");
        let listed = iam(world, "ListRolePolicies", &[("RoleName", role)]).await;
        let name = between(&listed, "<member>", "</member>").expect("a policy of its own");
        assert_eq!(listed.matches("<member>").count(), 1, "{listed}");
        let asked = [("RoleName", role), ("PolicyName", name)];
        let policy = iam(world, "GetRolePolicy", &asked).await;
        let mut document = document_of(&policy, "PolicyDocument");
        let shared = iam(world, "ListAttachedRolePolicies", &[("RoleName", role)]).await;
        for arn in shared.split("<PolicyArn>").skip(1) {
            let arn = arn.split('<').next().expect("an ARN");
            let policy = iam(world, "GetPolicy", &[("PolicyArn", arn)]).await;
            let version = between(&policy, "<DefaultVersionId>", "<").expect("a version");
            let asked = [("PolicyArn", arn), ("VersionId", version)];
            let version = iam(world, "GetPolicyVersion", &asked).await;
            let more = document_of(&version, "Document")["Statement"].clone();
            let statements = document["Statement"].as_array_mut().expect("statements");
            statements.extend(more.as_array().expect("statements").iter().cloned());
            let asked = [("RoleName", role), ("PolicyArn", arn)];
            iam(world, "DetachRolePolicy", &asked).await;
        }
        let whole = Self {
            role: role.to_owned(),
            name: name.to_owned(),
            document,
        };
        whole.put(world, &whole.document).await;
        whole
    }

    /// Replaces the policy.
    pub async fn put(&self, world: &World, document: &Value) {
        let document = document.to_string();
        let asked = [
            ("RoleName", self.role.as_str()),
            ("PolicyName", self.name.as_str()),
            ("PolicyDocument", document.as_str()),
        ];
        iam(world, "PutRolePolicy", &asked).await;
    }

    /// Each action and each resource of each statement, taken away. A statement of one of each is
    /// taken away whole.
    pub fn cases(&self) -> Vec<Case> {
        let statements = self.document["Statement"].as_array().expect("statements");
        let mut cases = Vec::new();
        for (at, statement) in statements.iter().enumerate() {
            let actions = texts(&statement["Action"]);
            let resources = texts(&statement["Resource"]);
            for action in &actions {
                let left = actions.iter().filter(|other| *other != action);
                let rest = self.with(at, "Action", &left.collect::<Vec<_>>());
                cases.push(Case::of(
                    statement,
                    std::slice::from_ref(action),
                    None,
                    rest,
                ));
            }
            for resource in resources.iter().filter(|_| resources.len() > 1) {
                let left = resources.iter().filter(|other| *other != resource);
                let rest = self.with(at, "Resource", &left.collect::<Vec<_>>());
                cases.push(Case::of(statement, &actions, Some(resource), rest));
            }
        }
        cases
    }

    fn with(&self, at: usize, part: &str, left: &[&String]) -> Value {
        let mut document = self.document.clone();
        let statements = document["Statement"].as_array_mut().expect("statements");
        if left.is_empty() {
            statements.remove(at);
        } else {
            statements[at][part] = json!(left);
        }
        document
    }
}

impl Case {
    fn of(statement: &Value, actions: &[String], resource: Option<&String>, rest: Value) -> Self {
        let bare = actions
            .iter()
            .map(|action| action.trim_end_matches('*').to_owned());
        Self {
            sid: statement["Sid"].as_str().expect("a Sid").to_owned(),
            actions: bare.collect(),
            resource: resource.cloned(),
            rest,
        }
    }

    /// Whether a refusal is about what was taken away.
    pub fn shows(&self, denial: &str) -> bool {
        let action = self.actions.iter().any(|action| denial.contains(action));
        let named = |resource: &String| denial.contains(&as_logged(resource));
        action && self.resource.as_ref().is_none_or(named)
    }
}

/// What a function's log calls a resource, which the emulator does not name.
fn as_logged(arn: &str) -> String {
    let name = arn.rsplit([':', '/']).next().unwrap_or_default();
    match name {
        queue if queue.ends_with("-realtime") => "to real_time".to_owned(),
        queue if queue.ends_with("-batch") => "to batch".to_owned(),
        // Secrets Manager ends an ARN with six characters of its own.
        secret => secret
            .rsplit_once('-')
            .map_or(secret, |(name, _)| name)
            .to_owned(),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sid, self.actions.join(", "))?;
        match &self.resource {
            Some(resource) => write!(f, " for {resource}"),
            None => Ok(()),
        }
    }
}

/// One text, or several.
fn texts(value: &Value) -> Vec<String> {
    let all = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    let texts = all.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The document in this element of an answer of IAM: encoded as in a query.
fn document_of(answer: &str, element: &str) -> Value {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let document = between(answer, &start, &end).expect("a document");
    let url = Url::parse(&format!("policy:/?of={document}")).expect("a URL");
    let text = url.query_pairs().next().expect("one pair").1.into_owned();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

async fn iam(world: &World, action: &str, asked: &[(&str, &str)]) -> String {
    let mut form = vec![("Action", action), ("Version", "2010-05-08")];
    form.extend(asked);
    world.stack.wire().form("iam", &form).await
}
