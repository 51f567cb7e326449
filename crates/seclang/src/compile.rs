//! Directives become a program.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::actions::{self, Actions, Decision};
use crate::directive::Directive;
use crate::program::{Disruptive, EngineMode, Operator, Program, Rule, Settings, Target};
use crate::{Error, operators, targets};

/// Reads a data file of a rule by its name. An error is reported at the rule.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// Directives that concern logs, files, or limits of other engines.
const IGNORED: [&str; 44] = [
    "SecAuditEngine",
    "SecAuditLog",
    "SecAuditLog2",
    "SecAuditLogDir",
    "SecAuditLogDirMode",
    "SecAuditLogFileMode",
    "SecAuditLogFormat",
    "SecAuditLogParts",
    "SecAuditLogRelevantStatus",
    "SecAuditLogStorageDir",
    "SecAuditLogType",
    "SecCollectionTimeout",
    "SecConnEngine",
    "SecContentInjection",
    "SecCookieFormat",
    "SecDataDir",
    "SecDebugLog",
    "SecDebugLogLevel",
    "SecDisableBackendCompression",
    "SecGeoLookupDb",
    "SecGuardianLog",
    "SecHashEngine",
    "SecHttpBlKey",
    "SecInterceptOnError",
    "SecParseXmlIntoArgs",
    "SecPcreMatchLimit",
    "SecPcreMatchLimitRecursion",
    "SecRequestBodyInMemoryLimit",
    "SecRequestBodyJsonDepthLimit",
    "SecRequestBodyNoFilesLimit",
    "SecRuleInheritance",
    "SecRulePerfTime",
    "SecSensorId",
    "SecServerSignature",
    "SecStatusEngine",
    "SecStreamInBodyInspection",
    "SecStreamOutBodyInspection",
    "SecTmpDir",
    "SecUnicodeMapFile",
    "SecUploadDir",
    "SecUploadFileLimit",
    "SecUploadKeepFiles",
    "SecWebAppId",
    "SecXmlExternalEntity",
];

/// A program, and what is not in it.
#[derive(Debug)]
pub struct Compiled {
    /// The program, without the directives that have errors.
    pub program: Program<'static>,
    /// The directives that are left out. A rule takes its chain with it.
    pub errors: Vec<Error>,
    /// Directives and actions without an effect, such as those of logs; each once.
    pub ignored: Vec<String>,
}

/// Compiles directives. `read` returns the text of a data file.
#[must_use]
pub fn compile(directives: &[Directive], read: &ReadFile<'_>) -> Compiled {
    let mut compiler = Compiler::default();
    for directive in directives {
        if let Err(message) = compiler.add(directive, read) {
            compiler.errors.push(directive.error(message));
        }
    }
    compiler.finish()
}

/// Adds directives to a program, as if they were written after its sources. Markers and default actions of the program are not
/// known any more, and its jumps lead where they did.
#[must_use]
pub fn extend(program: Program<'static>, directives: &[Directive], read: &ReadFile<'_>) -> Compiled {
    let mut compiler = Compiler::of(program);
    for directive in directives {
        if let Err(message) = compiler.add(directive, read) {
            compiler.errors.push(directive.error(message));
        }
    }
    compiler.finish()
}

#[derive(Default)]
struct Compiler {
    settings: Settings<'static>,
    /// By phase.
    defaults: HashMap<u8, Actions>,
    rules: Vec<Draft>,
    /// Their names, and the number of rules before them.
    markers: Vec<(String, usize)>,
    ids: HashSet<u32>,
    /// The next rule is a member of the chain of the last one.
    in_chain: bool,
    /// The chain of the next rule has an error.
    drop_chain: bool,
    operators: Table<Operator<'static>>,
    pipelines: Table<Vec<crate::Transformation>>,
    tags: Table<Cow<'static, str>>,
    files: Table<Cow<'static, str>>,
    errors: Vec<Error>,
    ignored: Vec<String>,
}

/// A rule before jumps are resolved.
struct Draft {
    rule: Rule<'static>,
    skip_after: Option<String>,
    skip: Option<u32>,
    removed: bool,
    at: Directive,
}

