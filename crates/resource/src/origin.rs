//! Back from the document to the resource: where a field was written, and what was written in vain.

use crate::{ControlPlane, Object, WasmPlugin};

/// Something in a resource that has no effect, or another one than it seems to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The place in the resource: `spec.matchRules[1]`.
    pub path: String,
    /// What comes of it.
    pub message: &'static str,
}

impl WasmPlugin {
    /// Where a field of the document stands in the resource: `_rules_[0].block_urls` is
    /// `spec.matchRules[1].config.block_urls`, if the first match rule is disabled.
    #[must_use]
    pub fn origin(&self, path: &str) -> String {
        let spec = &self.spec;
        if spec.plugin_config.is_some() {
            return below(&self.configuration_field(), path);
        }
        let mut in_force = spec.match_rules.iter().enumerate().filter(|(_, rule)| !rule.config_disable);
        if path.starts_with("_rules_") && in_force.clone().next().is_some() {
            let rule = path.strip_prefix("_rules_[").and_then(|path| {
                let (index, rest) = path.split_once(']')?;
                Some((in_force.nth(index.parse().ok()?)?, rest.trim_start_matches('.')))
            });
            let Some(((index, rule), rest)) = rule else {
                return "spec.matchRules".into();
            };
            let place = format!("spec.matchRules[{index}]");
            let conditions = [
                ("_match_route_", "ingress", &rule.ingress),
                ("_match_service_", "service", &rule.service),
                ("_match_domain_", "domain", &rule.domain),
            ];
            for (key, field, names) in conditions {
                if let Some(rest) = rest.strip_prefix(key).filter(|_| !names.is_empty()) {
                    return format!("{place}.{field}{rest}");
                }
            }
            return if rest.is_empty() { place } else { format!("{place}.config.{rest}") };
        }
        match spec.default_config {
            Some(_) if !spec.default_config_disable => below("spec.defaultConfig", path),
            _ => "spec".into(),
        }
    }

    /// Where the configuration for requests that no rule matches stands, or would stand.
    #[must_use]
    pub fn configuration_field(&self) -> String {
        match self.control_plane {
            ControlPlane::EnvoyGateway => format!("spec.wasm[{}].config", self.extension.index),
            ControlPlane::Istio => "spec.pluginConfig".into(),
            ControlPlane::Higress if self.spec.plugin_config.is_some() => "spec.pluginConfig".into(),
            ControlPlane::Higress => "spec.defaultConfig".into(),
        }
    }

    /// Where a field of [`Spec`](crate::Spec) stands in the resource, by its name in Higress's.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        if self.control_plane != ControlPlane::EnvoyGateway {
            return format!("spec.{name}");
        }
        let wasm = self.extension.index;
        let inside = match name {
            "url" | "sha256" => {
                let kind = if self.spec.location().starts_with("oci://") { "image" } else { "http" };
                format!("code.{kind}.{name}")
            }
            "imagePullPolicy" => "code.pullPolicy".into(),
            "imagePullSecret" => "code.image.pullSecretRef".into(),
            "pluginName" => "rootID".into(),
            "failStrategy" => "failOpen".into(),
            "vmConfig" => "env".into(),
            _ => return format!("spec.wasm[{wasm}]"),
        };
        format!("spec.wasm[{wasm}].{inside}")
    }

    /// A text of the plug-in in which the places of its document are those of the resource: `_rules_[0]` is
    /// `spec.matchRules[1]`, if the first match rule is disabled.
    #[must_use]
    pub fn with_origins(&self, text: &str) -> String {
        let (mut written, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("_rules_[") {
            let (before, place) = rest.split_at(at);
            let is_path = |c: char| c.is_alphanumeric() || "_-.[]".contains(c);
            let end = place.find(|c| !is_path(c)).unwrap_or(place.len());
            let (path, behind) = place.split_at(end);
            // A full stop behind it is that of a sentence.
            let path_alone = path.trim_end_matches('.');
            written.push_str(before);
            written.push_str(&self.origin(path_alone));
            written.push_str(path.get(path_alone.len()..).unwrap_or_default());
            rest = behind;
        }
        written.push_str(rest);
        written
    }

    /// What the resource says in vain.
    #[must_use]
    pub fn remarks(&self) -> Vec<Remark> {
        let spec = &self.spec;
        let mut remarks = Vec::new();
        let mut remark = |path: String, message| remarks.push(Remark { path, message });
        if spec.plugin_config.is_some() {
            let unused = [
                ("spec.defaultConfig", spec.default_config.is_some()),
                ("spec.matchRules", !spec.match_rules.is_empty()),
            ];
            for (path, _) in unused.into_iter().filter(|(_, written)| *written) {
                remark(path.into(), "has no effect, because `pluginConfig` wins over it");
            }
            return remarks;
        }
        if spec.default_config.is_some() && spec.default_config_disable {
            remark("spec.defaultConfig".into(), "has no effect, because `defaultConfigDisable` is set");
        }
        let mut in_force = false;
        for (index, rule) in spec.match_rules.iter().enumerate() {
            in_force |= !rule.config_disable;
            if rule.config_disable {
                let message = "is disabled: its requests fall through to later rules or the default";
                remark(format!("spec.matchRules[{index}]"), message);
            }
        }
        let own_rules =
            spec.default_config.as_ref().is_some_and(|base: &Object| base.contains_key("_rules_"));
        if own_rules && in_force && !spec.default_config_disable {
            remark("spec.defaultConfig._rules_".into(), "has no effect, because `matchRules` replaces it");
        }
        remarks
    }
}

fn below(place: &str, path: &str) -> String {
    if path.is_empty() { place.into() } else { format!("{place}.{path}") }
}
