//! The map bound to a header, an event and a run: columns become cells, settings
//! become bytes, names of tables become tables.
//!
//! Settings a template can name: `@sending_application`, `@context_id`, `@practice`,
//! `@receiving_application`, `@receiving_facility`, `@default_operator`,
//! `@hl7_version`, `@processing_id`, `@application_ack`, `@clock`, `@offset`; of the event:
//! `@message`, `@trigger`, `@structure`, `@status`, `@no_show_status`, `@reason_code`,
//! `@reason_text`, `@action`; of the record: `@control_id`, `@set`, `@start`, `@end`,
//! `@charset`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};

use super::column::{Any, Blank, Column, Tidier};
use super::draft::{FieldDraft, PartDraft, RepetitionDraft, SegmentDraft};
use super::functions::{Function, PersonColumns, Said};
use super::guard::{Guard, Past};
use super::lengths::{NO_LIMIT, limit};
use super::lookup::Lookup;
use super::map::{FieldRule, Map, MapError, SegmentRule};
use super::outside::Outside;
use super::program::Program;
use super::template::{Expression, Part, Repetition, unknown};
use super::times::Times;
use super::value::{Rule, Source, Value};
use super::values::write_second;
use crate::domain::{Code, Event, Kind, Layout, LengthPolicy, Mapped, Scope};
use crate::hl7::{Path, Text, escape};

/// Binds the map of one interface, for one run.
#[derive(Clone, Debug)]
pub struct Compiler<'a> {
    map: &'a Map,
    scope: &'a Scope,
    clock: DateTime,
    /// Says whether a name is a column of the kind; asked so that a map with a
    /// misspelt column is refused at start, not silently empty.
    is_column: fn(Kind, &str) -> bool,
}

/// The headers of the records that a program is for.
#[derive(Clone, Copy, Debug)]
pub enum Bound<'a> {
    /// A patients extract.
    Patient(&'a Layout),
    /// An appointments extract, with the extract that its patients come from, or
    /// none where the appointment's own columns name them.
    Appointment(&'a Layout, Option<&'a Layout>),
}