/// Values, each once.
struct Table<T> {
    values: Vec<T>,
    indices: HashMap<T, u16>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { values: Vec::new(), indices: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn from_values(values: Vec<T>) -> Self {
        let indices = values.iter().cloned().zip(0..).collect();
        Self { values, indices }
    }

    fn add(&mut self, value: T) -> Result<u16, String> {
        if let Some(index) = self.indices.get(&value) {
            return Ok(*index);
        }
        let index =
            u16::try_from(self.values.len()).map_err(|_| "too many different values: at most 65,536")?;
        self.values.push(value.clone());
        self.indices.insert(value, index);
        Ok(index)
    }
}

impl Compiler {
    /// The compiler after the last directive of a program.
    fn of(program: Program<'static>) -> Self {
        let heads = program.rules.iter().filter(|rule| !rule.member);
        let ids = heads.map(|rule| rule.id).collect();
        let at = Directive { name: String::new(), words: Vec::new(), file: "".into(), line: 0 };
        let drafts = program.rules.into_iter().map(|rule| Draft {
            rule,
            skip_after: None,
            skip: None,
            removed: false,
            at: at.clone(),
        });
        Self {
            settings: program.settings,
            rules: drafts.collect(),
            ids,
            operators: Table::from_values(program.operators),
            pipelines: Table::from_values(program.pipelines),
            tags: Table::from_values(program.tags),
            files: Table::from_values(program.files),
            ..Self::default()
        }
    }

    fn add(&mut self, directive: &Directive, read: &ReadFile<'_>) -> Result<(), String> {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        let name = directive.name.to_ascii_lowercase();
        if self.in_chain && name != "secrule" && name != "secaction" {
            self.in_chain = false;
            self.abandon_chain();
            return Err("the rule before has `chain`, so another rule must follow it".to_owned());
        }
        match (name.as_str(), words.as_slice()) {
            ("secrule", [variables, operator]) => self.rule(directive, variables, operator, "", read),
            ("secrule", [variables, operator, actions]) => {
                self.rule(directive, variables, operator, actions, read)
            }
            ("secrule", _) => self.refuse_rule("write `SecRule VARIABLES OPERATOR ACTIONS`, each in quotes"),
            ("secaction", [actions]) => self.rule(directive, "", "@unconditionalMatch", actions, read),
            ("secaction", _) => self.refuse_rule("write `SecAction \"id:…,…\"`"),
            ("secmarker", [marker]) => {
                self.markers.push(((*marker).to_owned(), self.rules.len()));
                Ok(())
            }
            ("secdefaultaction", [text]) => {
                let actions = actions::parse(text)?;
                let phase = actions.phase.ok_or("`phase` is missing")?;
                self.defaults.insert(phase, actions);
                Ok(())
            }
            ("secruleremovebyid", [_, ..]) => {
                let ids = actions::ids(&words.join(" "))?;
                self.remove(|rule, _| within(&ids, rule.id));
                Ok(())
            }
            ("secruleremovebytag", [tag]) => {
                self.remove(|rule, tags| tags.of(rule).any(|own| own == *tag));
                Ok(())
            }
            ("secruleremovebymsg", [message]) => {
                self.remove(|rule, _| {
                    rule.message.as_ref().is_some_and(|own| own.as_text() == Some(message))
                });
                Ok(())
            }
            ("secruleupdatetargetbyid", [ids, variables]) => {
                let ids = actions::ids(ids)?;
                self.update_targets(variables, |rule, _| within(&ids, rule.id))
            }
            ("secruleupdatetargetbytag", [tag, variables]) => {
                self.update_targets(variables, |rule, tags| tags.of(rule).any(|own| own == *tag))
            }
            ("secruleupdateactionbyid", [id, text]) => self.update_actions(id, text),
            ("secruleengine", [mode]) => {
                self.settings.engine =
                    EngineMode::from_name(mode).ok_or("write `On`, `Off` or `DetectionOnly`")?;
                Ok(())
            }
            ("secrequestbodyaccess", [value]) => switch(value, &mut self.settings.request_body),
            ("secresponsebodyaccess", [value]) => switch(value, &mut self.settings.response_body),
            ("secrequestbodylimit", [value]) => bytes(value, &mut self.settings.request_body_limit),
            ("secresponsebodylimit", [value]) => bytes(value, &mut self.settings.response_body_limit),
            ("secrequestbodylimitaction", [value]) => match value.to_ascii_lowercase().as_str() {
                "reject" => {
                    self.settings.reject_larger = true;
                    Ok(())
                }
                "processpartial" => {
                    self.settings.reject_larger = false;
                    Ok(())
                }
                _ => Err("write `Reject` or `ProcessPartial`".to_owned()),
            },
            ("secresponsebodylimitaction", [_]) => {
                self.ignore(&directive.name);
                Ok(())
            }
            ("secargumentslimit", [value]) => {
                let limit = value.parse().ok().filter(|limit| *limit > 0);
                self.settings.arguments_limit = limit
                    .ok_or_else(|| format!("`{value}` is not a number of arguments: write one from 1"))?;
                Ok(())
            }
            ("secresponsebodymimetype", types) => {
                self.settings.response_types =
                    types.iter().map(|text| Cow::Owned(text.to_ascii_lowercase())).collect();
                Ok(())
            }
            ("secresponsebodymimetypesclear", []) => {
                self.settings.response_types.clear();
                Ok(())
            }
            ("seccomponentsignature", [text]) => {
                self.settings.signature = Some(Cow::Owned((*text).to_owned()));
                Ok(())
            }
            ("secargumentseparator", ["&"]) => Ok(()),
            ("include" | "includeoptional", _) => {
                Err("files cannot be included: write the directives here".to_owned())
            }
            _ if IGNORED.iter().any(|ignored| directive.is(ignored)) => {
                self.ignore(&directive.name);
                Ok(())
            }
            (
                "secmarker"
                | "secdefaultaction"
                | "secruleremovebyid"
                | "secruleremovebytag"
                | "secruleremovebymsg"
                | "secruleupdatetargetbyid"
                | "secruleupdatetargetbytag"
                | "secruleupdateactionbyid"
                | "secruleengine"
                | "secrequestbodyaccess"
                | "secresponsebodyaccess"
                | "secargumentslimit"
                | "secrequestbodylimit"
                | "secresponsebodylimit"
                | "secrequestbodylimitaction"
                | "secresponsebodylimitaction"
                | "seccomponentsignature",
                _,
            ) => {
                Err(format!("`{}` has {} arguments, which is not their number", directive.name, words.len()))
            }
            _ => Err(format!("`{}` is not supported", directive.name)),
        }
    }

