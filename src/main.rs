//! The program `ufs`: hands over to [`ufs::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ufs::cli::main())
}
