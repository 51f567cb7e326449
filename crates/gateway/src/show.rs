//! What a person sees: the pipeline, faults, the access log and the plug-ins' logs; coloured on a terminal only.

use std::fmt::Display;
use std::time::SystemTime;

use crate::folder::{Fault, StageOrder};
use crate::{AccessLine, LogLevel, LogLine};
use anstyle::{AnsiColor, Style};
use resource::{FailStrategy, Stage};

use crate::plan::{Plan, Planned};
use crate::secret::Hider;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default().bold();
const NAME: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// What has happened.
pub fn step(what: impl Display) {
    anstream::println!("{} {what}", styled(GOOD, "✓"));
}

/// Something to know that stops nothing.
pub fn note(what: impl Display) {
    anstream::println!("{} {what}", styled(NOTE, "note:"));
}

/// Something that went wrong.
pub fn error(what: impl Display) {
    anstream::eprintln!("{} {what}", styled(BAD, "error:"));
}

/// What is wrong in a file, as a compiler would.
pub fn fault(fault: &Fault) {
    place(&styled(BAD, "error:"), fault);
}

/// What a file says in vain.
pub fn remark(fault: &Fault) {
    place(&styled(NOTE, "warning:"), fault);
}

fn place(kind: &str, Fault { file, fault }: &Fault) {
    let colon = if fault.path.is_empty() { "" } else { ": " };
    anstream::eprintln!("{kind} {}{colon}{}", styled(BOLD, &fault.path), fault.message);
    anstream::eprintln!("  --> {}:{}:{}", file.display(), fault.line, fault.column);
    if let Some([above, line, carets]) = &fault.excerpt {
        anstream::eprintln!("{above}\n{line}\n{}", styled(BAD, carets));
    }
}

/// The name of an order, as the command takes it.
#[must_use]
pub fn order_name(order: StageOrder) -> &'static str {
    match order {
        StageOrder::Mse => "mse",
        StageOrder::Istio => "istio",
    }
}

/// The pipeline, for requests and, reversed, for responses.
pub fn pipeline(plan: &Plan, order: StageOrder) {
    let stages: Vec<&str> = order.stages().into_iter().map(Stage::name).collect();
    anstream::println!("stages in the order of {}: {}", order_name(order), stages.join(", "));
    if plan.plugins.is_empty() {
        note(
            "no plug-in is enabled: every request passes as it is; `cargo xtask plugin add request-block --folder <folder>` \
             adds one",
        );
        return;
    }
    let rows: Vec<Vec<String>> = plan.plugins.iter().map(row).collect();
    let headings = ["request ↓", "priority", "plug-in", "version", "applies to", "when it fails"];
    table(&headings, &rows);
    let back: Vec<Vec<String>> = rows.iter().rev().map(|row| row.iter().take(3).cloned().collect()).collect();
    table(&["response ↓", "priority", "plug-in"], &back);
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

fn table(headings: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    anstream::println!("{}", styled(BOLD, line(&mut headings.iter().copied())));
    for row in rows {
        anstream::println!("{}", line(&mut row.iter().map(String::as_str)));
    }
}

/// What the columns of the log are.
pub fn legend() {
    anstream::println!(
        "{}",
        styled(
            DIM,
            "log: time (UTC), status, method, host and path, route, duration, and who answered if not the upstream"
        )
    );
}

/// The time of day, as logs of other programs have it.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (hours, minutes, seconds) = (since / 3600 % 24, since / 60 % 60, since % 60);
    styled(DIM, format_args!("{hours:02}:{minutes:02}:{seconds:02}"))
}

/// A request that is over.
pub fn access(line: &AccessLine) {
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
        Hider::default().header(b":path", line.path.as_bytes()),
        styled(DIM, format_args!("{} {} ms", line.route, line.duration)),
    );
}

/// Counters and gauges of plug-ins that have changed, with their values.
pub fn metrics(changed: &[(String, u64)]) {
    if !changed.is_empty() {
        let values: Vec<String> = changed.iter().map(|(name, value)| format!("{name} {value}")).collect();
        anstream::println!("  {} {}", styled(DIM, "metrics"), values.join(", "));
    }
}

/// What a plug-in or Envoy itself has logged.
pub fn log(line: &LogLine) {
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
