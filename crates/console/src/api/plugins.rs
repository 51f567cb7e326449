//! The marketplace of a gateway.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Json};
use gateway::folder::StageOrder;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Answer, Body, Query, Shared, blocking, no_content};
use crate::configuration::{self, ConfigurationCheck, ConfigurationView, Scopes};
use crate::curl;
use crate::export::{self, Exported};
use crate::matches::{self, MatchesView};
use crate::plugins::{
    self, AddPlugin, AdditionCheck, Card, EditPlugin, Market, NewVersion, OrderView, PluginView, PluginsView,
};
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::trial::{self, Explained, Tried, TryBody, TryRequest};
use crate::users::{Role, role_in};

type InGateway = Path<String>;
type InPlugin = Path<(String, String)>;

fn if_match(headers: &HeaderMap) -> Option<String> {
    headers.get(header::IF_MATCH)?.to_str().ok().map(str::to_owned)
}

/// The plug-ins of a gateway
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/plugins", tag = "plugins", params(("g" = String, Path, description = "The gateway")),
    responses((status = OK, body = PluginsView))
)]
pub(super) async fn list(State(console): Shared, Path(gateway): InGateway) -> Answer<Json<PluginsView>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || {
        let market = Market::open(&gateway);
        Ok(PluginsView {
            order: gateway.order().name().into(),
            plugins: market.cards(),
            faults: market.shelf.content.faults.iter().map(|fault| gateway.fault(fault)).collect(),
        })
    })
    .await
    .map(Json)
}

/// Add a plug-in
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins", tag = "plugins", params(("g" = String, Path, description = "The gateway")),
    request_body = AddPlugin,
    responses(
        (status = CREATED, body = Card),
        (status = CONFLICT, body = Problem, description = "`name_taken`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "a field is not valid: its name is in `field`"),
    )
)]
pub(super) async fn add(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path(gateway): InGateway,
    Body(body): Body<AddPlugin>,
) -> Answer<(StatusCode, Json<Card>)> {
    let gateway = console.gateway(&gateway)?;
    let card = blocking(move || plugins::add(&gateway, &actor, &body)).await?;
    Ok((StatusCode::CREATED, Json(card)))
}

/// Check a plug-in before it is added
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins/check", tag = "plugins",
    params(("g" = String, Path, description = "The gateway")), request_body = AddPlugin,
    responses((status = OK, body = AdditionCheck))
)]
pub(super) async fn check(
    State(console): Shared,
    Path(gateway): InGateway,
    Body(body): Body<AddPlugin>,
) -> Answer<Json<AdditionCheck>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || Ok(Market::open(&gateway).check(&body))).await.map(Json)
}

/// A plug-in
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/plugins/{p}", tag = "plugins",
    params(("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in")),
    responses((status = OK, body = PluginView), (status = NOT_FOUND, body = Problem, description = "`plugin_unknown`"))
)]
pub(super) async fn get(
    State(console): Shared,
    Path((gateway, plugin)): InPlugin,
) -> Answer<Json<PluginView>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || plugins::page(&gateway, &plugin)).await.map(Json)
}

/// Edit a custom plug-in, which must be disabled
#[utoipa::path(
    patch, path = "/api/v1/gateways/{g}/plugins/{p}", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = String, Header, description = "The plug-in's `etag`"),
    ),
    request_body = EditPlugin,
    responses(
        (status = OK, body = Card),
        (status = CONFLICT, body = Problem, description = "`plugin_enabled`, `plugin_built_in`, `plugin_elsewhere`"),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
    )
)]
pub(super) async fn edit(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
    Body(body): Body<EditPlugin>,
) -> Answer<Json<Card>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || plugins::edit(&gateway, &actor, &plugin, if_match(&headers).as_deref(), &body))
        .await
        .map(Json)
}

