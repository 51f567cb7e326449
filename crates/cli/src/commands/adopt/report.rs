//! The report on an installation, for people and for scripts.

use std::fmt::Write as _;

use resource::upstream::Named;
use resource::yaml::Fault;
use resource::{Deployment, Manifest, WasmPlugin, annotation};
use serde_json::{Value, json};

use super::applied::Resource;
use crate::output::{BOLD, DIM, WARN, mark, styled};
use marketplace::Verdict;

/// One plug-in of the installation.
pub(super) struct Adoption {
    file: String,
    line: usize,
    /// `namespace/name` of the resource.
    resource: String,
    /// What deploys it: `url`, or `pluginName` where there is none.
    image: String,
    /// The plug-in that it deploys.
    pub(super) upstream: Option<Named>,
    pub(super) outcome: Outcome,
    /// Fields of the resource without effect, and the like.
    pub(super) remarks: Vec<Fault>,
    pub(super) differences: Vec<Difference>,
}

/// The result for a plug-in.
pub(super) enum Outcome {
    /// The configuration is accepted as it is.
    Accepted { plugin: String, version: String },
    /// The resource deploys nothing at present.
    NotDeployed { plugin: String, version: String, reason: &'static str },
    /// The configuration, or the resource, is rejected.
    Rejected { plugin: String, version: String, errors: Vec<Fault> },
    /// The resource cannot be read.
    Unreadable { errors: Vec<Fault> },
    /// A plug-in of Higress's catalogue that this project does not have yet.
    NoCounterpart,
    /// No plug-in of the catalogue.
    UnknownImage,
}

/// One entry of `differences` in plugin.yaml.
pub(super) struct Difference {
    subject: String,
    ours: String,
    theirs: String,
    case: String,
}

impl Outcome {
    pub(super) fn of(verdict: Verdict, manifest: &Manifest) -> Self {
        let (plugin, version) = (manifest.name.clone(), manifest.version.clone());
        match verdict {
            Verdict::Accepted { .. } => Self::Accepted { plugin, version },
            Verdict::NotDeployed { reason } => Self::NotDeployed { plugin, version, reason },
            Verdict::Refused { errors, .. } => Self::Rejected { plugin, version, errors },
            // The plug-in is given, so the resource is not another's.
            Verdict::LeftOut { note, .. } => Self::Rejected { plugin, version, errors: vec![note] },
        }
    }

    /// The word for it in JSON.
    fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::NotDeployed { .. } => "notDeployed",
            Self::Rejected { .. } => "rejected",
            Self::Unreadable { .. } => "unreadable",
            Self::NoCounterpart => "noCounterpart",
            Self::UnknownImage => "unknownImage",
        }
    }
}

/// The differences that concern a configuration: those of fields that it has, and of behaviour.
pub(super) fn differences(manifest: &Manifest, deployment: Option<&Deployment>) -> Vec<Difference> {
    let document = match deployment {
        Some(Deployment::Document(document)) => Value::Object(document.clone()),
        // Of what is disabled or rejected, all may concern it later.
        _ => Value::Null,
    };
    let concerns = |field: &str| {
        let name = field.rsplit('.').next().unwrap_or(field).trim_end_matches("[]");
        document.is_null() || has_key(&document, name)
    };
    let entries = manifest.differences.iter();
    let entries = entries.filter(|entry| entry.field.as_deref().is_none_or(concerns));
    entries
        .map(|entry| {
            let texts = entry.english();
            Difference {
                subject: texts.subject,
                ours: texts.ours.to_owned(),
                theirs: texts.theirs.to_owned(),
                case: entry.case.clone(),
            }
        })
        .collect()
}

fn has_key(value: &Value, name: &str) -> bool {
    // Documents were read from text, which bounds their depth.
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| key == name || has_key(value, name)),
        Value::Array(entries) => entries.iter().any(|entry| has_key(entry, name)),
        _ => false,
    }
}

impl Adoption {
    pub(super) fn new(file: &str, line: usize, plugin: &WasmPlugin) -> Self {
        let text = |key: &str| annotation::metadata(plugin, key);
        let resource = match (text("namespace"), text("name")) {
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        let image = if plugin.spec.url.is_empty() { &plugin.spec.plugin_name } else { &plugin.spec.url };
        Self {
            file: file.to_owned(),
            line,
            resource,
            image: image.clone(),
            upstream: None,
            outcome: Outcome::UnknownImage,
            remarks: Vec::new(),
            differences: Vec::new(),
        }
    }

    pub(super) fn unreadable(file: &str, line: usize, errors: Vec<Fault>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            resource: String::new(),
            image: String::new(),
            upstream: None,
            outcome: Outcome::Unreadable { errors },
            remarks: Vec::new(),
            differences: Vec::new(),
        }
    }

