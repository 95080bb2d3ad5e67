//! From a file's bytes to the text of its main part. Whatever is not a Word document of
//! today, or may have been made to harm, is refused with what to do.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes that a document has at most; a filled package has some hundred thousand.
pub const FILE_MAX: u64 = 32 << 20;

/// Bytes that a part has at most once it is unpacked.
const PART_MAX: u64 = 32 << 20;

/// Parts that a document has at most.
const PARTS_MAX: usize = 2_000;

/// The list of parts.
const TYPES: &str = "[Content_Types].xml";

/// What the main part of a document, or of a template for documents, is.
const MAIN: &[&str] = &[
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
];

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// It is something else.
    #[error("this is {0}, not a Word document (.docx); {1}")]
    Foreign(&'static str, &'static str),
    /// It is cut off, or its bytes changed.
    #[error("the document is damaged: {0}; ask for it once more, or open and save it in Word")]
    Damaged(String),
    /// It has what no document of Word's has, and could do harm.
    #[error(
        "the document is refused: {0}; if it comes from a person you know, open it in Word and save it anew"
    )]
    Hostile(String),
    /// It is a document, and not this one.
    #[error("this Word document is not the scope package: {0}")]
    Other(String),
}

/// Returns the XML of the main part.
///
/// # Errors
/// [`PackageError`], for whatever is not such a document.
pub fn main_part(bytes: &[u8]) -> Result<String, PackageError> {
    magic(bytes)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > PARTS_MAX {
        return Err(PackageError::Hostile(format!("it has {} parts", archive.len())));
    }
    if archive.has_duplicate_names() {
        return Err(PackageError::Hostile("two of its parts have one name".to_string()));
    }
    if archive.has_overlapping_files().map_err(damaged)? {
        return Err(PackageError::Hostile("two of its parts share their bytes".to_string()));
    }
    for name in archive.file_names() {
        let name = name.map_err(damaged)?;
        let bad = name.starts_with('/')
            || name.contains(['\\', ':', '\0'])
            || name.split('/').any(|step| step == "..");
        if bad {
            return Err(PackageError::Hostile("the name of a part leads out of it".to_string()));
        }
    }
    if archive.index_for_name(TYPES).is_none() {
        return Err(PackageError::Foreign("a ZIP archive", "unpack it and give the .docx in it"));
    }
    let types = part(&mut archive, TYPES)?;
    let main = main_name(&types)?;
    part(&mut archive, &main)
}

/// Says by its first bytes what a file is that is no ZIP archive.
fn magic(bytes: &[u8]) -> Result<(), PackageError> {
    let save = "open it in Word and save it as .docx";
    let known: [(&[u8], &str, &str); 5] = [
        (b"\xd0\xcf\x11\xe0", "an old Word file (.doc) or one with a password", save),
        (b"{\\rtf", "an RTF file", save),
        (b"%PDF", "a PDF file", "ask for the document that it was made of"),
        (b"<", "a web page or an XML file", save),
        (b"", "an empty file", "copy it again"),
    ];
    if bytes.starts_with(b"PK\x03\x04") {
        return Ok(());
    }
    for (start, what, todo) in known {
        if bytes.starts_with(start) && (!start.is_empty() || bytes.is_empty()) {
            return Err(PackageError::Foreign(what, todo));
        }
    }
    Err(PackageError::Foreign("some other file", save))
}

fn damaged(err: ZipError) -> PackageError {
    match err {
        ZipError::UnsupportedArchive(what) if what.contains("assword") => {
            PackageError::Foreign("a file with a password", "save it without one")
        }
        ZipError::UnsupportedArchive(what) => {
            PackageError::Damaged(format!("its archive cannot be read ({what})"))
        }
        _ => PackageError::Damaged("its ZIP archive is cut off or was changed".to_string()),
    }
}

/// Unpacks one part, as long as it is no longer than a part may be, whatever it says.
fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, PackageError> {
    let file = archive.by_name(name).map_err(|err| match err {
        ZipError::FileNotFound => PackageError::Damaged(format!("it has no part {name}")),
        err => damaged(err),
    })?;
    let mut bytes = Vec::new();
    file.take(PART_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| PackageError::Damaged(format!("its part {name} cannot be unpacked")))?;
    if bytes.len() as u64 > PART_MAX {
        let mib = PART_MAX >> 20;
        return Err(PackageError::Hostile(format!("its part {name} unpacks to over {mib} MiB")));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(text)
        .map_err(|_| PackageError::Damaged(format!("its part {name} is not UTF-8")))
}

/// Finds the name of the main part by its type; the name itself says nothing.
fn main_name(types: &str) -> Result<String, PackageError> {
    let (mut reader, mut other) = (Reader::from_str(types), None);
    loop {
        match event(&mut reader)? {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) if local(&tag) == "Override" => {
                let of = attribute(&tag, "ContentType")?.unwrap_or_default();
                let name = attribute(&tag, "PartName")?.unwrap_or_default();
                if MAIN.contains(&of.as_ref()) {
                    return Ok(name.trim_start_matches('/').to_string());
                }
                other = other.or(foreign(&of));
            }
            _ => {}
        }
    }
    Err(other.unwrap_or_else(|| PackageError::Damaged("it names no main part".to_string())))
}

fn foreign(of: &str) -> Option<PackageError> {
    let (what, todo) = match of {
        of if of.contains("spreadsheetml") => {
            ("an Excel workbook", "give the Word document of the scope package")
        }
        of if of.contains("presentationml") => {
            ("a PowerPoint file", "give the Word document of the scope package")
        }
        of if of.contains("macroEnabled") => {
            ("a Word document with macros (.docm)", "save it as .docx, which leaves them out")
        }
        _ => return None,
    };
    Some(PackageError::Foreign(what, todo))
}

/// Returns the next piece of XML. A document type is where entities are declared, from
/// outside or a billion of them; no part of Word's has one.
///
/// # Errors
/// XML that is none, or that is not to be trusted.
pub fn event<'a>(reader: &mut Reader<&'a [u8]>) -> Result<Event<'a>, PackageError> {
    match reader.read_event() {
        Ok(Event::DocType(_)) => {
            Err(PackageError::Hostile("its XML declares a document type (DTD)".to_string()))
        }
        Ok(event) => Ok(event),
        Err(_) => Err(xml_damage(reader)),
    }
}

/// Says where XML cannot be read; not what stands there.
pub fn xml_damage(reader: &Reader<&[u8]>) -> PackageError {
    PackageError::Damaged(format!("its XML is broken at byte {}", reader.error_position()))
}

/// Returns the name of a tag without its prefix.
pub fn local<'a>(tag: &'a BytesStart<'_>) -> &'a str {
    let name = tag.name().0;
    name.rsplit(':').next().unwrap_or(name)
}

/// Returns an attribute by its name without its prefix.
///
/// # Errors
/// Attributes that are none, and entities of the document's own.
pub fn attribute<'a>(
    tag: &'a BytesStart<'_>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, PackageError> {
    let broken = || PackageError::Damaged("an attribute of its XML is broken".to_string());
    // With checks each attribute would be held against all before it: of a million, for hours.
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| broken())?;
        let key = attribute.key.0;
        if key.rsplit(':').next() == Some(name) {
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| broken())?;
            return Ok(Some(Cow::Owned(value.into_owned())));
        }
    }
    Ok(None)
}
