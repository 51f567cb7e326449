//! A loaded configuration, and the choice of its part for a request.

use std::rc::Rc;

use config::rules::{Attributes, RuleIndex};
use config::{ConfigError, Configuration, Document};

use crate::abi::{MapType, Status};
use crate::{host, property, report};

/// Where an authentication plug-in puts the name of the consumer. Nothing tells here who wrote it: it is only as
/// trustworthy as that plug-in, which must remove a client's own.
const CONSUMER: &str = "x-mse-consumer";
/// The same where the headers of the request can no longer be read.
const CONSUMER_PROPERTY: &str = "request\0headers\0x-mse-consumer";

/// A document whose rules are ready to be asked.
pub struct Loaded<C> {
    /// Whether what is chosen is reported, because somebody traces requests.
    traced: bool,
    index: RuleIndex,
    rules: Vec<Rc<C>>,
    global: Option<Rc<C>>,
}

impl<C: Configuration> Loaded<C> {
    /// Reads a document whole, or says what is wrong with it.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let document = Document::<C>::from_json(text)?;
        let mut conditions = Vec::with_capacity(document.rules.len());
        let mut rules = Vec::with_capacity(document.rules.len());
        for rule in document.rules {
            conditions.push(rule.conditions);
            rules.push(Rc::new(rule.config));
        }
        let index = RuleIndex::new(conditions);
        // Whether somebody traces is asked here, once.
        Ok(Loaded { traced: report::wanted(), index, rules, global: document.global.map(Rc::new) })
    }
}

/// The configuration chosen for a stream.
pub struct Choice<C> {
    pub config: Rc<C>,
    /// Which rule it belongs to; the global configuration belongs to none.
    pub rule: Option<usize>,
}

impl<C> Loaded<C> {
    /// All configurations: those of the rules in order, then the global one.
    pub(crate) fn all(&self) -> Vec<Rc<C>> {
        self.rules.iter().chain(&self.global).cloned().collect()
    }

    /// The first rule that matches, else the global configuration, else none.
    ///
    /// # Errors
    ///
    /// The status of a host call that failed: no rule may be passed over because of it.
    pub fn choose(&self, phase: Phase) -> Result<Option<Choice<C>>, Status> {
        if self.traced {
            return self.choose_and_report(phase);
        }
        self.select(phase)
    }

    #[cold]
    #[inline(never)]
    fn choose_and_report(&self, phase: Phase) -> Result<Option<Choice<C>>, Status> {
        let choice = self.select(phase)?;
        report::record_rule(choice.as_ref().and_then(|choice| choice.rule), choice.is_some());
        Ok(choice)
    }

    fn select(&self, phase: Phase) -> Result<Option<Choice<C>>, Status> {
        let rule = if self.index.is_empty() { None } else { self.matching_rule(phase)? };
        let config = match rule {
            Some(index) => self.rules.get(index),
            None => self.global.as_ref(),
        };
        Ok(config.map(|config| Choice { config: config.clone(), rule }))
    }

    /// Apart, so that a configuration without rules pays nothing for them.
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

/// Whether the head of the request can still be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Request,
    Response,
}

/// The attributes of a request, asked from the host when a rule needs them.
struct HostAttributes {
    phase: Phase,
    failure: Option<Status>,
}

impl HostAttributes {
    fn note(&mut self, result: Result<Option<Vec<u8>>, Status>) -> Option<Vec<u8>> {
        result.unwrap_or_else(|status| {
            self.failure = Some(status);
            None
        })
    }
}

impl Attributes for HostAttributes {
    fn host(&mut self) -> Option<Vec<u8>> {
        self.note(match self.phase {
            Phase::Request => host::header(MapType::RequestHeaders, b":authority"),
            Phase::Response => host::property(property::REQUEST_HOST.as_bytes()),
        })
    }

    fn route(&mut self) -> Option<Vec<u8>> {
        self.note(property::route_name())
    }

    fn service(&mut self) -> Option<Vec<u8>> {
        self.note(property::cluster_name())
    }

    fn consumer(&mut self) -> Option<Vec<u8>> {
        self.note(match self.phase {
            Phase::Request => host::header(MapType::RequestHeaders, CONSUMER.as_bytes()),
            Phase::Response => host::property(CONSUMER_PROPERTY.as_bytes()),
        })
    }
}
