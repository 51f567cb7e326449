//! The plug-ins of a gateway: cards, and what is done with them. The rules are those of `marketplace`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use gateway::folder::{Entry, StageOrder};
use gateway::journal::State;
use gateway::modules::Modules;
use marketplace::shelf::{self, Action, Addition, Edit, Module, Version};
use marketplace::{Code, KnownPlugin, Refusal, Shelf, Sources};
use resource::{Category, Stage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::audit;
use crate::gateways::{FaultView, Gateway};
use crate::history::{self, Saved};
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::uploads::{self, Loads};

/// A text by language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Texts {
    /// In English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// In Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zh: Option<String>,
}

/// Whether a plug-in is the project's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is of the workspace or of the catalogue.
    Builtin,
    /// It is a module of the user's.
    Custom,
}

/// Whether a plug-in runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// It does not.
    Off,
    /// It is about to.
    Loading,
    /// It does.
    On,
    /// It should, and does not as it is written.
    Error,
}

/// Why something cannot be done with a plug-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// Editing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Problem>,
    /// Deleting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Problem>,
    /// Enabling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable: Option<Problem>,
    /// Disabling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable: Option<Problem>,
    /// Releasing a new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Problem>,
    /// Configuring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configure: Option<Problem>,
}

/// The card of a plug-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// What the API names it by: its name, with its namespace where that is ambiguous.
    pub id: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The display name.
    pub title: String,
    /// The description.
    pub description: Texts,
    /// The version, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The programming language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The category: `custom`, `authentication`, `security`, `protocol`, `traffic`, `observability`, `transformation` or `ai`.
    pub category: String,
    /// The stage: `authn`, `authz`, `stats` or `default`.
    pub stage: String,
    /// The priority in the stage: larger ones run first.
    pub priority: i32,
    /// Whether it is the project's own.
    pub kind: Kind,
    /// The plug-in that a built-in one is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Whether it has a resource in the folder.
    pub resource: bool,
    /// Whether the resource is enabled.
    pub enabled: bool,
    /// Whether it runs.
    pub state: PluginState,
    /// Why it does not run as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The number of its rules.
    pub rules: usize,
    /// Where its module is.
    pub url: String,
    /// The file of the resource, relative to the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The first line of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What `If-Match` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Whether there is a version to return to.
    pub rollback: bool,
    /// Whether it reports the rules that requests match.
    pub matches: bool,
    /// Why something cannot be done with it.
    pub blocked: Blocked,
}

/// The plug-ins of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginsView {
    /// The order of stages.
    pub order: String,
    /// The plug-ins in the order of requests, built-in ones without a resource too.
    pub plugins: Vec<Card>,
    /// The errors in the files.
    pub faults: Vec<FaultView>,
}

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StageName {
    /// Authentication.
    Authn,
    /// Authorization.
    Authz,
    /// Statistics.
    Stats,
    /// After the others.
    Default,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::Authn => Self::Authn,
            StageName::Authz => Self::Authz,
            StageName::Stats => Self::Stats,
            StageName::Default => Self::Default,
        }
    }
}

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModuleSource {
    /// An upload, by its id.
    Upload(String),
    /// An image, by its reference.
    Image(String),
    /// A built-in plug-in, by its name.
    Builtin(String),
}

/// A plug-in to add.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AddPlugin {
    /// The name.
    pub name: String,
    /// The display name.
    #[serde(default)]
    pub title: Option<String>,
    /// The description.
    #[serde(default)]
    pub description: String,
    /// The programming language.
    #[serde(default)]
    pub language: String,
    /// The stage.
    pub stage: StageName,
    /// The priority: a multiple of 10.
    pub priority: i32,
    /// The module.
    #[serde(default)]
    pub module: Option<ModuleSource>,
    /// Whether it is enabled at once.
    #[serde(default)]
    pub enabled: bool,
}

/// A change of a plug-in's card or module. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EditPlugin {
    /// The display name.
    #[serde(default)]
    pub title: Option<String>,
    /// The description.
    #[serde(default)]
    pub description: Option<String>,
    /// The programming language.
    #[serde(default)]
    pub language: Option<String>,
    /// The stage.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// The priority: a multiple of 10.
    #[serde(default)]
    pub priority: Option<i32>,
    /// The module.
    #[serde(default)]
    pub module: Option<ModuleSource>,
}

/// A new version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewVersion {
    /// The module.
    pub module: ModuleSource,
    /// The display name.
    #[serde(default)]
    pub title: Option<String>,
    /// The description.
    #[serde(default)]
    pub description: Option<String>,
    /// The programming language.
    #[serde(default)]
    pub language: Option<String>,
    /// The stage.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// The priority: a multiple of 10.
    #[serde(default)]
    pub priority: Option<i32>,
    /// The configuration for requests that match no rule, in YAML.
    #[serde(default)]
    pub configuration: Option<String>,
}

/// A place in the order of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderEntry {
    /// The plug-in.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its display name.
    pub title: String,
    /// Its stage.
    pub stage: String,
    /// Its priority.
    pub priority: i32,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it is the one that would be added.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
}

/// The order of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// The order that is shown: `mse` or `istio`.
    pub order: String,
    /// The order that is in force.
    pub in_force: String,
    /// The plug-ins.
    pub entries: Vec<OrderEntry>,
}

/// What is wrong with an addition, and where it would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionCheck {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// The order with it.
    pub order: Vec<OrderEntry>,
}

/// The page of a plug-in.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginView {
    /// The card.
    pub card: Card,
    /// The digest of the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The size of the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where the module loads.
    pub gateways: Vec<Loads>,
    /// The README, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readme: Option<Texts>,
    /// The schema of its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schema: Option<serde_json::Value>,
    /// A configuration that it accepts, in YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// JSON pointers of secret fields in the schema.
    pub secrets: Vec<String>,
    /// Whether rules inherit the fields of the gateway scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherits: Option<bool>,
}

