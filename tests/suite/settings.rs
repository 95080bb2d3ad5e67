//! Every way to get a setting wrong: what is told of it, at which line, with what to do.
//!
//! The rows of [`REFUSED`] break a good file; a sentence of `src/config` that none of them
//! brings about is found by reading the source. Beside that, every key of the templates is
//! given values that it cannot mean.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hl7drop::config::{Problem, interface, program, template};
use hl7drop::engine::Agreement;

/// A good interface file.
const GOOD: &str = "[project]
interface = 'ridge-hie'
context_id = '195900'
practice = 'Lakeside Family Medicine'
environment = 'test'
[wire]
receiving_application = 'RIDGE'
[connectivity.test]
method = 'folder'
folder = '/outbound'
";

/// Lines that stand instead of one of the good file, or after all of them where that is
/// empty; what is told of the line that ends in `#!`, or of the first line.
type Row = (&'static str, &'static str, &'static str);

const PRACTICE: &str = "practice = 'Lakeside Family Medicine'";
const METHOD: &str = "method = 'folder'\nfolder = '/outbound'";
const REFUSED: &[Row] = &[
    // What all sections share: `check.rs`, `shape.rs`, `raw.rs`.
    (
        PRACTICE,
        "",
        "`practice` is missing in [project]; write practice = \"Lakeside Family Medicine\"",
    ),
    (
        PRACTICE,
        "practice = ' ' #!",
        "`practice` is empty; write practice = \"Lakeside Family Medicine\"",
    ),
    (
        PRACTICE,
        "practice = \"a\\tb\" #!",
        "`practice` holds a tab, a line break or another control character; remove it",
    ),
    (
        "receiving_application = 'RIDGE'",
        "receiving_application = 'R^E' #!",
        "`receiving_application` holds `^`, an HL7 separator; leave it out",
    ),
    (
        "receiving_application = 'RIDGE'",
        "receiving_application = 'RIDGE HEALTH EXC' #!",
        "`receiving_application` has 16 characters; shorten it, its field takes 15",
    ),
    (
        "[wire]\nreceiving_application = 'RIDGE'",
        "[wire] #!",
        "`receiving_application` is missing in [wire]; write receiving_application = \
         \"the vendor's name for itself\"",
    ),
    (
        "environment = 'test'",
        "environment = 'preview' #!",
        "`preview` is no environment; write \"test\" or \"production\"",
    ),
    ("", "[pickup]\npoison_after = 0 #!", "`poison_after` is 0; write a number from 1 to 1000"),
    (
        METHOD,
        "method = 'sftp'\nhost = 'h'\nuser = 'u'\nknown_hosts = 'k'\nfolder = '/f'\nkey_file = '' #!",
        "`key_file` is not a path; write where the file or folder is",
    ),
    (
        PRACTICE,
        "practice = 'Lakeside' 5 #!",
        "column 23: unexpected key or value, expected newline, `#`",
    ),
    (
        METHOD,
        "method = 'folder'\nfolder = '~/a' #!",
        "`folder` begins with `~`; write the whole path",
    ),
    (
        "",
        "[batch]\nfile_name = '{file_number}{date' #!",
        "`file_name` has a { without its }; write both or none",
    ),
    (
        "",
        "[batch]\nfile_name = '{file_number}{who}' #!",
        "{who} is no placeholder of `file_name`; it takes {context_id}, {interface}, \
         {environment}, {date}, {time}, {file_number}",
    ),
    (
        "",
        "[batch]\nfile_name = 'a/{file_number}' #!",
        "`file_name` holds '/'; use letters, digits, `.`, `_`, `-` and placeholders",
    ),
    (
        "",
        "[batch]\nfile_name = 'a.hl7' #!",
        "`file_name` does not hold {file_number}; add it, as it makes each name its own",
    ),
    (
        "",
        "password = 'x' #!",
        "a secret does not stand in this file; write password_file or password_env",
    ),
    (
        "",
        "older_rows = 'tell' #!",
        "`older_rows` stands in [connectivity.test] and belongs to [events]; is there a # before \
         [events]?",
    ),
    ("", "[contact] #!\nname = 'a'", "`contact` may come more than once; write it as [[contact]]"),
    (
        "",
        "[[project.x]] #!",
        "unknown field `x`, expected one of `interface`, `context_id`, `practice`, `event_number`, `vendor`, `vendor_type`, `environment`, `timezone`, `audit_timezone`",
    ),
    ("", "port = '22' #!", "`port`: invalid type: string \"22\", expected a whole number"),
    (
        "",
        "[pickup]\nsettle_seconds = true #!",
        "`settle_seconds`: invalid type: boolean `true`, expected a number",
    ),
    (
        "",
        "[batch]\nsend_empty = 'no' #!",
        "`send_empty`: invalid type: string \"no\", expected true or false",
    ),
    (
        PRACTICE,
        "practice = 5 #!",
        "`practice`: invalid type: integer `5`, expected a text in quotes",
    ),
    ("", "windows = 5 #!", "`windows`: invalid type: integer `5`, expected a list in brackets"),
    (
        "",
        "[external_ids]\npatient = [5] #!",
        "`patient`: invalid type: integer `5`, expected a section",
    ),
    (
        "",
        "[fields]\npid_33 = 5 #!",
        "`pid_33`: invalid type: integer `5`, expected true, false or a text in quotes",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = 5 #!",
        "`value`: invalid type: integer `5`, expected a text in quotes or a list of them",
    ),
    // `[project]`, `[enable]`, `[wire]`, `[appointments]`.
    (
        "interface = 'ridge-hie'",
        "interface = '-a' #!",
        "`-a` names folders; use letters, digits and `-`, at most 40, no `-` in front",
    ),
    (
        "context_id = '195900'",
        "context_id = 'A1' #!",
        "`A1` is no context_id; write at most 9 digits, as control IDs (number, M, context_id) \
         must fit 20 characters",
    ),
    (
        PRACTICE,
        "practice = 'Lakeside Family Medicine'\ntimezone = 'EST5' #!",
        "`EST5` is no timezone; write an IANA name such as \"America/New_York\"",
    ),
    (
        "",
        "[enable] #!\npatient_added = true\npatient_updated = true\nappointment_scheduled = true\nappointment_updated = true\nappointment_cancelled = true\nappointment_checked_in = true",
        "`appointment_checked_out` is missing in [enable]; write appointment_checked_out = true or false",
    ),
    (
        "",
        "[appointments.status]\npatient_added = 'X' #!",
        "`patient_added` is no event here; write appointment_scheduled, appointment_updated, \
         appointment_cancelled, appointment_checked_in, appointment_checked_out",
    ),
    (
        "[wire]",
        "[wire]\nhl7_version = '2.3' #!",
        "HL7 2.3 has no room for CDC codes in PID-10 and PID-22; write \"2.3.1\", \"2.4\", \
         \"2.5\" or \"2.5.1\"",
    ),
    (
        "[wire]",
        "[wire]\nhl7_version = '2.6' #!",
        "HL7 2.6 renames data types (CE to CWE, TS to DTM); write \"2.3.1\", \"2.4\", \"2.5\" \
         or \"2.5.1\"",
    ),
    (
        "[wire]",
        "[wire]\nhl7_version = '2.7' #!",
        "HL7 2.7 withdraws PID-2, PID-4, PD1-4 and SCH-11; write \"2.3.1\", \"2.4\", \"2.5\" \
         or \"2.5.1\"",
    ),
    (
        "[wire]",
        "[wire]\nhl7_version = '3' #!",
        "`3` is no hl7_version; write \"2.3.1\", \"2.4\", \"2.5\" or \"2.5.1\"",
    ),
    // `[extract.*]`, `[columns.*]`, `[providers.*]`, `[departments]`.
    (
        "",
        "[extract.patients]\nfiles = ['a/b'] #!",
        "\"a/b\" is no file pattern; write a name in the inbox such as \"patients*.csv\", with * ? \
         [ab] as wildcards and no folder",
    ),
    (
        "",
        "[extract.appointments]\nfiles = ['patients*.csv'] #!",
        "`patients*.csv` stands under extract.patients too; a file holds one kind, remove it from one",
    ),
    (
        "",
        "[extract.patients]\nsnapshot = true #!",
        "`snapshot` is of [extract.appointments] only; leave it out",
    ),
    ("", "[columns.patients]\n' ' = 'dob' #!", "a column name is empty; write the header's text"),
    (
        "",
        "[providers.27] #!\nnpi = '1234567890'",
        "the NPI of provider 27 is not ten digits with their check digit; correct it",
    ),
    ("", "[departments]\n'' = 'MAIN' #!", "a department ID is empty; write athenaNet's ID"),
    // `[connectivity.*]`, `[[endpoint]]`.
    ("", "name = 'a' #!", "`name` goes into [[endpoint]]; remove it here"),
    (
        "",
        "[connectivity.production] #!\nmethod = 'folder'\nfolder = '/outbound'",
        "this is where files of test go, and those of production must not get among them; give it \
         a folder or a user of its own",
    ),
    (
        "",
        "[[endpoint]]\nname = 'a b' #!\nenvironment = 'test'\nmethod = 'folder'\nfolder = '/x'",
        "`a b` cannot name an endpoint: use letters, digits and `-`",
    ),
    (
        "",
        "[[endpoint]]\nname = 'test' #!\nenvironment = 'test'\nmethod = 'folder'\nfolder = '/x'",
        "there is another endpoint `test`; give each its own name",
    ),
    (
        "",
        "temp_name = '{name}' #!",
        "`temp_name` is the final name itself; add to it, as in \".{name}.{try}.part\"",
    ),
    ("", "host = 'h' #!", "`host` goes with method = \"sftp\"; remove one of the two"),
    (
        "[connectivity.test]\nmethod = 'folder'\nfolder = '/outbound'",
        "[connectivity.test] #!\nmethod = 'sftp'\nhost = 'h'\nuser = 'u'\nknown_hosts = 'k'\nfolder = '/f'",
        "`key_file` is missing in [connectivity.test]; write key_file = \"keys/id_ed25519\", or \
         password_file or password_env",
    ),
    (
        "[connectivity.test]\nmethod = 'folder'\nfolder = '/outbound'",
        "[connectivity.test] #!\nmethod = 'sftp'\nhost = 'h'\nknown_hosts = 'k'\nkey_file = 'k'\nfolder = '/f'",
        "`user` is missing in [connectivity.test]; write user = \"the user name there\"",
    ),
    (
        METHOD,
        "method = 'folder'\nfolder = '/outbound'\nupload = 'direct'\nconnections = 2 #!",
        "`connections` goes with upload = \"rename\": without a rename files cannot appear in their \
         order; write 1",
    ),
    (
        METHOD,
        "method = 'sftp'\nhost = 'h'\nuser = 'u'\nknown_hosts = 'k'\nfolder = '/f'\npassword_env = 'P'\npassphrase_env = 'Q' #!",
        "a passphrase without its key; write key_file too",
    ),
    (
        METHOD,
        "method = 'sftp'\nhost = 'h'\nuser = 'u'\nknown_hosts = 'k'\nfolder = '/f'\npassword_file = 'p'\npassword_env = 'P' #!",
        "`password_file` and `password_env` both; keep one",
    ),
    (
        METHOD,
        "method = 'sftp'\nhost = 'h'\nuser = 'u'\nknown_hosts = 'k'\nfolder = '/f'\npassword_env = 'hunter2!' #!",
        "`password_env` is no environment variable; write its name, such as VENDOR_PASSWORD, never \
         the secret",
    ),
    (
        "",
        "windows = ['20-06'] #!",
        "`windows` holds parts of the day such as \"20:00-06:00\"; write [] for all day",
    ),
    (
        "",
        "encrypt_home = 'k' #!",
        "`encrypt_home` without its keys, so nothing would be encrypted; write encrypt_to = \
         [\"the whole fingerprint of the vendor's key\"] too",
    ),
    (
        "",
        "encrypt_home = 'k'\nencrypt_to = [] #!",
        "`encrypt_to` is empty; write encrypt_to = [\"the whole fingerprint of the vendor's key\"]",
    ),
    (
        "",
        "encrypt_home = 'k'\nencrypt_to = ['vendor@x'] #!",
        "`vendor@x` is no whole fingerprint: those have 40 hexadecimal digits; a name, a mail \
         address or a short ID can be somebody else's too. Compare it with the vendor's by another \
         way than mail; `gpg --show-keys FILE` shows it",
    ),
    (
        "",
        "ack_files = 'a/b' #!",
        "`a/b` is no pattern of file names; write one with * ? [ab], such as \"*.ack\"",
    ),
    (
        "",
        "ack = 'batch'\nack_after = 'rename'\nack_renamed = '{name}.ack' #!",
        "`ack_renamed` gives names that `ack_files` (*.ack) takes again; choose another end",
    ),
    // `[external_ids]`, `[[mapping]]`.
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\nfield = 'PID-3'\ncustom_field_id = 'x' #!",
        "`x` is no custom_field_id; write its digits: \"41\" for column customfield_41",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\nfield = 'PID-3'\ncustom_field_id = '1'\n\
         [[external_ids.patient]]\nname = 'b'\ncategory = 'b'\nfield = 'PID-3'\ncustom_field_id = '1' #!",
        "custom field 1 already is an external ID; remove one of the rows",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\nfield = 'PID-2'\ncustom_field_id = '1'\n\
         [[external_ids.patient]]\nname = 'b'\ncategory = 'b'\ncustom_field_id = '2'\nfield = 'PID-2' #!",
        "another external ID already replaces PID-2; give one of them another field",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'ID' #!",
        "`ID` is not an HL7 field; write it like PID-3 or PID-5.1",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'SCH-1' #!",
        "SCH-1 takes no such ID; write one of PID-2, PID-3, PID-4, PID-18",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'PID-2!' #!",
        "PID-2 holds one ID and is replaced anyway; write \"PID-2\"",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'PID-3'\n\
         zero_pad = true #!",
        "`zero_pad` needs the width to which zeros are put back; write width = 8",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID' #!\nvalue = []",
        "`PID` is not an HL7 field; write it like PID-3 or PID-5.1",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-5.1' #!\nvalue = []",
        "PID-5.1 is a component; a row maps a whole field, write PID-5",
    ),
    (
        "",
        "[[mapping]]\nfield = 'MSH-11' #!\nvalue = []",
        "MSH-11 says which environment a message is of; remove the row, [project] environment fills it",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = []\n[[mapping]]\nfield = 'PID-14' #!\nvalue = []",
        "PID-14 is already mapped; keep one row",
    ),
    (
        "",
        "[[mapping]] #!\nfield = 'PID-14'",
        "`value` is missing in [mapping]; write value = \"a template\", or [] to leave the field empty",
    ),
    // `[filter]`, `[events]`, `[fields]`, `[codes.*]`.
    (
        "",
        "[enable]\npatient_added = false\npatient_updated = true\nappointment_scheduled = true\n\
         appointment_updated = true\nappointment_cancelled = true\nappointment_checked_in = true\n\
         appointment_checked_out = true\n[filter]\npatients_of_appointments = 'first' #!",
        "`patients_of_appointments` sends patients as added; switch patient_added on in [enable]",
    ),
    (
        "",
        "[[filter.patients]]\nby = 'provider'\nnames = ['1']\n[[filter.patients]] #!\nby = 'provider'\n\
         names = ['2']",
        "there is another [[filter.patients]] by provider; write all names into one",
    ),
    (
        "",
        "[[filter.patients]]\nby = 'provider'\nnames = [] #!",
        "`names` is empty, so that nobody is told of; write a name or an ID",
    ),
    (
        "",
        "[events]\nmissing_rows = 'cancel' #!",
        "nothing is missing in an extract that may be a part; write snapshot = true in \
         [extract.appointments], or \"ignore\"",
    ),
    (
        "",
        "[fields]\npid_34 = true #!",
        "`pid_34` is no choice here; write msh_7_offset, message_structure, emit_ssn, pid_33, \
         language_form, ethnicity_style, pd1_4, pv1_times, guarantor_employer, guarantor_contact, \
         insured_employer, in1_49, relationship, personnel, resched_link",
    ),
    (
        "",
        "[fields]\npersonnel = 'all' #!",
        "`all` is no personnel; write \"aig\" or \"aip\" or \"both\"",
    ),
    (
        "",
        "[fields]\npid_33 = true #!",
        "HL7 2.3.1 has no PID-33; write false, or another hl7_version",
    ),
    (
        "",
        "[codes.colour] #!",
        "`colour` is no code table; write race, ethnicity, language, relationship, sex, marital, status",
    ),
    (
        "",
        "[codes.sex]\nsystem = 'X' #!",
        "the codes of `sex` go out without a coding system; leave this out",
    ),
    (
        "",
        "[codes.sex]\nunmapped = 'x' #!",
        "`x` is no unmapped; write \"error\" or \"hold\" or \"pass\" or \"default\"",
    ),
    (
        "",
        "[codes.race]\nunmapped = 'default' #!",
        "`unmapped` is \"default\"; write default = \"a code of the table\" too",
    ),
    (
        "",
        "[codes.race]\ndefault = '2106-3'\nunmapped = 'pass' #!",
        "`default` needs unmapped = \"default\"; leave one of them out",
    ),
    (
        "",
        "[codes.race]\nWhite = 'X' #!",
        "`X` is no code of table race; write one, or \"CODE^Text\"",
    ),
    (
        "",
        "[codes.race]\n' ' = '2106-3' #!",
        "a word of [codes.race] is empty or has more than 128 bytes; write it shorter",
    ),
    ("", "[codes.race]\nWhite = 'X^' #!", "`White` is no code; write it like \"NBR^Neighbour\""),
    // `[batch]`, `[pickup]`, `[retention]`.
    (
        "",
        "[batch]\nfile_name = '.{file_number}' #!",
        "`file_name` begins with a dot, which hides the file; leave it out",
    ),
    (
        "",
        "[batch]\nwrappers = 'none'\nsend_empty = true #!",
        "a file without wrappers has nothing to be sent empty; write false",
    ),
    (
        "",
        "[pickup]\ndone_marker = 'done' #!",
        "\"done\" is no end of a marker's name; write one such as \".done\", or \"\" where exporters \
         write no marker",
    ),
    (
        "",
        "[pickup]\nsettle_seconds = nan #!",
        "`settle_seconds` is NaN; write a number from 0 to 86400",
    ),
    (
        "",
        "[retention]\nsent_days = 91 #!",
        "`sent_days` is more than queue_days: nobody would know whose the files are; write 0, which \
         keeps them as long as their messages, or more queue_days",
    ),
    (
        "",
        "[retention]\naudit_days = 89 #!",
        "`audit_days` is less than queue_days: what is in the queue would lose who decided about it; \
         write 0, for ever, or more",
    ),
    // `[[contact]]`, `[alerts]`, `[[expect]]`.
    (
        "",
        "[[contact]]\nname = 'a b' #!\nmethod = 'command'\ncommand = ['/a']",
        "`a b` cannot name a contact: use letters, digits and `-`",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'command'\ncommand = ['/a']\n[[contact]]\nname = 'a' #!\n\
         method = 'command'\ncommand = ['/a']",
        "there is another contact `a`; give each its own name",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'command'\ncommand = ['/a']\ncauses = ['rain'] #!",
        "`rain` is no cause; write delivery_stopped, delivery_failing, uncertain, conflict, \
         acknowledgement_overdue, disk, ledger, pass_failed, pass_killed, settings, held, backfill, \
         files_refused, rows_waiting, late, silent, volume, filling",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'command'\ncommand = ['/a']\nquiet = '22' #!",
        "`quiet` is no part of the day; write \"22:00-06:30\", or \"\" for never",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'command'\ncommand = ['/a']\nurl = 'https://a' #!",
        "`url` goes with method = \"webhook\"; remove one of the two",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'mail'\nhost = 'h'\nsender = 'a@b'\nto = ['a@b']\nsecurity = 'none' #!",
        "security = \"none\" is for a mail server on this machine (localhost); write \"starttls\" or \
         \"tls\" for others",
    ),
    (
        "",
        "[[contact]] #!\nname = 'a'\nmethod = 'mail'\nhost = 'h'\nsender = 'a@b'\nto = ['a@b']\nuser = 'u'",
        "`password_file` is missing in [contact]; write password_file = \"keys/mail\", or password_env",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'mail'\nhost = 'h'\nsender = 'a@b'\nto = ['a'] #!",
        "`to` holds \"a\"; write a mail address such as a@b.example",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'webhook'\nurl = 'https://a'\nbearer_env = 'B'\nhmac_env = 'H' #!",
        "a bearer and an hmac both; keep one",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'webhook'\nurl = 'a' #!",
        "`url` is no address; write one such as \"https://chat.practice.example/hook\"",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'webhook'\nurl = 'https://u:p@a' #!",
        "`url` holds a user or a password; give a secret with bearer_file or hmac_file",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'webhook'\nurl = 'http://a' #!",
        "`url` is not encrypted; write https://, or http://localhost for this machine",
    ),
    (
        "",
        "[[contact]]\nname = 'a'\nmethod = 'command'\ncommand = ['page'] #!",
        "`command` begins with no program; write its whole path, \"/usr/local/bin/page\"",
    ),
    (
        "",
        "[[expect]]\nextract = 'patients'\nby = '6:30' #!",
        "`by` is \"6:30\"; write a time of day, \"06:30\"",
    ),
];

