//! The files that `hl7drop init` writes.

use crate::domain::{Endpoint, Method, Scope};

/// Stands in `config/interface.toml` where the interface's name goes.
const NAME: &str = "INTERFACE-NAME";

/// Returns a commented interface file for `name`, which must be a good
/// [`InterfaceName`](crate::domain::InterfaceName). It reads without problems as it
/// is: it is a test interface that delivers into `../delivered/<name>`.
pub fn interface_file(name: &str) -> String {
    include_str!("../../config/interface.toml").replace(NAME, name)
}

/// Returns which values of an interface are those that [`interface_file`] asks to fill in:
/// each setting with what it says.
pub fn left_as_example(scope: &Scope) -> Vec<(&'static str, String)> {
    let mut left = Vec::new();
    for (key, value, example) in [
        ("context_id", &scope.context_id, "99999"),
        ("practice", &scope.practice, "Example Practice"),
        ("receiving_application", &scope.wire.receiving_application, "VENDOR"),
    ] {
        if value == example {
            left.push((key, format!("{value:?}")));
        }
    }
    let example = format!("../delivered/{}", scope.interface.as_str());
    let nearby = |endpoint: &Endpoint| match &endpoint.method {
        Method::Folder(folder) => folder.ends_with(&example),
        Method::Sftp(_) => false,
    };
    if scope.endpoints.iter().any(nearby) {
        left.push(("folder", format!("{example:?}")));
    }
    left
}

/// Returns the commented program file; its values are the defaults.
pub fn program_file() -> &'static str {
    include_str!("../../config/hl7drop.toml")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::interface::read;
    use super::super::testing::{GOOD, scope, switched_on};
    use super::*;

    #[test]
    fn a_new_interface_file_reads_without_problems_and_delivers_nearby() {
        let scope = read(&interface_file("ridge-hie"), Path::new("/etc/hl7drop/interfaces"));
        let scope = scope.unwrap();
        assert_eq!(scope.interface.as_str(), "ridge-hie");
        assert_eq!(
            scope.endpoints[0].method,
            Method::Folder("/etc/hl7drop/interfaces/../delivered/ridge-hie".into())
        );
    }

    #[test]
    fn each_line_to_fill_in_is_known_as_an_example_until_it_is() {
        let text = interface_file("ridge");
        let folder = Path::new("/etc/hl7drop/interfaces");
        let marked = text.lines().filter(|line| line.contains("# fill in"));
        let marked: Vec<&str> =
            marked.filter_map(|line| line.split('=').next()).map(str::trim).collect();
        let left = left_as_example(&read(&text, folder).unwrap());
        let keys: Vec<&str> = left.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, marked);
        for (key, value) in left {
            let text = text.replace(&format!("= {value}"), "= \"42\"");
            let left = left_as_example(&read(&text, folder).unwrap());
            assert!(left.len() == 3 && left.iter().all(|(other, _)| *other != key), "{key}");
        }
    }

    #[test]
    fn everything_in_the_template_can_be_switched_on() {
        let text = switched_on();
        let test = scope(&text);
        assert_eq!((test.patient_ids.len(), test.appointment_ids.len()), (1, 1));
        assert_eq!((test.mapping.len(), test.status.len()), (1, 1));
        let production = text.replace("= \"test\" ", "= \"production\" ");
        // Both ways to name a secret stand there; the login takes them together.
        let Method::Sftp(sftp) = scope(&production).endpoints.remove(0).method else {
            panic!("the example of production is SFTP");
        };
        assert!(sftp.login.key_file.is_some() && sftp.login.password.is_some());
    }

    #[test]
    fn the_template_shows_the_defaults() {
        let (shown, plain) = (scope(&switched_on()), scope(GOOD));
        assert_eq!(shown.timezone, plain.timezone);
        assert_eq!(shown.enabled, plain.enabled);
        assert_eq!(shown.files, plain.files);
        assert_eq!(shown.wire.sending_application, plain.wire.sending_application);
        assert_eq!(shown.wire.receiving_facility, plain.wire.receiving_facility);
        assert_eq!(shown.wire.default_operator, plain.wire.default_operator);
        assert_eq!(shown.provider_ids, plain.provider_ids);
        assert_eq!(shown.npi_missing, plain.npi_missing);
        assert_eq!(shown.filters.patient_department, plain.filters.patient_department);
        assert_eq!(shown.filters.on_leave, plain.filters.on_leave);
        assert_eq!(shown.batching, plain.batching);
        assert_eq!(shown.pickup, plain.pickup);
        let production = switched_on().replace("= \"test\" ", "= \"production\" ");
        assert_eq!(scope(&production).endpoints[0].protocol, plain.endpoints[0].protocol);
    }
}
