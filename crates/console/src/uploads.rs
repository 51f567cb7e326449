//! Modules that are uploaded: streamed to a file with a limit, checked, and kept until a plug-in takes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use resource::CONSOLE_LIMIT;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use text::hex;
use tokio::io::AsyncWriteExt as _;
use utoipa::ToSchema;
use workspace::module::{self, Report, Subject};

use crate::hidden;
use crate::problem::Problem;
use crate::secret;

/// How long a module waits for a plug-in that takes it.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The maximum number of modules of a gateway that wait or arrive.
const MAX_WAITING: usize = 16;

/// The longest pause in an upload.
const PAUSE: Duration = Duration::from_secs(60);

/// How much of a refused upload is still read, and for how long.
const DRAINED: usize = 100_000_000;
const DRAIN_TIME: Duration = Duration::from_secs(20);

/// A check of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// The name of the check.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// The finding.
    pub detail: String,
    /// The errors with the remedy, or features that some gateways do not support.
    pub remarks: Vec<String>,
}

/// Whether a product loads a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Loads {
    /// The product, such as `envoy-gateway`.
    pub gateway: String,
    /// Its name for people.
    pub title: String,
    /// Whether it loads the module.
    pub loads: bool,
    /// Why it does not.
    pub reasons: Vec<String>,
    /// Settings that the module requires there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// A module that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadView {
    /// What plug-ins take it by.
    pub id: String,
    /// The name of the file, as the browser has it.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The language that it was written in, as far as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where it loads.
    pub gateways: Vec<Loads>,
    /// The checks.
    pub checks: Vec<CheckView>,
}

/// The modules that wait in one gateway's folder.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    waiting: Mutex<BTreeMap<String, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// Nothing while it arrives.
    file: Option<PathBuf>,
    since: Instant,
}

/// A place for a module, which is given back unless the module arrives.
struct Slot<'u> {
    uploads: &'u Uploads,
    id: String,
    file: PathBuf,
    kept: bool,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.uploads.remove(&self.id);
            // Also when the client went away in the middle.
            let _ = fs::remove_file(&self.file);
        }
    }
}

impl Uploads {
    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, id: &str) {
        self.waiting().remove(id);
    }

    /// The file of a module that was uploaded.
    pub(crate) fn file(&self, id: &str) -> Result<PathBuf, Problem> {
        let file = self.waiting().get(id).and_then(|waiting| waiting.file.clone());
        file.filter(|file| file.is_file()).ok_or_else(|| {
            let message = "the uploaded module is no longer here: upload it again";
            Problem::new("upload_unknown", message).of_field("module")
        })
    }

    /// Forgets a module that a plug-in has taken.
    pub(crate) fn taken(&self, id: &str) {
        if let Some(Waiting { file: Some(file), .. }) = self.waiting().remove(id) {
            let _ = fs::remove_file(file);
        }
    }

    fn slot(&self, folder: &Path) -> Result<Slot<'_>, Problem> {
        let process = std::process::id().to_string();
        let folder = hidden::folder(folder, hidden::UPLOADS)?.join(process);
        fs::create_dir_all(&folder)?;
        let id = secret::id()?;
        let mut waiting = self.waiting();
        waiting.retain(|_, old| {
            let lives = old.since.elapsed() < LIFETIME;
            if let (false, Some(file)) = (lives, &old.file) {
                let _ = fs::remove_file(file);
            }
            lives
        });
        if waiting.len() >= MAX_WAITING {
            let message = "too many modules were uploaded and not used: wait a while, or use one";
            return Err(Problem::new("too_many_uploads", message));
        }
        waiting.insert(id.clone(), Waiting { file: None, since: Instant::now() });
        // The gateway looks at modules in its folder, and this is none until it is complete.
        let file = folder.join(format!("{id}.part"));
        Ok(Slot { uploads: self, id, file, kept: false })
    }

    /// Receives a module.
    pub(crate) async fn receive(
        &self,
        folder: &Path,
        name: &str,
        length: Option<u64>,
        body: Body,
    ) -> Result<UploadView, Problem> {
        let mut body = body.into_data_stream();
        let received = self.store(folder, name, length, &mut body).await;
        if received.is_err() {
            // A browser that is still sending would see a broken connection instead of the refusal.
            let rest = async {
                let mut left = DRAINED;
                while let (Some(Ok(chunk)), true) = (body.next().await, left > 0) {
                    left = left.saturating_sub(chunk.len());
                }
            };
            let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
        }
        received
    }

    async fn store(
        &self,
        folder: &Path,
        name: &str,
        length: Option<u64>,
        body: &mut BodyDataStream,
    ) -> Result<UploadView, Problem> {
        check_name(name)?;
        if let Some(length) = length.filter(|length| *length > CONSOLE_LIMIT) {
            return Err(too_large(name, length));
        }
        let mut slot = self.slot(folder)?;
        let mut file = tokio::fs::File::create_new(&slot.file).await?;
        let (mut size, mut digest) = (0, Sha256::new());
        loop {
            let chunk = match tokio::time::timeout(PAUSE, body.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(_))) | Err(_) => return Err(broken_off(name)),
            };
            size += chunk.len() as u64;
            if size > CONSOLE_LIMIT {
                return Err(too_large(name, size));
            }
            // What does not begin like a module is refused before it has arrived.
            if size == chunk.len() as u64 && !b"\0asm".starts_with(chunk.get(..4).unwrap_or(&chunk)) {
                break_early(name, &chunk)?;
            }
            digest.update(&chunk);
            file.write_all(&chunk).await?;
        }
        if length.is_some_and(|length| length != size) {
            return Err(broken_off(name));
        }
        file.sync_all().await?;
        drop(file);
        let path = slot.file.clone();
        let bytes = tokio::fs::read(&path).await?;
        let digest = format!("sha256:{}", hex::encode(digest.finalize()));
        let id = slot.id.clone();
        let named = name.to_owned();
        let view = tokio::task::spawn_blocking(move || checked(id, &named, &bytes, digest)).await??;
        let complete = path.with_extension("wasm");
        fs::rename(&path, &complete)?;
        self.waiting().insert(slot.id.clone(), Waiting { file: Some(complete), since: Instant::now() });
        slot.kept = true;
        Ok(view)
    }
}

