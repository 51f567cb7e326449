//! Access to a registry: protocol, credentials, bounded reads, and errors that name the remedy.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url, redirect};

use crate::Access;

/// The longest silence of a server.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// The name under which this program introduces itself.
pub(crate) const USER_AGENT: &str = concat!("portcullis-xtask/", env!("CARGO_PKG_VERSION"));

/// The most that is read of an error's description.
const MAX_ERROR: u64 = 64 * 1024;

/// A client with the credentials for one registry.
pub(crate) struct Registry {
    /// Pushes and signs in. What is pulled is read by [`Registry::get`], because this client reads manifests and
    /// errors of any size.
    pub(crate) client: Client,
    http: reqwest::Client,
    auth: RegistryAuth,
    /// What it was signed in for.
    reference: Reference,
    operation: RegistryOperation,
    token: RefCell<Option<String>>,
    name: String,
    /// The address before `/v2/`.
    base: String,
    /// What to do where it cannot be reached.
    remedy: String,
}

/// An answer of a registry.
pub(crate) struct Content {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Registry {
    /// Signs in for an operation.
    pub(crate) async fn open(
        reference: &Reference,
        access: &Access,
        operation: RegistryOperation,
    ) -> Result<Self> {
        let name = reference.resolve_registry().to_owned();
        let auth = credentials(&name)?;
        let scheme = if access.plain_http { "http" } else { "https" };
        let base = format!("{scheme}://{name}");
        let local = oci::is_loopback(&name);
        if access.plain_http && !local && !matches!(auth, RegistryAuth::Anonymous) {
            bail!(
                "the credentials for {name} would cross the network unencrypted: leave --plain-http out; it is for \
                 registries on this machine, and for those that need no credentials (`docker logout {name}`)"
            );
        }
        let mut config = ClientConfig {
            protocol: if access.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(TIMEOUT),
            read_timeout: Some(TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        if local {
            // A proxy of the environment is another machine. This client takes exceptions with a proxy alone.
            let none = Some("http://127.0.0.1:9".to_owned());
            (config.http_proxy, config.https_proxy) = (none.clone(), none);
            config.no_proxy = Some("*,0.0.0.0/0,::/0".into());
        }
        let client = Client::new(config);
        let remedy = match &access.remedy {
            Some(remedy) => remedy.clone(),
            None if access.plain_http => {
                "is the name right? A registry with TLS is reached without --plain-http".into()
            }
            None => "is the name right? A registry without TLS needs --plain-http".into(),
        };
        let (http, reference) = (http(local)?, reference.clone());
        let token = RefCell::default();
        let registry = Self { client, http, auth, reference, operation, token, name, base, remedy };
        registry.check_realm().await?;
        // Not tried again: what cannot be reached at all is a wrong name more often than not.
        registry.sign_in().await.map_err(|error| registry.explain(error))?;
        Ok(registry)
    }

    async fn sign_in(&self) -> Result<(), OciDistributionError> {
        let token = self.client.auth(&self.reference, &self.auth, self.operation).await?;
        self.token.replace(token);
        Ok(())
    }

    /// Refuses to sign in where the registry names a place for it that is neither encrypted nor on this machine.
    async fn check_realm(&self) -> Result<()> {
        if matches!(self.auth, RegistryAuth::Anonymous) {
            return Ok(());
        }
        let answer = self.http.get(format!("{}/v2/", self.base)).send().await;
        let answer = answer.map_err(|error| self.explain(error.into()))?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|challenge| challenge.to_str().ok());
        let Some((_, realm)) = challenge.and_then(|challenge| challenge.split_once("realm=\"")) else {
            return Ok(());
        };
        let realm = realm.split('"').next().unwrap_or_default();
        if Url::parse(realm).is_ok_and(|url| !may_carry_credentials(&url)) {
            bail!(
                "{} wants the credentials at {realm}, where they would cross the network unencrypted",
                self.name
            );
        }
        Ok(())
    }

    /// Reads `path` (below `/v2/`), of which at most `limit` bytes are accepted.
    pub(crate) async fn get(
        &self,
        path: &str,
        accepted: &[&str],
        limit: u64,
    ) -> Result<Content, OciDistributionError> {
        let url = format!("{}/v2/{path}", self.base);
        let mut response = self.send(&url, accepted).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.token.borrow().is_some() {
            // Tokens last for minutes, and large images take longer.
            self.sign_in().await?;
            response = self.send(&url, accepted).await?;
        }
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(OciDistributionError::UnauthorizedError { url });
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let limit = if status.is_success() { limit } else { MAX_ERROR };
        let bytes = match read(&mut response, limit).await? {
            Some(bytes) => bytes,
            None if status.is_success() => {
                return Err(OciDistributionError::SpecViolationError(format!(
                    "{url} has more than the {limit} bytes that it may have"
                )));
            }
            None => Vec::new(),
        };
        if !status.is_success() {
            let message = String::from_utf8_lossy(&bytes).into_owned();
            return Err(OciDistributionError::ServerError { code: status.as_u16(), url, message });
        }
        Ok(Content { media_type, bytes })
    }

    async fn send(&self, url: &str, accepted: &[&str]) -> Result<reqwest::Response, OciDistributionError> {
        let mut request = self.http.get(url);
        if !accepted.is_empty() {
            request = request.header(ACCEPT, accepted.join(", "));
        }
        request = match (self.token.borrow().as_ref(), &self.auth) {
            (Some(token), _) => request.bearer_auth(token),
            (None, RegistryAuth::Basic(name, password)) => request.basic_auth(name, Some(password)),
            (None, _) => request,
        };
        Ok(request.send().await?)
    }

    /// What a person can do about an error.
    pub(crate) fn explain(&self, error: OciDistributionError) -> Error {
        let name = &self.name;
        let error = Error::from(error);
        let text = format!("{error:#}").to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let remedy = if says(&["not authorized", "authentication failure", "unauthorized", "denied"]) {
            match self.auth {
                RegistryAuth::Anonymous => {
                    format!(
                        "{name} asks for credentials: run `docker login {name}`, or `podman login {name}`"
                    )
                }
                _ => format!(
                    "{name} refuses the credentials: run `docker login {name}` again, or ask for the right"
                ),
            }
        } else if says(&["error sending request", "connect"]) {
            format!("{name} cannot be reached: {}", self.remedy)
        } else {
            format!("{name} answers with an error")
        };
        error.context(remedy)
    }
}

/// Whether credentials may be sent to a URL.
pub(crate) fn may_carry_credentials(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(oci::is_loopback)
}

/// A client for reading. It leaves credentials out when it is sent to another host, and never leaves TLS.
pub(crate) fn http(local: bool) -> Result<reqwest::Client> {
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
    let client = reqwest::Client::builder().connect_timeout(TIMEOUT).read_timeout(TIMEOUT).redirect(policy);
    let client = if local { client.no_proxy() } else { client };
    client.user_agent(USER_AGENT).build().context("starting the HTTP client")
}

/// A response's body; nothing if it is longer than `limit`, whatever its headers say.
pub(crate) async fn read(
    response: &mut reqwest::Response,
    limit: u64,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
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
fn credentials(registry: &str) -> Result<RegistryAuth> {
    // Docker Hub is kept under the address that it once had.
    let server = match registry {
        "index.docker.io" | "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    // The library says the same of a file that is not there and of one that is damaged.
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
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        Ok(DockerCredential::IdentityToken(_)) => Err(anyhow!(
            "the credentials for {registry} are an identity token, which cannot be used here: sign in with a name and \
             a password or access token"
        )),
        Err(error) if is_absence(&error) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(Error::new(error)
            .context(format!("the credentials for {registry} cannot be read: repair Docker's config.json"))),
    }
}

/// Where Docker's configuration is.
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
