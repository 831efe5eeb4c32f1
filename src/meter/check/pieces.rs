//! The exact bodies of the functions that copy, fill and grow memory.
//!
//! Each piece has at most 1 MiB and is charged before it is copied or filled. The host decides about new memory before
//! the guest fills it.

use wasmparser::{Parser, Payload};
use wasmtime::{Result, format_err};

use super::added::Names;

const GROWN: &str = "(param $pages i32) (result i32) (local $before i32)
    local.get $pages memory.grow local.tee $before
    i32.const -1 i32.ne
    if
      global.get FUEL local.get $pages i64.extend_i32_u i64.const 8 i64.shl i64.sub global.set FUEL
      call REFUEL
    end
    local.get $before";

const COPIED: &str = "(param $to i32) (param $from i32) (param $length i32) (local $piece i32)
    loop
      BEGIN_PIECE
      local.get $to local.get $from i32.le_u
      if
        local.get $to local.get $from local.get $piece memory.copy
        local.get $to local.get $piece i32.add local.set $to
        local.get $from local.get $piece i32.add local.set $from
      else
        local.get $to local.get $length i32.add local.get $piece i32.sub
        local.get $from local.get $length i32.add local.get $piece i32.sub
        local.get $piece memory.copy
      end
      END_PIECE
    end";

const FILLED: &str = "(param $to i32) (param $value i32) (param $length i32) (local $piece i32)
    loop
      BEGIN_PIECE
      local.get $to local.get $value local.get $piece memory.fill
      local.get $to local.get $piece i32.add local.set $to
      END_PIECE
    end";

const BEGIN_PIECE: &str = "
    local.get $length i32.const 0x100000 local.get $length i32.const 0x100000 i32.lt_u select local.set $piece
    global.get FUEL local.get $piece i64.extend_i32_u i64.const 3 i64.shr_u i64.sub global.set FUEL
    global.get FUEL i64.const 0 i64.lt_s
    if call REFUEL end";

const END_PIECE: &str = "local.get $length local.get $piece i32.sub local.tee $length br_if 0";

/// Returns the encoded bodies of the three functions.
pub(super) fn all(names: Names) -> Result<Vec<Vec<u8>>> {
    [GROWN, COPIED, FILLED].into_iter().map(|text| body(text, names)).collect()
}

fn body(text: &str, names: Names) -> Result<Vec<u8>> {
    let text = text.replace("BEGIN_PIECE", BEGIN_PIECE).replace("END_PIECE", END_PIECE);
    let text = text.replace("REFUEL", &names.refuel.to_string()).replace("FUEL", &names.fuel.to_string());
    let wasm = wat::parse_str(format!("(module (func {text}))"))?;
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::CodeSectionEntry(body) = payload? {
            return Ok(body.as_bytes().to_vec());
        }
    }
    Err(format_err!("the module has no function"))
}