impl<'a> Compiler<'a> {
    /// Begins a run at `clock`, civil time in the interface's zone.
    pub fn new(
        map: &'a Map,
        scope: &'a Scope,
        clock: DateTime,
        is_column: fn(Kind, &str) -> bool,
    ) -> Compiler<'a> {
        Compiler { map, scope, clock, is_column }
    }

    /// Compiles the message of an event.
    ///
    /// # Errors
    /// [`MapError`] names the field whose template asks for what there is not.
    pub fn program(&self, event: Event, bound: Bound<'_>) -> Result<Program, MapError> {
        let settings = self.settings(event);
        let used = RefCell::default();
        let mut segments: Vec<SegmentDraft> = Vec::new();
        let binder = |patient, count| Binder {
            map: self.map,
            scope: self.scope,
            settings: &settings,
            today: self.clock.date(),
            bound,
            patient,
            count,
            is_column: self.is_column,
            used: &used,
        };
        for rule in self.map.segments.iter().filter(|rule| rule.kinds.contains(&event.kind())) {
            for time in 1..=rule.times {
                let count = (rule.times > 1).then(|| time.to_string());
                let binder = binder(rule.patient, count);
                let mut segment = binder.segment(rule, event)?;
                if segment.slim() {
                    segments.push(segment);
                }
            }
        }
        let times = match bound {
            Bound::Patient(_) => None,
            Bound::Appointment(layout, _) => Some(self.times(layout)),
        };
        let outside = Outside::of(self.scope, bound, &|name| binder(true, None).column(name))
            .map_err(|what| MapError::Field { field: "PID".to_string(), what })?;
        let ids = self.scope.provider_ids;
        let wire = &self.scope.wire;
        let (charset, line_ending, controls) = (wire.charset, wire.line_ending, wire.controls);
        let refuses_long = wire.length_policy == LengthPolicy::Error;
        let mut columns: Vec<Column> = used.into_inner().into_values().collect();
        columns.extend(times.iter().flat_map(Times::columns).cloned());
        let fields = || segments.iter().flat_map(|segment| &segment.fields);
        let deletable = fields().filter(|field| field.deletes).map(|field| field.path).collect();
        let rules = segments.iter().map(SegmentDraft::rules).collect();
        let mut steps = Vec::new();
        for (index, segment) in segments.into_iter().enumerate() {
            segment.append(index, &mut steps);
        }
        Ok(Program {
            tidiers: [0, 1].map(|row| Tidier::of(&columns, row)),
            columns,
            steps,
            rules,
            deletable,
            outside,
            times,
            charset,
            line_ending,
            controls,
            refuses_long,
            ids,
        })
    }

    fn times(&self, layout: &Layout) -> Times {
        let column = |name: &'static str| Column {
            row: 0,
            cells: layout.cells(name).to_vec(),
            blank: blank(self.map, name),
            name: name.into(),
            translating: None,
        };
        Times {
            date: column("date"),
            start: column("starttime"),
            both: column("appointmentdatetime"),
            duration: column("duration"),
        }
    }

    fn settings(&self, event: Event) -> BTreeMap<&'static str, String> {
        let (scope, telling) = (self.scope, event.telling());
        let mut clock = Vec::new();
        write_second(self.clock, &mut clock);
        let zoned = scope.timezone.to_ambiguous_zoned(self.clock).compatible();
        let offset = zoned.map_or(String::new(), |at| at.strftime("%z").to_string());
        let status = scope.status.get(&event).map_or(telling.status, String::as_str);
        BTreeMap::from([
            ("@sending_application", scope.wire.sending_application.clone()),
            ("@context_id", scope.context_id.clone()),
            ("@practice", scope.practice.clone()),
            ("@receiving_application", scope.wire.receiving_application.clone()),
            ("@receiving_facility", scope.wire.receiving_facility.clone()),
            ("@default_operator", scope.wire.default_operator.clone()),
            ("@hl7_version", scope.wire.hl7_version.clone()),
            ("@processing_id", scope.environment.processing_id().to_string()),
            ("@application_ack", scope.application_ack().to_string()),
            ("@clock", String::from_utf8_lossy(&clock).into_owned()),
            ("@offset", offset),
            ("@message", telling.message.to_string()),
            ("@trigger", telling.trigger.to_string()),
            ("@structure", telling.structure.to_string()),
            ("@status", status.to_string()),
            ("@no_show_status", scope.no_show_status.clone()),
            ("@reason_code", telling.reason.0.to_string()),
            ("@reason_text", telling.reason.1.to_string()),
            ("@action", telling.action.to_string()),
        ])
    }
}

pub(super) fn blank(map: &Map, column: &str) -> Blank {
    let everywhere = map.blank.get("*").into_iter().flatten();
    Blank::of(everywhere.chain(map.blank.get(column).into_iter().flatten()).cloned().collect())
}

/// Binds one segment.
struct Binder<'a> {
    map: &'a Map,
    scope: &'a Scope,
    settings: &'a BTreeMap<&'static str, String>,
    today: Date,
    bound: Bound<'a>,
    patient: bool,
    count: Option<String>,
    is_column: fn(Kind, &str) -> bool,
    /// Every column that was asked for, by row and name.
    used: &'a RefCell<BTreeMap<(usize, String), Column>>,
}

