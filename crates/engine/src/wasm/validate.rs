//! Whether a module accepts a configuration: it is configured here as a gateway does it, and what it says comes back
//! typed. Whatever a module does is an answer: traps, loops without an end and memory without a limit are bounded.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use config::ConfigError;
use serde_json::Value;

use super::Module;
use super::vm::{Limits, Trap, Vm, is_true};
use crate::exchange::{Gateway, LogLevel, PropertyNames};
use crate::host::{MockHost, Shared};
use crate::outcome::LogLine;

/// What a module may use while it is configured: more than any module that was seen, and seconds of this machine. The
/// largest that was seen takes 400 million.
const LIMITS: Limits = Limits { fuel: 8_000_000_000, memory: 512 * 1024 * 1024 };

/// The root context of a plug-in.
const ROOT: u32 = 1;

/// Why a module does not accept a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// It refused it.
    Refused {
        /// What it logged.
        log: Vec<LogLine>,
        /// Functions that it called and that only other hosts have.
        unavailable: Vec<String>,
    },
    /// It trapped, which stops the VM in a gateway.
    Trapped {
        /// The export that was called.
        export: String,
        /// Why.
        reason: String,
        /// What it logged before.
        log: Vec<LogLine>,
        /// Functions that it called and that only other hosts have.
        unavailable: Vec<String>,
    },
    /// It did not come to an end.
    Endless {
        /// The export that was called.
        export: String,
        /// What it logged before.
        log: Vec<LogLine>,
    },
}

impl Rejected {
    /// What the module logged.
    #[must_use]
    pub fn log(&self) -> &[LogLine] {
        match self {
            Self::Refused { log, .. } | Self::Trapped { log, .. } | Self::Endless { log, .. } => log,
        }
    }

    /// Functions that it called and that only other hosts have: it may accept the configuration there.
    #[must_use]
    pub fn unavailable(&self) -> &[String] {
        match self {
            Self::Refused { unavailable, .. } | Self::Trapped { unavailable, .. } => unavailable,
            Self::Endless { .. } => &[],
        }
    }

    /// The reason in the module's own words: the last of its errors, or else of its warnings, or else what it logged last.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        let last = |level: LogLevel| self.log().iter().rev().find(|line| line.level >= level);
        let line = last(LogLevel::Error).or_else(|| last(LogLevel::Warn)).or_else(|| self.log().last());
        line.map(|line| line.message.as_str())
    }

    /// The reason as an error about a document. A place is taken from the text only where the document has it, or where
    /// the text is in the form of this project's SDK.
    #[must_use]
    pub fn to_error(&self, document: &Value) -> ConfigError {
        let text = match (self, self.reason()) {
            (Self::Refused { .. }, Some(reason)) => reason,
            _ => return ConfigError::new("", self.to_string()),
        };
        if let Some((_, error)) = text.split_once(OF_SDK) {
            return match error.split_once(": ") {
                Some((path, message)) if is_path(path) => ConfigError::new(path, message),
                _ => ConfigError::new("", error),
            };
        }
        match text.split_once(": ") {
            Some((path, message)) if is_path(path) && is_in(document, path) => {
                ConfigError::new(path, message)
            }
            _ => ConfigError::new("", text),
        }
    }
}

/// What the SDK logs before the error.
const OF_SDK: &str = ": configuration refused: ";

