//! The way into a registry: protocol, credentials, and errors that say what to do.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

use crate::Access;

/// A registry that does not answer in this time does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with the credentials for one registry.
pub(crate) struct Registry {
    pub(crate) client: Client,
    pub(crate) auth: RegistryAuth,
    name: String,
}

impl Registry {
    /// Signs in for an operation.
    pub(crate) async fn open(
        reference: &Reference,
        access: &Access,
        operation: RegistryOperation,
    ) -> Result<Self> {
        let client = Client::new(ClientConfig {
            protocol: if access.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            user_agent: concat!("portcullis-xtask/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        let name = reference.resolve_registry().to_owned();
        let auth = credentials(&name)?;
        let registry = Self { client, auth, name };
        // Not tried again: what cannot be reached at all is a wrong name more often than not.
        let opened = registry.client.auth(reference, &registry.auth, operation).await;
        opened.map_err(|error| registry.explain(error))?;
        Ok(registry)
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
            format!("{name} cannot be reached: is the name right? A registry without TLS needs --plain-http")
        } else {
            format!("{name} answers with an error")
        };
        error.context(remedy)
    }
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