/// The same of the program's own file, which may be empty.
const PROGRAM: &[Row] = &[
    (
        "",
        "[watch]\nlisten = '0.0.0.0:1' #!",
        "`listen` is \"0.0.0.0:1\"; write an address of this machine and a port, such as \
         \"127.0.0.1:9187\", or \"\" for none",
    ),
    (
        "",
        "[serve]\nlisten = 'localhost' #!",
        "`listen` is not an address and a port; write listen = \"127.0.0.1:8024\"",
    ),
    (
        "",
        "[serve]\nlisten = '0.0.0.0:80' #!",
        "`listen` is 0.0.0.0:80, which other machines reach, and the page speaks no TLS itself; write \
         listen = \"127.0.0.1:8024\", or set behind_proxy = true where only a proxy with TLS can \
         reach it (docs/page.md)",
    ),
    ("", "folders = 5 #!", "`folders` is a section; write it as [folders]"),
];

/// What is told of a file that is good by itself, once it is put together with the map and the
/// vocabulary: the field or the column stands there instead of the line.
const AGREED: &[Row] = &[
    (
        "",
        "[columns.patients]\nChart = 'patentid'",
        "columns: patients: `patentid`, which `Chart` is to mean, is no column; config/columns.toml has \
         all of them to choose from",
    ),
    (
        "",
        "[columns.patients]\n'Chart No' = 'patientid'\nchartno = 'ssn'",
        "columns: patients: `Chart No` and `chartno` are one name; keep one",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'PID-5'",
        "mapping of PID-5: it is filled already; write PID-5! to put the ID there instead",
    ),
    (
        "",
        "[[external_ids.patient]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'NK1-6'",
        "mapping of NK1-6: no external ID goes there; write a field of PID, PD1, PV1",
    ),
    (
        "",
        "[[external_ids.appointment]]\nname = 'a'\ncategory = 'a'\ncustom_field_id = '1'\nfield = 'NTE-4'",
        "mapping of NTE-4: no external ID goes there; write a field of SCH, PV1, RGS, AIG, AIL",
    ),
    (
        "",
        "[[mapping]]\nfield = 'ZZZ-5'\nvalue = '{lastname}'",
        "mapping of ZZZ-5: no message has this segment; write a field of MSH, EVN, SCH, NTE, PID, PD1, \
         NK1, PV1, GT1, IN1, RGS, AIG, AIL",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{a'",
        "mapping of PID-14: `{a`: `{` without `}`; write both",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = 'a}'",
        "mapping of PID-14: `a}`: `}` without `{`; write both",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{}'",
        "mapping of PID-14: `{}`: nothing between the braces; write a column there",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workfone}'",
        "mapping of PID-14: there is no column `workfone`; use one of config/columns.toml",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{@who}'",
        "mapping of PID-14: there is no setting `@who`; use one of config/mapping.toml",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workphone:fone}'",
        "mapping of PID-14: there is no function `fone`; use one of config/mapping.toml",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workphone:code fone}'",
        "mapping of PID-14: there is no code table `fone`; use one of config/codes",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workphone!X999}'",
        "mapping of PID-14: there is no fault `X999`; use one of `hl7drop explain`",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workphone:phone WPN}'",
        "mapping of PID-14: write 2 argument(s) behind `phone`",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workphone:width x}'",
        "mapping of PID-14: write a number behind `width`",
    ),
    (
        "",
        "[[mapping]]\nfield = 'PID-14'\nvalue = '{workphone:width 4 fill}'",
        "mapping of PID-14: write `pad` behind `width` N",
    ),
];

