//! The library as it is shipped: its symbols, its name, its header, its installation.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Folder, Server, library, make, root, run};

/// The functions the header declares.
fn declared() -> Vec<String> {
    let header = fs::read_to_string(root().join("include/mqtt.h")).unwrap();
    let mut functions: Vec<String> = header
        .match_indices('(')
        .filter_map(|(at, _)| {
            let before = header.split_at(at).0;
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')? + 1;
            let (rest, name) = before.split_at(start);
            let line = rest.rsplit('\n').next()?;
            let is_declaration = name.starts_with("mqtt_")
                && !line.is_empty()
                && !line.trim_start().starts_with('*')
                && !line.starts_with(' ');
            is_declaration.then(|| name.to_owned())
        })
        .collect();
    functions.sort();
    functions
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = run(command);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn exactly_the_functions_of_the_header_are_exported() {
    let symbols =
        lines(Command::new("nm").args(["-D", "--defined-only"]).arg(library().join("libmqtt.so")));
    let names = symbols.iter().filter_map(|line| line.split_whitespace().nth(2));
    let names = names.map(|name| name.split('@').next().unwrap_or(name));
    let mut exported: Vec<&str> = names.filter(|name| *name != "LIBMQTT_0").collect();
    exported.sort_unstable();
    assert!(exported.len() > 120, "{} functions", exported.len());
    assert_eq!(exported, declared());
}

/// Without comments: its constants, and its declarations by `;`, with single spaces.
fn declarations(header: &str) -> Vec<String> {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, behind)| behind);
    }
    code.push_str(rest);
    let (constants, others): (Vec<_>, Vec<_>) =
        code.lines().partition(|line| line.starts_with("#define MQTT_"));
    let others: Vec<_> = others.into_iter().filter(|line| !line.starts_with('#')).collect();
    let joined = others.join(" ");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    constants.into_iter().map(words).chain(joined.split(';').map(words)).collect()
}

#[test]
fn what_the_baseline_of_the_abi_declares_is_still_there() {
    let read = |path: &str| declarations(&fs::read_to_string(root().join(path)).unwrap());
    let (baseline, current) = (read("ffi/abi/mqtt.h"), read("include/mqtt.h"));
    assert!(baseline.len() > 250, "{} declarations", baseline.len());
    for declaration in baseline {
        let is_version = declaration.starts_with("#define MQTT_VERSION_NUMBER");
        assert!(is_version || current.contains(&declaration), "changed or gone: {declaration}");
    }
}

#[test]
fn a_program_of_the_baseline_runs_with_the_library() {
    let folder = Folder::new("baseline");
    let program = folder.0.join("publish");
    run(Command::new("cc")
        .arg("-I")
        .arg(root().join("ffi/abi"))
        .arg(root().join("examples/publish.c"))
        .arg(library().join("libmqtt.so"))
        .arg("-o")
        .arg(&program));
    let server = Server::ours();
    let said = lines(
        Command::new(&program)
            .args([&server.url, "baseline", "hello"])
            .env("LD_LIBRARY_PATH", library()),
    );
    assert_eq!(said, ["published: No matching subscribers"]);
}

#[test]
fn the_shared_library_has_its_name_and_stays_loaded() {
    let dynamic = lines(Command::new("readelf").arg("-dW").arg(library().join("libmqtt.so")));
    let has = |what: &str| dynamic.iter().any(|line| line.contains(what));
    assert!(has("Library soname: [libmqtt.so.0]"), "{dynamic:?}");
    assert!(has("NODELETE"), "{dynamic:?}");
    assert!(!has("RPATH") && !has("RUNPATH"), "{dynamic:?}");
}

/// It is loaded into the programs of others, who pay for what it brings along: 1.0 MB is MQTT, 1.4 TLS
/// and WebSocket, and 0.2 what SCRAM has to know of Unicode.
#[test]
fn the_shared_library_is_small() {
    let folder = Folder::new("size");
    let stripped = folder.0.join("libmqtt.so.0");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(library().join("libmqtt.so")));
    let size = fs::metadata(&stripped).unwrap().len();
    assert!(size < 2_700_000, "{size} bytes");
}

#[test]
fn the_header_compiles_alone_in_c_and_cpp() {
    let folder = Folder::new("header");
    let source = folder.0.join("header.c");
    fs::write(&source, "#include <mqtt.h>\nint main(void) { return MQTT_OK; }\n").unwrap();
    for standard in ["c99", "c11", "c17"] {
        check(&source, &["cc", "-xc", "-Wconversion", "-Wstrict-prototypes"], standard);
    }
    for standard in ["c++17", "c++20"] {
        check(&source, &["c++", "-xc++", "-Wconversion"], standard);
    }
}

