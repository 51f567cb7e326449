//! What the tests share: a registry, images, and the program under test.

pub(crate) mod server;
pub(crate) mod upload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oci::{Annotations, Image, Layout, Shape, media};

/// An image with a bill of materials, in a layout of its own; `seed` tells one from another.
pub(crate) fn layout(folder: &Path, seed: u64, module_size: usize) -> (PathBuf, String) {
    let mut module = wat::parse_str(
        r#"(module (memory (export "memory") 1)
             (func (export "proxy_abi_version_0_2_1")) (func (export "_initialize"))
             (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 8))
             (func (export "proxy_on_context_create") (param i32 i32))
             (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
             (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#,
    )
    .unwrap();
    // A custom section of noise, whose size compression leaves as it is.
    let mut state = seed | 1;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    let size = u32::try_from(module_size + 2).unwrap();
    module.push(0);
    module.extend((0..5).map(|byte| (size >> (7 * byte)) as u8 & 0x7f | if byte < 4 { 0x80 } else { 0 }));
    module.extend([1, b'x'].into_iter().chain(noise.take(module_size)));
    let image = Image {
        module,
        spec: b"apiVersion: 1.0.0\n".to_vec(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: Annotations::new(),
    };
    let mut layout = Layout::default();
    let image = image.add_to(&mut layout, Shape::Higress, "1.0.0").unwrap();
    layout.add_referrer(&image, media::CYCLONEDX, b"{}".to_vec(), Annotations::new()).unwrap();
    let path = folder.join(format!("image-{seed}"));
    layout.write_folder(&path).unwrap();
    (path, image.digest)
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Asserts on the exit code and on words of the error.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// The program, without credentials.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(args).env("DOCKER_CONFIG", "/nonexistent").env_remove("REGISTRY_AUTH_FILE");
    command.env_remove("XDG_RUNTIME_DIR");
    command
}

pub(crate) fn push(layout: &Path, image: &str) -> Outcome {
    Outcome::of(program(&["push", layout.to_str().unwrap(), image, "--plain-http"]).env("NO_COLOR", "1"))
}

pub(crate) fn pull(image: &str, folder: &Path) -> Outcome {
    Outcome::of(&mut program(&["pull", image, folder.to_str().unwrap(), "--plain-http"]))
}

/// `skopeo` with its own flags for a registry on this machine.
pub(crate) fn skopeo(args: &[&str]) -> Outcome {
    Outcome::of(testkit::debian::program("skopeo").unwrap().arg("--insecure-policy").args(args))
}

/// Docker's configuration in a folder, for `DOCKER_CONFIG`.
pub(crate) fn docker_config(folder: &Path, config: &serde_json::Value) {
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}
