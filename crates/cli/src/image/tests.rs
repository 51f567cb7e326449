//! Images of every form that is met with, and who takes them.

use oci::{Annotations, Document, Image, Layout, Manifest, Shape, media};

use super::Consumer::{Console, Docker, EnvoyGateway, Higress, Istio, PluginServer};
use super::*;

const SPEC: &str = "\
apiVersion: 1.0.0
info: { name: demo, description: Shows }
spec: { phase: AUTHN, priority: 320 }
";

fn module(abi: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1)
             (func (export "{abi}")) (func (export "_initialize"))
             (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 8))
             (func (export "proxy_on_context_create") (param i32 i32))
             (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
             (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#
    ))
    .unwrap()
}

fn image() -> Image {
    Image {
        module: module("proxy_abi_version_0_2_1"),
        spec: SPEC.into(),
        documents: vec![Document { language: None, text: b"# Demo\n".to_vec() }],
        icon: None,
        licenses: None,
        annotations: Annotations::new(),
    }
}

/// Who takes the image of a layout.
fn takers(layout: &Layout) -> Vec<Consumer> {
    let verdicts = verdicts(layout, layout.top().unwrap(), false);
    verdicts.iter().filter(|verdict| verdict.takes).map(|verdict| verdict.consumer).collect()
}

/// Why a consumer does not take it.
fn why(layout: &Layout, consumer: Consumer) -> String {
    let verdicts = verdicts(layout, layout.top().unwrap(), false);
    let verdict = verdicts.iter().find(|verdict| verdict.consumer == consumer).unwrap();
    let refused: Vec<&str> =
        verdict.rules.iter().filter(|rule| !rule.ok).map(|rule| rule.detail.as_str()).collect();
    refused.join("; ")
}

fn packed(image: &Image, shape: Shape) -> Layout {
    let mut layout = Layout::default();
    image.add_to(&mut layout, shape, "1").unwrap();
    layout
}

#[test]
fn both_shapes_are_taken_by_every_gateway_and_the_plain_one_by_docker() {
    let all = Consumer::ALL.to_vec();
    assert_eq!(takers(&packed(&image(), Shape::Plain)), all);
    let higress = packed(&image(), Shape::Higress);
    assert_eq!(takers(&higress), all[..5]);
    assert!(why(&higress, Docker).contains("--shape plain"));
}

#[test]
fn a_module_for_higress_alone_is_taken_by_higress_alone() {
    let image = Image { module: module("proxy_abi_version_0_2_100"), ..image() };
    let layout = packed(&image, Shape::Higress);
    assert_eq!(takers(&layout), [Higress, PluginServer, Console]);
    assert!(why(&layout, Istio).contains("0_2_100"), "{}", why(&layout, Istio));
}

#[test]
fn a_module_that_holds_headers_says_so() {
    let annotations = Annotations::from([(HOLDS_HEADERS.to_owned(), "true".to_owned())]);
    let layout = packed(&Image { annotations: annotations.clone(), ..image() }, Shape::Higress);
    assert!(why(&layout, Istio).contains("allow_on_headers_stop_iteration"));
    assert!(why(&layout, Higress).contains("proxy_abi_version_0_2_100"));
    // Built with `--gateway higress`.
    let module = abi::declare(&image().module, abi::Abi::Higress).unwrap().unwrap();
    let layout = packed(&Image { module, annotations, ..image() }, Shape::Higress);
    assert_eq!(takers(&layout), [Higress, PluginServer, Console]);
    assert!(why(&layout, Istio).contains("allow_on_headers_stop_iteration"));
}

#[test]
fn a_console_refuses_what_its_page_refuses() {
    for (spec, expected) in [
        (SPEC.replace("320", "325"), "325 is not a multiple of 10"),
        (SPEC.replace("AUTHN", "EARLY"), "spec.phase in spec.yaml is EARLY"),
        (SPEC.replace("demo", "''"), "info.name in spec.yaml is missing or empty"),
        (SPEC.replace(", description: Shows", ""), "info.description"),
    ] {
        let layout = packed(&Image { spec: spec.into_bytes(), ..image() }, Shape::Higress);
        let why = why(&layout, Console);
        assert!(why.contains(expected), "{why}");
        assert!(takers(&layout).contains(&Istio));
    }
}

#[test]
fn what_is_no_module_is_taken_by_nobody() {
    for module in [b"".to_vec(), b"\0asm\x0d\0\x01\0".to_vec(), b"text".to_vec()] {
        let layout = packed(&Image { module, ..image() }, Shape::Higress);
        assert_eq!(takers(&layout), []);
    }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut member, bytes).unwrap();
    member.finish().unwrap()
}

