//! The importance of weights for what a network answers: the diagonal of its Fisher information.

use std::collections::BTreeMap;

use engine::{
    Feed, Flow, Loss, Objective, Optimizer, Options, Planning, Predictor, Targets, Trainer, training_graph,
};
use graph::{Attributes, Graph, ValueId};
use scheme::Ewc;
use tensor::{Random, Tensor};

use super::validation::EVALUATION_BATCH;
use super::{Learner, Training};
use crate::error::RunError;

/// By name, `mean over examples of (d log q(y) / dw)^2` with `y` drawn from `q`, for what `learner` learns.
///
/// One example at a time goes through a training graph whose rate is 0 and whose velocity forgets at once, so that after
/// each step it is that example's gradient. Sums are in `f64`, in the examples' order.
pub(super) fn fisher(
    training: &Training<'_>,
    learner: &Learner<'_>,
    wanted: &Ewc,
) -> Result<BTreeMap<String, Vec<f64>>, RunError> {
    let (graph, scores) = known_scores(learner, &training.plan.known)?;
    let rows = chosen_rows(training, wanted.examples);
    let labels = drawn_labels(training, &graph, learner.feed, &rows)?;
    let feed = Feed { targets: Targets::Classes(&labels), ..learner.feed };
    let forgetful = Optimizer::Momentum { momentum: 0.0, nesterov: false };
    let seed = training.scheme.seed;
    let objective = Objective { drops: false, ..Objective::new(Loss::CrossEntropy, forgetful, seed) };
    let learnt = |name: &str| training.plan.learnt.contains(name);
    let graph = training_graph(&graph, &scores, &learnt, &objective)?;
    let mut trainer = Trainer::planned(
        graph,
        training.engine_options(1),
        Planning { convolutions: training.convolutions, memory_limit: None },
    )?;
    let mut sums: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for &row in &rows {
        trainer.run(feed, &[row], 1, 0.0, &mut |_| Flow::Continue)?;
        for (name, gradient) in trainer.state() {
            let Some(name) = name.strip_suffix(".velocity") else { continue };
            let sum = sums.entry(name.to_owned()).or_insert_with(|| vec![0.0; gradient.len()]);
            let squares = gradient.to_f64().into_iter().map(|gradient| gradient * gradient);
            sum.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square);
        }
    }
    let count = rows.len().max(1) as f64;
    sums.values_mut().flatten().for_each(|sum| *sum /= count);
    Ok(sums)
}

/// The learner's network up to its scores of the classes that the parent knows, and their name.
fn known_scores(learner: &Learner<'_>, known: &[usize]) -> Result<(Graph, String), RunError> {
    let mut graph = learner.graph.clone();
    let places: Vec<i64> = known.iter().map(|&class| class as i64).collect();
    let places = graph.constant("fisher.known", Tensor::new([places.len()], places));
    let attributes = Attributes::from([("axis".to_owned(), 1.into())]);
    let scores: ValueId = graph
        .push("fisher.scores", "Gather", attributes, &[learner.prediction, places])
        .map_err(|error| RunError::damaged("the network", error))?;
    graph.outputs = vec![scores];
    let name = graph.value(scores).name.clone();
    Ok((graph, name))
}

/// Training examples, chosen by chance.
fn chosen_rows(training: &Training<'_>, count: usize) -> Vec<u32> {
    let train = &training.examples.splits.train;
    let order = Random::new(training.scheme.seed, "heirloom.fisher.examples").permutation(0, train.len());
    order.into_iter().take(count).map(|place| train[place as usize]).collect()
}

/// A label for each of `rows`, drawn from the network's own answer; 0 for all others.
fn drawn_labels(
    training: &Training<'_>,
    graph: &Graph,
    feed: Feed<'_>,
    rows: &[u32],
) -> Result<Vec<u32>, RunError> {
    let options: Options = training.engine_options(EVALUATION_BATCH);
    let mut predictor = Predictor::new(graph, options)?;
    let answers = predictor.run(Feed { targets: Targets::None, ..feed }, rows)?.remove(0);
    let known = training.plan.known.len();
    let random = Random::new(training.scheme.seed, "heirloom.fisher.answers");
    let mut labels = vec![0; feed.len()];
    for (&row, scores) in rows.iter().zip(answers.values::<f32>().chunks_exact(known)) {
        labels[row as usize] = draw(scores, f64::from(random.uniform(0, u64::from(row))));
    }
    Ok(labels)
}

/// The class at `share` of the way through the softmax of `scores`.
fn draw(scores: &[f32], share: f64) -> u32 {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = scores.iter().map(|score| f64::from(score - greatest).exp()).collect();
    let mut left = share * weights.iter().sum::<f64>();
    for (class, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return class as u32;
        }
    }
    weights.len().saturating_sub(1) as u32
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn classes_are_drawn_by_their_probabilities() {
        // softmax = [1/6, 1/3, 1/2]
        let scores = [1f32, 2.0, 3.0].map(f32::ln);
        let drawn = |share| draw(&scores, share);
        assert_eq!([drawn(0.0), drawn(0.16)], [0, 0]);
        assert_eq!([drawn(0.17), drawn(0.49)], [1, 1]);
        assert_eq!([drawn(0.51), drawn(1.0)], [2, 2]);
        assert_eq!(draw(&[f32::NAN, 0.0], 0.5), 1);
    }
}
