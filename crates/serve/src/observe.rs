//! What happens to the server, told to whoever started it. Nothing is printed here.

use std::sync::Arc;

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The doors are open.
    Listening {
        /// Of the REST interface.
        rest: std::net::SocketAddr,
        /// Of the gRPC interface, if there is one.
        grpc: Option<std::net::SocketAddr>,
        /// Whether both are encrypted.
        encrypted: bool,
    },
    /// A version answers from now on.
    Serving {
        /// `name@N`.
        version: String,
        /// What answered before.
        replaced: Option<String>,
    },
    /// A version should answer and cannot.
    Refused {
        /// `name@N`.
        version: String,
        /// Why.
        reason: String,
        /// What goes on answering.
        serving: Option<String>,
    },
    /// A version answers a share of the requests, or copies of them, on trial.
    Trial {
        /// `name@N`.
        version: String,
        /// Of the requests; 0: copies.
        percent: u8,
    },
    /// A version on trial broke a limit.
    WentBack {
        /// `name@N`.
        version: String,
        /// Which limit, with the figures.
        reason: String,
    },
    /// A version that answers must not be used any more.
    RecalledServing {
        /// `name@N`.
        version: String,
        /// Why.
        reason: String,
    },
    /// A version was taken out of service on request.
    Unloaded {
        /// `name@N`.
        version: String,
    },
    /// The store could not be asked; what answers goes on.
    StoreTrouble {
        /// Why.
        reason: String,
    },
    /// No more connections are taken; those that are open are answered.
    Draining,
}

/// Where happenings are told.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Happening) + Send + Sync>);

impl Observer {
    /// Tells `to`, from any thread.
    pub fn new(to: impl Fn(Happening) + Send + Sync + 'static) -> Self {
        Observer(Arc::new(to))
    }

    pub(crate) fn tell(&self, happening: Happening) {
        (self.0)(happening);
    }
}