/// A header of an archive, of GNU's form: other fields are at these places.
fn entry(name: &str, kind: u8, size: &str, fields: &[(usize, &str)]) -> Vec<u8> {
    let mut header = vec![0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    for (at, text) in
        [(0, name), (100, "0000644"), (108, "0000000"), (116, "0000000"), (124, size), (136, "0")]
    {
        put(at, text);
    }
    put(148, "        ");
    put(257, "ustar  ");
    fields.iter().for_each(|(at, text)| put(*at, text));
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A compressed archive of files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend(entry(name, b'0', &format!("{:011o}", content.len()), &[]));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    compressed(&bytes)
}

fn standard() -> Vec<u8> {
    archive(&[("plugin.wasm", &module("proxy_abi_version_0_2_1"))])
}

/// An image in a layout that is not listed there, as the children of an index are.
fn child(
    layout: &mut Layout,
    manifest_type: &str,
    config_type: &str,
    layers: &[(&str, &[u8])],
) -> Descriptor {
    let config = layout.add_blob(config_type, b"{}".to_vec());
    let layers =
        layers.iter().map(|(media_type, bytes)| layout.add_blob(media_type, bytes.to_vec())).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: manifest_type.into(),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: Annotations::new(),
    };
    let media_type = if manifest_type.is_empty() { media::MANIFEST } else { manifest_type };
    layout.add_blob(media_type, serde_json::to_vec(&manifest).unwrap())
}

/// An image of these layers alone.
fn made(manifest_type: &str, config_type: &str, layers: &[(&str, &[u8])]) -> Layout {
    let mut layout = Layout::default();
    let image = child(&mut layout, manifest_type, config_type, layers);
    layout.manifests.push(image);
    layout
}

