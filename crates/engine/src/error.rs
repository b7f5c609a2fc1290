//! Why a graph cannot be run.

use graph::GraphError;

/// A graph the engine cannot run, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A length is unknown that is not the batch.
    #[error("the length of {dim} in {value} {shape} is not known; only the first dimension may be open")]
    UnknownLength {
        /// The value's name.
        value: String,
        /// Its shape.
        shape: String,
        /// The dimension.
        dim: String,
    },
    /// A graph could not be made or differentiated.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The graph is not of the form asked for.
    #[error("{0}")]
    Form(String),
    /// The plan needs more memory than it may have.
    #[error("the plan takes at least {least} bytes, more than the {limit} that it may")]
    Memory {
        /// Bytes that the plan may take.
        limit: usize,
        /// The fewest bytes that a plan was found to come by with.
        least: usize,
    },
    /// Saved state that does not belong to this graph.
    #[error("the saved state does not fit: {0}")]
    State(String),
}
