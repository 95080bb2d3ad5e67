//! Users and their permissions; shows no patient data.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::desk::{PASSWORD_CHARS_MIN, Secret, User, good_name};
use crate::domain::Permission;
use crate::web::ask::Ask;
use crate::web::frame::{frame, hidden};
use crate::web::office::Office;
use crate::web::parts::{count, time};
use crate::web::reply::{Answer, Reply};

/// The page.
pub fn list(office: &Office, ask: &mut Ask) -> Answer {
    let users = office.desk()?.users()?;
    let zone = office.zone();
    let body = html! {
        h1 { "Users" }
        @for user in &users { (card(ask, user, &zone)) }
        section.card {
            h2 { "A new user" }
            form.stack method="post" action="/users/add" {
                (hidden(ask))
                label for="name" { "Name" }
                input #name name="name" autocomplete="off" autocapitalize="none" required
                    pattern="[A-Za-z0-9][A-Za-z0-9._@\\-]{0,63}";
                label for="new-password" { "Password, at least " (PASSWORD_CHARS_MIN) " characters" }
                input #new-password name="password" type="password" autocomplete="new-password"
                    minlength=(PASSWORD_CHARS_MIN) required;
                (permissions("new", &[]))
                button type="submit" { "Add the user" }
            }
        }
    };
    Ok(frame(office, ask, "Users", body))
}

fn card(ask: &Ask, user: &User, zone: &TimeZone) -> Markup {
    let to = |what: &str| format!("/users/{}/{what}", user.name);
    let password = format!("password-{}", user.name);
    html! {
        section.card {
            h2 { (user.name) }
            p.hint {
                "made " (time(user.made_at, zone))
                @if let Some(seen) = user.seen_at { ", signed in last " (time(seen, zone)) }
                ", " (count(user.sessions, "session", "sessions"))
            }
            form.stack method="post" action=(to("permit")) {
                (hidden(ask))
                (permissions(&user.name, &user.permissions))
                div.buttons { button type="submit" { "Save permissions of " (user.name) } }
            }
            details {
                summary { "Password, sessions, removal" }
                form.row method="post" action=(to("password")) {
                    (hidden(ask))
                    label for=(password) { "New password" }
                    input id=(password) name="password" type="password"
                        autocomplete="new-password" minlength=(PASSWORD_CHARS_MIN) required;
                    button type="submit" { "Set it" }
                }
                form.row method="post" action=(to("sign-out")) {
                    (hidden(ask))
                    button.quiet type="submit" { "Sign " (user.name) " out everywhere" }
                }
                form.row method="post" action=(to("remove")) {
                    (hidden(ask))
                    button.danger type="submit" { "Remove " (user.name) }
                }
            }
        }
    }
}

fn permissions(of: &str, has: &[Permission]) -> Markup {
    html! {
        fieldset {
            legend { "May" }
            @for permission in Permission::ALL {
                label.check {
                    input type="checkbox" name="may" value=(permission.word())
                        id={ "may-" (of) "-" (permission.word()) }
                        checked[has.contains(&permission)];
                    (permission)
                }
            }
        }
    }
}

fn chosen(ask: &Ask) -> Vec<Permission> {
    ask.fields("may").filter_map(Permission::of_word).collect()
}

/// Adds a user.
pub fn add(office: &Office, ask: &mut Ask) -> Answer {
    let name = good_name(ask.field("name"))?;
    let kept = Secret::new(ask.field("password"), &name)?.hash()?;
    office.desk()?.add(&name, &kept, &chosen(ask), &ask.by())?;
    Ok(Reply::go("/users"))
}

/// Sets what a user may do.
pub fn permit(office: &Office, ask: &mut Ask) -> Answer {
    office.desk()?.permit(ask.arg("user"), &chosen(ask), &ask.by())?;
    Ok(Reply::go("/users"))
}

/// Gives a user a new password.
pub fn password(office: &Office, ask: &mut Ask) -> Answer {
    let user = ask.arg("user");
    let kept = Secret::new(ask.field("password"), user)?.hash()?;
    office.desk()?.passwd(user, &kept, &ask.by())?;
    Ok(Reply::go("/users"))
}

/// Ends all sessions of a user.
pub fn sign_out(office: &Office, ask: &mut Ask) -> Answer {
    let mut desk = office.desk()?;
    desk.kept(ask.arg("user"))?;
    desk.sign_out_everywhere(ask.arg("user"), &ask.by())?;
    Ok(Reply::go("/users"))
}

/// Removes a user.
pub fn remove(office: &Office, ask: &mut Ask) -> Answer {
    office.desk()?.remove(ask.arg("user"), &ask.by())?;
    Ok(Reply::go("/users"))
}
