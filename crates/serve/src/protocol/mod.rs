//! The Open Inference Protocol's terms, apart from any transport: what a model takes and gives, a checked question,
//! an answer.

mod answer;
mod json;
mod numbers;
mod question;
mod signature;

pub(crate) use answer::{Answer, Column, columns};
pub(crate) use json::{AnswerBody, QuestionBody, parse, write};
pub(crate) use question::{Examples, Question, RawTensor, Values, examples, outputs, shown};
pub(crate) use signature::{Port, Signature};
