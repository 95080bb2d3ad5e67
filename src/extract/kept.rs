//! The header of an extract that was read before, bound again: for records that were
//! kept of it.

use std::io::Cursor;

use super::blocks::{Blocks, Limits};
use super::json::Names;
use super::reading::Reading;
use super::unpack::Text;
use crate::domain::{Encoding, ExtractKind, Layout};

use super::ExtractError;

/// Returns the layout of kept records, under the header that [`Layout::header`] was;
/// `json` says whether they are objects. A header without a column that must be there
/// by now is refused.
///
/// # Errors
/// [`ExtractError`]: columns missing, or a header that is none.
pub fn kept(
    reading: &Reading,
    kind: ExtractKind,
    header: &str,
    json: bool,
) -> Result<Layout, ExtractError> {
    if json {
        return Names::of(header.split(',')).layout(reading, kind);
    }
    let text = Text::of(Cursor::new(format!("{header}\n").into_bytes()), Encoding::Utf8)?;
    let (layout, _) = Blocks::open(text, reading, kind, Limits::default())?;
    layout.ok_or(ExtractError::JsonDocument)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::extract::Vocabulary;

    #[test]
    fn a_header_is_bound_again_for_rows_and_for_objects() {
        let reading = Reading::new(&Vocabulary::standard().unwrap(), &BTreeMap::new()).unwrap();
        let layout = kept(&reading, ExtractKind::Departments, "deptid|\"dept name\"", false);
        let layout = layout.unwrap();
        assert_eq!((layout.delimiter, layout.cells("name")), (b'|', &[1][..]));
        let layout = kept(&reading, ExtractKind::Departments, "name,departmentid", true).unwrap();
        assert_eq!(layout.cells("departmentid"), [1]);
        assert!(layout.json.is_some());
        assert!(kept(&reading, ExtractKind::Departments, "deptid", false).is_err());
    }
}
