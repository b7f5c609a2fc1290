//! What inputs and answers looked like when the model was made. The form is described in docs/formats/profile.md.

use serde::{Deserialize, Serialize};

use crate::embedding::Embedding;
use crate::inputs::Inputs;
use crate::sketch::{Sketch, quantiles_of};
use crate::tally::{ABSENT, Coded, NO_CLASS};

/// The version of the form that is written, and the newest that is read.
const FORMAT_VERSION: u32 = 1;
/// The most bytes that are read.
pub const PROFILE_BYTES_MAX: usize = 64 << 20;
/// So many examples are enough: what is left to chance then is less than a window's own.
pub const EXAMPLES_MAX: usize = 10_000;
/// Most classes, and most sketches.
const ENTRIES_MAX: usize = 1_000_000;

/// The distribution of inputs and answers over held-out examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub(crate) format_version: u32,
    /// The form of the inputs.
    pub(crate) inputs: Inputs,
    /// How many examples it was made of.
    pub(crate) examples: u64,
    /// Each is tested.
    pub(crate) statistics: Vec<Sketch>,
    /// For the embedding alone.
    pub(crate) blocks: Vec<Sketch>,
    embedding: Embedding,
    pub(crate) answers: Answers,
}

/// The distribution of a model's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answers {
    /// Of a classifier.
    Classes {
        /// The names by number.
        labels: Vec<String>,
        /// How often each was the answer.
        answered: Vec<u32>,
        /// How often each was right.
        expected: Vec<u32>,
        /// How many answers were right.
        right: u64,
        /// The answered class's probability.
        confidence: Sketch,
    },
    /// Of a model that answers with a number.
    Values {
        /// The answers.
        answer: Sketch,
        /// `|answer - right answer|`.
        error: Sketch,
    },
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// A class by its number, and its probability.
    Class(u32, f32),
    /// A number.
    Value(f64),
}

/// An example that a profile is made of: what was answered, and what is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observed {
    /// Numbers of classes, and the answer's probability.
    Class {
        /// The answer.
        answered: u32,
        /// Its probability.
        confidence: f32,
        /// The right answer.
        expected: u32,
    },
    /// Numbers, in the target's unit.
    Value {
        /// The answer.
        answered: f64,
        /// The right answer.
        expected: f64,
    },
}

impl Profile {
    /// The profile of examples. `summaries` are what [`Inputs::summarise`] gives, one behind the other; `observed` has one
    /// entry for each. `labels` are the class names, none if the answers are numbers.
    ///
    /// Panics if the lengths do not fit, or an entry is of the other kind or names a class that is not there.
    pub fn of(inputs: Inputs, labels: &[String], summaries: &[f32], observed: &[Observed]) -> Self {
        let (statistics, blocks) = (inputs.statistics(), inputs.blocks());
        let width = statistics.len() + blocks.len();
        assert_eq!(summaries.len(), observed.len() * width, "{} examples of {width} numbers", observed.len());
        let quantiles = quantiles_of(width);
        let sketch = |(place, name): (usize, String)| {
            let column: Vec<f32> = summaries.iter().skip(place).step_by(width).copied().collect();
            Sketch::of(name, &column, quantiles)
        };
        let offset = statistics.len();
        let statistics: Vec<Sketch> = statistics.into_iter().enumerate().map(sketch).collect();
        let blocks: Vec<Sketch> =
            blocks.into_iter().enumerate().map(|(place, name)| sketch((place + offset, name))).collect();
        let (embedded, skipped) = if blocks.is_empty() { (&statistics, 0) } else { (&blocks, offset) };
        let bins: Vec<u8> = summaries
            .chunks_exact(width)
            .flat_map(|row| {
                embedded.iter().zip(&row[skipped..]).map(|(sketch, &value)| sketch.bin(value) as u8)
            })
            .collect();
        let embedding = Embedding::of(embedded, &bins);
        let answers = Answers::of(labels, observed);
        let examples = observed.len() as u64;
        Profile { format_version: FORMAT_VERSION, inputs, examples, statistics, blocks, embedding, answers }
    }

    /// The form of the inputs.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The answers' distribution.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// How many examples it was made of.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// The class names; none if the answers are numbers.
    pub fn classes(&self) -> &[String] {
        match &self.answers {
            Answers::Classes { labels, .. } => labels,
            Answers::Values { .. } => &[],
        }
    }

