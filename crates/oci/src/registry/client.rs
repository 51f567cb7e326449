//! The client of one registry: authentication, bounded reads, and errors that name the remedy.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use http_auth::ChallengeParser;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::Deserialize;

use super::{Access, Error, RequestError};
use crate::limits::MAX_TOKEN;
use crate::{Descriptor, Reference, media};

/// The longest silence of a server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes per second at which an upload is given up as too slow.
const MIN_UPLOAD_RATE: u64 = 16 * 1024;

const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// The most that is read of an error's description.
const MAX_ERROR: u64 = 64 * 1024;

/// What a client may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Pull,
    Push,
}

/// A client with the credentials for one repository.
pub(super) struct Registry<'a> {
    http: reqwest::Client,
    /// Without a limit on the silence of a server, which says nothing while it receives.
    uploads: reqwest::Client,
    reference: &'a Reference,
    scope: Scope,
    credentials: Option<Credentials>,
    token: RefCell<Option<String>>,
    /// The URL before `/v2/`.
    base: String,
}

struct Credentials {
    name: String,
    password: String,
}

/// A response of a registry.
pub(super) struct Content {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
}

impl<'a> Registry<'a> {
    /// Authenticates for the repository of a reference.
    pub(super) async fn open(reference: &'a Reference, access: Access, scope: Scope) -> Result<Self, Error> {
        let name = reference.host();
        let credentials = credentials(name)?;
        let local = reference.is_loopback();
        if access.plain_http && !local && credentials.is_some() {
            return Err(Error::Unencrypted {
                registry: name.to_owned(),
                place: String::new(),
                remedy: "use TLS, without --plain-http; or remove the credentials (`docker logout`)",
            });
        }
        // Docker Hub's registry has another name than the one in references.
        let host = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let scheme = if access.plain_http { "http" } else { "https" };
        let base = format!("{scheme}://{host}");
        let (http, uploads) = (http(local)?, client(local).build().map_err(Error::Client)?);
        let registry = Self { http, uploads, reference, scope, credentials, token: RefCell::default(), base };
        // Without retries: the usual cause of a failure here is a wrong name.
        registry.authenticate().await?;
        Ok(registry)
    }

    /// Fetches a token, if the registry has a server for tokens.
    async fn authenticate(&self) -> Result<(), Error> {
        let explain = |error: reqwest::Error| self.explain(error.into());
        let response = self.http.get(format!("{}/v2/", self.base)).send().await.map_err(explain)?;
        let Some(Challenge { realm, service }) = Challenge::of(&response) else { return Ok(()) };
        let invalid = |what| self.explain(RequestError::Invalid { url: realm.clone(), what });
        let mut url = Url::parse(&realm).map_err(|_| invalid("no valid URL for tokens"))?;
        if self.credentials.is_some() && !may_carry_credentials(&url) {
            return Err(Error::Unencrypted {
                registry: self.reference.host().to_owned(),
                place: format!(" to {realm}"),
                remedy: "the registry has to name a URL with https://",
            });
        }
        let actions = match self.scope {
            Scope::Pull => "pull",
            Scope::Push => "pull,push",
        };
        url.query_pairs_mut()
            .append_pair("scope", &format!("repository:{}:{actions}", self.reference.repository()));
        if let Some(service) = &service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let mut request = self.http.get(url);
        if let Some(Credentials { name, password }) = &self.credentials {
            request = request.basic_auth(name, Some(password));
        }
        let response = request.send().await.map_err(explain)?;
        let content = content(response, &realm, MAX_TOKEN).await.map_err(|error| self.explain(error))?;
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let token: Token =
            serde_json::from_slice(&content.bytes).map_err(|_| invalid("no valid JSON with a token"))?;
        let token = token.token.or(token.access_token).ok_or_else(|| invalid("no token"))?;
        self.token.replace(Some(token));
        Ok(())
    }

    /// Reads `path` (below the repository), of which at most `limit` bytes are accepted.
    pub(super) async fn get(
        &self,
        path: &str,
        accepted: &[&str],
        limit: u64,
    ) -> Result<Content, RequestError> {
        let url = self.url(path);
        let response = self
            .send(|| {
                let request = self.http.get(&url);
                if accepted.is_empty() { request } else { request.header(ACCEPT, accepted.join(", ")) }
            })
            .await?;
        content(response, &url, limit).await
    }

