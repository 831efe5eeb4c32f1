//! The image: an interpreter that has already started, imported its standard library and the guest's own code, and
//! defined the tool modules. Made once, kept compiled in a cache, mapped copy-on-write into every execution.

mod artifact;
mod engine;
mod snapshot;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::{info, warn};
use wasmtime::{Engine, Module};

use crate::PROGRESS;
use crate::error::Error;
use crate::validator::REFUSED_NAMES;

/// CPython for `wasm32-wasip1` with its standard library frozen in: see `python-wasm/README.md`.
const PYTHON_WASM_ZST: &[u8] = include_bytes!("../python-wasm/python.wasm.zst");

/// The guest's own Python, in the order in which its modules import each other.
const GUEST_MODULES: [(&str, &str); 16] = [
    ("guest_absent", include_str!("../guest/absent.py")),
    ("guest_loop", include_str!("../guest/loop.py")),
    ("guest_zones", include_str!("../guest/zones.py")),
    ("guest_fresh", include_str!("../guest/fresh.py")),
    ("guest_values", include_str!("../guest/values.py")),
    ("guest_tools", include_str!("../guest/tools.py")),
    ("guest_discovery", include_str!("../guest/discovery.py")),
    ("guest_lookups", include_str!("../guest/lookups.py")),
    ("guest_views", include_str!("../guest/views.py")),
    ("guest_guards", include_str!("../guest/guards.py")),
    ("guest_program", include_str!("../guest/program.py")),
    ("guest_hints", include_str!("../guest/hints.py")),
    ("guest_failure", include_str!("../guest/failure.py")),
    ("guest_immortal", include_str!("../guest/immortal.py")),
    ("guest_rehearsal", include_str!("../guest/rehearsal.py")),
    ("guest_runner", include_str!("../guest/runner.py")),
];

const WASM_PAGE_BYTES: u64 = 64 << 10;

/// What goes into an image beside the interpreter.
pub(crate) struct ImageSpec<'a> {
    /// Names that programs may import, such as `json` or `urllib.parse`.
    pub(crate) allowed_imports: &'a BTreeSet<String>,
    /// Names whose import fails with a message that tools are switched off.
    pub(crate) disabled_imports: &'a BTreeSet<String>,
    /// Whether the guest keeps programs from what the validator would refuse.
    pub(crate) guards: bool,
    /// Tool definitions, as `guest/README.md` has them.
    pub(crate) tools: Value,
}

/// A compiled image, ready to be instantiated.
pub(crate) struct Image {
    pub(crate) engine: Engine,
    pub(crate) module: Module,
    /// Linear memory that an execution has before it has run anything.
    pub(crate) memory_bytes_min: u64,
    /// It was made just now, not found in the cache.
    pub(crate) built: bool,
}

impl Image {
    /// Maps the cached image of `spec`, or makes it and caches it in `cache_dir`. Making takes seconds and both cores;
    /// mapping takes milliseconds. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] when it cannot be made. A cache that cannot be used is never an error, only a warning.
    pub(crate) fn open(spec: &ImageSpec<'_>, slots: u32, cache_dir: Option<&Path>) -> Result<Self, Error> {
        let started = Instant::now();
        let engine = engine::engine(slots)?;
        let recipe = recipe(spec);
        let key = key(&engine, &recipe);
        let cached = cache_dir.and_then(|dir| match artifact::load(&engine, dir, &key) {
            Ok(module) => module,
            Err(why) => {
                warn!(%why, "cached image refused, building it again");
                None
            }
        });
        if let Some(module) = cached {
            info!(elapsed_ms = millis(started), "interpreter image mapped from the cache");
            return Self::new(engine, module, false);
        }
        let artifact = build(&engine, &recipe)?;
        let module = cache_dir
            .and_then(|dir| store(&engine, dir, &key, &artifact))
            .map_or_else(|| artifact::from_memory(&engine, &artifact), Ok)?;
        info!(elapsed_ms = millis(started), "interpreter image ready");
        Self::new(engine, module, true)
    }

    fn new(engine: Engine, module: Module, built: bool) -> Result<Self, Error> {
        let pages = module.resources_required().max_initial_memory_size.unwrap_or_default();
        // The first execution would pay for this otherwise.
        module
            .initialize_copy_on_write_image()
            .map_err(|error| Error::Image(format!("mapping the memory image: {error:#}")))?;
        Ok(Self { engine, module, memory_bytes_min: pages * WASM_PAGE_BYTES, built })
    }
}

fn recipe(spec: &ImageSpec<'_>) -> Vec<u8> {
    let recipe = json!({
        "modules": GUEST_MODULES,
        "entry": "guest_runner",
        "allowed_imports": spec.allowed_imports,
        "disabled_modules": spec.disabled_imports,
        "refused_names": REFUSED_NAMES.as_slice(),
        "guards": spec.guards,
        "tools": spec.tools,
    });
    recipe.to_string().into_bytes()
}

/// Names an image by everything that goes into it.
fn key(engine: &Engine, recipe: &[u8]) -> String {
    let mut hash = KeyHasher(Sha256::new());
    hash.part(PYTHON_WASM_ZST);
    hash.part(recipe);
    hash.part(env!("CARGO_PKG_VERSION").as_bytes());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hash);
    base16ct::lower::encode_string(&hash.0.finalize())
}

/// Lets wasmtime's compatibility hash, a `Hash`, go into a digest.
struct KeyHasher(Sha256);

impl KeyHasher {
    /// Adds a part with its length, so that no two lists of parts hash alike.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

impl std::hash::Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.part(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn build(engine: &Engine, recipe: &[u8]) -> Result<Vec<u8>, Error> {
    info!(target: PROGRESS, "making the interpreter image: once, for some seconds");
    let started = Instant::now();
    let snapshot = snapshot::take(PYTHON_WASM_ZST, recipe)?;
    info!(target: PROGRESS, elapsed_ms = millis(started), bytes = snapshot.len(), "interpreter started, compiling it");
    let started = Instant::now();
    let artifact = engine
        .precompile_module(&snapshot)
        .map_err(|error| Error::Image(format!("compiling the snapshot: {error:#}")))?;
    info!(target: PROGRESS, elapsed_ms = millis(started), bytes = artifact.len(), "interpreter compiled");
    Ok(artifact)
}

/// Caches the artifact and maps it from there, so that the process shares its pages with the file.
fn store(engine: &Engine, dir: &Path, key: &str, artifact: &[u8]) -> Option<Module> {
    let stored = artifact::store(dir, key, artifact).and_then(|()| artifact::load(engine, dir, key));
    stored.inspect_err(|why| warn!(dir = %dir.display(), %why, "image not cached")).ok().flatten()
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
