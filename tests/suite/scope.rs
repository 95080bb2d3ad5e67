//! `scope import`: the filled Word package becomes an interface file, or is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hl7drop::config::interface;
use hl7drop::domain::{Environment, Event, FilterBy, ProviderIds, Scope};

use crate::site::{Output, ended};
use crate::word::{self, Form};

/// A folder with one document in it.
struct Desk {
    place: tempfile::TempDir,
}

impl Desk {
    fn with(bytes: &[u8]) -> Desk {
        let place = tempfile::Builder::new().prefix("hl7drop-scope-").tempdir().unwrap();
        fs::write(place.path().join("package.docx"), bytes).unwrap();
        Desk { place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn import(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        command.args(["scope", "import"]).arg(self.path("package.docx")).args(more);
        ended(&mut command)
    }
}

fn scope(text: &str) -> Scope {
    interface::read(text, Path::new(".")).unwrap_or_else(|told| panic!("{told:?}\n{text}"))
}

/// Imports a body; returns what came out, and what was said.
fn imported(body: &str) -> Output {
    Desk::with(&word::docx(body)).import(&[])
}

#[test]
fn a_filled_package_becomes_a_checked_interface_file_however_it_was_filled_in() {
    let texts = word::FORMS.map(|form| {
        let output = imported(&word::package(form));
        assert_eq!(output.code, Some(3), "{form:?}: {output:?}");
        output.out
    });
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
    let scope = scope(&texts[0]);
    assert_eq!(scope.interface.as_str(), "ridge-hie");
    assert_eq!(scope.context_id, "195900");
    assert_eq!(scope.practice, "Lakeside Family Medicine & Partners");
    assert_eq!(scope.environment, Environment::Test);
    assert_eq!(scope.enabled, Event::ALL[..5]);
    assert_eq!(scope.patient_ids[0].custom_field_id, "21");
    assert!(scope.patient_ids[0].leading_zeros && scope.appointment_ids[0].leading_zeros);
    assert_eq!(scope.appointment_ids[0].target.field.to_string(), "SCH-1");
    let names = ["Lakeside Main", "14"].map(String::from);
    assert_eq!(scope.filters.patients[&FilterBy::Department], names);
    assert_eq!(scope.filters.appointments[&FilterBy::Provider], ["SEUSS, DOROTHY"]);
    assert_eq!(scope.filters.patients.len() + scope.filters.appointments.len(), 2);
    assert_eq!(scope.status.get(&Event::AppointmentCancelled).unwrap(), "CANCEL");
    assert_eq!(scope.status.len(), 1);
    assert_eq!(scope.provider_ids, ProviderIds::Athena);
    for line in [
        "vendor_type = \"Health information exchange\" # table 1, row 6",
        "# - vendor contact: J. Doe, 555-0100 (table 1, row 7)",
        "# - Population health [ticked] (table 2, row 2)",
        "# - Approved by: Ann Example (the table of the scope approval, row 1)",
        "appointment_checked_in = false           # table 3, row 7",
    ] {
        assert!(texts[0].lines().any(|found| found == line), "{line}\n{}", texts[0]);
    }
}

#[test]
fn the_example_is_a_filled_package() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/package.docx");
    // Its names are those of examples/quickstart.
    let body = word::package(Form::Legacy)
        .replace("Lakeside Main", "BOSTON FAMILY MEDICINE")
        .replace("SEUSS, DOROTHY", "DURGAN, ETHEL");
    let package = word::docx(&body);
    if std::env::var_os("HL7DROP_BLESS").is_some() {
        fs::write(&example, &package).unwrap();
    }
    let (there, made) = (Desk::with(&fs::read(example).unwrap()), Desk::with(&package));
    assert_eq!(there.import(&[]).out, made.import(&[]).out, "HL7DROP_BLESS=1 writes it");
}

#[test]
fn what_the_document_leaves_open_is_asked_with_its_place() {
    let form = Form::Legacy;
    let pair = |label: &str, value: &str| vec![word::run(label), word::filled(form, value)];
    let body = word::caption(1, "Project Information")
        + &word::table(&[
            pair("Context ID", "195900 or 195901"),
            pair("Practice Name", ""),
            pair("Vendor Name", "Ridge"),
        ])
        + &word::caption(3, "Interface Enablement")
        + &word::table(&[
            pair("New Patient ADDED", "Yes"),
            pair("New Patient UPDATED", "No"),
            pair("Appt SCHEDULED", ""),
            pair("Appt CANCELLED", "maybe"),
        ])
        + &word::external_ids(
            form,
            4,
            "Patient",
            &[
                ["Ridge MRN", "", "MRN", "PID-3"],
                ["Chart", "22", "", "PID-4"],
                ["Old", "23", "Old", "the third one"],
                ["Visit", "24", "Visit", "SCH-1"],
            ],
        )
        + &word::provider_id(form, true).replace("<w:checked/>", "");
    let output = imported(&body);
    assert_eq!(output.code, Some(3), "{output:?}");
    for told in [
        "table 1, row 1: the context ID is not one number",
        "table 1, row 2: the practice is empty",
        "table 3, row 3: whether appointment_scheduled is wanted cannot be told",
        "table 3, row 4: whether appointment_cancelled is wanted cannot be told",
        "table 3: there is no row for appointment_checked_in",
        "table 4, row 2: the external ID \"Ridge MRN\" has no custom field ID",
        "table 4, row 3: custom field 22 (Chart) names no record number category",
        "table 4, row 4: custom field 23 (Old) has no HL7 field that can be read",
        "table 4, row 5: SCH-1 takes no such ID",
        "table 8: which ID stands for a provider is not chosen, or both are",
        "the document: it has no table 6",
        "the document: no table says how files reach the vendor",
    ] {
        assert!(output.err.contains(told), "{told}\n{}", output.err);
        assert!(output.out.contains(told.split(' ').next().unwrap()));
    }
    let scope = scope(&output.out);
    assert_eq!(scope.enabled, [Event::PatientAdded]);
    assert_eq!(scope.patient_ids.len(), 1, "the row that the checks refuse is left out");
    assert_eq!(scope.interface.as_str(), "ridge");
}

#[test]
fn a_value_that_no_message_can_hold_is_asked_and_left_out() {
    let body = word::package(Form::Typed)
        .replace("SCH-25 value", "SCH-25 value ")
        .replace("CANCEL</w:t>", "CAN|CEL</w:t>");
    let output = imported(&body);
    assert!(output.err.contains("table 7, row 4: "), "{}", output.err);
    assert!(output.err.contains("set appointment_cancelled in [appointments.status]"));
    assert!(scope(&output.out).status.is_empty());
}

#[test]
fn questions_are_told_to_machines_and_files_are_not_overwritten() {
    let desk = Desk::with(&word::docx(&word::package(Form::Legacy)));
    let file = desk.path("ridge.toml");
    let output = desk.import(&["--json", "--name", "ridge", "-o", file.to_str().unwrap()]);
    assert_eq!((output.code, output.out.as_str()), (Some(3), ""), "{output:?}");
    let told: serde_json::Value = serde_json::from_str(&output.err).unwrap();
    assert_eq!(told["questions"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(told["questions"][0]["row"], serde_json::Value::Null);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(scope(&text).interface.as_str(), "ridge");
    let again = desk.import(&["-o", file.to_str().unwrap()]);
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("is there already; nothing was changed"), "{}", again.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn deleted_text_is_not_read_and_changes_that_nobody_accepted_are_told() {
    let shown = "<w:del w:id=\"1\"><w:r><w:delText>1</w:delText></w:r></w:del>\
                 <w:ins w:id=\"2\"><w:r><w:t>195900</w:t></w:r></w:ins>";
    let body = word::package(Form::Typed).replace(&word::run("195900"), shown);
    let output = imported(&body);
    assert_eq!(scope(&output.out).context_id, "195900");
    assert!(output.err.contains("has changes that nobody has accepted"), "{}", output.err);
}

#[test]
fn cells_that_go_on_from_above_and_tables_within_tables_are_read() {
    let merged = |how: &str, runs: &str| {
        format!("<w:tc><w:tcPr><w:vMerge{how}/></w:tcPr><w:p>{runs}</w:p></w:tc>")
    };
    let cell = |runs: &str| format!("<w:tc><w:p>{runs}</w:p></w:tc>");
    let by = |label: &str| format!("{}{}", word::tick(Form::Legacy, true), word::run(label));
    let filters = format!(
        "<w:tbl><w:tr>{}{}{}</w:tr><w:tr>{}{}{}</w:tr><w:tr>{}{}{}</w:tr></w:tbl>",
        cell(&word::run("Message type")),
        cell(&word::run("Filter by")),
        cell(&word::run("Names")),
        merged(" w:val=\"restart\"", &word::run("Appointments")),
        cell(&by(" Provider")),
        cell(&word::run("27, 31; 44")),
        merged("", ""),
        cell(&by(" Department")),
        cell(&word::run("Lakeside Main, North")),
    );
    let body = format!(
        "{}<w:tbl><w:tr><w:tc>{}<w:p/></w:tc></w:tr></w:tbl>{filters}",
        word::project(Form::Legacy),
        word::enable(Form::Legacy)
    );
    let output = imported(&body);
    let scope = scope(&output.out);
    assert_eq!(scope.enabled.len(), 5);
    assert_eq!(scope.filters.appointments[&FilterBy::Provider], ["27", "31", "44"]);
    assert_eq!(scope.filters.appointments[&FilterBy::Department], ["Lakeside Main, North"]);
    assert!(output.err.contains("\"Lakeside Main, North\" may be one name or 2"), "{}", output.err);
}

/// A document, and what is said of it.
type Bad = (&'static str, Vec<u8>, &'static str);

/// A document of this list of parts and one part more.
fn parted(main: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    word::archive(&[("[Content_Types].xml", word::types(main).as_bytes()), (name, bytes)])
}

/// Files that are no Word document, or not this one.
fn other_documents() -> Vec<Bad> {
    let whole = word::docx(&word::package(Form::Legacy));
    let sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";
    let macros = "application/vnd.ms-word.document.macroEnabled.main+xml";
    let letter = word::docx(&word::paragraph(&word::run("Dear Ann")));
    let half = word::docx(&word::project(Form::Legacy));
    vec![
        ("empty", Vec::new(), "this is an empty file"),
        ("old Word", b"\xd0\xcf\x11\xe0\xa1\xb1rest".to_vec(), "an old Word file (.doc)"),
        ("PDF", b"%PDF-1.7 and so on".to_vec(), "this is a PDF file"),
        ("RTF", b"{\\rtf1 and so on}".to_vec(), "this is an RTF file"),
        ("CSV", b"patientid,lastname\n1,Doe\n".to_vec(), "this is some other file"),
        ("another archive", word::archive(&[("a.txt", b"a")]), "this is a ZIP archive"),
        ("cut off", whole[..whole.len() / 2].to_vec(), "the document is damaged"),
        ("no main part", parted(word::MAIN, "x.xml", b"<x/>"), "no part word/document.xml"),
        ("a workbook", parted(sheet, "x.xml", b"<x/>"), "an Excel workbook"),
        ("macros", parted(macros, "x.xml", b"<x/>"), "with macros (.docm)"),
        ("no types", word::archive(&[("[Content_Types].xml", b"<T/>")]), "names no main part"),
        ("another document", letter, "it has 0 tables, and none with"),
        ("half the package", half, "none that enables the seven events"),
    ]
}

/// Documents that are broken, or made to harm.
fn hostile_documents() -> Vec<Bad> {
    let part = word::main_part(&word::package(Form::Legacy));
    let entity = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><w:document";
    let outside = part.replace("<w:document", entity);
    let deep = word::main_part(&"<w:p>".repeat(100_000));
    let names: String = (0..200_000).map(|at| format!(" a{at}=\"\"")).collect();
    let many = format!("<w:document{names}/>");
    let main = |bytes: &[u8]| parted(word::MAIN, "word/document.xml", bytes);
    let way_out = parted(word::MAIN, "../word/document.xml", part.as_bytes());
    let broken = part.replacen("</w:tc>", "</w:tr>", 1);
    vec![
        ("a way out", way_out, "leads out of it"),
        ("an entity from outside", main(outside.as_bytes()), "declares a document type"),
        ("its own entity", main(part.replace("195900", "&boom;").as_bytes()), "has an entity"),
        ("XML cut off", main(&part.as_bytes()[..part.len() / 2]), "its XML is broken"),
        ("XML broken", main(broken.as_bytes()), "its XML is broken"),
        ("not UTF-8", main(b"<w:document>\xff\xfe</w:document>"), "is not UTF-8"),
        ("nested without end", main(deep.as_bytes()), "nested over 512 deep"),
        ("a bomb", main(&vec![b' '; 40 << 20]), "unpacks to over 32 MiB"),
        ("very many attributes", main(many.as_bytes()), "is not the scope package"),
    ]
}

#[test]
fn what_is_not_a_filled_package_is_refused_and_nothing_is_written() {
    for (name, bytes, told) in other_documents().into_iter().chain(hostile_documents()) {
        let desk = Desk::with(&bytes);
        let file = desk.path("out.toml");
        let output = desk.import(&["-o", file.to_str().unwrap()]);
        assert_eq!(output.code, Some(2), "{name}: {output:?}");
        assert!(output.err.contains(told), "{name}: {}", output.err);
        assert!(output.err.contains("package.docx: "), "{name}: {}", output.err);
        assert!(!file.exists() && output.out.is_empty(), "{name}");
    }
}

#[test]
fn a_document_with_a_changed_byte_is_read_or_refused_and_never_more() {
    let whole = word::docx(&word::package(Form::Legacy));
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        if let Ok(answers) = hl7drop::package::read(&bytes) {
            assert!(!answers.keys.is_empty());
        }
    }
}

/// Sends a document through LibreOffice, which reads it and writes it anew.
fn through_libreoffice(folder: &Path, to: &str) {
    let mut command = Command::new("soffice");
    command.args(["--headless", "--convert-to", to, "--outdir"]).arg(folder.join("out"));
    command.env("HOME", folder).arg(folder.join("package.docx"));
    let output = ended(&mut command);
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[test]
#[ignore = "needs LibreOffice; scripts/libreoffice.sh runs it"]
fn a_package_that_libreoffice_saved_reads_as_before() {
    for form in word::FORMS {
        let desk = Desk::with(&word::docx(&word::package(form)));
        let before = desk.import(&[]);
        through_libreoffice(desk.place.path(), "docx:MS Word 2007 XML");
        let saved = Desk::with(&fs::read(desk.path("out/package.docx")).unwrap());
        let after = saved.import(&[]);
        assert_eq!(after.code, Some(3), "{form:?}: {after:?}");
        assert_eq!(after.out, before.out, "{form:?}");
        through_libreoffice(desk.place.path(), "doc");
        let old = Desk::with(&fs::read(desk.path("out/package.doc")).unwrap()).import(&[]);
        assert_eq!(old.code, Some(2), "{old:?}");
        assert!(old.err.contains("an old Word file (.doc)"), "{old:?}");
    }
}
