//! The image: an interpreter that has started, has imported its standard library and the guest's own code, and has
//! defined the tool modules. It is made once, cached in compiled form, and mapped copy-on-write into every execution.

mod artifact;
pub(crate) mod engine;
#[cfg(fuzzing)]
#[allow(missing_docs, clippy::expect_used, reason = "only the fuzz targets call it: a panic is a finding")]
pub mod fuzzing;
mod interpreter;
mod machine_code;
mod maker;
mod older;
mod packages;
mod start;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tracing::{info, warn};
use wasmtime::{Engine, Module};

use crate::PROGRESS;
use crate::error::Error;
use crate::memory::{self, Base, LAYOUT, Memories, MemoryImage, OnResetCheck, Origin, PollingPages};
use crate::meter;
use crate::validator::{OWN_NAMES, REFUSED_NAMES, hints};
use artifact::{Artifact, Kind};
pub(crate) use interpreter::Interpreter;
use interpreter::Segment;
use machine_code::MachineCode;
pub(crate) use maker::Maker;
pub(crate) use older::OlderImage;
pub use packages::{Distribution, Packages};

/// CPython for `wasm32-wasip1` with its standard library frozen in, compressed. See `python-wasm/README.md`.
pub(crate) const PYTHON_WASM_ZST: &[u8] = include_bytes!("../python-wasm/python.wasm.zst");

/// The guest's own Python modules. Each imports only modules above it.
const GUEST_MODULES: [(&str, &str); 22] = [
    ("guest_absent", include_str!("../guest/absent.py")),
    ("guest_loop", include_str!("../guest/loop.py")),
    ("guest_executors", include_str!("../guest/executors.py")),
    ("guest_zones", include_str!("../guest/zones.py")),
    ("guest_fresh", include_str!("../guest/fresh.py")),
    ("guest_values", include_str!("../guest/values.py")),
    ("guest_tools", include_str!("../guest/tools.py")),
    ("guest_discovery", include_str!("../guest/discovery.py")),
    ("guest_attribute_guards", include_str!("../guest/attribute_guards.py")),
    ("guest_views", include_str!("../guest/views.py")),
    ("guest_guards", include_str!("../guest/guards.py")),
    ("guest_files", include_str!("../guest/files.py")),
    ("guest_caller_tools", include_str!("../guest/caller_tools.py")),
    ("guest_library_guards", include_str!("../guest/library_guards.py")),
    ("guest_module_runs", include_str!("../guest/module_runs.py")),
    ("guest_program", include_str!("../guest/program.py")),
    ("guest_hints", include_str!("../guest/hints.py")),
    ("guest_failure", include_str!("../guest/failure.py")),
    ("guest_finalization", include_str!("../guest/finalization.py")),
    ("guest_immortal", include_str!("../guest/immortal.py")),
    ("guest_rehearsal", include_str!("../guest/rehearsal.py")),
    ("guest_runner", include_str!("../guest/runner.py")),
];

/// The inputs of an image.
pub(crate) struct ImageSpec {
    /// The interpreter as compressed WebAssembly: [`PYTHON_WASM_ZST`], or another guest in tests of the isolation.
    pub(crate) interpreter: Cow<'static, [u8]>,
    /// Names that programs may import, such as `json` or `urllib.parse`.
    pub(crate) allowed_imports: BTreeSet<String>,
    /// Names whose import fails with the message that tools are disabled.
    pub(crate) disabled_imports: BTreeSet<String>,
    /// Whether the guest refuses at run time what the validator refuses in source code.
    pub(crate) guards: bool,
    /// Packages that programs may import.
    pub(crate) packages: Packages,
    /// Tool definitions, in the format of `guest/README.md`.
    pub(crate) tools: Value,
}

/// A compiled image, ready to be instantiated.
pub(crate) struct Image {
    pub(crate) engine: Engine,
    pub(crate) module: Module,
    /// The polling pages, which stop guests that do not end by themselves.
    pub(crate) polling_pages: PollingPages,
    /// The initial content of linear memory, which deltas are relative to.
    pub(crate) base: Base,
    /// Makes images with other tools.
    pub(crate) maker: Maker,
    /// Images of other recipes in which interpreters in the store began, and that run in the same code.
    pub(crate) older: Vec<OlderImage>,
    /// Whether the image was made now, instead of mapped from the cache.
    pub(crate) built: bool,
}

