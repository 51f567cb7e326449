//! Images pushed to a real registry and pulled from it: as they are, with credentials, and when things go wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::server::Server;
use crate::support::upload::upload;
use crate::support::{Outcome, docker_config, layout, program, pull, push, skopeo};
use oci::catalogue::Index;
use oci::{Layout, media};
use serde_json::json;

/// The registry's answer to a request for a manifest, in the bytes that it has.
fn raw(address: &str, image: &str) -> Outcome {
    skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{address}/{image}")])
}

/// The digest of what a folder's layout has for an image.
fn digest_in(folder: &Path) -> String {
    Layout::read(folder).unwrap().image().unwrap().0.digest.clone()
}

#[test]
fn the_digest_is_the_same_all_the_way() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (image, digest) = layout(folder.path(), 1, 10_000);
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);

    let pushed = push(&image, &there).succeeded();
    assert_eq!(pushed.stdout.trim(), format!("oci://{}/plugins/demo@{digest}", server.address));
    assert_eq!(fs::read_to_string(at("image-1.digest")).unwrap(), format!("{digest}\n"));
    assert_eq!(oci::digest(raw(&server.address, "plugins/demo:1.0.0").succeeded().stdout.as_bytes()), digest);

    // Copied by another tool, and pulled from where that put it, by tag and by digest.
    let source = format!("docker://{}/plugins/demo:1.0.0", server.address);
    let copy = format!("docker://{}/copies/demo:1", server.address);
    let flags = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"];
    skopeo(&[flags.as_slice(), &[&source, &copy]].concat()).succeeded();
    for (image, folder) in
        [("copies/demo:1".to_owned(), at("by-tag")), (format!("plugins/demo@{digest}"), at("by-digest"))]
    {
        pull(&format!("oci://{}/{image}", server.address), &folder).succeeded();
        assert_eq!(digest_in(&folder), digest);
    }

    // Metadata of the image is pulled as well, and is found only under the digest's tag: the plug-in's own tag is not an index.
    let back = Layout::read(&at("by-digest")).unwrap();
    assert_eq!(back.referrers(&digest).len(), 1);
    let tags = format!("docker://{}/plugins/demo", server.address);
    let tags = skopeo(&["list-tags", "--tls-verify=false", &tags]).succeeded().stdout;
    let tags: serde_json::Value = serde_json::from_str(&tags).unwrap();
    assert_eq!(tags["Tags"], json!(["1.0.0", digest.replace(':', "-")]));

    // Once more changes nothing.
    let index =
        raw(&server.address, &format!("plugins/demo:{}", digest.replace(':', "-"))).succeeded().stdout;
    let again = push(&image, &there).succeeded();
    assert!(
        again.stderr.contains("already exists") && !again.stderr.contains("pushing application"),
        "{again:?}"
    );
    assert_eq!(
        raw(&server.address, &format!("plugins/demo:{}", digest.replace(':', "-"))).succeeded().stdout,
        index
    );
}

#[test]
fn layouts_and_archives_are_what_other_tools_take() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (image, digest) = layout(folder.path(), 2, 1_000);
    let (archive, plain) = (folder.path().join("image.tar"), folder.path().join("plain.tar"));
    let whole = Layout::read(&image).unwrap();
    whole.write_archive(&archive, None).unwrap();
    let mut single = Layout::default();
    let (_, manifest) = whole.image().unwrap();
    oci::Image {
        module: oci::Reader::Fetcher.module(&whole, &manifest).unwrap(),
        spec: Vec::new(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: oci::Annotations::new(),
    }
    .add_to(&mut single, oci::Shape::Plain, "1")
    .unwrap();
    single.write_archive(&plain, Some("plugins/demo:1")).unwrap();
    // skopeo's own `oci-archive:` unpacks as the owner that an archive names, which here is always root, and only root can.
    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let mut tar = Command::new("tar");
    Outcome::of(tar.args(["-x", "--no-same-owner", "-f"]).arg(&archive).arg("-C").arg(&unpacked)).succeeded();

    for (number, (source, same)) in [
        (format!("oci:{}:1.0.0", image.display()), true),
        (format!("oci:{}:1.0.0", unpacked.display()), true),
        // Docker unpacks layers, so that the digest becomes another.
        (format!("docker-archive:{}:plugins/demo:1", plain.display()), false),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("docker://{}/plugins/demo:{number}", server.address);
        skopeo(&["copy", "--dest-tls-verify=false", &source, &to]).succeeded();
        let raw = raw(&server.address, &format!("plugins/demo:{number}")).succeeded().stdout;
        assert_eq!(oci::digest(raw.as_bytes()) == digest, same, "{source}: {raw}");
        let (back, file) = (folder.path().join(number.to_string()), folder.path().join("back.wasm"));
        let from = format!("oci://{}/plugins/demo:{number}", server.address);
        let paths = [&back, &file].map(|path| path.to_str().unwrap());
        let args = ["pull", &from, paths[0], "--module", paths[1], "--plain-http"];
        Outcome::of(&mut program(&args)).succeeded();
        assert_eq!(
            fs::read(&file).unwrap(),
            oci::Reader::Fetcher.module(&whole, &manifest).unwrap(),
            "{source}"
        );
    }
}

