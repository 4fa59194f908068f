//! Bodies: a JSON table whose text leaves are expressions.

use serde_json::{Map, Value};

use super::{Context, ExprError, Expression};

/// A compiled body.
#[derive(Clone, Debug)]
pub struct Body(Vec<(String, Node)>);

#[derive(Clone, Debug)]
enum Node {
    Expression(Expression),
    /// A number or flag stands for itself.
    Literal(Value),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Body {
    /// Compiles every text leaf.
    pub fn compile(table: &Map<String, Value>) -> Result<Self, ExprError> {
        compile_table(table).map(Self)
    }

    /// The body in this context. What is null is left out of its table, and a table that is left
    /// empty by that too: absent and null are the same to a flow.
    pub fn render(&self, context: &Context) -> Result<Map<String, Value>, ExprError> {
        render_table(&self.0, context)
    }
}

fn compile_table(table: &Map<String, Value>) -> Result<Vec<(String, Node)>, ExprError> {
    table
        .iter()
        .map(|(name, value)| Ok((name.clone(), compile(value)?)))
        .collect()
}

fn compile(value: &Value) -> Result<Node, ExprError> {
    Ok(match value {
        Value::String(text) => Node::Expression(Expression::compile(text)?),
        Value::Object(table) => Node::Table(compile_table(table)?),
        Value::Array(items) => Node::List(items.iter().map(compile).collect::<Result<_, _>>()?),
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Literal(value.clone()),
    })
}

fn render_table(
    table: &[(String, Node)],
    context: &Context,
) -> Result<Map<String, Value>, ExprError> {
    let mut rendered = Map::new();
    for (name, node) in table {
        let value = render(node, context)?;
        if !value.is_null() {
            rendered.insert(name.clone(), value);
        }
    }
    Ok(rendered)
}

fn render(node: &Node, context: &Context) -> Result<Value, ExprError> {
    Ok(match node {
        Node::Expression(expression) => expression.eval(context)?,
        Node::Literal(value) => value.clone(),
        Node::List(items) => Value::Array(
            items
                .iter()
                .map(|item| render(item, context))
                .collect::<Result<_, _>>()?,
        ),
        Node::Table(table) => match render_table(table, context)? {
            empty if empty.is_empty() && !table.is_empty() => Value::Null,
            filled => Value::Object(filled),
        },
    })
}
