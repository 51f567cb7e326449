//! One request with its response: its variables, and the rules that are applied to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use seclang::{
    Action, ByteSet, Collection, Ctl, Disruptive, EngineMode, Macro, Part, Processor, Rule, Selector, SetVar,
    Target, Template, Use,
};

use crate::engine::Waf;
use crate::operators::{Prepared, number};
use crate::plan::{Argument, Change, NewValue, Source};
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
    /// The collections that changed since items were collected.
    changed: ByteSet,
    /// The values that rules look at, by list of targets.
    lists: Vec<Option<Rc<[Item]>>>,
    /// What rules compare, by input.
    inputs: Vec<Option<Rc<Input>>>,
    /// Variables whose names are constants of the rules.
    tx: Vec<Option<ValueId>>,
    /// Variables with other names.
    more_tx: BTreeMap<Vec<u8>, ValueId>,
    mode: EngineMode,
    removed: Vec<bool>,
    removed_targets: Vec<(Vec<bool>, Target<'static>)>,
    request_body_access: bool,
    response_body_access: bool,
    force_request_body: bool,
    processor: Option<Processor>,
    matched: Option<(Item, ValueId)>,
    matched_all: Vec<(Item, ValueId)>,
    allowed: Option<Disruptive>,
    hits: Vec<Hit>,
    denial: Option<Denial>,
}

/// What rules with the same targets and transformations compare.
struct Input {
    /// Each value once.
    values: Vec<ValueId>,
    /// The length of the longest.
    len: usize,
    /// The bytes of all.
    bytes: ByteSet,
}