impl Binder<'_> {
    fn segment(&self, rule: &SegmentRule, event: Event) -> Result<SegmentDraft, MapError> {
        let columns = |names: &[String]| -> Result<Vec<Column>, String> {
            names.iter().map(|name| self.column(name)).collect()
        };
        let wrong = |what: String| MapError::Field { field: rule.name().to_string(), what };
        let guard = Guard {
            when: match rule.when.as_slice() {
                [] => None,
                when => Some(Any::of(columns(when).map_err(wrong)?)),
            },
            unless: Any::of(columns(&rule.unless).map_err(wrong)?),
            lone: self.guard_fault(rule.lone.as_deref(), &rule.lone_columns).map_err(wrong)?,
            after: self
                .before()
                .map_or(Ok(None), |it| it.guard_fault(rule.after.as_deref(), &rule.when))
                .map_err(wrong)?,
            past: self.past(rule).map_err(wrong)?,
        };
        let mut fields: BTreeMap<u8, &FieldRule> =
            rule.fields.iter().map(|(number, rule)| (*number, rule)).collect();
        for (number, rule) in rule.only.get(event.telling().trigger).into_iter().flatten() {
            fields.insert(*number, rule);
        }
        let fields = fields
            .into_iter()
            .map(|(number, field)| self.field(Path::of_field(rule.name, number), field))
            .collect::<Result<Vec<_>, _>>()?;
        let deletes = self.scope.wire.send_deletes
            && event == Event::PatientUpdated
            && matches!(&rule.name, b"PID" | b"PD1");
        let fields = fields
            .into_iter()
            .map(|field| FieldDraft { deletes: deletes && field.can_vary(), ..field })
            .collect();
        Ok(SegmentDraft { name: rule.name, guard, fields })
    }

    fn guard_fault(
        &self,
        code: Option<&str>,
        names: &[String],
    ) -> Result<Option<(Code, Any)>, String> {
        let Some(code) = code else { return Ok(None) };
        let columns = names.iter().map(|name| self.column(name)).collect::<Result<_, _>>()?;
        Ok(Some((code_of(code)?, Any::of(columns))))
    }

    fn past(&self, rule: &SegmentRule) -> Result<Option<Past>, String> {
        let Some(past) = &rule.past else { return Ok(None) };
        let (column, code) = (self.column(&past.column)?, code_of(&past.fault)?);
        Ok(Past::of(column, self.today, code, self.scope.expired_policies))
    }

    /// Returns the binder of the segment before this one in its count.
    fn before(&self) -> Option<Binder<'_>> {
        let count: u32 = self.count.as_ref()?.parse().ok()?;
        (count > 1).then(|| Binder { count: Some((count - 1).to_string()), ..*self })
    }

    fn field(&self, path: Path, rule: &FieldRule) -> Result<FieldDraft, MapError> {
        let wrong = |what: String| MapError::Field { field: path.to_string(), what };
        let is_charset = rule
            .templates
            .iter()
            .flat_map(|template| template.expressions())
            .any(|expression| expression.sources == ["@charset"]);
        let mut alternatives = Vec::new();
        for template in rule.templates.iter().filter(|_| !is_charset) {
            alternatives.push(
                template
                    .repetitions
                    .iter()
                    .map(|repetition| self.repetition(path, repetition))
                    .collect::<Result<_, _>>()
                    .map_err(wrong)?,
            );
        }
        let limit = match self.scope.wire.length_policy {
            LengthPolicy::Ignore => NO_LIMIT,
            _ => limit(path, &self.scope.wire.hl7_version),
        };
        let text = rule.text.clone();
        Ok(FieldDraft { path, alternatives, limit, deletes: false, is_charset, text })
    }

    fn repetition(&self, path: Path, repetition: &Repetition) -> Result<RepetitionDraft, String> {
        let mut parts = Vec::new();
        let mut constant = true;
        let mut begun = 0;
        for part in &repetition.parts {
            match part {
                Part::Next => {
                    begun += 1;
                    continue;
                }
                Part::Literal(text) => {
                    let text = match &self.count {
                        Some(count) => text.replace('#', count),
                        None => text.clone(),
                    };
                    let mut bytes = Vec::new();
                    escape(text.as_bytes(), Text::Line, &mut bytes);
                    parts.push(PartDraft::Bytes(begun, bytes));
                }
                Part::Value(expression) => {
                    let value = self.value(path, expression)?;
                    let sources = &value.rule.sources;
                    constant &= !sources.is_empty()
                        && sources.iter().all(|source| matches!(source, Source::Bytes(_)));
                    parts.push(PartDraft::Value(begun, value));
                }
            }
            begun = 0;
        }
        Ok(RepetitionDraft { parts, constant })
    }

    fn value(&self, path: Path, expression: &Expression) -> Result<Value, String> {
        let off = expression.unless.iter().any(|name| self.has(name));
        let function = self.function(expression)?;
        let sources: Vec<Source> =
            expression.sources.iter().map(|name| self.source(name)).collect::<Result<_, _>>()?;
        let required = expression.required.as_deref().map(code_of).transpose()?;
        let name = match (&function, sources.first()) {
            (Function::Person(columns), _) => columns.id.name.clone(),
            (_, Some(Source::Column(column))) => column.name.clone(),
            _ => Cow::default(),
        };
        let function = if off { Function::Nothing } else { function };
        Ok(Value::of(Rule { sources, function, required, path, name }))
    }

    fn source(&self, name: &str) -> Result<Source, String> {
        Ok(match name {
            "@control_id" => Source::Control,
            "@set" => Source::Set,
            "@start" => Source::Start,
            "@end" => Source::End,
            _ if name.starts_with('@') => {
                let text = self.settings.get(name).ok_or_else(|| unknown("setting", name))?;
                let mut bytes = Vec::new();
                escape(text.as_bytes(), Text::Line, &mut bytes);
                Source::Bytes(bytes)
            }
            _ => Source::Column(self.column(name)?),
        })
    }

    fn counted(&self, name: &str) -> String {
        match &self.count {
            Some(count) => name.replace('#', count),
            None => name.to_string(),
        }
    }

    /// Returns whose column a name means, and its canonical name.
    fn whose(&self, name: &str) -> (bool, String) {
        let name = self.counted(name);
        match name.strip_prefix("patient.") {
            Some(rest) => (true, rest.to_string()),
            None => (self.patient, name),
        }
    }

    fn cells(&self, name: &str) -> (usize, Vec<usize>) {
        let (patient, name) = self.whose(name);
        match self.bound {
            Bound::Patient(layout) => (0, layout.cells(&name).to_vec()),
            Bound::Appointment(layout, _) if !patient => (0, layout.cells(&name).to_vec()),
            Bound::Appointment(_, Some(layout)) => (1, layout.cells(&name).to_vec()),
            Bound::Appointment(layout, None) => (0, layout.patient_cells(&name).to_vec()),
        }
    }

    fn has(&self, name: &str) -> bool {
        !self.cells(name).1.is_empty()
    }

    fn column(&self, name: &str) -> Result<Column, String> {
        let (patient, canonical) = self.whose(name);
        let kind = match self.bound {
            Bound::Appointment(..) if !patient => Kind::Appointment,
            _ => Kind::Patient,
        };
        if !(self.is_column)(kind, &canonical) {
            return Err(unknown("column", &canonical));
        }
        let (row, cells) = self.cells(name);
        let blank = blank(self.map, &canonical);
        let instead = Mapped::instead_of(&canonical).map(|other| match patient {
            true => self.cells(&format!("patient.{other}")).1,
            false => self.cells(&other).1,
        });
        let translating = self.map.translating(&canonical, instead.unwrap_or_default());
        // A fault at an appointment must say that the column is the patient's.
        let name = if row == 1 { format!("patient.{canonical}") } else { canonical };
        let column = Column { row, cells, blank, name: name.clone().into(), translating };
        self.used.borrow_mut().insert((row, name), column.clone());
        Ok(column)
    }

    /// Returns the look-up of the table that is the first argument; `rules` are a fault
    /// code for unknown values, and `inverse`.
    fn lookup(&self, expression: &Expression, rules: &[String]) -> Result<Lookup, String> {
        let name = expression.arguments.first().map_or("", String::as_str);
        let mut fault = None;
        let mut inverse = false;
        for rule in rules {
            match rule.as_str() {
                "inverse" => inverse = true,
                code => fault = Some(code_of(code)?),
            }
        }
        let column = expression.sources.first().filter(|name| !name.starts_with('@'));
        let column = column.map(|name| self.column(name)).transpose()?;
        let words = Blank::of(self.map.blank.get("*").cloned().unwrap_or_default());
        let lookup = self.map.tables.lookup(name, fault, column, words);
        let lookup = lookup.ok_or_else(|| unknown("code table", name))?;
        Ok(Lookup { inverse, ..lookup })
    }

    fn audit(&self) -> Function {
        match (&self.scope.audit_timezone, &self.scope.timezone) {
            (from, to) if from == to => Function::Time,
            (from, to) => Function::Audit(from.clone(), to.clone()),
        }
    }

    fn function(&self, expression: &Expression) -> Result<Function, String> {
        let argument = |at: usize| {
            expression.arguments.get(at).map(String::as_str).ok_or_else(|| {
                format!("write {} argument(s) behind `{}`", at + 1, expression.function)
            })
        };
        // What a record says of the provider or department that it names itself.
        let said = |at: usize| -> Result<Said, String> {
            let own = expression.arguments.get(at).map(|name| self.column(name)).transpose()?;
            let of = expression.sources.first().filter(|name| !name.starts_with('@'));
            let of = of.map(|name| self.column(name)).transpose()?;
            let of = of.filter(|of| of.translating.is_some());
            Ok(Said { own: own.unwrap_or_default(), of: of.map(Box::new) })
        };
        Ok(match expression.function.as_str() {
            "" => Function::Text,
            "formatted" => Function::Formatted,
            "date" => Function::Date,
            "time" => Function::Time,
            "audit" => self.audit(),
            "minutes" => Function::Minutes,
            "code" => {
                let default = expression.arguments.get(1).cloned();
                let lookup = self.lookup(expression, &[])?;
                Function::Code { lookup: Lookup { only_code: true, ..lookup }, default }
            }
            "coded" => Function::Coded(self.lookup(expression, &expression.arguments[1..])?),
            "each" => {
                let source = expression.sources.first().map_or("", String::as_str);
                let lookup = self.lookup(expression, &expression.arguments[1..])?;
                Function::Each { lookup, blank: blank(self.map, source) }
            }
            "phone" => Function::phone(argument(0)?, argument(1)?),
            "local" => Function::Local,
            "email" => Function::Email,
            "name" => Function::Name,
            "person" => {
                let column = |end: &str| self.column(&format!("{}{end}", argument(0)?));
                Function::Person(Box::new(PersonColumns {
                    id: column("id")?,
                    npi: column("npi")?,
                    last: column("lastname")?,
                    first: column("firstname")?,
                    name: column("name")?,
                }))
            }
            "provider" => Function::Provider { hl7_id: said(0)?, resource: false },
            "resource" => Function::Provider { hl7_id: said(0)?, resource: true },
            "place" => Function::Place { name: said(0)? },
            "department" => Function::Department { name: said(0)? },
            "zip" => Function::Zip { state: self.column(argument(0)?)? },
            "yes" => match expression.arguments.first() {
                None => Function::Yes(b"Y".to_vec()),
                Some(name) => match self.source(name)? {
                    Source::Bytes(bytes) if !bytes.is_empty() => Function::Yes(bytes),
                    _ => Function::Nothing,
                },
            },
            "ssn" => Function::Ssn,
            "width" => Function::Width {
                least: argument(0)?
                    .parse()
                    .map_err(|_| "write a number behind `width`".to_string())?,
                pad: match expression.arguments.get(1).map(String::as_str) {
                    None => false,
                    Some("pad") => true,
                    Some(_) => return Err("write `pad` behind `width` N".to_string()),
                },
            },
            other => return Err(unknown("function", other)),
        })
    }
}

fn code_of(text: &str) -> Result<Code, String> {
    Code::of_id(text).ok_or_else(|| unknown("fault", text))
}
