//! What is around every page: head, the way to the other pages, who is signed in.

use maud::{DOCTYPE, Markup, html};

use super::ask::Ask;
use super::gate::FORM_TOKEN;
use super::office::Office;
use super::reply::Reply;
use crate::domain::Permission::{self, *};

/// The pages one can go to from everywhere: address, name, who may.
const WAYS: &[(&str, &str, Option<&[Permission]>)] = &[
    ("/", "Overview", None),
    ("/search", "Search", Some(&[ViewMessageQueue])),
    ("/groups", "Errors", Some(&[ViewMessageQueue])),
    ("/mappings", "Mappings", Some(&[ViewMessageQueue])),
    ("/queue", "Queue", Some(&[ViewMessageQueue])),
    ("/batches", "Batch files", Some(&[ViewMessageQueue])),
    ("/folders", "Folders", Some(&[ViewMessageQueue])),
    ("/upload", "Upload", Some(&[FileUpload])),
    ("/trail", "Trail", Some(&[ViewMessageQueue])),
    ("/users", "Users", Some(&[UserAdministration])),
];

/// Returns a whole page.
pub fn frame(_office: &Office, ask: &Ask, title: &str, body: Markup) -> Reply {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - hl7drop" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#main" { "To the content" }
                (top(ask))
                main #main tabindex="-1" { (body) }
                footer {
                    p { "hl7drop " (env!("CARGO_PKG_VERSION")) " - Interface Message Queue Manager" }
                }
            }
        }
    };
    Reply::page(200, page)
}

fn top(ask: &Ask) -> Markup {
    let here = ask.path.split('?').next().unwrap_or_default();
    let current = |address: &str| {
        let at = address == here || address != "/" && here.starts_with(&format!("{address}/"));
        at.then_some("page")
    };
    html! {
        header.top {
            a.brand href="/" {
                img src="/icon.svg" alt="" width="24" height="24";
                span { "hl7drop" }
            }
            @if let Some(who) = &ask.who {
                nav aria-label="Pages" {
                    ul {
                        @for (address, name, needs) in WAYS {
                            @if needs.is_none_or(|any| any.iter().any(|&one| who.may(one))) {
                                li { a href=(address) aria-current=[current(address)] { (name) } }
                            }
                        }
                    }
                }
                div.who {
                    a href="/account" aria-current=[current("/account")] { (who.user) }
                    form method="post" action="/sign-out" {
                        (hidden(ask))
                        button.quiet type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

/// Returns the field that every form carries.
pub fn hidden(ask: &Ask) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=[ask.form_token()]; }
}
