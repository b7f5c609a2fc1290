//! The scheme's words for learning in those of the engine.

use engine::{Distillation, Loss, Objective};
use scheme::{Optimizer, ResolvedScheme};

use crate::teacher::Teacher;

/// What is made small, and how.
pub(super) fn objective(scheme: &ResolvedScheme, teacher: Option<&Teacher>) -> Objective {
    let train = &scheme.train;
    let distillation = train.distill.zip(teacher).map(|(distill, teacher)| Distillation {
        weight: distill.weight as f32,
        temperature: distill.temperature as f32,
        classes: teacher.classes.clone(),
    });
    let loss = match train.loss {
        scheme::Loss::CrossEntropy => Loss::CrossEntropy,
        scheme::Loss::MeanSquaredError => Loss::MeanSquaredError,
    };
    Objective {
        l1: train.l1 as f32,
        l2: train.l2 as f32,
        distillation,
        ..Objective::new(loss, optimizer(&train.optimizer), scheme.seed)
    }
}

fn optimizer(optimizer: &Optimizer) -> engine::Optimizer {
    match optimizer {
        Optimizer::Adam(adam) => engine::Optimizer::Adam {
            beta1: adam.beta1 as f32,
            beta2: adam.beta2 as f32,
            epsilon: adam.epsilon as f32,
            weight_decay: 0.0,
        },
        Optimizer::AdamW(adam) => engine::Optimizer::Adam {
            beta1: adam.beta1 as f32,
            beta2: adam.beta2 as f32,
            epsilon: adam.epsilon as f32,
            weight_decay: adam.weight_decay as f32,
        },
        Optimizer::Momentum(momentum) => {
            engine::Optimizer::Momentum { momentum: momentum.momentum as f32, nesterov: momentum.nesterov }
        }
        Optimizer::Sgd(_) | Optimizer::GradientDescent(_) => engine::Optimizer::GradientDescent,
    }
}

/// The step size.
pub(super) fn learning_rate(optimizer: &Optimizer) -> f32 {
    let rate = match optimizer {
        Optimizer::Adam(settings) => settings.learning_rate,
        Optimizer::AdamW(settings) => settings.learning_rate,
        Optimizer::Momentum(settings) => settings.learning_rate,
        Optimizer::Sgd(settings) => settings.learning_rate,
        Optimizer::GradientDescent(settings) => settings.learning_rate,
    };
    rate as f32
}
