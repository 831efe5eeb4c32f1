//! Resets: whatever an execution has done to memory, nothing of it is left.

#![allow(clippy::unwrap_used)]

use std::slice;
use std::sync::mpsc::channel;
use std::time::Instant;

use futures::executor::block_on;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use proptest::collection::vec;
use proptest::prelude::*;
use wasmtime::MemoryCreator;

use super::super::memory_image::{self, BLOCK_BYTES};
use super::super::pool::Pool;
use super::super::{Memories, begin_as};
use super::*;

const IMAGE_PAGES: usize = 3008;

fn slot(page_map: Option<Arc<PageMap>>) -> Slot {
    let mut memory = vec![0; IMAGE_PAGES * PAGE_BYTES];
    for (page, bytes) in memory.chunks_exact_mut(PAGE_BYTES).enumerate().skip(100) {
        bytes.fill(u8::try_from(page % 251).unwrap() | 1);
    }
    let image = MemoryImage::map_bytes(&memory_image::file_of(&memory, &Default::default())).unwrap();
    assert_eq!(image.memory_bytes(), memory.len());
    let layout = SlotLayout { memory_bytes: 64 << 20, guard_bytes: 1 << 20 };
    let base = Base { id: "".into(), image: Arc::new(image), page_map };
    Slot::new(base, PollingPages::default(), layout, None).unwrap()
}

/// The linear memory, as a guest sees it.
fn memory(slot: &mut Slot) -> &mut [u8] {
    // SAFETY: `bytes` of linear memory are readable and writable.
    unsafe { slice::from_raw_parts_mut(slot.address(), slot.bytes()) }
}

fn assert_is_the_image(slot: &mut Slot) {
    assert_eq!(slot.bytes(), IMAGE_PAGES * PAGE_BYTES);
    let image = slot.image.clone();
    for (page, bytes) in memory(slot).chunks_exact(PAGE_BYTES).enumerate() {
        assert!(bytes == image.page(page * PAGE_BYTES), "page {page}");
    }
}

/// Writes to `pages` pages, both in the zeros and in the image's part of memory. Each execution writes to other pages.
fn scribble(slot: &mut Slot, execution: usize, pages: usize) {
    for n in 0..pages {
        let page = (execution * 37 + n * 61) % IMAGE_PAGES;
        memory(slot)[page * PAGE_BYTES + n % PAGE_BYTES] ^= 0xff;
    }
}

#[test]
fn an_execution_leaves_nothing_behind() {
    for page_map in [PageMap::of_process(), None] {
        let mut slot = slot(page_map);
        for execution in 0..3 * SWEEP_INTERVAL as usize {
            let pages = if execution % 7 == 0 { PAGES_KEPT_MAX + 500 } else { 40 };
            scribble(&mut slot, execution, pages);
            slot.reset(true).unwrap();
            assert_is_the_image(&mut slot);
        }
    }
}

#[test]
fn without_a_fault_the_known_pages_are_restored() {
    let Some(page_map) = PageMap::of_process() else {
        println!("skipped: this kernel has no PAGEMAP_SCAN");
        return;
    };
    let mut slot = slot(Some(page_map));
    scribble(&mut slot, 0, 40);
    slot.reset(true).unwrap();
    for _ in 0..3 * SWEEP_INTERVAL {
        scribble(&mut slot, 0, 40);
        slot.reset(false).unwrap();
        assert_is_the_image(&mut slot);
    }
}

#[test]
fn a_sweep_returns_unchanged_pages_if_there_are_many() {
    let Some(page_map) = PageMap::of_process() else {
        println!("skipped: this kernel has no PAGEMAP_SCAN");
        return;
    };
    for (pages, left) in [(PAGES_SPARED_MAX + 1, 0), (PAGES_SPARED_MAX, PAGES_SPARED_MAX)] {
        let mut slot = slot(Some(page_map.clone()));
        scribble(&mut slot, 0, pages);
        slot.reset(true).unwrap();
        for _ in 0..SWEEP_INTERVAL {
            slot.reset(false).unwrap();
        }
        assert_eq!(bytes(&slot.own), left * PAGE_BYTES, "{:?}", slot.own);
        assert_is_the_image(&mut slot);
    }
}

