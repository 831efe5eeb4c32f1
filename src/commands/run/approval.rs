//! Asks the person at the terminal whether calls may be made.

use std::io::{self, IsTerminal, Write};

use ai_code_executor::{Answer, WaitingCall};
use rustix::termios::{QueueSelector, tcflush};

/// Ends colours and concealment that the program's output may have begun.
const PLAIN: &str = "\x1b[m";

/// Returns an answer for each call. **Blocks** until the person has given them. Without a terminal, nobody can be asked,
/// and each call is denied.
pub(super) fn answers(calls: &[WaitingCall]) -> Vec<(u32, Answer)> {
    calls.iter().map(|call| (call.call, answer(call))).collect()
}

fn answer(call: &WaitingCall) -> Answer {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let why = "nobody could be asked: standard input and standard error must be a terminal";
        return Answer::Deny(why.into());
    }
    match ask(call.prompt.as_deref().unwrap_or(&call.tool)) {
        Ok(true) => Answer::Approve,
        Ok(false) => Answer::Deny("refused at the terminal".into()),
        Err(error) => Answer::Deny(format!("nobody could be asked: {error}")),
    }
}

fn ask(prompt: &str) -> io::Result<bool> {
    // What was typed before the question is no answer to it.
    tcflush(io::stdin(), QueueSelector::IFlush)?;
    write!(io::stderr(), "{PLAIN}\n{prompt}\nApprove? [y/N] ")?;
    let mut said = String::new();
    io::stdin().read_line(&mut said)?;
    Ok(["y", "yes"].contains(&said.trim().to_ascii_lowercase().as_str()))
}