#[test]
fn credentials_come_from_dockers_configuration_and_helpers() {
    let server = Server::start(true);
    let folder = tempfile::tempdir().unwrap();
    let (image, digest) = layout(folder.path(), 3, 1_000);
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);
    let as_user = |config: &serde_json::Value| {
        docker_config(folder.path(), config);
        let mut command = program(&["push", image.to_str().unwrap(), &there, "--plain-http"]);
        // Helpers are programs on the path.
        let path = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(folder.path().to_path_buf()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("DOCKER_CONFIG", folder.path());
        Outcome::of(&mut command)
    };

    push(&image, &there).refused(1, &["requires credentials", "docker login", &server.address]);
    // `portcullis:wrong`
    let wrong = json!({ "auths": { &server.address: { "auth": "cG9ydGN1bGxpczp3cm9uZw==" } } });
    as_user(&wrong).refused(1, &["rejects the credentials", "docker login", &server.address]);
    assert!(!folder.path().join("image-3.digest").exists());

    // `portcullis:secret`
    let right = json!({ "auths": { &server.address: { "auth": "cG9ydGN1bGxpczpzZWNyZXQ=" } } });
    as_user(&right).succeeded();
    let helper = folder.path().join("docker-credential-tests");
    fs::write(
        &helper,
        "#!/bin/sh\ncat >/dev/null\necho '{\"Username\":\"portcullis\",\"Secret\":\"secret\"}'\n",
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let helped = as_user(&json!({ "credHelpers": { &server.address: "tests" } })).succeeded();
    assert!(helped.stdout.contains(&digest), "{helped:?}");
    as_user(&json!({ "credHelpers": { &server.address: "none" } })).refused(1, &["config.json"]);
    as_user(&json!({ "auths": "damaged" })).refused(1, &["config.json"]);
    pull(&there, &folder.path().join("back")).refused(1, &["requires credentials"]);
}

#[test]
fn a_registry_that_dies_in_the_middle_has_nothing_under_the_tag_and_a_later_push_completes() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (image, digest) = layout(folder.path(), 4, 3_000_000);
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);

    server.die_after(1_500_000);
    push(&image, &there).refused(1, &["retrying in", &server.address]);
    assert!(server.was_cut(), "the registry was to die in the middle");
    assert!(!folder.path().join("image-4.digest").exists());
    server.restart();
    pull(&there, &folder.path().join("back")).refused(1, &["does not exist"]);
    assert!(!folder.path().join("back").exists());

    let pushed = push(&image, &there).succeeded();
    // What had arrived before was not sent again.
    assert!(pushed.stderr.contains("already exists"), "{pushed:?}");
    pull(&there, &folder.path().join("back")).succeeded();
    assert_eq!(digest_in(&folder.path().join("back")), digest);
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = layout(folder.path(), 5, 3_000_000);
    server.cut_after(1_500_000);
    let pushed = push(&image, &format!("oci://{}/plugins/demo:1.0.0", server.address)).succeeded();
    assert!(server.was_cut() && pushed.stderr.contains("retrying in"), "{pushed:?}");
}

