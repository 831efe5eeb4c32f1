//! Checks an execution before it waits for a slot.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::editions::Edition;
use super::{Layers, Shared, context, files};
use crate::error::Error;
use crate::execution::{Execution, KeepState, Listener, OnWait};
use crate::tools::{CallerTools, Grants, Outside};
use crate::validator::{self, OWN_NAMES, Policy, ValidatedSource};

/// A larger execution takes more than a few hundred microseconds to check, so its check must not run on a shared
/// thread.
const LARGE_BYTES: usize = 16 << 10;

/// The same bound for the source code alone. The parser takes up to a third of a microsecond per byte.
const LARGE_CODE_BYTES: usize = 4 << 10;

/// An execution that was checked.
pub(super) struct Accepted {
    pub(super) source: ValidatedSource,
    /// Without its code, and with its limits lowered to the ceilings.
    pub(super) execution: Execution,
    pub(super) of_caller: Option<Arc<CallerTools>>,
    /// The tools and the image that it was checked for.
    pub(super) edition: Arc<Edition>,
}

impl Shared {
    /// # Errors
    ///
    /// [`Error::Internal`] in a process that was forked from the one that made the sandbox.
    pub(super) fn check_process(&self) -> Result<(), Error> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let why = "this process was forked from the one that made the sandbox: make another one in it";
        Err(Error::internal(why))
    }

    /// Checks an execution that finds the tools of `edition`.
    pub(super) fn accept(&self, edition: Arc<Edition>, mut execution: Execution) -> Result<Accepted, Error> {
        self.check_process()?;
        execution.limits = execution.limits.clamped_to(&self.ceilings);
        let caller_tools = std::mem::take(&mut execution.caller_tools);
        let of_caller = CallerTools::new(caller_tools, &edition.registry, &edition.policy)?;
        if of_caller.is_some() {
            execution.on_wait = OnWait::Return;
        }
        check(&edition, &execution, of_caller.as_deref())?;
        if let Some(tools) = &mut execution.tools {
            // Without duplicates, the list is at most as long as that of all tools.
            tools.sort_unstable();
            tools.dedup();
        }
        let code = std::mem::take(&mut execution.code);
        let source = match self.layers {
            Layers::All => {
                let mut policy = policy_for(&edition, &execution);
                if let Some(tools) = &of_caller {
                    tools.admit_to(policy.to_mut());
                }
                let variables = variables_of(&execution);
                if !variables.is_empty() {
                    policy.to_mut().variables = variables;
                }
                validator::validate(code, &policy).map_err(Error::Rejected)?
            }
            Layers::NoValidator | Layers::WallOnly => ValidatedSource::unchecked(code),
        };
        Ok(Accepted { source, execution, of_caller, edition })
    }

    /// Returns the tools that a program may call, and takes who is told about them. `started` counts the calls.
    pub(super) fn grants(
        &self,
        edition: &Edition,
        execution: &mut Execution,
        of_caller: Option<Arc<CallerTools>>,
        started: Arc<AtomicU32>,
    ) -> Grants {
        let events = execution.events.take();
        let listener = (events.is_some() || execution.returns_when_waiting()).then(Listener::default);
        if let Some(listener) = &listener {
            listener.set(events);
        }
        // Not with `..Grants::default()`: that makes metrics and drops them, for each execution.
        Grants {
            registry: edition.registry.clone(),
            catalogue: edition.catalogue.clone(),
            of_caller,
            only: execution.tools.as_deref().map(Arc::from),
            plan_bytes_max: execution.plan.then_some(execution.limits.result_bytes_max),
            policy: self.tool_policy.clone(),
            request_id: execution.request_id.as_deref().map(Arc::from),
            metrics: self.metrics.clone(),
            outside: Outside::default(),
            listener,
            effects: None,
            started,
        }
    }
}

/// Returns the validator policy for an execution. A module without granted tools is treated as disabled: the guest
/// refuses to import it, and no hint names it.
fn policy_for<'a>(edition: &'a Edition, execution: &Execution) -> Cow<'a, Policy> {
    let Some(granted) = &execution.tools else { return Cow::Borrowed(&edition.policy) };
    let mut policy = edition.policy.clone();
    for module in edition.registry.modules_without(granted) {
        policy.allowed_imports.remove(module);
        policy.tool_modules.remove(module);
        policy.disabled_imports.insert(module.to_owned());
    }
    for (name, module) in &mut policy.tool_modules {
        if !granted.contains(name) {
            let functions = &mut Arc::make_mut(module).functions;
            for (function, known) in functions {
                known.is_granted = granted.contains(&format!("{name}.{function}"));
            }
        }
    }
    Cow::Owned(policy)
}

fn check(edition: &Edition, execution: &Execution, of_caller: Option<&CallerTools>) -> Result<(), Error> {
    let asked_bytes = execution.limits.memory_bytes_max;
    if asked_bytes < edition.memory_bytes_min() {
        return Err(Error::MemoryBelowImage { asked_bytes, image_bytes: edition.memory_bytes_min() });
    }
    let unknown = execution.tools.iter().flatten().find(|name| !edition.registry.knows(name));
    if let Some(name) = unknown {
        return Err(Error::UnknownTool { name: name.clone() });
    }
    if execution.plan && execution.state.is_some() {
        let why = "`plan` and `state` exclude each other: what only planned its effects is not a state to go on from";
        return Err(Error::Contradiction { why: why.into() });
    }
    context::check(&execution.context, &edition.policy, &edition.registry, of_caller)?;
    if execution.has_files() { files::check(execution, &edition.policy) } else { Ok(()) }
}

/// Returns the variables that may exist before the program begins, as far as they make a difference to the validator:
/// keys of the context, all that an earlier program may have left, and `open` if there are files.
fn variables_of(execution: &Execution) -> BTreeSet<String> {
    let continues = matches!(execution.state, Some(KeepState::After(_)));
    let names = OWN_NAMES.iter().copied().chain(continues.then_some("sys"));
    let exists = |name: &str| {
        continues || execution.context.contains_key(name) || (name == "open" && execution.has_files())
    };
    names.filter(|name| exists(name)).map(str::to_owned).collect()
}

/// Returns whether checking the execution takes too long for its caller's thread.
pub(super) fn is_large(execution: &Execution) -> bool {
    execution.code.len() > LARGE_CODE_BYTES || execution.bytes() > LARGE_BYTES
}