/// What a sentence says to do.
const STEPS: &[&str] = &[
    "write",
    "use",
    "remove",
    "leave",
    "keep",
    "give",
    "choose",
    "add",
    "shorten",
    "correct",
    "switch",
    "expected",
    "it takes",
    "is there a #",
    "Compare",
];

/// Returns the good file broken as a row says, and the line that is to be told.
fn broken(good: &str, (instead, lines, _): &Row) -> (String, usize) {
    let text = match *instead {
        "" => format!("{good}{lines}\n"),
        old => {
            assert!(good.contains(&format!("{old}\n")), "{old}");
            good.replace(&format!("{old}\n"), &format!("{lines}\n"))
        }
    };
    let line = text.lines().position(|line| line.ends_with("#!")).unwrap_or(0);
    (text, line + 1)
}

fn told<T: std::fmt::Debug>(read: Result<T, Vec<Problem>>) -> Vec<String> {
    read.unwrap_err().iter().map(Problem::to_string).collect()
}

fn in_interface(text: &str) -> Vec<String> {
    told(interface::read(text, Path::new("/etc/hl7drop")))
}

fn in_program(text: &str) -> Vec<String> {
    told(program::read(text, Path::new("/etc/hl7drop")))
}

#[test]
fn each_wrong_setting_is_told_with_its_line_and_what_to_write() {
    assert!(interface::read(GOOD, Path::new("/etc/hl7drop")).is_ok());
    let both = [
        (GOOD, REFUSED, &in_interface as &dyn Fn(&str) -> Vec<String>),
        ("", PROGRAM, &in_program),
    ];
    let mut wrong = Vec::new();
    for (good, rows, read) in both {
        for row in rows {
            let (text, line) = broken(good, row);
            let (found, wanted) = (read(&text), [format!("line {line}: {}", row.2)]);
            if found != wanted {
                wrong.push(format!("{}\n  gives  {found:#?}\n  not {wanted:#?}", row.1));
            }
            assert!(STEPS.iter().any(|step| row.2.contains(step)), "what to do? {}", row.2);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_map_and_the_vocabulary_refuse_is_told_with_its_field_or_column() {
    for row in AGREED {
        let (text, _) = broken(GOOD, row);
        let scope = interface::read(&text, Path::new("/etc/hl7drop")).unwrap();
        let told = Agreement::new(scope).err().map(|err| err.to_string());
        assert_eq!(told.as_deref(), Some(row.2), "{}", row.1);
        assert!(STEPS.iter().any(|step| row.2.contains(step)), "what to do? {}", row.2);
    }
    let source = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    for path in ["src/convert/compile.rs", "src/convert/template.rs"] {
        let mut left = untested(&source(path).unwrap(), AGREED);
        // What a template is made of.
        left.retain(|text| !["function", "@"].iter().any(|start| text.starts_with(start)));
        assert_eq!(left, [""; 0], "{path}");
    }
}

/// Sentences of the source that are told of no setting, with the reason.
const NOT_TOLD: &[(&str, &str)] = &[
    ("sftp {host} {port:?} {user} {}", "compares where two endpoints lead to"),
    ("invalid type: map, expected a sequence", "of serde, said in other words"),
    ("expected a boolean", "of serde, said in other words"),
    ("expected a string", "of serde, said in other words"),
    ("expected a sequence", "of serde, said in other words"),
];

/// Returns the texts in the code of a file that are sentences, as the compiler has them.
pub fn sentences(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("b'\"'", "").replace("'\"'", "");
    let (mut found, mut rest) = (Vec::new(), code.as_str());
    while let Some((_, after)) = rest.split_once('"') {
        let mut text = String::new();
        let mut chars = after.chars();
        while let Some(char) = chars.next() {
            match char {
                '"' => break,
                '\\' => match chars.next() {
                    Some('\n') => {
                        let blanks = chars.as_str().trim_start();
                        chars = blanks.chars();
                    }
                    Some(other) => text.push(other),
                    None => {}
                },
                other => text.push(other),
            }
        }
        rest = chars.as_str();
        found.push(text);
    }
    found.retain(|text| text.matches(' ').count() > 1);
    found
}

/// True if a sentence is one that the text, with its places filled in, became.
pub fn became(text: &str, sentence: &str) -> bool {
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut rest = sentence;
    for piece in text.split('{').map(|piece| piece.split_once('}').map_or(piece, |it| it.1)) {
        let piece = piece.replace('\u{1}', "{").replace('\u{2}', "}");
        let Some(at) = rest.find(&piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// Returns the sentences of the source that no row brings about.
fn untested(source: &str, rows: &[Row]) -> Vec<String> {
    let mut all = sentences(source);
    all.retain(|text| !NOT_TOLD.iter().any(|(known, _)| known == text));
    all.retain(|text| !rows.iter().any(|(_, _, told)| became(text, told)));
    all
}

#[test]
fn each_sentence_that_refuses_a_setting_has_a_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let rows = [REFUSED, PROGRAM].concat();
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let refuses = ["shape.rs", "raw.rs", "program.rs"].contains(&name);
        if name.starts_with("check") || refuses {
            let source = fs::read_to_string(&path).unwrap();
            assert_eq!(untested(&source, &rows), [""; 0], "{name}");
            seen += sentences(&source).len();
        }
    }
    assert!(seen > 100, "{seen} sentences");
    let sly = "let what = \n    format!(\"`{key}` is \\\n        {{odd}}; write {}\");";
    assert_eq!(untested(sly, &rows), ["`{key}` is {{odd}}; write {}"]);
    assert!(became("`{key}` is {{odd}}; write {}", "`a` is {odd}; write 1"));
}

/// A template with each line of it in force, and its keys: the number of the line, the key
/// and the example.
fn switched_on(text: &str) -> (Vec<String>, Vec<(usize, String, String)>) {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|first: char| first != ' ') => rest.to_string(),
        _ => line.to_string(),
    };
    let lines: Vec<String> = text.lines().map(on).collect();
    let mut keys = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let value = value.split(" #").next().unwrap().trim();
        // A list over several lines has a row of its own.
        if !value.starts_with('[') || value.ends_with(']') {
            keys.push((at, key.trim().to_string(), value.to_string()));
        }
    }
    (lines, keys)
}

/// Keys of the template that take any text here, with the reason.
const TAKEN: &[(&str, &str)] = &[
    ("\"Chart No\"", "whether there is such a column is known where the vocabulary is"),
    ("authority", "of all rows that do not say, and those of the template do"),
    ("value", "templates are read where the map is"),
];

/// Returns values of the same type as the example that no key means.
fn nonsense(example: &str) -> &'static [&'static str] {
    match example.as_bytes()[0] {
        b'"' => &["\"\\u0001\""],
        b'[' => &["[\"\\u0001\"]"],
        b't' | b'f' => &["5"],
        _ => &["-1", "100000000000000"],
    }
}

