//! The template language of `config/mapping.toml`: a field as HL7 writes it, with
//! `{columns}` in it. Parsed once; a record costs copies and look-ups only.

/// A whole field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Repetitions, `~` between them.
    pub repetitions: Vec<Repetition>,
}

/// One repetition: its components, flattened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repetition {
    /// In the order they are written.
    pub parts: Vec<Part>,
}

/// A piece of a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `^`: the next component begins.
    Next,
    /// A constant.
    Literal(String),
    /// `{...}`.
    Value(Expression),
}

/// What stands between braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Columns (`name`, `patient.name`) and settings (`@name`), the first that has
    /// a value wins.
    pub sources: Vec<String>,
    /// The function, empty for plain text.
    pub function: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The fault of an empty value, where one is required.
    pub required: Option<String>,
    /// Columns that the extract must not have, or this piece is left out.
    pub unless: Vec<String>,
}

/// Text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{template}`: {what}")]
pub struct TemplateError {
    /// The template.
    pub template: String,
    /// What is wrong with it.
    pub what: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`]: a brace without its partner, an empty expression.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        parse(text).map_err(|what| TemplateError { template: text.to_string(), what })
    }

    /// Returns every expression, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.repetitions.iter().flat_map(|repetition| &repetition.parts).filter_map(|part| {
            match part {
                Part::Value(expression) => Some(expression),
                _ => None,
            }
        })
    }
}

fn parse(text: &str) -> Result<Template, String> {
    let mut repetitions = vec![Repetition::default()];
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let parts = match repetitions.last_mut() {
            Some(repetition) => &mut repetition.parts,
            None => return Err("empty".to_string()),
        };
        match char {
            '~' => {
                repetitions.push(Repetition::default());
                rest = &rest[1..];
            }
            '^' => {
                parts.push(Part::Next);
                rest = &rest[1..];
            }
            '{' => {
                let end = rest.find('}').ok_or("`{` without `}`; write both")?;
                parts.push(Part::Value(expression(&rest[1..end])?));
                rest = &rest[end + 1..];
            }
            '}' => return Err("`}` without `{`; write both".to_string()),
            _ => {
                let end = rest.find(['~', '^', '{', '}']).unwrap_or(rest.len());
                parts.push(Part::Literal(rest[..end].to_string()));
                rest = &rest[end..];
            }
        }
    }
    Ok(Template { repetitions })
}

fn expression(text: &str) -> Result<Expression, String> {
    let (sources, call) = text.split_once(':').unwrap_or((text, ""));
    let (sources, required) = match sources.split_once('!') {
        Some((sources, "")) => (sources, Some("M001".to_string())),
        Some((sources, code)) => (sources, Some(code.to_string())),
        None => (sources, None),
    };
    let mut words = call.split_whitespace().map(str::to_string);
    let function = words.next().unwrap_or_default();
    let mut arguments: Vec<String> = words.collect();
    let unless = match arguments.iter().position(|word| word == "unless") {
        Some(at) => arguments.split_off(at).split_off(1),
        None => Vec::new(),
    };
    let sources: Vec<String> = sources
        .split('|')
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty())
        .collect();
    if sources.is_empty() && function.is_empty() {
        return Err("nothing between the braces; write a column there".to_string());
    }
    Ok(Expression { sources, function, arguments, required, unless })
}

/// Says that a template asks for what there is not, and where what there is can be read.
pub(super) fn unknown(what: &str, name: &str) -> String {
    let all = match what {
        "column" => "config/columns.toml",
        "code table" => "config/codes",
        "fault" => "`hl7drop explain`",
        _ => "config/mapping.toml",
    };
    format!("there is no {what} `{name}`; use one of {all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_piece_by_piece() {
        let template =
            Template::parse("{a|b!G001}^^x{c:code sex U}~{:person pcp unless d e}").unwrap();
        let value = |sources: &[&str], function: &str, arguments: &[&str]| Expression {
            sources: sources.iter().map(ToString::to_string).collect(),
            function: function.to_string(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            required: None,
            unless: Vec::new(),
        };
        let first = Expression { required: Some("G001".into()), ..value(&["a", "b"], "", &[]) };
        let last =
            Expression { unless: vec!["d".into(), "e".into()], ..value(&[], "person", &["pcp"]) };
        assert_eq!(
            template.repetitions[0].parts,
            [
                Part::Value(first),
                Part::Next,
                Part::Next,
                Part::Literal("x".into()),
                Part::Value(value(&["c"], "code", &["sex", "U"])),
            ]
        );
        assert_eq!(template.repetitions[1].parts, [Part::Value(last)]);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, what) in [
            ("{a", "`{a`: `{` without `}`; write both"),
            ("a}", "`a}`: `}` without `{`; write both"),
            ("{}", "`{}`: nothing between the braces; write a column there"),
            ("{|}", "`{|}`: nothing between the braces; write a column there"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().to_string(), what);
        }
    }
}
