//! Word documents in the shapes of the scope package's tables, written as Word writes them.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// How a form is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Legacy form fields, as the package has them.
    Legacy,
    /// Content controls.
    Control,
    /// Typed and drawn into plain cells.
    Typed,
}

/// The forms.
pub const FORMS: [Form; 3] = [Form::Legacy, Form::Control, Form::Typed];

/// The main part's type.
pub const MAIN: &str =
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";

const NAMESPACES: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
     xmlns:w14=\"http://schemas.microsoft.com/office/word/2010/wordml\" \
     xmlns:mc=\"http://schemas.openxmlformats.org/markup-compatibility/2006\"";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A run of text.
pub fn run(text: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{}</w:t></w:r>", escaped(text))
}

/// A text that was filled in; empty: as Word shows a field that was not.
pub fn filled(form: Form, text: &str) -> String {
    match form {
        Form::Typed => run(text),
        Form::Legacy => {
            let shown =
                if text.is_empty() { "\u{2002}\u{2002}\u{2002}\u{2002}\u{2002}" } else { text };
            let data = "<w:ffData><w:name w:val=\"Text1\"/><w:enabled/><w:textInput/></w:ffData>";
            field("FORMTEXT", data, Some(shown))
        }
        Form::Control if text.is_empty() => {
            let hint = run("Click or tap here to enter text.");
            format!(
                "<w:sdt><w:sdtPr><w:showingPlcHdr/><w:text/></w:sdtPr>\
                 <w:sdtContent>{hint}</w:sdtContent></w:sdt>"
            )
        }
        Form::Control => format!(
            "<w:sdt><w:sdtPr><w:text/></w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>",
            run(text)
        ),
    }
}

fn field(word: &str, data: &str, shown: Option<&str>) -> String {
    let shown = shown
        .map(|text| format!("<w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>{}", run(text)));
    format!(
        "<w:r><w:fldChar w:fldCharType=\"begin\">{data}</w:fldChar></w:r>\
         <w:r><w:instrText xml:space=\"preserve\"> {word} </w:instrText></w:r>{}\
         <w:r><w:fldChar w:fldCharType=\"end\"/></w:r>",
        shown.unwrap_or_default()
    )
}

/// A box.
pub fn tick(form: Form, on: bool) -> String {
    let sign = if on { "\u{2612}" } else { "\u{2610}" };
    match form {
        Form::Typed => run(sign),
        Form::Legacy => {
            let state = if on { "<w:checked/>" } else { "" };
            let data = format!(
                "<w:ffData><w:name w:val=\"Check1\"/><w:enabled/><w:checkBox><w:sizeAuto/>\
                 <w:default w:val=\"0\"/>{state}</w:checkBox></w:ffData>"
            );
            field("FORMCHECKBOX", &data, Some(""))
        }
        Form::Control => format!(
            "<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val=\"{}\"/></w14:checkbox></w:sdtPr>\
             <w:sdtContent>{}</w:sdtContent></w:sdt>",
            u8::from(on),
            run(sign)
        ),
    }
}

/// A choice of a list.
pub fn choice(form: Form, entries: &[&str], chosen: usize) -> String {
    match form {
        Form::Typed => run(entries[chosen]),
        Form::Legacy => {
            let all: String =
                entries.iter().map(|one| format!("<w:listEntry w:val=\"{one}\"/>")).collect();
            let data = format!(
                "<w:ffData><w:name w:val=\"Dropdown1\"/><w:enabled/><w:ddList>\
                 <w:result w:val=\"{chosen}\"/>{all}</w:ddList></w:ffData>"
            );
            field("FORMDROPDOWN", &data, None)
        }
        Form::Control => {
            let all: String = entries
                .iter()
                .map(|one| format!("<w:listItem w:displayText=\"{one}\" w:value=\"{one}\"/>"))
                .collect();
            format!(
                "<w:sdt><w:sdtPr><w:dropDownList>{all}</w:dropDownList></w:sdtPr>\
                 <w:sdtContent>{}</w:sdtContent></w:sdt>",
                run(entries[chosen])
            )
        }
    }
}

/// A paragraph of runs.
pub fn paragraph(runs: &str) -> String {
    format!("<w:p>{runs}</w:p>")
}

/// A table; each cell is runs, one paragraph.
pub fn table(rows: &[Vec<String>]) -> String {
    let mut xml = String::from("<w:tbl><w:tblPr/><w:tblGrid/>");
    for row in rows {
        xml.push_str("<w:tr>");
        for cell in row {
            xml.push_str(&format!("<w:tc><w:tcPr/>{}</w:tc>", paragraph(cell)));
        }
        xml.push_str("</w:tr>");
    }
    xml + "</w:tbl>"
}

/// The caption above a table, its number counted by a field.
pub fn caption(number: u8, text: &str) -> String {
    let counted = field("SEQ Table \\* ARABIC", "", Some(&number.to_string()));
    paragraph(&format!("{}{counted}{}", run("Table "), run(&format!(": {text}"))))
}

/// The main part of a document.
pub fn main_part(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <w:document {NAMESPACES}><w:body>{body}<w:sectPr/></w:body></w:document>"
    )
}

/// A document of parts.
pub fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The list of parts, with a main part of this type.
pub fn types(main: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/word/document.xml\" ContentType=\"{main}\"/></Types>"
    )
}

