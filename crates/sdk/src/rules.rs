//! A loaded configuration, and the selection of the part that applies to a request.

use std::rc::Rc;

use config::rules::{Attributes, RuleIndex};
use config::{ConfigError, Configuration, Document};

use crate::abi::{MapType, Status};
use crate::{consumer, host, property, report};

/// A document whose rules are compiled.
pub struct Loaded<C> {
    /// True if requests are traced, and each selection is therefore recorded.
    traced: bool,
    index: RuleIndex,
    rules: Vec<Rc<C>>,
    global: Option<Rc<C>>,
}

impl<C: Configuration> Loaded<C> {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// The first error in it.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let document = Document::<C>::from_json(text)?;
        let mut conditions = Vec::with_capacity(document.rules.len());
        let mut rules = Vec::with_capacity(document.rules.len());
        for rule in document.rules {
            conditions.push(rule.conditions);
            rules.push(Rc::new(rule.config));
        }
        let index = RuleIndex::new(conditions);
        Ok(Loaded { traced: report::enabled(), index, rules, global: document.global.map(Rc::new) })
    }
}

/// The configuration selected for a stream.
pub struct Choice<C> {
    /// The configuration.
    pub config: Rc<C>,
    /// The index of its rule; `None` for the global configuration.
    pub rule: Option<usize>,
}

impl<C> Loaded<C> {
    /// Returns all configurations: those of the rules in order, then the global one.
    pub(crate) fn all(&self) -> Vec<Rc<C>> {
        self.rules.iter().chain(&self.global).cloned().collect()
    }

    /// Returns the configuration of the first rule that matches, or else the global one, if any.
    ///
    /// # Errors
    ///
    /// The status of a host call that failed. The selection then fails, because a rule must not be skipped.
    pub fn select(&self, phase: Phase) -> Result<Option<Choice<C>>, Status> {
        if self.traced {
            return self.select_and_record(phase);
        }
        self.select_quietly(phase)
    }

    #[cold]
    #[inline(never)]
    fn select_and_record(&self, phase: Phase) -> Result<Option<Choice<C>>, Status> {
        let choice = self.select_quietly(phase)?;
        report::record_rule(choice.as_ref().and_then(|choice| choice.rule), choice.is_some());
        Ok(choice)
    }

    fn select_quietly(&self, phase: Phase) -> Result<Option<Choice<C>>, Status> {
        let rule = if self.index.is_empty() { None } else { self.matching_rule(phase)? };
        let config = match rule {
            Some(index) => self.rules.get(index),
            None => self.global.as_ref(),
        };
        Ok(config.map(|config| Choice { config: config.clone(), rule }))
    }

    /// Not inlined, so that a configuration without rules does not pay for them.
    #[inline(never)]
    fn matching_rule(&self, phase: Phase) -> Result<Option<usize>, Status> {
        let mut attributes = HostAttributes { phase, failure: None };
        let rule = self.index.select(&mut attributes);
        match attributes.failure {
            Some(status) => Err(status),
            None => Ok(rule),
        }
    }
}

/// The half of a stream in which a configuration is selected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request headers can be read.
    Request,
    /// Only properties of the request can be read.
    Response,
}

/// The attributes of a request, read from the host when a rule needs them.
struct HostAttributes {
    phase: Phase,
    failure: Option<Status>,
}

impl HostAttributes {
    fn or_fail(&mut self, result: Result<Option<Vec<u8>>, Status>) -> Option<Vec<u8>> {
        result.unwrap_or_else(|status| {
            self.failure = Some(status);
            None
        })
    }
}

impl Attributes for HostAttributes {
    fn host(&mut self) -> Option<Vec<u8>> {
        self.or_fail(match self.phase {
            Phase::Request => host::header(MapType::RequestHeaders, b":authority"),
            Phase::Response => host::property(property::REQUEST_HOST.as_bytes()),
        })
    }

    fn route(&mut self) -> Option<Vec<u8>> {
        self.or_fail(property::route_name())
    }

    fn service(&mut self) -> Option<Vec<u8>> {
        self.or_fail(property::cluster_name())
    }

    fn consumer(&mut self) -> Option<Vec<u8>> {
        self.or_fail(match self.phase {
            Phase::Request => consumer::of_request(),
            Phase::Response => consumer::of_response(),
        })
    }
}
