//! Signing in and out; and what happens to a form whose session ended meanwhile.

use maud::{Markup, html};

use crate::desk::{Attempt, By, Secret, good_name};
use crate::web::ask::{Ask, Pairs};
use crate::web::frame::{frame, hidden};
use crate::web::office::Office;
use crate::web::parts::escaped;
use crate::web::refusal::Refusal;
use crate::web::reply::{Answer, Cookie, Reply};
use crate::web::routes::{Route, Way};

/// The form.
pub fn form(office: &Office, ask: &mut Ask) -> Answer {
    if ask.who.is_some() {
        return Ok(Reply::go(inside(ask.query("then"))));
    }
    let then = inside(ask.query("then")).to_string();
    Ok(page(office, ask, 200, None, &then, &Pairs::new()))
}

/// Answers instead of a page that needs somebody who is signed in. What was typed is
/// carried along and shown once more afterwards.
pub fn instead(office: &Office, ask: &Ask, route: &Route, kept: &Pairs) -> Reply {
    if ask.live {
        return Reply { status: 401, kind: "text/plain", ..Reply::default() };
    }
    match route.way {
        // Browsers keep the cookie back when a link of another site is followed; the next
        // step is our own, and shows it.
        Way::Get if ask.from_elsewhere => again(&ask.path),
        Way::Get if ask.path == "/" => Reply::go("/sign-in"),
        Way::Get => Reply::go(format!("/sign-in?then={}", escaped(&ask.path))),
        Way::Post => {
            let text = "Your session ended before this was sent, and nothing was done. What you \
                        typed is kept: sign in, look it over and send it again.";
            page(office, ask, 401, Some(text), &ask.path, kept)
        }
        Way::Upload => {
            let text = "Your session ended before the upload, and nothing of it was taken in. \
                        Sign in and choose the files again.";
            page(office, ask, 401, Some(text), "/upload", &Pairs::new())
        }
    }
}

/// Signs in.
pub fn enter(office: &Office, ask: &mut Ask) -> Answer {
    let typed = ask.field("name").to_string();
    let by = By { name: good_name(&typed).unwrap_or_default(), ..ask.by() };
    let attempt = office.desk()?.attempt(&by)?;
    let held = match attempt {
        Attempt::Hold(held) => held,
        Attempt::Wait(seconds) => {
            office.desk()?.note(
                &By { name: String::new(), ..by },
                "sign in refused",
                "too many tries",
            )?;
            return Err(Refusal::Wait(seconds));
        }
    };
    // The desk is free meanwhile: this takes a while, as it should.
    let good = Secret::typed(ask.field("password")).is(held.as_deref());
    let then = inside(ask.field("then")).to_string();
    let kept: Pairs = ask.form.iter().filter_map(carried).collect();
    if !good {
        // What was typed for a name may be a password.
        let about = if held.is_some() {
            format!("wrong password for {}", by.name)
        } else {
            "unknown user".to_string()
        };
        office.desk()?.note(&By { name: String::new(), ..by }, "sign in failed", &about)?;
        let text = "That name and password do not belong together.";
        return Ok(page(office, ask, 401, Some(text), &then, &kept));
    }
    let limits = office.limits();
    let token = {
        let mut desk = office.desk()?;
        if let Some(old) = &ask.token {
            desk.sign_out(old, &by)?;
        }
        desk.sign_in(&by, &limits)?
    };
    log::info!("page: {} signed in", by.name);
    let mut reply = if kept.is_empty() {
        Reply::go(then)
    } else {
        ask.token = Some(token.clone());
        ask.who = office.desk()?.session(&token, &limits, ask.now, true)?;
        once_more(office, ask, &then, &kept)
    };
    reply.cookie = Cookie::Session(token);
    Ok(reply)
}

/// Signs out.
pub fn leave(office: &Office, ask: &mut Ask) -> Answer {
    if let Some(token) = &ask.token {
        office.desk()?.sign_out(token, &ask.by())?;
    }
    Ok(Reply { cookie: Cookie::Gone, ..Reply::go("/sign-in") })
}

fn page(
    office: &Office,
    ask: &Ask,
    status: u16,
    notice: Option<&str>,
    then: &str,
    kept: &Pairs,
) -> Reply {
    let body = html! {
        div.door {
            h1 { "Sign in" }
            @if let Some(notice) = notice {
                p.notice.bad role="alert" { (notice) }
            }
            form.stack method="post" action="/sign-in" {
                (hidden(ask))
                input type="hidden" name="then" value=(then);
                @for (name, value) in kept {
                    input type="hidden" name={ "kept-" (name) } value=(value);
                }
                label for="name" { "Name" }
                input #name name="name" autocomplete="username" autocapitalize="none"
                    spellcheck="false" required autofocus;
                label for="password" { "Password" }
                input #password name="password" type="password"
                    autocomplete="current-password" required;
                button type="submit" { "Sign in" }
            }
            p.hint { "Accounts are made by whoever manages users here, or in the shell with "
                code { "hl7drop user add" } "." }
        }
    };
    let mut reply = frame(office, &signed_out(ask), "Sign in", body);
    reply.status = status;
    reply
}

/// The sign-in page shows nobody as signed in.
fn signed_out(ask: &Ask) -> Ask {
    Ask {
        path: ask.path.clone(),
        token: ask.token.clone(),
        visitor: ask.visitor.clone(),
        ..Ask::default()
    }
}

/// The form that was typed before the session ended, to be looked over and sent.
fn once_more(office: &Office, ask: &Ask, to: &str, kept: &Pairs) -> Reply {
    let body = html! {
        h1 { "You are signed in again" }
        p { "This was typed before your session ended. Nothing of it was done yet." }
        form.stack method="post" action=(to) {
            (hidden(ask))
            (fields(kept))
            div.buttons {
                button type="submit" { "Send it" }
                a.button.quiet href="/" { "Forget it" }
            }
        }
    };
    frame(office, ask, "Send it once more", body)
}

fn fields(kept: &Pairs) -> Markup {
    html! {
        @for (at, (name, value)) in kept.iter().enumerate() {
            @let id = format!("kept-{at}");
            label for=(id) { (name) }
            input id=(id) name=(name) value=(value);
        }
    }
}

/// Returns a field that is carried through the sign-in, by its own name.
fn carried((name, value): &(String, String)) -> Option<(String, String)> {
    Some((name.strip_prefix("kept-")?.to_string(), value.clone()))
}

fn again(path: &str) -> Reply {
    let page = html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "hl7drop" }
                meta http-equiv="refresh" content={ "0;url=" (inside(path)) };
            }
            body { main { h1 { "hl7drop" } p { a href=(inside(path)) { "Go on" } } } }
        }
    };
    Reply::page(200, page)
}

/// Returns a path within this site; anything else leads to the first page.
fn inside(path: &str) -> &str {
    let good = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.chars().all(|char| char.is_ascii_graphic());
    if good && !path.starts_with("/sign-in") { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_led_elsewhere() {
        assert_eq!(inside("/queue?state=ERROR"), "/queue?state=ERROR");
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil", "/a\nb", "/sign-in"] {
            assert_eq!(inside(bad), "/", "{bad}");
        }
    }
}
