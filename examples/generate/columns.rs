//! How each dialect writes the practice down: a row a column, header and cell.

use std::fmt::{Display, Write as _};
use std::rc::Rc;

use jiff::civil::{Date, DateTime};

use super::practice::{Department, Guarantor, Insurance, Kin, Patient, Phone, Provider, Visit};

/// A column: its header cell, and what writes the cells below it.
pub type Column<T> = (&'static str, fn(&T, &mut String));

/// What makes a row bad: cells to overwrite, by their names in either dialect. With
/// none, the row loses its last cell.
pub type Damage = &'static [(&'static [&'static str], &'static str)];

pub const BAD_PATIENTS: &[Damage] = &[
    &[(&["dob", "patientdob"], "02/30/1980")],
    &[(&["race"], "2106-4")],
    &[(&["primarydepartmentid", "patient primary dept id"], "9999")],
    &[(&["lastname", "patient lastname"], "")],
    &[],
    &[(&["primaryproviderid", "prim prvdr id"], "9999")],
    &[
        (&["insurance1_insurancepackageid", "patient primary ins pkg id"], ""),
        (&["insurance1_insuranceplanname", "patient primary ins pkg name"], "AETNA PPO"),
    ],
];

pub const BAD_VISITS: &[Damage] = &[
    &[(&["providerid", "appt schdlng prvdrid"], "9999")],
    &[(&["date", "apptdate"], "11/31/2026")],
    &[(&["departmentid", "svcdeptid"], "9999")],
    &[],
    &[(&["duration", "apptduration"], "a while")],
    &[(&["event", "appointmentstatus", "apptslotstatus"], "vanished")],
];

#[rustfmt::skip]
pub const PATIENT_API: &[Column<Patient>] = &[
    ("event", |p, out| put(out, p.event)),
    ("patientid", |p, out| put(out, p.id)),
    ("lastname", |p, out| put(out, &p.last)),
    ("firstname", |p, out| put(out, p.first)),
    ("middlename", |p, out| put(out, &p.middle)),
    ("suffix", |p, out| put(out, p.suffix)),
    ("preferredname", |p, out| put(out, p.nick)),
    ("dob", |p, out| day(out, p.born)),
    ("sex", |p, out| put(out, p.sex)),
    ("maritalstatus", |p, out| put(out, p.marital.0)),
    ("race", |p, out| put(out, p.race)),
    ("ethnicitycode", |p, out| put(out, p.ethnicity)),
    ("language6392code", |p, out| put(out, p.language.0)),
    ("address1", |p, out| put(out, &p.street)),
    ("address2", |p, out| put(out, &p.unit)),
    ("city", |p, out| put(out, p.place.0)),
    ("state", |p, out| put(out, p.place.1)),
    ("zip", |p, out| put(out, p.place.2)),
    ("countrycode", |_, out| put(out, "USA")),
    ("homephone", |p, out| phone(out, p.home, p.id)),
    ("mobilephone", |p, out| phone(out, p.mobile, p.id + 1)),
    ("workphone", |p, out| phone(out, p.work, p.id + 2)),
    ("email", |p, out| put(out, &p.email)),
    ("deceaseddate", |p, out| day(out, p.died)),
    ("primarydepartmentid", |p, out| put(out, p.provider.department.id)),
    ("primaryproviderid", |p, out| put(out, p.provider.id)),
    ("nextkinname", |p, out| kin(out, &p.kin, |out, k| name(out, &k.last, k.first))),
    ("nextkinrelationship", |p, out| kin(out, &p.kin, |out, k| put(out, k.relationship))),
    ("nextkinphone", |p, out| kin(out, &p.kin, |out, k| phone(out, k.phone, 0))),
    ("contactname", |p, out| kin(out, &p.contact, |out, k| name(out, &k.last, k.first))),
    ("contactrelationship", |p, out| kin(out, &p.contact, |out, k| put(out, k.relationship))),
    ("contacthomephone", |p, out| kin(out, &p.contact, |out, k| phone(out, k.phone, 1))),
    ("guarantorlastname", |p, out| guarantor(out, p, |out, g| put(out, &g.last))),
    ("guarantorfirstname", |p, out| guarantor(out, p, |out, g| put(out, g.first))),
    ("guarantordob", |p, out| guarantor(out, p, |out, g| day(out, g.born))),
    ("guarantoraddress1", |p, out| guarantor(out, p, |out, _| put(out, &p.street))),
    ("guarantorcity", |p, out| guarantor(out, p, |out, _| put(out, p.place.0))),
    ("guarantorstate", |p, out| guarantor(out, p, |out, _| put(out, p.place.1))),
    ("guarantorzip", |p, out| guarantor(out, p, |out, _| put(out, p.place.2))),
    ("guarantorphone", |p, out| guarantor(out, p, |out, g| phone(out, g.phone, 2))),
    ("guarantorrelationshiptopatient", |p, out| guarantor(out, p, |out, g| put(out, g.relationship))),
    ("insurance1_insurancepackageid", |p, out| insurance(out, p, 0, |out, i| put(out, i.plan.0))),
    ("insurance1_insuranceplanname", |p, out| insurance(out, p, 0, |out, i| put(out, i.plan.1))),
    ("insurance1_ircid", |p, out| insurance(out, p, 0, |out, i| put(out, i.plan.2))),
    ("insurance1_insuranceidnumber", |p, out| insurance(out, p, 0, |out, i| put(out, &i.member))),
    ("insurance1_policynumber", |p, out| insurance(out, p, 0, |out, i| put(out, &i.group))),
    ("insurance1_issuedate", |p, out| insurance(out, p, 0, |out, i| day(out, i.since))),
    ("insurance1_insuredlastname", |p, out| insurance(out, p, 0, |out, _| put(out, holder(p).0))),
    ("insurance1_insuredfirstname", |p, out| insurance(out, p, 0, |out, _| put(out, holder(p).1))),
    ("insurance1_insureddob", |p, out| insurance(out, p, 0, |out, _| day(out, holder(p).2))),
    ("insurance1_relationshiptoinsuredid", |p, out| insurance(out, p, 0, |out, _| put(out, holder(p).3))),
    ("insurance2_insurancepackageid", |p, out| insurance(out, p, 1, |out, i| put(out, i.plan.0))),
    ("insurance2_insuranceplanname", |p, out| insurance(out, p, 1, |out, i| put(out, i.plan.1))),
    ("insurance2_insuranceidnumber", |p, out| insurance(out, p, 1, |out, i| put(out, &i.member))),
    ("insurance2_insuredlastname", |p, out| insurance(out, p, 1, |out, _| put(out, &p.last))),
    ("insurance2_insuredfirstname", |p, out| insurance(out, p, 1, |out, _| put(out, p.first))),
    ("insurance2_relationshiptoinsuredid", |p, out| insurance(out, p, 1, |out, _| put(out, 1))),
    ("customfield_71", |p, out| put(out, &p.mrn)),
    ("lastmodified", |p, out| moment(out, p.changed)),
    ("lastmodifiedby", |p, out| put(out, p.by)),
];

