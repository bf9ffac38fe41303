//! Conditions in the Common Expression Language (CEL). Compiled once, when definitions are read, within
//! limits that bound the cost of every later evaluation; an evaluation has no clock, no randomness and no
//! I/O, so it gives the same answer on every replica and every replay.

mod comparison;
mod size;

use std::fmt;
use std::sync::Arc;

use cel::context::{Context, VariableResolver};
use cel::{Env, Program, Value};
use compact_str::CompactString;

use self::comparison::Comparison;
use self::size::Size;

/// The longest source of a condition, in bytes.
pub const SOURCE_BYTES_MAX: usize = 4 * 1024;
/// The largest number of nodes in a compiled condition.
pub const NODES_MAX: usize = 1_000;
/// How deep `all`, `exists`, `map` and `filter` may be nested.
pub const MACRO_NESTING_MAX: usize = 1;
/// The most steps that one evaluation may come to, counted from the source before anything is evaluated: a
/// name or an operator is one, a name that is a list is as many as the list may have elements, and what is
/// done to each element of a list counts as often.
pub const STEPS_MAX: u64 = 250_000;

/// The functions that a condition may call: no clock, and no `matches`, which has a cost of its own.
pub const FUNCTIONS: [&str; 11] =
    ["bool", "contains", "double", "dyn", "endsWith", "int", "size", "startsWith", "string", "type", "uint"];

/// The names that a condition may start from.
pub const ROOTS: [&str; 9] =
    ["attributes", "event", "orders", "profile", "recent", "segments", "session", "tags", "traits"];

thread_local! {
    // Building the table of standard functions takes 50 times as long as an evaluation.
    static ROOT: Context<'static, 'static> = Context::with_env(Arc::new(Env::stdlib()));
}

/// A compiled condition.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    program: Arc<Program>,
    comparison: Option<Comparison>,
    reads: Reads,
}

/// What a condition looks at: it needs to be evaluated again only when one of these changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The names it starts from, of [`ROOTS`].
    pub roots: Vec<&'static str>,
    /// The attributes it names, sorted.
    pub attributes: Vec<CompactString>,
    /// The interests whose tags it names, sorted.
    pub tags: Vec<CompactString>,
    /// The traits it names, sorted; of one with dots in its name, the part before the first.
    pub traits: Vec<CompactString>,
    /// Whether it names traits in another way than by a dot, so that it may look at any.
    pub any_trait: bool,
}

/// Why a condition was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong and what to do.
    pub message: String,
    /// The column in the source where it is, from 1, where that is known.
    pub column: Option<usize>,
}

impl Expression {
    /// Compiles a condition.
    ///
    /// # Errors
    /// When it is not CEL, exceeds a limit, or starts from a name that is not one of [`ROOTS`].
    pub fn compile(source: &str) -> Result<Expression, ExpressionError> {
        if source.len() > SOURCE_BYTES_MAX {
            return refuse(format!(
                "the condition has {} bytes; at most {SOURCE_BYTES_MAX} are allowed",
                source.len()
            ));
        }
        let program = Program::compile(source).map_err(|errors| parse_error(&errors))?;
        let size = Size::of(program.expression())?;
        if size.nodes > NODES_MAX {
            return refuse(format!(
                "the condition has {} nodes; at most {NODES_MAX} are allowed",
                size.nodes
            ));
        }
        if size.nesting > MACRO_NESTING_MAX {
            return refuse("all, exists, map and filter may not be nested in one another".into());
        }
        if size.steps > STEPS_MAX {
            return refuse(format!(
                "the condition may take {} steps; at most {STEPS_MAX} are allowed: look at fewer lists, above \
                 all within all, exists, map and filter",
                size.steps
            ));
        }
        let reads = Reads::of(source, &program)?;
        let comparison = Comparison::of(program.expression());
        Ok(Expression { source: source.into(), program: Arc::new(program), comparison, reads })
    }

    /// The condition as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it looks at.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Whether the condition holds. None when it cannot be said: something that it names is absent, or has
    /// another type than the condition needs.
    pub fn holds(&self, names: &dyn VariableResolver) -> Option<bool> {
        let compared = self.comparison.as_ref().and_then(|comparison| comparison.holds(names));
        compared.or_else(|| self.interpret(names))
    }

    fn interpret(&self, names: &dyn VariableResolver) -> Option<bool> {
        ROOT.with(|root| {
            let mut scope = root.new_inner_scope();
            scope.set_variable_resolver(names);
            match self.program.execute(&scope) {
                Ok(Value::Bool(answer)) => Some(answer),
                _ => None,
            }
        })
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Expression({:?})", self.source)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.source == other.source
    }
}

impl Reads {
    fn of(source: &str, program: &Program) -> Result<Reads, ExpressionError> {
        let mut roots = Vec::new();
        // Sorted: they come in another order each time, and the one complained about must be the same.
        for name in std::collections::BTreeSet::from_iter(program.references().variables()) {
            // A macro's own variables are references too; they are declared in the source before a comma.
            let declared = source.contains(&format!("({name},")) || source.contains(&format!("({name} ,"));
            match ROOTS.iter().find(|root| *root == &name) {
                Some(root) => roots.push(*root),
                None if name.starts_with('@') || declared => {}
                None => {
                    let known = ROOTS.join(", ");
                    return refuse(format!("{name} is not known; conditions start from {known}"));
                }
            }
        }
        roots.sort_unstable();
        let attributes = members(source, "attributes");
        let tags = members(source, "tags");
        if roots.contains(&"attributes") && attributes.is_empty() {
            return refuse("name attributes as attributes.NAME".into());
        }
        if roots.contains(&"tags") && tags.is_empty() {
            return refuse("name the tags of an interest as tags.NAME".into());
        }
        let traits = members(source, "traits");
        let any_trait = roots.contains(&"traits")
            && source.split("traits").skip(1).any(|rest| !rest.trim_start().starts_with('.'));
        Ok(Reads { roots, attributes, tags, traits, any_trait })
    }

