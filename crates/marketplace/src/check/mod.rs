//! Checks configurations: fields of a plug-in, or resources that deploy plug-ins.

mod subject;
#[cfg(test)]
mod tests;
mod texts;
mod verdict;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use resource::Object;
use resource::yaml::Fault;
use serde_json::Value;

use crate::known::{Answers, Known, KnownPlugin};
use crate::{Code, Refusal};

pub use verdict::{Report, Verdict};

/// Checks files, and builds the helper of a plug-in at its first document.
pub struct Checker<'k> {
    /// The plug-ins that documents may name.
    pub known: &'k Known<'k>,
    /// The plug-in of documents that name none.
    pub plugin: Option<KnownPlugin<'k>>,
    answers: HashMap<String, Answers>,
}

impl<'k> Checker<'k> {
    /// Creates a checker.
    #[must_use]
    pub fn new(known: &'k Known<'k>, plugin: Option<KnownPlugin<'k>>) -> Self {
        Self { known, plugin, answers: HashMap::new() }
    }

    fn answers(&mut self, plugin: KnownPlugin<'_>) -> Result<&Answers> {
        if !self.answers.contains_key(plugin.name()) {
            self.answers.insert(plugin.name().to_owned(), plugin.answers()?);
        }
        self.answers.get(plugin.name()).context("has just been put there")
    }
}

/// Reports skipped documents as errors if nothing was checked.
pub fn something_checked(reports: &mut [Report]) {
    if reports.iter().any(Report::is_checked) {
        return;
    }
    for report in reports {
        if let Verdict::LeftOut { note, remedy } = &report.verdict {
            let mut error = note.clone();
            error.message = format!("{}: {remedy}", note.message);
            report.verdict = Verdict::refused(vec![error]);
        }
    }
}

/// A valid configuration, and what was left out or has no effect.
#[derive(Debug)]
pub struct Configured {
    /// The document.
    pub document: Object,
    /// The reports of everything else in the text, and the remarks.
    pub reports: Vec<Report>,
}

/// Returns the configuration of a plug-in in a text, which is fields or a resource.
///
/// # Errors
///
/// A [`Refusal`], with the mistakes if the plug-in rejects it.
pub fn document(known: &Known<'_>, plugin: KnownPlugin<'_>, file: &Path, text: &str) -> Result<Configured> {
    let shown = file.display();
    let refused = |what: String, remedy: &str| Refusal::new(Code::ConfigurationInvalid, what, remedy);
    let mut reports = Checker::new(known, Some(plugin)).file(file, text)?;
    something_checked(&mut reports);
    let mut checked = reports.iter().filter(|report| report.is_checked());
    let (Some(report), None) = (checked.next(), checked.next()) else {
        bail!(refused(format!("{shown} holds several configurations of {}", plugin.name()), "write one"));
    };
    let document = match &report.verdict {
        Verdict::Accepted { configuration: Value::Object(document), .. } => document.clone(),
        // Its own code takes nothing else.
        Verdict::Accepted { .. } => bail!(refused(format!("{shown} holds no fields"), "write some")),
        Verdict::NotDeployed { reason } => {
            bail!(refused(format!("{shown}: nothing would be deployed: {reason}"), ""))
        }
        Verdict::Refused { errors, .. } => bail!(Refusal::mistakes(file, errors.clone())),
        Verdict::LeftOut { note, .. } => bail!(Refusal::mistakes(file, vec![note.clone()])),
    };
    Ok(Configured { document, reports })
}

impl Refusal {
    /// The plug-in rejects a configuration in a file.
    #[must_use]
    pub fn mistakes(file: &Path, mistakes: Vec<Fault>) -> Self {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        let what = format!("{}:{first}", file.display());
        Self { mistakes, ..Self::new(Code::ConfigurationInvalid, what, "") }.with("file", file.display())
    }
}
