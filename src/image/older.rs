//! The memories of other images that run in the same code: interpreters that began as one of them can go on.

use std::io;
use std::path::Path;

use tracing::warn;

use super::artifact::{self, Artifact, Kind};
use crate::error::Error;
use crate::memory::{Base, MemoryImage, Origin, origin_of};

/// The memory of another image. It is neither checked nor mapped, but stays in the cache.
pub(crate) struct OlderImage(Artifact);

impl OlderImage {
    /// Finds the image with this id in `dir`, if it runs in the code that `origin` is about.
    pub(super) fn find(dir: &Path, id: &str, origin: &Origin) -> Option<Self> {
        let found = artifact::unchecked(dir, id, Kind::Memory);
        let found = found.inspect_err(|why| warn!(%why, "an older image is refused")).ok().flatten()?;
        origin_of(&found.file).is_ok_and(|made_for| made_for == *origin).then_some(Self(found))
    }

    pub(crate) fn id(&self) -> &str {
        &self.0.digest
    }

    /// Checks and maps the memory. This function blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// [`Error::ImageGone`] if it is damaged or cannot be mapped. The log says why.
    pub(crate) fn open(&self) -> Result<Base, Error> {
        let checked = self.0.check().map_err(io::Error::other);
        let mapped = checked.and_then(|()| MemoryImage::map(self.0.file.try_clone()?));
        let image = mapped.map_err(|why| {
            warn!(%why, image = self.id(), "an older image is refused");
            Error::ImageGone
        })?;
        Ok(Base::new(image, self.id()))
    }
}
