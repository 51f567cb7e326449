//! The categories that consoles sort plug-ins by.

use serde::{Deserialize, Serialize};

/// A category of a console's plug-in marketplace.
///
/// In a `plugin.yaml` it must be one of these names or of their synonyms; in what others have written, any other word is
/// [`Custom`](Self::Custom) (see [`Category::of`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Authentication and authorization.
    Auth,
    /// Protection against attacks and unwanted content.
    Security,
    /// Conversion between protocols.
    Protocol,
    /// Rate limits and routing.
    #[serde(alias = "traffic")]
    FlowControl,
    /// Metrics, logs and traces.
    #[serde(alias = "o11y", alias = "observability")]
    FlowMonitor,
    /// Changes to requests and responses.
    #[serde(alias = "transformation")]
    Transform,
    /// Language models.
    Ai,
    /// Everything else.
    Custom,
}

impl Category {
    /// All categories, in the order of a console's tabs.
    pub const ALL: [Self; 8] = [
        Self::Auth,
        Self::Security,
        Self::Protocol,
        Self::FlowControl,
        Self::FlowMonitor,
        Self::Transform,
        Self::Ai,
        Self::Custom,
    ];

    /// The name of the category, in `plugin.yaml` and in the `spec.yaml` of an image.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// The category that a word stands for: its name or one of its synonyms; [`Custom`](Self::Custom) for any other word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let word = word.trim().to_lowercase();
        Self::ALL
            .into_iter()
            .find(|category| category.names().contains(&word.as_str()))
            .unwrap_or(Self::Custom)
    }

    /// The name and its synonyms.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Auth => &["auth"],
            Self::Security => &["security"],
            Self::Protocol => &["protocol"],
            Self::FlowControl => &["flow-control", "traffic"],
            Self::FlowMonitor => &["flow-monitor", "o11y", "observability"],
            Self::Transform => &["transform", "transformation"],
            Self::Ai => &["ai"],
            Self::Custom => &["custom"],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_name_and_synonym_is_read_and_the_name_is_written() {
        for category in Category::ALL {
            for name in category.names() {
                assert_eq!(serde_json::from_value::<Category>(json!(name)).unwrap(), category, "{name}");
                assert_eq!(Category::of(&name.to_uppercase()), category, "{name}");
            }
            assert_eq!(serde_json::to_value(category).unwrap(), json!(category.name()));
        }
    }

    #[test]
    fn any_other_word_is_custom_in_what_others_have_written() {
        assert_eq!(Category::of("gaming"), Category::Custom);
        assert_eq!(Category::of(""), Category::Custom);
        assert!(serde_json::from_value::<Category>(json!("gaming")).is_err());
    }
}