#[rustfmt::skip]
pub const PATIENT_REPORT: &[Column<Patient>] = &[
    ("patientid", |p, out| put(out, p.id)),
    ("enterpriseid", |p, out| put(out, p.id)),
    ("patient firstname", |p, out| put(out, p.first)),
    ("patient middleinitial", |p, out| put(out, &p.middle)),
    ("patient lastname", |p, out| put(out, &p.last)),
    ("patient suffix", |p, out| put(out, p.suffix)),
    ("patientdob", |p, out| day(out, p.born)),
    ("patientsex", |p, out| put(out, p.sex)),
    ("race", |p, out| put(out, p.race)),
    ("ethnicity", |p, out| put(out, p.ethnicity)),
    ("patient lang", |p, out| put(out, p.language.1)),
    ("patient maritalstatus", |p, out| put(out, p.marital.1)),
    ("patient address1", |p, out| put(out, &p.street)),
    ("patient address2", |p, out| put(out, &p.unit)),
    ("patient city", |p, out| put(out, p.place.0)),
    ("patient state", |p, out| put(out, p.place.1)),
    ("patient zip", |p, out| put(out, p.place.2.trim_start_matches('0'))),
    ("patient homephone", |p, out| phone(out, p.home, 1)),
    ("patient mobile no", |p, out| phone(out, p.mobile, 1)),
    ("patient workphone", |p, out| phone(out, p.work, 1)),
    ("patient email", |p, out| email(out, &p.email)),
    ("prim prvdr id", |p, out| put(out, p.provider.id)),
    ("patient primary dept id", |p, out| put(out, p.provider.department.id)),
    ("patient primary ins pkg id", |p, out| insurance(out, p, 0, |out, i| put(out, i.plan.0))),
    ("patient primary ins pkg name", |p, out| match p.insurances[0] {
        None => put(out, "*SELF PAY*"),
        Some(ref insurance) => put(out, insurance.plan.1),
    }),
    ("patient primary policyidnumber", |p, out| insurance(out, p, 0, |out, i| put(out, &i.member))),
    ("guarantor frstnm", |p, out| guarantor(out, p, |out, g| put(out, g.first))),
    ("guarantor lastnm", |p, out| guarantor(out, p, |out, g| put(out, &g.last))),
    ("guarantor phone", |p, out| guarantor(out, p, |out, g| phone(out, g.phone, 1))),
    ("ptnt grntr rltnshp", |p, out| guarantor(out, p, |out, g| put(out, g.relationship))),
    ("ptnt dcsd ysn", |p, out| put(out, if p.died.is_some() { "Y" } else { "N" })),
    ("custom field 71", |p, out| put(out, &p.mrn)),
    ("patientid", |p, out| put(out, p.id)),
    ("", |_, _| {}),
];

