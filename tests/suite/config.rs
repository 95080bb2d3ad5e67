//! The interface files that stand in the project read as what they say.

#![allow(clippy::unwrap_used, reason = "a helper of tests is no test to clippy")]

use std::path::Path;

use hl7drop::config::interface;
use hl7drop::domain::{Environment, ExtractKind, Method, ProviderIds, Scope};

fn golden() -> Scope {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/golden-v231");
    let text = std::fs::read_to_string(folder.join("interface.toml")).unwrap();
    interface::read(&text, &folder).unwrap()
}

#[test]
fn the_golden_interface_says_what_the_golden_readme_says() {
    let scope = golden();
    assert_eq!(scope.context_id, "99999");
    assert_eq!(scope.practice, "Riverbend Family Medicine");
    assert_eq!(scope.environment, Environment::Test);
    assert_eq!(scope.wire.hl7_version, "2.3.1");
    assert_eq!(scope.wire.sending_application, "ATHENANET");
    assert_eq!(scope.wire.receiving_application, "CARESYNC");
    assert_eq!(scope.wire.receiving_facility, "MERCY");
    assert_eq!(scope.provider_ids, ProviderIds::Npi);
    assert!(matches!(scope.endpoints[0].method, Method::Folder(_)));
    assert_eq!(scope.enabled.len(), 7);

    let [patient] = scope.patient_ids.as_slice() else { panic!("one patient ID") };
    assert_eq!(patient.custom_field_id, "41");
    assert_eq!(patient.category, "MRN");
    assert_eq!(patient.target.field.to_string(), "PID-3");
    assert!(!patient.target.replaces);
    assert_eq!((patient.authority.as_str(), patient.id_type.as_str()), ("MERCY", "MR"));

    let [appointment] = scope.appointment_ids.as_slice() else { panic!("one appointment ID") };
    assert_eq!(appointment.custom_field_id, "641");
    assert_eq!(appointment.target.field.to_string(), "SCH-1");
    assert_eq!(appointment.authority, "MERCYAPPT");
}

#[test]
fn the_golden_interface_knows_the_example_extracts_and_plain_names() {
    let scope = golden();
    let kinds = |name: &str| -> Vec<ExtractKind> {
        let knows = |kind: &ExtractKind| scope.files[kind].iter().any(|file| file.matches(name));
        ExtractKind::ALL.into_iter().filter(knows).collect()
    };
    for kind in ExtractKind::ALL {
        let word = kind.word();
        assert_eq!(kinds(&format!("example_{word}.csv")), [kind]);
        assert_eq!(kinds(&format!("{word}.csv")), [kind]);
        assert_eq!(kinds(&format!("{word}.csv.gz")), [kind]);
    }
    assert!(kinds("notes.txt").is_empty());
}