    fn ignore(&mut self, what: &str) {
        if !self.ignored.iter().any(|known| known == what) {
            self.ignored.push(what.to_owned());
        }
    }

    /// Reports an error of a rule, and leaves out the rest of its chain.
    fn refuse_rule(&mut self, message: impl Into<String>) -> Result<(), String> {
        if self.in_chain {
            self.abandon_chain();
        }
        Err(message.into())
    }

    /// Removes the rules of the chain that is not complete.
    fn abandon_chain(&mut self) {
        while let Some(draft) = self.rules.pop() {
            if !draft.rule.member {
                self.ids.remove(&draft.rule.id);
                break;
            }
        }
    }

    fn rule(
        &mut self,
        directive: &Directive,
        variables: &str,
        operator: &str,
        text: &str,
        read: &ReadFile<'_>,
    ) -> Result<(), String> {
        let chain = actions::parse(text).map(|actions| actions.chain);
        if self.drop_chain {
            // The error of its chain is already reported.
            self.drop_chain = chain.unwrap_or_default();
            return Ok(());
        }
        let result = self.draft(directive, variables, operator, text, read);
        match result {
            Ok(draft) => {
                self.in_chain = draft.rule.chained;
                self.rules.push(draft);
                Ok(())
            }
            Err(message) => {
                if std::mem::take(&mut self.in_chain) {
                    self.abandon_chain();
                }
                // Actions that cannot be parsed may have contained `chain`.
                self.drop_chain =
                    chain.unwrap_or_else(|_| text.split(',').any(|action| action.trim() == "chain"));
                Err(message)
            }
        }
    }

