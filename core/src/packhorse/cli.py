"""The `packhorse` command: the core's subcommands, those of the plugins, and what every one of them shares."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError

import packhorse
from packhorse import core_commands, help_pages, stdio, terminal
from packhorse.errors import PackhorseError
from packhorse.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OK, FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

HELP = "An MCP server for a developer's code: semantic search and a task tracker, made of plugins."
EXAMPLES = """
Examples:
  packhorse serve              serve an MCP client on standard input and output
  packhorse plugins            what is installed, and why something did not load
  packhorse doctor             check the database, the disk and the plugins
  packhorse config --json      every setting, its value and where it comes from
  packhorse COMMAND --help     what a command does, with examples
"""


def main() -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    stdio.settle_descriptors()
    try:
        with ExitStack() as stack:
            code = run(sys.argv[1:], Program(stack))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing may be flushed into the pipe at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    return code


def run(tokens: Sequence[str], program: Program) -> int:
    """Run one command and report its failure on standard error."""
    try:
        return _dispatch(tokens, program)
    except CycloptsError as error:
        terminal.print_error(PackhorseError(_sentence(error), remedy=_advice(error, program)))
        return USAGE
    except PackhorseError as error:
        terminal.print_error(error)
        return FAILED
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception:  # noqa: BLE001 - a defect: its traceback is for the log, not for the user
        terminal.print_error(program.defect(uuid4().hex[:8]))
        return FAILED


def _dispatch(tokens: Sequence[str], program: Program) -> int:
    app = App(
        name="packhorse",
        help=HELP,
        help_epilogue="",  # inherited by subcommands, which have their own
        help_format="plaintext",
        version=packhorse.__version__,
        # `--json` needs no `--no-json` beside it; a plugin may still ask for one.
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
        result_action="return_int_as_exit_code_else_zero",
    )
    core_commands.register(app, program)
    # `serve` claims standard output before it lets any plugin be imported.
    if tokens[:1] not in (["serve"], ["--version"]):
        with stray_output_to_stderr():
            program.load()
        if program.host is not None:
            program.host.register_commands(app)
        elif program.problem is not None and tokens and tokens[0] not in app:
            raise program.problem
    if {"--help", "-h"} & set(tokens) or not tokens:
        help_pages.add_examples(app, EXAMPLES)
    return int(app(tokens))


@contextmanager
def stray_output_to_stderr() -> Iterator[None]:
    """Send what is printed inside the block to standard error, whoever prints it: the output is for the command."""
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
        sys.stdout.flush()
    finally:
        os.dup2(output, 1)
        os.close(output)


def _sentence(error: CycloptsError) -> str:
    error.verbose = False
    return " ".join(str(error).split())


def _advice(error: CycloptsError, program: Program) -> str:
    advice = f"See `{' '.join(['packhorse', *(error.command_chain or ())])} --help`."
    if isinstance(error, UnknownCommandError) and program.host is not None and (failure := program.host.failure()):
        return f"{advice} A plugin that may have it did not load. {failure}"
    return advice