/// Refuses what does not begin like a module, in the words of the whole check.
fn break_early(name: &str, bytes: &[u8]) -> Result<(), Problem> {
    checked(String::new(), name, bytes, String::new()).map(drop)
}

fn broken_off(name: &str) -> Problem {
    let message = format!("the upload of {name} ended unexpectedly: upload it again");
    Problem::new("upload_broken_off", message).with("name", name).of_field("module")
}

fn too_large(name: &str, size: u64) -> Problem {
    let message = format!(
        "{name} has more than {CONSOLE_LIMIT} bytes, the maximum: build it smaller, for example with `wasm-opt -Oz`"
    );
    Problem::new("module_too_large", message)
        .with("name", name)
        .with("limit", CONSOLE_LIMIT)
        .with("size", size)
        .of_field("module")
}

/// Checks the name of a file. It is shown, and never becomes a path.
fn check_name(name: &str) -> Result<(), Problem> {
    let is_plain =
        !name.contains(['/', '\\', '\0']) && !name.chars().any(char::is_control) && name.len() <= 255;
    if !is_plain || !name.ends_with(".wasm") || name == ".wasm" {
        let shown: String = name.chars().take(255).collect::<String>().escape_debug().to_string();
        let message =
            format!("`{shown}` is not the name of a module: choose a file whose name ends in .wasm");
        return Err(Problem::new("module_name", message).with("name", shown).of_field("module"));
    }
    Ok(())
}

/// Checks a module as `portcullis check` does.
fn checked(id: String, name: &str, bytes: &[u8], digest: String) -> Result<UploadView, Problem> {
    let report = report(name, bytes);
    if !report.ok() {
        return Err(invalid(name, &report));
    }
    Ok(UploadView {
        id,
        name: name.to_owned(),
        size: report.size,
        digest,
        language: language(bytes),
        gateways: loads(&report),
        checks: checks(&report),
    })
}

/// The report about a module.
pub(crate) fn report(name: &str, bytes: &[u8]) -> Report {
    let subject = Subject {
        file: PathBuf::from(name),
        size: bytes.len() as u64,
        bytes,
        manifest: None,
        holds_headers: false,
    };
    module::check(&subject)
}

/// The refusal of a module whose checks failed.
pub(crate) fn invalid(name: &str, report: &Report) -> Problem {
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).collect();
    let details = failed.iter().flat_map(|check| {
        let heading = format!("{}: {}", check.name, check.detail);
        std::iter::once(heading).chain(check.remarks.iter().cloned()).collect::<Vec<_>>()
    });
    let details: Vec<String> = details.chain([format!("portcullis check {name}")]).collect();
    let is_format = failed.iter().any(|check| check.name == "format");
    let reason = failed.iter().flat_map(|check| &check.remarks).next().cloned().unwrap_or_default();
    let message = match is_format {
        true => format!("invalid .wasm binary format: {reason}"),
        false => format!("{name} is refused: {reason}"),
    };
    let kind = if is_format { "format" } else { failed.first().map_or("format", |check| check.name) };
    Problem::new("module_invalid", message)
        .with("name", name)
        .with("check", kind)
        .with("reason", reason)
        .with_details(details)
        .of_field("module")
}