/// Entries of an index, with their platforms.
type Entries = Vec<(Descriptor, Option<&'static str>)>;

/// An index of these entries, with their platforms as `linux/amd64`.
fn index(layout: &mut Layout, media_type: &str, entries: &[(Descriptor, Option<&str>)]) -> Descriptor {
    let entry = |(descriptor, platform): &(Descriptor, Option<&str>)| Descriptor {
        platform: platform.map(|platform| {
            let (os, architecture) = platform.split_once('/').unwrap();
            oci::Platform { architecture: architecture.into(), os: os.into(), variant: None }
        }),
        ..descriptor.clone()
    };
    let index = oci::Index {
        schema_version: 2,
        media_type: media_type.into(),
        manifests: entries.iter().map(entry).collect(),
    };
    layout.add_blob(media_type, serde_json::to_vec(&index).unwrap())
}

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const FETCHERS: [Consumer; 3] = [Istio, EnvoyGateway, Higress];

#[test]
fn images_of_other_tools_are_accepted_as_each_consumer_reads_them() {
    let wasm = module("proxy_abi_version_0_2_1");
    let gz = standard();
    let plain_tar = [b"plugin.wasm".as_slice(), &[0; 1013]].concat();
    // As buildkit and stargz write it: members of gzip, one after another.
    let whole = {
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gz.as_slice()), &mut unpacked).unwrap();
        unpacked
    };
    let members: Vec<u8> = whole.chunks(700).flat_map(compressed).collect();
    let (oci, docker) = (media::MANIFEST, media::DOCKER_MANIFEST);
    let solo = "application/vnd.module.wasm.config.v1+json";
    let rows: Vec<(&str, Layout, Vec<Consumer>)> = vec![
        ("docker build", made(docker, DOCKER_CONFIG, &[(media::DOCKER_LAYER, &gz)]), Consumer::ALL.to_vec()),
        (
            "crane append, which names Docker's types",
            made(docker, DOCKER_CONFIG, &[(media::DOCKER_LAYER, &gz)]),
            Consumer::ALL.to_vec(),
        ),
        (
            "crane append --oci-empty-base",
            made(oci, media::CONFIG, &[(media::LAYER, &gz)]),
            Consumer::ALL.to_vec(),
        ),
        (
            "buildah, whose manifests name no media type",
            made("", media::CONFIG, &[(media::LAYER, &gz)]),
            Consumer::ALL.to_vec(),
        ),
        ("eStargz", made(oci, media::CONFIG, &[(media::LAYER, &members)]), Consumer::ALL.to_vec()),
        (
            "oras push plugin.tar.gz:…tar+gzip",
            made(oci, media::EMPTY, &[(media::LAYER, &gz)]),
            Consumer::ALL.to_vec(),
        ),
        (
            "oras push plugin.wasm",
            made(oci, media::EMPTY, &[("application/vnd.oci.image.layer.v1.tar", &wasm)]),
            vec![],
        ),
        (
            "wasm-to-oci",
            made(
                oci,
                "application/vnd.wasm.config.v1+json",
                &[("application/vnd.wasm.content.layer.v1+wasm", &wasm)],
            ),
            vec![],
        ),
        ("CNCF", made(oci, "application/vnd.wasm.config.v0+json", &[("application/wasm", &wasm)]), vec![]),
        (
            "hgctl plugin build",
            made(oci, solo, &[(media::SPEC, SPEC.as_bytes()), (media::LAYER, &gz)]),
            all_but(Docker),
        ),
        (
            "module and configuration",
            made(oci, solo, &[(media::MODULE, &wasm), (solo, b"{}1")]),
            all_but(Docker),
        ),
        (
            "module, configuration and more",
            made(oci, solo, &[(media::MODULE, &wasm), (solo, b"{}1"), (solo, b"{}2")]),
            vec![PluginServer, Console],
        ),
        (
            "module in a Docker manifest",
            made(docker, solo, &[(media::MODULE, &wasm), (solo, b"{}1")]),
            vec![PluginServer, Console],
        ),
        (
            "archive without a module beside a module",
            made(oci, solo, &[(media::MODULE, &wasm), (media::LAYER, &archive(&[("x", b"")]))]),
            [FETCHERS.as_slice(), &[Console]].concat(),
        ),
        (
            "OCI manifest with Docker's layer type",
            made(oci, media::CONFIG, &[(media::DOCKER_LAYER, &gz)]),
            vec![PluginServer, Console, Docker],
        ),
        (
            "no media type with Docker's layer type",
            made("", media::CONFIG, &[(media::DOCKER_LAYER, &gz)]),
            vec![PluginServer, Console, Docker],
        ),
        (
            "Docker manifest with OCI's layer type",
            made(docker, DOCKER_CONFIG, &[(media::LAYER, &gz)]),
            vec![PluginServer, Console, Docker],
        ),
        (
            "the same layer under two types",
            made(oci, media::CONFIG, &[(media::DOCKER_LAYER, &gz), (media::LAYER, &gz)]),
            vec![],
        ),
        (
            "buildx, compression=zstd",
            made(oci, media::CONFIG, &[("application/vnd.oci.image.layer.v1.tar+zstd", &gz)]),
            vec![],
        ),
        (
            "buildx, compression=uncompressed",
            made(oci, media::CONFIG, &[("application/vnd.oci.image.layer.v1.tar", &plain_tar)]),
            vec![],
        ),
        (
            "not compressed despite its media type",
            made(oci, media::CONFIG, &[(media::LAYER, &plain_tar)]),
            vec![],
        ),
        ("cut off", made(oci, media::CONFIG, &[(media::LAYER, &gz[..gz.len() / 2])]), vec![]),
        (
            "FROM scratch, COPY main.wasm /",
            made(oci, media::CONFIG, &[(media::LAYER, &archive(&[("main.wasm", &wasm)]))]),
            vec![PluginServer, Console, Docker],
        ),
        (
            "COPY plugin.wasm /app/, on a base image",
            made(
                oci,
                media::CONFIG,
                &[
                    (media::LAYER, &archive(&[("etc/passwd", b"x")])),
                    (media::LAYER, &archive(&[("./app/plugin.wasm", &wasm)])),
                ],
            ),
            [FETCHERS.as_slice(), &[Console, Docker]].concat(),
        ),
        (
            "COPY plugin.wasm, then COPY README",
            made(oci, media::CONFIG, &[(media::LAYER, &gz), (media::LAYER, &archive(&[("README", b"x")]))]),
            vec![],
        ),
        (
            "two modules in the archive",
            made(
                oci,
                media::CONFIG,
                &[(media::LAYER, &archive(&[("a.wasm", &wasm), ("plugin.wasm", &wasm)]))],
            ),
            [FETCHERS.as_slice(), &[Console, Docker]].concat(),
        ),
        ("no layers", made(oci, media::CONFIG, &[]), vec![]),
    ];
    for (tool, layout, expected) in &rows {
        let reasons = why(layout, Istio);
        assert_eq!(takers(layout), *expected, "{tool}: {reasons}");
        assert!(expected.contains(&Istio) || !reasons.is_empty(), "{tool}");
    }
    let (_, mixed, _) = rows.iter().find(|(tool, ..)| tool.starts_with("OCI manifest with Docker")).unwrap();
    assert!(why(mixed, Istio).contains(&format!("must be {}", media::LAYER)), "{}", why(mixed, Istio));
}

