//! Modules in a registry, a real one: pulled, compared with the digest that the resource pins, and kept.

#[path = "../registry/support/server.rs"]
#[expect(dead_code, reason = "the tests of the registry's own program also shut its door")]
mod server;

#[path = "../registry/support/upload.rs"]
mod upload;

use std::fs;

use oci::{Annotations, Image, Layout, Shape, media};
use serde_json::json;

use crate::fetched::module;
use crate::served::{Folder, Served, asked, head, refused, refused_with, run};
use server::Server;

/// A configuration of Docker that is not there.
const ANONYMOUS: (&str, &str) = ("DOCKER_CONFIG", "/nonexistent");

/// The image's path: no other run finds what this one has left in the cache.
fn repository(server: &Server) -> String {
    format!("oci://{}/{}/stamp", server.address, std::process::id())
}

/// Pushes the stamp under this tag and gives the digest of its manifest, without the algorithm. Images of two tags
/// differ.
fn push(server: &Server, tag: &str, variable: (&str, &str)) -> String {
    let image = Image {
        module: module(),
        spec: b"apiVersion: 1.0.0\n".to_vec(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: Annotations::from([("test".into(), tag.into())]),
    };
    let mut layout = Layout::default();
    let digest = image.add_to(&mut layout, Shape::Higress, tag).unwrap().digest;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("image");
    layout.write_folder(&folder).unwrap();
    let there = format!("{}:{tag}", repository(server));
    let args = ["push", folder.to_str().unwrap(), &there, "--plain-http"];
    let (code, said) = run(&args, &[variable]);
    assert_eq!(code, Some(0), "{said}");
    digest.trim_start_matches("sha256:").to_owned()
}

/// A resource of an image, with more fields of its `spec`.
fn resource(server: &Server, image: &str, more: &str) -> String {
    format!(
        "{}spec:\n  url: {}{image}\n{more}  defaultConfig: {{ stamp: pulled }}\n",
        head("a"),
        repository(server)
    )
}

#[test]
#[ignore = "in Envoy, with docker-registry: cargo xtask test"]
fn an_image_is_taken_with_the_right_digest_alone() {
    let server = Server::start(false);
    let digest = push(&server, "1.0.0", ANONYMOUS);
    let pinned = format!("  sha256: '{digest}'\n");
    let folder = Folder::new();
    folder.put("a.yaml", &resource(&server, ":1.0.0", &pinned));
    let mut served = Served::start(folder.path(), &[]);
    assert!(served.output().contains("  1.0.0  "), "the tag is the version:\n{}", served.output());
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["pulled"]);

    // While it serves, and when it starts.
    let wrong = "0".repeat(64);
    let expected = [
        "error: spec.sha256: is ".to_owned() + &wrong,
        format!("the manifest has {digest}"),
        "a.yaml:6:3".into(),
    ];
    folder.put("a.yaml", &resource(&server, ":1.0.0", &format!("  sha256: '{wrong}'\n")));
    served.wait_for("rejected; the previous configuration stays in force");
    let output = served.output();
    assert!(expected.iter().all(|part| output.contains(part)), "{expected:?} in\n{output}");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["pulled"]);
    drop(served);
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(expected.iter().all(|part| said.contains(part)), "{expected:?} in\n{said}");

    // By its digest, and what is not there.
    folder.put("a.yaml", &resource(&server, &format!("@sha256:{digest}"), ""));
    assert_eq!(Served::start(folder.path(), &[]).get("h", "/").values("x-stamps-back"), ["pulled"]);
    folder.put("a.yaml", &resource(&server, ":2.0.0", ""));
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: spec.url: ") && said.contains("/stamp:2.0.0"), "{said}");

    // `request` runs the folder in an Envoy of its own in the same way.
    folder.put("a.yaml", &resource(&server, ":1.0.0", &pinned));
    let (code, said) = asked(folder.path(), &["request", "/", "-i", "--folder"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("x-stamps-back: pulled"), "{said}");
    folder.put("a.yaml", &resource(&server, ":1.0.0", &format!("  sha256: '{wrong}'\n")));
    let (code, said) = asked(folder.path(), &["request", "/", "-i", "--folder"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&wrong) && said.contains(&digest) && said.contains("a.yaml:6:3"), "{said}");
}