/// Delete a custom plug-in, which must be disabled
#[utoipa::path(
    delete, path = "/api/v1/gateways/{g}/plugins/{p}", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = String, Header, description = "The plug-in's `etag`"),
    ),
    responses(
        (status = NO_CONTENT, description = "It is deleted."),
        (status = CONFLICT, body = Problem, description = "`plugin_enabled`, `plugin_built_in`, `plugin_elsewhere`"),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
    )
)]
pub(super) async fn delete(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
) -> Answer<Response> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || plugins::delete(&gateway, &actor, &plugin, if_match(&headers).as_deref())).await?;
    Ok(no_content())
}

/// Whether a plug-in is enabled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Enabled {
    /// Whether it is.
    enabled: bool,
}

/// Enable or disable a plug-in
///
/// Enabling a built-in plug-in that has no resource yet writes it, and needs no `If-Match`.
#[utoipa::path(
    put, path = "/api/v1/gateways/{g}/plugins/{p}/enabled", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = Option<String>, Header, description = "The plug-in's `etag`"),
    ),
    request_body = Enabled,
    responses(
        (status = OK, body = Card),
        (status = CONFLICT, body = Problem, description = "`plugin_elsewhere`"),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
    )
)]
pub(super) async fn enabled(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
    Body(body): Body<Enabled>,
) -> Answer<Json<Card>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || plugins::switch(&gateway, &actor, &plugin, if_match(&headers).as_deref(), body.enabled))
        .await
        .map(Json)
}

/// Release a new version of a custom plug-in, also while it is enabled
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins/{p}/versions", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = String, Header, description = "The plug-in's `etag`"),
    ),
    request_body = NewVersion,
    responses(
        (status = OK, body = Card),
        (status = CONFLICT, body = Problem, description = "`plugin_built_in`, `plugin_elsewhere`"),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`module_invalid`, `module_not_loaded`, `configuration_invalid`"),
    )
)]
pub(super) async fn release(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
    Body(body): Body<NewVersion>,
) -> Answer<Json<Card>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || plugins::release(&gateway, &actor, &plugin, if_match(&headers).as_deref(), &body))
        .await
        .map(Json)
}

/// Return to the version before
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins/{p}/versions/rollback", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = String, Header, description = "The plug-in's `etag`"),
    ),
    responses(
        (status = OK, body = Card),
        (status = CONFLICT, body = Problem, description = "`no_previous_version`"),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
    )
)]
pub(super) async fn roll_back(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
) -> Answer<Json<Card>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || plugins::roll_back(&gateway, &actor, &plugin, if_match(&headers).as_deref()))
        .await
        .map(Json)
}

/// A gateway to copy to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CopyTo {
    /// The gateway.
    gateway: String,
}

/// Add a custom plug-in to another gateway, in which you are an admin, too
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins/{p}/copy", tag = "plugins",
    params(("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in")),
    request_body = CopyTo,
    responses(
        (status = CREATED, body = Card),
        (status = CONFLICT, body = Problem, description = "`name_taken`, `plugin_built_in`"),
    )
)]
pub(super) async fn copy(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    Body(body): Body<CopyTo>,
) -> Answer<(StatusCode, Json<Card>)> {
    let from = console.gateway(&gateway)?;
    // The role in the path's gateway says nothing about this one.
    let own = role_in(&actor.roles, &body.gateway).filter(|_| console.gateways.contains_key(&body.gateway));
    match own {
        None => {
            let message = format!("there is no gateway `{}`, or you have no role in it", body.gateway);
            return Err(Problem::new("gateway_unknown", message)
                .with("gateway", &body.gateway)
                .of_field("gateway"));
        }
        Some(Role::Admin) => {}
        Some(role) => {
            let role = crate::access::role_name(role);
            let message = format!("you are {role} of {}, and this needs admin", body.gateway);
            return Err(Problem::new("forbidden", message)
                .with("gateway", &body.gateway)
                .with("role", role)
                .with("needed", "admin"));
        }
    }
    let to = console.gateway(&body.gateway)?;
    let card = blocking(move || plugins::copy(&from, &to, &actor, &plugin)).await?;
    Ok((StatusCode::CREATED, Json(card)))
}