    fn draft(
        &mut self,
        directive: &Directive,
        variables: &str,
        operator: &str,
        text: &str,
        read: &ReadFile<'_>,
    ) -> Result<Draft, String> {
        let mut own = actions::parse(text)?;
        let head = match self.in_chain {
            true => self.rules.iter().rfind(|draft| !draft.rule.member),
            false => None,
        };
        let member = head.is_some();
        let (id, phase) = match head.map(|draft| (draft.rule.id, draft.rule.phase)) {
            Some(head) => {
                if own.id.is_some() || own.disruptive.is_some_and(|decision| decision != Decision::Block) {
                    return Err(
                        "a member of a chain has neither `id` nor a decision: write them in its first rule"
                            .to_owned(),
                    );
                }
                head
            }
            None => {
                let id = own.id.ok_or("`id` is missing: write `id:NUMBER`")?;
                if self.ids.contains(&id) {
                    return Err(format!("duplicate `id:{id}`: write another number"));
                }
                (id, own.phase.unwrap_or(2))
            }
        };
        let default = self.defaults.get(&phase).cloned().unwrap_or_default();
        let targets = match variables {
            "" => Vec::new(),
            variables => targets::parse_list(variables)?,
        };
        let (operator, negated) = operators::parse(operator, read)?;
        let mut transformations = match own.clears_transformations {
            true => Vec::new(),
            false => default.transformations.clone(),
        };
        transformations.append(&mut own.transformations);
        let tags = std::mem::take(&mut own.tags)
            .into_iter()
            .map(|tag| self.tags.add(Cow::Owned(tag)))
            .collect::<Result<Vec<u16>, _>>()?;
        for ignored in std::mem::take(&mut own.ignored) {
            self.ignore(&ignored);
        }
        let rule = Rule {
            id,
            phase,
            file: self.files.add(Cow::Owned(directive.file.to_string()))?,
            line: directive.line,
            targets,
            operator: self.operators.add(operator)?,
            negated,
            pipeline: self.pipelines.add(transformations)?,
            chained: own.chain,
            member,
            multi_match: own.multi_match,
            capture: own.capture,
            log: own.log.or(default.log).unwrap_or(true),
            disruptive: decision(own.disruptive, &default),
            status: own.status.or(default.status),
            actions: own.actions,
            continue_at: None,
            message: own.message,
            data: own.data,
            severity: own.severity,
            tags,
        };
        if !rule.member {
            self.ids.insert(id);
        }
        Ok(Draft { rule, skip_after: own.skip_after, skip: own.skip, removed: false, at: directive.clone() })
    }

    fn remove(&mut self, matches: impl Fn(&Rule<'_>, &Table<Cow<'static, str>>) -> bool) {
        let mut removing = false;
        for draft in &mut self.rules {
            if !draft.rule.member {
                removing = matches(&draft.rule, &self.tags);
                if removing {
                    self.ids.remove(&draft.rule.id);
                }
            }
            draft.removed |= removing;
        }
    }

    /// Adds variables to first rules of chains.
    fn update_targets(
        &mut self,
        variables: &str,
        matches: impl Fn(&Rule<'_>, &Table<Cow<'static, str>>) -> bool,
    ) -> Result<(), String> {
        let new: Vec<Target<'static>> = targets::parse_list(variables)?;
        let mut found = false;
        for draft in self.rules.iter_mut().filter(|draft| !draft.rule.member) {
            if matches(&draft.rule, &self.tags) {
                found = true;
                draft.rule.targets.extend(new.iter().cloned());
            }
        }
        match found {
            true => Ok(()),
            false => Err("no rule before this line is meant: write it after the rules".to_owned()),
        }
    }

    fn update_actions(&mut self, id: &str, text: &str) -> Result<(), String> {
        let id: u32 = id.parse().map_err(|_| format!("`{id}` is not the number of a rule"))?;
        let new = actions::parse(text)?;
        let unsupported = new.id.is_some()
            || new.phase.is_some()
            || new.chain
            || new.skip.is_some()
            || new.skip_after.is_some()
            || new.clears_transformations
            || !new.transformations.is_empty();
        if unsupported {
            return Err("only decisions, status, logging, messages, tags, `setvar` and `ctl` can be updated"
                .to_owned());
        }
        let tags = new
            .tags
            .iter()
            .map(|tag| self.tags.add(Cow::Owned(tag.clone())))
            .collect::<Result<Vec<u16>, _>>()?;
        let draft = self
            .rules
            .iter_mut()
            .find(|draft| draft.rule.id == id && !draft.rule.member && !draft.removed)
            .ok_or_else(|| format!("there is no rule {id} before this line: write it after the rules"))?;
        let default = self.defaults.get(&draft.rule.phase).cloned().unwrap_or_default();
        let rule = &mut draft.rule;
        if new.disruptive.is_some() {
            rule.disruptive = decision(new.disruptive, &default);
        }
        rule.status = new.status.or(rule.status);
        rule.log = new.log.unwrap_or(rule.log);
        rule.message = new.message.or(rule.message.take());
        rule.data = new.data.or(rule.data.take());
        rule.severity = new.severity.or(rule.severity);
        rule.actions.extend(new.actions);
        rule.tags.extend(tags);
        Ok(())
    }

