//! The gate: who asks, is the form ours, may they? Nothing is shown or done before.

use super::ask::{Ask, Pairs};
use super::office::Office;
use super::pages::sign_in;
use super::refusal::{self, Refusal};
use super::reply::{Answer, Cookie, Reply};
use super::routes::{Needs, Route, Way};
use crate::desk::{Session, Token};

/// The field of every form that shows it is ours.
pub const FORM_TOKEN: &str = "form";

/// Answers a request of a route.
pub fn answer(route: &Route, office: &Office, ask: &mut Ask) -> Reply {
    let mut visitor = None;
    if ask.token.is_none() && ask.visitor.is_none() {
        visitor = Token::random().ok();
        ask.visitor.clone_from(&visitor);
    }
    let outcome = admitted(route, office, ask);
    let mut reply = outcome.unwrap_or_else(|refused| match refused {
        Refusal::SignIn(kept) => sign_in::instead(office, ask, route, &kept),
        refused => refusal::page(office, ask, refused),
    });
    if let (Cookie::Same, Some(visitor)) = (&reply.cookie, visitor)
        && reply.kind.starts_with("text/html")
    {
        reply.cookie = Cookie::Visitor(visitor);
    }
    reply
}

fn admitted(route: &Route, office: &Office, ask: &mut Ask) -> Answer {
    if let Some(token) = &ask.token {
        let (limits, clicked) = (office.limits(), !ask.live);
        ask.who = office.desk()?.session(token, &limits, ask.now, clicked)?;
    }
    if route.way != Way::Get && !is_ours(ask) {
        return Err(Refusal::Stale);
    }
    match (route.needs, &ask.who) {
        (Needs::Nothing, _) | (Needs::SignedIn, Some(_)) => {}
        (_, None) => return Err(Refusal::SignIn(kept(route, ask))),
        (Needs::OneOf(any), Some(who)) => {
            if !any.iter().any(|&one| who.may(one)) {
                note_refused(office, ask, route, who)?;
                return Err(Refusal::May(any));
            }
        }
    }
    (route.handler)(office, ask)
}

/// A form is ours if no other site's page sent it, and it carries what only a page of ours
/// could know.
fn is_ours(ask: &Ask) -> bool {
    let shown = ask.field(FORM_TOKEN);
    !ask.cross_site && ask.form_token().is_some_and(|token| same(&token, shown))
}

/// Compares in a time that tells nothing.
fn same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differ == 0
}

/// Returns what was typed into a form whose session has ended; never a password.
fn kept(route: &Route, ask: &Ask) -> Pairs {
    if route.way != Way::Post {
        return Pairs::new();
    }
    let keep = |name: &str| name != FORM_TOKEN && !name.contains("password");
    ask.form.iter().filter(|(name, _)| keep(name)).cloned().collect()
}

fn note_refused(office: &Office, ask: &Ask, route: &Route, who: &Session) -> Result<(), Refusal> {
    log::warn!("page: {} may not {}", who.user, route.path);
    office.desk()?.note(&ask.by(), "refused", route.path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_ours_only_with_the_token_of_its_session() {
        let token = Token::random().unwrap();
        let with = |shown: String| Ask {
            token: Some(token.clone()),
            form: vec![(FORM_TOKEN.to_string(), shown)],
            ..Ask::default()
        };
        assert!(is_ours(&with(token.for_forms())));
        assert!(!is_ours(&Ask { cross_site: true, ..with(token.for_forms()) }));
        for wrong in ["", "x", token.secret(), &Token::random().unwrap().for_forms()] {
            assert!(!is_ours(&with(wrong.to_string())), "{wrong}");
        }
        assert!(!is_ours(&Ask { token: None, ..with(token.for_forms()) }));
    }
}