/// The configuration of a plug-in
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/plugins/{p}/configuration", tag = "configuration",
    params(("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in")),
    responses((status = OK, body = ConfigurationView, description = "Viewers do not see secrets."))
)]
pub(super) async fn configuration(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
) -> Answer<Json<ConfigurationView>> {
    let gateway = console.gateway(&gateway)?;
    let role = role_in(&actor.roles, &gateway.name).unwrap_or(Role::Viewer);
    blocking(move || configuration::read(&gateway, &plugin, role)).await.map(Json)
}

/// Check a configuration before it is saved
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins/{p}/configuration/check", tag = "configuration",
    params(("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in")),
    request_body = Scopes, responses((status = OK, body = ConfigurationCheck))
)]
pub(super) async fn check_configuration(
    State(console): Shared,
    Path((gateway, plugin)): InPlugin,
    Body(body): Body<Scopes>,
) -> Answer<Json<ConfigurationCheck>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || configuration::check(&gateway, &plugin, &body)).await.map(Json)
}

/// Save the configuration of a plug-in
#[utoipa::path(
    put, path = "/api/v1/gateways/{g}/plugins/{p}/configuration", tag = "configuration",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = String, Header, description = "The configuration's `etag`"),
    ),
    request_body = Scopes,
    responses(
        (status = OK, body = ConfigurationView),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`configuration_invalid`"),
    )
)]
pub(super) async fn configure(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
    Body(body): Body<Scopes>,
) -> Answer<Json<ConfigurationView>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || configuration::save(&gateway, &actor, &plugin, if_match(&headers).as_deref(), &body))
        .await
        .map(Json)
}

/// The query of matches.
#[derive(Deserialize)]
pub(super) struct MatchesQuery {
    /// The number of requests.
    min_requests: Option<u64>,
}

/// The rules of a firewall that requests have matched, and the exclusions that are proposed for them
///
/// They are counted for the gateway as a whole since the process that serves was started, at up to 1,000 places. Review every entry:
/// attacks match rules as well, and an exclusion lets them pass.
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/plugins/{p}/matches", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("min_requests" = Option<u64>, Query, description = "Leaves out what fewer requests have matched; 1 if absent"),
    ),
    responses(
        (status = OK, body = MatchesView, description = "Viewers see it, too: it has no values of requests."),
        (status = NOT_FOUND, body = Problem, description = "`plugin_unknown`, `matches_missing`"),
    )
)]
pub(super) async fn matches(
    State(console): Shared,
    Path((gateway, plugin)): InPlugin,
    Query(query): Query<MatchesQuery>,
) -> Answer<Json<MatchesView>> {
    let gateway = console.gateway(&gateway)?;
    let min_requests = query.min_requests.unwrap_or(1);
    blocking(move || matches::view(&gateway, &plugin, min_requests)).await.map(Json)
}

/// The query of an order.
#[derive(Deserialize)]
pub(super) struct OrderQuery {
    /// `mse` or `istio`.
    order: Option<String>,
}

/// The order of requests, which is reversed for responses
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/order", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"),
        ("order" = Option<String>, Query, description = "`mse` or `istio`; the one in force if absent"),
    ),
    responses((status = OK, body = OrderView))
)]
pub(super) async fn order(
    State(console): Shared,
    Path(gateway): InGateway,
    Query(query): Query<OrderQuery>,
) -> Answer<Json<OrderView>> {
    let gateway = console.gateway(&gateway)?;
    let order = match query.order.as_deref() {
        None => gateway.order(),
        Some("mse") => StageOrder::Mse,
        Some("istio") => StageOrder::Istio,
        Some(other) => {
            let message = format!("`{other}` is not an order: write mse or istio");
            return Err(Problem::new("request_invalid", message).with("reason", other).of_field("order"));
        }
    };
    blocking(move || Ok(order_view(&Market::open(&gateway), order))).await.map(Json)
}

fn order_view(market: &Market<'_>, order: StageOrder) -> OrderView {
    OrderView {
        order: order.name().into(),
        in_force: market.gateway.order().name().into(),
        entries: market.order(order, None),
    }
}

/// A place in the order: before or after another plug-in of the stage.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Move {
    /// The plug-in that comes next.
    #[serde(default)]
    before: Option<String>,
    /// The plug-in that comes first.
    #[serde(default)]
    after: Option<String>,
}

