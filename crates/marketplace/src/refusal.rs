//! What the marketplace refuses, with a stable code.

use std::fmt;

use resource::yaml::Fault;
use workspace::module::Report;

/// Why the marketplace refuses something. The names are stable, so that a user interface can translate the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// There is no such plug-in.
    PluginUnknown,
    /// Several plug-ins of different namespaces have this name.
    PluginAmbiguous,
    /// An enabled custom plug-in cannot be edited or deleted.
    PluginEnabled,
    /// A built-in plug-in cannot be edited or deleted.
    PluginBuiltIn,
    /// The resource can only be changed in its file.
    PluginElsewhere,
    /// The name is in use.
    NameTaken,
    /// The name is not one of a resource.
    NameInvalid,
    /// A custom plug-in needs a description.
    DescriptionMissing,
    /// A custom plug-in needs a language.
    LanguageMissing,
    /// A title is blank.
    TitleEmpty,
    /// Priorities are multiples of 10.
    PriorityNotMultiple,
    /// Priorities have a range.
    PriorityRange,
    /// A custom plug-in needs a module.
    ModuleMissing,
    /// The name of a module's file ends in `.wasm`.
    ModuleName,
    /// A module has at most 50 MB.
    ModuleTooLarge,
    /// Gateways do not load the module.
    ModuleInvalid,
    /// A URL is not one that a cluster can fetch a module from.
    UrlInvalid,
    /// This field of a built-in plug-in is that of the plug-in itself.
    FieldOfPlugin,
    /// The plug-in rejects the configuration.
    ConfigurationInvalid,
    /// There is no previous version.
    NoPreviousVersion,
    /// The file has been changed by someone else.
    ChangedMeanwhile,
    /// The text of the resource cannot be changed in this way.
    NotEditable,
    /// The request contains no change.
    NothingToChange,
}

/// A refusal: nothing has been changed.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// The values in the message, by name.
    pub params: Vec<(&'static str, String)>,
    /// What is wrong, in English.
    pub what: String,
    /// What to do instead, in English.
    pub remedy: String,
    /// The rejected fields of a configuration.
    pub mistakes: Vec<Fault>,
    /// The failed checks of a module.
    pub report: Option<Box<Report>>,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 23] = [
        Self::PluginUnknown,
        Self::PluginAmbiguous,
        Self::PluginEnabled,
        Self::PluginBuiltIn,
        Self::PluginElsewhere,
        Self::NameTaken,
        Self::NameInvalid,
        Self::DescriptionMissing,
        Self::LanguageMissing,
        Self::TitleEmpty,
        Self::PriorityNotMultiple,
        Self::PriorityRange,
        Self::ModuleMissing,
        Self::ModuleName,
        Self::ModuleTooLarge,
        Self::ModuleInvalid,
        Self::UrlInvalid,
        Self::FieldOfPlugin,
        Self::ConfigurationInvalid,
        Self::NoPreviousVersion,
        Self::ChangedMeanwhile,
        Self::NotEditable,
        Self::NothingToChange,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PluginUnknown => "plugin_unknown",
            Self::PluginAmbiguous => "plugin_ambiguous",
            Self::PluginEnabled => "plugin_enabled",
            Self::PluginBuiltIn => "plugin_built_in",
            Self::PluginElsewhere => "plugin_elsewhere",
            Self::NameTaken => "name_taken",
            Self::NameInvalid => "name_invalid",
            Self::DescriptionMissing => "description_missing",
            Self::LanguageMissing => "language_missing",
            Self::TitleEmpty => "title_empty",
            Self::PriorityNotMultiple => "priority_not_multiple",
            Self::PriorityRange => "priority_range",
            Self::ModuleMissing => "module_missing",
            Self::ModuleName => "module_name",
            Self::ModuleTooLarge => "module_too_large",
            Self::ModuleInvalid => "module_invalid",
            Self::UrlInvalid => "url_invalid",
            Self::FieldOfPlugin => "field_of_plugin",
            Self::ConfigurationInvalid => "configuration_invalid",
            Self::NoPreviousVersion => "no_previous_version",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::NotEditable => "not_editable",
            Self::NothingToChange => "nothing_to_change",
        }
    }

    /// The field of a form that is wrong, if it is one.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::NameTaken | Self::NameInvalid => Some("name"),
            Self::DescriptionMissing => Some("description"),
            Self::LanguageMissing => Some("language"),
            Self::TitleEmpty => Some("title"),
            Self::PriorityNotMultiple | Self::PriorityRange => Some("priority"),
            Self::ModuleMissing
            | Self::ModuleName
            | Self::ModuleTooLarge
            | Self::ModuleInvalid
            | Self::UrlInvalid => Some("module"),
            Self::ConfigurationInvalid => Some("configuration"),
            _ => None,
        }
    }
}

impl Refusal {
    /// Creates a refusal.
    #[must_use]
    pub fn new(code: Code, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            params: Vec::new(),
            what: what.into(),
            remedy: remedy.into(),
            mistakes: Vec::new(),
            report: None,
        }
    }

    /// Adds a value of the message.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.params.push((name, value.to_string()));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.remedy.is_empty() {
            write!(f, ": {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// The marketplace did not do something.
#[derive(Debug)]
pub enum Error {
    /// A rule forbids it.
    Refused(Box<Refusal>),
    /// It failed.
    Failed(anyhow::Error),
}

/// The result of what the marketplace may refuse.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Refusal>() {
            Ok(refusal) => refusal.into(),
            Err(error) => Self::Failed(error),
        }
    }
}

impl From<Error> for anyhow::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::new(*refusal),
            Error::Failed(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Code;

    #[test]
    fn codes_have_different_names() {
        let names: HashSet<_> = Code::ALL.into_iter().map(Code::name).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