    /// Returns true if the repository has a blob.
    pub(super) async fn has_blob(&self, digest: &str) -> Result<bool, RequestError> {
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(|| self.http.request(Method::HEAD, &url)).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => content(response, &url, MAX_ERROR).await.map(|_| true),
        }
    }

    /// Pushes a blob in one request, after the one that starts an upload.
    pub(super) async fn push_blob(&self, digest: &str, bytes: &[u8]) -> Result<(), RequestError> {
        let start = self.url("blobs/uploads/");
        let response = self.send(|| self.http.post(&start)).await?;
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.and_then(|location| response.url().join(location).ok());
        content(response, &start, MAX_ERROR).await?;
        let invalid = |what| RequestError::Invalid { url: start.clone(), what };
        let mut location = location.ok_or_else(|| invalid("no place for the upload"))?;
        if self.base.starts_with("https:") && location.scheme() != "https" {
            return Err(invalid("an unencrypted place for the upload"));
        }
        location.query_pairs_mut().append_pair("digest", digest);
        let own = Url::parse(&self.base).is_ok_and(|base| base.origin() == location.origin());
        let request = || {
            let request = upload(self.uploads.put(location.clone()), bytes);
            request.header(CONTENT_TYPE, "application/octet-stream")
        };
        // Elsewhere, the URL itself is the permission.
        let response = if own { self.send(request).await? } else { request().send().await? };
        content(response, &start, MAX_ERROR).await.map(drop)
    }

    /// Pushes a manifest under a tag or its digest, in the bytes that its digest is of.
    pub(super) async fn push_manifest(
        &self,
        name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RequestError> {
        let url = self.url(&format!("manifests/{name}"));
        let response =
            self.send(|| upload(self.uploads.put(&url), bytes).header(CONTENT_TYPE, media_type)).await?;
        content(response, &url, MAX_ERROR).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        let repository = self.reference.repository();
        // Docker Hub's own images.
        let library =
            if self.reference.host() == "docker.io" && !repository.contains('/') { "library/" } else { "" };
        format!("{}/v2/{library}{repository}/{path}", self.base)
    }

    /// Sends a request with the token or the credentials, and once more where the token has expired: tokens last for
    /// minutes, and large images take longer.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, RequestError> {
        let response = self.authorized(request()).send().await?;
        if response.status() != StatusCode::UNAUTHORIZED || self.token.borrow().is_none() {
            return Ok(response);
        }
        match self.authenticate().await {
            Ok(()) => Ok(self.authorized(request()).send().await?),
            // The first response says as much.
            Err(_) => Ok(response),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match (self.token.borrow().as_ref(), &self.credentials) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some(Credentials { name, password })) => request.basic_auth(name, Some(password)),
            (None, None) => request,
        }
    }

    /// The error of a request, with what can be done about it.
    pub(super) fn explain(&self, source: RequestError) -> Error {
        let registry = self.reference.host().to_owned();
        match (&source, &self.credentials) {
            (RequestError::Status { status: 401 | 403, .. }, None) => {
                Error::CredentialsRequired { registry, source }
            }
            (RequestError::Status { status: 401 | 403, .. }, Some(_)) => {
                Error::CredentialsRejected { registry, source }
            }
            (RequestError::Connection(_), _) => Error::Unreachable { server: registry, source },
            _ => Error::Response { server: registry, source },
        }
    }
}

/// A place where tokens are issued (RFC 6750, and Docker's token authentication).
struct Challenge {
    realm: String,
    service: Option<String>,
}

impl Challenge {
    /// The first challenge of a response that names such a place.
    fn of(response: &Response) -> Option<Self> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let headers = headers.iter().filter_map(|header| header.to_str().ok());
        let mut challenges = headers.flat_map(ChallengeParser::new).flatten();
        challenges.find_map(|challenge| {
            let parameter = |name: &str| {
                let mut parameters = challenge.params.iter();
                let (_, value) = parameters.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            let is_bearer = challenge.scheme.eq_ignore_ascii_case("bearer");
            is_bearer.then(|| Some(Self { realm: parameter("realm")?, service: parameter("service") }))?
        })
    }
}

