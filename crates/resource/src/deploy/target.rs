//! Where a resource applies: names, targets and labels, checked before a cluster sees them.

use std::str::FromStr;

/// A Gateway, route or service that a policy is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The kind, as `Gateway`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
}

/// Kinds that can be a target, with their API groups.
const KINDS: [(&str, &str); 6] = [
    ("Gateway", "gateway.networking.k8s.io"),
    ("HTTPRoute", "gateway.networking.k8s.io"),
    ("GRPCRoute", "gateway.networking.k8s.io"),
    ("GatewayClass", "gateway.networking.k8s.io"),
    ("Service", ""),
    ("ServiceEntry", "networking.istio.io"),
];

impl Target {
    /// The API group of its kind.
    #[must_use]
    pub fn group(&self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, group)| group)
    }
}

impl FromStr for Target {
    type Err = String;

    /// `NAME` of a Gateway, or `KIND/NAME`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or(("Gateway", text));
        let known = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
        let (kind, _) = known.ok_or_else(|| {
            let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            format!("`{kind}` cannot be a target: write one of {}", kinds.join(", "))
        })?;
        Ok(Self { kind, name: check_name(name)? })
    }
}

/// A label of pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The label.
    pub key: String,
    /// The value of the label.
    pub value: String,
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() && value.len() <= 63 => {
                Ok(Self { key: key.into(), value: value.into() })
            }
            _ => Err("write a label and its value, as in higress=higress-system-higress-gateway".into()),
        }
    }
}

/// Checks a name of a resource, secret or namespace (RFC 1123).
///
/// # Errors
///
/// The form that Kubernetes accepts.
pub fn check_name(name: &str) -> Result<String, String> {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = |label: &str| {
        label.starts_with(end) && label.ends_with(end) && label.chars().all(|c| end(c) || c == '-')
    };
    if name.len() > 253 || !name.split('.').all(good) {
        return Err("write lower-case letters, digits, `-` and `.`, as in request-block".into());
    }
    Ok(name.to_owned())
}

/// Checks the name of a namespace: a name without dots, of at most 63 characters.
///
/// # Errors
///
/// The form that Kubernetes accepts.
pub fn check_namespace(name: &str) -> Result<String, String> {
    match check_name(name) {
        Ok(name) if name.len() <= 63 && !name.contains('.') => Ok(name),
        _ => Err("write at most 63 lower-case letters, digits and `-`, as in higress-system".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_kinds_and_names() {
        for (text, kind, group) in [
            ("eg", "Gateway", "gateway.networking.k8s.io"),
            ("httproute/eg", "HTTPRoute", "gateway.networking.k8s.io"),
            ("Service/eg", "Service", ""),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.kind, target.name.as_str(), target.group()), (kind, "eg", group));
        }
        for (text, words) in
            [("Pod/x", "one of Gateway, HTTPRoute"), ("Gateway/", "lower-case"), ("A", "lower-case")]
        {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn names_and_labels_are_those_of_kubernetes() {
        for name in ["a", "request-block", "a.b-c.d1", "1a"] {
            assert_eq!(check_name(name).as_deref(), Ok(name));
        }
        for name in ["", "A", "-a", "a-", "a..b", "a_b", "ä", &"a".repeat(254)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_namespace("higress-system").is_ok());
        for name in ["a.b", "A", &"a".repeat(64)] {
            assert!(check_namespace(name).is_err(), "{name}");
        }
        assert!("a=b".parse::<Selector>().is_ok());
        for text in ["a", "=b", "a="] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
