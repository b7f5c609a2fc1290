//! Encryption of connections.

use std::sync::Arc;
use std::time::Duration;

use base::Diagnostic;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client has so long to agree on keys.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

impl Tls {
    /// From PEM texts: the certificate with those that vouch for it, and its private key.
    ///
    /// Errors   texts that hold no such thing; a key that is not the certificate's.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Diagnostic> {
        let wrong = |message: String| Diagnostic::new("tls", message);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| wrong(format!("the certificate cannot be read: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| wrong(format!("the private key cannot be read: {error}")))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config =
            config.map_err(|error| wrong(format!("certificate and key do not serve: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The encrypted connection; `None` if the client does not come to one in time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        tokio::time::timeout(HANDSHAKE_MAX, self.acceptor.accept(stream)).await.ok()?.ok()
    }
}