    /// The names of the numbers that a request is coded from, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.statistics.iter().chain(&self.blocks).map(Sketch::name)
    }

    /// The code of one request: `summary` has a number for each of [`Profile::fields`], or `None` where it is not known; those
    /// that are missing at the end are not known.
    pub fn code(&self, summary: &[Option<f32>], answer: Option<Answer>) -> Coded {
        let mut values = summary.iter().copied();
        self.coded(|| values.next().flatten(), answer)
    }

    /// The same for a whole summary, without a list of what is known.
    pub fn code_all(&self, summary: &[f32], answer: Option<Answer>) -> Coded {
        let mut values = summary.iter().copied();
        self.coded(|| values.next(), answer)
    }

    fn coded(&self, mut next: impl FnMut() -> Option<f32>, answer: Option<Answer>) -> Coded {
        let bin = |sketch: &Sketch, value: Option<f32>| value.map_or(ABSENT, |value| sketch.bin(value) as u8);
        let mut bins: Vec<u8> = Vec::with_capacity(self.statistics.len() + self.blocks.len() + 1);
        bins.extend(self.statistics.iter().chain(&self.blocks).map(|sketch| bin(sketch, next())));
        let (class, value) = match answer {
            Some(Answer::Class(class, confidence)) => (class, Some(confidence)),
            Some(Answer::Value(value)) => (NO_CLASS, Some(value as f32)),
            None => (NO_CLASS, None),
        };
        bins.push(bin(self.answer_sketch(), value));
        Coded { bins: bins.into_boxed_slice(), class }
    }

    /// Every sketch that a request is coded by.
    pub(crate) fn sketches(&self) -> impl Iterator<Item = &Sketch> {
        self.statistics.iter().chain(&self.blocks).chain([self.answer_sketch()])
    }

    /// The sketches that make the embedding, the place of the first among all, and the embedding.
    pub(crate) fn embedded(&self) -> (&[Sketch], usize, &Embedding) {
        match self.blocks.is_empty() {
            true => (&self.statistics, 0, &self.embedding),
            false => (&self.blocks, self.statistics.len(), &self.embedding),
        }
    }

    fn answer_sketch(&self) -> &Sketch {
        match &self.answers {
            Answers::Classes { confidence, .. } => confidence,
            Answers::Values { answer, .. } => answer,
        }
    }

    /// The profile as bytes, the same for the same examples.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers, texts and lists: nothing that JSON refuses.
        serde_json::to_vec(self).unwrap_or_else(|error| panic!("a profile cannot be JSON: {error}"))
    }

    /// Reads a profile; safe on any bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > PROFILE_BYTES_MAX {
            return Err(format!("{} bytes, at most {PROFILE_BYTES_MAX} are read", bytes.len()));
        }
        let profile: Profile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if profile.format_version != FORMAT_VERSION {
            return Err(format!("version {} of profiles is not known here", profile.format_version));
        }
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), String> {
        if self.inputs.is_empty() {
            return Err("its inputs have no values, or too many".to_owned());
        }
        let names = |sketches: &[Sketch], expect: Vec<String>| {
            sketches.len() == expect.len()
                && sketches.iter().zip(&expect).all(|(each, name)| each.name == *name)
        };
        if !names(&self.statistics, self.inputs.statistics()) || !names(&self.blocks, self.inputs.blocks()) {
            return Err("its statistics are not those of its inputs".to_owned());
        }
        let (embedded, _, embedding) = self.embedded();
        embedding.check(embedded.len())?;
        self.statistics.iter().chain(&self.blocks).try_for_each(|sketch| sketch.check(self.examples))?;
        self.answers.check(self.examples)
    }
}

impl Answers {
    fn of(labels: &[String], observed: &[Observed]) -> Self {
        let quantiles = quantiles_of(1);
        if labels.is_empty() {
            let numbers = |number: fn(f64, f64) -> f64| -> Vec<f32> {
                let each = observed.iter().map(|each| match each {
                    Observed::Value { answered, expected } => number(*answered, *expected) as f32,
                    Observed::Class { .. } => panic!("a class among numbers: {each:?}"),
                });
                each.collect()
            };
            let error = numbers(|answered, expected| (answered - expected).abs());
            return Answers::Values {
                answer: Sketch::of("answer".to_owned(), &numbers(|answered, _| answered), quantiles),
                error: Sketch::of("error".to_owned(), &error, quantiles),
            };
        }
        let (mut answered, mut expected) = (vec![0; labels.len()], vec![0; labels.len()]);
        let (mut right, mut confidences) = (0, Vec::with_capacity(observed.len()));
        for each in observed {
            let Observed::Class { answered: answer, confidence, expected: truth } = *each else {
                panic!("a number among classes: {each:?}")
            };
            answered[answer as usize] += 1;
            expected[truth as usize] += 1;
            right += u64::from(answer == truth);
            confidences.push(confidence);
        }
        let confidence = Sketch::of("confidence".to_owned(), &confidences, quantiles);
        Answers::Classes { labels: labels.to_vec(), answered, expected, right, confidence }
    }

