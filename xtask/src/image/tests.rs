//! Claims about the container image, with a program of a hundred bytes.
use super::*;

/// The least that counts as a program; with the loader that it wants, if any.
pub(crate) fn program(interpreter: Option<&str>) -> Vec<u8> {
    let name = interpreter.map(|name| format!("{name}\0")).unwrap_or_default();
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(64, 0);
    elf[18] = 62;
    elf[32] = 64;
    elf[54] = 56;
    if !name.is_empty() {
        elf[56] = 1;
        let mut header = vec![0; 56];
        header[0] = 3;
        header[8] = 120;
        header[32] = u8::try_from(name.len()).unwrap();
        elf.extend_from_slice(&header);
        elf.extend_from_slice(name.as_bytes());
    }
    elf
}

fn contents() -> Contents {
    Contents {
        program: program(None),
        authorities: b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_vec(),
        version: "0.1.0".to_owned(),
        revision: "abc".to_owned(),
    }
}

fn json_of(layout: &Layout, digest: &str) -> Value {
    serde_json::from_slice(layout.blob(digest).unwrap()).unwrap()
}

#[test]
fn the_same_contents_are_the_same_image() {
    let (one, other) = (assemble(&contents()).unwrap(), assemble(&contents()).unwrap());
    assert_eq!(one.digest(), other.digest());
    assert_eq!(one.archive().unwrap(), other.archive().unwrap());
    let changed = Contents { version: "0.2.0".to_owned(), ..contents() };
    assert_ne!(assemble(&changed).unwrap().digest(), one.digest());
}

#[test]
fn the_image_runs_one_static_program_as_nobody() {
    let image = assemble(&contents()).unwrap();
    let manifest = json_of(&image, image.digest());
    let config = json_of(&image, manifest["config"]["digest"].as_str().unwrap());
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/bin/sigward"]));
    assert_eq!(config["architecture"], "amd64");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = image.blob(manifest["layers"][0]["digest"].as_str().unwrap()).unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(layer), &mut plain).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest_of(&plain)]));
    let text = String::from_utf8_lossy(&plain);
    for name in ["usr/bin/sigward", "usr/bin/cosign", "etc/passwd", "etc/nsswitch.conf", "tmp/"] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn a_program_that_wants_a_loader_is_refused_by_its_name() {
    let wanting = Contents { program: program(Some("/lib64/ld.so")), ..contents() };
    let error = assemble(&wanting).unwrap_err().to_string();
    assert!(error.contains("not static: it wants /lib64/ld.so"), "{error}");
    let text = Contents { program: b"#!/bin/sh\n".to_vec(), ..contents() };
    assert!(assemble(&text).unwrap_err().to_string().contains("no ELF file"));
    let cut = Contents { program: program(Some("/lib64/ld.so"))[..100].to_vec(), ..contents() };
    assert!(assemble(&cut).is_err());
}

#[test]
fn an_image_without_authorities_is_refused() {
    let none = Contents { authorities: b"nothing".to_vec(), ..contents() };
    assert!(assemble(&none).unwrap_err().to_string().contains("no certificate in PEM"));
}

#[test]
fn a_folder_that_is_no_layout_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let layout = assemble(&contents()).unwrap();
    // Empty, and then an older layout: both make way.
    layout.write(folder.path()).unwrap();
    layout.write(folder.path()).unwrap();
    fs::remove_file(folder.path().join("oci-layout")).unwrap();
    fs::write(folder.path().join("thesis.txt"), "years").unwrap();
    let refused = layout.write(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("something else"), "{refused}");
    assert!(folder.path().join("thesis.txt").is_file());
}
