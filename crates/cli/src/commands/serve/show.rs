//! What `serve` prints: the pipeline, errors, the access log and the plug-ins' logs.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use gateway::folder::{Fault, StageOrder};
use gateway::plan::{Plan, Planned};
use gateway::secret::Redactor;
use gateway::serve::Notice;
use gateway::{AccessLine, Envoy, LogLevel, LogLine};
use resource::{FailStrategy, Stage};

use crate::output::{BAD, BOLD, DIM, GOOD, styled, table};
use crate::program;

const NOTE: Style = AnsiColor::Yellow.on_default().bold();
const NAME: Style = AnsiColor::Cyan.on_default();

/// Shows something that happened.
pub(super) fn notice(notice: &Notice<'_>) {
    match notice {
        Notice::Fault(fault) => place(&styled(BAD, "error:"), fault),
        Notice::Remark(fault) => remark(fault),
        Notice::Rejected => note("rejected; the previous configuration stays in force"),
        Notice::ChangeFailed(failed) => error(failed),
        Notice::Serving { address, envoy, plan, order } => {
            pipeline(plan, *order);
            if envoy.version() != Envoy::TESTED {
                note(format_args!(
                    "Envoy {} from {}; portcullis is tested with {}",
                    envoy.version(),
                    envoy.path().display(),
                    Envoy::TESTED
                ));
            }
            let ingress = plan.routes.routes.first();
            let path = ingress.and_then(|ingress| ingress.paths.first()).map_or("/", String::as_str);
            let host = ingress.and_then(|ingress| ingress.domains.first());
            let host = host.filter(|host| !host.contains('*')).map(|host| format!("-H 'host: {host}' "));
            step(format_args!(
                "serving on http://{address}, HTTP/1.1 and h2: curl -i {}http://{address}{path}",
                host.unwrap_or_default(),
            ));
            step("changes in the folder take effect at once; Ctrl-C stops the gateway");
            legend();
        }
        Notice::Reloaded { plugins, took, .. } => {
            let count = plugins.len();
            let plural = if count == 1 { "plug-in" } else { "plug-ins" };
            step(format_args!("reloaded {count} {plural} in {}: {}", ms(took), plugins.join(", ")));
        }
        Notice::Reordered { plan, order, took } => {
            pipeline(plan, *order);
            step(format_args!(
                "pipeline changed in {}; open connections switch over with their next response",
                ms(took)
            ));
        }
        Notice::RoutesChanged { took } => step(format_args!("routes changed in {}", ms(took))),
        Notice::Unchanged { repaired: true, .. } => step("errors fixed: the folder is what is running"),
        Notice::Unchanged { repaired: false, .. } => step("the change makes no difference to requests"),
        Notice::Log(line) => log(line),
        Notice::Access(line) => access(line),
        Notice::Metrics(changed) => metrics(changed),
        Notice::NoSocket(failed) => note(format_args!("a console cannot follow this gateway: {failed}")),
        Notice::EnvoyExited { status, log: lines } => {
            error(format_args!("Envoy has exited ({status}); the last lines of its log:"));
            lines.iter().for_each(log);
        }
        Notice::EnvoyRestarted { address } => {
            step(format_args!("Envoy is running again, and serves on http://{address}"));
        }
        Notice::EnvoyNotRestarted(failed) => {
            error(format_args!("Envoy could not be started again: {failed}"));
        }
        Notice::Stopped => step("stopped"),
        // A notice that this program does not know yet.
        _ => {}
    }
}

/// Something that was done.
fn step(what: impl Display) {
    anstream::println!("{} {what}", styled(GOOD, "✓"));
}

/// Something to know that stops nothing.
fn note(what: impl Display) {
    anstream::println!("{} {what}", styled(NOTE, "note:"));
}

/// Something that failed.
pub(super) fn error(what: impl Display) {
    anstream::eprintln!("{} {}", styled(BAD, "error:"), program::text(&what.to_string()));
}

/// A field that has no effect, or not the one that it seems to have.
pub(crate) fn remark(fault: &Fault) {
    place(&styled(NOTE, "warning:"), fault);
}

