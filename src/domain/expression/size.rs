//! How large a compiled condition is, and the most that an evaluation of it can cost: counted from the source
//! before anything is evaluated.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};

use super::{ExpressionError, FUNCTIONS, refuse};

/// The most elements of a list, whoever made it: tags are the most that a profile keeps of one interest.
const LIST_MAX: u64 = 256;
/// The most texts of one property, trait or attribute.
const TEXTS_MAX: u64 = 64;
/// What joining two texts or lists counts: both are copied.
const JOIN_STEPS: u64 = 32;

/// How large a compiled condition is.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    /// Its nodes.
    pub(super) nodes: usize,
    /// How deep `all`, `exists`, `map` and `filter` are nested.
    pub(super) nesting: usize,
    /// The most steps that an evaluation may come to.
    pub(super) steps: u64,
}

impl Size {
    /// The parser's own limit of 96 levels bounds this recursion; chains of members, which it does not bound,
    /// are gone along.
    pub(super) fn of(expression: &IdedExpr) -> Result<Size, ExpressionError> {
        // A name with dots is looked up as a whole.
        if let Some(parts) = dotted(expression) {
            let steps = length_of_name(&parts.join(".")).saturating_add(1);
            return Ok(Size { nodes: parts.len(), nesting: 0, steps });
        }
        let inner = match &expression.expr {
            Expr::Call(call) => {
                admit_function(&call.func_name)?;
                let all = Size::of_all(call.target.iter().map(|target| &**target).chain(&call.args))?;
                let joins = call.func_name == operators::ADD;
                all.with_steps(if joins { JOIN_STEPS } else { 0 })
            }
            Expr::Comprehension(each) => {
                let length = range_length(&each.iter_range)?;
                let once = Size::of_all([&each.iter_range, &each.accu_init, &each.result])?;
                let often = Size::of_all([&each.loop_cond, &each.loop_step])?;
                let all = once.and(often).with_steps(often.steps.saturating_mul(length));
                Size { nesting: all.nesting + 1, ..all }
            }
            Expr::List(list) => Size::of_all(&list.elements)?,
            Expr::Map(map) => Size::of_entries(map.entries.iter().map(|entry| &entry.expr))?,
            Expr::Struct(_) | Expr::Unspecified => return refuse("a condition makes no messages".into()),
            Expr::Select(select) => Size::of(&select.operand)?,
            Expr::Ident(_) | Expr::Literal(_) => Size::default(),
        };
        Ok(Size { nodes: inner.nodes + 1, ..inner.with_steps(1) })
    }

    fn of_all<'e>(expressions: impl IntoIterator<Item = &'e IdedExpr>) -> Result<Size, ExpressionError> {
        expressions.into_iter().try_fold(Size::default(), |size, next| Ok(size.and(Size::of(next)?)))
    }

    fn of_entries<'e>(entries: impl Iterator<Item = &'e EntryExpr>) -> Result<Size, ExpressionError> {
        Size::of_all(entries.flat_map(|entry| match entry {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        }))
    }

    fn and(self, other: Size) -> Size {
        Size {
            nodes: self.nodes + other.nodes,
            nesting: self.nesting.max(other.nesting),
            steps: self.steps.saturating_add(other.steps),
        }
    }

    fn with_steps(self, steps: u64) -> Size {
        Size { steps: self.steps.saturating_add(steps), ..self }
    }
}

/// Operators and the functions of the list: all of them are total, quick and the same everywhere.
fn admit_function(name: &str) -> Result<(), ExpressionError> {
    if FUNCTIONS.contains(&name) || name.starts_with(['_', '@', '-', '!']) {
        return Ok(());
    }
    refuse(format!("there is no function {name}; conditions may call {}", FUNCTIONS.join(", ")))
}

/// How many elements there are at most in what `all`, `exists`, `map` and `filter` go through. Only lists are
/// gone through: the keys of a map, such as all traits, have no order that is the same on every replica.
fn range_length(range: &IdedExpr) -> Result<u64, ExpressionError> {
    let written = match &range.expr {
        Expr::List(list) => u64::try_from(list.elements.len()).unwrap_or(u64::MAX),
        _ => match dotted(range).map(|parts| parts.join(".")).as_deref() {
            Some("recent" | "segments") => LIST_MAX,
            Some(name) if name.contains('.') && name != "event.properties" => LIST_MAX,
            _ => {
                return refuse(
                    "all, exists, map and filter go through lists alone: recent, segments, tags.NAME, \
                     attributes.NAME, event.items, traits.NAME, event.properties.NAME, or one that is written out"
                        .into(),
                );
            }
        },
    };
    if written > LIST_MAX {
        return refuse(format!("a list of {written} elements; at most {LIST_MAX} can be gone through"));
    }
    Ok(written)
}

/// How many elements a name stands for at most.
fn length_of_name(name: &str) -> u64 {
    match name.split('.').next().unwrap_or_default() {
        "traits" if name.contains('.') => TEXTS_MAX,
        "attributes" => TEXTS_MAX,
        "session" if name == "session.pages" => TEXTS_MAX,
        "recent" | "segments" | "tags" | "traits" => LIST_MAX,
        "event" if name == "event.items" || name == "event.properties" => LIST_MAX,
        "event" if name.starts_with("event.properties.") => TEXTS_MAX,
        _ => 0,
    }
}

/// The parts of a name with dots, where the expression is nothing but a name.
fn dotted(expression: &IdedExpr) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = expression;
    while let Expr::Select(select) = &rest.expr {
        parts.push(select.field.as_str());
        rest = &select.operand;
    }
    let Expr::Ident(root) = &rest.expr else { return None };
    parts.push(root);
    parts.reverse();
    Some(parts)
}
