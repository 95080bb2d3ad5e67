//! The golden texts in the other versions of HL7: `interface.md` section 4 says what
//! differs, and nothing else may.

use std::path::Path;
use std::process::Command;

const GOLDEN: &str = "../shared/spec/golden";

/// Converts the golden extracts in a version; one segment a line.
fn converted(version: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let settings = std::fs::read_to_string(root.join("tests/cases/golden-v231/interface.toml"));
    let settings = settings.unwrap();
    let wire = format!("[wire]\nhl7_version = \"{version}\"");
    let place = tempfile::tempdir().unwrap();
    let interface = place.path().join("interface.toml");
    let without: Vec<&str> =
        settings.lines().filter(|line| !line.starts_with("hl7_version")).collect();
    std::fs::write(&interface, without.join("\n").replace("[wire]", &wire)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.arg("convert").arg("--interface").arg(&interface);
    command.args(["--clock", "2026-05-20T11:00:00", "--first-control-id", "1000001"]);
    command.args(["--file-number", "42"]);
    for kind in ["patients", "appointments", "providers", "departments"] {
        command.arg(root.join(GOLDEN).join(format!("example_{kind}.csv")));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace('\r', "\n")
}

#[test]
fn from_2_4_on_only_msh_and_the_patient_class_differ() {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN).is_dir() {
        assert!(std::env::var_os("CI").is_none(), "{GOLDEN} is missing");
        println!("{GOLDEN} is not here");
        return;
    }
    let old = converted("2.3.1");
    for version in ["2.4", "2.5", "2.5.1"] {
        let mut adt = false;
        let mut expected = String::new();
        for segment in old.lines() {
            let segment = if segment.starts_with("MSH|") {
                adt = segment.contains("||ADT^");
                let structure = if adt { "^ADT_A05" } else { "^SIU_S12" };
                let mut fields: Vec<String> = segment.split('|').map(str::to_string).collect();
                fields[3] = "99999".to_string();
                fields[8].push_str(structure);
                fields[11] = version.to_string();
                fields.join("|")
            } else if adt && segment.starts_with("PV1|1|O|") {
                segment.replacen("PV1|1|O|", "PV1|1|N|", 1)
            } else {
                segment.to_string()
            };
            expected.push_str(&segment);
            expected.push('\n');
        }
        assert_eq!(converted(version), expected, "{version}");
    }
}
