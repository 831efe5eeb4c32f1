//! The images that interpreters begin as, and that those in the store began as. Images of an earlier process are opened when
//! they are needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::{records, states};
use crate::error::Error;
use crate::image::{Maker, OlderImage};
use crate::memory::Base;
use crate::store::Records;
use crate::tools::Registry;

/// The most images that are kept in the cache because the store refers to them. Of more, those are kept whose last record
/// expires last.
const NEEDED_MAX: usize = 32;

/// The most older images that stay open while nobody uses them. Each takes some 15 megabytes of addresses, and of memory
/// that the kernel may take back.
const OPEN_MAX: usize = 4;

/// The most images that stay after others have replaced them, beside the first one of this process. Each takes its size of
/// memory, because it is not in the cache.
const REPLACED_MAX: usize = 2;

/// How much larger than the first image of this process an image with other tools may be. Others choose the tools.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

/// How long an older image stays open after its last use.
const IDLE_TIME: Duration = Duration::from_mins(5);

/// The images of this process, and older ones.
pub(super) struct Images {
    maker: Maker,
    /// Those of this process: the first one, and then the last ones that were current.
    own: RwLock<Vec<Own>>,
    older: HashMap<String, Older>,
    opened: Mutex<Opened>,
    /// The sandbox's own threads.
    threads: Handle,
}

/// An image of this process. They differ by their tools only.
#[derive(Clone)]
pub(super) struct Own {
    /// The digest of its tools.
    pub(super) tools: String,
    pub(super) base: Base,
}

struct Older {
    image: Arc<OlderImage>,
    /// Whether it was damaged when it was opened.
    is_refused: AtomicBool,
}

#[derive(Default)]
struct Opened {
    /// The last one used is the last.
    bases: Vec<(Base, Instant)>,
    is_watched: bool,
}

impl Images {
    /// `first` is the current image.
    pub(super) fn new(maker: Maker, first: Own, older: Vec<OlderImage>, threads: Handle) -> Arc<Self> {
        let named = |image: OlderImage| {
            let id = image.id().to_owned();
            (id, Older { image: Arc::new(image), is_refused: AtomicBool::new(false) })
        };
        let older = older.into_iter().map(named).collect();
        Arc::new(Self { maker, own: RwLock::new(vec![first]), older, opened: Mutex::default(), threads })
    }

    /// Returns the image with the tools of `registry`. **Blocks** for a second or so if it has to be made.
    ///
    /// # Errors
    ///
    /// [`Error::Image`].
    pub(super) fn with(&self, registry: &Registry) -> Result<Own, Error> {
        let (first_bytes, known) = {
            let own = self.own();
            let known = own.iter().find(|own| own.tools == registry.digest());
            (own[0].base.memory_bytes() as u64, known.cloned())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let tools = registry.definitions_with_digests();
        let base = self.maker.make(&tools, first_bytes + GROWTH_BYTES_MAX)?;
        Ok(Own { tools: registry.digest().to_owned(), base })
    }

    /// Makes an image that [`Images::with`] returned the current one. Forgets those that were current before the last ones.
    pub(super) fn make_current(&self, image: &Own) {
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        self.maker.make_current(image.base.clone());
        if own[0].tools == image.tools {
            return;
        }
        own.retain(|other| other.tools != image.tools);
        own.push(image.clone());
        if own.len() > 2 + REPLACED_MAX {
            own.remove(1);
        }
    }

    fn own(&self) -> RwLockReadGuard<'_, Vec<Own>> {
        self.own.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn own_with_id(&self, id: &str) -> Option<Base> {
        self.own().iter().find(|own| **own.base.id() == *id).map(|own| own.base.clone())
    }

    /// # Errors
    ///
    /// [`Error::ImageGone`] if the image with this id cannot be used.
    pub(super) fn check(&self, id: &str) -> Result<(), Error> {
        let is_there = self.own_with_id(id).is_some()
            || self.older.get(id).is_some_and(|older| !older.is_refused.load(Ordering::Relaxed));
        if is_there { Ok(()) } else { Err(Error::ImageGone) }
    }

    /// Returns the image with this id.
    ///
    /// # Errors
    ///
    /// [`Error::ImageGone`], [`Error::ShuttingDown`].
    pub(super) async fn open(self: &Arc<Self>, id: &str) -> Result<Base, Error> {
        if let Some(base) = self.own_with_id(id) {
            return Ok(base);
        }
        self.check(id)?;
        let older = self.older.get(id).ok_or(Error::ImageGone)?;
        let mut opened = self.opened.lock().await;
        let bases = &mut opened.bases;
        let base = if let Some(at) = bases.iter().position(|(base, _)| **base.id() == *id) {
            bases.remove(at).0
        } else {
            let image = older.image.clone();
            let checked = self.threads.spawn_blocking(move || image.open()).await;
            let checked = checked.map_err(|_| Error::ShuttingDown)?;
            checked.inspect_err(|_| older.is_refused.store(true, Ordering::Relaxed))?
        };
        bases.push((base.clone(), Instant::now()));
        if bases.len() > OPEN_MAX {
            bases.remove(0);
        }
        if !std::mem::replace(&mut opened.is_watched, true) {
            self.threads.spawn(close_idle(Arc::downgrade(self)));
        }
        Ok(base)
    }
}

/// Closes older images that nobody has used for some time, until none is open.
async fn close_idle(images: Weak<Images>) {
    loop {
        tokio::time::sleep(IDLE_TIME).await;
        let Some(images) = images.upgrade() else { return };
        let mut opened = images.opened.lock().await;
        opened.bases.retain(|(_, used_at)| used_at.elapsed() < IDLE_TIME);
        if opened.bases.is_empty() {
            opened.is_watched = false;
            return;
        }
    }
}

/// Returns the ids of the images that interpreters in the store began as. **Blocks**, also where async code is not
/// expected to.
///
/// # Errors
///
/// [`Error::Internal`] if the store fails, [`Error::Config`] if a thread cannot be started.
pub(super) fn needed(store: &Records) -> Result<Vec<String>, Error> {
    let starting = |error| Error::config("starting the thread that reads the store").caused_by(error);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(starting)?.block_on(read_needed(store))
        });
        let read = reading.map_err(starting)?.join();
        read.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn read_needed(store: &Records) -> Result<Vec<String>, Error> {
    let mut until = HashMap::<String, SystemTime>::new();
    for prefix in [states::PREFIX, records::MEMORIES] {
        for listed in store.list(prefix).await? {
            let Some(image) = states::image_of(&listed.name).or_else(|| records::image_of(&listed.name))
            else {
                continue;
            };
            let latest = until.entry(image.to_owned()).or_insert(listed.expires_at);
            *latest = listed.expires_at.max(*latest);
        }
    }
    let mut needed: Vec<_> = until.into_iter().collect();
    needed.sort_unstable_by_key(|(_, until)| std::cmp::Reverse(*until));
    Ok(needed.into_iter().take(NEEDED_MAX).map(|(image, _)| image).collect())
}