/// A place in a file with its line, as compilers show it.
fn place(kind: &str, Fault { file, fault }: &Fault) {
    let colon = if fault.path.is_empty() { "" } else { ": " };
    let message = program::text(&fault.message);
    anstream::eprintln!("{kind} {}{colon}{message}", styled(BOLD, &fault.path));
    anstream::eprintln!("  --> {}:{}:{}", file.display(), fault.line, fault.column);
    if let Some([above, line, carets]) = &fault.excerpt {
        anstream::eprintln!("{above}\n{line}\n{}", styled(BAD, carets));
    }
}

fn ms(took: &Duration) -> String {
    format!("{} ms", took.as_millis())
}

/// The pipeline, for requests and, reversed, for responses.
fn pipeline(plan: &Plan, order: StageOrder) {
    let stages: Vec<&str> = order.stages().into_iter().map(Stage::name).collect();
    anstream::println!("stages in the order of {}: {}", order.name(), stages.join(", "));
    if plan.plugins.is_empty() {
        note(program::text(
            "no plug-in is enabled: requests pass unchanged; `cargo xtask plugin add request-block --enable --folder <folder>` adds \
             one",
        ));
        return;
    }
    let rows: Vec<Vec<String>> = plan.plugins.iter().map(row).collect();
    table(&["request ↓", "priority", "plug-in", "version", "applies to", "when it fails"], &[], &rows);
    let back: Vec<Vec<String>> = rows.iter().rev().map(|row| row.iter().take(3).cloned().collect()).collect();
    table(&["response ↓", "priority", "plug-in"], &[], &back);
    for planned in &plan.plugins {
        if let Some(adapted) = planned.module.adapted {
            note(format_args!("{} is {adapted}", planned.entry.name));
        }
    }
}

fn row(planned: &Planned) -> Vec<String> {
    let entry = &planned.entry;
    let rules = match planned.rules {
        1 => "1 rule".to_owned(),
        count => format!("{count} rules"),
    };
    let applies = match (planned.rules, planned.default) {
        (0, _) => "all requests".to_owned(),
        (_, true) => format!("{rules}, else the default"),
        (_, false) => rules,
    };
    let fails = match entry.resource.spec.fail_strategy {
        FailStrategy::Close => "503",
        FailStrategy::Open => "requests pass",
    };
    vec![
        entry.stage.name().to_owned(),
        entry.priority.to_string(),
        entry.name.clone(),
        planned.module.version.clone(),
        applies,
        fails.to_owned(),
    ]
}

/// The columns of the log.
fn legend() {
    let columns = "log: time (UTC), status, method, host and path, route, duration, and who responded if not the upstream";
    anstream::println!("{}", styled(DIM, columns));
}

/// The time of day (UTC).
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (hours, minutes, seconds) = (since / 3600 % 24, since / 60 % 60, since % 60);
    styled(DIM, format_args!("{hours:02}:{minutes:02}:{seconds:02}"))
}

/// A request that has ended.
fn access(line: &AccessLine) {
    let style = match line.status {
        200..400 => GOOD,
        400..500 => NOTE,
        _ => BAD,
    };
    let who = match line.details.as_str() {
        "via_upstream" | "" => String::new(),
        details => format!("  {}", styled(BOLD, details)),
    };
    anstream::println!(
        "{} {} {} {}{} {}{who}",
        now(),
        styled(style, line.status),
        line.method,
        line.host,
        Redactor::default().header(b":path", line.path.as_bytes()),
        styled(DIM, format_args!("{} {} ms", line.route, line.duration)),
    );
}

/// Counters and gauges of plug-ins that have changed, with their values.
fn metrics(changed: &[(String, u64)]) {
    let values: Vec<String> = changed.iter().map(|(name, value)| format!("{name} {value}")).collect();
    anstream::println!("  {} {}", styled(DIM, "metrics"), values.join(", "));
}

/// A line that a plug-in or Envoy itself logged.
fn log(line: &LogLine) {
    let level = match line.level {
        LogLevel::Error | LogLevel::Critical => BAD,
        LogLevel::Warn => NOTE,
        _ => DIM,
    };
    let (name, message) = match line.plugin() {
        Some((name, message)) if !name.is_empty() => (name, message),
        Some((_, message)) => ("plug-in", message),
        None => ("envoy", line.message.as_str()),
    };
    anstream::println!("{} {} {} {message}", now(), styled(NAME, name), styled(level, line.level));
}
