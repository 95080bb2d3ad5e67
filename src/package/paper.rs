//! A paper for people: headings, texts and tables, whatever it is written as.

/// A paper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// Its title.
    pub title: String,
    /// What it holds, in order.
    pub blocks: Vec<Block>,
}

/// A part of a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading; 1 is a chapter, 2 stands within one.
    Heading(u8, String),
    /// A paragraph.
    Text(String),
    /// Lines that stand as they are, such as a message.
    Lines(Vec<String>),
    /// A table: its caption, the head of each column, and rows as wide as that.
    Table {
        /// What stands above it.
        caption: String,
        /// The head of each column.
        head: Vec<&'static str>,
        /// Its rows.
        rows: Vec<Vec<String>>,
    },
}

impl Paper {
    /// Adds a chapter.
    pub fn chapter(&mut self, text: &str) {
        self.blocks.push(Block::Heading(1, text.to_string()));
    }

    /// Adds a section.
    pub fn section(&mut self, text: &str) {
        self.blocks.push(Block::Heading(2, text.to_string()));
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds a table, or the text `none` where it has no rows.
    pub fn table(
        &mut self,
        caption: &str,
        head: &[&'static str],
        rows: Vec<Vec<String>>,
        none: &str,
    ) {
        if rows.is_empty() {
            self.text(none);
            return;
        }
        let (caption, head) = (caption.to_string(), head.to_vec());
        self.blocks.push(Block::Table { caption, head, rows });
    }
}

#[cfg(test)]
pub(super) fn example() -> Paper {
    let mut paper = Paper { title: "Scope of <ridge>".to_string(), ..Paper::default() };
    paper.chapter("1. Fields & tables");
    paper.text("A text with *stars*, <tags> and a | pipe.");
    let row = |left: &str, right: &str| vec![left.to_string(), right.to_string()];
    let rows = vec![row("PID-5", "DOE^ANN|x"), row("two\nlines", "\u{3b1} \\ _x_")];
    paper.table("Table 1", &["Field", "Value"], rows, "none");
    paper.table("Table 2", &["Field"], Vec::new(), "No rows.");
    paper.blocks.push(Block::Lines(vec!["MSH|^~\\&|A".to_string(), "PID|1".to_string()]));
    paper
}
