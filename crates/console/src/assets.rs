//! The page: files of one folder, compressed where it has compressed variants, and `index.html` for every path of the page.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;

use crate::Console;
use crate::problem::Problem;
use crate::secret;

/// What `index.html` has in place of the nonce.
const NONCE: &str = "__CSP_NONCE__";

/// How files of pages end. Names of gateways and plug-ins have dots as well, and their paths are of the page.
const FILES: [&str; 9] = [".js", ".css", ".map", ".svg", ".png", ".ico", ".txt", ".woff2", ".webmanifest"];

/// Responds with a file of the page, or with the page.
pub(crate) async fn page(State(console): State<Arc<Console>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("/api/") {
        return Problem::new("not_found", "there is nothing at this address").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::new("method_not_allowed", "the page is only read").into_response();
    }
    let Some(folder) = &console.web else { return index(None).await };
    let is_index = path == "/" || path == "/index.html";
    if !is_index {
        let files = ServeDir::new(folder)
            .append_index_html_on_directories(false)
            .precompressed_br()
            .precompressed_gzip();
        // Infallible.
        if let Ok(response) = files.oneshot(request).await
            && (response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED)
        {
            let mut response = response.map(Body::new);
            // Vite names these files by their content.
            let cached =
                if path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
            return response;
        }
        // A file that is missing is not the page.
        if path.starts_with("/assets/") || FILES.iter().any(|end| path.ends_with(end)) {
            return Problem::new("not_found", "there is nothing at this address").into_response();
        }
    }
    index(Some(folder)).await
}

/// The page with a fresh nonce.
async fn index(folder: Option<&Path>) -> Response {
    let missing = || {
        let message = "the page of the console is not installed: in the repository, `cargo xtask console` builds it; \
                       elsewhere name its folder with `--web`";
        Problem::new("page_missing", message).into_response()
    };
    let Some(folder) = folder else { return missing() };
    let Ok(text) = tokio::fs::read_to_string(folder.join("index.html")).await else { return missing() };
    let nonce = match secret::id() {
        Ok(nonce) => nonce,
        Err(error) => return Problem::from(error).into_response(),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response =
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text.replace(NONCE, &nonce)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
