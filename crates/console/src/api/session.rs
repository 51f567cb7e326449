//! Signing in and out.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, Body, Shared, blocking, no_content};
use crate::Console;
use crate::access::Client;
use crate::problem::Problem;
use crate::sessions::{Actor, How};
use crate::users::{self, Role, Roles, User, Users};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    /// Who signed in.
    user: String,
    /// The token that every request except `GET` carries in the header `x-csrf-token`.
    csrf: String,
    /// `token` or `password`.
    how: String,
    /// The roles by gateway; `*` for every other one.
    #[schema(value_type = std::collections::HashMap<String, Role>)]
    roles: Roles,
}

/// A start token, or a user and a password.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum SignIn {
    /// The token that the program printed; it works once.
    #[serde(rename_all = "camelCase")]
    Token {
        /// The token.
        token: String,
    },
    /// A user of the users file.
    #[serde(rename_all = "camelCase")]
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

fn view(console: &Console, actor: Actor) -> SessionView {
    let how = console.sessions().name_of_how().to_owned();
    SessionView { user: actor.user, csrf: actor.csrf, how, roles: actor.roles }
}

/// The session of the cookie
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session",
    responses((status = OK, body = SessionView), (status = UNAUTHORIZED, body = Problem, description = "`signed_out`"))
)]
pub(super) async fn get(State(console): Shared, Extension(actor): Extension<Actor>) -> Json<SessionView> {
    Json(view(&console, actor))
}

/// Sign in with the start token, or with a user and a password
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses(
        (status = OK, body = SessionView, description = "The cookie is set."),
        (status = UNAUTHORIZED, body = Problem, description = "`wrong_credentials`"),
        (status = TOO_MANY_REQUESTS, body = Problem, description = "`too_many_attempts`"),
    )
)]
pub(super) async fn sign_in(
    State(console): Shared,
    Extension(Client(address)): Extension<Client>,
    Body(body): Body<SignIn>,
) -> Answer<Response> {
    let name = match &body {
        SignIn::Token { .. } => None,
        SignIn::Password { user, .. } => Some(user.as_str()),
    };
    may_try(&console, address, name)?;
    let cookie = match &body {
        SignIn::Token { token } => console.sessions().sign_in_with_token(token)?,
        SignIn::Password { user, password } => match verified(&console, user, password).await? {
            Some(user) => Some(console.sessions().begin(user.name, Some(user.hash))?),
            None => None,
        },
    };
    let mut sessions = console.sessions();
    let Some(cookie) = cookie else {
        sessions.failed(address, name);
        let message = match sessions.how {
            How::Token { .. } => "the token is wrong or was used: start the console again for another one",
            How::Password(_) => "the user or the password is wrong",
        };
        return Err(Problem::new("wrong_credentials", message).with("how", sessions.name_of_how()));
    };
    sessions.succeeded(address, name);
    let actor = sessions.actor(&cookie, true).ok_or_else(|| Problem::internal("the session has ended"))?;
    drop(sessions);
    let cookie = console.reach.set_cookie(&cookie);
    Ok(([(header::SET_COOKIE, cookie)], Json(view(&console, actor))).into_response())
}

/// Refuses an attempt that comes too early after others.
fn may_try(console: &Console, address: std::net::IpAddr, name: Option<&str>) -> Answer<()> {
    let Some(wait) = console.sessions().wait(address, name) else { return Ok(()) };
    let seconds = wait.as_secs().max(1);
    let message = format!("too many attempts failed: wait {seconds} seconds");
    Err(Problem::new("too_many_attempts", message).with("seconds", seconds))
}

/// The user if the password is right. An unknown name takes as long as a known one.
async fn verified(console: &Console, name: &str, password: &str) -> Answer<Option<User>> {
    let Some((user, hash)) = console.sessions().hash_of(name) else { return Ok(None) };
    let _permit = console.comparisons.acquire().await.map_err(Problem::internal)?;
    let password = password.to_owned();
    let is_right = blocking(move || Ok(users::verify(&password, &hash))).await?;
    Ok(user.filter(|_| is_right))
}

/// Sign out
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session",
    responses((status = NO_CONTENT, description = "The session has ended."))
)]
pub(super) async fn sign_out(
    State(console): Shared,
    Extension(actor): Extension<Actor>,
    _headers: HeaderMap,
) -> Response {
    console.sessions().end(actor.session);
    let cookie = console.reach.set_cookie("");
    ([(header::SET_COOKIE, cookie)], no_content()).into_response()
}

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewPassword {
    /// The password until now.
    current: String,
    /// The new password, of at least 10 characters.
    password: String,
}

/// Change the own password, which ends all sessions of the user
#[utoipa::path(
    put, path = "/api/v1/session/password", tag = "session", request_body = NewPassword,
    responses(
        (status = NO_CONTENT, description = "Sign in again."),
        (status = UNAUTHORIZED, body = Problem, description = "`wrong_credentials`"),
        (status = UNPROCESSABLE_ENTITY, body = Problem, description = "`password_weak`"),
    )
)]
pub(super) async fn password(
    State(console): Shared,
    Extension(Client(address)): Extension<Client>,
    Extension(actor): Extension<Actor>,
    Body(body): Body<NewPassword>,
) -> Answer<Response> {
    let name = Some(actor.user.as_str());
    may_try(&console, address, name)?;
    let Some(mut user) = verified(&console, &actor.user, &body.current).await? else {
        console.sessions().failed(address, name);
        let message = "the current password is wrong";
        return Err(Problem::new("wrong_credentials", message).with("how", "password").of_field("current"));
    };
    users::check_password(&body.password).map_err(|reason| {
        Problem::new("password_weak", reason).with("minimum", users::MIN_PASSWORD).of_field("password")
    })?;
    let file = match &console.sessions().how {
        How::Password(file) => file.path.clone(),
        How::Token { .. } => return Err(Problem::internal("there are no users")),
    };
    let permit = console.comparisons.acquire().await.map_err(Problem::internal)?;
    blocking(move || {
        user.hash = users::hash(&body.password).map_err(Problem::internal)?;
        let mut users = Users::read(&file).map_err(Problem::internal)?;
        users.set(user);
        users.write(&file).map_err(Problem::internal)
    })
    .await?;
    drop(permit);
    Ok(no_content())
}
