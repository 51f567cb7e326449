//! One request with its response: its variables, and the rules that are applied to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use seclang::{
    Action, Collection, Ctl, Disruptive, EngineMode, Macro, Part, Processor, Rule, Selector, SetVar, Target,
    Template, Use,
};

use crate::engine::Waf;
use crate::operators::{Prepared, number};
use crate::values::{ValueId, Values};

mod variables;

/// A request up to its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The target as it was sent, with the query.
    pub uri: &'a [u8],
    /// Such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// All headers in order.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// A text that is different for each request.
    pub id: &'a [u8],
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The number of the rule.
    pub rule: u32,
    /// The status for the client.
    pub status: u16,
    /// The message of the rule.
    pub message: String,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The number of the rule.
    pub rule: u32,
    /// The variable, such as `ARGS:q`.
    pub variable: String,
    /// The value, as the rule compared it.
    pub value: Vec<u8>,
    /// The message of the rule.
    pub message: String,
    /// `logdata` of the rule.
    pub data: String,
    /// False if the rule has `nolog`.
    pub log: bool,
}

/// The maximum number of hits that are kept.
const MAX_HITS: usize = 1000;

/// The maximum number of variables in `TX`, which rules can name after parameters.
const MAX_TX: usize = 10_000;

/// One request with its response.
pub struct Transaction {
    waf: Rc<Waf>,
    values: Values,
    /// Names and values, by collection.
    collections: Vec<Vec<(ValueId, ValueId)>>,
    tx: BTreeMap<Vec<u8>, Vec<u8>>,
    mode: EngineMode,
    removed: Vec<bool>,
    removed_targets: Vec<(Vec<bool>, Target<'static>)>,
    request_body_access: bool,
    response_body_access: bool,
    force_request_body: bool,
    processor: Option<Processor>,
    matched: Option<(String, ValueId)>,
    matched_all: Vec<(String, ValueId)>,
    allowed: Option<Disruptive>,
    hits: Vec<Hit>,
    denial: Option<Denial>,
}

/// A value that a rule looks at.
struct Item {
    collection: Collection,
    key: Option<ValueId>,
    value: ValueId,
    count: bool,
}

impl Transaction {
    pub(crate) fn new(waf: Rc<Waf>) -> Self {
        let settings = &waf.program.settings;
        Self {
            values: Values::default(),
            collections: vec![Vec::new(); Collection::ALL.len()],
            tx: BTreeMap::new(),
            mode: settings.engine,
            removed: vec![false; waf.program.rules.len()],
            removed_targets: Vec::new(),
            request_body_access: settings.request_body,
            response_body_access: settings.response_body,
            force_request_body: false,
            processor: None,
            matched: None,
            matched_all: Vec::new(),
            allowed: None,
            hits: Vec::new(),
            denial: None,
            waf,
        }
    }

    /// Returns the rules that matched so far, those without a log included.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Returns a variable of the transaction, such as `blocking_inbound_anomaly_score`.
    #[must_use]
    pub fn tx(&self, name: &str) -> Option<&[u8]> {
        self.tx.get(name.to_ascii_lowercase().as_bytes()).map(Vec::as_slice)
    }

    /// Sets a variable of the transaction.
    pub fn set_tx(&mut self, name: &str, value: &[u8]) {
        self.tx.insert(name.to_ascii_lowercase().into_bytes(), value.to_vec());
    }

    /// Returns true if the body of the request is needed.
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.request_body_access && self.mode != EngineMode::Off
    }

