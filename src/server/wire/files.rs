//! JSON of files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MEMBER_BYTES;
use crate::execution::File;
use crate::json;

/// A file for the program, with either `text` or `base64`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRequest {
    /// Plain relative path
    #[schema(example = "data.csv")]
    path: String,
    /// Its content as text
    #[schema(example = "room,celsius\nhall,19.5\n")]
    text: Option<String>,
    /// Its content as Base64
    #[schema(format = "byte")]
    base64: Option<String>,
}

/// Returns about how much memory files and patterns of a request take.
pub(super) fn bytes(files: &[FileRequest], patterns: &[String]) -> usize {
    let files = files.iter().map(|FileRequest { path, text, base64 }| {
        let content = text.iter().chain(base64).map(String::len);
        MEMBER_BYTES + path.len() + content.sum::<usize>()
    });
    let patterns = patterns.iter().map(|pattern| pattern.len() + MEMBER_BYTES);
    files.sum::<usize>() + patterns.sum::<usize>()
}

/// Converts the files of a request. An `Err` names the invalid field.
pub(super) fn files(requests: Vec<FileRequest>) -> Result<Vec<File>, String> {
    let file = |(index, FileRequest { path, text, base64 })| match (text, base64) {
        (Some(text), None) => Ok(File::new(path, text)),
        (None, Some(base64)) => {
            let content = BASE64.decode(base64).map_err(|error| format!("files[{index}].base64: {error}"))?;
            Ok(File::new(path, content))
        }
        _ => Err(format!("files[{index}]: needs either `text` or `base64`")),
    };
    requests.into_iter().enumerate().map(file).collect()
}

/// A file that the program returned, with either `text` or `base64`
#[derive(Serialize, ToSchema)]
pub(super) struct FileDetail {
    path: String,
    /// By the path's extension
    #[schema(example = "text/csv")]
    media_type: String,
    /// Size of the content
    bytes: usize,
    /// The content, if it is valid UTF-8
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// The content as Base64, if it is not
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "byte")]
    base64: Option<String>,
}

impl FileDetail {
    pub(super) fn json_bytes_max(&self) -> usize {
        let texts = [&self.path, &self.media_type].into_iter().chain(&self.text).chain(&self.base64);
        MEMBER_BYTES + texts.map(|text| json::written_bytes_max(text)).sum::<usize>()
    }
}

impl From<File> for FileDetail {
    fn from(File { path, content, .. }: File) -> Self {
        let bytes = content.len();
        let known = mime_guess::from_path(&path).first_raw();
        let (text, base64) = match String::from_utf8(content) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(BASE64.encode(error.as_bytes()))),
        };
        let plain = if text.is_some() { "text/plain" } else { "application/octet-stream" };
        Self { path, media_type: known.unwrap_or(plain).to_owned(), bytes, text, base64 }
    }
}
