//! Why a request is not answered, in the terms of both transports.

use std::fmt;

/// What kind of refusal, as HTTP status and gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong: 400, `INVALID_ARGUMENT`.
    Invalid,
    /// Nobody has shown who asks: 401, `UNAUTHENTICATED`.
    Unauthenticated,
    /// Who asks may not: 403, `PERMISSION_DENIED`.
    Forbidden,
    /// No such model, version or path: 404, `NOT_FOUND`.
    Unknown,
    /// The request did not arrive in time: 408, `DEADLINE_EXCEEDED`.
    Slow,
    /// More bytes or rows than the limit: 413, `INVALID_ARGUMENT`.
    TooLarge,
    /// Bytes of a kind that nothing here reads: 415, `INVALID_ARGUMENT`.
    UnknownMedia,
    /// The queue is full or the caller's rate is used up: 429 with `Retry-After`, `RESOURCE_EXHAUSTED`.
    Overloaded,
    /// We are wrong: 500, `INTERNAL`.
    Internal,
    /// The model is not ready, or the server ends: 503, `UNAVAILABLE`.
    Unavailable,
    /// The deadline passed before the answer was computed: 504, `DEADLINE_EXCEEDED`.
    Late,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind.
    pub kind: Kind,
    /// One sentence: what was found, what was expected.
    pub message: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Refusal { kind, message: message.into() }
    }

    /// The request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Refusal::new(Kind::Invalid, message)
    }

    /// There is no such thing.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Refusal::new(Kind::Unknown, message)
    }
}

impl Kind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Kind::Invalid => 400,
            Kind::Unauthenticated => 401,
            Kind::Forbidden => 403,
            Kind::Unknown => 404,
            Kind::Slow => 408,
            Kind::TooLarge => 413,
            Kind::UnknownMedia => 415,
            Kind::Overloaded => 429,
            Kind::Internal => 500,
            Kind::Unavailable => 503,
            Kind::Late => 504,
        }
    }

    /// The gRPC code.
    pub(crate) fn code(self) -> tonic::Code {
        match self {
            Kind::Invalid | Kind::TooLarge | Kind::UnknownMedia => tonic::Code::InvalidArgument,
            Kind::Unauthenticated => tonic::Code::Unauthenticated,
            Kind::Forbidden => tonic::Code::PermissionDenied,
            Kind::Unknown => tonic::Code::NotFound,
            Kind::Overloaded => tonic::Code::ResourceExhausted,
            Kind::Internal => tonic::Code::Internal,
            Kind::Unavailable => tonic::Code::Unavailable,
            Kind::Late | Kind::Slow => tonic::Code::DeadlineExceeded,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        tonic::Status::new(refusal.kind.code(), refusal.message)
    }
}

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store does not give what is to be served.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// A model cannot be loaded.
    #[error(transparent)]
    Model(#[from] pipeline::RunError),
    /// The log of requests cannot be kept.
    #[error(transparent)]
    Log(#[from] monitor::MonitorError),
    /// The system refuses.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried.
        operation: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A version that must not or cannot answer.
    #[error("{version} cannot be served: {reason}")]
    Unservable {
        /// `name@N`.
        version: String,
        /// Why not.
        reason: String,
    },
    /// What was asked for is wrong.
    #[error("{}", .0.message)]
    Mistake(base::Diagnostic),
}

impl ServeError {
    pub(crate) fn unservable(version: String, reason: impl Into<String>) -> Self {
        ServeError::Unservable { version, reason: reason.into() }
    }

    pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let operation = operation.into();
        move |source| ServeError::Io { operation, source }
    }
}