#[test]
fn a_tag_that_means_another_image_moves_only_when_told() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let ((first, old), (second, new)) = (layout(folder.path(), 6, 1_000), layout(folder.path(), 8, 1_000));
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);
    push(&first, &there).succeeded();
    push(&second, &there).refused(1, &["already exists as", &old, &new, "--overwrite"]);
    assert_eq!(oci::digest(raw(&server.address, "plugins/demo:1.0.0").succeeded().stdout.as_bytes()), old);
    // Nor has anything else of it been sent.
    raw(&server.address, &format!("plugins/demo@{new}")).refused(1, &["manifest unknown"]);

    let args = ["push", second.to_str().unwrap(), &there, "--plain-http", "--overwrite"];
    Outcome::of(&mut program(&args)).succeeded();
    assert_eq!(oci::digest(raw(&server.address, "plugins/demo:1.0.0").succeeded().stdout.as_bytes()), new);
}

#[test]
fn a_damaged_layout_is_not_pushed() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = layout(folder.path(), 7, 1_000);
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);
    for entry in fs::read_dir(image.join("blobs/sha256")).unwrap() {
        let blob = entry.unwrap().path();
        let good = fs::read(&blob).unwrap();
        let mut bad = good.clone();
        bad[0] ^= 1;
        fs::write(&blob, bad).unwrap();
        let name = blob.file_name().unwrap().to_str().unwrap();
        push(&image, &there).refused(1, &["has been changed", name]);
        fs::write(&blob, good).unwrap();
    }
    raw(&server.address, "plugins/demo:1.0.0").refused(1, &["unknown"]);
}

#[test]
fn errors_name_the_remedy() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = layout(folder.path(), 9, 100);
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);
    pull(&there, &folder.path().join("back")).refused(1, &["does not exist", "plugins/demo:1.0.0"]);
    push(&folder.path().join("none"), &there).refused(2, &["does not exist", "portcullis package"]);
    push(&image, "plugins/demo:1").refused(2, &["names no registry", "as in oci://"]);
    push(&image, &there.replace(":1.0.0", "@sha256:00")).refused(2, &["oci://"]);
    // A port without a listener.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    push(&image, &format!("oci://{address}/demo:1"))
        .refused(1, &["cannot reach", "is accessed without --plain-http"]);
    // A registry that speaks HTTP, asked over TLS.
    let args = ["push", image.to_str().unwrap(), &there];
    Outcome::of(&mut program(&args)).refused(1, &["cannot reach", "needs --plain-http"]);
}

