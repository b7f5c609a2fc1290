//! The bytes of a request, packed or not, up to a limit.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

use crate::error::{Kind, Refusal};
use crate::protocol::shown;

/// A client has so long to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How a body is packed.
#[derive(Clone, Copy)]
enum Packing {
    Gzip,
    Deflate,
}

/// The whole body of a request, unpacked.
///
/// Errors   more than `max` bytes, before or after unpacking; a packing that is unknown or damaged; a connection that breaks.
pub(super) async fn whole(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Refusal> {
    let packing = packing(headers)?;
    let collecting = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, max).collect());
    let slow = |_| Refusal::new(Kind::Slow, format!("the body took more than {} s", BODY_TIMEOUT.as_secs()));
    let bytes = match collecting.await.map_err(slow)? {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_long(max)),
        Err(error) => return Err(Refusal::invalid(format!("the body cannot be read: {error}"))),
    };
    let Some(packing) = packing else { return Ok(bytes) };
    // Unpacking megabytes takes long enough to hold up other connections.
    let unpacking = tokio::task::spawn_blocking(move || unpacked(packing, &bytes, max));
    unpacking.await.unwrap_or_else(|_| Err(Refusal::new(Kind::Internal, "unpacking the body failed")))
}

fn packing(headers: &HeaderMap) -> Result<Option<Packing>, Refusal> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    match value.to_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Packing::Gzip)),
        "deflate" => Ok(Some(Packing::Deflate)),
        other => {
            let message =
                format!("content encoding `{}` is unknown; gzip and deflate are read", shown(other));
            Err(Refusal::new(Kind::UnknownMedia, message))
        }
    }
}

fn unpacked(packing: Packing, bytes: &[u8], max: usize) -> Result<Bytes, Refusal> {
    // One byte more than is allowed tells that there is more, whatever the packed data claims.
    let limit = max as u64 + 1;
    let mut found = Vec::new();
    let read = match packing {
        Packing::Gzip => MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut found),
        Packing::Deflate => ZlibDecoder::new(bytes).take(limit).read_to_end(&mut found),
    };
    match read {
        Ok(count) if count > max => Err(too_long(max)),
        Ok(_) => Ok(found.into()),
        Err(error) => Err(Refusal::invalid(format!("the body cannot be unpacked: {error}"))),
    }
}

fn too_long(max: usize) -> Refusal {
    Refusal::new(Kind::TooLarge, format!("the body has more than {max} bytes"))
}