impl Image {
    /// Maps the image of `spec` from the cache in `cache_dir`, or makes it and caches it. Of the images with the ids
    /// `needed`, those that can be used stay in the cache: they are [`Image::older`].
    ///
    /// This function blocks. Mapping takes milliseconds. Making an image takes seconds on all cores; if only the recipe
    /// has changed, so that the compiled code is in the cache, it takes a fraction of a second.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if the image cannot be made, or if there are not enough addresses for `slots` executions.
    /// [`Error::Config`] if the thread that checks resets cannot be started. An unusable cache is only a warning.
    pub(crate) fn open(
        spec: ImageSpec,
        slots: u32,
        cache_dir: Option<&Path>,
        needed: &[String],
        on_check: OnResetCheck,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        probe(slots)?;
        let recipe = recipe(&spec, &spec.tools);
        let blank = engine::blank()?;
        let cache = Cache { dir: cache_dir, keys: Keys::new(&blank, &spec, &recipe) };
        // Before anything is added to the cache, because that may remove them.
        let mut older = cache.older(needed);
        // In parallel, because loading reads the whole artifact to check its digest.
        let (code, memory) = std::thread::scope(|scope| {
            let memory = scope.spawn(|| cache.load(Kind::Memory));
            (cache.load(Kind::Code), memory.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let built = code.is_none() || memory.is_none();
        let (code, base) = match (code, memory) {
            (Some(code), Some(memory)) => (MachineCode::File(code.file), mapped(memory)?),
            (code, memory) => {
                let interpreter = Interpreter::unpack(&spec.interpreter)?;
                make(&cache, &blank, interpreter, recipe, code, memory)?
            }
        };
        older.retain(|image| image.id() != &**base.id());
        let memories = Memories::new(base.clone(), on_check)
            .map_err(|error| Error::config("starting the thread that checks resets").caused_by(error))?;
        let polling_pages = memories.polling_pages().clone();
        let engine = engine::runner(memories.clone())?;
        let module = code.module(&engine)?;
        let maker = Maker::new(spec, cache.keys.origin, engine.clone(), module.clone(), memories)?;
        let end = if built { "ready" } else { "mapped from the cache" };
        info!(elapsed_ms = millis(started), "interpreter image {end}");
        Ok(Self { engine, module, polling_pages, base, maker, older, built })
    }
}

/// Checks that there are enough addresses for `slots` executions at once.
fn probe(slots: u32) -> Result<(), Error> {
    let Err(error) = LAYOUT.probe(slots as usize) else { return Ok(()) };
    let gib = (LAYOUT.bytes() * slots as usize).div_ceil(1 << 30);
    let fitting = (1..slots).rev().find(|fewer| LAYOUT.probe(*fewer as usize).is_ok());
    let fewer = fitting.map_or(String::new(), |most| format!(", or run at most {most} at once"));
    let what = format!("reserving {gib} GiB of addresses for {slots} concurrent executions");
    Err(Error::image(format!("{what} failed; allow more (ulimit -v){fewer}")).caused_by(error))
}

/// Makes the artifacts that the cache does not have.
fn make(
    cache: &Cache<'_>,
    blank: &Engine,
    interpreter: Interpreter,
    recipe: Vec<u8>,
    code: Option<Artifact>,
    memory: Option<Artifact>,
) -> Result<(MachineCode, Base), Error> {
    info!(target: PROGRESS, "making the interpreter image; this takes some seconds, once");
    let Interpreter { code: wasm, data } = interpreter;
    let code = match code {
        Some(artifact) => MachineCode::File(artifact.file),
        None => compile(cache, blank, &wasm)?,
    };
    drop(wasm);
    let memory = match memory {
        Some(artifact) => mapped(artifact)?,
        None => start(cache, blank, &code, &data, recipe)?,
    };
    Ok((code, memory))
}

fn compile(cache: &Cache<'_>, engine: &Engine, wasm: &[u8]) -> Result<MachineCode, Error> {
    let started = Instant::now();
    let code = engine
        .precompile_module(wasm)
        .map_err(|error| Error::image("compiling the interpreter").caused_by(error))?;
    info!(target: PROGRESS, elapsed_ms = millis(started), bytes = code.len(), "interpreter compiled");
    let stored = cache.store(Kind::Code, &code);
    Ok(stored.map_or(MachineCode::Bytes(code), |artifact| MachineCode::File(artifact.file)))
}

fn start(
    cache: &Cache<'_>,
    engine: &Engine,
    code: &MachineCode,
    data: &[Segment],
    recipe: Vec<u8>,
) -> Result<Base, Error> {
    let started = Instant::now();
    let module = code.module(engine)?;
    let take = |memory: &[u8]| Ok(memory::file_of(memory, &cache.keys.origin));
    let zeros = start::zeros_for(&module)?;
    let memory = start::with_memory(engine, &module, &zeros, data, recipe, u64::MAX, take)?;
    info!(target: PROGRESS, elapsed_ms = millis(started), bytes = memory.len(), "interpreter started");
    match cache.store(Kind::Memory, &memory) {
        Some(artifact) => mapped(artifact),
        None => base(MemoryImage::map_bytes(&memory), &blake3::hash(&memory).to_hex()),
    }
}

fn mapped(memory: Artifact) -> Result<Base, Error> {
    base(MemoryImage::map(memory.file), &memory.digest)
}

fn base(memory: std::io::Result<MemoryImage>, digest: &str) -> Result<Base, Error> {
    let memory = memory.map_err(|error| Error::image("mapping the memory image").caused_by(error))?;
    Ok(Base::new(memory, digest))
}

/// The cache, for the artifacts of one image.
struct Cache<'a> {
    dir: Option<&'a Path>,
    keys: Keys,
}

impl Cache<'_> {
    /// Returns the images with these ids that can be used.
    fn older(&self, ids: &[String]) -> Vec<OlderImage> {
        let Some(dir) = self.dir else { return Vec::new() };
        ids.iter().filter_map(|id| OlderImage::find(dir, id, &self.keys.origin)).collect()
    }

    fn load(&self, kind: Kind) -> Option<Artifact> {
        let loaded = artifact::load(self.dir?, self.keys.of(kind), kind);
        loaded.inspect_err(|why| warn!(%why, "cached image refused; building it again")).ok().flatten()
    }

    /// Stores an artifact and returns it, so that the process shares its pages with the file.
    fn store(&self, kind: Kind, bytes: &[u8]) -> Option<Artifact> {
        let (dir, key) = (self.dir?, self.keys.of(kind));
        let stored = artifact::store(dir, key, kind, bytes).and_then(|()| artifact::load(dir, key, kind));
        stored.inspect_err(|why| warn!(dir = %dir.display(), %why, "image not cached")).ok().flatten()
    }
}

/// The cache keys of an image's artifacts. Each is a digest of everything that goes into the artifact.
struct Keys {
    code: String,
    memory: String,
    /// What the recipes have in common whose memories run in the same code and understand the same messages.
    origin: Origin,
}

impl Keys {
    fn new(engine: &Engine, spec: &ImageSpec, recipe: &[u8]) -> Self {
        let mut code = KeyHasher(blake3::Hasher::new());
        code.part(&spec.interpreter);
        code.part(env!("CARGO_PKG_VERSION").as_bytes());
        for source in meter::SOURCE {
            code.part(source.as_bytes());
        }
        let mut origin = KeyHasher(code.0.clone());
        // A memory without guards would take them away from an executor that has them.
        origin.part(&[u8::from(spec.guards)]);
        for (name, source) in GUEST_MODULES {
            origin.part(name.as_bytes());
            origin.part(source.as_bytes());
        }
        let mut memory = KeyHasher(code.0.clone());
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut code);
        memory.part(recipe);
        memory.part(&memory::BLOCK_BYTES.to_le_bytes());
        let [code, memory] = [code, memory].map(|hash| hash.0.finalize().to_hex().to_string());
        Self { code, memory, origin: origin.0.finalize().into() }
    }

    fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::Code => &self.code,
            Kind::Memory => &self.memory,
        }
    }
}

/// Returns the recipe with these tools, from which the guest initialises itself: a line, and after it the files of packages.
fn recipe(spec: &ImageSpec, tools: &Value) -> Vec<u8> {
    let recipe = json!({
        "modules": GUEST_MODULES,
        "entry": "guest_runner",
        "allowed_imports": spec.allowed_imports,
        "disabled_modules": spec.disabled_imports,
        "refused_names": REFUSED_NAMES,
        "own_names": OWN_NAMES,
        "guards": spec.guards,
        "hints": hints::recipe(&spec.allowed_imports),
        "packages": spec.packages.modules().collect::<Vec<_>>(),
        "tools": tools,
    });
    let mut recipe = format!("{recipe}\n").into_bytes();
    spec.packages.append_to(&mut recipe);
    recipe
}

/// A BLAKE3 hasher that also accepts wasmtime's compatibility hash, which implements `Hash`.
struct KeyHasher(blake3::Hasher);

impl KeyHasher {
    /// Adds a part, preceded by its length, so that different lists of parts have different digests.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
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

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
