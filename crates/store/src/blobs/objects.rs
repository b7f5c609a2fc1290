//! Blobs as objects of an S3-compatible bucket: `PREFIX/blobs/KEY`.
//!
//! An object appears whole or not at all, and is durable once the server has answered. A key says
//! what its bytes are, so writing one twice does no harm, and no write needs a condition.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig, WriteMultipart};
use tokio::runtime::{Builder, Runtime};

use crate::StoreError;
use crate::blobs::BlobFiles;
use crate::error::within;

/// Requests under way at once.
const REQUESTS_MAX: usize = 8;

/// Larger objects are sent in parts of this size.
const PART_BYTES: usize = 16 << 20;

/// How long one request may take, its bytes included.
const REQUEST_TIMEOUT: &str = "600 seconds";
const CONNECT_TIMEOUT: &str = "10 seconds";

/// A request that fails for a passing reason is repeated so often, and for so long.
const RETRIES_MAX: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// The blobs in one bucket.
pub(crate) struct ObjectBlobs {
    /// Requests are waited for on the thread that asks.
    runtime: Runtime,
    bucket: AmazonS3,
    folder: Path,
    /// Where the folder is, for messages.
    place: String,
}

impl ObjectBlobs {
    /// The blobs below `prefix` in `bucket`. Credentials, region and endpoint come from the standard
    /// variables: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`,
    /// `AWS_ALLOW_HTTP` ... Nothing is sent yet.
    pub(crate) fn new(bucket: &str, prefix: &str) -> Result<Self, StoreError> {
        let folder = if prefix.is_empty() { "blobs".to_owned() } else { format!("{prefix}/blobs") };
        let place = format!("s3://{bucket}/{folder}");
        // Whoever was first may have chosen; any choice will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed("reach", &place))?;
        let retry =
            RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let bucket = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retry)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT)
            .build()
            .map_err(|error| failed("reach", &place)(io::Error::other(error)))?;
        Ok(ObjectBlobs { runtime, bucket, folder: Path::from(folder), place })
    }

    fn path(&self, key: &str) -> Path {
        self.folder.clone().join(key)
    }

    /// Waits for one operation on the object `key`.
    fn wait<T>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        let outcome = self.runtime.block_on(work);
        outcome.map_err(|error| failed(operation, &self.place(key))(io::Error::other(error)))
    }

    async fn write(&self, key: &str, bytes: &[u8]) -> object_store::Result<()> {
        let path = self.path(key);
        if bytes.len() <= PART_BYTES {
            self.bucket.put(&path, PutPayload::from(bytes.to_vec())).await?;
            return Ok(());
        }
        let upload = self.bucket.put_multipart(&path).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        for part in bytes.chunks(PART_BYTES) {
            parts.wait_for_capacity(REQUESTS_MAX).await?;
            parts.write(part);
        }
        parts.finish().await?;
        Ok(())
    }

    /// The bytes, if there are at most `limit` of them, or their number.
    async fn fetch(&self, key: &str, limit: u64) -> object_store::Result<Result<Vec<u8>, u64>> {
        let found = self.bucket.get(&self.path(key)).await?;
        if found.meta.size > limit {
            return Ok(Err(found.meta.size));
        }
        Ok(Ok(found.bytes().await?.into()))
    }
}

impl BlobFiles for ObjectBlobs {
    fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.place)
    }

    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let outcome = self.wait("read", key, async { absent(self.fetch(key, limit).await) })?;
        match outcome {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(length)) => {
                within(|| format!("the length in bytes of {}", self.place(key)), length, limit)?;
                Ok(None)
            }
        }
    }

    fn write_all(&self, files: &[(String, &[u8])]) -> Result<(), StoreError> {
        let writes = files.iter().map(|(key, bytes)| self.write(key, bytes));
        let work = stream::iter(writes).buffer_unordered(REQUESTS_MAX).try_collect::<()>();
        let first = files.first().map_or("", |(key, _)| key);
        self.wait("write", first, work)
    }

    fn settle(&self, _keys: &[String]) -> Result<(), StoreError> {
        // What the server shows is durable.
        Ok(())
    }

    fn contains(&self, key: &str) -> Result<bool, StoreError> {
        let found = self.wait("look for", key, async { absent(self.bucket.head(&self.path(key)).await) })?;
        Ok(found.is_some())
    }

    fn list(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let work = self.bucket.list(Some(&self.folder)).try_collect::<Vec<_>>();
        let objects = self.wait("list", "", work)?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let mut found: Vec<(String, u64)> =
            objects.iter().map(|object| (name(&object.location), object.size)).collect();
        found.sort();
        Ok(found)
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.wait("remove", key, self.bucket.delete(&self.path(key)))
    }

    fn sweep(&self) -> Result<(), StoreError> {
        // Parts of an upload that was cut short are never visible; the bucket's own rules remove them.
        Ok(())
    }
}

/// An object that is not there is an answer, not a failure.
fn absent<T>(outcome: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failed(operation: &'static str, place: &str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { operation, path: place.into(), source }
}