/// A request with a body, and the time that it may take.
fn upload(request: RequestBuilder, bytes: &[u8]) -> RequestBuilder {
    request.body(bytes.to_vec()).timeout(TIMEOUT + Duration::from_secs(bytes.len() as u64 / MIN_UPLOAD_RATE))
}

/// The body of a successful response.
async fn content(mut response: Response, url: &str, limit: u64) -> Result<Content, RequestError> {
    let status = response.status();
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().to_owned();
    if !status.is_success() {
        let bytes = read(&mut response, MAX_ERROR).await?.unwrap_or_default();
        let message = String::from_utf8_lossy(&bytes).trim().to_owned();
        return Err(RequestError::Status { url: url.to_owned(), status: status.as_u16(), message });
    }
    let bytes = read(&mut response, limit).await?;
    let bytes = bytes.ok_or_else(|| RequestError::TooLarge { url: url.to_owned(), limit })?;
    Ok(Content { media_type, bytes })
}

/// Returns true if credentials may be sent to a URL.
pub(super) fn may_carry_credentials(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(crate::is_loopback)
}

/// An HTTP client. It removes credentials from a request that is redirected to another host, and never leaves TLS.
pub(super) fn http(local: bool) -> Result<reqwest::Client, Error> {
    client(local).read_timeout(TIMEOUT).build().map_err(Error::Client)
}

fn client(local: bool) -> reqwest::ClientBuilder {
    // Fails if the process has chosen another one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = redirect::Policy::custom(|attempt| {
        let was_encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
        if attempt.previous().len() > 5 {
            attempt.error("too many redirects")
        } else if was_encrypted && attempt.url().scheme() != "https" {
            attempt.error("a redirect from https:// to http://")
        } else {
            attempt.follow()
        }
    });
    let client = reqwest::Client::builder().connect_timeout(TIMEOUT).redirect(policy);
    // A proxy of the environment is another machine.
    let client = if local { client.no_proxy() } else { client };
    client.user_agent(USER_AGENT)
}

/// The body of a response, or nothing if it is longer than `limit`, whatever its headers declare.
pub(super) async fn read(response: &mut Response, limit: u64) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// The credentials of `docker login`, or of `podman login`.
fn credentials(registry: &str) -> Result<Option<Credentials>, Error> {
    // Docker Hub's are stored under its first address.
    let server = match registry {
        "index.docker.io" | "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    // The library does not distinguish a missing file from a damaged one.
    let mut found = match docker_config().is_some_and(|file| file.is_file()) {
        true => docker_credential::get_credential(server),
        false => Err(CredentialRetrievalError::ConfigNotFound),
    };
    if found.as_ref().is_err_and(is_absence) {
        found = match docker_credential::get_podman_credential(server) {
            Err(CredentialRetrievalError::ConfigReadError) => Err(CredentialRetrievalError::ConfigNotFound),
            other => other,
        };
    }
    match found {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(Some(Credentials { name, password })),
        Ok(DockerCredential::IdentityToken(_)) => Err(Error::IdentityToken(registry.to_owned())),
        Err(error) if is_absence(&error) => Ok(None),
        Err(source) => Err(Error::Credentials { registry: registry.to_owned(), source }),
    }
}

/// The file of Docker's configuration.
fn docker_config() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn is_absence(error: &CredentialRetrievalError) -> bool {
    matches!(
        error,
        CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::NoCredentialConfigured
    )
}

/// Every media type of a manifest or an index that registries may respond with.
pub(super) const ACCEPTED: [&str; 4] =
    [media::MANIFEST, media::DOCKER_MANIFEST, media::INDEX, media::DOCKER_INDEX];

/// Compares what was received with its descriptor.
pub(super) fn check(requested: &Descriptor, received: &Descriptor) -> Result<(), Error> {
    if received.digest != requested.digest {
        return Err(Error::Digest { requested: requested.digest.clone(), received: received.digest.clone() });
    }
    if received.size != requested.size {
        return Err(Error::Size {
            digest: received.digest.clone(),
            received: received.size,
            declared: requested.size,
        });
    }
    Ok(())
}
