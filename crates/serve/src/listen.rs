//! Connections: taken, bounded, and ended in order.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::app::App;
use crate::tls::Tls;

/// A client has so long to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 100;
/// Requests that one HTTP/2 connection has in flight.
const STREAMS_MAX: u32 = 1024;
/// After an error such as "too many open files" the next connection is waited for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a door allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections at a time; further ones wait to be taken.
    pub(crate) connections_max: usize,
    /// How long requests in flight may take when the server ends.
    pub(crate) drain: Duration,
}

/// Takes connections until `end` says so; then lets those that are open finish what they do.
pub(crate) async fn listen(
    app: Arc<App>,
    listener: TcpListener,
    router: Router,
    (bounds, tls): (Bounds, Option<Tls>),
    mut end: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(bounds.connections_max));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder());
    loop {
        let permit = tokio::select! {
            permit = permits.clone().acquire_owned() => permit,
            _ = end.wait_for(|&end| end) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = end.wait_for(|&end| end) => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Answers are small and waited for; joining them with later ones would only delay them.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let (builder, watcher, app) = (builder.clone(), graceful.watcher(), app.clone());
        app.metrics.connections.inc();
        let tls = tls.clone();
        tokio::spawn(async move {
            // A connection that breaks is its client's affair.
            let _ = match tls {
                None => {
                    watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned()).await
                }
                Some(tls) => match tls.accept(stream).await {
                    Some(stream) => {
                        watcher
                            .watch(builder.serve_connection(TokioIo::new(stream), service).into_owned())
                            .await
                    }
                    None => Ok(()),
                },
            };
            app.metrics.connections.dec();
            drop(permit);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(bounds.drain, graceful.shutdown()).await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX);
    builder
}