/// A document with this main part.
pub fn docx_of(main_part: &str) -> Vec<u8> {
    let relations = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
         Target=\"word/document.xml\"/></Relationships>";
    archive(&[
        ("[Content_Types].xml", types(MAIN).as_bytes()),
        ("_rels/.rels", relations.as_bytes()),
        ("word/document.xml", main_part.as_bytes()),
    ])
}

/// A document with this body.
pub fn docx(body: &str) -> Vec<u8> {
    docx_of(&main_part(body))
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| run(cell)).collect()
}

/// Table 1, filled in.
pub fn project(form: Form) -> String {
    let pair = |label: &str, value: &str| vec![run(label), filled(form, value)];
    let types = ["Select one", "EMR", "Health information exchange"];
    caption(1, "Project Information")
        + &table(&[
            pair("Context ID", "195900"),
            pair("Practice Name", "Lakeside Family Medicine & Partners"),
            pair("Interface Name", "ridge-hie"),
            pair("Event Number", "EV-1042"),
            pair("Vendor Name", "Ridge Health Exchange"),
            vec![run("Vendor Type"), choice(form, &types, 2)],
            pair("Vendor contact", "J. Doe, 555-0100"),
        ])
}

/// Table 3; the last two events are not ticked.
pub fn enable(form: Form) -> String {
    let mut rows = vec![row(&["Message type", "Event", "HL7", "Include"])];
    for (kind, event, code, on) in [
        ("Patient", "New Patient ADDED", "ADT A28", true),
        ("Patient", "New Patient UPDATED", "ADT A31", true),
        ("Appointment", "Appt SCHEDULED", "SIU S12", true),
        ("Appointment", "Appt UPDATED", "SIU S14", true),
        ("Appointment", "Appt CANCELLED", "SIU S15", true),
        ("Appointment", "Appt CHECKED IN", "SIU S14", false),
        ("Appointment", "Appt CHECKED OUT", "SIU S14", false),
    ] {
        rows.push(vec![run(kind), run(event), run(code), tick(form, on)]);
    }
    caption(3, "Interface Enablement") + &table(&rows)
}

/// Table 4 or 5.
pub fn external_ids(form: Form, number: u8, of: &str, ids: &[[&str; 4]]) -> String {
    let head = ["Custom Field Name", "Custom Field ID", "Record Number Category", "HL7 Field"];
    let mut rows = vec![row(&head)];
    rows.extend(ids.iter().map(|id| id.iter().map(|cell| filled(form, cell)).collect()));
    // The package has rows to spare.
    rows.push((0..4).map(|_| filled(form, "")).collect());
    rows.push(vec![run("Do external IDs have leading zeros?"), {
        format!("{}{}{}{}", tick(form, true), run(" Yes "), tick(form, false), run(" No"))
    }]);
    caption(number, &format!("{of} External IDs")) + &table(&rows)
}

/// Table 6.
pub fn filters(form: Form) -> String {
    let by = |on: bool, label: &str| format!("{}{}", tick(form, on), run(&format!(" {label}")));
    let names = |names: &[&str]| {
        names.iter().map(|name| filled(form, name)).collect::<Vec<_>>().join("</w:p><w:p>")
    };
    caption(6, "Selective Filtering of Outbound Messages")
        + &table(&[
            row(&["Message type", "Filter by", "Names"]),
            vec![run("Patients"), by(false, "Provider"), names(&[""])],
            vec![run("Patients"), by(true, "Department"), names(&["Lakeside Main", "14"])],
            vec![run("Appointments"), by(true, "Provider"), names(&["SEUSS, DOROTHY"])],
            vec![run("Appointments"), by(false, "Department"), names(&[""])],
        ])
}

/// Table 7.
pub fn status(form: Form) -> String {
    let pair = |label: &str, value: &str| vec![run(label), filled(form, value)];
    caption(7, "SCH-25 Filler Status Code")
        + &table(&[
            row(&["Event", "SCH-25 value"]),
            pair("Appt Scheduled", "BOOKED"),
            pair("Appt Updated", "UPDATE"),
            pair("Appt Cancelled", "CANCEL"),
            pair("Appt Checked In", "ARRIVED"),
            pair("Appt Checked Out", "COMPLETED"),
        ])
}

/// Table 8.
pub fn provider_id(form: Form, npi: bool) -> String {
    let by = |on: bool, label: &str| vec![run(label), format!("{}", tick(form, on))];
    caption(8, "Provider ID in outbound messages")
        + &table(&[by(npi, "NPI"), by(!npi, "athenaNet provider ID")])
}

/// The body of a whole package, filled in.
pub fn package(form: Form) -> String {
    let use_case = caption(2, "Use Cases")
        + &table(&[
            row(&["Use case", "Applies"]),
            vec![run("Population health"), tick(form, true)],
            vec![run("Check-in kiosk"), tick(form, false)],
        ]);
    let patients: &[[&str; 4]] = &[["Ridge MRN", "21", "MRN", "PID-3"]];
    let appointments: &[[&str; 4]] = &[["Ridge visit", "641", "Visit", "SCH.1"]];
    let approval = paragraph(&run("Scope Approval"))
        + &table(&[
            vec![run("Approved by"), filled(form, "Ann Example")],
            vec![run("Date"), filled(form, "05/20/2026")],
        ]);
    [
        paragraph(&run("Outbound Patients and Appointments")),
        project(form),
        use_case,
        enable(form),
        external_ids(form, 4, "Patient", patients),
        external_ids(form, 5, "Appointment", appointments),
        filters(form),
        status(form),
        provider_id(form, false),
        approval,
    ]
    .join(&paragraph(""))
}