/// The tag of a text: another text has another one.
pub(crate) fn etag(text: &str) -> String {
    let digest = oci::digest(text.as_bytes());
    format!("\"{}\"", digest.trim_start_matches("sha256:").get(..16).unwrap_or_default())
}

/// What is known while one request is served.
pub(crate) struct Market<'g> {
    pub(crate) gateway: &'g Gateway,
    pub(crate) shelf: Shelf,
    pub(crate) sources: Sources,
}

impl<'g> Market<'g> {
    pub(crate) fn open(gateway: &'g Gateway) -> Self {
        let shelf = Shelf::read(&gateway.folder, gateway.order());
        Self { gateway, shelf, sources: gateway.common.marketplace() }
    }

    /// The id of a plug-in of the folder.
    pub(crate) fn id(&self, entry: &Entry) -> String {
        let same = self.shelf.content.plugins.iter().filter(|other| other.name == entry.name).count();
        if same == 1 { entry.name.clone() } else { format!("{}/{}", entry.namespace, entry.name) }
    }

    /// The plug-in of the folder with this id.
    pub(crate) fn find(&self, id: &str) -> Result<&Entry, Problem> {
        Ok(self.shelf.find(id)?)
    }

    /// The plug-in of the folder, if its file is still as the client knows it.
    pub(crate) fn matching(&self, id: &str, if_match: Option<&str>) -> Result<(&Entry, String), Problem> {
        let entry = self.find(id)?;
        let text = fs::read_to_string(&entry.file)?;
        check_match(entry, &text, if_match)?;
        Ok((entry, text))
    }

