//! A rule set that is ready for requests.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use seclang::{ByteSet, Collection, Operator, Program, Rule, Selector, Target};

use crate::operators::{Expression, Prepared};
use crate::plan::Plan;
use crate::regex::{self, LazyRegex};
use crate::transaction::Transaction;
use crate::values::{Pipeline, Triggers};

/// The memory that compiled expressions may have between requests: more are freed, those first that were not used lately.
const MAX_EXPRESSIONS: usize = 12 << 20;

/// The transactions between two checks of the memory.
const CHECK_EVERY: u32 = 16;

/// A rule set that is ready for requests. Its transactions share it.
pub struct Waf {
    pub(crate) program: Program<'static>,
    pub(crate) operators: Vec<Prepared>,
    /// The indices of the first rules of chains, by phase from 1.
    pub(crate) phases: [Vec<usize>; 5],
    pub(crate) plan: Plan,
    pub(crate) triggers: Triggers,
    /// The triggers of each list of transformations.
    pipeline_triggers: Vec<Option<ByteSet>>,
    /// False to compare what filters would spare, too.
    pub(crate) filters: bool,
    /// Expressions of selectors.
    selectors: RefCell<HashMap<String, Rc<SelectorRegex>>>,
    transactions: Cell<u32>,
    /// The operator where [`Self::compile_next`] continues.
    next: Cell<usize>,
}

/// The expression of a selector.
pub(crate) struct SelectorRegex {
    names: Names,
    /// The variables of `TX` whose names are constants of the rules and match.
    slots: Vec<u16>,
}

/// The names that an expression matches, without regard to case.
enum Names {
    /// `^prefix`, which is compared in a few instructions: rules write variables for each header and select those.
    Prefix(String),
    Regex(LazyRegex),
}

impl Names {
    fn of(pattern: &str) -> Self {
        let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match pattern.strip_prefix('^').filter(is_plain) {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Regex(LazyRegex::new(&format!("(?i:{pattern})"))),
        }
    }

