//! A paper as one HTML file that asks for nothing else, and prints well.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::paper::{Block, Paper};

/// Landscape, since tables have up to six columns; heads come again on each page.
const STYLE: &str = "
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
h1{font-size:1.7rem}h2{font-size:1.3rem;margin-top:2.5rem;border-bottom:1px solid}
h3{font-size:1.05rem;margin-top:1.5rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border:1px solid #8886;padding:.25rem .5rem;text-align:left;vertical-align:top;
overflow-wrap:anywhere;white-space:pre-line}
th{background:#8882}
pre{overflow-x:auto;padding:.7rem;border:1px solid #8886;white-space:pre-wrap;
overflow-wrap:anywhere}
@media print{@page{size:landscape;margin:12mm}body{margin:0;max-width:none;font-size:10pt}
thead{display:table-header-group}tr,pre{break-inside:avoid}h2,h3,caption{break-after:avoid}}
";

/// Writes a paper as HTML.
pub fn html(paper: &Paper) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { (paper.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (paper.title) }
                    @for block in &paper.blocks { (of(block)) }
                }
            }
        }
    };
    page.into_string()
}

fn of(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(1, text) => h2 { (text) },
            Block::Heading(_, text) => h3 { (text) },
            Block::Text(text) => p { (text) },
            Block::Lines(lines) => pre { @for line in lines { (line) "\n" } },
            Block::Table { caption, head, rows } => table {
                caption { (caption) }
                thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                tbody {
                    @for row in rows { tr { @for cell in row { td { (cell) } } } }
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paper::example;
    use super::*;

    #[test]
    fn the_page_is_whole_and_its_texts_are_texts() {
        let page = html(&example());
        assert!(page.contains("<h1>Scope of &lt;ridge&gt;</h1><h2>1. Fields &amp; tables</h2>"));
        assert!(
            page.contains("<th scope=\"col\">Field</th>") && page.contains("<td>DOE^ANN|x</td>")
        );
        assert!(page.contains("<p>No rows.</p><pre>MSH|^~\\&amp;|A\nPID|1\n</pre>"));
        for outside in ["http://", "https://", "src=", "<script", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