/// Move a plug-in within its stage
///
/// Its priority becomes a multiple of 10 between those of its new neighbours. Where there is none, those before it make room.
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/plugins/{p}/move", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("If-Match" = String, Header, description = "The plug-in's `etag`"),
    ),
    request_body = Move,
    responses(
        (status = OK, body = OrderView),
        (status = PRECONDITION_FAILED, body = Problem, description = "`changed_meanwhile`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`move_invalid`"),
    )
)]
pub(super) async fn place(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    headers: HeaderMap,
    Body(body): Body<Move>,
) -> Answer<Json<OrderView>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || {
        let to = (body.before.as_deref(), body.after.as_deref());
        plugins::place(&gateway, &actor, &plugin, if_match(&headers).as_deref(), to)?;
        Ok(order_view(&Market::open(&gateway), gateway.order()))
    })
    .await
    .map(Json)
}

/// The query of an export.
#[derive(Deserialize)]
pub(super) struct ExportQuery {
    /// The control plane.
    r#for: String,
}

/// A plug-in as a resource for a control plane
#[utoipa::path(
    get, path = "/api/v1/gateways/{g}/plugins/{p}/export", tag = "plugins",
    params(
        ("g" = String, Path, description = "The gateway"), ("p" = String, Path, description = "The plug-in"),
        ("for" = String, Query, description = "`higress`, `istio` or `envoy-gateway`"),
    ),
    responses((status = OK, body = Exported), (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`export_invalid`"))
)]
pub(super) async fn export(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    Path((gateway, plugin)): InPlugin,
    Query(query): Query<ExportQuery>,
) -> Answer<Json<Exported>> {
    let gateway = console.gateway(&gateway)?;
    let role = role_in(&actor.roles, &gateway.name).unwrap_or(Role::Viewer);
    blocking(move || {
        let mut exported = export::export(&gateway, &plugin, &query.r#for)?;
        if role == Role::Viewer {
            exported.text = configuration::masked(&exported.text, None);
        }
        Ok(exported)
    })
    .await
    .map(Json)
}

/// A command line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CurlText {
    /// The command line.
    text: String,
}

/// Read a command line of curl
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/curl", tag = "try", params(("g" = String, Path, description = "The gateway")),
    request_body = CurlText,
    responses((status = OK, body = TryRequest), (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`curl_invalid`"))
)]
pub(super) async fn read_curl(
    State(console): Shared,
    Path(gateway): InGateway,
    Body(body): Body<CurlText>,
) -> Answer<Json<TryRequest>> {
    console.gateway(&gateway)?;
    curl::parse(&body.text).map(Json)
}

/// Try a request, and trace what each plug-in does with it
///
/// It runs in an Envoy of its own, whose limits, counters and shared data begin empty. With a change, it runs twice.
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/try", tag = "try", params(("g" = String, Path, description = "The gateway")),
    request_body = TryBody,
    responses(
        (status = OK, body = Tried),
        (status = CONFLICT, body = Problem, description = "`folder_faulty`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`request_invalid`, `configuration_invalid`, `try_failed`"),
    )
)]
pub(super) async fn r#try(
    State(console): Shared,
    Path(gateway): InGateway,
    Body(body): Body<TryBody>,
) -> Answer<Json<Tried>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || trial::run(&gateway, &body)).await.map(Json)
}

/// Which rules apply to a request, without sending it
#[utoipa::path(
    post, path = "/api/v1/gateways/{g}/explain", tag = "try", params(("g" = String, Path, description = "The gateway")),
    request_body = TryRequest,
    responses((status = OK, body = Explained), (status = CONFLICT, body = Problem, description = "`folder_faulty`"))
)]
pub(super) async fn explain(
    State(console): Shared,
    Path(gateway): InGateway,
    Body(body): Body<TryRequest>,
) -> Answer<Json<Explained>> {
    let gateway = console.gateway(&gateway)?;
    blocking(move || trial::explain(&gateway, &body)).await.map(Json)
}
