//! `manifest`: the resource that deploys a plug-in.

mod rate_limits;

use std::path::PathBuf;

use anyhow::{Result, bail};
use resource::deploy::{Order, Pinned, Selector, Target, check_name, check_namespace};
use resource::{ControlPlane, Manifest, Object, Stage, yaml};
use serde_json::Value;

use crate::Usage;
use crate::catalogue::Choice;
use crate::commands::config;
use crate::output::{self, BAD, styled};
use crate::program;
use marketplace::{Known, KnownPlugin};

/// Print the resource that deploys a plug-in
///
/// The image is pinned by its digest. Stage, priority and fail strategy are those of plugin.yaml. The configuration is
/// validated by the plug-in's own code. The output is a resource of the control plane's API, for `kubectl apply -f -`.
///
/// Without `--config`, the configuration is empty, if the plug-in accepts that. The example in plugin.yaml is used only with
/// `--example`, because it blocks and limits real requests.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask manifest request-block --image oci://registry.example.com/plugins/request-block@sha256:… \\
    --config my.yaml | kubectl apply -f -
  cargo xtask manifest request-block --example \\
    --image oci://registry.example.com/plugins/request-block@$(cat dist/request-block/image.digest)
                                              the image pushed last
  cargo xtask manifest request-block --image oci://…@sha256:… --config my.yaml --for istio --target my-gateway
  cargo xtask manifest request-block --image oci://…@sha256:… --config my.yaml --for envoy-gateway --target HTTPRoute/shop
  cargo xtask manifest cluster-key-rate-limit --config my.yaml --rate-limit-service limitador > limits.yaml
                                              the configuration of the rate limit service

The configuration has the format of `cargo xtask config`: the fields of the plug-in with `_rules_`, or a WasmPlugin
resource that contains it. For Higress, `_rules_` become `matchRules`.

Exit codes: 0 printed, 1 the configuration is rejected or the control plane cannot run the plug-in, 2 usage error.")]
pub(crate) struct Args {
    /// The plug-in; case and `-`/`_` do not matter.
    plugin: String,
    /// The image, oci://HOST/REPOSITORY@sha256:…, as printed by `cargo xtask push`.
    #[arg(long, value_name = "oci://…@sha256:…", required_unless_present = "rate_limit_service")]
    image: Option<String>,
    /// The configuration in YAML or JSON; `-` reads the standard input.
    #[arg(long, value_name = "FILE.yaml", conflicts_with = "example")]
    config: Option<PathBuf>,
    /// Use the example in plugin.yaml as the configuration.
    #[arg(long)]
    example: bool,
    /// The control plane that reads the resource.
    #[arg(long = "for", value_enum, default_value = "higress")]
    plane: ControlPlane,
    /// Name of the resource. [default: the plug-in's]
    #[arg(long, value_parser = check_name)]
    name: Option<String>,
    /// Namespace of the resource. [default: `higress-system` for Higress, none for others]
    #[arg(long, short, value_parser = check_namespace)]
    namespace: Option<String>,
    /// The target: the name of a Gateway, or KIND/NAME. Required by Envoy Gateway; not supported by Higress.
    #[arg(long = "target", value_name = "[KIND/]NAME")]
    targets: Vec<Target>,
    /// Select pods of gateways by label, for Higress and Istio.
    #[arg(long, value_name = "LABEL=VALUE", conflicts_with = "targets")]
    selector: Vec<Selector>,
    /// Secret with the credentials of the registry, in the same namespace.
    #[arg(long, value_name = "SECRET", value_parser = check_name)]
    pull_secret: Option<String>,
    /// Instead of the resource, print the configuration of the rate limit service with the limits of the plug-in.
    #[arg(
        long,
        value_enum,
        value_name = "SERVICE",
        conflicts_with_all = ["image", "plane", "name", "namespace", "targets", "selector", "pull_secret"]
    )]
    rate_limit_service: Option<rate_limits::Service>,
    #[command(flatten)]
    catalogue: Choice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let sources = args.catalogue.sources()?;
    let known = sources.known();
    let plugin = known.plugin(&args.plugin)?;
    if let Some(service) = args.rate_limit_service {
        let manifest = plugin.manifest()?;
        let Some(configuration) = args.configuration(&known, plugin, &manifest)? else { return Ok(false) };
        let file = rate_limits::file(service, plugin, configuration)?;
        match args.json {
            true => anstream::println!("{file:#}"),
            false => anstream::print!("{}", yaml::write(&file)?),
        }
        return Ok(true);
    }
    // Required without `--rate-limit-service`.
    let image = args.image.as_deref().unwrap_or_default();
    let pinned = Pinned::parse(image).map_err(|error| Usage(error.to_string()))?;
    args.fits()?;
    if let Some(other) = known.plugins.iter().find(|other| other.name() == pinned.last_word())
        && other.name() != plugin.name()
    {
        bail!(Usage(format!(
            "{} is an image of {}, but the resource would be for {}: name the same plug-in",
            image,
            other.name(),
            plugin.name()
        )));
    }
    let manifest = plugin.manifest()?;
    let Some(configuration) = args.configuration(&known, plugin, &manifest)? else { return Ok(false) };
    let namespace = match args.plane {
        ControlPlane::Higress => args.namespace.as_deref().or(Some("higress-system")),
        ControlPlane::Istio | ControlPlane::EnvoyGateway => args.namespace.as_deref(),
    };
    let order = Order {
        name: args.name.as_deref().unwrap_or(plugin.name()),
        namespace,
        pull_secret: args.pull_secret.as_deref(),
        targets: &args.targets,
        selector: &args.selector,
        ..Order::new(&manifest, &pinned, &configuration)
    };
    let resource = serde_json::to_value(order.resource(args.plane)?)?;
    remark(args.plane, &manifest);
    match args.json {
        true => anstream::println!("{resource:#}"),
        false => anstream::print!("{}", yaml::write(&resource)?),
    }
    Ok(true)
}