#[test]
fn grown_memory_is_released_and_is_zero_when_it_grows_again() {
    let mut slot = slot(PageMap::of_process());
    let (image, grown) = (slot.bytes(), slot.bytes() + (3 << 16));
    for _ in 0..3 {
        slot.grow(grown).unwrap();
        assert!(memory(&mut slot)[image..].iter().all(|byte| *byte == 0));
        memory(&mut slot)[image..].fill(1);
        slot.reset(true).unwrap();
        assert_is_the_image(&mut slot);
    }
    assert!(slot.grow(slot.layout().bytes_max() + 1).is_err());
}

/// A step that may happen to a memory between two resets.
#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Fill(usize, u8),
    Grow(usize),
    /// The kernel pages out what it can.
    Pressure,
    Reset,
    /// A child of this process continues with a copy of the memory.
    Fork(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let page = 0..IMAGE_PAGES;
    let step = prop_oneof![
        3 => page.clone().prop_map(Step::Read),
        // A fill may write what the page holds already, or zeros.
        9 => (page.clone(), prop_oneof![Just(0), any::<u8>()]).prop_map(|(page, byte)| Step::Fill(page, byte)),
        1 => (1..200usize).prop_map(Step::Grow),
        1 => Just(Step::Pressure),
        4 => Just(Step::Reset),
        1 => page.prop_map(Step::Fork),
    ];
    vec(step, 1..80)
}

fn faults() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    usage.minor_page_faults() + usage.major_page_faults()
}

/// Executes a step. Returns whether the slot was reset.
fn take(slot: &mut Slot, step: &Step, faulted: bool) -> bool {
    match *step {
        Step::Read(page) => drop(std::hint::black_box(memory(slot)[page * PAGE_BYTES])),
        Step::Fill(page, byte) => memory(slot)[page * PAGE_BYTES..][..PAGE_BYTES].fill(byte),
        Step::Grow(pages) => {
            let (before, bytes) = (slot.bytes(), slot.bytes() + (pages << 16));
            if slot.grow(bytes).is_ok() {
                assert!(memory(slot)[before..].iter().all(|byte| *byte == 0), "new memory is zero");
                memory(slot)[before..].fill(7);
            }
        }
        Step::Pressure => slot.reservation.advise(slot.range(0..slot.bytes()), Advice::LinuxPageOut).unwrap(),
        Step::Reset => {
            slot.reset(faulted).unwrap();
            assert_is_the_image(slot);
            return true;
        }
        Step::Fork(page) => in_a_child(|| {
            memory(slot)[page * PAGE_BYTES..][..PAGE_BYTES].fill(0x5a);
            slot.reset(true).unwrap();
            slot.bytes() == IMAGE_PAGES * PAGE_BYTES && slot.first_difference().is_none()
        }),
    }
    false
}

/// Asserts that `holds` returns true in a child of this process. The child does nothing else.
fn in_a_child(holds: impl FnOnce() -> bool) {
    // SAFETY: the child uses its own memory and system calls only, and exits without running this process's exit
    // handlers.
    match unsafe { fork() }.unwrap() {
        // SAFETY: as above.
        ForkResult::Child => unsafe { libc::_exit(i32::from(!holds())) },
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0), "in a child");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_reset_restores_the_image_after_any_steps(steps in steps()) {
        let mut slot = slot(PageMap::of_process());
        let mut faults_before = -1;
        for step in steps.iter().chain([&Step::Reset]) {
            let faulted = faults() != faults_before;
            if take(&mut slot, step, faulted) {
                faults_before = faults();
            }
        }
    }
}

