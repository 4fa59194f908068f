//! Schemas that no value fits: not all of them, which no check could tell, but those that a slip makes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    check::{Findings, document::child, words::dotted},
    flow::compile_known_schema,
};

/// What bounds from both sides.
struct Bound {
    lowest: &'static str,
    highest: &'static str,
    /// Whether both may be one number.
    may_meet: bool,
    /// What is bounded.
    what: &'static str,
    /// The keyword beside them without which they say nothing.
    of: Option<&'static str>,
}

const fn bound(
    what: &'static str,
    lowest: &'static str,
    highest: &'static str,
    may_meet: bool,
) -> Bound {
    Bound {
        lowest,
        highest,
        may_meet,
        what,
        of: None,
    }
}

const BOUNDS: [Bound; 8] = [
    bound("number", "minimum", "maximum", true),
    bound("number", "minimum", "exclusiveMaximum", false),
    bound("number", "exclusiveMinimum", "maximum", false),
    bound("number", "exclusiveMinimum", "exclusiveMaximum", false),
    bound("text", "minLength", "maxLength", true),
    bound("list", "minItems", "maxItems", true),
    bound("table", "minProperties", "maxProperties", true),
    Bound {
        of: Some("contains"),
        ..bound("list", "minContains", "maxContains", true)
    },
];

/// From here on two whole numbers can be one `f64`.
const INEXACT: f64 = 9_007_199_254_740_992.0;

