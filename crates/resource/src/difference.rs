//! Differences between a plug-in and its counterpart in Higress, as listed under `differences` in `plugin.yaml`.
//!
//! They are the source of the section "Differences from Higress" in the READMEs, and tell an operator who migrates which
//! behaviour changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A difference between a plug-in and its counterpart in Higress.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The path of the field that differs (`rule_items[].trusted_hops`), if the difference is about a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The behaviour that differs, if it is about several fields or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    /// The behaviour in other languages, by BCP 47 tag (`zh-CN`).
    #[serde(default, rename = "behaviourI18n", skip_serializing_if = "BTreeMap::is_empty")]
    pub behaviour_i18n: BTreeMap<String, String>,
    /// What this plug-in does.
    pub ours: String,
    /// The same in other languages.
    #[serde(default, rename = "oursI18n", skip_serializing_if = "BTreeMap::is_empty")]
    pub ours_i18n: BTreeMap<String, String>,
    /// What Higress's plug-in does.
    pub theirs: String,
    /// The same in other languages.
    #[serde(default, rename = "theirsI18n", skip_serializing_if = "BTreeMap::is_empty")]
    pub theirs_i18n: BTreeMap<String, String>,
    /// The name of the test case that shows the difference.
    pub case: String,
}

/// A difference in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferenceTexts<'d> {
    /// The field, as code, or the behaviour.
    pub subject: String,
    /// What this plug-in does.
    pub ours: &'d str,
    /// What Higress's plug-in does.
    pub theirs: &'d str,
}

impl Difference {
    /// Returns the difference in English.
    pub fn english(&self) -> DifferenceTexts<'_> {
        let subject = self.subject(self.behaviour.as_deref().unwrap_or_default());
        DifferenceTexts { subject, ours: &self.ours, theirs: &self.theirs }
    }

    /// Returns the difference in another language, by BCP 47 tag.
    ///
    /// # Errors
    ///
    /// Returns the name of the first entry that has no text in this language.
    pub fn translated(&self, tag: &str) -> Result<DifferenceTexts<'_>, &'static str> {
        let behaviour = match &self.field {
            Some(_) => "",
            None => self.behaviour_i18n.get(tag).ok_or("behaviourI18n")?,
        };
        Ok(DifferenceTexts {
            subject: self.subject(behaviour),
            ours: self.ours_i18n.get(tag).ok_or("oursI18n")?,
            theirs: self.theirs_i18n.get(tag).ok_or("theirsI18n")?,
        })
    }

    fn subject(&self, behaviour: &str) -> String {
        match &self.field {
            Some(field) => format!("`{field}`"),
            None => behaviour.to_owned(),
        }
    }

    /// Returns what the types cannot check: names of entries, and what is wrong with each.
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        match (&self.field, &self.behaviour) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => mistakes.push(("", "has no subject: write `field` or `behaviour`".to_owned())),
            (Some(_), Some(_)) => {
                mistakes.push(("behaviour", "is given next to `field`: write one of them".to_owned()));
            }
        }
        let texts = [
            ("field", self.field.as_deref()),
            ("behaviour", self.behaviour.as_deref()),
            ("ours", Some(self.ours.as_str())),
            ("theirs", Some(self.theirs.as_str())),
            ("case", Some(self.case.as_str())),
        ];
        for (entry, text) in texts {
            if text.is_some_and(|text| text.trim().is_empty()) {
                mistakes.push((entry, "is empty: write at least one word, or remove the entry".to_owned()));
            }
        }
        mistakes
    }
}
