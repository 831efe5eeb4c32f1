//! The functions that the meter adds to a module.

use wasm_encoder::{BlockType, Encode, Function, Instruction, ValType};

use super::insert::{Again, Meter, charge_for, encode};

/// The bytes that are copied or filled for one unit of fuel, as a power of two.
const BYTES_PER_FUEL_LOG2: i64 = 3;

/// The bytes that are copied or filled between two charges. That takes some 100 µs in uncached memory.
const PIECE_BYTES: i32 = 1 << 20;

/// The fuel for a new page of memory, as a power of two. The host must fault it in and zero it.
const FUEL_PER_PAGE_LOG2: i64 = 8;

impl Meter {
    /// Replaces `memory.grow`. If memory has grown, charges for the new pages, and lets the host decide whether to go
    /// on before the guest fills them.
    pub(super) fn grown(&self) -> Function {
        let (pages, before) = (Instruction::LocalGet(0), 1);
        let mut bytes = Vec::new();
        encode(
            &[
                pages.clone(),
                Instruction::MemoryGrow(0),
                Instruction::LocalTee(before),
                Instruction::I32Const(-1),
                Instruction::I32Ne,
                Instruction::If(BlockType::Empty),
                Instruction::GlobalGet(self.fuel),
                pages,
                Instruction::I64ExtendI32U,
                Instruction::I64Const(FUEL_PER_PAGE_LOG2),
                Instruction::I64Shl,
                Instruction::I64Sub,
                Instruction::GlobalSet(self.fuel),
                Instruction::Call(self.refuel),
                Instruction::End,
                Instruction::LocalGet(before),
                Instruction::End,
            ],
            &mut bytes,
        );
        function_of([ValType::I32], bytes)
    }

    /// Replaces `memory.copy`. Copies in pieces, and charges for each before it is copied. If the destination has the
    /// higher address, copies from the end, so that no piece overwrites bytes that are still to be copied.
    pub(super) fn copied(&self) -> Function {
        let [to, from, length, piece] = [0, 1, 2, 3];
        let at_end = |address| {
            [
                Instruction::LocalGet(address),
                Instruction::LocalGet(length),
                Instruction::I32Add,
                Instruction::LocalGet(piece),
                Instruction::I32Sub,
            ]
        };
        let mut bytes = Vec::new();
        self.in_pieces(length, piece, &mut bytes, |bytes| {
            encode(
                &[
                    Instruction::LocalGet(to),
                    Instruction::LocalGet(from),
                    Instruction::I32LeU,
                    Instruction::If(BlockType::Empty),
                    Instruction::LocalGet(to),
                    Instruction::LocalGet(from),
                    Instruction::LocalGet(piece),
                    Instruction::MemoryCopy { src_mem: 0, dst_mem: 0 },
                ],
                bytes,
            );
            encode(&advance(to, piece), bytes);
            encode(&advance(from, piece), bytes);
            Instruction::Else.encode(bytes);
            encode(&at_end(to), bytes);
            encode(&at_end(from), bytes);
            encode(
                &[
                    Instruction::LocalGet(piece),
                    Instruction::MemoryCopy { src_mem: 0, dst_mem: 0 },
                    Instruction::End,
                ],
                bytes,
            );
        });
        function_of([ValType::I32], bytes)
    }

    /// Replaces `memory.fill`. Fills in pieces, and charges for each before it is filled.
    pub(super) fn filled(&self) -> Function {
        let [to, value, length, piece] = [0, 1, 2, 3];
        let mut bytes = Vec::new();
        self.in_pieces(length, piece, &mut bytes, |bytes| {
            encode(
                &[
                    Instruction::LocalGet(to),
                    Instruction::LocalGet(value),
                    Instruction::LocalGet(piece),
                    Instruction::MemoryFill(0),
                ],
                bytes,
            );
            encode(&advance(to, piece), bytes);
        });
        function_of([ValType::I32], bytes)
    }

    /// Encodes a loop that does `work` for each piece of `length` bytes. If the length is 0, it does it once.
    ///
    /// An address outside of memory traps in its piece, after earlier pieces were written. Nobody can see those writes,
    /// because a guest that traps has ended.
    fn in_pieces(&self, length: u32, piece: u32, bytes: &mut Vec<u8>, work: impl FnOnce(&mut Vec<u8>)) {
        encode(
            &[
                Instruction::Loop(BlockType::Empty),
                Instruction::LocalGet(length),
                Instruction::I32Const(PIECE_BYTES),
                Instruction::LocalGet(length),
                Instruction::I32Const(PIECE_BYTES),
                Instruction::I32LtU,
                Instruction::Select,
                Instruction::LocalSet(piece),
            ],
            bytes,
        );
        let fuel = [
            Instruction::LocalGet(piece),
            Instruction::I64ExtendI32U,
            Instruction::I64Const(BYTES_PER_FUEL_LOG2),
            Instruction::I64ShrU,
        ];
        self.charge(&fuel, &[Instruction::Call(self.refuel)], bytes);
        work(bytes);
        encode(
            &[
                Instruction::LocalGet(length),
                Instruction::LocalGet(piece),
                Instruction::I32Sub,
                Instruction::LocalTee(length),
                Instruction::BrIf(0),
                Instruction::End,
                Instruction::End,
            ],
            bytes,
        );
    }

    /// Returns a function that refuels, refunds the entry charge of `function` and calls `function` again, which
    /// charges the same amount once more.
    pub(super) fn again(&self, function: u32, parameters: u32, operators: u32) -> Function {
        let mut bytes = Vec::new();
        encode(
            &[
                Instruction::Call(self.refuel),
                Instruction::GlobalGet(self.fuel),
                charge_for(operators),
                Instruction::I64Add,
                Instruction::GlobalSet(self.fuel),
            ],
            &mut bytes,
        );
        encode(&Again { function, parameters }.instructions(), &mut bytes);
        encode(&[Instruction::End], &mut bytes);
        function_of([], bytes)
    }
}

/// Advances an address by the length of a piece.
fn advance(address: u32, piece: u32) -> [Instruction<'static>; 4] {
    [
        Instruction::LocalGet(address),
        Instruction::LocalGet(piece),
        Instruction::I32Add,
        Instruction::LocalSet(address),
    ]
}

fn function_of<const N: usize>(locals: [ValType; N], bytes: Vec<u8>) -> Function {
    let mut function = Function::new_with_locals_types(locals);
    function.raw(bytes);
    function
}