    fn finish(mut self) -> Compiled {
        if self.in_chain {
            let at = self
                .rules
                .last()
                .map(|draft| draft.at.error("the last rule has `chain`, but no rule follows it"));
            self.abandon_chain();
            self.errors.extend(at);
        }
        self.resolve_jumps();
        // The index of each draft among the rules that remain.
        let mut next = 0u32;
        let mut indices: Vec<u32> = Vec::with_capacity(self.rules.len() + 1);
        for draft in &self.rules {
            indices.push(next);
            next += u32::from(!draft.removed);
        }
        indices.push(next);
        let rules = self.rules.into_iter().filter(|draft| !draft.removed).map(|mut draft| {
            draft.rule.continue_at =
                draft.rule.continue_at.and_then(|at| indices.get(usize::try_from(at).ok()?).copied());
            draft.rule
        });
        let program = Program {
            settings: self.settings,
            rules: rules.collect(),
            operators: self.operators.values,
            pipelines: self.pipelines.values,
            tags: self.tags.values,
            files: self.files.values,
            ..Program::new()
        };
        Compiled { program, errors: self.errors, ignored: self.ignored }
    }

    /// Sets `continue_at` to indices of drafts, and removes the rules whose jumps lead nowhere.
    fn resolve_jumps(&mut self) {
        let mut nowhere = Vec::new();
        let mut jumps = Vec::new();
        for (index, draft) in self.rules.iter().enumerate() {
            let to = match (&draft.skip_after, draft.skip) {
                (None, None) => continue,
                (Some(name), _) => {
                    let marker = self.markers.iter().find(|(marker, at)| marker == name && *at > index);
                    let rule = || {
                        let id: u32 = name.parse().ok()?;
                        let at = self.rules.iter().rposition(|other| other.rule.id == id)?;
                        (at > index).then_some(at + 1)
                    };
                    marker.map(|(_, at)| *at).or_else(rule)
                }
                (None, Some(count)) => {
                    let heads = self.rules.iter().enumerate().skip(index + 1);
                    let mut heads = heads.filter(|(_, other)| !other.rule.member && !other.removed);
                    Some(
                        heads
                            .nth(count.try_into().unwrap_or(usize::MAX))
                            .map_or(self.rules.len(), |(at, _)| at),
                    )
                }
            };
            match to {
                Some(to) => jumps.push((index, to)),
                None => {
                    let name = draft.skip_after.as_deref().unwrap_or_default();
                    self.errors.push(draft.at.error(format!(
                        "`skipAfter:{name}`: there is no `SecMarker {name}` after this rule"
                    )));
                    nowhere.push(draft.rule.id);
                }
            }
        }
        for (index, to) in jumps {
            if let Some(draft) = self.rules.get_mut(index) {
                draft.rule.continue_at = u32::try_from(to).ok();
            }
        }
        self.remove(|rule, _| nowhere.contains(&rule.id));
    }
}

impl Table<Cow<'static, str>> {
    fn of(&self, rule: &Rule<'_>) -> impl Iterator<Item = &str> {
        rule.tags.iter().filter_map(|tag| self.values.get(usize::from(*tag))).map(AsRef::as_ref)
    }
}

fn decision(own: Option<Decision>, default: &Actions) -> Disruptive {
    let default = match default.disruptive {
        Some(Decision::Is(disruptive)) => disruptive,
        _ => Disruptive::Pass,
    };
    match own {
        Some(Decision::Is(disruptive)) => disruptive,
        Some(Decision::Block) | None => default,
    }
}

fn within(ids: &[(u32, u32)], id: u32) -> bool {
    ids.iter().any(|(first, last)| (*first..=*last).contains(&id))
}

fn switch(value: &str, setting: &mut bool) -> Result<(), String> {
    *setting = match value.to_ascii_lowercase().as_str() {
        "on" => true,
        "off" => false,
        _ => return Err("write `On` or `Off`".to_owned()),
    };
    Ok(())
}

fn bytes(value: &str, setting: &mut Option<u64>) -> Result<(), String> {
    *setting = Some(value.parse().map_err(|_| format!("`{value}` is not a number of bytes"))?);
    Ok(())
}

#[cfg(test)]
mod tests;