#[test]
fn an_index_is_pulled_with_its_image_for_linux_amd64_and_not_pushed() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (path, digest) = layout(folder.path(), 10, 1_000);
    let mut index = Layout::read(&path).unwrap();
    let (image, manifest) = index.image().map(|(image, manifest)| (image.clone(), manifest)).unwrap();
    let empty = index.add_blob(media::CONFIG, b"{}".to_vec());
    for (list, with_platforms) in [(media::INDEX, true), (media::DOCKER_INDEX, true), (media::INDEX, false)] {
        // The attestation of buildx, or an image for another machine.
        let other = json!({
            "schemaVersion": 2, "mediaType": media::MANIFEST, "config": empty, "layers": [],
            "annotations": { "of": list, "with": with_platforms.to_string() },
        });
        let other = index.add_blob(media::MANIFEST, other.to_string().into_bytes());
        let entry = |descriptor: &oci::Descriptor, os: &str, architecture: &str| {
            let mut entry = json!({ "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size });
            if with_platforms {
                entry["platform"] = json!({ "os": os, "architecture": architecture });
            }
            entry
        };
        let mut entries = vec![entry(&image, "linux", "amd64"), entry(&other, "unknown", "unknown")];
        if with_platforms {
            entries.reverse();
        }
        let top = json!({ "schemaVersion": 2, "mediaType": list, "manifests": entries });
        let top = index.add_blob(list, top.to_string().into_bytes());
        let blobs: Vec<_> = manifest.layers.iter().chain([&manifest.config, &empty]).collect();
        upload(&server.address, "plugins/demo", "index", &index, &blobs, &[&image, &other, &top]);

        let (back, module) = (folder.path().join("back"), folder.path().join("back.wasm"));
        let there = format!("oci://{}/plugins/demo:index", server.address);
        let args =
            ["pull", &there, back.to_str().unwrap(), "--module", module.to_str().unwrap(), "--plain-http"];
        let pulled = Outcome::of(&mut program(&args)).succeeded();
        assert_eq!(pulled.stdout.trim(), top.digest);
        assert!(pulled.stderr.contains(&format!("its image for linux/amd64 is {digest}")), "{pulled:?}");
        let read = Layout::read(&back).unwrap();
        let fetched = oci::Reader::Fetcher.image(&read, read.top().unwrap()).unwrap();
        assert_eq!(fetched.descriptor.digest, digest);
        let expected = oci::Reader::Fetcher.module(&read, &fetched.manifest).unwrap();
        assert_eq!(fs::read(&module).unwrap(), expected);
        push(&back, &format!("oci://{}/plugins/other:1", server.address))
            .refused(1, &["an index of images cannot be pushed"]);
    }
}

#[test]
fn a_catalogue_is_published_and_printed() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let (_, digest) = layout(folder.path(), 11, 100);
    let entry = json!({
        "name": "demo", "version": "1.0.0", "digest": digest, "titles": { "en": "Demo", "zh-CN": "演示" },
        "descriptions": {}, "category": "security", "phase": "AUTHN", "priority": 10, "failStrategy": "FAIL_OPEN",
        "example": {},
    });
    let index = Index::new("2.0.0", None, vec![serde_json::from_value(entry).unwrap()]);
    let archive = folder.path().join("catalogue.tar");
    index.to_artifact(oci::Annotations::new()).unwrap().write_archive(&archive, None).unwrap();

    // Its version is the tag.
    let repository = format!("oci://{}/plugins/catalogue", server.address);
    let pushed = push(&archive, &repository).succeeded();
    let printed =
        Outcome::of(&mut program(&["catalogue", &format!("{repository}:2.0.0"), "--plain-http"])).succeeded();
    for word in ["demo", "1.0.0", "Demo", "演示", &digest] {
        assert!(printed.stdout.contains(word), "{word} is not in {printed:?}");
    }
    let pinned = pushed.stdout.trim();
    let json = Outcome::of(&mut program(&["catalogue", pinned, "--plain-http", "--json"])).succeeded();
    let read: Index = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(read, index);

    // An image is not one.
    let (image, _) = layout(folder.path(), 12, 100);
    let there = format!("oci://{}/plugins/demo:1.0.0", server.address);
    push(&image, &there).succeeded();
    Outcome::of(&mut program(&["catalogue", &there, "--plain-http"])).refused(1, &["not a catalogue"]);
}

/// A command of this workspace.
fn xtask(args: &[&str]) -> Outcome {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Outcome::of(Command::new(cargo).current_dir(root).arg("xtask").args(args))
}

#[test]
#[ignore = "builds a plug-in and starts Envoy: `cargo xtask test` runs it"]
fn a_pulled_module_passes_its_cases_in_envoy() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let made = xtask(&["package", "add-header", "--json"]).succeeded();
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/add-header/image");
    let there = format!("oci://{}/plugins/add-header:1", server.address);
    push(&image, &there).succeeded();

    let pulled = [folder.path().join("image"), folder.path().join("pulled.wasm")];
    let [layout, module] = pulled.each_ref().map(|path| path.to_str().unwrap());
    Outcome::of(&mut program(&["pull", &there, layout, "--module", module, "--plain-http"])).succeeded();
    assert_eq!(digest_in(&pulled[0]), made[0]["digest"]);
    let gateways = ["istio", "envoy-gateway", "higress", "plugin-server", "console"];
    let gateways = gateways.iter().flat_map(|gateway| ["--for", gateway]);
    xtask(&[&["verify", layout], gateways.collect::<Vec<_>>().as_slice()].concat()).succeeded();
    let tested = xtask(&["test", "add-header", "--module", module, "--engine", "envoy"]).succeeded();
    let totals = tested.stdout.lines().last().unwrap();
    assert!(totals.ends_with(" passed, 0 failed") && !totals.starts_with("0 "), "{tested:?}");
}
