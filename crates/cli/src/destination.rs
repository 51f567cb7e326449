//! The place that an image is pushed to, as people write it: `oci://registry.example.com/plugins/request-block:1.0.0`.
//! It is checked before anything is built.

use anyhow::{Result, bail};
use resource::deploy::SCHEME;

use crate::Usage;

const EXAMPLE: &str = "oci://registry.example.com/plugins/my-plugin:1.0.0";

/// A repository in a registry, and the tag in it if one was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The registry's host, with its port.
    host: String,
    repository: String,
    pub(crate) tag: Option<String>,
}

impl Destination {
    /// Reads a destination, with its scheme or without.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Usage(format!("{text}: {why}: write it as {EXAMPLE}"));
        let bare = text.strip_prefix(SCHEME).unwrap_or(text);
        if bare.contains("://") {
            bail!(wrong("is not the name of an image"));
        }
        if bare.contains('@') {
            bail!(Usage(format!("{text}: push to a tag: the digest follows from the image")));
        }
        let Some((host, path)) = bare.split_once('/') else { bail!(wrong("names no repository")) };
        // What has neither is taken for a repository of Docker Hub by other tools.
        if !(host.contains(['.', ':']) || host == "localhost") {
            bail!(Usage(format!(
                "{text}: names no registry: write its host first, as in {EXAMPLE} or oci://docker.io/me/my-plugin:1.0.0"
            )));
        }
        if !is_host(host) {
            bail!(wrong(&format!("`{host}` is not a host, or a host with a port")));
        }
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if let Some(component) = repository.split('/').find(|component| !is_component(component)) {
            bail!(wrong(&format!(
                "`{component}` cannot be a part of a repository's name, which has small letters and digits, with `.`, \
                 `_` or `-` between them"
            )));
        }
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        Ok(Self { host: host.into(), repository: repository.into(), tag: tag.map(Into::into) })
    }

    /// The destination with a tag.
    pub(crate) fn with_tag(&self, tag: &str) -> String {
        format!("{SCHEME}{}/{}:{tag}", self.host, self.repository)
    }

    /// The last part of the repository's name.
    pub(crate) fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }
}

/// Refuses what no registry accepts as a tag (distribution specification, "Pulling manifests").
pub(crate) fn check_tag(tag: &str) -> Result<()> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || c == '.' || c == '-';
    if !tag.starts_with(first) || !tag.chars().all(rest) || tag.len() > 128 {
        bail!(Usage(format!(
            "`{tag}` cannot be a tag: write letters, digits, `_`, `.` and `-`, 128 at most, as in 1.0.0"
        )));
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => {
                let port = rest.strip_prefix(':');
                if address.parse::<std::net::Ipv6Addr>().is_err() || (port.is_none() && !rest.is_empty()) {
                    return false;
                }
                ("x", port)
            }
            None => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A component of a repository's name (distribution specification, "Pulling manifests").
fn is_component(component: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(plain)
        && component.ends_with(plain)
        && component.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
        && ["..", "._", "_.", ".-", "-.", "_-", "-_", "___"].iter().all(|pair| !component.contains(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_registries() {
        for tag in ["1.0.0", "_x", "v1-rc.1", "latest"] {
            assert!(check_tag(tag).is_ok(), "{tag}");
        }
        for tag in ["", "1.0.0+build", ".1", "-1", "a b", "ä", &"x".repeat(129)] {
            assert!(check_tag(tag).is_err(), "{tag}");
        }
    }

    #[test]
    fn destinations_are_read() {
        for (text, whole) in [
            ("oci://registry.example.com/plugins/a:1.0.0", "oci://registry.example.com/plugins/a:1.0.0"),
            ("127.0.0.1:5000/a:1", "oci://127.0.0.1:5000/a:1"),
            ("oci://[::1]:5000/a/b-c:1", "oci://[::1]:5000/a/b-c:1"),
            ("localhost/a", "oci://localhost/a:x"),
        ] {
            let destination = Destination::parse(text).unwrap();
            assert_eq!(destination.with_tag(destination.tag.as_deref().unwrap_or("x")), whole);
        }
        for (text, expected) in [
            ("", "names no repository"),
            ("oci://registry.example.com", "names no repository"),
            ("oci://registry.example.com/", "cannot be a part"),
            ("a/b:1", "names no registry"),
            ("docker://x.y/a", "is not the name of an image"),
            ("https://x.y/a", "is not the name of an image"),
            ("oci://x.y/a@sha256:00", "the digest follows"),
            ("oci://x.y/A:1", "`A` cannot be a part"),
            ("oci://x.y/a//b:1", "cannot be a part"),
            ("oci://x.y/a b:1", "cannot be a part"),
            ("oci://x.y/a:", "cannot be a tag"),
            ("oci://x.y/a:1+2", "cannot be a tag"),
            ("oci://x.y:port/a:1", "is not a host"),
            ("oci://x.y:0/a:1", "is not a host"),
            ("oci://user:secret@x.y/a:1", "the digest follows"),
            ("oci://[::1/a:1", "is not a host"),
        ] {
            let error = Destination::parse(text).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