    /// Whether it looks at the event.
    pub fn event(&self) -> bool {
        self.roots.contains(&"event")
    }
}

/// The names that follow `root.` in a source, sorted, each once.
fn members(source: &str, root: &str) -> Vec<CompactString> {
    let mut names: Vec<CompactString> = source
        .match_indices(root)
        .filter_map(|(at, _)| source.get(at + root.len()..)?.trim_start().strip_prefix('.'))
        .map(|rest| rest.trim_start())
        .filter_map(|rest| {
            let end =
                rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
            rest.get(..end).filter(|name| !name.is_empty()).map(Into::into)
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn parse_error(errors: &cel::ParseErrors) -> ExpressionError {
    match errors.errors.first() {
        Some(error) => ExpressionError {
            message: format!("not a CEL expression: {}", error.msg),
            column: usize::try_from(error.pos.1).ok().filter(|column| *column > 0),
        },
        None => ExpressionError { message: "not a CEL expression".into(), column: None },
    }
}

fn refuse<T>(message: String) -> Result<T, ExpressionError> {
    Err(ExpressionError { message, column: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cel::common::types::{CelDouble, CelInt};
    use cel::common::value::CowVal;

    struct Names;

    impl VariableResolver for Names {
        fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
            match variable {
                "attributes.views" => Some(CowVal::owned(CelInt::from(7))),
                "attributes.spent" => Some(CowVal::owned(CelDouble::from(12.5))),
                _ => None,
            }
        }
    }

    fn holds(source: &str) -> Option<bool> {
        Expression::compile(source).unwrap().holds(&Names)
    }

    #[test]
    fn conditions_hold_or_do_not_or_cannot_be_said() {
        assert_eq!(holds("attributes.views >= 5 && attributes.spent > 12"), Some(true));
        assert_eq!(holds("attributes.views > 7"), Some(false));
        assert_eq!(holds("attributes.unheard_of > 7"), None);
        assert_eq!(holds("attributes.views"), None, "a number is no answer");
        assert_eq!(holds("attributes.views / 0 > 1"), None);
    }

    #[test]
    fn it_knows_what_it_reads() {
        let reads =
            Expression::compile("attributes.a > 1 && 'vip' in segments && attributes.b == attributes.a")
                .unwrap()
                .reads()
                .clone();
        assert_eq!(reads.roots, ["attributes", "segments"]);
        assert_eq!(reads.attributes, ["a", "b"]);
        assert!(Expression::compile("event.items.exists(item, item.price > 3.0)").is_ok());
    }

    #[test]
    fn what_is_too_costly_or_unknown_is_refused() {
        let message = |source: &str| Expression::compile(source).unwrap_err().message;
        assert!(message("atributes.a > 1").contains("not known"));
        assert!(message("attributes['a'] > 1").contains("attributes.NAME"));
        assert!(message("1 +").contains("not a CEL expression"));
        assert!(message(&"(".repeat(100_000)).contains("bytes"));
        assert!(message(&format!("{}1{}", "(".repeat(1_500), ")".repeat(1_500))).contains("not a CEL"));
        assert!(message("tags.a.all(x, tags.b.exists(y, x == y))").contains("nested"));
        assert!(message("traits.plan.matches('(a{1000}){1000}')").contains("no function matches"));
        assert!(message("a.b{c: 1}").contains("no messages"));
        assert!(message(&vec!["1"; 1_100].join("+")).contains("no"));
    }

    /// The order of a map's keys differs from process to process, so nothing may depend on it.
    #[test]
    fn only_lists_are_gone_through() {
        let message = |source: &str| Expression::compile(source).unwrap_err().message;
        for map in ["traits", "event.properties", "{'a': 1}", "[traits][0]", "(recent + recent)"] {
            assert!(message(&format!("{map}.map(k, k)[0] == 'a'")).contains("lists alone"), "{map}");
        }
        for list in ["traits.a", "event.properties.a", "recent", "segments", "[1, 2]", "tags.a"] {
            assert!(Expression::compile(&format!("{list}.all(x, x != 'a')")).is_ok(), "{list}");
        }
    }

    #[test]
    fn the_steps_of_an_evaluation_are_counted_from_the_source() {
        let within = |inside: &str| Expression::compile(&format!("event.items.exists(i, {inside})"));
        let looked_up = |times: usize| vec!["i.category in tags.a"; times].join(" || ");
        assert!(within(&looked_up(3)).is_ok());
        assert!(within(&looked_up(4)).unwrap_err().message.contains("steps"));
        let joined = vec!["event.page"; 40].join(" + ");
        assert!(within(&format!("size({joined}) > 1")).unwrap_err().message.contains("steps"));
    }
}