    fn contain(&self, name: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => {
                name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

impl SelectorRegex {
    pub(crate) fn is_match(&self, name: &[u8]) -> bool {
        self.names.contain(name)
    }

    pub(crate) fn slots(&self) -> &[u16] {
        &self.slots
    }
}

/// The error for a program that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WafError(String);

impl fmt::Display for WafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WafError {}

impl Waf {
    /// Prepares a program. Expressions are compiled when they are first needed: see [`check`]. Filters that [`prepare`] has not
    /// added are derived now.
    ///
    /// # Errors
    ///
    /// If an operator has an invalid argument.
    pub fn new(program: Program<'static>) -> Result<Rc<Self>, WafError> {
        Self::with_filters(program, true)
    }

    /// Prepares a program whose operators compare every value, also those that cannot match: the slow reference for tests.
    ///
    /// # Errors
    ///
    /// If an operator has an invalid argument.
    pub fn without_filters(program: Program<'static>) -> Result<Rc<Self>, WafError> {
        Self::with_filters(program, false)
    }

    fn with_filters(program: Program<'static>, filters: bool) -> Result<Rc<Self>, WafError> {
        let operators = program.operators.iter().map(|operator| Prepared::new(operator, filters));
        let operators = operators.collect::<Result<_, _>>().map_err(WafError)?;
        let mut phases: [Vec<usize>; 5] = Default::default();
        for (index, rule) in program.rules.iter().enumerate().filter(|(_, rule)| !rule.member) {
            if let Some(indices) = phases.get_mut(usize::from(rule.phase).wrapping_sub(1)) {
                indices.push(index);
            }
        }
        let triggers = Triggers::new(filters);
        Ok(Rc::new(Self {
            plan: Plan::new(&program),
            pipeline_triggers: program.pipelines.iter().map(|steps| triggers.of(steps)).collect(),
            triggers,
            program,
            operators,
            phases,
            filters,
            selectors: RefCell::default(),
            transactions: Cell::new(0),
            next: Cell::new(0),
        }))
    }

    /// Begins a request.
    #[must_use]
    pub fn transaction(self: &Rc<Self>) -> Transaction {
        self.transactions.set(self.transactions.get().wrapping_add(1));
        if self.transactions.get().is_multiple_of(CHECK_EVERY) {
            self.free(MAX_EXPRESSIONS);
        }
        Transaction::new(Rc::clone(self))
    }

    /// Returns true if rules may read a variable of `TX`: one of them names it, or selects variables by something else.
    #[must_use]
    pub fn reads_tx(&self, name: &str) -> bool {
        let is_named = |target: &Target<'_>| matches!(target.selector, Selector::Name(_));
        let mut targets = self.program.rules.iter().flat_map(|rule| &rule.targets);
        self.plan.slot(name.to_ascii_lowercase().as_bytes()).is_some()
            || targets.any(|target| target.collection == Collection::Tx && !is_named(target))
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &Program<'static> {
        &self.program
    }

    /// Compiles the next expression of a rule that a request has reached, so that no request has to wait for it. Returns false
    /// if all of them are compiled, or have the memory that they may have.
    ///
    /// Plug-ins call it on ticks. Rules that no request reaches, such as those of higher paranoia levels, are left out.
    #[must_use]
    pub fn compile_next(&self) -> bool {
        if self.memory() >= MAX_EXPRESSIONS / 4 * 3 {
            return false;
        }
        let is_waiting =
            |expression: &&Expression| expression.reached.get() && !expression.regex.is_prepared();
        let waiting = self.operators.iter().enumerate().skip(self.next.get());
        let mut waiting =
            waiting.filter_map(|(index, operator)| Some((index, operator.expression().filter(is_waiting)?)));
        match waiting.next() {
            Some((index, expression)) => {
                expression.regex.prepare();
                self.next.set(index + 1);
                true
            }
            // Requests may have reached rules before the last one.
            None if self.next.get() > 0 => {
                self.next.set(0);
                self.compile_next()
            }
            None => false,
        }
    }

    /// Returns the memory of compiled expressions in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.expressions().map(|expression| expression.regex.memory()).sum()
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.operators.iter().filter_map(Prepared::expression)
    }

    /// Frees compiled expressions until they have at most this memory, those first that no request used since the last time.
    pub(crate) fn free(&self, limit: usize) {
        let mut memory = self.memory();
        for unused_only in [true, false] {
            for expression in self.expressions() {
                if memory <= limit {
                    return;
                }
                if !(unused_only && expression.used.take()) {
                    memory = memory.saturating_sub(expression.regex.memory());
                    expression.regex.free();
                }
            }
        }
    }

    /// Returns a list of transformations.
    pub(crate) fn pipeline(&self, number: u16) -> Pipeline<'_> {
        let number = usize::from(number);
        match (self.program.pipelines.get(number), self.pipeline_triggers.get(number)) {
            (Some(steps), Some(triggers)) => Pipeline::new(steps, *triggers),
            _ => Pipeline::default(),
        }
    }

    /// Returns the expression of a selector.
    pub(crate) fn selector(&self, pattern: &str) -> Rc<SelectorRegex> {
        if let Some(regex) = self.selectors.borrow().get(pattern) {
            return Rc::clone(regex);
        }
        let names = Names::of(pattern);
        let slots = (0u16..).zip(self.plan.names()).filter(|(_, name)| names.contain(name));
        let regex = Rc::new(SelectorRegex { slots: slots.map(|(slot, _)| slot).collect(), names });
        self.selectors.borrow_mut().insert(pattern.to_owned(), Rc::clone(&regex));
        regex
    }
}

/// Adds filters to a program, which belongs to its build: they spare nearly all comparisons, and are derived from the syntax
/// trees of all expressions.
pub fn prepare(program: &mut Program<'static>) {
    for operator in &mut program.operators {
        if let Operator::Rx(pattern, filter @ None) = operator {
            *filter = Some(regex::filter(pattern));
        }
    }
}

/// Compiles every expression and network of a program, and returns an error for each rule that could never match.
///
/// It takes long, so it belongs to the build of a program, and to the validation of a configuration.
#[must_use]
pub fn check(program: &Program<'static>) -> Vec<seclang::Error> {
    let mut errors = Vec::new();
    for rule in &program.rules {
        let operator = program.operators.get(usize::from(rule.operator));
        let result = match operator {
            Some(Operator::Rx(pattern, _)) => {
                regex::check(pattern).map_err(|error| format!("`@rx`: {error}"))
            }
            Some(operator) => Prepared::new(operator, true).map(drop),
            None => Err("its operator is missing".to_owned()),
        };
        let selectors = rule.targets.iter().filter_map(|target| match &target.selector {
            Selector::Regex(pattern) => regex::check(pattern).err(),
            _ => None,
        });
        errors
            .extend(result.err().into_iter().chain(selectors).map(|message| error(program, rule, &message)));
    }
    errors
}

fn error(program: &Program<'_>, rule: &Rule<'_>, message: &str) -> seclang::Error {
    let file = program.files.get(usize::from(rule.file)).map(ToString::to_string).unwrap_or_default();
    seclang::Error { file, line: rule.line, message: format!("rule {}: {message}", rule.id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_prefix_are_those_of_the_expression() {
        let names = Names::of("^header_name_1");
        assert!(matches!(names, Names::Prefix(_)));
        let regex = LazyRegex::new("(?i:^header_name_1)");
        for name in ["header_name_1", "HEADER_name_12", "header_name_", "x_header_name_1", ""] {
            assert_eq!(names.contain(name.as_bytes()), regex.is_match(name.as_bytes()), "{name}");
        }
        for pattern in ["^a.c", "^a$", "a", "^a|b", "^a*"] {
            assert!(matches!(Names::of(pattern), Names::Regex(_)), "{pattern}");
        }
    }
}