    fn check(&self, examples: u64) -> Result<(), String> {
        match self {
            Answers::Values { answer, error } => {
                [answer, error].into_iter().try_for_each(|each| each.check(examples))
            }
            Answers::Classes { labels, answered, expected, right, confidence } => {
                let lengths = [answered, expected].into_iter().all(|counts| counts.len() == labels.len());
                let sums = [answered, expected]
                    .into_iter()
                    .all(|counts| counts.iter().map(|&count| u64::from(count)).sum::<u64>() == examples);
                match lengths && sums && *right <= examples && (1..=ENTRIES_MAX).contains(&labels.len()) {
                    true => confidence.check(examples),
                    false => Err("the counts of its classes do not add up".to_owned()),
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A profile of one feature that runs from 0 to `examples`, of a model that answers with it.
    pub(crate) fn line(examples: usize) -> Profile {
        let values: Vec<f32> = (0..examples).map(|value| value as f32).collect();
        let observed: Vec<Observed> = values
            .iter()
            .map(|&value| Observed::Value { answered: f64::from(value), expected: f64::from(value) + 1.0 })
            .collect();
        Profile::of(Inputs::Table { features: vec!["x".to_owned()] }, &[], &values, &observed)
    }

    fn pictures() -> Profile {
        let inputs = Inputs::Picture { channels: 1, height: 4, width: 4 };
        let (mut summaries, mut summary, mut observed) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..100u32 {
            let pixels: Vec<u8> = (0..16).map(|pixel| (number * 7 + pixel * 31) as u8).collect();
            assert!(inputs.summarise(crate::Raw::U8(&pixels), &mut summary));
            summaries.extend_from_slice(&summary);
            observed.push(Observed::Class { answered: number % 2, confidence: 0.5, expected: 0 });
        }
        Profile::of(inputs, &["no".to_owned(), "yes".to_owned()], &summaries, &observed)
    }

    #[test]
    fn profiles_are_read_as_they_were_written() {
        for profile in [line(100), pictures()] {
            let bytes = profile.to_bytes();
            assert_eq!(Profile::from_bytes(&bytes).as_ref(), Ok(&profile));
            assert_eq!(Profile::from_bytes(&bytes).map(|read| read.to_bytes()), Ok(bytes));
        }
        let Answers::Classes { answered, right, .. } = pictures().answers else { panic!("classes") };
        assert_eq!((answered, right), (vec![50, 50], 50));
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let text = String::from_utf8(line(100).to_bytes()).expect("JSON");
        let mistakes = [
            ("\"format_version\":1", "\"format_version\":2", "version 2"),
            ("\"examples\":100", "\"examples\":101", "do not add up"),
            ("\"features\":[\"x\"]", "\"features\":[\"y\"]", "not those of its inputs"),
            ("\"features\":[\"x\"]", "\"features\":[]", "no values"),
            ("\"dimensions\":1", "\"dimensions\":2", "dimensions"),
            ("\"covariance\":[0", "\"covariance\":[-0", "covariance is none"),
            ("\"cuts\":[1.0,", "\"cuts\":[9.0,", "not ascending"),
            ("\"cuts\":[1.0,", "\"cuts\":[0.5,1.0,", "do not add up"),
            ("{\"table\"", "{\"stable\"", "unknown variant"),
        ];
        for (from, to, expect) in mistakes {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let refused = Profile::from_bytes(changed.as_bytes()).expect_err(to);
            assert!(refused.contains(expect), "{to}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..2000, cut in 0usize..2000) {
            let _ = Profile::from_bytes(&bytes);
            let mut whole = line(50).to_bytes();
            let at = at % whole.len();
            whole[at] = bytes.first().copied().unwrap_or(b'9');
            if let Ok(profile) = Profile::from_bytes(&whole) {
                let _ = crate::judge(&profile, &crate::Tally::new(&profile), None, &crate::Settings::default());
            }
            whole.truncate(cut);
            let _ = Profile::from_bytes(&whole);
        }
    }
}
