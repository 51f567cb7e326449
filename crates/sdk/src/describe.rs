//! What native tools ask a plug-in about its configuration: its schema, and whether a document is good.
//!
//! A tool that knows a plug-in by name only builds a program with this one line and runs it:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode { sdk::describe::main(&my_plugin::description()) }
//! ```

use std::io::{self, Read as _, Write as _};
use std::marker::PhantomData;
use std::process::ExitCode;

use config::{ConfigError, Configuration};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::Plugin;
use crate::rules::Loaded;

/// A plug-in's configuration; `#[plugin]` makes the function `description` that returns it.
pub struct Description {
    /// OpenAPI v3; nothing where the fields have none, because they are not under
    /// [`#[configuration]`](crate::configuration).
    pub schema: Option<Value>,
    /// Reads a document as `on_configure` does, and says what is wrong with it.
    pub check: fn(&[u8]) -> Result<(), ConfigError>,
    /// Whether its rules start from the global fields ([`Configuration::RULES_START_FROM_GLOBAL`]).
    pub rules_start_from_global: bool,
}

impl Description {
    #[doc(hidden)]
    pub fn new<P: Plugin>(schema: Option<Value>) -> Self {
        Description {
            schema,
            check: |text| Loaded::<P::Config>::from_json(text).map(drop),
            rules_start_from_global: P::Config::RULES_START_FROM_GLOBAL,
        }
    }
}

/// The whole of a program that answers for a plug-in, in JSON on its output.
///
/// `schema` prints the schema or `null`; `check` reads a document from the input and prints everything that is wrong
/// with it, a list of `{"path": …, "message": …}`; `inherits` prints whether rules start from the global fields.
pub fn main(description: &Description) -> ExitCode {
    let answer = match std::env::args().nth(1).as_deref() {
        Some("schema") => Ok(description.schema.clone().unwrap_or_default()),
        Some("check") => check(description),
        Some("inherits") => Ok(description.rules_start_from_global.into()),
        _ => Err(io::Error::other("say `schema`, `check` or `inherits`")),
    };
    match answer.and_then(|answer| io::stdout().write_all(answer.to_string().as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without an error output there is nobody to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
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

/// Fields that may have a schema or not. Where they have one, the method of the type is called, which comes
/// before a trait's; where they have none, that method does not exist, and the trait's is called.
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
