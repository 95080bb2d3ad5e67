//! The files that belong to every page.

use crate::web::ask::Ask;
use crate::web::office::Office;
use crate::web::reply::{Answer, Reply};

/// The style.
pub fn css(_: &Office, _: &mut Ask) -> Answer {
    Ok(Reply::file("text/css; charset=utf-8", include_bytes!("../assets/page.css")))
}

/// The script, without which everything works too.
pub fn script(_: &Office, _: &mut Ask) -> Answer {
    Ok(Reply::file("text/javascript; charset=utf-8", include_bytes!("../assets/page.js")))
}

/// The icon.
pub fn icon(_: &Office, _: &mut Ask) -> Answer {
    Ok(Reply::file("image/svg+xml", include_bytes!("../assets/icon.svg")))
}
