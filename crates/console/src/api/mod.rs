//! The handlers of the API, and its description.

mod gateways;
mod history;
mod modules;
mod plugins;
mod session;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, middleware};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateways::Gateway;
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::{Console, access, audit};

/// The maximum size of a request's body, in bytes; uploads have their own.
const MAX_BODY: usize = 1024 * 1024;

/// The result of a handler.
type Answer<T> = Result<T, Problem>;

/// The description of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis console",
        version = "1",
        description = "Every operation except `POST /session` needs the cookie that it sets. Every operation except `GET` \
                       needs the header `x-csrf-token` with the token of the session. A change of a resource needs the \
                       header `If-Match` with the resource's `etag`. A refusal is a `Problem`."
    ),
    tags(
        (name = "session", description = "Signing in and out"),
        (name = "gateways", description = "Gateways, and what happens in them"),
        (name = "plugins", description = "The marketplace of a gateway"),
        (name = "configuration", description = "Configurations by scopes"),
        (name = "try", description = "Requests by hand"),
        (name = "modules", description = "Modules and images, before a plug-in takes them"),
        (name = "history", description = "Changes, and taking them back")
    )
)]
struct Description;

fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(session::get, session::sign_in, session::sign_out))
        .routes(routes!(session::password))
        .routes(routes!(gateways::list))
        .routes(routes!(gateways::get))
        .routes(routes!(gateways::start))
        .routes(routes!(gateways::stop))
        .routes(routes!(gateways::events))
        .routes(routes!(gateways::live))
        .routes(routes!(plugins::list, plugins::add))
        .routes(routes!(plugins::check))
        .routes(routes!(plugins::get, plugins::edit, plugins::delete))
        .routes(routes!(plugins::enabled))
        .routes(routes!(plugins::release))
        .routes(routes!(plugins::roll_back))
        .routes(routes!(plugins::copy))
        .routes(routes!(plugins::configuration, plugins::configure))
        .routes(routes!(plugins::check_configuration))
        .routes(routes!(plugins::matches))
        .routes(routes!(plugins::order))
        .routes(routes!(plugins::place))
        .routes(routes!(plugins::export))
        .routes(routes!(plugins::read_curl))
        .routes(routes!(plugins::r#try))
        .routes(routes!(plugins::explain))
        .routes(routes!(modules::upload))
        .routes(routes!(modules::image))
        .routes(routes!(history::list))
        .routes(routes!(history::get))
        .routes(routes!(history::revert))
        .routes(routes!(history::audit))
        .routes(routes!(description))
}

/// The description of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// The routes of the API, each of them behind the checks of `access`.
pub(crate) fn router(console: &Arc<Console>) -> Router<Arc<Console>> {
    let (router, _) = routes().split_for_parts();
    router
        .method_not_allowed_fallback(async || {
            Problem::new("method_not_allowed", "this address has no such method")
        })
        .route_layer(middleware::from_fn_with_state(Arc::clone(console), access::api))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// The description of the API
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "session", responses((status = OK, description = "OpenAPI 3.1")))]
async fn description() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}

/// The body of a request in JSON, with a limit, and with refusals as the rest of the API has them.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Console>) -> Result<Self, Problem> {
        let invalid = |reason: String| {
            Problem::new("request_invalid", format_args!("the body of the request is not valid: {reason}"))
                .with("reason", reason)
        };
        // Another site's form cannot send this type without being asked for permission first.
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            return Err(invalid("its type is not application/json".into()));
        }
        let body = http_body_util::Limited::new(request.into_body(), MAX_BODY);
        let bytes = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let message = format!("the body of the request has more than {MAX_BODY} bytes");
                return Err(Problem::new("request_too_large", message).with("limit", MAX_BODY));
            }
            Err(_) => return Err(invalid("it ended unexpectedly".into())),
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|error| invalid(error.to_string()))
    }
}

/// Query parameters, with refusals as the rest of the API has them.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> axum::extract::FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(query)| Self(query)).map_err(|error| {
            let reason = error.body_text();
            Problem::new("request_invalid", format_args!("the query of the request is not valid: {reason}"))
                .with("reason", reason)
        })
    }
}

impl Console {
    /// The gateway of a path, which `access` has checked.
    fn gateway(&self, name: &str) -> Answer<Arc<Gateway>> {
        self.gateways.get(name).cloned().ok_or_else(|| {
            Problem::new("gateway_unknown", format_args!("there is no gateway `{name}`"))
                .with("gateway", name)
        })
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(run).await?
}

/// Records a change in the audit log of a gateway.
fn audit(
    gateway: &Gateway,
    actor: &Actor,
    action: &str,
    plugin: Option<&str>,
    detail: Option<String>,
) -> Answer<()> {
    Ok(audit::append(&gateway.folder, &actor.user, action, plugin, detail)?)
}

/// A response without content.
fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// The state of handlers.
type Shared = State<Arc<Console>>;
