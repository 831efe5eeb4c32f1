//! Prints what the rustdoc JSON file that is its argument says of a library's public interface, an item a line.

use std::error::Error;

use public_api::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("the path of a rustdoc JSON file is missing")?;
    // What follows from other items, or from traits of other crates.
    let builder = Builder::from_rustdoc_json(file).omit_blanket_impls(true).omit_auto_trait_impls(true);
    println!("{}", builder.build()?);
    Ok(())
}