    /// The built-in plug-in that a resource deploys.
    fn built_in(&self, entry: &Entry) -> Option<KnownPlugin<'_>> {
        // `known` borrows the sources, and so does what it returns.
        let known = self.sources.known();
        shelf::built_in(entry, &known)
    }

    /// The name of the built-in plug-in that a resource deploys.
    pub(crate) fn deployed(&self, entry: &Entry) -> Option<String> {
        self.built_in(entry).map(|plugin| plugin.name().to_owned())
    }

    /// The description of the built-in plug-in that a resource deploys.
    pub(crate) fn manifest(&self, entry: &Entry) -> Option<resource::Manifest> {
        self.built_in(entry).and_then(|plugin| plugin.manifest().ok())
    }

    /// The display name of a plug-in: its own, or that of the built-in plug-in.
    pub(crate) fn title(&self, entry: &Entry) -> String {
        let of_plugin = || self.manifest(entry).map(|manifest| manifest.title);
        entry.title.clone().or_else(of_plugin).unwrap_or_else(|| entry.name.clone())
    }

    /// All cards, in the order of requests.
    pub(crate) fn cards(&self) -> Vec<Card> {
        let mut texts = BTreeMap::new();
        let mut cards: Vec<Card> =
            self.shelf.content.plugins.iter().map(|entry| self.card_of(entry, &mut texts)).collect();
        let known = self.sources.known();
        for plugin in &known.plugins {
            let is_here = cards
                .iter()
                .any(|card| card.plugin.as_deref() == Some(plugin.name()) || card.id == plugin.name());
            if !is_here && let Some(card) = self.card_without_resource(*plugin) {
                cards.push(card);
            }
        }
        let stages = self.gateway.order().stages();
        cards.sort_by_key(|card| {
            let stage = stages.iter().position(|stage| stage.name() == card.stage);
            (stage, std::cmp::Reverse(card.priority), card.name.clone(), card.namespace.clone())
        });
        cards
    }

    /// The card of a plug-in, which may have no resource.
    pub(crate) fn card(&self, id: &str) -> Result<Card, Problem> {
        match self.shelf.find(id) {
            Ok(entry) => Ok(self.card_of(entry, &mut BTreeMap::new())),
            Err(error) => {
                let known = self.sources.known();
                let plugin = known.plugins.iter().find(|plugin| plugin.name() == id);
                plugin.and_then(|plugin| self.card_without_resource(*plugin)).ok_or_else(|| error.into())
            }
        }
    }

    fn card_of(&self, entry: &Entry, texts: &mut BTreeMap<PathBuf, String>) -> Card {
        let text = texts
            .entry(entry.file.clone())
            .or_insert_with(|| fs::read_to_string(&entry.file).unwrap_or_default());
        let tag = etag(text);
        let built_in = self.built_in(entry);
        let manifest = built_in.and_then(|plugin| plugin.manifest().ok());
        let id = self.id(entry);
        let own_description = entry.description.clone();
        let description = match &manifest {
            Some(manifest) => {
                Texts { en: Some(manifest.description.clone()), zh: chinese(&manifest.description_i18n) }
            }
            None => Texts { en: own_description, zh: None },
        };
        let (state, message) = self.state(entry, &id);
        let name = built_in.map(|plugin| plugin.name().to_owned());
        let blocked = |action| Shelf::blocked(entry, action, name.as_deref()).map(Problem::from);
        let switch = blocked(Action::Switch);
        Card {
            title: self.title(entry),
            description,
            version: version(entry, built_in),
            language: entry.language.clone().or_else(|| manifest.as_ref().map(|_| "Rust".to_owned())),
            category: category(manifest.as_ref().map_or(Category::Custom, |manifest| manifest.category))
                .into(),
            stage: entry.stage.name().into(),
            priority: entry.priority,
            kind: if built_in.is_some() { Kind::Builtin } else { Kind::Custom },
            resource: true,
            enabled: entry.enabled,
            state,
            message,
            rules: entry.resource.spec.match_rules.len(),
            url: entry.resource.spec.url.clone(),
            file: Some(self.gateway.shown(&entry.file)),
            line: Some(entry.line),
            etag: Some(tag),
            rollback: Shelf::has_previous(entry),
            matches: manifest.as_ref().is_some_and(|manifest| manifest.reports_matches),
            blocked: Blocked {
                edit: blocked(Action::Edit),
                delete: blocked(Action::Delete),
                enable: switch.clone().filter(|_| !entry.enabled),
                disable: switch.filter(|_| entry.enabled),
                upgrade: blocked(Action::Release),
                configure: blocked(Action::Configure),
            },
            id,
            name: entry.name.clone(),
            namespace: entry.namespace.clone(),
            plugin: name,
        }
    }

    /// The card of a built-in plug-in that has no resource yet.
    fn card_without_resource(&self, plugin: KnownPlugin<'_>) -> Option<Card> {
        let manifest = plugin.manifest().ok()?;
        let name = plugin.name().to_owned();
        let done = |what: &str| {
            let message = format!("{name} is a built-in plug-in and cannot be {what}");
            Some(Problem::new("plugin_built_in", message).with("name", &name))
        };
        let absent = format!("{name} has no resource yet: enable it first");
        Some(Card {
            id: name.clone(),
            name: name.clone(),
            namespace: String::new(),
            title: manifest.title.clone(),
            description: Texts {
                en: Some(manifest.description.clone()),
                zh: chinese(&manifest.description_i18n),
            },
            version: Some(manifest.version.clone()),
            language: Some("Rust".into()),
            category: category(manifest.category).into(),
            stage: manifest.stage.name().into(),
            priority: manifest.priority,
            kind: Kind::Builtin,
            plugin: Some(name.clone()),
            resource: false,
            enabled: false,
            state: PluginState::Off,
            message: None,
            rules: 0,
            url: String::new(),
            file: None,
            line: None,
            etag: None,
            rollback: false,
            matches: manifest.reports_matches,
            blocked: Blocked {
                edit: done("edited"),
                delete: done("deleted"),
                upgrade: done("released in a new version"),
                configure: Some(Problem::new("plugin_unknown", absent).with("name", &name)),
                ..Blocked::default()
            },
        })
    }

    /// Whether a plug-in runs as it is written.
    fn state(&self, entry: &Entry, id: &str) -> (PluginState, Option<String>) {
        if !entry.enabled {
            return (PluginState::Off, None);
        }
        let (gateway, trouble) = self.gateway.trouble(&entry.file);
        if gateway != State::Serving {
            let state = if gateway == State::Starting { PluginState::Loading } else { PluginState::Off };
            return (state, trouble);
        }
        let spec = serde_json::to_value(&entry.resource.spec).ok();
        let in_force = self.gateway.journal.in_force(id).map(|in_force| in_force.spec);
        if in_force.is_some() && in_force == spec {
            return (PluginState::On, None);
        }
        match trouble {
            Some(message) => (PluginState::Error, Some(message)),
            None => (PluginState::Loading, None),
        }
    }

    /// The order of requests.
    pub(crate) fn order(&self, order: StageOrder, added: Option<OrderEntry>) -> Vec<OrderEntry> {
        let entries = self.shelf.content.plugins.iter().map(|entry| OrderEntry {
            id: self.id(entry),
            name: entry.name.clone(),
            title: self.title(entry),
            stage: entry.stage.name().into(),
            priority: entry.priority,
            enabled: entry.enabled,
            added: false,
        });
        let mut entries: Vec<OrderEntry> = entries.chain(added).collect();
        let stages = order.stages();
        entries.sort_by_key(|entry| {
            let stage = stages.iter().position(|stage| stage.name() == entry.stage);
            (stage, std::cmp::Reverse(entry.priority), entry.name.clone(), entry.id.clone())
        });
        entries
    }

    /// An addition as the marketplace takes it, without its module.
    fn addition(&self, body: &AddPlugin) -> Result<Addition, Problem> {
        let card = shelf::Card {
            title: body.title.clone().filter(|title| !title.trim().is_empty()),
            description: Some(body.description.clone()),
            language: Some(body.language.clone()),
            stage: Some(body.stage.into()),
            priority: Some(body.priority),
        };
        let (name, card) = match &body.module {
            // Its texts are its own.
            Some(ModuleSource::Builtin(name)) => {
                let known = self.sources.known();
                if known.get(name).is_none() {
                    let message = format!("there is no built-in plug-in `{name}`");
                    return Err(Problem::new("plugin_unknown", message)
                        .with("name", name)
                        .of_field("module"));
                }
                let card =
                    shelf::Card { stage: card.stage, priority: card.priority, ..shelf::Card::default() };
                (name.clone(), card)
            }
            _ => (body.name.clone(), card),
        };
        Ok(Addition { name, card, module: None, configuration: None, enabled: body.enabled })
    }

    /// The module of an addition; none for a built-in plug-in.
    fn module_of(&self, body: &AddPlugin) -> Result<Option<Module>, Problem> {
        match &body.module {
            None | Some(ModuleSource::Builtin(_)) => Ok(None),
            Some(source) => self.module(source).map(Some),
        }
    }

    /// A module as the marketplace takes it.
    fn module(&self, source: &ModuleSource) -> Result<Module, Problem> {
        match source {
            ModuleSource::Upload(id) => Ok(Module::File(self.gateway.uploads.file(id)?)),
            ModuleSource::Image(reference) => {
                oci::Reference::parse(reference).map_err(|error| {
                    Problem::new("image_invalid", &error)
                        .with("reference", reference)
                        .with("reason", &error)
                        .of_field("module")
                })?;
                Ok(Module::Url(reference.clone()))
            }
            ModuleSource::Builtin(name) => {
                let message = format!("`{name}` is a built-in plug-in: upload a module, or name an image");
                Err(Problem::new("module_missing", message).with("name", name).of_field("module"))
            }
        }
    }

    /// Everything that is wrong with an addition.
    pub(crate) fn check(&self, body: &AddPlugin) -> AdditionCheck {
        let problems = match self.addition(body) {
            Err(problem) => vec![problem],
            Ok(mut addition) => {
                let module = self.module_of(body);
                let is_builtin = matches!(body.module, Some(ModuleSource::Builtin(_)));
                addition.module = module.as_ref().ok().cloned().flatten();
                let found = self.shelf.problems(&addition, &self.sources).into_iter().map(Problem::from);
                let mut problems: Vec<Problem> =
                    found.filter(|problem| module.is_ok() || problem.code != "module_missing").collect();
                // A name of a built-in plug-in is not free for a module of one's own.
                if let Some(problem) = self.taken(body).filter(|_| !is_builtin)
                    && problems.iter().all(|other| other.code != "name_taken")
                {
                    problems.insert(0, problem);
                }
                problems.extend(module.err());
                problems
            }
        };
        let added = OrderEntry {
            id: body.name.clone(),
            name: body.name.clone(),
            title: body.title.clone().unwrap_or_else(|| body.name.clone()),
            stage: Stage::from(body.stage).name().into(),
            priority: body.priority,
            enabled: body.enabled,
            added: true,
        };
        AdditionCheck { problems, order: self.order(self.gateway.order(), Some(added)) }
    }

    /// The refusal of a built-in plug-in's name for another module.
    fn taken(&self, body: &AddPlugin) -> Option<Problem> {
        let known = self.sources.known();
        let plugin =
            known.plugins.iter().find(|plugin| plugin.name() == resource::names::canonical(&body.name))?;
        let message = format!("`{}` is the name of a built-in plug-in: choose another name", plugin.name());
        Some(Problem::new("name_taken", message).with("name", plugin.name()).of_field("name"))
    }
}