pub(crate) fn checks(report: &Report) -> Vec<CheckView> {
    let view = |check: &module::Check| CheckView {
        name: check.name.to_owned(),
        ok: check.ok,
        detail: check.detail.clone(),
        remarks: check.remarks.clone(),
    };
    report.checks.iter().map(view).collect()
}

pub(crate) fn loads(report: &Report) -> Vec<Loads> {
    let view = |verdict: &module::Verdict| Loads {
        gateway: serde_json::to_value(verdict.gateway)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default(),
        title: verdict.gateway.title().to_owned(),
        loads: verdict.loads,
        reasons: verdict.reasons.clone(),
        needs: verdict.needs.clone(),
    };
    report.gateways.iter().map(view).collect()
}

/// The language of a module by its producers section, which compilers write.
pub(crate) fn language(bytes: &[u8]) -> Option<String> {
    use wasmparser::{KnownCustom, Parser, Payload};
    let mut found: Vec<String> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::CustomSection(section) = payload.ok()? else { continue };
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        for field in fields {
            let field = field.ok()?;
            for value in field.values {
                let value = value.ok()?;
                match field.name {
                    "language" => found.push(value.name.to_owned()),
                    "processed-by" if value.name.contains("TinyGo") => found.push("Go".into()),
                    "processed-by" if value.name.contains("AssemblyScript") => {
                        found.push("AssemblyScript".into())
                    }
                    _ => {}
                }
            }
        }
    }
    // A Rust program that links C says both; the first of these is what people would answer.
    let known = ["Rust", "Go", "AssemblyScript", "Zig", "Swift"];
    let named = known.iter().find(|known| found.iter().any(|language| language.starts_with(**known)));
    let cpp = || found.iter().any(|language| language.starts_with("C_plus_plus")).then_some("C++");
    let c = || found.iter().any(|language| language.starts_with("C1") || language == "C").then_some("C");
    named.copied().or_else(cpp).or_else(c).map(str::to_owned)
}

/// Removes what waits and what no resource uses any more, at the end of the program.
pub(crate) fn clear(folder: &Path) {
    let own = hidden::path(folder, hidden::UPLOADS).join(std::process::id().to_string());
    // What stays behind is removed at the next start.
    let _ = fs::remove_dir_all(own);
    let _ = fs::remove_dir(hidden::path(folder, hidden::UPLOADS));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_modules_and_never_paths() {
        for name in ["a.wasm", "my plugin (1).wasm", "插件.wasm", "..wasm"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in
            ["", "a", "a.wasm.exe", ".wasm", "../a.wasm", "/etc/a.wasm", "a\\b.wasm", "a\0.wasm", "a\n.wasm"]
        {
            assert_eq!(check_name(name).unwrap_err().code, "module_name", "{name:?}");
        }
    }

    #[tokio::test]
    async fn what_is_refused_or_breaks_off_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::default();
        let files = || {
            let own = hidden::path(folder.path(), hidden::UPLOADS).join(std::process::id().to_string());
            fs::read_dir(own).map_or(0, Iterator::count)
        };
        for (length, body, code) in [
            (None, Body::from("no module"), "module_invalid"),
            (Some(4), Body::from("no module"), "module_invalid"),
            (None, Body::empty(), "module_invalid"),
            (Some(CONSOLE_LIMIT + 1), Body::empty(), "module_too_large"),
            (Some(100), Body::from(&b"\0asm\x01\0\0\0"[..]), "upload_broken_off"),
        ] {
            let refused = uploads.receive(folder.path(), "a.wasm", length, body).await.unwrap_err();
            assert_eq!((refused.code, files()), (code, 0));
        }
        assert_eq!(uploads.file("x").unwrap_err().code, "upload_unknown");
        let failing = futures_util::stream::iter([Ok(&b"\0asm"[..]), Err(std::io::Error::other("gone"))]);
        let refused =
            uploads.receive(folder.path(), "a.wasm", None, Body::from_stream(failing)).await.unwrap_err();
        assert_eq!((refused.code, files()), ("upload_broken_off", 0));
        assert!(uploads.waiting().is_empty());
    }
}
