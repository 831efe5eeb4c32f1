//! Files that go into a program's file system and come out of it.

/// A file in the file system of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Where it is, relative to the program's current directory, such as `out/plot.svg`: names that are separated by
    /// `/`, none of them empty, `.` or `..`. A file that a program returned always has such a path.
    pub path: String,
    /// What it contains.
    pub content: Vec<u8>,
}

impl File {
    /// Returns a file.
    #[must_use]
    pub fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into() }
    }

    /// Returns what is wrong with the path of a file, or with a pattern of paths, as the end of a sentence.
    pub(crate) fn fault_of_path(path: &str) -> Option<&'static str> {
        const PATH_BYTES_MAX: usize = 1024;
        const NAME_BYTES_MAX: usize = 255;
        if path.is_empty() {
            Some("is empty")
        } else if path.len() > PATH_BYTES_MAX {
            Some("is longer than 1024 bytes")
        } else if path.starts_with('/') {
            Some("is absolute; it must be relative to the program's directory")
        } else if path.split('/').any(|name| name.is_empty() || name == "." || name == "..") {
            Some("has an empty name, `.` or `..` in it")
        } else if path.split('/').any(|name| name.len() > NAME_BYTES_MAX) {
            Some("has a name of more than 255 bytes in it")
        } else if path.chars().any(|each| each.is_control() || each == '\\') {
            Some("has a control character or a backslash in it")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_accepted() {
        for path in ["a", "data[1].csv", "out/2026/plot.svg", "-", "été", ".hidden", "*.png", "**/x"] {
            assert_eq!(File::fault_of_path(path), None, "{path}");
        }
        let (long, name) = (format!("{}a", "a/".repeat(512)), "a".repeat(256));
        for path in
            ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "a\nb", "a\\b", &long, &name]
        {
            assert!(File::fault_of_path(path).is_some(), "{path:?}");
        }
    }
}