#[rustfmt::skip]
pub const VISIT_API: &[Column<Visit>] = &[
    ("event", |v, out| put(out, v.event)),
    ("appointmentid", |v, out| put(out, v.id)),
    ("patientid", |v, out| patient(out, v, |out, p| put(out, p.id))),
    ("departmentid", |v, out| put(out, v.provider.department.id)),
    ("providerid", |v, out| put(out, v.provider.id)),
    ("appointmentstatus", |v, out| put(out, v.status.0)),
    ("date", |v, out| day(out, v.start.date())),
    ("starttime", |v, out| put(out, v.start.strftime("%H:%M"))),
    ("duration", |v, out| put(out, v.minutes)),
    ("appointmenttypeid", |v, out| put(out, v.kind.0)),
    ("appointmenttypeshortname", |v, out| put(out, v.kind.1)),
    ("appointmenttype", |v, out| put(out, v.kind.2)),
    ("appointmentreason", |v, out| put(out, v.reason)),
    ("appointmentnotes", |v, out| put(out, v.note)),
    ("scheduledby", |v, out| put(out, v.scheduled_by)),
    ("scheduleddatetime", |v, out| moment(out, v.scheduled)),
    ("cancelreasonid", |v, out| cancel(out, v, |out, reason| put(out, reason.0))),
    ("cancelreasonname", |v, out| cancel(out, v, |out, reason| put(out, reason.1))),
    ("cancelreasonnoshow", |v, out| cancel(out, v, |out, _| put(out, v.no_show))),
    ("cancelledby", |v, out| cancel(out, v, |out, _| put(out, v.by))),
    ("checkindatetime", |v, out| moment(out, v.check_in)),
    ("checkoutdatetime", |v, out| moment(out, v.check_out)),
    ("rescheduledappointmentid", |v, out| v.moved_to.into_iter().for_each(|id| put(out, id))),
    ("customfield_12", |v, out| external(out, v)),
    ("lastmodified", |v, out| moment(out, v.changed)),
    ("lastmodifiedby", |v, out| put(out, v.by)),
];

#[rustfmt::skip]
pub const VISIT_REPORT: &[Column<Visit>] = &[
    ("apptdate", |v, out| day(out, v.start.date())),
    ("apptid", |v, out| put(out, v.id)),
    ("prnt apptid", |v, out| put(out, v.id)),
    ("apptdate", |v, out| day(out, v.start.date())),
    ("apptstarttime", |v, out| clock(out, v.start)),
    ("apptendtime", |v, out| clock(out, v.end())),
    ("apptduration", |v, out| put(out, v.minutes)),
    ("appttype", |v, out| put(out, v.kind.2)),
    ("apptstatus", |_, out| put(out, "None")),
    ("apptslotstatus", |v, out| put(out, format_args!("{} - {}", v.status.0, v.status.1))),
    ("apptcancelreason", |v, out| cancel(out, v, |out, reason| put(out, reason.1))),
    ("apptcancelleddate", |v, out| cancel(out, v, |out, _| day(out, v.changed.date()))),
    ("apptscheduledate", |v, out| day(out, v.scheduled.date())),
    ("apptscheduletime", |v, out| clock(out, v.scheduled)),
    ("apptcheckintime", |v, out| moment(out, v.check_in)),
    ("apptcheckoutdate", |v, out| day(out, v.check_out.map(|time| time.date()))),
    ("appt schdlng prvdr", |v, out| username(out, &v.provider)),
    ("appt schdlng prvdrid", |v, out| put(out, v.provider.id)),
    ("appt schdlng prvdrfullnme", |v, out| name(out, &v.provider.last, &v.provider.first)),
    ("svc dprtmnt", |v, out| put(out, &v.provider.department.name)),
    ("svcdeptid", |v, out| put(out, v.provider.department.id)),
    ("patientid", |v, out| patient(out, v, |out, p| put(out, p.id))),
    ("patient firstname", |v, out| patient(out, v, |out, p| put(out, p.first))),
    ("patient lastname", |v, out| patient(out, v, |out, p| put(out, &p.last))),
    ("patientdob", |v, out| patient(out, v, |out, p| day(out, p.born))),
    ("patient mobile no", |v, out| patient(out, v, |out, p| phone(out, p.mobile, 1))),
    ("patient email", |v, out| patient(out, v, |out, p| email(out, &p.email))),
    ("custom field 12", |v, out| external(out, v)),
    ("apptlastmod", |v, out| moment(out, v.changed)),
    ("", |_, _| {}),
    ("", |_, _| {}),
];

