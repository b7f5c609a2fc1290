//! The operators, one file each. A new operator is a new file and its line in the list below.

use crate::Operator;

/// Declares the operator modules and the table of their operators.
macro_rules! operators {
    ($($module:ident::$op:ident),* $(,)?) => {
        static OPERATORS: &[&dyn Operator] = &[$(&$module::$op),*];
    };
}

pub(crate) mod broadcast;

pub mod add;
pub mod cast;
pub mod relu;
pub mod relu_grad;
pub mod squeeze;

operators![add::Add, cast::Cast, relu::Relu, relu_grad::ReluGrad, squeeze::Squeeze,];

/// All operators.
pub fn all() -> impl Iterator<Item = &'static dyn Operator> {
    OPERATORS.iter().copied()
}

/// The operator called `name`.
pub fn find(name: &str) -> Option<&'static dyn Operator> {
    all().find(|op| op.schema().name == name)
}
