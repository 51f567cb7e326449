//! The configuration of a plug-in for native tools: its schema, and the validation of documents.
//!
//! A tool builds and runs a program with this line, whose only dependency is the plug-in:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode { my_plugin::description().answer() }
//! ```

use std::io::{self, Read as _, Write as _};
use std::marker::PhantomData;
use std::process::ExitCode;

use config::{ConfigError, Configuration, RuleFields};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::Plugin;
use crate::quota::ServiceLimit;
use crate::rules::Loaded;

/// The configuration of a plug-in. `#[plugin]` adds the function `description`, which returns it.
pub struct Description {
    /// The schema, OpenAPI v3; `None` if the fields do not have one, because they are not declared with
    /// [`#[configuration]`](crate::configuration).
    pub schema: Option<Value>,
    /// Validates a document as `on_configure` does.
    pub check: fn(&[u8]) -> Result<(), ConfigError>,
    /// Returns the limits of a document that a rate limit service counts.
    pub service_limits: fn(&[u8]) -> Result<Vec<ServiceLimit>, ConfigError>,
    /// True if rules start from the global fields ([`Configuration::RULES`]).
    pub rules_start_from_global: bool,
}

impl Description {
    #[doc(hidden)]
    pub fn new<P: Plugin>(schema: Option<Value>) -> Self {
        Description {
            schema,
            check: |text| Loaded::<P::Config>::from_json(text).map(drop),
            service_limits: |text| {
                let configurations = Loaded::<P::Config>::from_json(text)?.all();
                Ok(configurations.iter().flat_map(|config| P::service_limits(config)).collect())
            },
            rules_start_from_global: P::Config::RULES != RuleFields::Replace,
        }
    }

    /// The main function of a program that describes a plug-in, as JSON on its output.
    ///
    /// `schema` prints the schema or `null`. `check` reads a document from the input and prints all errors, as a list of
    /// `{"path": …, "message": …}`. `inherits` prints whether rules start from the global fields. `limits` reads a valid
    /// document and prints the limits that a rate limit service counts.
    #[must_use]
    pub fn answer(&self) -> ExitCode {
        let answer = match std::env::args().nth(1).as_deref() {
            Some("schema") => Ok(self.schema.clone().unwrap_or_default()),
            Some("check") => check(self),
            Some("inherits") => Ok(self.rules_start_from_global.into()),
            Some("limits") => limits(self),
            _ => Err(io::Error::other("usage: `schema`, `check`, `inherits` or `limits`")),
        };
        match answer.and_then(|answer| io::stdout().write_all(answer.to_string().as_bytes())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // If the error output is closed too, the exit code remains.
                let _ = writeln!(io::stderr(), "error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

fn check(description: &Description) -> io::Result<Value> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let errors = match serde_json::from_slice::<Value>(&text) {
        Ok(document) => {
            let check = |document: &Value| (description.check)(document.to_string().as_bytes());
            let schema = description.schema.as_ref();
            config::hints::every(&document, schema, description.rules_start_from_global, check)
        }
        Err(_) => (description.check)(&text).err().into_iter().collect(),
    };
    let errors = errors.iter().map(|error| json!({ "path": error.path(), "message": error.message() }));
    Ok(errors.collect())
}

fn limits(description: &Description) -> io::Result<Value> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let limits = (description.service_limits)(&text).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(serde_json::to_value(limits)?)
}

/// Fields that may have a schema. If they have one, the inherent method is called, which has precedence over a trait's
/// method; otherwise only the trait's method exists.
#[doc(hidden)]
pub struct Fields<T>(PhantomData<T>);

impl<C: Configuration> Fields<C> {
    #[doc(hidden)]
    pub fn of() -> Fields<C::Fields> {
        Fields(PhantomData)
    }
}

impl<T: JsonSchema> Fields<T> {
    #[doc(hidden)]
    pub fn schema(&self) -> Option<Value> {
        Some(config::schema::of::<T>())
    }
}

#[doc(hidden)]
pub trait Undescribed {
    fn schema(&self) -> Option<Value> {
        None
    }
}

impl<T> Undescribed for Fields<T> {}
