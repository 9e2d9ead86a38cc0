//! Gallery service: making, filling, emptying and dropping galleries.

use crate::serve::config::Scope;
use crate::serve::galleries::gallery::{Description, Gallery, Lifetime};
use crate::serve::handlers::incoming::{checked_dimension, unit_rows};
use crate::serve::handlers::serving::{Asked, Serving};
use crate::serve::proto::gallery_service_server::GalleryService;
use crate::serve::proto::{
    self, CreateGalleryRequest, CreateGalleryResponse, DropGalleryRequest, DropGalleryResponse, EnrolRequest,
    EnrolResponse, GetGalleryRequest, GetGalleryResponse, ListGalleriesRequest, ListGalleriesResponse,
    RemoveTemplatesRequest, RemoveTemplatesResponse,
};
use crate::serve::refusal::Refusal;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status, Streaming};

/// Seconds without use after which an ephemeral gallery is dropped, when the caller does not say.
const IDLE_SECONDS: u32 = 600;
/// Longest that a caller may say: a day.
const LONGEST_IDLE_SECONDS: u32 = 86_400;

pub struct GalleryCalls(pub Arc<Serving>);

#[tonic::async_trait]
impl GalleryService for GalleryCalls {
    async fn create_gallery(
        &self,
        request: Request<CreateGalleryRequest>,
    ) -> Result<Response<CreateGalleryResponse>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        asked.note(&request.name);
        asked.may_change(request.is_ephemeral)?;
        let dimension = checked_dimension(request.dimension, "dimension")?;
        let lifetime = lifetime(request.is_ephemeral, request.idle_seconds)?;
        let gallery = self.off(move |serving| serving.galleries.create(&request.name, dimension, lifetime)).await?;
        Ok(Response::new(CreateGalleryResponse { gallery: Some(message(&gallery)) }))
    }

    async fn enrol(&self, request: Request<Streaming<EnrolRequest>>) -> Result<Response<EnrolResponse>, Status> {
        let asked = Asked::of(&request)?;
        let mut batches = request.into_inner();
        let first = batches.message().await?;
        let first = first.ok_or_else(|| Refusal::invalid("gallery", "is missing: the stream ended before it began"))?;
        asked.note(&first.gallery);
        let gallery = self.0.galleries.get(&first.gallery)?;
        asked.may_change(gallery.lifetime() != Lifetime::Kept)?;
        let (mut added, mut present) = (0, 0);
        let mut next = Some(first);
        while let Some(batch) = next {
            let enrolled = self.batch(&gallery, batch).await?;
            added += enrolled.0;
            present += enrolled.1;
            asked.facts.set(|fact| fact.rows = Some(added + present));
            next = batches.message().await?;
        }
        Ok(Response::new(EnrolResponse { n_enrolled: added, n_present: present, gallery: Some(message(&gallery)) }))
    }

    async fn remove_templates(
        &self,
        request: Request<RemoveTemplatesRequest>,
    ) -> Result<Response<RemoveTemplatesResponse>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        asked.note(&request.gallery);
        asked.facts.set(|fact| fact.rows = Some(request.template_ids.len() as u64));
        let gallery = self.0.galleries.get(&request.gallery)?;
        if request.template_ids.is_empty() {
            return Err(Refusal::invalid("template_ids", "is empty, expected at least one").into());
        }
        let changed = gallery.clone();
        let removed = self.off(move |_| changed.remove(&request.template_ids)).await?;
        Ok(Response::new(RemoveTemplatesResponse {
            n_removed: removed.removed,
            n_absent: removed.absent,
            gallery: Some(message(&gallery)),
        }))
    }

    async fn get_gallery(&self, request: Request<GetGalleryRequest>) -> Result<Response<GetGalleryResponse>, Status> {
        let asked = Asked::of(&request)?;
        let name = request.into_inner().name;
        asked.note(&name);
        let gallery = self.0.galleries.get(&name)?;
        Ok(Response::new(GetGalleryResponse { gallery: Some(message(&gallery)) }))
    }

    async fn list_galleries(
        &self,
        _: Request<ListGalleriesRequest>,
    ) -> Result<Response<ListGalleriesResponse>, Status> {
        let galleries = self.0.galleries.list().iter().map(|gallery| message(gallery)).collect();
        Ok(Response::new(ListGalleriesResponse { galleries }))
    }

    async fn drop_gallery(
        &self,
        request: Request<DropGalleryRequest>,
    ) -> Result<Response<DropGalleryResponse>, Status> {
        let asked = Asked::of(&request)?;
        let name = request.into_inner().name;
        asked.note(&name);
        let may_go = move |gallery: &Gallery| match gallery.lifetime() {
            Lifetime::Kept => asked.require(Scope::Admin),
            Lifetime::Ephemeral { .. } => Ok(()),
        };
        let gallery = self.off(move |serving| serving.galleries.drop(&name, may_go)).await?;
        Ok(Response::new(DropGalleryResponse { gallery: Some(message(&gallery)) }))
    }
}

impl GalleryCalls {
    /// Does `work`, which may wait for the disk, beside the threads that answer calls.
    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Serving) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let serving = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&serving)).await;
        done.map_err(|_| Refusal::Internal("the work ended without an answer".into()))?
    }

    /// Enrols one batch; how many templates it added, and how many were there.
    async fn batch(&self, gallery: &Arc<Gallery>, batch: EnrolRequest) -> Result<(u64, u64), Refusal> {
        if !batch.gallery.is_empty() && batch.gallery != gallery.name() {
            return Err(Refusal::invalid("gallery", "is another one than in the first message"));
        }
        let gallery = gallery.clone();
        self.off(move |serving| {
            let rows = unit_rows(
                batch.templates,
                "templates",
                Some(gallery.dimension()),
                serving.config.limits.message_bytes,
            )?;
            let (n, ids) = (rows.n, batch.template_ids.len());
            if n != ids {
                let message = format!("holds {ids} ids, expected {n}, one for each template");
                return Err(Refusal::invalid("template_ids", message));
            }
            let enrolled = gallery.enrol(batch.template_ids, rows.unit)?;
            Ok((enrolled.added, enrolled.present))
        })
        .await
    }
}

impl Asked {
    fn note(&self, gallery: &str) {
        self.facts.set(|fact| fact.gallery = Some(gallery.to_owned()));
    }

    /// Refuses callers who may not change a gallery that is kept, or one that is not.
    fn may_change(&self, is_ephemeral: bool) -> Result<(), Refusal> {
        if is_ephemeral && self.caller.may(Scope::Count) { Ok(()) } else { self.require(Scope::Enrol) }
    }
}

fn lifetime(is_ephemeral: bool, idle_seconds: u32) -> Result<Lifetime, Refusal> {
    if !is_ephemeral {
        return Ok(Lifetime::Kept);
    }
    if idle_seconds > LONGEST_IDLE_SECONDS {
        let message = format!("is {idle_seconds}, the limit is {LONGEST_IDLE_SECONDS}");
        return Err(Refusal::invalid("idle_seconds", message));
    }
    let seconds = if idle_seconds == 0 { IDLE_SECONDS } else { idle_seconds };
    Ok(Lifetime::Ephemeral { idle: Duration::from_secs(seconds.into()) })
}

fn message(gallery: &Gallery) -> proto::Gallery {
    let Description { name, dimension, n_templates, version, content_digest, is_ephemeral, memory_bytes } =
        gallery.describe();
    proto::Gallery {
        name,
        dimension: dimension as u32,
        n_templates,
        version,
        content_digest: content_digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        is_ephemeral,
        memory_bytes,
    }
}