/// Reads a file for what is wrong with it.
type Reads<'a> = &'a dyn Fn(&str) -> Result<(), Vec<Problem>>;

#[test]
fn every_key_refuses_what_it_cannot_mean() {
    let of_interface = template::interface_file("ridge-hie");
    let production = of_interface.replace("= \"test\" ", "= \"production\" ");
    let read = |text: &str| interface::read(text, Path::new("/")).map(|_| ());
    let of_program = |text: &str| program::read(text, Path::new("/")).map(|_| ());
    let all: [(&str, Reads<'_>); 3] =
        [(&of_interface, &read), (&production, &read), (template::program_file(), &of_program)];
    let (mut refused, mut taken) = (0, Vec::new());
    for (which, (text, read)) in all.into_iter().enumerate() {
        let (lines, keys) = switched_on(text);
        for (at, key, example) in keys {
            for value in nonsense(&example) {
                let mut lines = lines.clone();
                lines[at] = format!("{key} = {value}");
                let told = read(&lines.join("\n")).err().unwrap_or_default();
                match told.iter().find(|problem| problem.line == at + 1) {
                    Some(Problem { what, .. }) => {
                        assert!(STEPS.iter().any(|step| what.contains(step)), "{key}: {what}");
                        refused += 1;
                    }
                    None => taken.push((which, at, key.clone(), *value)),
                }
            }
        }
    }
    // Of the other environment nothing is looked at, since it may be half done.
    let twice = |one: &(usize, usize, String, &str)| {
        taken.iter().any(|other| other.0 != one.0 && (other.1, other.3) == (one.1, one.3))
    };
    let left = taken.iter().filter(|one| one.0 == 2 || twice(one)).map(|one| one.2.as_str());
    let known = TAKEN.iter().map(|(key, _)| *key);
    assert_eq!(left.collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
    assert!(refused > 300, "{refused}");
}