/// Whether this is a path such as `_rules_[0].block_urls[1]`.
fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', '`', '"', '/', '='])
}

/// Whether a document has a value at this path.
fn is_in(document: &Value, path: &str) -> bool {
    let mut value = document;
    for part in path.split('.') {
        let (key, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        let mut next = if key.is_empty() { Some(value) } else { value.get(key) };
        for index in indexes.split_terminator(']') {
            let index = index.strip_prefix('[').and_then(|index| index.parse::<usize>().ok());
            next = index.and_then(|index| next?.get(index));
        }
        let Some(found) = next else { return false };
        value = found;
    }
    true
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { .. } => match self.reason() {
                Some(reason) => f.write_str(reason)?,
                None => f.write_str("the module refused the configuration without a reason")?,
            },
            Self::Trapped { export, reason, .. } => {
                write!(f, "the module stopped in {export}: {reason}")?;
                if let Some(logged) = self.reason() {
                    write!(f, "; it logged: {logged}")?;
                }
            }
            Self::Endless { export, .. } => {
                write!(f, "the module did not return from {export} within {} instructions", LIMITS.fuel)?;
            }
        }
        match self.unavailable() {
            [] => Ok(()),
            names => write!(f, " (it calls {}, which only some gateways have)", names.join(", ")),
        }
    }
}

impl std::error::Error for Rejected {}

/// Configures a module as a gateway does: with this text, or with no configuration at all.
///
/// # Errors
///
/// The module does not accept it.
pub fn validate(module: &Module, configuration: Option<&str>) -> Result<(), Rejected> {
    let gateway = Gateway { names: module.names(), ..Gateway::default() };
    let mut host = MockHost::new(gateway, Vec::new(), Shared::default());
    let configuration = configuration.unwrap_or_default().as_bytes().to_vec();
    let size = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
    host.configure_with(configuration);
    host.enter(ROOT);
    let host = Rc::new(RefCell::new(host));
    let configured = configure(module, &host, size);
    let (log, unavailable) = {
        let mut host = host.borrow_mut();
        (std::mem::take(&mut host.log), std::mem::take(&mut host.absent))
    };
    match configured {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejected::Refused { log, unavailable }),
        Err(Trap { export, out_of_fuel: true, .. }) => Err(Rejected::Endless { export, log }),
        Err(Trap { export, reason, .. }) => Err(Rejected::Trapped { export, reason, log, unavailable }),
    }
}

fn configure(module: &Module, host: &Rc<RefCell<MockHost>>, size: u32) -> Result<bool, Trap> {
    let mut vm = Vm::start(&module.0, Rc::clone(host), LIMITS)?;
    vm.call("proxy_on_context_create", &[ROOT, 0])?;
    Ok(is_true(vm.call("proxy_on_vm_start", &[ROOT, 0])?)
        && is_true(vm.call("proxy_on_configure", &[ROOT, size])?))
}

/// Everything that a module says is wrong with a document: it is asked again without what it has named, at most
/// [`config::MAX_ERRORS`] times. With the OpenAPI v3 schema of its fields, missing ones are filled in so that those
/// beside them are checked too, and errors come with hints.
#[must_use]
pub fn every_error(module: &Module, document: &Value, schema: Option<&Value>) -> Vec<ConfigError> {
    config::hints::every(document, schema, false, |document| {
        validate(module, Some(&document.to_string())).map_err(|rejected| rejected.to_error(document))
    })
}

impl Module {
    /// Which property names the gateways have that load it.
    fn names(&self) -> PropertyNames {
        match self.is_for_higress() {
            true => PropertyNames::Higress,
            false => PropertyNames::Stock,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A module that does this when it is configured.
    fn module(configure: &str) -> Module {
        let text = format!(
            r#"(module
                (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
                (import "env" "proxy_redis_init" (func $redis (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (data (i32.const 8) "block_urls[1]: must not be empty")
                (data (i32.const 64) "panic: no such file")
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "proxy_on_context_create") (param i32 i32))
                (func (export "proxy_on_configure") (param i32 i32) (result i32) {configure}))"#
        );
        Module::new(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_configuration_is_accepted_or_refused_in_the_modules_words() {
        assert_eq!(validate(&module("i32.const 1"), Some("{}")), Ok(()));
        let refuses = "(drop (call $log (i32.const 4) (i32.const 8) (i32.const 32))) i32.const 0";
        let rejected = validate(&module(refuses), Some("{}")).unwrap_err();
        assert_eq!(rejected.to_string(), "block_urls[1]: must not be empty");
        // The place is one of the document, or it is a text without a place.
        let error = rejected.to_error(&json!({ "block_urls": ["a", ""] }));
        assert_eq!((error.path(), error.message()), ("block_urls[1]", "must not be empty"));
        assert_eq!(rejected.to_error(&json!({ "block_urls": ["a"] })).path(), "");
        let says = "(drop (call $log (i32.const 4) (i32.const 64) (i32.const 19))) i32.const 0";
        let error = validate(&module(says), None).unwrap_err().to_error(&json!({}));
        assert_eq!((error.path(), error.message()), ("", "panic: no such file"));
        let silent = validate(&module("i32.const 0"), None).unwrap_err().to_string();
        assert_eq!(silent, "the module refused the configuration without a reason");
    }

    #[test]
    fn all_errors_are_found_by_asking_again() {
        let refuses = "(drop (call $log (i32.const 4) (i32.const 8) (i32.const 32))) i32.const 0";
        let document = json!({ "block_urls": ["a", "", "", "b"] });
        let errors = every_error(&module(refuses), &document, None);
        let paths: Vec<_> = errors.iter().map(ConfigError::path).collect();
        // Refused whatever is left out: each time for the entry that has taken the place.
        assert_eq!(paths, ["block_urls[1]", "block_urls[2]", "block_urls[3]"]);
    }

    #[test]
    fn traps_loops_and_memory_are_answers() {
        let Err(Rejected::Trapped { export, reason, .. }) = validate(&module("unreachable"), None) else {
            panic!("a trap")
        };
        assert_eq!(export, "proxy_on_configure");
        assert!(reason.contains("unreachable"), "{reason}");
        let endless = module("(loop $again br $again) i32.const 1");
        let short = Limits { fuel: 1_000_000, ..LIMITS };
        let host = Rc::new(RefCell::new(MockHost::new(Gateway::default(), Vec::new(), Shared::default())));
        let mut vm = Vm::start(&endless.0, host, short).unwrap();
        assert!(vm.call("proxy_on_configure", &[1, 0]).unwrap_err().out_of_fuel);
        // Eight GiB at once, and page by page.
        let grows =
            "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) memory.size";
        assert_eq!(validate(&module(grows), None), Ok(()));
        let deep = "(call $deep) i32.const 1) (func $deep (call $deep)";
        assert!(matches!(validate(&module(deep), None), Err(Rejected::Trapped { .. })));
    }

    #[test]
    fn functions_of_other_hosts_are_named() {
        let calls = module(
            "(call $redis (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             i32.eqz",
        );
        let names: Vec<_> = calls.missing_imports().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["env.proxy_redis_init"]);
        let rejected = validate(&calls, None).unwrap_err();
        assert_eq!(rejected.unavailable(), ["proxy_redis_init"]);
        assert!(rejected.to_string().ends_with("(it calls proxy_redis_init, which only some gateways have)"));
    }

    #[test]
    fn what_is_no_plug_in_is_refused() {
        for (bytes, message) in [
            (b"PK".as_slice(), "not a WebAssembly module"),
            (b"\0asm\x01\0\0\0", "exports none of proxy_abi_version_0_2_1"),
        ] {
            let error = Module::new(bytes).err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
