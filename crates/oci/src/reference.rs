//! Names of images in registries: `oci://registry.example.com/plugins/request-block:1.0.0`.

use std::fmt;
use std::net::Ipv6Addr;

use resource::deploy::SCHEME;

const EXAMPLE: &str = "oci://registry.example.com/plugins/my-plugin:1.0.0";

/// An image in a registry, or a repository if it has neither tag nor digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// A text that is not a valid reference: the reason, and the form to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceError(String);

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReferenceError {}

impl Reference {
    /// Parses a reference, with its scheme or without.
    ///
    /// # Errors
    ///
    /// It is not valid (distribution specification, "Pulling manifests"), or does not name a registry.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let invalid = |why: &str| ReferenceError(format!("{text}: {why}: write it as {EXAMPLE}"));
        let bare = text.strip_prefix(SCHEME).unwrap_or(text);
        if bare.contains("://") {
            return Err(invalid("not a reference to an image in a registry"));
        }
        let (name, digest) = match bare.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (bare, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(invalid("the digest is not `sha256:` and 64 hexadecimal digits"));
        }
        let Some((host, path)) = name.split_once('/') else { return Err(invalid("names no repository")) };
        // Other tools read a name without a registry as one of Docker Hub's.
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(ReferenceError(format!(
                "{text}: names no registry: write its host first, as in {EXAMPLE} or oci://docker.io/me/my-plugin:1.0.0"
            )));
        }
        if !is_host(host) {
            return Err(invalid(&format!("`{host}` is not a host, or a host with a port")));
        }
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if let Some(component) = repository.split('/').find(|component| !is_component(component)) {
            return Err(invalid(&format!(
                "`{component}` cannot be a part of a repository's name, which has lowercase letters and digits, with \
                 `.`, `_` or `-` between them"
            )));
        }
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        Ok(Self {
            host: host.into(),
            repository: repository.into(),
            tag: tag.map(Into::into),
            digest: digest.map(Into::into),
        })
    }

    /// The registry's host, with its port if there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository: `plugins/request-block`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The last component of the repository, usually the plug-in's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest: `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Returns true if the registry is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        crate::is_loopback(&self.host)
    }

    /// The image with this tag in the same repository.
    ///
    /// # Errors
    ///
    /// The tag is not valid.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        check_tag(tag)?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The image with this digest in the same repository.
    #[must_use]
    pub fn with_digest(&self, digest: &str) -> Self {
        Self { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }
}

/// With its scheme, as resources name it.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Checks that registries accept a tag (distribution specification, "Pulling manifests").
///
/// # Errors
///
/// They do not: the message has the rule.
pub fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || c == '.' || c == '-';
    if !tag.starts_with(first) || !tag.chars().all(rest) || tag.len() > 128 {
        return Err(ReferenceError(format!(
            "`{tag}` cannot be a tag: write letters, digits, `_`, `.` and `-`, at most 128, as in 1.0.0"
        )));
    }
    Ok(())
}

/// Returns true for `sha256:` and 64 lowercase hexadecimal digits.
fn is_digest(digest: &str) -> bool {
    let digits = digest.strip_prefix("sha256:");
    digits.is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => {
                let port = rest.strip_prefix(':');
                if address.parse::<Ipv6Addr>().is_err() || (port.is_none() && !rest.is_empty()) {
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

/// Returns true for a component of a repository's name (distribution specification, "Pulling manifests").
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
    fn valid_references_are_parsed() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, whole) in [
            ("oci://registry.example.com/plugins/a:1.0.0", "oci://registry.example.com/plugins/a:1.0.0"),
            ("127.0.0.1:5000/a:1", "oci://127.0.0.1:5000/a:1"),
            ("oci://[::1]:5000/a/b-c:1", "oci://[::1]:5000/a/b-c:1"),
            ("localhost/a", "oci://localhost/a"),
            (&format!("x.y/a@{digest}"), &format!("oci://x.y/a@{digest}")),
            (&format!("x.y/a:1@{digest}"), &format!("oci://x.y/a:1@{digest}")),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), whole);
            assert_eq!(reference.with_tag("2").unwrap().tag(), Some("2"));
        }
    }

    #[test]
    fn invalid_references_are_refused_with_a_remedy() {
        for (text, expected) in [
            ("", "names no repository"),
            ("a:1", "names no repository"),
            ("oci://registry.example.com", "names no repository"),
            ("oci://registry.example.com/", "cannot be a part"),
            ("a/b:1", "names no registry"),
            ("docker://x.y/a", "not a reference"),
            ("https://x.y/a", "not a reference"),
            ("oci://x.y/a@sha256:00", "the digest is not"),
            ("oci://x.y/A:1", "`A` cannot be a part"),
            ("oci://x.y/a//b:1", "cannot be a part"),
            ("oci://x.y/a b:1", "cannot be a part"),
            ("oci://x.y/a:", "cannot be a tag"),
            ("oci://x.y/a:1+2", "cannot be a tag"),
            ("oci://x.y:port/a:1", "is not a host"),
            ("oci://x.y:0/a:1", "is not a host"),
            ("oci://user:secret@x.y/a:1", "the digest is not"),
            ("oci://[::1/a:1", "is not a host"),
        ] {
            let error = Reference::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(": "), "{text}: {error}");
        }
    }
}