/// A value that a rule looks at.
#[derive(Debug, Clone, Copy)]
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
            values: waf.plan.values.clone(),
            collections: vec![Vec::new(); Collection::ALL.len()],
            changed: ByteSet::default(),
            lists: vec![None; waf.plan.lists.len()],
            inputs: vec![None; waf.plan.inputs.len()],
            tx: vec![None; waf.plan.slots()],
            more_tx: BTreeMap::new(),
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

    /// Returns the rules that matched so far, except those with `nolog` that only set variables or continue elsewhere.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Returns a variable of the transaction, such as `blocking_inbound_anomaly_score`.
    #[must_use]
    pub fn tx(&self, name: &str) -> Option<&[u8]> {
        self.tx_value(name.to_ascii_lowercase().as_bytes()).map(|id| self.values.get(id))
    }

    /// Sets a variable of the transaction.
    pub fn set_tx(&mut self, name: &str, value: &[u8]) {
        let value = self.values.add(value);
        self.put_tx(name.to_ascii_lowercase().into_bytes(), Some(value));
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
            if !self.run_chain(&waf, index, rule) {
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
    fn run_chain(&mut self, waf: &Waf, index: usize, head: &Rule<'static>) -> bool {
        self.matched_all.clear();
        let mut last = None;
        for (offset, rule) in waf.program.rules.iter().skip(index).enumerate() {
            if offset > 0 && !rule.member {
                break;
            }
            match self.run_rule(waf, index + offset, rule) {
                Some(found) => last = Some(found),
                None => return false,
            }
            if !rule.chained {
                break;
            }
        }
        let Some((item, value)) = last else { return false };
        let is_reported = head.log || head.disruptive != Disruptive::Pass;
        if is_reported && self.hits.len() < MAX_HITS {
            let message = head.message.as_ref().map(|text| self.expand_text(text, Some(head)));
            let data = head.data.as_ref().map(|text| self.expand_text(text, Some(head)));
            self.hits.push(Hit {
                rule: head.id,
                variable: item.map(|item| self.name_of(&item)).unwrap_or_default(),
                value: self.values.get(value).to_vec(),
                message: message.unwrap_or_default(),
                data: data.unwrap_or_default(),
                log: head.log,
            });
        }
        true
    }

    /// Applies one rule to all its values, and returns the last match.
    fn run_rule(
        &mut self,
        waf: &Waf,
        index: usize,
        rule: &Rule<'static>,
    ) -> Option<(Option<Item>, ValueId)> {
        let operator = waf.operators.get(usize::from(rule.operator))?;
        let step = waf.plan.steps.get(index)?;
        if step.source == Source::Nothing {
            let empty = self.values.add(b"");
            self.apply_actions(waf, index, rule);
            return Some((None, empty));
        }
        let pipeline =
            waf.program.pipelines.get(usize::from(rule.pipeline)).map(Vec::as_slice).unwrap_or_default();
        if pipeline.is_empty() && self.fails_as_number(operator, step.source, &step.argument, rule.negated) {
            return None;
        }
        let argument: Cow<'_, [u8]> = match &step.argument {
            Argument::None => Cow::Borrowed(&[]),
            Argument::Constant(text) => Cow::Borrowed(text),
            Argument::Tx(slot) => Cow::Owned(self.slot_value(*slot).to_vec()),
            Argument::Template => match operator.template() {
                Some(template) => Cow::Owned(self.expand(template, Some(rule))),
                None => Cow::Borrowed(&[]),
            },
        };
        let number = u32::try_from(index).unwrap_or(u32::MAX - 1);
        let items = match step.source {
            Source::Input(input) if !self.has_removed_target(index) => {
                let list = *waf.plan.inputs.get(usize::from(input))?;
                let compared = self.input(waf, input, list, pipeline, rule);
                if !rule.multi_match {
                    let may_match = rule.negated || operator.may_match(compared.len, &compared.bytes);
                    let mut values = compared.values.iter();
                    if !may_match || !values.any(|id| self.matches(operator, rule.negated, *id, &argument)) {
                        return None;
                    }
                }
                self.list(list, rule)
            }
            _ => self.items(Some(index), rule).into(),
        };
        let mut last = None;
        for item in items.iter() {
            let found = match rule.multi_match {
                true => self.run_steps(waf, rule, operator, pipeline, item.value, &argument),
                false => {
                    let id = self.values.transformed(&waf.triggers, pipeline, item.value);
                    if self.values.is_compared(id, number) {
                        None
                    } else if self.matches(operator, rule.negated, id, &argument) {
                        Some(id)
                    } else {
                        self.values.set_compared(id, number);
                        None
                    }
                }
            };
            if let Some(id) = found {
                self.match_value(waf, index, rule, operator, item, id);
                last = Some((Some(*item), id));
            }
        }
        last
    }

    /// Returns true if a rule that compares a variable of `TX` with a number does not match: nearly all of these choose
    /// paranoia levels.
    fn fails_as_number(
        &self,
        operator: &Prepared,
        source: Source,
        argument: &Argument,
        negated: bool,
    ) -> bool {
        let Prepared::Number(compare, _) = operator else { return false };
        let argument = match argument {
            Argument::Constant(text) => number(text),
            Argument::Tx(slot) => number(self.slot_value(*slot)),
            Argument::None | Argument::Template => return false,
        };
        let slot = |slot: u16| self.tx.get(usize::from(slot)).copied().flatten();
        let value = match source {
            Source::Tx(at) => match slot(at) {
                Some(id) => number(self.values.get(id)),
                None => return true,
            },
            Source::TxCount(at) => i64::from(slot(at).is_some()),
            _ => return false,
        };
        // Without its target, a count is 0.
        self.removed_targets.is_empty() && compare(&value, &argument) == negated
    }

    fn matches(&self, operator: &Prepared, negated: bool, id: ValueId, argument: &[u8]) -> bool {
        let value = self.values.get(id);
        let matches = operator.may_match(value.len(), &self.values.bytes_of(id));
        (matches && operator.matches(value, argument)) != negated
    }

    /// Applies an operator after each transformation, and returns the first value that matches.
    fn run_steps(
        &mut self,
        waf: &Waf,
        rule: &Rule<'_>,
        operator: &Prepared,
        pipeline: &[seclang::Transformation],
        value: ValueId,
        argument: &[u8],
    ) -> Option<ValueId> {
        let mut current = value;
        let mut steps = pipeline.iter();
        loop {
            if self.matches(operator, rule.negated, current, argument) {
                return Some(current);
            }
            current = steps.find_map(|step| {
                let next = self.values.step(&waf.triggers, *step, current);
                (next != current).then_some(next)
            })?;
        }
    }

    fn match_value(
        &mut self,
        waf: &Waf,
        index: usize,
        rule: &Rule<'static>,
        operator: &Prepared,
        item: &Item,
        id: ValueId,
    ) {
        if rule.capture && !rule.negated {
            let captures = operator.captures(self.values.get(id));
            for (group, capture) in
                (0u8..10).zip(captures.into_iter().map(Some).chain(std::iter::repeat(None)))
            {
                let value = capture.map(|capture| self.values.add(&capture.unwrap_or_default()));
                self.put_tx(vec![b'0' + group], value);
            }
        }
        self.matched = Some((*item, id));
        self.matched_all.push((*item, id));
        self.apply_actions(waf, index, rule);
    }

    fn apply_actions(&mut self, waf: &Waf, index: usize, rule: &Rule<'static>) {
        let changes = waf.plan.steps.get(index).map(|step| step.changes.as_slice()).unwrap_or_default();
        for (action, resolved) in rule.actions.iter().zip(changes) {
            match action {
                Action::SetVar(change) => self.set_var(change, resolved.as_ref(), rule),
                Action::Ctl(ctl) => self.control(ctl),
            }
        }
    }

    fn set_var(&mut self, change: &SetVar<'_>, resolved: Option<&Change>, rule: &Rule<'_>) {
        let (SetVar::Assign(key, _) | SetVar::Add(key, _) | SetVar::Subtract(key, _) | SetVar::Unset(key)) =
            change;
        let name = match resolved {
            Some(_) => Vec::new(),
            None => self.expand(key, Some(rule)).to_ascii_lowercase(),
        };
        let (SetVar::Assign(_, value) | SetVar::Add(_, value) | SetVar::Subtract(_, value)) = change else {
            match resolved {
                Some(change) => self.put_slot(change.slot, None),
                None => self.put_tx(name, None),
            }
            return;
        };
        let value = match resolved.map(|change| &change.value) {
            Some(NewValue::Constant(value)) => *value,
            Some(NewValue::Tx(slot)) => match self.tx.get(usize::from(*slot)).copied().flatten() {
                Some(value) => value,
                None => self.values.add(b""),
            },
            Some(NewValue::Template) | None => {
                let value = self.expand(value, Some(rule));
                self.values.add(&value)
            }
        };
        let before = match resolved {
            Some(change) => self.tx.get(usize::from(change.slot)).copied().flatten(),
            None => self.tx_value(&name),
        };
        let before = before.map_or(0, |before| number(self.values.get(before)));
        let change_by = number(self.values.get(value));
        let value = match change {
            SetVar::Add(..) => self.values.add(before.saturating_add(change_by).to_string().as_bytes()),
            SetVar::Subtract(..) => self.values.add(before.saturating_sub(change_by).to_string().as_bytes()),
            SetVar::Assign(..) | SetVar::Unset(..) => value,
        };
        match resolved {
            Some(change) => self.put_slot(change.slot, Some(value)),
            None => self.put_tx(name, Some(value)),
        }
    }

    /// Returns a variable of `TX` by its name in lower case.
    fn tx_value(&self, name: &[u8]) -> Option<ValueId> {
        match self.waf.plan.slot(name) {
            Some(slot) => self.tx.get(usize::from(slot)).copied().flatten(),
            None => self.more_tx.get(name).copied(),
        }
    }

    /// Returns the text of a variable of `TX`, or none if it is not set.
    fn slot_value(&self, slot: u16) -> &[u8] {
        let id = self.tx.get(usize::from(slot)).copied().flatten();
        id.map(|id| self.values.get(id)).unwrap_or_default()
    }

    fn put_slot(&mut self, slot: u16, value: Option<ValueId>) {
        if let Some(known) = self.tx.get_mut(usize::from(slot)) {
            *known = value;
        }
    }

    /// Sets or removes a variable of `TX`. Its name is in lower case.
    fn put_tx(&mut self, name: Vec<u8>, value: Option<ValueId>) {
        match (self.waf.plan.slot(&name), value) {
            (Some(slot), value) => self.put_slot(slot, value),
            (None, Some(value)) => {
                if self.more_tx.len() < MAX_TX || self.more_tx.contains_key(&name) {
                    self.more_tx.insert(name, value);
                }
            }
            (None, None) => {
                self.more_tx.remove(&name);
            }
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

    /// Returns true if a request-wide exclusion concerns a rule.
    fn has_removed_target(&self, index: usize) -> bool {
        self.removed_targets.iter().any(|(rules, _)| rules.get(index) == Some(&true))
    }

    /// Forgets what was collected from collections that changed.
    fn forget_changed(&mut self, waf: &Waf) {
        if self.changed == ByteSet::default() {
            return;
        }
        for (list, collections) in self.lists.iter_mut().zip(&waf.plan.lists) {
            if collections.intersects(&self.changed) {
                *list = None;
            }
        }
        for (input, list) in self.inputs.iter_mut().zip(&waf.plan.inputs) {
            if self.lists.get(usize::from(*list)).is_none_or(Option::is_none) {
                *input = None;
            }
        }
        self.changed = ByteSet::default();
    }

    /// Returns what rules compare that have an input.
    fn input(
        &mut self,
        waf: &Waf,
        number: u16,
        list: u16,
        pipeline: &[seclang::Transformation],
        rule: &Rule<'_>,
    ) -> Rc<Input> {
        self.forget_changed(waf);
        if let Some(Some(input)) = self.inputs.get(usize::from(number)) {
            return Rc::clone(input);
        }
        let mut input = Input { values: Vec::new(), len: 0, bytes: ByteSet::default() };
        // No rule has this number, as there are fewer of them.
        let mark = u32::MAX - 1 - u32::from(number);
        for item in self.list(list, rule).iter() {
            let id = self.values.transformed(&waf.triggers, pipeline, item.value);
            if !self.values.is_compared(id, mark) {
                self.values.set_compared(id, mark);
                input.len = input.len.max(self.values.get(id).len());
                input.bytes = input.bytes.union(&self.values.bytes_of(id));
                input.values.push(id);
            }
        }
        let input = Rc::new(input);
        if let Some(slot) = self.inputs.get_mut(usize::from(number)) {
            *slot = Some(Rc::clone(&input));
        }
        input
    }

    /// Returns the values that rules with a list of targets look at.
    fn list(&mut self, list: u16, rule: &Rule<'_>) -> Rc<[Item]> {
        if let Some(Some(items)) = self.lists.get(usize::from(list)) {
            return Rc::clone(items);
        }
        let items: Rc<[Item]> = self.items(None, rule).into();
        if let Some(slot) = self.lists.get_mut(usize::from(list)) {
            *slot = Some(Rc::clone(&items));
        }
        items
    }

    /// Returns the values that a rule looks at, without those that were removed from the rule with this index.
    fn items(&mut self, index: Option<usize>, rule: &Rule<'_>) -> Vec<Item> {
        let mut items = Vec::new();
        for target in &rule.targets {
            if target.usage == Use::Exclude {
                continue;
            }
            let start = items.len();
            self.collect(target, &mut items);
            let excluded = |item: &Item| {
                let by_rule = rule.targets.iter().filter(|other| other.usage == Use::Exclude);
                let by_request = self
                    .removed_targets
                    .iter()
                    .filter(|(rules, _)| index.and_then(|index| rules.get(index)) == Some(&true));
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
                self.waf.selector(pattern).is_match(self.values.get(key))
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
            name.push_str(&String::from_utf8_lossy(self.values.get(key)));
        }
        name
    }

    /// Replaces macros by values.
    fn expand(&mut self, template: &Template<'_>, rule: Option<&Rule<'_>>) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &template.parts {
            match part {
                Part::Text(constant) => text.extend_from_slice(constant.as_bytes()),
                Part::Macro(variable) => text.extend_from_slice(self.value_of(variable)),
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

    fn value_of(&mut self, variable: &Macro<'_>) -> &[u8] {
        if variable.collection == Collection::Tx {
            let key = variable.key.as_deref().unwrap_or_default();
            let value = self.tx_value(key.as_bytes());
            return value.map(|value| self.values.get(value)).unwrap_or_default();
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
