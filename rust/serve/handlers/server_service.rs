//! Server service: what this server is and allows.

use crate::serve::handlers::serving::{Asked, Serving};
use crate::serve::proto::server_service_server::ServerService;
use crate::serve::proto::{GetInfoRequest, GetInfoResponse, Limits};
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub struct Info(pub Arc<Serving>);

#[tonic::async_trait]
impl ServerService for Info {
    async fn get_info(&self, request: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        let asked = Asked::of(&request)?;
        let (serving, limits) = (&self.0, &self.0.config.limits);
        Ok(Response::new(GetInfoResponse {
            version: env!("CARGO_PKG_VERSION").into(),
            kernel: serving.kernel.name().into(),
            threads: serving.threads as u32,
            limits: Some(Limits {
                message_bytes: limits.message_bytes as u64,
                k: limits.k as u32,
                probes: limits.probes as u32,
                queued_probes: limits.queued_probes as u32,
                galleries: limits.galleries as u32,
                memory_bytes: limits.memory_bytes,
                deadline_ms: limits.deadline_ms,
                requires_case_reference: serving.config.audit.requires_case_reference,
                bulk_queued_probes: limits.bulk_queued_probes as u32,
            }),
            client: asked.caller.name,
            scopes: asked.caller.scopes.iter().map(|scope| scope.name().into()).collect(),
        }))
    }
}
