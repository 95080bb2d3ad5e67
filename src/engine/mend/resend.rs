//! The same bytes once more: name, content and control IDs as they were, to somebody who
//! has had them and says they have them no more.

use super::{Mended, refused};
use crate::crashpoint::crashpoint;
use crate::delivery::DeliveryError;
use crate::disk;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::{DeliveryRow, Ledger, Sign, Stage};

/// Lets a delivered batch go out again.
pub fn resend(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    name: &str,
    endpoint: Option<&str>,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let Some(batch) = ledger.batch(name)? else {
        return refused(format!("there is no batch {name}"));
    };
    let rows = ledger.deliveries(batch.number)?;
    let row = chosen(name, &rows, endpoint)?;
    if row.stage != Stage::Delivered {
        return refused(format!(
            "{name} to {} is {}, so it was not delivered yet; see `hl7drop delivery`",
            row.endpoint, row.stage
        ));
    }
    let Some(endpoint) = engine.agreement.scope.endpoint(&row.endpoint) else {
        return refused(format!("the settings know no endpoint {} any more", row.endpoint));
    };
    let path = engine.whole_batch(&batch)?;
    let looked = (engine.open_delivery)(endpoint, &endpoint.method).and_then(|mut there| {
        let size = there.size(row.name())?;
        Ok(size.map(|_| there.path(row.name())))
    });
    let note = match looked {
        Ok(None) => None,
        Ok(Some(there)) => {
            return refused(format!(
                "{name} still stands at {there}: it is there, so nothing is sent. Ask them to \
                 take it away first; or `rebuild` sends its messages under a new name"
            ));
        }
        Err(DeliveryError::Denied { .. } | DeliveryError::Unsupported { .. }) => {
            Some("the server does not let us look whether the name is free".to_string())
        }
        Err(err) => {
            return refused(format!("cannot look whether {name} still stands there: {err}"));
        }
    };
    let outbox = engine.spool.outbox.join(name);
    if path != outbox {
        disk::shift(&path, &outbox)?;
    }
    // The next run puts it back, if the ledger knows nothing of it.
    crashpoint("mend.resend").map_err(disk::failed("resend", &outbox))?;
    ledger.resend(batch.number, &row.endpoint, sign)?;
    let batch = Some(name.to_string());
    Ok(Mended { records: row.batch.messages, batch, note, ..Mended::default() })
}

/// Returns the delivery that is meant: the only one, or the one that is named.
fn chosen<'a>(
    name: &str,
    rows: &'a [DeliveryRow],
    endpoint: Option<&str>,
) -> Result<&'a DeliveryRow, EngineError> {
    let meant: Vec<&DeliveryRow> =
        rows.iter().filter(|row| endpoint.is_none_or(|one| one == row.endpoint)).collect();
    match meant.as_slice() {
        [row] => Ok(row),
        [] => refused(format!("{name} goes to no endpoint of that name")),
        _ => {
            let endpoints: Vec<&str> = rows.iter().map(|row| row.endpoint.as_str()).collect();
            let (batch, endpoints) = (name.to_string(), endpoints.join(", "));
            Err(EngineError::WhichEndpoint { batch, endpoints })
        }
    }
}
