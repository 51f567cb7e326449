//! Changes, and taking them back.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, Query, Shared, audit as log, blocking};
use crate::audit::{self, AuditEntry};
use crate::configuration::masked;
use crate::history::{self as changes, HistoryChange, HistoryView};
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::users::{Role, role_in};

/// The query of a history.
#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    /// Only the changes of this plug-in.
    plugin: Option<String>,
}

/// The changes of a gateway, the newest first
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/history", tag = "history",
    params(("g" = String, Path, description = "The gateway"), ("plugin" = Option<String>, Query, description = "Only the changes of this plug-in")),
    responses((status = OK, body = HistoryView))
)]
pub(super) async fn list(
    State(console): Shared,
    Path(gateway): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<HistoryView>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || changes::list(&gateway.folder, query.plugin.as_deref())).await.map(Json)
}

/// A change in detail
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/history/{id}", tag = "history",
    params(("g" = String, Path, description = "The gateway"), ("id" = String, Path, description = "The change")),
    responses((status = OK, body = HistoryChange), (status = NOT_FOUND, body = Problem, description = "`history_unknown`"))
)]
pub(super) async fn get(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, id)): Path<(String, String)>,
) -> Answer<Json<HistoryChange>> {
    let gateway = console.gateway(&gateway)?;
    let role = role_in(&actor.roles, &gateway.name).unwrap_or(Role::Viewer);
    blocking(move || {
        let mut change = changes::change(&gateway.folder, &id)?;
        if role == Role::Viewer {
            change.before = masked(&change.before, None);
            change.after = masked(&change.after, None);
        }
        Ok(change)
    })
    .await
    .map(Json)
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reverted {
    /// Why it is saved and not committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<Problem>,
}

/// Take a change back
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/history/{id}/revert", tag = "history",
    params(("g" = String, Path, description = "The gateway"), ("id" = String, Path, description = "The change")),
    responses(
        (status = OK, body = Reverted),
        (status = NOT_FOUND, body = Problem, description = "`history_unknown`"),
        (status = CONFLICT, body = Problem, description = "`revert_conflicts`"),
    )
)]
pub(super) async fn revert(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, id)): Path<(String, String)>,
) -> Answer<Json<Reverted>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || {
        let changing = gateway.change();
        audit::check(&gateway.folder)?;
        let warning = changes::revert(&gateway.folder, &id, &actor)?;
        drop(changing);
        gateway.journal.changed();
        log(&gateway, &actor, "revert", None, Some(id))?;
        Ok(Reverted { warning })
    })
    .await
    .map(Json)
}

/// The audit log of a gateway, the newest entry first
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/audit", tag = "history", params(("g" = String, Path, description = "The gateway")),
    responses((status = OK, body = Vec<AuditEntry>))
)]
pub(super) async fn audit(
    State(console): Shared,
    Path(gateway): Path<String>,
) -> Answer<Json<Vec<AuditEntry>>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || Ok(audit::read(&gateway.folder)?)).await.map(Json)
}
