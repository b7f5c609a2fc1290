//! The operators, one file each. A new operator is a new file and its line in the list below.

use crate::Operator;

/// Declares the operator modules and the table of their operators.
macro_rules! operators {
    ($($module:ident::$op:ident),* $(,)?) => {
        static OPERATORS: &[&dyn Operator] = &[$(&$module::$op),*];
    };
}

pub(crate) mod broadcast;
pub(crate) mod reduction;
pub(crate) mod settings;

pub mod abs;
pub mod add;
pub mod average_pool;
pub mod average_pool_grad;
pub mod batch_normalization;
pub mod batch_normalization_grad;
pub mod cast;
pub mod conv;
pub mod conv_grad_input;
pub mod conv_grad_weight;
pub mod div;
pub mod exp;
pub mod expand_like;
pub mod global_average_pool;
pub mod global_max_pool;
pub mod identity;
pub mod log;
pub mod max_pool;
pub mod max_pool_grad;
pub mod mul;
pub mod neg;
pub mod reduce_sum;
pub mod relu;
pub mod relu_grad;
pub mod reshape;
pub mod sigmoid;
pub mod sign;
pub mod sqrt;
pub mod squeeze;
pub mod sub;
pub mod tanh;
pub mod unsqueeze;
pub mod window;

operators![
    abs::Abs,
    add::Add,
    average_pool::AveragePool,
    average_pool_grad::AveragePoolGrad,
    batch_normalization::BatchNormalization,
    batch_normalization_grad::BatchNormalizationGrad,
    cast::Cast,
    conv::Conv,
    conv_grad_input::ConvGradInput,
    conv_grad_weight::ConvGradWeight,
    div::Div,
    exp::Exp,
    expand_like::ExpandLike,
    global_average_pool::GlobalAveragePool,
    global_max_pool::GlobalMaxPool,
    identity::Identity,
    log::Log,
    max_pool::MaxPool,
    max_pool_grad::MaxPoolGrad,
    mul::Mul,
    neg::Neg,
    reduce_sum::ReduceSum,
    relu::Relu,
    relu_grad::ReluGrad,
    reshape::Reshape,
    sigmoid::Sigmoid,
    sign::Sign,
    sqrt::Sqrt,
    squeeze::Squeeze,
    sub::Sub,
    tanh::Tanh,
    unsqueeze::Unsqueeze,
];

/// All operators.
pub fn all() -> impl Iterator<Item = &'static dyn Operator> {
    OPERATORS.iter().copied()
}

/// The operator called `name`.
pub fn find(name: &str) -> Option<&'static dyn Operator> {
    all().find(|op| op.schema().name == name)
}