pub const PROVIDER_API: &[Column<Rc<Provider>>] = &[
    ("providerid", |p, out| put(out, p.id)),
    ("npi", |p, out| put(out, &p.npi)),
    ("lastname", |p, out| put(out, &p.last)),
    ("firstname", |p, out| put(out, &p.first)),
    ("providerusername", |p, out| username(out, p)),
    ("schedulingname", |p, out| name(out, &p.last, &p.first)),
];

pub const PROVIDER_REPORT: &[Column<Rc<Provider>>] = &[
    ("prvdrid", |p, out| put(out, p.id)),
    ("prvdr", |p, out| username(out, p)),
    ("prvdrfullnme", |p, out| name(out, &p.last, &p.first)),
    ("prvdr npi no", |p, out| put(out, &p.npi)),
];

pub const DEPARTMENT_API: &[Column<Rc<Department>>] = &[
    ("departmentid", |d, out| put(out, d.id)),
    ("name", |d, out| put(out, &d.name)),
    ("timezone", |_, out| put(out, "America/New_York")),
];

pub const DEPARTMENT_REPORT: &[Column<Rc<Department>>] =
    &[("deptid", |d, out| put(out, d.id)), ("dept name", |d, out| put(out, &d.name))];

fn put(out: &mut String, value: impl Display) {
    // A String takes all that is written to it.
    let _ = write!(out, "{value}");
}

fn name(out: &mut String, last: &str, first: &str) {
    put(out, format_args!("{last}, {first}"));
}

fn username(out: &mut String, provider: &Provider) {
    let initial = provider.first.chars().next().unwrap_or('X');
    put(out, format_args!("{}_{initial}", provider.last));
}

fn day(out: &mut String, day: impl Into<Option<Date>>) {
    if let Some(day) = day.into() {
        put(out, format_args!("{:02}/{:02}/{:04}", day.month(), day.day(), day.year()));
    }
}

fn moment(out: &mut String, time: impl Into<Option<DateTime>>) {
    if let Some(time) = time.into() {
        day(out, time.date());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        put(out, format_args!(" {hour:02}:{minute:02}:{second:02}"));
    }
}

/// Writes `2:05 PM`.
fn clock(out: &mut String, time: DateTime) {
    let half = if time.hour() < 12 { "AM" } else { "PM" };
    put(out, format_args!("{}:{:02} {half}", (time.hour() + 11) % 12 + 1, time.minute()));
}

/// Writes a phone in one of the four forms that people write.
fn phone(out: &mut String, phone: Phone, form: u64) {
    if let Phone(Some((area, end))) = phone {
        match form % 4 {
            0 => put(out, format_args!("{area}55501{end:02}")),
            1 => put(out, format_args!("({area}) 555-01{end:02}")),
            2 => put(out, format_args!("{area}-555-01{end:02}")),
            _ => put(out, format_args!("({area})555-01{end:02}")),
        }
    }
}

fn email(out: &mut String, email: &str) {
    put(out, if email.is_empty() { "No Email" } else { email });
}

/// Writes the practice's external ID of an appointment: ten digits, zeros in front.
fn external(out: &mut String, visit: &Visit) {
    if visit.patient.is_some() && visit.id % 10 < 8 {
        put(out, format_args!("{:010}", visit.id * 11));
    }
}

fn kin(out: &mut String, kin: &Option<Kin>, write: fn(&mut String, &Kin)) {
    kin.iter().for_each(|kin| write(out, kin));
}

fn guarantor(out: &mut String, patient: &Patient, write: impl Fn(&mut String, &Guarantor)) {
    patient.guarantor.iter().for_each(|guarantor| write(out, guarantor));
}

fn insurance(
    out: &mut String,
    patient: &Patient,
    place: usize,
    write: impl Fn(&mut String, &Insurance),
) {
    patient.insurances[place].iter().for_each(|insurance| write(out, insurance));
}

/// Returns the policy holder's name and birth date, and what the patient is to them.
fn holder(patient: &Patient) -> (&str, &str, Date, u8) {
    match &patient.guarantor {
        Some(holder) => (&holder.last, holder.first, holder.born, holder.relationship),
        None => (&patient.last, patient.first, patient.born, 1),
    }
}

fn cancel(out: &mut String, visit: &Visit, write: impl Fn(&mut String, (u32, &'static str))) {
    visit.cancel.iter().for_each(|&reason| write(out, reason));
}

fn patient(out: &mut String, visit: &Visit, write: impl Fn(&mut String, &Patient)) {
    visit.patient.iter().for_each(|patient| write(out, patient));
}
