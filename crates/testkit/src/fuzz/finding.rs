//! A fuzzer's finding: a description, the bytes to repeat it, and a case.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::material::Material;
use super::scenario::Scenario;
use engine::Escaped;
use engine::exchange::{Chunks, Header, Protocol, Request};

/// Something that must hold and does not.
#[derive(Debug)]
pub struct Finding {
    /// The bytes that make the scenario again; of a search for slow requests, its case.
    pub bytes: Vec<u8>,
    /// The violated property.
    pub message: String,
    /// The scenario, in the schema of a cases file, without expectations.
    pub case: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.message, self.case)
    }
}

impl std::error::Error for Finding {}

impl Finding {
    pub(super) fn new(bytes: &[u8], scenario: &Scenario, material: &Material, error: &anyhow::Error) -> Self {
        let mut case = String::new();
        // Writing into a string cannot fail.
        let _ = write(&mut case, scenario, material);
        Self { bytes: bytes.to_vec(), message: format!("{error:#}"), case }
    }

    /// One request to the configuration of this case.
    pub(super) fn of_request(case: &str, request: &Request, message: &str) -> Self {
        let mut text = format!(
            "- name: found by fuzzing    # with the configuration, gateway and upstream of: {case}\n  requests:\n"
        );
        // Writing into a string cannot fail.
        let _ = write_request(&mut text, request);
        Self { bytes: text.clone().into_bytes(), message: message.to_owned(), case: text }
    }

    /// Writes the bytes and the case to `folder`, and returns the path of the bytes.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        // The same scenario has the same name (FNV-1a, 64 bit).
        let name = self.bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let file = folder.join(format!("{name:016x}"));
        for (file, content) in
            [(file.clone(), self.bytes.clone()), (file.with_extension("yaml"), self.to_string().into_bytes())]
        {
            fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(file)
    }
}

fn write(f: &mut String, scenario: &Scenario, material: &Material) -> fmt::Result {
    let from = material.cases.get(scenario.case).map_or("", |case| &case.name);
    writeln!(f, "- name: found by fuzzing    # with the gateway, upstream and services of: {from}")?;
    if let Some(configuration) = &scenario.setup.configuration {
        writeln!(f, "  config_text: {}", Escaped(configuration.as_bytes()))?;
    }
    if let Some(seed) = scenario.at_once {
        writeln!(f, "  # The second of each two were open at once, in the order of {seed}.")?;
        for change in &scenario.changes {
            let text = Escaped(change.as_deref().unwrap_or_default().as_bytes());
            writeln!(f, "  # Meanwhile came: {{ then_config_text: {text} }}")?;
        }
    }
    writeln!(f, "  requests:")?;
    for pair in &scenario.requests {
        for request in [&pair.whole, &pair.cut] {
            write_request(f, request)?;
        }
    }
    Ok(())
}

fn write_request(f: &mut String, request: &Request) -> fmt::Result {
    writeln!(f, "  - method: {}", Escaped(&request.method))?;
    writeln!(f, "    path: {}", Escaped(&request.path))?;
    writeln!(f, "    host: {}", Escaped(&request.host))?;
    write_headers(f, "headers", &request.headers)?;
    if let Some(body) = &request.body {
        writeln!(f, "    body: {}", Escaped(body))?;
    }
    match &request.chunks {
        Some(Chunks::Sizes(sizes)) => writeln!(f, "    chunks: {sizes:?}")?,
        Some(Chunks::Each(each)) => writeln!(f, "    chunks: {{ each: {} }}", each.each)?,
        None => {}
    }
    write_headers(f, "trailers", &request.trailers)?;
    if request.protocol == Protocol::Http2 {
        writeln!(f, "    protocol: http2")?;
    }
    if let Some(pieces) = request.reset_after {
        writeln!(f, "    reset_after: {pieces}")?;
    }
    writeln!(f, "    expect: {{ status: 200 }}")
}

fn write_headers(f: &mut String, field: &str, headers: &[Header]) -> fmt::Result {
    if headers.is_empty() {
        return Ok(());
    }
    write!(f, "    {field}: [")?;
    for (index, (name, value)) in headers.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}[{}, {}]", Escaped(name), Escaped(value))?;
    }
    writeln!(f, "]")
}
