//! How a packaged model is served: the arguments that images, units and manifests give to the program.

use store::ModelVersion;

/// The port that a packaged server listens on.
pub const PORT: u16 = 8080;
/// Where a packaged server reads who may ask it.
pub const API_KEYS: &str = "/etc/heirloom/api-keys";

/// Where a packaged server is reached, and where it finds what it needs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The store; none for a program with the model inside, which knows its model itself.
    pub store: Option<&'a str>,
    /// The address that it listens on.
    pub address: &'a str,
    /// The file with the keys of those who may ask.
    pub api_keys: &'a str,
}

/// The arguments with which `heirloom` serves `version` at `place`.
pub fn serve_arguments(version: &ModelVersion, place: Place<'_>) -> Vec<String> {
    let mut arguments = vec!["serve".to_owned()];
    if let Some(store) = place.store {
        arguments.extend([version.id(), "--store".to_owned(), store.to_owned()]);
    }
    let address = format!("{}:{PORT}", place.address);
    arguments.extend(["--bind", &address, "--no-grpc", "--access", place.api_keys].map(str::to_owned));
    arguments
}