/// Refuses a change of a file that the client does not know as it is.
pub(crate) fn check_match(entry: &Entry, text: &str, if_match: Option<&str>) -> Result<(), Problem> {
    let Some(known) = if_match else {
        let message = "the request has no header `If-Match`, with the `etag` of what it changes";
        return Err(Problem::new("if_match_missing", message));
    };
    if known == etag(text) {
        return Ok(());
    }
    let message = format!("{} was changed by someone else meanwhile: look at it again", entry.name);
    let file = entry.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(Problem::new("changed_meanwhile", message).with("name", &entry.name).with("file", file))
}

fn chinese(texts: &BTreeMap<String, String>) -> Option<String> {
    texts.iter().find(|(language, _)| language.starts_with("zh")).map(|(_, text)| text.clone())
}

fn category(category: Category) -> &'static str {
    match category {
        Category::Auth => "authentication",
        Category::Security => "security",
        Category::Protocol => "protocol",
        Category::FlowControl => "traffic",
        Category::FlowMonitor => "observability",
        Category::Transform => "transformation",
        Category::Ai => "ai",
        Category::Custom => "custom",
    }
}

/// The version of a plug-in: its own, or the tag or the digest of its image or file.
fn version(entry: &Entry, built_in: Option<KnownPlugin<'_>>) -> Option<String> {
    let url = &entry.resource.spec.url;
    let last = url.rsplit('/').next().unwrap_or_default();
    if let Some(plugin) = built_in
        && let Ok(manifest) = plugin.manifest()
        && !url.starts_with("oci://")
    {
        return Some(manifest.version);
    }
    if let Some((name, digest)) = last.split_once('@') {
        let tag = name.split_once(':').map(|(_, tag)| tag.to_owned());
        let short = digest.trim_start_matches("sha256:").trim_end_matches(".wasm");
        return tag.or_else(|| Some(short.chars().take(12).collect()));
    }
    match last.split_once(':') {
        Some((_, tag)) if url.starts_with("oci://") => Some(tag.to_owned()),
        _ => None,
    }
}

/// The files of modules, to notice which of them a change wrote or removed.
fn modules(folder: &Path) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
    let files = fs::read_dir(folder.join(shelf::MODULES)).into_iter().flatten().flatten();
    let stamp = |file: fs::DirEntry| {
        let metadata = file.metadata().ok()?;
        let is_hidden = file.file_name().to_string_lossy().starts_with('.');
        (!is_hidden).then(|| (file.path(), (metadata.modified().ok(), metadata.len())))
    };
    files.filter_map(stamp).collect()
}

/// A change of one plug-in, with all that belongs to one: exclusion of others, the history, the audit log and open pages.
pub(crate) struct Change<'c> {
    pub(crate) gateway: &'c Gateway,
    pub(crate) actor: &'c Actor,
    /// The word in the audit log, such as `enable`.
    pub(crate) action: &'static str,
    /// The sentence in the history, such as `Enable request-block`.
    pub(crate) message: String,
    pub(crate) plugin: &'c str,
}