/// The page map that a child inherits describes the parent's pages: it does not show what the child writes.
#[test]
fn an_execution_in_a_child_process_leaves_nothing_behind() {
    let mut slot = slot(PageMap::of_process());
    scribble(&mut slot, 0, 40);
    slot.reset(true).unwrap();
    in_a_child(|| {
        (1..5).all(|execution| {
            scribble(&mut slot, execution, 60);
            slot.reset(true).is_ok() && slot.first_difference().is_none()
        })
    });
    assert_is_the_image(&mut slot);
}

#[test]
fn a_memory_that_differs_from_the_image_is_found_and_discarded() {
    let (pool, (audits, audited)) = (Arc::<Pool<Slot>>::default(), channel());
    let checker =
        ResetChecker::start(Arc::downgrade(&pool), Box::new(move |same| audits.send(same).unwrap())).unwrap();
    let (mut good, mut bad) = (slot(PageMap::of_process()), slot(PageMap::of_process()));
    scribble(&mut good, 0, 40);
    good.reset(true).unwrap();
    // Simulates a reset that missed one byte.
    memory(&mut bad)[2000 * PAGE_BYTES + 17] ^= 1;
    for (slot, same) in [(good, true), (bad, false)] {
        assert!(checker.take(slot).is_none(), "a check is due");
        assert_eq!(audited.recv(), Ok(same));
        let next = self::slot(PageMap::of_process());
        assert!(checker.take(next).is_some(), "at most one check a second");
        *checker.next_at.lock().unwrap() = Instant::now();
    }
    drop(checker);
    assert_eq!(audited.recv().ok(), None, "the thread has ended");
    assert_eq!(pool.count(), 1);
}

#[test]
fn a_memory_of_another_image_is_used_once() {
    let memories = Memories::blank();
    memories.make_current(Base::zeros(BLOCK_BYTES).unwrap());
    let (bytes, layout) = (3 * BLOCK_BYTES, SlotLayout { memory_bytes: 64 << 20, guard_bytes: 1 << 20 });
    let contents: Vec<u8> = (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let image = MemoryImage::map_bytes(&memory_image::file_of(&contents, &Default::default())).unwrap();
    let base = Base { id: "another".into(), image: Arc::new(image), page_map: None };
    let new_memory = async || {
        let kind = wasmtime::MemoryType::new(1, None);
        let memory =
            memories.new_memory(kind, BLOCK_BYTES, None, Some(layout.memory_bytes), layout.guard_bytes);
        memory.unwrap()
    };
    for _ in 0..2 {
        let other = block_on(begin_as(&base, async { io::Result::Ok(new_memory().await) })).unwrap();
        // SAFETY: `byte_size` bytes of the memory are readable, and nothing writes to them.
        assert!(unsafe { slice::from_raw_parts(other.as_ptr(), other.byte_size()) } == contents);
        drop(other);
        assert_eq!(memories.pool.count(), 0);
        // The next memory begins as the others again.
        let own = block_on(new_memory());
        assert_eq!(own.byte_size(), BLOCK_BYTES);
        drop(own);
        assert_eq!(memories.pool.count(), 1);
        memories.pool.clear();
    }
    assert!(block_on(begin_as(&base, async { io::Result::Ok(()) })).is_err(), "there is no memory");
    let panicked = std::panic::catch_unwind(|| {
        block_on(begin_as::<(), io::Error>(&base, async { panic!("on purpose") }))
    });
    assert!(panicked.is_err());
    let own = block_on(new_memory());
    assert_eq!(own.byte_size(), BLOCK_BYTES);
    // From now on, the others are used again, and not those that began as the one before.
    memories.make_current(base.clone());
    drop(own);
    for _ in 0..2 {
        let other = block_on(begin_as(&base, async { io::Result::Ok(new_memory().await) })).unwrap();
        assert_eq!(other.byte_size(), bytes);
        drop(other);
        assert_eq!(memories.pool.count(), 1);
    }
}
