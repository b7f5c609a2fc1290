//! The operators, one file each. A new operator is a new file and its line in the list below.

use crate::Operator;

/// Declares the operator modules and the table of their operators.
macro_rules! operators {
    ($($module:ident::$op:ident),* $(,)?) => {
        static OPERATORS: &[&dyn Operator] = &[$(&$module::$op),*];
    };
}

pub(crate) mod broadcast;
pub(crate) mod cross_entropy;
pub(crate) mod lanes;
pub(crate) mod movement;
pub(crate) mod reduction;
pub(crate) mod settings;
pub(crate) mod strided;
pub(crate) mod update;

pub mod abs;
pub mod adam_update;
pub mod add;
pub mod arg_max;
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
pub mod distillation_loss;
pub mod distillation_loss_grad;
pub mod div;
pub mod dropout;
pub mod dropout_grad;
pub mod equal;
pub mod exp;
pub mod expand;
pub mod expand_like;
pub mod flatten;
pub mod gather;
pub mod gather_grad;
pub mod gemm;
pub mod global_average_pool;
pub mod global_max_pool;
pub mod gradient_descent_update;
pub mod greater;
pub mod identity;
pub mod log;
pub mod log_softmax;
pub mod mat_mul;
pub mod max_pool;
pub mod max_pool_grad;
pub mod mean_squared_error;
pub mod mean_squared_error_grad;
pub mod momentum_update;
pub mod mul;
pub mod neg;
pub mod pad;
pub mod pow;
pub mod reduce_max;
pub mod reduce_mean;
pub mod reduce_min;
pub mod reduce_prod;
pub mod reduce_sum;
pub mod relu;
pub mod relu_grad;
pub mod reshape;
pub mod resize;
pub mod sigmoid;
pub mod sign;
pub mod slice;
pub mod slice_grad;
pub mod softmax;
pub mod softmax_cross_entropy_loss;
pub mod softmax_cross_entropy_loss_grad;
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
    adam_update::AdamUpdate,
    add::Add,
    arg_max::ArgMax,
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
    distillation_loss::DistillationLoss,
    distillation_loss_grad::DistillationLossGrad,
    div::Div,
    dropout::Dropout,
    dropout_grad::DropoutGrad,
    equal::Equal,
    exp::Exp,
    expand::Expand,
    expand_like::ExpandLike,
    flatten::Flatten,
    gather::Gather,
    gather_grad::GatherGrad,
    gemm::Gemm,
    global_average_pool::GlobalAveragePool,
    global_max_pool::GlobalMaxPool,
    gradient_descent_update::GradientDescentUpdate,
    greater::Greater,
    identity::Identity,
    log::Log,
    log_softmax::LogSoftmax,
    mat_mul::MatMul,
    max_pool::MaxPool,
    max_pool_grad::MaxPoolGrad,
    mean_squared_error::MeanSquaredError,
    mean_squared_error_grad::MeanSquaredErrorGrad,
    momentum_update::MomentumUpdate,
    mul::Mul,
    neg::Neg,
    pad::Pad,
    pow::Pow,
    reduce_max::ReduceMax,
    reduce_mean::ReduceMean,
    reduce_min::ReduceMin,
    reduce_prod::ReduceProd,
    reduce_sum::ReduceSum,
    relu::Relu,
    relu_grad::ReluGrad,
    reshape::Reshape,
    resize::Resize,
    sigmoid::Sigmoid,
    sign::Sign,
    slice::Slice,
    slice_grad::SliceGrad,
    softmax::Softmax,
    softmax_cross_entropy_loss::SoftmaxCrossEntropyLoss,
    softmax_cross_entropy_loss_grad::SoftmaxCrossEntropyLossGrad,
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