    /// Returns true if the body of a response of this content type is needed.
    #[must_use]
    pub fn wants_response_body(&self, content_type: &[u8]) -> bool {
        let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let types = &self.waf.program.settings.response_types;
        self.response_body_access
            && self.mode != EngineMode::Off
            && types.iter().any(|known| media.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Reads the headers of the request, and applies the rules of phase 1.
    pub fn request_headers(&mut self, request: &Request<'_>) -> Option<Denial> {
        self.read_request(request);
        self.run(1)
    }

    /// Reads the body of the request, and applies the rules of phase 2. It is called without a body, too.
    pub fn request_body(&mut self, body: &[u8]) -> Option<Denial> {
        if self.wants_request_body() {
            self.read_body(body);
        }
        self.run(2)
    }

    /// Reads the headers of the response, and applies the rules of phase 3.
    pub fn response_headers(
        &mut self,
        status: u16,
        protocol: &[u8],
        headers: &[(&[u8], &[u8])],
    ) -> Option<Denial> {
        self.read_response(status, protocol, headers);
        self.run(3)
    }

    /// Reads the body of the response, and applies the rules of phase 4.
    pub fn response_body(&mut self, body: &[u8]) -> Option<Denial> {
        self.set(Collection::ResponseBody, body);
        self.set(Collection::ResponseContentLength, body.len().to_string().as_bytes());
        self.run(4)
    }

    /// Applies the rules of phase 5, which only report.
    pub fn finish(&mut self) {
        self.run(5);
    }

    fn run(&mut self, phase: u8) -> Option<Denial> {
        if self.mode == EngineMode::Off || (self.denial.is_some() && phase < 5) {
            return self.denial.clone();
        }
        match self.allowed {
            Some(Disruptive::Allow) if phase < 5 => return None,
            Some(Disruptive::AllowRequest) if phase < 3 => return None,
            Some(Disruptive::AllowPhase) => self.allowed = None,
            _ => {}
        }
        let waf = Rc::clone(&self.waf);
        let heads = waf.phases.get(usize::from(phase).wrapping_sub(1)).map(Vec::as_slice).unwrap_or_default();
        let mut next = 0;
        while let Some(&index) = heads.get(next) {
            next += 1;
            if self.removed.get(index).copied().unwrap_or_default() {
                continue;
            }
            let Some(rule) = waf.program.rules.get(index) else { break };
            if !self.run_chain(index, rule) {
                continue;
            }
            if let Some(at) = rule.continue_at.and_then(|at| usize::try_from(at).ok()) {
                next = next.max(heads.partition_point(|head| *head < at));
            }
            match rule.disruptive {
                Disruptive::Pass => {}
                Disruptive::Deny if self.mode == EngineMode::On && phase < 5 => {
                    let message = rule.message.as_ref().map(|text| self.expand_text(text, Some(rule)));
                    let status = rule.status.unwrap_or(403);
                    let denial = Denial { rule: rule.id, status, message: message.unwrap_or_default() };
                    self.denial = Some(denial);
                    return self.denial.clone();
                }
                Disruptive::Deny => {}
                allowed => {
                    self.allowed = Some(allowed);
                    return None;
                }
            }
            if self.mode == EngineMode::Off {
                return None;
            }
        }
        None
    }

    /// Applies a rule and the members of its chain, and returns true if all match.
    fn run_chain(&mut self, index: usize, head: &Rule<'static>) -> bool {
        self.matched_all.clear();
        let waf = Rc::clone(&self.waf);
        let mut last = None;
        for (offset, rule) in waf.program.rules.iter().skip(index).enumerate() {
            if offset > 0 && !rule.member {
                break;
            }
            match self.run_rule(index + offset, rule) {
                Some(found) => last = Some(found),
                None => return false,
            }
            if !rule.chained {
                break;
            }
        }
        let Some((variable, value)) = last else { return false };
        if self.hits.len() < MAX_HITS {
            let message = head.message.as_ref().map(|text| self.expand_text(text, Some(head)));
            let data = head.data.as_ref().map(|text| self.expand_text(text, Some(head)));
            self.hits.push(Hit {
                rule: head.id,
                variable,
                value: self.values.get(value).to_vec(),
                message: message.unwrap_or_default(),
                data: data.unwrap_or_default(),
                log: head.log,
            });
        }
        true
    }

    /// Applies one rule to all its values, and returns the last match.
    fn run_rule(&mut self, index: usize, rule: &Rule<'static>) -> Option<(String, ValueId)> {
        let waf = Rc::clone(&self.waf);
        let operator = waf.operators.get(usize::from(rule.operator))?;
        if rule.targets.is_empty() {
            // `SecAction`.
            let empty = self.values.add(b"");
            self.apply_actions(rule);
            return Some((String::new(), empty));
        }
        let argument = match operator.template() {
            Some(template) => self.expand(template, Some(rule)),
            None => Vec::new(),
        };
        let number = u32::try_from(index).unwrap_or(u32::MAX - 1);
        let pipeline =
            waf.program.pipelines.get(usize::from(rule.pipeline)).map(Vec::as_slice).unwrap_or_default();
        let mut last = None;
        for item in self.items(index, rule) {
            let id = self.values.transformed(rule.pipeline, pipeline, item.value);
            let found = match rule.multi_match {
                true => self.run_steps(rule, operator, pipeline, item.value, &argument),
                false if self.values.is_compared(id, number) => None,
                false => {
                    let matches = operator.matches(&self.values.get(id), &argument) != rule.negated;
                    if !matches {
                        self.values.set_compared(id, number);
                    }
                    matches.then_some(id)
                }
            };
            if let Some(id) = found {
                let variable = self.name_of(&item);
                self.match_value(rule, operator, &variable, id);
                last = Some((variable, id));
            }
        }
        last
    }

    /// Applies an operator after each transformation, and returns the first value that matches.
    fn run_steps(
        &mut self,
        rule: &Rule<'_>,
        operator: &Prepared,
        pipeline: &[seclang::Transformation],
        value: ValueId,
        argument: &[u8],
    ) -> Option<ValueId> {
        let mut current = self.values.get(value);
        let mut steps = pipeline.iter();
        loop {
            if operator.matches(&current, argument) != rule.negated {
                return Some(self.values.add(&current));
            }
            current = steps.find_map(|step| crate::transform::apply(*step, &current))?.into();
        }
    }

    fn match_value(&mut self, rule: &Rule<'static>, operator: &Prepared, variable: &str, id: ValueId) {
        if rule.capture && !rule.negated {
            let captures = operator.captures(&self.values.get(id));
            for (group, capture) in
                (0u8..10).zip(captures.into_iter().map(Some).chain(std::iter::repeat(None)))
            {
                let name = vec![b'0' + group];
                match capture {
                    Some(capture) => self.tx.insert(name, capture.unwrap_or_default()),
                    None => self.tx.remove(&name),
                };
            }
        }
        self.matched = Some((variable.to_owned(), id));
        self.matched_all.push((variable.to_owned(), id));
        self.apply_actions(rule);
    }

    fn apply_actions(&mut self, rule: &Rule<'static>) {
        for action in &rule.actions {
            match action {
                Action::SetVar(change) => self.set_var(change, rule),
                Action::Ctl(ctl) => self.control(ctl),
            }
        }
    }

    fn set_var(&mut self, change: &SetVar<'_>, rule: &Rule<'_>) {
        let mut name = |template: &Template<'_>| {
            let mut name = self.expand(template, Some(rule));
            name.make_ascii_lowercase();
            name
        };
        let (name, value) = match change {
            SetVar::Assign(key, value) => (name(key), self.expand(value, Some(rule))),
            SetVar::Unset(key) => {
                let name = name(key);
                self.tx.remove(&name);
                return;
            }
            SetVar::Add(key, value) | SetVar::Subtract(key, value) => {
                let name = name(key);
                let before = self.tx.get(&name).map_or(0, |value| number(value));
                let change_by = number(&self.expand(value, Some(rule)));
                let after = match change {
                    SetVar::Subtract(..) => before.saturating_sub(change_by),
                    _ => before.saturating_add(change_by),
                };
                (name, after.to_string().into_bytes())
            }
        };
        if self.tx.len() < MAX_TX || self.tx.contains_key(&name) {
            self.tx.insert(name, value);
        }
    }

    fn control(&mut self, ctl: &Ctl<'static>) {
        match ctl {
            Ctl::Engine(mode) => self.mode = *mode,
            Ctl::RequestBodyAccess(access) => self.request_body_access = *access,
            Ctl::ResponseBodyAccess(access) => self.response_body_access = *access,
            Ctl::ForceRequestBody(force) => self.force_request_body = *force,
            Ctl::Processor(processor) => self.set_processor(*processor),
            Ctl::RemoveById(ids) => self.remove(|_, rule| in_ranges(ids, rule.id)),
            Ctl::RemoveByTag(tag) => self.remove(|waf, rule| has_tag(waf, rule, tag)),
            Ctl::RemoveByMessage(message) => self.remove(|_, rule| has_message(rule, message)),
            Ctl::RemoveTargetById(ids, target) => {
                self.remove_target(|_, rule| in_ranges(ids, rule.id), target)
            }
            Ctl::RemoveTargetByTag(tag, target) => {
                self.remove_target(|waf, rule| has_tag(waf, rule, tag), target)
            }
            Ctl::RemoveTargetByMessage(message, target) => {
                self.remove_target(|_, rule| has_message(rule, message), target);
            }
        }
    }

    fn remove(&mut self, matches: impl Fn(&Waf, &Rule<'_>) -> bool) {
        for (removed, rule) in self.removed.iter_mut().zip(&self.waf.program.rules) {
            *removed |= matches(&self.waf, rule);
        }
    }

    fn remove_target(&mut self, matches: impl Fn(&Waf, &Rule<'_>) -> bool, target: &Target<'static>) {
        let rules = self.waf.program.rules.iter().map(|rule| matches(&self.waf, rule)).collect();
        self.removed_targets.push((rules, target.clone()));
    }

    /// Returns the values that a rule looks at.
    fn items(&mut self, index: usize, rule: &Rule<'_>) -> Vec<Item> {
        let mut items = Vec::new();
        for target in &rule.targets {
            if target.usage == Use::Exclude {
                continue;
            }
            let start = items.len();
            self.collect(target, &mut items);
            let excluded = |item: &Item| {
                let by_rule = rule.targets.iter().filter(|other| other.usage == Use::Exclude);
                let by_request =
                    self.removed_targets.iter().filter(|(rules, _)| rules.get(index) == Some(&true));
                by_rule.chain(by_request.map(|(_, target)| target)).any(|other| {
                    other.collection == item.collection && self.selects(&other.selector, item.key)
                })
            };
            let kept: Vec<Item> = items.split_off(start).into_iter().filter(|item| !excluded(item)).collect();
            match target.usage {
                Use::Count => {
                    let value = self.values.add(kept.len().to_string().as_bytes());
                    let key = match &target.selector {
                        Selector::All => None,
                        Selector::Name(name) | Selector::Regex(name) => {
                            Some(self.values.add(name.as_bytes()))
                        }
                    };
                    items.push(Item { collection: target.collection, key, value, count: true });
                }
                _ => items.extend(kept),
            }
        }
        items
    }

    /// Returns true if a selector selects a name.
    fn selects(&self, selector: &Selector<'_>, key: Option<ValueId>) -> bool {
        match (selector, key) {
            (Selector::All, _) => true,
            (_, None) => false,
            (Selector::Name(name), Some(key)) => self.values.get(key).eq_ignore_ascii_case(name.as_bytes()),
            (Selector::Regex(pattern), Some(key)) => {
                self.waf.selector(pattern).is_match(&self.values.get(key))
            }
        }
    }

    fn name_of(&self, item: &Item) -> String {
        let mut name = String::new();
        if item.count {
            name.push('&');
        }
        name.push_str(item.collection.name());
        if let Some(key) = item.key {
            name.push(':');
            name.push_str(&String::from_utf8_lossy(&self.values.get(key)));
        }
        name
    }

    /// Replaces macros by values.
    fn expand(&mut self, template: &Template<'_>, rule: Option<&Rule<'_>>) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &template.parts {
            match part {
                Part::Text(constant) => text.extend_from_slice(constant.as_bytes()),
                Part::Macro(variable) => text.extend_from_slice(&self.value_of(variable)),
                Part::Rule(property) => match (property.as_ref(), rule) {
                    ("id", Some(rule)) => text.extend_from_slice(rule.id.to_string().as_bytes()),
                    ("msg", Some(Rule { message: Some(message), .. })) => {
                        text.extend_from_slice(message.as_text().unwrap_or_default().as_bytes());
                    }
                    ("severity", Some(Rule { severity: Some(severity), .. })) => {
                        text.extend_from_slice(severity.name().as_bytes());
                    }
                    _ => {}
                },
            }
        }
        text
    }

    fn expand_text(&mut self, template: &Template<'_>, rule: Option<&Rule<'_>>) -> String {
        String::from_utf8_lossy(&self.expand(template, rule)).into_owned()
    }

    fn value_of(&mut self, variable: &Macro<'_>) -> Rc<[u8]> {
        if variable.collection == Collection::Tx {
            let key = variable.key.as_deref().unwrap_or_default();
            return self.tx.get(key.as_bytes()).map(|value| value.as_slice().into()).unwrap_or_default();
        }
        let selector = variable.key.as_deref().map_or(Selector::All, |key| Selector::Name(key.into()));
        let mut items = Vec::new();
        self.collect(&Target { collection: variable.collection, selector, usage: Use::Values }, &mut items);
        items.first().map(|item| self.values.get(item.value)).unwrap_or_default()
    }
}

fn in_ranges(ids: &[(u32, u32)], id: u32) -> bool {
    ids.iter().any(|(first, last)| (*first..=*last).contains(&id))
}

fn has_tag(waf: &Waf, rule: &Rule<'_>, tag: &str) -> bool {
    waf.program.tags_of(rule).any(|own| own == tag)
}

fn has_message(rule: &Rule<'_>, message: &str) -> bool {
    rule.message.as_ref().is_some_and(|own| own.as_text() == Some(message))
}

#[cfg(test)]
mod tests;