    pub(super) fn is_rejected(&self) -> bool {
        matches!(self.outcome, Outcome::Rejected { .. } | Outcome::Unreadable { .. })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let place = format!("{}:{}", self.file, self.line);
        let resource = if self.resource.is_empty() { "resource" } else { &self.resource };
        let _ = writeln!(text, "{} {}", styled(BOLD, resource), styled(DIM, place));
        if !self.image.is_empty() {
            let _ = writeln!(text, "  deploys  {}", self.image);
        }
        let mut line = |ok: Option<bool>, what: String| {
            let mark = ok.map_or_else(|| styled(WARN, "!"), mark);
            let _ = writeln!(text, "  {mark} {what}");
        };
        match &self.outcome {
            Outcome::Accepted { plugin, version } => {
                line(
                    Some(true),
                    format!("replaced by {plugin} {version}: the configuration is accepted as it is"),
                );
            }
            Outcome::NotDeployed { plugin, version, reason } => {
                line(Some(true), format!("replaced by {plugin} {version}; not deployed: {reason}"));
            }
            Outcome::Rejected { plugin, version, errors } => {
                line(Some(false), format!("replaced by {plugin} {version}, after these changes:"));
                self.faults(&mut text, errors);
            }
            Outcome::Unreadable { errors } => {
                line(Some(false), "cannot be read:".to_owned());
                self.faults(&mut text, errors);
            }
            Outcome::NoCounterpart => {
                let name = self.upstream.as_ref().map_or("the plug-in", |named| named.name.as_str());
                line(None, format!("{name} has no counterpart yet: keep the present plug-in"));
            }
            Outcome::UnknownImage => line(
                None,
                "not a plug-in of Higress's catalogue: keep it; if it is a copy of one, add `pluginName`"
                    .to_owned(),
            ),
        }
        for remark in &self.remarks {
            let _ = writeln!(
                text,
                "  {} {}:{}: {}: {}",
                styled(WARN, "!"),
                self.file,
                remark.line,
                remark.path,
                remark.message
            );
        }
        if !self.differences.is_empty() {
            let _ = writeln!(text, "  differences from Higress:");
            for Difference { subject, ours, theirs, case } in &self.differences {
                let _ = writeln!(text, "    {subject}");
                let _ = writeln!(text, "      here     {ours}");
                let _ = writeln!(text, "      Higress  {theirs}");
                let _ = writeln!(text, "      {}", styled(DIM, format!("case: {case}")));
            }
        }
        text
    }

    fn faults(&self, text: &mut String, errors: &[Fault]) {
        for error in errors {
            let colon = if error.path.is_empty() { "" } else { ": " };
            let _ = writeln!(
                text,
                "    {}:{}:{}: {}{colon}{}",
                self.file,
                error.line,
                error.column,
                styled(BOLD, &error.path),
                error.message
            );
        }
    }

    fn json(&self) -> Value {
        let plugin = |name: &str, version: &str| ("plugin", json!({ "name": name, "version": version }));
        let differences = self.differences.iter().map(|Difference { subject, ours, theirs, case }| {
            json!({ "subject": subject, "ours": ours, "theirs": theirs, "case": case })
        });
        let mut fields = vec![
            ("file", json!(self.file)),
            ("line", json!(self.line)),
            ("resource", json!(self.resource)),
            ("image", json!(self.image)),
            ("outcome", json!(self.outcome.name())),
        ];
        if let Some(named) = &self.upstream {
            fields.push(("upstream", json!({ "name": named.name, "version": named.version })));
        }
        match &self.outcome {
            Outcome::Accepted { plugin: name, version } => fields.push(plugin(name, version)),
            Outcome::NotDeployed { plugin: name, version, reason } => {
                fields.extend([plugin(name, version), ("reason", json!(reason))]);
            }
            Outcome::Rejected { plugin: name, version, errors } => {
                fields.extend([plugin(name, version), ("errors", json!(errors))]);
            }
            Outcome::Unreadable { errors } => fields.push(("errors", json!(errors))),
            Outcome::NoCounterpart | Outcome::UnknownImage => {}
        }
        fields.push(("remarks", json!(self.remarks)));
        fields.push(("differences", differences.collect()));
        fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<resource::Object>().into()
    }
}

/// The report as text, with a summary.
pub(super) fn text(adoptions: &[Adoption], explains_images: bool) -> String {
    let mut text = String::new();
    for adoption in adoptions {
        let _ = writeln!(text, "{}", adoption.text());
    }
    let count = |wanted: &[&str]| {
        adoptions.iter().filter(|adoption| wanted.contains(&adoption.outcome.name())).count()
    };
    let _ = writeln!(
        text,
        "{} plug-ins: {} accepted as they are, {} to change, {} without a counterpart, {} unknown",
        adoptions.len(),
        count(&["accepted", "notDeployed"]),
        count(&["rejected", "unreadable"]),
        count(&["noCounterpart"]),
        count(&["unknownImage"]),
    );
    if explains_images && count(&["accepted", "notDeployed"]) > 0 {
        let _ = writeln!(text, "add `--images REGISTRY/REPOSITORY` to print the resources to apply");
    }
    text
}

/// The report for scripts.
pub(super) fn json(adoptions: &[Adoption], resources: &[Resource]) -> Value {
    json!({
        "plugins": adoptions.iter().map(Adoption::json).collect::<Vec<_>>(),
        "resources": resources.iter().map(|resource| &resource.value).collect::<Vec<_>>(),
    })
}