impl Args {
    /// Rejects options that the control plane does not support.
    fn fits(&self) -> Result<()> {
        let plane = self.plane.title();
        let kinds: &[&str] = match self.plane {
            ControlPlane::Higress => &[],
            ControlPlane::Istio => &["Gateway", "GatewayClass", "Service", "ServiceEntry"],
            ControlPlane::EnvoyGateway => &["Gateway", "HTTPRoute", "GRPCRoute"],
        };
        match self.targets.iter().find(|target| !kinds.contains(&target.kind)) {
            Some(_) if kinds.is_empty() => {
                bail!(Usage(format!(
                    "{plane}'s resource names no targets: leave `--target` out, and choose by routes, services and \
                     domains in the configuration, or gateways with `--selector`"
                )))
            }
            Some(target) => bail!(Usage(format!(
                "a {} cannot be a target for {plane}: write one of {}",
                target.kind,
                kinds.join(", ")
            ))),
            None => {}
        }
        if self.plane == ControlPlane::EnvoyGateway {
            if !self.selector.is_empty() {
                bail!(Usage(format!(
                    "{plane} does not choose pods: write `--target` in place of `--selector`"
                )));
            }
            if self.targets.is_empty() {
                bail!(Usage(format!(
                    "{plane} attaches a policy to something: add `--target <gateway>` or `--target HTTPRoute/<route>`"
                )));
            }
        }
        Ok(())
    }

    /// Returns the configuration of the plug-in, or `None` after printing why it is rejected.
    fn configuration(
        &self,
        known: &Known<'_>,
        plugin: KnownPlugin<'_>,
        manifest: &Manifest,
    ) -> Result<Option<Object>> {
        if let Some(file) = &self.config {
            return config::document(known, plugin, file);
        }
        let document = if self.example { manifest.example.clone() } else { Object::new() };
        let value = Value::Object(document);
        if let Some(refusal) = plugin.answers()?.check(&value)?.into_iter().next() {
            let colon = if refusal.path.is_empty() { "" } else { ": " };
            let remedy = match self.example {
                true => "the example in its plugin.yaml is refused".to_owned(),
                false => format!(
                    "{} needs a configuration: add `--config <file>` (`cargo xtask schema {}` prints its schema), or \
                     `--example` for the one in its plugin.yaml",
                    plugin.name(),
                    plugin.name()
                ),
            };
            anstream::eprintln!("{} {}", styled(BAD, "error:"), program::text(&remedy));
            anstream::eprintln!("  because: {}{colon}{}", refusal.path, refusal.message);
            return Ok(None);
        }
        Ok(match value {
            Value::Object(document) => Some(document),
            _ => None,
        })
    }
}

/// Prints notes on what the resource cannot express.
fn remark(plane: ControlPlane, manifest: &Manifest) {
    if manifest.holds_headers && plane == ControlPlane::Higress {
        output::warning(format_args!(
            "{name} holds headers, which Higress lets only a module of its own ABI do: the image must be one of \
             `cargo xtask package {name} --gateway higress`",
            name = manifest.name
        ));
    }
    if manifest.may_hold_headers {
        let can = match plane {
            ControlPlane::Higress => {
                format!("needs an image of `cargo xtask package {} --gateway higress`", manifest.name)
            }
            other => format!("makes requests with a body hang: {} cannot hold headers", other.title()),
        };
        output::warning(format_args!(
            "{} may hold headers: a configuration that tells it to {can}",
            manifest.name
        ));
    }
    if plane == ControlPlane::EnvoyGateway && (manifest.stage != Stage::Default || manifest.priority != 0) {
        output::warning(format_args!(
            "Envoy Gateway has no stages or priorities: where several plug-ins are in force, put them into one \
             policy's `wasm` list, in the order in which they are to run ({} is of stage {}, priority {})",
            manifest.name,
            manifest.stage.name(),
            manifest.priority
        ));
    }
}
