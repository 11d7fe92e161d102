//! What the example programs make of a wrong command line.

use clap::Parser;

/// Exit status: the command line is wrong.
pub(crate) const USAGE: u8 = 64;

/// Parses the command line, or tells the exit status: 0 after `--help`, 64 after a mistake.
pub(crate) fn parse<T: Parser>() -> Result<T, u8> {
    T::try_parse().map_err(|error| {
        // Where even stderr is gone, the status has to do.
        let _ = error.print();
        if error.use_stderr() { USAGE } else { 0 }
    })
}
