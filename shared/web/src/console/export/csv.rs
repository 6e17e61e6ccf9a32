//! CSV by RFC 4180, safe to open in a spreadsheet: a text that a program would
//! take for a formula is made one that it shows.

use std::borrow::Cow;

/// The largest export: a Lambda answers up to 6 MB.
pub(super) const MAX_BYTES: usize = 5 * 1024 * 1024;

/// A value of a row.
pub(super) enum Field<'a> {
    /// No value.
    Null,
    /// What we write ourselves, and nobody else: a number or an instant.
    Plain(String),
    /// A text, perhaps a customer's.
    Text(Cow<'a, str>),
}

impl<'a> Field<'a> {
    pub(super) fn plain(value: impl ToString) -> Self {
        Self::Plain(value.to_string())
    }

    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A value, or none.
    pub(super) fn plain_or_null(value: Option<impl ToString>) -> Self {
        value.map_or(Self::Null, Self::plain)
    }
}

/// A file under way.
pub(super) struct Csv {
    text: String,
}

/// The file would be larger than [`MAX_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Csv {
    /// A file with its header.
    pub(super) fn with_header(columns: &[&'static str]) -> Self {
        let mut csv = Self {
            text: String::new(),
        };
        csv.write(columns.iter().map(|column| Field::Text((*column).into())));
        csv
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`TooLarge`]
    pub(super) fn row<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'a>>,
    ) -> Result<(), TooLarge> {
        self.write(fields);
        if self.text.len() > MAX_BYTES {
            return Err(TooLarge);
        }
        Ok(())
    }

    /// The file.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn write<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>) {
        for (at, field) in fields.into_iter().enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            match field {
                Field::Null => {}
                Field::Plain(value) => self.text.push_str(&value),
                Field::Text(text) => self.write_text(&text),
            }
        }
        self.text.push_str("\r\n");
    }

    fn write_text(&mut self, text: &str) {
        // What Excel, LibreOffice and Google Sheets may take for a formula (OWASP).
        let formula =
            text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
        // Also what separates fields where a comma is the decimal sign.
        let quoted = text.contains(['"', ',', ';', '\t', '\r', '\n']);
        if quoted {
            self.text.push('"');
        }
        if formula {
            self.text.push('\'');
        }
        self.text.push_str(&text.replace('"', "\"\""));
        if quoted {
            self.text.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut csv = Csv::with_header(&[]);
        csv.row([Field::text(text), Field::plain(-1), Field::Null])
            .unwrap();
        let file = csv.finish();
        let row = file.strip_prefix("\r\n").unwrap();
        row.strip_suffix(",-1,\r\n").unwrap().to_owned()
    }

    #[test]
    fn a_text_is_quoted_where_it_must_be() {
        for (text, field) in [
            ("Acme", "Acme"),
            ("Acme, Inc.", "\"Acme, Inc.\""),
            ("a;b", "\"a;b\""),
            ("the \"A\"", "\"the \"\"A\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
        ] {
            assert_eq!(written(text), field);
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1",
        ] {
            let field = written(text);
            let shown = field.trim_matches('"');
            assert!(shown.starts_with('\''), "{field:?}");
            assert!(shown.ends_with(text), "{field:?}");
        }
        assert_eq!(
            written("=cmd|' /C calc'!A0,\"x\""),
            "\"'=cmd|' /C calc'!A0,\"\"x\"\"\""
        );
    }

    #[test]
    fn a_file_that_grows_too_large_says_so() {
        let mut csv = Csv::with_header(&["a"]);
        let text = "x".repeat(MAX_BYTES / 2);
        csv.row([Field::text(text.as_str())]).unwrap();
        assert_eq!(csv.row([Field::text(text.as_str())]), Err(TooLarge));
    }
}
