//! A rule set that is ready for requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use seclang::{Operator, Program, Rule, Selector};

use crate::operators::Prepared;
use crate::regex::{self, LazyRegex};
use crate::transaction::Transaction;

/// A rule set that is ready for requests. Its transactions share it.
pub struct Waf {
    pub(crate) program: Program<'static>,
    pub(crate) operators: Vec<Prepared>,
    /// The indices of the first rules of chains, by phase from 1.
    pub(crate) phases: [Vec<usize>; 5],
    /// Expressions of selectors.
    selectors: RefCell<HashMap<String, Rc<LazyRegex>>>,
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
    /// Prepares a program. Expressions are compiled when they are first needed: see [`check`].
    ///
    /// # Errors
    ///
    /// If an operator has an invalid argument.
    pub fn new(program: Program<'static>) -> Result<Rc<Self>, WafError> {
        let operators =
            program.operators.iter().map(Prepared::new).collect::<Result<_, _>>().map_err(WafError)?;
        let mut phases: [Vec<usize>; 5] = Default::default();
        for (index, rule) in program.rules.iter().enumerate().filter(|(_, rule)| !rule.member) {
            if let Some(indices) = phases.get_mut(usize::from(rule.phase).wrapping_sub(1)) {
                indices.push(index);
            }
        }
        Ok(Rc::new(Self { program, operators, phases, selectors: RefCell::default() }))
    }

    /// Begins a request.
    #[must_use]
    pub fn transaction(self: &Rc<Self>) -> Transaction {
        Transaction::new(Rc::clone(self))
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &Program<'static> {
        &self.program
    }

    /// Returns the expression of a selector.
    pub(crate) fn selector(&self, pattern: &str) -> Rc<LazyRegex> {
        if let Some(regex) = self.selectors.borrow().get(pattern) {
            return Rc::clone(regex);
        }
        // Names are compared without case.
        let regex = Rc::new(LazyRegex::new(&format!("(?i:{pattern})")));
        self.selectors.borrow_mut().insert(pattern.to_owned(), Rc::clone(&regex));
        regex
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
            Some(Operator::Rx(pattern)) => regex::check(pattern).map_err(|error| format!("`@rx`: {error}")),
            Some(operator) => Prepared::new(operator).map(drop),
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