fn all_but(consumer: Consumer) -> Vec<Consumer> {
    Consumer::ALL.into_iter().filter(|other| *other != consumer).collect()
}

#[test]
fn an_index_is_resolved_to_the_first_image_for_linux_amd64() {
    let gz = standard();
    let followed = all_but(PluginServer);
    for (list, manifest, layer) in [
        (media::INDEX, media::MANIFEST, media::LAYER),
        (media::DOCKER_INDEX, media::DOCKER_MANIFEST, media::DOCKER_LAYER),
    ] {
        let mut blobs = Layout::default();
        let image = child(&mut blobs, manifest, media::CONFIG, &[(layer, &gz)]);
        let attestation =
            child(&mut blobs, manifest, media::CONFIG, &[("application/vnd.in-toto+json", b"{}")]);
        let nested = index(&mut blobs, list, &[(image.clone(), Some("linux/amd64"))]);
        let mut deep = nested.clone();
        for _ in 0..oci::limits::MAX_DEPTH {
            deep = index(&mut blobs, list, &[(deep, None)]);
        }
        let absent = Descriptor { digest: oci::digest(b"absent"), ..image.clone() };
        let rows: [(&str, Entries, bool); 11] = [
            (
                "buildx",
                vec![(image.clone(), Some("linux/amd64")), (attestation.clone(), Some("unknown/unknown"))],
                true,
            ),
            (
                "several",
                vec![(attestation.clone(), Some("linux/arm64")), (image.clone(), Some("linux/amd64"))],
                true,
            ),
            ("no platform", vec![(image.clone(), None)], true),
            (
                "an attestation without a platform first",
                vec![(attestation.clone(), None), (image.clone(), Some("linux/amd64"))],
                false,
            ),
            ("nested", vec![(nested, None)], true),
            ("too deep", vec![(deep, None)], false),
            ("arm64 alone", vec![(image.clone(), Some("linux/arm64"))], false),
            ("wasip1/wasm alone", vec![(image.clone(), Some("wasip1/wasm"))], false),
            ("windows", vec![(image.clone(), Some("windows/amd64"))], false),
            ("an image that is not there", vec![(absent, None)], false),
            ("empty", vec![], false),
        ];
        for (name, entries, good) in rows {
            let mut layout = blobs.clone();
            let top = index(&mut layout, list, &entries);
            layout.manifests.push(top.clone());
            let expected = if good { followed.clone() } else { Vec::new() };
            assert_eq!(takers(&layout), expected, "{name} in {list}: {}", why(&layout, Istio));
            // A cluster compares a pinned digest with that of the image, not of the index.
            let pinned = verdicts(&layout, &top, true);
            let fetchers = pinned.iter().filter(|verdict| FETCHERS.contains(&verdict.consumer));
            assert!(fetchers.clone().all(|verdict| !verdict.takes), "{name}");
            if good {
                let rules = &fetchers.clone().next().unwrap().rules;
                assert!(
                    rules.iter().any(|rule| !rule.ok && rule.detail.contains(&image.digest)),
                    "{rules:?}"
                );
            }
        }
    }
}

#[test]
fn archives_that_would_fill_the_memory_are_refused() {
    // 8 GiB in eleven octal digits: as bytes that are there, and as a hole in a sparse file.
    const LARGE: &str = "77777777777";
    let zeros = compressed(&[0; 1 << 20]);
    let bomb = [compressed(&entry("plugin.wasm", b'0', LARGE, &[])), zeros.repeat(257)].concat();
    let other = [compressed(&entry("other", b'0', LARGE, &[])), zeros.repeat(257)].concat();
    let hole = entry("plugin.wasm", b'S', "00000000000", &[(386, LARGE), (398, "00000000000"), (483, LARGE)]);
    let hole = compressed(&[hole, vec![0; 1024]].concat());
    for layer in [bomb, other, hole] {
        let layout = made(media::MANIFEST, media::CONFIG, &[(media::LAYER, &layer)]);
        assert_eq!(takers(&layout), []);
        assert!(why(&layout, Istio).contains("more than 268435456 bytes"), "{}", why(&layout, Istio));
    }
    // Links, folders and pipes of the module's name are what fetchers read: nothing.
    for kind in *b"1256" {
        let entry = entry("plugin.wasm", kind, "00000000000", &[(157, "/etc/passwd")]);
        let layer = compressed(&[entry, vec![0; 1024]].concat());
        assert_eq!(takers(&made(media::MANIFEST, media::CONFIG, &[(media::LAYER, &layer)])), []);
    }
}
