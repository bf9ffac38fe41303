//! The most common condition, one attribute against one number, without the interpreter: for each event it would
//! look up the name in several ways and copy the values that it compares. What is not of that form, or where
//! the attribute is no whole number, is left to the interpreter, which answers the same.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelInt;
use cel::context::VariableResolver;
use compact_str::{CompactString, format_compact};

/// An attribute compared with a whole number, as in `attributes.views >= 20`.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    name: CompactString,
    operator: Operator,
    number: i64,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    /// The comparison that a condition is; none where it is something else.
    pub(super) fn of(expression: &IdedExpr) -> Option<Comparison> {
        let Expr::Call(call) = &expression.expr else { return None };
        let operator = match call.func_name.as_str() {
            operators::EQUALS => Operator::Equal,
            operators::GREATER => Operator::Greater,
            operators::GREATER_EQUALS => Operator::GreaterOrEqual,
            operators::LESS => Operator::Less,
            operators::LESS_EQUALS => Operator::LessOrEqual,
            _ => return None,
        };
        let [IdedExpr { expr: Expr::Select(select), .. }, number] = call.args.as_slice() else { return None };
        let Expr::Ident(root) = &select.operand.expr else { return None };
        let Expr::Literal(LiteralValue::Int(number)) = &number.expr else { return None };
        let is_attribute = root == "attributes" && !select.test && call.target.is_none();
        let name = format_compact!("{root}.{}", select.field);
        is_attribute.then_some(Comparison { name, operator, number: *number.inner() })
    }

    /// Whether it holds; none where the interpreter has to say.
    pub(super) fn holds(&self, names: &dyn VariableResolver) -> Option<bool> {
        let value = names.resolve(&self.name)?;
        let value = *value.downcast_ref::<CelInt>()?.inner();
        Some(match self.operator {
            Operator::Equal => value == self.number,
            Operator::Greater => value > self.number,
            Operator::GreaterOrEqual => value >= self.number,
            Operator::Less => value < self.number,
            Operator::LessOrEqual => value <= self.number,
        })
    }
}

#[cfg(test)]
mod tests {
    use cel::Program;
    use cel::common::types::CelDouble;
    use cel::common::value::CowVal;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::expression::Expression;

    struct Names(i64);

    impl VariableResolver for Names {
        fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
            match variable {
                "attributes.views" => Some(CowVal::owned(CelInt::from(self.0))),
                "attributes.spent" => Some(CowVal::owned(CelDouble::from(self.0 as f64))),
                _ => None,
            }
        }
    }

    fn comparison(source: &str) -> Option<Comparison> {
        Comparison::of(Program::compile(source).unwrap().expression())
    }

    #[test]
    fn what_is_no_comparison_of_an_attribute_with_a_number_is_left_to_the_interpreter() {
        for source in [
            "attributes.views >= 20.0",
            "20 <= attributes.views",
            "attributes.views != 20",
            "attributes.views >= 20 && true",
            "session.count >= 20",
            "has(attributes.views)",
            "traits.a.b >= 20",
        ] {
            assert!(comparison(source).is_none(), "{source}");
        }
        let names = Names(20);
        assert_eq!(comparison("attributes.spent >= 20").unwrap().holds(&names), None);
        assert_eq!(comparison("attributes.unheard_of >= 20").unwrap().holds(&names), None);
        assert_eq!(Expression::compile("attributes.spent >= 20.0").unwrap().holds(&names), Some(true));
    }

    proptest! {
        #[test]
        fn it_answers_as_the_interpreter_does(
            operator in prop::sample::select(vec!["==", ">", ">=", "<", "<="]),
            number in 0..5_i64,
            views in -5..5_i64,
        ) {
            let source = format!("attributes.views {operator} {number}");
            let answer = comparison(&source).unwrap().holds(&Names(views));
            // What is not of the form goes to the interpreter.
            let interpreted = Expression::compile(&format!("({source}) && true")).unwrap();
            prop_assert_eq!(answer, interpreted.holds(&Names(views)));
        }
    }
}
