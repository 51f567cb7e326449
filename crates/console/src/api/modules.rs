//! Modules and images, before a plug-in takes them.

use axum::body::Body as Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Answer, Body, Query, Shared, audit, blocking};
use crate::images::{self, ImageView};
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::uploads::UploadView;

/// The query of an upload.
#[derive(Deserialize)]
pub(super) struct UploadQuery {
    /// The name of the file, which ends in .wasm.
    name: String,
}

/// Upload a module
///
/// The body is the module, at most 50,000,000 bytes. It is kept for an hour.
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/uploads", tag = "modules",
    params(("g" = String, Path, description = "The gateway"), ("name" = String, Query, description = "The name of the file, which ends in .wasm")),
    request_body(content = String, content_type = "application/wasm"),
    responses(
        (status = CREATED, body = UploadView),
        (status = PAYLOAD_TOO_LARGE, body = Problem, description = "`module_too_large`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`module_name`, `module_invalid`"),
    )
)]
pub(super) async fn upload(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(gateway): Path<String>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<(StatusCode, Json<UploadView>)> {
    let gateway = console.gateway(&gateway)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let view = gateway.uploads.receive(&gateway.folder, &query.name, length, body).await?;
    audit(&gateway, &actor, "upload", None, Some(format!("{} {}", view.name, view.digest)))?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// An image.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ImageRequest {
    /// The reference, such as `oci://registry.example.com/plugins/request-block:1.0.0`.
    reference: String,
}

/// Look an image up, and check its module
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/images", tag = "modules", params(("g" = String, Path, description = "The gateway")),
    request_body = ImageRequest,
    responses(
        (status = OK, body = ImageView),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`image_invalid`, `image_unreachable`, `module_invalid`"),
    )
)]
pub(super) async fn image(
    State(console): Shared,
    Path(gateway): Path<String>,
    Body(body): Body<ImageRequest>,
) -> Answer<Json<ImageView>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || images::resolve(body.reference.trim(), gateway.common.catalogue.as_ref()))
        .await
        .map(Json)
}
