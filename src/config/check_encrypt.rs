//! `encrypt_to` and what goes with it, of an endpoint: for whom its files are encrypted.

use super::check::{Check, Place};
use super::raw;
use crate::domain::Encryption;

/// Hexadecimal digits of a fingerprint: of a version 4 key, and of a version 5 or 6 key.
const DIGITS: [usize; 2] = [40, 64];

impl Check<'_> {
    /// Checks the keys; `Some(None)` where nothing is encrypted.
    pub fn encryption(
        &mut self,
        place: Place,
        endpoint: &mut raw::Endpoint,
    ) -> Option<Option<Encryption>> {
        let (home, name) = (endpoint.encrypt_home.take(), endpoint.encrypt_name.take());
        let name = self.text(place, "encrypt_name", name, "\"{name}.pgp\"");
        let name =
            name.and_then(|name| self.name_template("encrypt_name", name, &["name"], "name"));
        let Some(to) = endpoint.encrypt_to.take() else {
            // Who wrote half of it thinks that files are encrypted.
            if let Some(home) = home {
                let what = "`encrypt_home` without its keys, so nothing would be encrypted; write \
                            encrypt_to = [\"the whole fingerprint of the vendor's key\"] too";
                self.problem(home.span().start, what.to_string());
                return None;
            }
            return Some(None);
        };
        let home = self.text(place, "encrypt_home", home, "\"keys/gnupg\"");
        let home = home.and_then(|home| self.path("encrypt_home", home));
        let example = "[\"the whole fingerprint of the vendor's key\"]";
        let to = self.texts(place, "encrypt_to", Some(to), example)?;
        let mut recipients = Vec::new();
        for one in to {
            let digits: String = one.as_ref().split_ascii_whitespace().collect();
            let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            if !hex || !DIGITS.contains(&digits.len()) {
                let what = format!(
                    "`{}` is no whole fingerprint: those have 40 hexadecimal digits; a name, a \
                     mail address or a short ID can be somebody else's too. Compare it with the \
                     vendor's by another way than mail; `gpg --show-keys FILE` shows it",
                    one.as_ref()
                );
                self.problem(one.span().start, what);
                return None;
            }
            recipients.push(digits.to_ascii_uppercase());
        }
        recipients.sort();
        recipients.dedup();
        Some(Some(Encryption { home: home?, recipients, name: name? }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};

    const ONE: &str = "9854183CF922D77362D448E4FE4F7754F55027A2";

    #[test]
    fn nothing_is_encrypted_unless_agreed() {
        assert_eq!(scope(GOOD).endpoints[0].encryption, None);
        let spaced = "9854 183c f922 d773 62d4  48e4 fe4f 7754 f550 27a2";
        let text = format!("encrypt_to = [\"{ONE}\", \"{spaced}\"]\nencrypt_home = \"gnupg\"");
        let encryption = scope(&added(&text)).endpoints.remove(0).encryption.unwrap();
        assert_eq!(encryption.recipients, [ONE]);
        assert_eq!(encryption.home.to_str(), Some("/etc/hl7drop/gnupg"));
        assert_eq!(encryption.name, "{name}.pgp");
    }

    #[test]
    fn half_an_encryption_is_told_and_nothing_goes_out_plain() {
        let told = |text: &str| problems(&added(text)).join("\n");
        assert!(told("encrypt_home = \"gnupg\"").contains("so nothing would be encrypted"));
        let no_home = told(&format!("encrypt_to = [\"{ONE}\"]"));
        assert!(no_home.contains("`encrypt_home` is missing"), "{no_home}");
        assert!(told("encrypt_to = []\nencrypt_home = \"g\"").contains("`encrypt_to` is empty"));
        for short in ["F55027A2", "FE4F7754F55027A2", "vendor@example.com", &ONE[1..]] {
            let text = format!("encrypt_to = [\"{short}\"]\nencrypt_home = \"g\"");
            assert!(told(&text).contains("is no whole fingerprint"), "{short}");
        }
        let name =
            format!("encrypt_to = [\"{ONE}\"]\nencrypt_home = \"g\"\nencrypt_name = \"x.pgp\"");
        assert!(told(&name).contains("does not hold {name}"));
    }
}