/// What is wrong: where, why, and what does not fit.
type Empty = (String, String, &'static str);

/// One schema: its own keywords, and with them all that `allOf` demands besides.
struct Demands<'s> {
    parts: Vec<(String, &'s Map<String, Value>)>,
}

impl<'s> Demands<'s> {
    fn of(keywords: &'s Map<String, Value>, at: &str) -> Self {
        let mut parts = vec![(at.to_owned(), keywords)];
        let mut next = 0;
        while let Some((at, keywords)) = parts.get(next).cloned() {
            let all = keywords.get("allOf").and_then(Value::as_array);
            for (index, one) in all.into_iter().flatten().enumerate() {
                if let Some(keywords) = one.as_object() {
                    parts.push((format!("{at}/allOf/{index}"), keywords));
                }
            }
            next += 1;
        }
        Self { parts }
    }

    /// Each number under a keyword, and where it stands.
    fn numbers(&self, keyword: &str) -> impl Iterator<Item = (f64, String)> {
        self.parts.iter().filter_map(move |(at, keywords)| {
            let number = keywords.get(keyword)?.as_f64()?;
            (number.abs() < INEXACT).then(|| (number, child(at, keyword)))
        })
    }

    fn most(&self, keyword: &str) -> Option<(f64, String)> {
        self.numbers(keyword)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    fn least(&self, keyword: &str) -> Option<(f64, String)> {
        self.numbers(keyword)
            .min_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// The types that all parts allow; none where no part names any.
    fn types(&self) -> Option<BTreeSet<&'s str>> {
        let named = self.parts.iter().filter_map(|(_, keywords)| {
            let types: BTreeSet<&str> = match keywords.get("type")? {
                Value::String(one) => std::iter::once(one.as_str()).collect(),
                Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
                _ => return None,
            };
            Some(types)
        });
        named.reduce(|both, other| {
            let is_in = |types: &BTreeSet<&str>, name: &str| {
                types.contains(name) || (name == "integer" && types.contains("number"))
            };
            let in_both = |name: &&&str| is_in(&both, name) && is_in(&other, name);
            both.union(&other).filter(in_both).copied().collect()
        })
    }
}

/// Finds what no value fits in one schema. One mistake is told, the plainest.
pub(super) fn check(findings: &mut Findings<'_>, keywords: &Map<String, Value>, at: &str) {
    let demands = Demands::of(keywords, at);
    let found = bounds(&demands)
        .or_else(|| types(&demands))
        .or_else(|| numbers(&demands))
        .or_else(|| named(findings, keywords, at));
    if let Some((pointer, why, what)) = found {
        findings.wrong(
            &pointer,
            format!("{why} in `{}`: no {what} fits", dotted(at)),
        );
    }
}

/// A field that a record has and that must not be there.
pub(super) fn check_forbidden(findings: &mut Findings<'_>) {
    let document = findings.document;
    for name in document.names("/schema/properties") {
        let pointer = child("/schema/properties", name);
        if document.get(&pointer) == Some(&Value::Bool(false)) {
            findings.wrong(
                &pointer,
                format!("`{}` is `false`: no value fits; say what the field holds, as `{{ type = \"string\" }}`, or leave it out of `[fields]`", dotted(&pointer)),
            );
        }
    }
}

fn bounds(demands: &Demands<'_>) -> Option<Empty> {
    let crossed = |bound: &Bound| {
        let (least, pointer, most) = match bound.of {
            None => {
                let (least, pointer) = demands.most(bound.lowest)?;
                (least, pointer, demands.least(bound.highest)?.0)
            }
            Some(of) => {
                let (at, keywords) = demands.parts.first()?;
                keywords.get(of)?;
                let least = keywords.get(bound.lowest)?.as_f64()?;
                let most = keywords.get(bound.highest)?.as_f64()?;
                (least, child(at, bound.lowest), most)
            }
        };
        let Bound {
            lowest, highest, ..
        } = bound;
        if least > most {
            Some((
                pointer,
                format!("`{lowest}` {least} is above `{highest}` {most}"),
                bound.what,
            ))
        } else if least >= most && !bound.may_meet {
            Some((
                pointer,
                format!("`{lowest}` {least} leaves nothing below `{highest}` {most}"),
                bound.what,
            ))
        } else {
            None
        }
    };
    BOUNDS.iter().find_map(crossed)
}

fn types(demands: &Demands<'_>) -> Option<Empty> {
    let is_empty = demands.types().is_some_and(|types| types.is_empty());
    let (at, _) = demands.parts.first().filter(|_| is_empty)?;
    Some((
        child(at, "type"),
        "`type` and what `allOf` demands have no type in common".to_owned(),
        "value",
    ))
}

/// Whole numbers and multiples of which none is within the bounds.
fn numbers(demands: &Demands<'_>) -> Option<Empty> {
    let types = demands.types()?;
    if !types
        .iter()
        .all(|name| matches!(*name, "integer" | "number"))
    {
        return None;
    }
    let whole = types.iter().all(|name| *name == "integer");
    // Of tenths and the like `f64` does not tell the multiples.
    let multiple = demands
        .most("multipleOf")
        .filter(|(step, _)| *step >= 1.0 && step.fract() == 0.0);
    let (step, pointer, what) = match multiple {
        Some((step, pointer)) => (step, pointer, format!("no multiple of {step}")),
        None if whole => {
            let (at, _) = demands.parts.first()?;
            (1.0, child(at, "type"), "no whole number".to_owned())
        }
        None => return None,
    };
    // The tightest bound of each side, and whether it is out itself.
    let lowest = [("minimum", false), ("exclusiveMinimum", true)];
    let (least, is_out) = lowest
        .iter()
        .filter_map(|(keyword, out)| Some((demands.most(keyword)?.0, *out)))
        .max_by(|(a, a_out), (b, b_out)| a.total_cmp(b).then(a_out.cmp(b_out)))?;
    let highest = [("maximum", false), ("exclusiveMaximum", true)];
    let (most, is_most_out) = highest
        .iter()
        .filter_map(|(keyword, out)| Some((demands.least(keyword)?.0, *out)))
        .min_by(|(a, a_out), (b, b_out)| a.total_cmp(b).then(b_out.cmp(a_out)))?;
    let mut first = (least / step).ceil() * step;
    if is_out && first <= least {
        first += step;
    }
    let is_none = first > most || (is_most_out && first >= most);
    is_none.then(|| {
        let why = format!("{what} is between {least} and {most}");
        (pointer, why, "number")
    })
}

/// Values that are named and that the other keywords refuse.
fn named(findings: &Findings<'_>, keywords: &Map<String, Value>, at: &str) -> Option<Empty> {
    let (keyword, values) = if let Some(values) = keywords.get("enum") {
        ("enum", values.as_array()?.as_slice())
    } else {
        ("const", std::slice::from_ref(keywords.get("const")?))
    };
    if values.is_empty() {
        return Some((
            child(at, keyword),
            "`enum` names nothing".to_owned(),
            "value",
        ));
    }
    let mut part = Map::clone(keywords);
    // What refers to another part would by itself refer to none, or to a wrong one.
    let text = Value::Object(part.clone()).to_string();
    if ["$ref", "$dynamicRef"]
        .iter()
        .any(|word| text.contains(word))
    {
        return None;
    }
    if let Some(draft) = findings.document.get("/schema/$schema") {
        part.insert("$schema".to_owned(), draft.clone());
    }
    let schema = compile_known_schema(&part).ok()?;
    let fits = values.iter().any(|value| schema.is_valid(value));
    (!fits).then(|| {
        let why = format!("the other keywords refuse what `{keyword}` names");
        (child(at, keyword), why, "value")
    })
}
