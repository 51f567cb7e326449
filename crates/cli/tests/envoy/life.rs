//! Plug-ins come and go, Envoy dies and comes back, and Ctrl-C ends everything.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::served::{Folder, Served, head, signal};

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn an_envoy_that_dies_is_shown_and_started_again() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a");
    let mut served = Served::start(folder.path(), &[]);
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["a"]);
    let first = served.envoy();
    signal("KILL", &first);
    served.wait_for("Envoy has exited");
    served.wait_for("the last lines of its log:");
    served.wait_for("Envoy is running again");
    assert_ne!(served.envoy(), first);
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["a"]);
    // It follows the folder as before.
    folder.stamp("a", "AUTHN", 10, "again");
    served.wait_for("reloaded 1 plug-in");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["again"]);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn the_end_is_the_end_of_everything() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a");
    let mut served = Served::start(folder.path(), &[]);
    let envoy = served.envoy();
    assert!(served.folder.join(".portcullis/serve.json").is_file());
    served.signal("INT");
    assert_eq!(served.ended(), Some(0));
    assert!(!Path::new("/proc").join(envoy).exists(), "Envoy has ended too");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays behind");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_gateway_that_is_killed_leaves_neither_an_envoy_nor_its_files() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a");
    let mut served = Served::start(folder.path(), &[]);
    let process = Path::new("/proc").join(served.envoy());
    let line = std::fs::read_to_string(process.join("cmdline")).unwrap();
    let config = line.split('\0').skip_while(|word| *word != "--config-path").nth(1).unwrap();
    let files = Path::new(config).parent().unwrap();
    assert!(files.is_dir());
    served.signal("KILL");
    assert_eq!(served.ended(), None, "it ends by the signal");
    let deadline = Instant::now() + Duration::from_secs(60);
    while process.exists() || files.exists() {
        assert!(Instant::now() < deadline, "{} or {} is still there", process.display(), files.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn plug_ins_come_go_and_are_switched_off_as_in_a_cluster() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a");
    let mut served = Served::start(folder.path(), &[]);
    folder.stamp("b", "AUTHZ", 10, "b");
    served.wait_for("pipeline changed");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["a", "b"]);
    let off = "spec:\n  url: workspace:stamp\n  defaultConfigDisable: true\n  defaultConfig: { stamp: b }\n";
    folder.put("b.yaml", &format!("{}{off}", head("b")));
    served.wait_for("pipeline changed");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["a"]);
    folder.remove("a.yaml");
    served.wait_for("no plug-in is enabled");
    served.wait_for("pipeline changed");
    let answer = served.get("h", "/");
    assert_eq!((answer.status, answer.values("x-stamps-back").len()), (200, 0));
}

/// A plug-in that does nothing.
const EMPTY: &str = include_str!("../../../bench/src/empty.wat");

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_module_that_is_replaced_is_swapped_in_and_one_that_does_not_load_is_not() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("a.wasm"), wat::parse_str(EMPTY).unwrap()).unwrap();
    folder.put(
        "a.yaml",
        &format!(
            "{}spec: {{ url: 'file://a.wasm', vmConfig: {{ env: [{{ name: A, value: b }}] }} }}\n",
            head("a")
        ),
    );
    let mut served = Served::start(folder.path(), &[]);
    assert_eq!(served.get("h", "/").status, 200);
    let refuses = EMPTY.replace(
        r#"(export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)"#,
        r#"(export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0)"#,
    );
    assert_ne!(refuses, EMPTY);
    let put = |name: &str, text: &str| {
        let unfinished = folder.path().join(".module");
        std::fs::write(&unfinished, wat::parse_str(text).unwrap()).unwrap();
        std::fs::rename(unfinished, folder.path().join(name)).unwrap();
    };
    put("a.wasm", &refuses);
    served.wait_for("Envoy rejects the plug-in");
    served.wait_for("rejected; the previous configuration stays in force");
    assert_eq!(served.get("h", "/").status, 200);
    let other = EMPTY.replace(
        r#"(export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)"#,
        r#"(export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable"#,
    );
    assert_ne!(other, EMPTY);
    put("a.wasm", &other);
    served.wait_for("reloaded 1 plug-in");
    assert_eq!(served.get("h", "/").status, 503, "it traps, and fails closed");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn rules_see_routes_and_services_under_the_control_planes_names() {
    let folder = Folder::new();
    folder.put(
        "routes.yaml",
        "
services:
- { name: shop.default.svc.cluster.local, port: 8080 }
routes:
- { ingress: foo, namespace: default, paths: [/foo] }
- { ingress: bar, paths: [/bar] }
- { ingress: shop, namespace: default, paths: [/shop], service: shop.default.svc.cluster.local }
",
    );
    folder.put(
        "a.yaml",
        &format!(
            "{}spec:
  url: workspace:stamp
  defaultConfig: {{ stamp: default }}
  matchRules:
  - {{ ingress: [default/foo], config: {{ stamp: foo }} }}
  - {{ ingress: [bar], config: {{ stamp: bar }} }}
  - {{ service: [shop.default.svc.cluster.local:8080], config: {{ stamp: shop }} }}
  - {{ ingress: [unused], config: {{ stamp: unused }} }}
",
            head("a")
        ),
    );
    let mut served = Served::start(folder.path(), &[]);
    for (path, stamp) in [("/foo", "foo"), ("/bar/1", "bar"), ("/shop", "shop")] {
        assert_eq!(served.get("h", path).seen("x-stamps"), [stamp], "{path}");
    }
    assert_eq!(served.get("h", "/elsewhere").status, 404, "no route leads there");
    let output = served.output();
    assert!(output.contains("spec.matchRules[3].ingress[0]: matches nothing here"), "{output}");
    // A route that comes later is there for open connections and everybody else.
    folder.put("routes.yaml", "routes:\n- { ingress: unused }\n");
    served.wait_for("routes changed");
    assert_eq!(served.get("h", "/elsewhere").seen("x-stamps"), ["unused"]);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn logs_are_those_that_were_asked_for() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "of-a");
    folder.stamp("b", "AUTHN", 10, "of-b");
    let mut served = Served::start(folder.path(), &["--log", "b"]);
    assert_eq!(served.get("h", "/logged").status, 200);
    served.wait_for("b info stamps of-b");
    served.wait_for("GET h/logged");
    assert!(!served.output().contains("stamps of-a"), "{}", served.output());
}
