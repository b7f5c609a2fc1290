//! The operators, one file each. A new operator is a new file and its line in the list below.

use crate::Operator;

/// Declares the operator modules and the table of their operators.
macro_rules! operators {
    ($($module:ident::$op:ident),* $(,)?) => {
        static OPERATORS: &[&dyn Operator] = &[$(&$module::$op),*];
    };
}

pub(crate) mod broadcast;
pub(crate) mod movement;
pub(crate) mod reduction;
pub(crate) mod settings;
pub(crate) mod strided;

pub mod abs;
pub mod add;
pub mod average_pool;
pub mod average_pool_grad;
pub mod batch_normalization;
pub mod batch_normalization_grad;
pub mod cast;
pub mod clip;
pub mod concat;
pub mod conv;
pub mod conv_grad_input;
pub mod conv_grad_weight;
pub mod div;
pub mod equal;
pub mod exp;
pub mod expand;
pub mod expand_like;
pub mod flatten;
pub mod gather;
pub mod gather_grad;
pub mod global_average_pool;
pub mod global_max_pool;
pub mod greater;
pub mod identity;
pub mod log;
pub mod max_pool;
pub mod max_pool_grad;
pub mod mul;
pub mod neg;
pub mod pow;
pub mod reduce_sum;
pub mod relu;
pub mod relu_grad;
pub mod reshape;
pub mod sigmoid;
pub mod sign;
pub mod slice;
pub mod slice_grad;
pub mod sqrt;
pub mod squeeze;
pub mod sub;
pub mod tanh;
pub mod transpose;
pub mod unsqueeze;
pub mod where_op;
pub mod window;

operators![
    abs::Abs,
    add::Add,
    average_pool::AveragePool,
    average_pool_grad::AveragePoolGrad,
    batch_normalization::BatchNormalization,
    batch_normalization_grad::BatchNormalizationGrad,
    cast::Cast,
    clip::Clip,
    concat::Concat,
    conv::Conv,
    conv_grad_input::ConvGradInput,
    conv_grad_weight::ConvGradWeight,
    div::Div,
    equal::Equal,
    exp::Exp,
    expand::Expand,
    expand_like::ExpandLike,
    flatten::Flatten,
    gather::Gather,
    gather_grad::GatherGrad,
    global_average_pool::GlobalAveragePool,
    global_max_pool::GlobalMaxPool,
    greater::Greater,
    identity::Identity,
    log::Log,
    max_pool::MaxPool,
    max_pool_grad::MaxPoolGrad,
    mul::Mul,
    neg::Neg,
    pow::Pow,
    reduce_sum::ReduceSum,
    relu::Relu,
    relu_grad::ReluGrad,
    reshape::Reshape,
    sigmoid::Sigmoid,
    sign::Sign,
    slice::Slice,
    slice_grad::SliceGrad,
    sqrt::Sqrt,
    squeeze::Squeeze,
    sub::Sub,
    tanh::Tanh,
    transpose::Transpose,
    unsqueeze::Unsqueeze,
    where_op::Where,
];

/// All operators.
pub fn all() -> impl Iterator<Item = &'static dyn Operator> {
    OPERATORS.iter().copied()
}

/// The operator called `name`.
pub fn find(name: &str) -> Option<&'static dyn Operator> {
    all().find(|op| op.schema().name == name)
}
