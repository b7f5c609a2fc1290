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

pub mod add;
pub mod average_pool;
pub mod average_pool_grad;
pub mod batch_normalization;
pub mod batch_normalization_grad;
pub mod cast;
pub mod conv;
pub mod conv_grad_input;
pub mod conv_grad_weight;
pub mod expand_like;
pub mod global_average_pool;
pub mod global_max_pool;
pub mod max_pool;
pub mod max_pool_grad;
pub mod mul;
pub mod reduce_sum;
pub mod relu;
pub mod relu_grad;
pub mod reshape;
pub mod squeeze;
pub mod unsqueeze;
pub mod window;

operators![
    add::Add,
    average_pool::AveragePool,
    average_pool_grad::AveragePoolGrad,
    batch_normalization::BatchNormalization,
    batch_normalization_grad::BatchNormalizationGrad,
    cast::Cast,
    conv::Conv,
    conv_grad_input::ConvGradInput,
    conv_grad_weight::ConvGradWeight,
    expand_like::ExpandLike,
    global_average_pool::GlobalAveragePool,
    global_max_pool::GlobalMaxPool,
    max_pool::MaxPool,
    max_pool_grad::MaxPoolGrad,
    mul::Mul,
    reduce_sum::ReduceSum,
    relu::Relu,
    relu_grad::ReluGrad,
    reshape::Reshape,
    squeeze::Squeeze,
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