#[test]
fn the_examples_compile_in_c_and_cpp_and_are_short() {
    for name in ["publish", "subscribe", "request", "will"] {
        let source = root().join(format!("examples/{name}.c"));
        let length = fs::read_to_string(&source).unwrap().lines().count();
        assert!(length < 70, "{name}.c has {length} lines");
        check(&source, &["cc", "-xc"], "c99");
        check(&source, &["c++", "-xc++"], "c++17");
    }
}

#[track_caller]
fn check(source: &Path, compiler: &[&str], standard: &str) {
    run(Command::new(compiler[0])
        .args(&compiler[1..])
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-I"])
        .arg(root().join("include"))
        .arg(source));
}

#[test]
fn an_installed_library_is_found_by_pkg_config() {
    library();
    let folder = Folder::new("install");
    let prefix = folder.0.join("usr");
    make(&["install-libmqtt", &format!("PREFIX={}", prefix.display())]);
    let pkg_config = |arguments: &[&str]| {
        let folder = prefix.join("lib/pkgconfig");
        let mut command = Command::new("pkg-config");
        lines(command.env("PKG_CONFIG_PATH", folder).args(arguments).arg("libmqtt"))
    };
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);

    let source = folder.0.join("version.c");
    let text = "#include <mqtt.h>\n#include <stdio.h>\n\
                int main(void) { puts(mqtt_version_string()); return 0; }\n";
    fs::write(&source, text).unwrap();
    for linking in [&["--cflags", "--libs"][..], &["--cflags", "--libs", "--static"]] {
        let flags = pkg_config(linking).join(" ");
        let program = folder.0.join("version");
        run(Command::new("cc").arg(&source).arg("-o").arg(&program).args(flags.split_whitespace()));
        let said = lines(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")));
        assert!(said[0].starts_with(env!("CARGO_PKG_VERSION")), "{said:?}");
    }
    for target in ["shared", "static"] {
        let said = built_by_cmake(&folder.0, &prefix, target);
        assert!(said[0].starts_with(env!("CARGO_PKG_VERSION")), "{said:?}");
    }
}

#[test]
fn debian_packages_have_everything_once() {
    if !Path::new("/usr/bin/dpkg-deb").exists() {
        return;
    }
    make(&["deb-libmqtt"]);
    let folder = library().join("deb");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let packages: Vec<_> = files.filter(|path| path.extension() == Some("deb".as_ref())).collect();
    assert_eq!(packages.len(), 3, "{packages:?}");
    let mut contents: Vec<String> = packages
        .iter()
        .flat_map(|package| lines(Command::new("dpkg-deb").arg("--contents").arg(package)))
        .filter(|line| !line.ends_with('/'))
        .filter_map(|line| Some(line.split_whitespace().nth(5)?.to_owned()))
        .collect();
    contents.sort();
    let all = contents.len();
    contents.dedup();
    assert_eq!(contents.len(), all, "{contents:?}");
    for file in ["lib/libmqtt.so.0", "lib/libmqtt.a", "include/mqtt.h", "bin/mqtt-sub"] {
        assert!(contents.contains(&format!("./usr/{file}")), "{file} in {contents:?}");
    }
}

/// What the program says when a project in C and C++ of its own has built it.
fn built_by_cmake(folder: &Path, prefix: &Path, target: &str) -> Vec<String> {
    let project = "cmake_minimum_required(VERSION 3.13)\nproject(outside C CXX)\n\
                   find_package(libmqtt 0.1 REQUIRED CONFIG)\n\
                   add_executable(version version.c also.cpp)\n\
                   set_property(TARGET version PROPERTY CXX_STANDARD 17)\n";
    let link = format!("target_link_libraries(version mqtt::{target})\n");
    fs::write(folder.join("CMakeLists.txt"), format!("{project}{link}")).unwrap();
    let also = "#include <mqtt.h>\nint also() { return static_cast<int>(mqtt_version()); }\n";
    fs::write(folder.join("also.cpp"), also).unwrap();
    let build = folder.join(format!("build-{target}"));
    run(Command::new("cmake")
        .arg("-S")
        .arg(folder)
        .arg("-B")
        .arg(&build)
        .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    run(Command::new("cmake").arg("--build").arg(&build));
    lines(Command::new(build.join("version")).env("LD_LIBRARY_PATH", prefix.join("lib")))
}
