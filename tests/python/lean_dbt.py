"""What a dbt command computes again although the process that it is forked from could have done it.

Each function replaces a function of dbt by one with the same result. The builds of the tests take a quarter less time.
"""

from functools import cache
from types import CodeType
from typing import Any

from dbt.tracking import track_behavior_change_warn
from dbt_common.clients import agate_helper
from dbt_common.clients.jinja import MacroFuzzEnvironment, NativeSandboxEnvironment
from dbt_common.events.event_manager import EventLevel, EventManager


@cache
def make_lean() -> None:
    """Replace the functions in this process."""
    # parsing compiles the templates that a build renders
    _compile_once(MacroFuzzEnvironment)
    _compile_once(NativeSandboxEnvironment)
    _find_types_once()
    _omit_unwritten_events()


def _compile_once(environment: type[Any]) -> None:
    compile_source, compiled = environment.compile, dict[str, CodeType]()

    def compile_once(self: Any, source: str, *rest: Any, **named: Any) -> Any:
        if rest or named:
            return compile_source(self, source, *rest, **named)
        if source not in compiled:
            compiled[source] = compile_source(self, source)
        return compiled[source]

    environment.compile = compile_once


def _find_types_once() -> None:
    # the types of a result depend only on which of its columns are text
    build = cache(agate_helper.build_type_tester)
    agate_helper.build_type_tester = lambda text_columns, **named: build(tuple(sorted(text_columns)), **named)


def _omit_unwritten_events() -> None:
    fire_event = EventManager.fire_event

    def fire_if_written(self: Any, e: Any, level: Any = None, *rest: Any, **named: Any) -> None:
        if (
            (level or e.level_tag()) != EventLevel.DEBUG
            or any(logger.level == EventLevel.DEBUG for logger in self.loggers)
            or any(callback is not track_behavior_change_warn for callback in self.callbacks)
        ):
            fire_event(self, e, level, *rest, **named)

    EventManager.fire_event = fire_if_written
