//! A paper as a Word document, with styles that Word's own headings and tables have.

use std::io::{Cursor, Write};

use quick_xml::escape::escape;
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

use super::paper::{Block, Paper};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

const TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
<Default Extension=\"xml\" ContentType=\"application/xml\"/>\
<Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/>\
<Override PartName=\"/word/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml\"/></Types>";

const ROOT: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
<Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>";

const OF_DOCUMENT: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
<Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles\" Target=\"styles.xml\"/></Relationships>";

const WORD: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";

/// Returns the styles. Sizes are half points, spaces twentieths of one.
fn styles() -> String {
    let heading = |level: u8, size: u8| {
        format!(
            "<w:style w:type=\"paragraph\" w:styleId=\"Heading{level}\"><w:name w:val=\"heading {level}\"/>\
             <w:basedOn w:val=\"Normal\"/><w:next w:val=\"Normal\"/><w:qFormat/><w:pPr><w:keepNext/>\
             <w:spacing w:before=\"240\" w:after=\"80\"/><w:outlineLvl w:val=\"{}\"/></w:pPr>\
             <w:rPr><w:b/><w:sz w:val=\"{size}\"/></w:rPr></w:style>",
            level - 1
        )
    };
    let style = |id: &str, name: &str, paragraph: &str, run: &str| {
        format!(
            "<w:style w:type=\"paragraph\" w:styleId=\"{id}\"><w:name w:val=\"{name}\"/>\
             <w:basedOn w:val=\"Normal\"/><w:qFormat/><w:pPr>{paragraph}</w:pPr>\
             <w:rPr>{run}</w:rPr></w:style>"
        )
    };
    let mut text = format!("{HEAD}<w:styles {WORD}><w:docDefaults><w:rPrDefault><w:rPr>");
    text.push_str(
        "<w:rFonts w:ascii=\"Calibri\" w:hAnsi=\"Calibri\" w:cs=\"Calibri\"/><w:sz w:val=\"20\"/>\
         <w:lang w:val=\"en-US\"/></w:rPr></w:rPrDefault></w:docDefaults>\
         <w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/>\
         <w:pPr><w:spacing w:after=\"80\"/></w:pPr></w:style>",
    );
    text.push_str(&style("Title", "Title", "", "<w:b/><w:sz w:val=\"40\"/>"));
    text.push_str(&heading(1, 30));
    text.push_str(&heading(2, 24));
    text.push_str(&style("Caption", "caption", "<w:keepNext/>", "<w:b/>"));
    let cell = style("Cell", "Cell", "<w:spacing w:after=\"0\"/>", "<w:sz w:val=\"17\"/>");
    text.push_str(&cell);
    let mono = "<w:rFonts w:ascii=\"Courier New\" w:hAnsi=\"Courier New\"/><w:sz w:val=\"16\"/>";
    text.push_str(&style("Lines", "Lines", "<w:spacing w:after=\"0\"/>", mono));
    text + "</w:styles>"
}

/// Writes a paper as .docx.
///
/// # Errors
/// [`ZipError`], which a paper of some megabytes cannot cause.
pub fn docx(paper: &Paper) -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let parts = [
        ("[Content_Types].xml", format!("{HEAD}{TYPES}")),
        ("_rels/.rels", format!("{HEAD}{ROOT}")),
        ("word/document.xml", document(paper)),
        ("word/styles.xml", styles()),
        ("word/_rels/document.xml.rels", format!("{HEAD}{OF_DOCUMENT}")),
    ];
    for (name, text) in parts {
        // Without a time of its own, so that the same paper is the same bytes.
        zip.start_file(name, SimpleFileOptions::DEFAULT)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

fn document(paper: &Paper) -> String {
    let mut out = format!("{HEAD}<w:document {WORD}><w:body>");
    paragraph("Title", &paper.title, &mut out);
    for block in &paper.blocks {
        match block {
            Block::Heading(level, text) => paragraph(&format!("Heading{level}"), text, &mut out),
            Block::Text(text) => paragraph("Normal", text, &mut out),
            Block::Lines(lines) => {
                lines.iter().for_each(|line| paragraph("Lines", line, &mut out));
                paragraph("Normal", "", &mut out);
            }
            Block::Table { caption, head, rows } => {
                paragraph("Caption", caption, &mut out);
                table(head, rows, &mut out);
                paragraph("Normal", "", &mut out);
            }
        }
    }
    // Letter, landscape.
    out.push_str(
        "<w:sectPr><w:pgSz w:w=\"15840\" w:h=\"12240\" w:orient=\"landscape\"/>\
         <w:pgMar w:top=\"720\" w:right=\"720\" w:bottom=\"720\" w:left=\"720\" w:header=\"360\" \
         w:footer=\"360\" w:gutter=\"0\"/></w:sectPr></w:body></w:document>",
    );
    out
}

fn paragraph(style: &str, text: &str, out: &mut String) {
    out.push_str(&format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r>"));
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push_str("<w:br/>");
        }
        // XML has no other control characters.
        let line: String = line.chars().filter(|char| !char.is_control()).collect();
        out.push_str(&format!("<w:t xml:space=\"preserve\">{}</w:t>", escape(line.as_str())));
    }
    out.push_str("</w:r></w:p>");
}

fn table(head: &[&'static str], rows: &[Vec<String>], out: &mut String) {
    let edge = |name: &str| {
        format!("<w:{name} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"999999\"/>")
    };
    let edges: String = ["top", "left", "bottom", "right", "insideH", "insideV"].map(edge).concat();
    // Fiftieths of a percent: the whole width, shared.
    let width = 5000 / head.len().max(1);
    out.push_str(&format!(
        "<w:tbl><w:tblPr><w:tblW w:w=\"5000\" w:type=\"pct\"/><w:tblBorders>{edges}</w:tblBorders>\
         </w:tblPr><w:tblGrid>{}</w:tblGrid>",
        format!("<w:gridCol w:w=\"{}\"/>", 14400 / head.len().max(1)).repeat(head.len())
    ));
    let cell = |text: &str, out: &mut String| {
        out.push_str(&format!("<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"pct\"/></w:tcPr>"));
        paragraph("Cell", text, out);
        out.push_str("</w:tc>");
    };
    out.push_str("<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>");
    head.iter().for_each(|text| cell(text, out));
    out.push_str("</w:tr>");
    for row in rows {
        out.push_str("<w:tr><w:trPr><w:cantSplit/></w:trPr>");
        row.iter().for_each(|text| cell(text, out));
        out.push_str("</w:tr>");
    }
    out.push_str("</w:tbl>");
}

#[cfg(test)]
mod tests {
    use super::super::archive::main_part;
    use super::super::document::read;
    use super::super::paper::example;
    use super::*;

    #[test]
    fn our_own_reader_finds_the_tables_again() {
        let bytes = docx(&example()).unwrap();
        assert_eq!(bytes, docx(&example()).unwrap(), "the same paper is the same bytes");
        let document = read(&main_part(&bytes).unwrap()).unwrap();
        let table = &document.tables[0];
        assert_eq!(table.lead.last().unwrap(), "Table 1");
        let text: Vec<String> = table.rows[1].iter().map(|cell| cell.text()).collect();
        assert_eq!(text, ["PID-5", "DOE^ANN|x"]);
        assert_eq!(table.rows[2][0].lines(), ["two", "lines"]);
    }
}