#[test]
#[ignore = "in Envoy, with docker-registry: cargo xtask test"]
fn an_index_is_resolved_as_in_a_cluster() {
    let server = Server::start(false);
    let image = Image {
        module: module(),
        spec: b"apiVersion: 1.0.0\n".to_vec(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: Annotations::new(),
    };
    let mut layout = Layout::default();
    let image = image.add_to(&mut layout, Shape::Plain, "1").unwrap();
    let manifest = layout.manifest(&image).unwrap();
    let blobs: Vec<_> = manifest.layers.iter().chain([&manifest.config]).collect();
    let path = format!("{}/stamp", std::process::id());
    // As buildx, and one for another machine alone.
    let mut put = |tag: &str, architecture: &str| {
        let platform = json!({ "os": "linux", "architecture": architecture });
        let entry = json!({ "mediaType": image.media_type, "digest": image.digest, "size": image.size, "platform": platform });
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [entry] });
        let index = layout.add_blob(media::INDEX, index.to_string().into_bytes());
        upload::upload(&server.address, &path, tag, &layout, &blobs, &[&image, &index]);
        index.digest
    };
    let (index, _) = (put("index", "amd64"), put("arm", "arm64"));
    let folder = Folder::new();
    // What is pinned is the digest of the image, as clusters compare it.
    let pinned = format!("  sha256: '{}'\n", image.digest.trim_start_matches("sha256:"));
    folder.put("a.yaml", &resource(&server, ":index", &pinned));
    let served = Served::start(folder.path(), &[]);
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["pulled"]);
    drop(served);
    // Without a scheme `oci://` is meant.
    let schemeless = resource(&server, ":index", &pinned).replace("oci://", "");
    assert!(schemeless.contains(&format!("url: {}/", server.address)), "{schemeless}");
    folder.put("a.yaml", &schemeless);
    assert_eq!(Served::start(folder.path(), &[]).get("h", "/").values("x-stamps-back"), ["pulled"]);
    let (code, said) = asked(folder.path(), &["request", "/", "-i", "--folder"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("x-stamps-back: pulled"), "{said}");
    for (name, expected) in [
        (":arm".to_owned(), "without an image for linux/amd64".to_owned()),
        (format!("@{index}"), format!("write {}", image.digest)),
    ] {
        folder.put("a.yaml", &resource(&server, &name, ""));
        let (code, said) = refused(folder.path(), &["--port", "0"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("error: spec.url: ") && said.contains(&expected), "{said}");
    }
}

#[test]
#[ignore = "in Envoy, with docker-registry: cargo xtask test"]
fn a_tag_that_moves_is_followed_as_in_a_cluster_and_what_is_kept_needs_no_registry() {
    let mut server = Some(Server::start(false));
    let there = server.as_ref().unwrap();
    let (first, second) = (push(there, "one", ANONYMOUS), push(there, "two", ANONYMOUS));
    assert_ne!(first, second);
    let folder = Folder::new();
    // A fixed tag is pulled once.
    folder.put("a.yaml", &resource(there, ":one", ""));
    assert_eq!(Served::start(folder.path(), &[]).get("h", "/").values("x-stamps-back"), ["pulled"]);
    let always = resource(there, ":two", "  imagePullPolicy: Always\n");
    drop(server.take());
    assert_eq!(Served::start(folder.path(), &[]).get("h", "/").values("x-stamps-back"), ["pulled"]);
    // What is to be looked for each time cannot do without it.
    folder.put("a.yaml", &always);
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: spec.url: "), "{said}");
}

#[test]
#[ignore = "in Envoy, with docker-registry: cargo xtask test"]
fn credentials_come_from_docker_and_what_is_for_clusters_is_remarked_on_once() {
    let server = Server::start(true);
    let config = tempfile::tempdir().unwrap();
    // portcullis:secret
    let auths = json!({ "auths": { server.address.clone(): { "auth": "cG9ydGN1bGxpczpzZWNyZXQ=" } } });
    fs::write(config.path().join("config.json"), auths.to_string()).unwrap();
    let docker = ("DOCKER_CONFIG", config.path().to_str().unwrap());
    push(&server, "1.0.0", docker);

    let folder = Folder::new();
    let more = "  imagePullSecret: of-the-cluster\n  selector: { matchLabels: { higress: gateway } }\n";
    let text = resource(&server, ":1.0.0", more);
    folder.put("a.yaml", &text);
    let (code, said) = refused_with(folder.path(), &["--port", "0"], &[ANONYMOUS]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: spec.url: ") && said.contains("docker login"), "{said}");

    let mut served = Served::start_with(folder.path(), &[], &[docker]);
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["pulled"]);
    // A change does not bring the remarks again.
    folder.put("a.yaml", &text.replace("pulled", "again"));
    served.wait_for("reloaded 1 plug-in");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["again"]);
    let output = served.output();
    for remark in [
        "warning: spec.imagePullSecret: is a secret of a cluster, which is not read here",
        "warning: spec.selector: selects gateways of a cluster",
    ] {
        assert_eq!(output.matches(remark).count(), 1, "{remark} in\n{output}");
    }
}
