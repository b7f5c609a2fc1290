//! The calls.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt};
use hyper::HeaderMap;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{question, response};
use super::inference::grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer};
use super::inference::model_metadata_response::TensorMetadata;
use super::inference::repository_index_response::ModelIndex;
use super::inference::*;
use crate::app::{App, EXTENSIONS, NAME, PLATFORM, VERSION};
use crate::error::{Kind, Refusal};
use crate::protocol::Port;

/// The service behind tonic's codec, with its limits.
pub(crate) fn service(app: Arc<App>) -> GrpcInferenceServiceServer<Calls> {
    let body_max = app.body_max;
    GrpcInferenceServiceServer::new(Calls { app }).max_decoding_message_size(body_max)
}

/// The implementation of every call.
#[derive(Clone)]
pub(crate) struct Calls {
    app: Arc<App>,
}

/// An empty version stands for none.
fn wanted(version: &str) -> Option<&str> {
    Some(version).filter(|version| !version.is_empty())
}

/// The headers and the message.
fn parts<T>(request: Request<T>) -> (HeaderMap, T) {
    let (metadata, _, message) = request.into_parts();
    (metadata.into_headers(), message)
}

impl Calls {
    async fn answer(
        &self,
        headers: &HeaderMap,
        mut request: ModelInferRequest,
    ) -> Result<ModelInferResponse, Refusal> {
        let arrived = Instant::now();
        let picked = self.app.pick(headers, &request.model_name, wanted(&request.model_version))?;
        let served = &picked.served;
        let answered = async {
            let mut question = question(&served.signature, &mut request, served.limits.request_rows_max)?;
            let answer = self.app.answer(&picked, &mut question, arrived).await?;
            Ok((response(served, &question, &answer), answer.count))
        };
        served.counted(arrived, answered.await)
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<ModelStreamInferResponse, Status>> + Send>>;

#[tonic::async_trait]
impl GrpcInferenceService for Calls {
    type ModelStreamInferStream = Answers;

    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: self.app.is_ready() }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let (headers, ModelReadyRequest { name, version }) = parts(request);
        let ready = match self.app.pick(&headers, &name, wanted(&version)) {
            Ok(_) => true,
            Err(refusal)
                if matches!(refusal.kind, Kind::Unauthenticated | Kind::Forbidden | Kind::Overloaded) =>
            {
                return Err(refusal.into());
            }
            Err(_) => false,
        };
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(ServerMetadataResponse {
            name: NAME.to_owned(),
            version: VERSION.to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let (headers, ModelMetadataRequest { name, version }) = parts(request);
        let served = self.app.pick(&headers, &name, wanted(&version))?.served;
        let port = |port: &Port| TensorMetadata {
            name: port.name.clone(),
            datatype: port.datatype.to_owned(),
            shape: port.shape.clone(),
        };
        Ok(Response::new(ModelMetadataResponse {
            name: served.name.clone(),
            versions: vec![served.version.clone()],
            platform: PLATFORM.to_owned(),
            inputs: vec![port(&served.signature.input)],
            outputs: served.signature.outputs.iter().map(|(output, _)| port(output)).collect(),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let (headers, request) = parts(request);
        Ok(Response::new(self.answer(&headers, request).await?))
    }

    /// Questions are answered one after another, in their order; one that is refused does not end the stream.
    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let calls = self.clone();
        let (headers, requests) = parts(request);
        let headers = Arc::new(headers);
        let answers = requests.then(move |request| {
            let (calls, headers) = (calls.clone(), headers.clone());
            async move {
                let request = request?;
                let id = request.id.clone();
                Ok(match calls.answer(&headers, request).await {
                    Ok(response) => ModelStreamInferResponse {
                        error_message: String::new(),
                        infer_response: Some(response),
                    },
                    Err(refusal) => ModelStreamInferResponse {
                        error_message: refusal.message,
                        infer_response: Some(ModelInferResponse { id, ..ModelInferResponse::default() }),
                    },
                })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let (headers, RepositoryIndexRequest { ready: only_ready, .. }) = parts(request);
        let entries = self.app.index(&headers)?.into_iter().filter(|entry| entry.ready || !only_ready);
        let models = entries.map(|entry| ModelIndex {
            state: entry.state().to_owned(),
            name: entry.name,
            version: entry.version.unwrap_or_default(),
            reason: entry.reason,
        });
        Ok(Response::new(RepositoryIndexResponse { models: models.collect() }))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let (headers, request) = parts(request);
        self.app.may_control(&headers)?;
        crate::repository::load_named(self.app.clone(), request.model_name).await?;
        Ok(Response::new(RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let (headers, request) = parts(request);
        self.app.may_control(&headers)?;
        self.app.repository.unload(&request.model_name)?;
        Ok(Response::new(RepositoryModelUnloadResponse {}))
    }
}
