//! A paper as Markdown, with the tables of GitHub.

use super::paper::{Block, Paper};

/// Writes a paper as Markdown.
pub fn markdown(paper: &Paper) -> String {
    let mut out = format!("# {}\n", plain(&paper.title));
    for block in &paper.blocks {
        out.push('\n');
        match block {
            Block::Heading(level, text) => {
                let marks = "#".repeat(usize::from(*level) + 1);
                out.push_str(&format!("{marks} {}\n", plain(text)));
            }
            Block::Text(text) => out.push_str(&format!("{}\n", plain(text))),
            Block::Lines(lines) => {
                out.push_str("```\n");
                lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
                out.push_str("```\n");
            }
            Block::Table { caption, head, rows } => {
                out.push_str(&format!("{}\n\n", plain(caption)));
                let head: Vec<String> = head.iter().map(ToString::to_string).collect();
                row(&head, &mut out);
                out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
                rows.iter().for_each(|cells| row(cells, &mut out));
            }
        }
    }
    out
}

fn row(cells: &[String], out: &mut String) {
    for cell in cells {
        out.push_str(&format!("| {} ", plain(cell)));
    }
    out.push_str("|\n");
}

/// Writes a text so that Markdown shows it and does nothing with it.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '\n' => out.push_str("<br>"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '`' | '\\' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(char);
            }
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::paper::example;
    use super::*;

    #[test]
    fn markdown_shows_texts_and_does_nothing_with_them() {
        let text = markdown(&example());
        assert!(text.starts_with("# Scope of &lt;ridge&gt;\n\n## 1. Fields &amp; tables\n"));
        assert!(text.contains("\n| Field | Value |\n| --- | --- |\n| PID-5 | DOE^ANN\\|x |\n"));
        assert!(text.contains("| two<br>lines | \u{3b1} \\\\ \\_x\\_ |\n\nNo rows.\n"));
        assert!(text.ends_with("```\nMSH|^~\\&|A\nPID|1\n```\n"));
    }
}
