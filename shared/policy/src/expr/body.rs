//! Bodies: a JSON table whose text leaves are expressions.

use std::collections::BTreeSet;

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

    /// The fields of which a part is made, `contact.phone`, as far as the body says what is within it.
    pub fn fields_of(&self, part: &str) -> BTreeSet<String> {
        let mut steps = part.split('.');
        let first = steps.next().unwrap_or_default();
        let mut node = entry(&self.0, first);
        while let Some(Node::Table(table)) = node
            && let Some(step) = steps.next()
        {
            node = entry(table, step);
        }
        let mut fields = BTreeSet::new();
        if let Some(node) = node {
            node.add_fields(&mut fields);
        }
        fields
    }
}

impl Node {
    fn add_fields(&self, fields: &mut BTreeSet<String>) {
        match self {
            Self::Expression(expression) => {
                let named = expression.names().paths.into_iter().filter_map(|path| {
                    let name = path.strip_prefix("fields.")?;
                    Some(name.split('.').next()?.to_owned())
                });
                fields.extend(named);
            }
            Self::Literal(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.add_fields(fields)),
            Self::Table(table) => table.iter().for_each(|(_, node)| node.add_fields(fields)),
        }
    }
}

fn entry<'t>(table: &'t [(String, Node)], name: &str) -> Option<&'t Node> {
    let found = table.iter().find(|(of, _)| of == name)?;
    Some(&found.1)
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
