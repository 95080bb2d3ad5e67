//! One's own account: what one may do, a new password, signing out everywhere.

use maud::html;

use crate::desk::{PASSWORD_CHARS_MIN, Secret};
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::Office;
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Cookie, Reply};

/// The page.
pub fn form(office: &Office, ask: &mut Ask) -> Answer {
    let Some(who) = &ask.who else { return Err(Refusal::SignIn(Vec::new())) };
    let body = html! {
        h1 { "Your account" }
        section.card {
            h2 { (who.user) }
            @if who.permissions.is_empty() {
                p { "You have no permission yet, but for the overview." }
            } @else {
                p { "You may:" }
                ul { @for permission in &who.permissions { li { (permission) } } }
            }
        }
        section.card {
            h2 { "New password" }
            form.stack method="post" action="/account/password" {
                (hidden(ask))
                label for="old-password" { "The password you have" }
                input #old-password name="old-password" type="password"
                    autocomplete="current-password" required;
                label for="new-password" { "The new one, at least " (PASSWORD_CHARS_MIN) " characters" }
                input #new-password name="new-password" type="password"
                    autocomplete="new-password" minlength=(PASSWORD_CHARS_MIN) required;
                button type="submit" { "Change it" }
            }
            p.hint { "It ends all of your sessions, this one too." }
        }
        section.card {
            h2 { "Sign out everywhere" }
            p { "Ends your sessions in every browser, for example on a machine you left." }
            form method="post" action="/account/sign-out-everywhere" {
                (hidden(ask))
                button.danger type="submit" { "Sign out everywhere" }
            }
        }
    };
    Ok(frame(office, ask, "Your account", body))
}

/// Changes one's own password.
pub fn password(office: &Office, ask: &mut Ask) -> Answer {
    let by = ask.by();
    let held = office.desk()?.kept(&by.name)?;
    if !Secret::typed(ask.field("old-password")).is(Some(&held)) {
        office.desk()?.note(&by, "new password refused", "the old one was wrong")?;
        return Err(Refusal::Bad("the password you have is another one".to_string()));
    }
    let kept = Secret::new(ask.field("new-password"), &by.name)?.hash()?;
    office.desk()?.passwd(&by.name, &kept, &by)?;
    Ok(Reply { cookie: Cookie::Gone, ..Reply::go("/sign-in") })
}

/// Ends all of one's sessions.
pub fn everywhere(office: &Office, ask: &mut Ask) -> Answer {
    let by = ask.by();
    office.desk()?.sign_out_everywhere(&by.name, &by)?;
    Ok(Reply { cookie: Cookie::Gone, ..Reply::go("/sign-in") })
}
