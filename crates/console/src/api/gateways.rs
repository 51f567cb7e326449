//! Gateways, and what happens in them.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Json};
use futures_util::Stream;
use gateway::journal::Live;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::{Answer, Shared, audit as log, blocking};
use crate::audit;
use crate::gateways::GatewayView;
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::users::{Role, role_in};

/// How often an open stream checks that its session lasts.
const CHECK: Duration = Duration::from_secs(2);

/// The gateways in which you have a role
#[utoipa::path(get, path = "/api/v1/gateways", tag = "gateways", responses((status = OK, body = Vec<GatewayView>)))]
pub(super) async fn list(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
) -> Answer<Json<Vec<GatewayView>>> {
    let views = blocking(move || {
        let own = console.gateways.values();
        Ok(own.filter_map(|gateway| Some(gateway.view(role_in(&actor.roles, &gateway.name)?))).collect())
    });
    views.await.map(Json)
}

fn role(actor: &Actor, gateway: &str) -> Role {
    // `access` has made sure that there is one.
    role_in(&actor.roles, gateway).unwrap_or(Role::Viewer)
}

/// A gateway
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}", tag = "gateways", params(("g" = String, Path, description = "The gateway")),
    responses((status = OK, body = GatewayView), (status = NOT_FOUND, body = Problem, description = "`gateway_unknown`"))
)]
pub(super) async fn get(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Answer<Json<GatewayView>> {
    let gateway = console.gateway(&name)?;
    blocking(move || Ok(gateway.view(role(&actor, &gateway.name)))).await.map(Json)
}

/// Start a gateway
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/start", tag = "gateways", params(("g" = String, Path, description = "The gateway")),
    responses(
        (status = OK, body = GatewayView),
        (status = CONFLICT, body = Problem, description = "`gateway_running`, `gateway_elsewhere`"),
    )
)]
pub(super) async fn start(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Answer<Json<GatewayView>> {
    let gateway = console.gateway(&name)?;
    blocking(move || {
        audit::check(&gateway.folder)?;
        gateway.start()?;
        log(&gateway, &actor, "start", None, None)?;
        Ok(gateway.view(role(&actor, &gateway.name)))
    })
    .await
    .map(Json)
}

/// Stop a gateway
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/stop", tag = "gateways", params(("g" = String, Path, description = "The gateway")),
    responses(
        (status = OK, body = GatewayView),
        (status = CONFLICT, body = Problem, description = "`gateway_stopped`, `gateway_elsewhere`"),
    )
)]
pub(super) async fn stop(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Answer<Json<GatewayView>> {
    let gateway = console.gateway(&name)?;
    blocking(move || {
        audit::check(&gateway.folder)?;
        gateway.stop()?;
        log(&gateway, &actor, "stop", None, None)?;
        Ok(gateway.view(role(&actor, &gateway.name)))
    })
    .await
    .map(Json)
}

/// What happened recently
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/live", tag = "gateways", params(("g" = String, Path, description = "The gateway")),
    responses((status = OK, body = Live))
)]
pub(super) async fn live(State(console): Shared, Path(name): Path<String>) -> Answer<Json<Live>> {
    Ok(Json(console.gateway(&name)?.journal.live()))
}

/// What happens, as server-sent events
///
/// The events are `plugins` (read the plug-ins again), `gateway`, `access`, `log`, `counters` and `notice`.
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/events", tag = "gateways", params(("g" = String, Path, description = "The gateway")),
    responses((status = OK, content_type = "text/event-stream", body = String))
)]
pub(super) async fn events(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let gateway = console.gateway(&name)?;
    let mut events = gateway.journal.subscribe();
    let (sender, receiver) = mpsc::channel::<Event>(16);
    let mut stop = console.stop.clone();
    tokio::spawn(async move {
        let mut check = tokio::time::interval(CHECK);
        let mut is_stale = true;
        loop {
            if std::mem::take(&mut is_stale) {
                let (gateway, role) = (std::sync::Arc::clone(&gateway), role(&actor, &gateway.name));
                let view = tokio::task::spawn_blocking(move || gateway.view(role)).await;
                let event = view.ok().and_then(|view| Event::default().event("gateway").json_data(view).ok());
                if let Some(event) = event
                    && sender.send(event).await.is_err()
                {
                    return;
                }
            }
            let event = tokio::select! {
                event = events.recv() => event,
                _ = stop.wait_for(|stop| *stop) => return,
                () = sender.closed() => return,
                _ = check.tick() => {
                    // A stream does not outlive its session, or the role in the gateway.
                    let now = console.sessions().actor_of(actor.session, false);
                    match now.and_then(|now| role_in(&now.roles, &gateway.name)) {
                        Some(_) => continue,
                        None => return,
                    }
                }
            };
            let (kind, data) = match event {
                Ok(event) => (event.kind, event.data.to_string()),
                // Some were missed: the page reads everything again.
                Err(RecvError::Lagged(_)) => ("plugins", "{}".to_owned()),
                Err(RecvError::Closed) => return,
            };
            is_stale = matches!(kind, "plugins" | "counters");
            if sender.send(Event::default().event(kind).data(data)).await.is_err() {
                return;
            }
        }
    });
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}