impl Change<'_> {
    /// Makes the change: `run` returns the file of the resource, which is read before and after.
    pub(crate) fn make(
        &self,
        file: impl FnOnce(&Market<'_>) -> Result<PathBuf, Problem>,
        run: impl FnOnce(&Market<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let changing = self.gateway.change();
        audit::check(&self.gateway.folder)?;
        let market = Market::open(self.gateway);
        let file = file(&market)?;
        let before = fs::read_to_string(&file).ok();
        let modules_before = modules(&self.gateway.folder);
        run(&market)?;
        let after = fs::read_to_string(&file).ok();
        let modules_after = modules(&self.gateway.folder);
        let is_other = |path: &&PathBuf| modules_before.get(*path) != modules_after.get(*path);
        let mut others: Vec<PathBuf> =
            modules_before.keys().chain(modules_after.keys()).filter(is_other).cloned().collect();
        others.sort();
        others.dedup();
        if before == after && others.is_empty() {
            return Ok(());
        }
        let saved = Saved {
            message: &self.message,
            plugin: Some(self.plugin),
            file: &file,
            before: before.as_deref(),
            after: after.as_deref(),
            others: &others,
        };
        let warning = history::record(&self.gateway.folder, self.actor, &saved);
        drop(changing);
        self.gateway.journal.changed();
        audit::append(&self.gateway.folder, &self.actor.user, self.action, Some(self.plugin), None)?;
        match warning {
            Ok(None) => {}
            Ok(Some(problem)) => self.gateway.journal.note("warning", problem.message),
            Err(problem) => self.gateway.journal.note("error", problem.message),
        }
        Ok(())
    }
}

/// Adds a plug-in.
pub(crate) fn add(gateway: &Gateway, actor: &Actor, body: &AddPlugin) -> Result<Card, Problem> {
    let name = match &body.module {
        Some(ModuleSource::Builtin(name)) => resource::names::canonical(name),
        _ => body.name.clone(),
    };
    // A name becomes the name of a file.
    shelf::check_name(&name)?;
    let change = Change { gateway, actor, action: "add", message: format!("Add {name}"), plugin: &name };
    change.make(
        |_| Ok(gateway.folder.join(format!("{name}.yaml"))),
        |market| {
            if let Some(problem) = market.check(body).problems.into_iter().next() {
                return Err(problem);
            }
            let module = market.module_of(body)?;
            let addition = Addition { module, ..market.addition(body)? };
            if let (Some(ModuleSource::Upload(_)), Some(Module::File(file))) =
                (&body.module, &addition.module)
            {
                loads_in_envoy(gateway, &name, file)?;
            }
            market.shelf.add(&addition, &market.sources)?;
            Ok(())
        },
    )?;
    taken(gateway, body.module.as_ref());
    Market::open(gateway).card(&name)
}

/// Forgets an upload that was used.
fn taken(gateway: &Gateway, module: Option<&ModuleSource>) {
    if let Some(ModuleSource::Upload(id)) = module {
        gateway.uploads.taken(id);
    }
}

/// Refuses a module that a real Envoy cannot load. One that only wants a configuration is loaded.
fn loads_in_envoy(gateway: &Gateway, name: &str, file: &Path) -> Result<(), Problem> {
    use gateway::{Bootstrap, LogLevel, StartError, Wasm};

    let envoy = gateway.common.cache.envoy().map_err(Problem::internal)?;
    // As it would be served, so a module of Higress's ABI is adapted.
    let bytes = fs::read(file)?;
    let adapted = abi::declare(&bytes, abi::Abi::Standard)
        .map_err(|error| Problem::internal(format_args!("{error:#}")))?;
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("module.wasm");
    fs::write(&module, adapted.as_deref().unwrap_or(&bytes))?;
    let wasm = Wasm::new(name, &module);
    let bootstrap = Bootstrap::single(wasm, ([127, 0, 0, 1], 1).into());
    let log = match ::gateway::validate(&envoy, &bootstrap, LogLevel::Info) {
        Ok(()) => return Ok(()),
        Err(StartError::Refused { log } | StartError::Ended { log, .. }) => log,
        Err(error) => return Err(Problem::internal(error)),
    };
    let own: Vec<String> = log
        .iter()
        .filter(|line| line.plugin().is_none() && line.level >= LogLevel::Error)
        .map(|line| line.message.clone())
        .collect();
    // Whatever is refused after that is the configuration.
    let is_configuration =
        own.iter().any(|line| line.contains("configured failed") || line.contains("onConfigure"))
            || log.iter().any(|line| line.of_plugin(name).is_some());
    if is_configuration {
        return Ok(());
    }
    let reason = own.first().cloned().unwrap_or_else(|| "Envoy logs no reason".into());
    Err(Problem::new("module_not_loaded", format_args!("a real Envoy does not load the module: {reason}"))
        .with("name", name)
        .with("reason", reason)
        .with_details(own)
        .of_field("module"))
}

/// Edits a plug-in.
pub(crate) fn edit(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
    body: &EditPlugin,
) -> Result<Card, Problem> {
    let change = Change { gateway, actor, action: "edit", message: format!("Edit {id}"), plugin: id };
    change.make(
        |market| Ok(market.matching(id, if_match)?.0.file.clone()),
        |market| {
            let entry = market.find(id)?;
            let built_in = market.built_in(entry).map(|plugin| plugin.name().to_owned());
            // Said before anything else is looked at.
            if let Some(refusal) = Shelf::blocked(entry, Action::Edit, built_in.as_deref()) {
                return Err(refusal.into());
            }
            let module = body.module.as_ref().map(|module| market.module(module)).transpose()?;
            if let (Some(ModuleSource::Upload(_)), Some(Module::File(file))) = (&body.module, &module) {
                loads_in_envoy(gateway, &entry.name, file)?;
            }
            let card = shelf::Card {
                title: body.title.clone(),
                description: body.description.clone(),
                language: body.language.clone(),
                stage: body.stage.map(Stage::from),
                priority: body.priority,
            };
            market.shelf.edit(entry, &Edit { card, module }, built_in.as_deref())?;
            Ok(())
        },
    )?;
    taken(gateway, body.module.as_ref());
    Market::open(gateway).card(id)
}

/// Deletes a plug-in.
pub(crate) fn delete(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
) -> Result<(), Problem> {
    if let (Err(_), Ok(card)) = (Market::open(gateway).find(id), Market::open(gateway).card(id)) {
        return Err(card.blocked.delete.unwrap_or_else(|| Problem::internal("a card without a resource")));
    }
    let change = Change { gateway, actor, action: "delete", message: format!("Delete {id}"), plugin: id };
    change.make(
        |market| Ok(market.matching(id, if_match)?.0.file.clone()),
        |market| {
            let entry = market.find(id)?;
            let built_in = market.built_in(entry).map(|plugin| plugin.name().to_owned());
            Ok(market.shelf.delete(entry, built_in.as_deref())?)
        },
    )
}

/// Enables or disables a plug-in. Enabling a built-in one without a resource writes its resource.
pub(crate) fn switch(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
    on: bool,
) -> Result<Card, Problem> {
    let market = Market::open(gateway);
    let card = market.card(id)?;
    let action = if on { "enable" } else { "disable" };
    if !card.resource {
        if !on {
            return Ok(card);
        }
        let change = Change { gateway, actor, action, message: format!("Enable {id}"), plugin: id };
        shelf::check_name(id)?;
        change.make(
            |_| Ok(gateway.folder.join(format!("{id}.yaml"))),
            |market| {
                let addition = Addition {
                    name: id.to_owned(),
                    card: shelf::Card::default(),
                    module: None,
                    configuration: None,
                    enabled: true,
                };
                market.shelf.add(&addition, &market.sources)?;
                Ok(())
            },
        )?;
        return Market::open(gateway).card(id);
    }
    drop(market);
    let verb = if on { "Enable" } else { "Disable" };
    let change = Change { gateway, actor, action, message: format!("{verb} {id}"), plugin: id };
    change.make(
        |market| Ok(market.matching(id, if_match)?.0.file.clone()),
        |market| {
            market.shelf.switch(market.find(id)?, on)?;
            Ok(())
        },
    )?;
    Market::open(gateway).card(id)
}

/// Releases a new version.
pub(crate) fn release(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
    body: &NewVersion,
) -> Result<Card, Problem> {
    let message = format!("Release a new version of {id}");
    let change = Change { gateway, actor, action: "release", message, plugin: id };
    change.make(
        |market| Ok(market.matching(id, if_match)?.0.file.clone()),
        |market| {
            let entry = market.find(id)?;
            let built_in = market.built_in(entry).map(|plugin| plugin.name().to_owned());
            if let Some(refusal) = Shelf::blocked(entry, Action::Release, built_in.as_deref()) {
                return Err(refusal.into());
            }
            let configuration = body.configuration.as_deref().filter(|text| !text.trim().is_empty());
            let configuration = configuration
                .map(|text| shelf::configuration(None, Path::new("configuration"), text))
                .transpose()?
                .map(|configuration| configuration.document);
            let module = market.module(&body.module)?;
            if let Module::File(file) = &module {
                loads_in_envoy(gateway, &entry.name, file)?;
            }
            let version = Version {
                module: match &module {
                    Module::File(file) => Some(file),
                    Module::Url(_) => None,
                },
                image: match &module {
                    Module::File(_) => None,
                    Module::Url(url) => Some(url),
                },
                card: shelf::Card {
                    title: body.title.clone(),
                    description: body.description.clone(),
                    language: body.language.clone(),
                    stage: body.stage.map(Stage::from),
                    priority: body.priority,
                },
                configuration,
            };
            Ok(market.shelf.release(entry, &version, built_in.as_deref())?)
        },
    )?;
    taken(gateway, Some(&body.module));
    Market::open(gateway).card(id)
}

/// Returns to the version before.
pub(crate) fn roll_back(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
) -> Result<Card, Problem> {
    let message = format!("Return to the previous version of {id}");
    let change = Change { gateway, actor, action: "rollback", message, plugin: id };
    change.make(
        |market| Ok(market.matching(id, if_match)?.0.file.clone()),
        |market| Ok(market.shelf.roll_back(market.find(id)?)?),
    )?;
    Market::open(gateway).card(id)
}

/// Copies a custom plug-in to another gateway, with its module.
pub(crate) fn copy(from: &Gateway, to: &Gateway, actor: &Actor, id: &str) -> Result<Card, Problem> {
    let source = Market::open(from);
    let entry = source.find(id)?;
    if let Some(plugin) = source.built_in(entry) {
        let message = format!("{id} is a built-in plug-in ({}), which every gateway has", plugin.name());
        return Err(Problem::new("plugin_built_in", message).with("name", id));
    }
    if let Some(refusal) = Shelf::blocked(entry, Action::Switch, None) {
        return Err(refusal.into());
    }
    let url = &entry.resource.spec.url;
    let module = match url.strip_prefix("file://") {
        Some(path) => Module::File(entry.file.parent().unwrap_or(&from.folder).join(path)),
        None => Module::Url(url.clone()),
    };
    let addition = Addition {
        name: entry.name.clone(),
        card: shelf::Card {
            title: entry.title.clone(),
            description: entry.description.clone(),
            language: entry.language.clone(),
            stage: Some(entry.stage),
            priority: Some(entry.priority),
        },
        module: Some(module),
        configuration: None,
        enabled: false,
    };
    let name = entry.name.clone();
    shelf::check_name(&name)?;
    let message = format!("Add {name} from {}", from.name);
    let change = Change { gateway: to, actor, action: "copy", message, plugin: &name };
    change.make(
        |_| Ok(to.folder.join(format!("{name}.yaml"))),
        |market| {
            market.shelf.add(&addition, &market.sources)?;
            Ok(())
        },
    )?;
    Market::open(to).card(&name)
}

/// The page of a plug-in.
pub(crate) fn page(gateway: &Arc<Gateway>, id: &str) -> Result<PluginView, Problem> {
    let market = Market::open(gateway);
    let card = market.card(id)?;
    let known = market.sources.known();
    let entry = market.shelf.find(id).ok();
    let plugin = match entry {
        Some(entry) => shelf::built_in(entry, &known),
        None => known.plugins.iter().find(|plugin| plugin.name() == id).copied(),
    };
    let (mut view, mut module) = (
        PluginView {
            digest: None,
            size: None,
            gateways: Vec::new(),
            readme: None,
            schema: None,
            example: None,
            secrets: Vec::new(),
            inherits: None,
            card,
        },
        None,
    );
    match plugin {
        Some(KnownPlugin::Workspace(workspace, plugin)) => {
            let folder = plugin.folder.clone();
            let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
            view.readme = Some(Texts { en: text("README.md"), zh: text("README.zh.md") });
            // Building it only to look at it would take too long.
            let built = workspace.root.join("dist").join(&plugin.name).join("plugin.wasm");
            module = fs::read(built).ok();
        }
        Some(KnownPlugin::Catalogue(catalogue, entry)) => {
            if let Ok(layout) = catalogue.layout(entry) {
                (view.readme, view.schema, module) = of_image(&layout);
            }
        }
        _ => {
            if let Some(entry) = entry {
                (view.readme, view.schema, module) = of_resource(gateway, entry);
            }
        }
    }
    if let Some(plugin) = plugin
        && let Ok(manifest) = plugin.manifest()
    {
        view.example = resource::yaml::write(&serde_json::Value::Object(manifest.example.clone())).ok();
        let own = gateway.checks.of_plugin(plugin.name());
        if let Some((schema, inherits)) = own {
            view.schema = view.schema.or(Some(workspace::schema::for_consoles(schema, &manifest)));
            view.inherits = inherits;
        }
    }
    if let Some(schema) = view.schema.as_mut() {
        if let Some(fields) = schema.as_object_mut() {
            fields.remove("example");
        }
        secrets(schema, "", &mut view.secrets);
    }
    let in_force = || fs::read(gateway.journal.in_force(id)?.module).ok();
    if let Some(bytes) = module.or_else(in_force) {
        let report = uploads::report("plugin.wasm", &bytes);
        view.size = Some(bytes.len() as u64);
        view.digest = Some(oci::digest(&bytes));
        view.gateways = uploads::loads(&report);
    }
    Ok(view)
}

type OfModule = (Option<Texts>, Option<serde_json::Value>, Option<Vec<u8>>);

/// What an image says about its plug-in.
fn of_image(layout: &oci::Layout) -> OfModule {
    let read = || -> anyhow::Result<OfModule> {
        let image = oci::Reader::Fetcher.image(layout, layout.top()?)?;
        let text = |language: Option<&str>| {
            let kind = oci::media::document(language);
            let layer = image.manifest.layers.iter().find(|layer| layer.media_type == kind)?;
            Some(String::from_utf8_lossy(layout.blob(layer).ok()?).into_owned())
        };
        let readme = Texts { en: text(None), zh: text(Some("zh")) };
        let module = oci::Reader::Fetcher.module(layout, &image.manifest).ok();
        Ok((Some(readme), layout.schema(&image.manifest), module))
    };
    read().unwrap_or_default()
}

/// What is known about the module of a resource: in its file, or fetched as the gateway fetches it.
fn of_resource(gateway: &Gateway, entry: &Entry) -> OfModule {
    if let Some(path) = entry.resource.spec.url.strip_prefix("file://") {
        let file = entry.file.parent().unwrap_or(&gateway.folder).join(path);
        return (None, None, fs::read(file).ok());
    }
    let mut modules = Modules::new(&gateway.common.cache, gateway.common.sources());
    match modules.resolve(entry) {
        Ok(module) => (None, module.schema, fs::read(module.file).ok()),
        Err(_) => (None, None, None),
    }
}

/// The JSON pointers of fields that are secret by their mark or their name.
fn secrets(schema: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    let marked =
        schema.get("writeOnly") == Some(&true.into()) || schema.get("format") == Some(&"password".into());
    if marked && !found.iter().any(|known| known == at) {
        found.push(at.to_owned());
        return;
    }
    if let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) {
        for (name, inner) in properties {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            let pointer = format!("{at}/properties/{escaped}");
            if gateway::secret::is_secret(name) {
                found.push(pointer);
            } else {
                secrets(inner, &pointer, found);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            secrets(inner, &format!("{at}/{key}"), found);
        }
    }
}

/// Moves a plug-in within its stage, before or after another one.
pub(crate) fn place(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
    (before, after): (Option<&str>, Option<&str>),
) -> Result<(), Problem> {
    let invalid = |message: String| Problem::new("move_invalid", message).with("name", id);
    let market = Market::open(gateway);
    let (entry, _) = market.matching(id, if_match)?;
    if let Some(refusal) = Shelf::blocked(entry, Action::Switch, None) {
        return Err(refusal.into());
    }
    let own: Vec<OrderEntry> = market
        .order(gateway.order(), None)
        .into_iter()
        .filter(|other| other.stage == entry.stage.name())
        .collect();
    let mut others: Vec<&OrderEntry> = own.iter().filter(|other| other.id != id).collect();
    let position = |other: &str| {
        others.iter().position(|entry| entry.id == other).ok_or_else(|| {
            invalid(format!("`{other}` is not another plug-in of the stage {}", entry.stage.name()))
        })
    };
    let at = match (before, after) {
        (Some(other), None) => position(other)?,
        (None, Some(other)) => position(other)? + 1,
        _ => return Err(invalid("write either `before` or `after`".into())),
    };
    let moved = own.iter().find(|other| other.id == id);
    let Some(moved) = moved else { return Err(invalid("it is not in the order".into())) };
    others.insert(at, moved);
    let priorities = priorities(&others, at);
    let changes: Vec<(String, i32)> = others
        .iter()
        .zip(priorities)
        .filter(|(other, priority)| other.priority != *priority)
        .map(|(other, priority)| (other.id.clone(), priority))
        .collect();
    // All of them, or none.
    for (other, priority) in &changes {
        let other = market.find(other)?;
        if let Some(refusal) = Shelf::blocked(other, Action::Switch, None) {
            return Err(refusal.into());
        }
        if priority.unsigned_abs() > MAX_PRIORITY {
            let message = format!("there is no room: the priority of {} would be {priority}", other.name);
            return Err(Problem::new("priority_range", message)
                .with("name", &other.name)
                .with("priority", priority));
        }
    }
    drop(market);
    for (other, priority) in changes {
        let message = format!("Move {id}: priority {priority} for {other}");
        let change = Change { gateway, actor, action: "move", message, plugin: &other };
        change.make(
            |market| Ok(market.find(&other)?.file.clone()),
            |market| {
                let entry = market.find(&other)?;
                let text = fs::read_to_string(&entry.file)?;
                let fields: [(&[&str], serde_json::Value); 1] = [(&["spec", "priority"], priority.into())];
                let changed = gateway::folder::edit::set(&text, entry.into(), &fields).map_err(|error| {
                    let message = format!("{}: {error}", entry.name);
                    Problem::new("not_editable", message).with("name", &entry.name).with("reason", error)
                })?;
                replace(entry, &text, &changed)
            },
        )?;
    }
    Ok(())
}

/// The largest distance of a priority from 0.
const MAX_PRIORITY: u32 = 100_000;

/// Replaces the file of a plug-in, if it is still as it was read.
pub(crate) fn replace(entry: &Entry, before: &str, after: &str) -> Result<(), Problem> {
    use std::io::ErrorKind;

    gateway::folder::edit::write(&entry.file, Some(before), after.as_bytes()).map_err(|error| {
        match error.kind() {
            ErrorKind::AlreadyExists => {
                let message =
                    format!("{} was changed by someone else meanwhile: look at it again", entry.name);
                Refusal::new(Code::ChangedMeanwhile, message, "").with("name", &entry.name).into()
            }
            _ => Problem::internal(error),
        }
    })
}

/// The priorities of a stage in this order, where only the one at `at` may be out of order. It takes a multiple of 10 between
/// its neighbours; where there is none, those before it make room.
fn priorities(order: &[&OrderEntry], at: usize) -> Vec<i32> {
    let mut priorities: Vec<i32> = order.iter().map(|entry| entry.priority).collect();
    // Of two with the same priority, the name decides.
    let comes_first = |a: usize, b: usize, pa: i32, pb: i32| {
        let name = |index: usize| order.get(index).map(|entry| (&entry.name, &entry.id));
        pa > pb || (pa == pb && name(a) < name(b))
    };
    let below = priorities.get(at + 1).copied();
    let above = at.checked_sub(1).and_then(|above| priorities.get(above)).copied();
    let fits = |candidate: i32| {
        below.is_none_or(|below| comes_first(at, at + 1, candidate, below))
            && above.is_none_or(|above| comes_first(at - 1, at, above, candidate))
    };
    let current = priorities.get(at).copied().unwrap_or_default();
    let up = |from: i32| from.div_euclid(10).saturating_add(1).saturating_mul(10);
    let candidates = [
        Some(current),
        below.filter(|below| below % 10 == 0),
        below.map(up),
        above.filter(|above| above % 10 == 0),
        above.map(|above| above.saturating_sub(1).div_euclid(10).saturating_mul(10)),
    ];
    let chosen = candidates.into_iter().flatten().find(|candidate| fits(*candidate));
    let mut last = chosen.unwrap_or_else(|| below.map_or(current, up));
    if let Some(own) = priorities.get_mut(at) {
        *own = last;
    }
    for index in (0..at).rev() {
        let Some(own) = priorities.get_mut(index) else { break };
        if comes_first(index, index + 1, *own, last) {
            break;
        }
        *own = up(last);
        last = *own;
    }
    priorities
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, priority: i32) -> OrderEntry {
        OrderEntry {
            id: name.into(),
            name: name.into(),
            title: name.into(),
            stage: "authn".into(),
            priority,
            enabled: true,
            added: false,
        }
    }

    #[test]
    fn a_moved_plug_in_takes_a_multiple_of_ten_and_the_order_is_the_wanted_one() {
        for (given, at, expected) in [
            (&[("b", 300), ("m", 10), ("c", 100)][..], 1, &[300, 110, 100][..]),
            (&[("b", 110), ("m", 10), ("c", 100)], 1, &[110, 110, 100]),
            (&[("b", 100), ("m", 10), ("a", 100)], 1, &[120, 110, 100]),
            (&[("m", 10), ("a", 100)], 0, &[110, 100]),
            (&[("a", 100), ("m", 500)], 1, &[100, 100]),
            (&[("z", 100), ("m", 500)], 1, &[100, 90]),
            (&[("a", 0), ("m", 0), ("b", 0)], 1, &[20, 10, 0]),
            (&[("z", 320), ("m", 10), ("b", 315)], 1, &[330, 320, 315]),
        ] {
            let entries: Vec<OrderEntry> =
                given.iter().map(|(name, priority)| entry(name, *priority)).collect();
            let order: Vec<&OrderEntry> = entries.iter().collect();
            let found = priorities(&order, at);
            let mut sorted: Vec<_> = order.iter().zip(&found).collect();
            sorted.sort_by_key(|(entry, priority)| (std::cmp::Reverse(**priority), entry.name.clone()));
            let names: Vec<&str> = sorted.iter().map(|(entry, _)| entry.name.as_str()).collect();
            let wanted: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, wanted, "{given:?} gave {found:?}");
            assert_eq!(found, expected, "{given:?}");
        }
    }

    #[test]
    fn secret_fields_are_found_by_mark_and_by_name() {
        let schema = serde_json::json!({ "properties": {
            "consumers": { "items": { "properties": { "credential": {}, "name": {} } } },
            "key": { "format": "password" },
            "a/b": { "properties": { "token": {} } },
        } });
        let mut found = Vec::new();
        secrets(&schema, "", &mut found);
        assert_eq!(
            found,
            [
                "/properties/consumers/items/properties/credential",
                "/properties/key",
                "/properties/a~1b/properties/token"
            ]
        );
    }
}
