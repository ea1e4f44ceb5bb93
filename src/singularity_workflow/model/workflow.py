"""
The workflow as its author writes it: an object with decorators.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, overload

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.adapters import Adapters
from singularity_workflow.model.building import build_definition
from singularity_workflow.model.children import child_step, default_input
from singularity_workflow.model.compensation import (
    COMPENSATION_SUFFIX,
    compensation_of,
)
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.compiler import compile_definition
from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.entries import (
    Reference,
    StepEntry,
    function_key,
    function_name,
    read_references,
)
from singularity_workflow.model.input_codec import InputCodec
from singularity_workflow.model.issues import (
    Issue,
    IssueCollector,
    json_pointer,
    raise_issues,
)
from singularity_workflow.model.json_codec import decode_json
from singularity_workflow.model.matching import match_functions
from singularity_workflow.model.mermaid import to_mermaid
from singularity_workflow.model.names import name_issue
from singularity_workflow.model.options import MAP_ONLY, StepOptions, WorkflowOptions
from singularity_workflow.model.signature import (
    Signature,
    StepFunction,
    local_names,
    read_signature,
)
from singularity_workflow.model.sources import SourceStep, read_source, source_name
from singularity_workflow.model.validation import initial_tasks_issue

__all__ = ["Workflow"]

_F = TypeVar("_F", bound=StepFunction)


class Workflow:
    """
    A workflow: a name, steps, and what they have in common.

    Args:
        name: Its name, which is its id in the database.
        input: Type of the run's input; by default what root steps' annotations say.
        options: Defaults of the steps' options, and `deadline`; see
            `WorkflowOptions`.

    Raises:
        DefinitionError: If the name or an option is not possible.

    A decorated function stays what it is: calling it just calls it.

    .. versionadded:: 0.1
    """

    def __init__(self, name: str, *, input: Any = None, **options: object) -> None:
        read, issues = WorkflowOptions.read(options)
        bad_name = name_issue(name, "workflow", "/name") or _reserved_issue(name)
        raise_issues(name, [bad_name, *issues] if bad_name else issues)
        self.name = name
        self.options = read
        self.source: object = self
        self._input: Any = input
        self._entries: dict[str, StepEntry] = {}
        self._adapters = Adapters()
        self._built: tuple[Definition, InputCodec] | None = None
        self._schema: Mapping[str, object] | None = None
        self.bound: object = None
        """What the engine that bound it knows of it."""

    @classmethod
    def from_definition(
        cls, definition: Definition, functions: Mapping[str, StepFunction]
    ) -> Workflow:
        """
        Return the workflow that *definition* describes.

        Its edges are those of the definition: a parameter adds none.

        Args:
            definition: A valid definition.
            functions: A function for each step, by name.

        Raises:
            DefinitionError: With every function that is missing, or of no step.
        """
        raise_issues(definition.name, match_functions(definition, functions))
        workflow = cls(definition.name)
        workflow.options = definition.options
        workflow._schema = definition.input_schema
        signatures: dict[object, Signature] = {}
        for step in definition.steps:
            # what starts a child needs no code of the application
            given = functions.get(step.name)
            function = default_input(step.kind) if given is None else given
            key = function_key(function)
            if key not in signatures:
                signatures[key] = read_signature(function)
            workflow._entries[step.name] = StepEntry(
                name=step.name,
                kind=step.kind,
                function=function,
                given=function,
                signature=signatures[key],
                depends_on=step.depends_on,
                has_edges_by_name=False,
                over=step.over,
                initial_tasks=step.initial_tasks,
                child=step.workflow,
                options=step.options,
            )
        return workflow

    @classmethod
    def from_object(cls, source: object) -> Workflow:
        """
        Return the workflow that *source* is, or describes.

        Args:
            source: A `Workflow`, or a class, instance or module that has
                `__workflow_steps__`.

        Raises:
            DefinitionError: If it is neither, or what it describes is wrong.
        """
        if isinstance(source, Workflow):
            return source
        listed = read_source(source)
        workflow = cls(source_name(source))
        workflow.source = source
        issues: list[Issue] = []
        for number, step in enumerate(listed):
            found = IssueCollector(json_pointer("steps", number))
            found.catch(partial(workflow._add_listed, number, step), "bad_step")
            issues.extend(found.issues)
        raise_issues(workflow.name, issues)
        return workflow

    @overload
    def step(self, function: _F, /) -> _F: ...

    @overload
    def step(
        self,
        /,
        *,
        name: str | None = None,
        depends_on: object = None,
        **options: object,
    ) -> Callable[[_F], _F]: ...

    def step(
        self,
        function: StepFunction | None = None,
        /,
        *,
        name: str | None = None,
        depends_on: object = None,
        **options: object,
    ) -> object:
        """
        Add a step: one task per run.

        Args:
            function: The step's function, when used without parentheses.
            name: The step's name; by default the function's.
            depends_on: Steps that must complete first, as names or functions;
                parameters named like steps are added to them.
            options: See `StepOptions`.

        Raises:
            DefinitionError: If a name or an option is not possible.
        """
        options["depends_on"] = depends_on

        def decorate(function: StepFunction) -> StepFunction:
            names = local_names(function)
            self._add(
                StepKind.SINGLE, function, name=name, names=names, options=options
            )
            return function

        if function is None:
            return decorate
        names = local_names(function)
        self._add(StepKind.SINGLE, function, name=name, names=names, options=options)
        return function

    @overload
    def map(self, function: _F, /) -> _F: ...

    @overload
    def map(
        self,
        /,
        *,
        name: str | None = None,
        depends_on: object = None,
        over: object = None,
        initial_tasks: int | None = None,
        **options: object,
    ) -> Callable[[_F], _F]: ...

    def map(
        self,
        function: StepFunction | None = None,
        /,
        *,
        name: str | None = None,
        depends_on: object = None,
        over: object = None,
        initial_tasks: int | None = None,
        **options: object,
    ) -> object:
        """
        Add a map step: one task per element of an array, their order kept.

        Args:
            function: The step's function, when used without parentheses.
            name: The step's name; by default the function's.
            depends_on: As of `step`.
            over: The step whose output it maps over, by default its only
                dependency; without dependencies it maps over the run's input.
            initial_tasks: The number of its tasks.
            options: See `StepOptions`.

        Raises:
            DefinitionError: If a name or an option is not possible.
        """
        options |= {
            "depends_on": depends_on,
            "over": over,
            "initial_tasks": initial_tasks,
        }

        def decorate(function: StepFunction) -> StepFunction:
            names = local_names(function)
            self._add(StepKind.MAP, function, name=name, names=names, options=options)
            return function

        if function is None:
            return decorate
        names = local_names(function)
        self._add(StepKind.MAP, function, name=name, names=names, options=options)
        return function

    def child(
        self,
        workflow: Workflow | str,
        /,
        *,
        name: str | None = None,
        depends_on: object = None,
        over: object = None,
        initial_tasks: int | None = None,
        **options: object,
    ) -> Callable[[_F], _F]:
        """
        Add a step that is a run of another workflow, or with *over* many runs.

        No worker is held while a child runs. The step's output is the child's result;
        a child that fails fails the step, at once unless the step has `max_attempts`
        or `retry` of its own. Cancelling, pausing and resuming a run does the same to
        its children.

        Used as a statement, the child's input is the step's merged view, or of a map
        the element. Used as a decorator, it is what the function returns; that one
        takes its parameters as any step does.

        Args:
            workflow: The child's workflow, or the name of one that is registered.
            name: The step's name; by default the function's, else the workflow's.
            depends_on: As of `step`.
            over: As of `map`: one child for each element.
            initial_tasks: As of `map`.
            options: See `StepOptions`.

        Raises:
            DefinitionError: If a name or an option is not possible.
        """
        kind, given = child_step(depends_on, over, initial_tasks)
        if not isinstance(workflow, (Workflow, str)):
            pointer = json_pointer("steps", len(self._entries), "workflow")
            raise_issues(self.name, [_no_child(workflow, pointer)])
        rest = {**options, **given}
        step = name or (workflow if isinstance(workflow, str) else workflow.name)
        self._add(
            kind, default_input(kind), name=step, has_edges_by_name=False,
            options=rest, child=workflow,
        )  # fmt: skip

        def decorate(function: _F) -> _F:
            names = local_names(function)
            self._entries.pop(step, None)
            self._add(
                kind, function, name=name, names=names, options=rest, child=workflow
            )
            return function

        return decorate

    @property
    def children(self) -> list[Workflow]:
        """The workflows of its child steps, as far as they were given as objects."""
        found = [entry.child for entry in self._entries.values()]
        return [child for child in found if isinstance(child, Workflow)]

    def compile_compensation(
        self, resources: Collection[str] = ()
    ) -> CompiledWorkflow | None:
        """
        Return the workflow that undoes this one, None if no step has `compensate`.

        Raises:
            DefinitionError: If the parameters of an undoing function match nothing.
        """
        functions = {
            name: entry.compensate
            for name, entry in self._entries.items()
            if entry.compensate is not None
        }
        definition = compensation_of(self.definition, functions)
        if definition is None:
            return None
        return compile_definition(
            definition,
            functions,
            resources=resources,
            signatures={
                name: entry.undo_signature
                for name, entry in self._entries.items()
                if entry.undo_signature is not None
            },
            adapters=self._adapters,
            input_codec=self._build()[1],
        )

    @property
    def definition(self) -> Definition:
        """
        The workflow as data, in normal form.

        Raises:
            DefinitionError: With everything that is wrong.
        """
        return self._build()[0]

    @property
    def steps(self) -> tuple[StepDefinition, ...]:
        """The steps in the order of their numbers."""
        return self.definition.steps

    @property
    def functions(self) -> dict[str, StepFunction]:
        """The step functions by step name."""
        return {name: entry.function for name, entry in self._entries.items()}

    def input_schema(self) -> dict[str, object]:
        """Return the JSON Schema of a run's input, `{}` if anything goes."""
        return self._build()[1].schema()

    def validate_input(self, value: object) -> object:
        """
        Return *value* as it is stored: plain JSON values, otherwise as given.

        Raises:
            InvalidInput: If it does not fit the input's type, or is not JSON.
        """
        return decode_json(self.encode_input(value))

    def encode_input(self, value: object) -> bytes:
        """
        Return *value* as JSON, if it fits.

        Raises:
            InvalidInput: If it does not fit the input's type, or is not JSON.
        """
        return self._build()[1].encode(value)

    def compile(self, resources: Collection[str] = ()) -> CompiledWorkflow:
        """
        Return the workflow ready to run.

        Args:
            resources: Names of the resources that there will be.

        Raises:
            DefinitionError: Also if a parameter matches nothing.
        """
        definition, codec = self._build()
        entries = self._entries.values()
        return compile_definition(
            definition,
            self.functions,
            resources=resources,
            signatures={entry.name: entry.signature for entry in entries},
            adapters=self._adapters,
            input_codec=codec,
        )

    def to_mermaid(self) -> str:
        """Return the workflow as a Mermaid graph."""
        return to_mermaid(self.definition)

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self.to_mermaid()}```\n"

    def __repr__(self) -> str:
        return f"<Workflow {self.name!r} with {len(self._entries)} steps>"

    def _build(self) -> tuple[Definition, InputCodec]:
        if self._built is None:
            self._built = build_definition(
                self.name,
                self.options,
                list(self._entries.values()),
                declared=self._input,
                adapters=self._adapters,
            )
            definition, codec = self._built
            if self._schema and not definition.input_schema:
                definition = replace(definition, input_schema=self._schema)
                self._built = definition, codec
        return self._built

    def _add_listed(self, number: int, step: SourceStep) -> None:
        options = {
            key: value
            for key, value in step.options.items()
            if value is not None or key not in MAP_ONLY
        }
        is_map = any(key in options for key in MAP_ONLY)
        self._add(
            StepKind.MAP if is_map else StepKind.SINGLE,
            step.function,
            number=number,
            name=step.name,
            given=step.given,
            has_edges_by_name=options.get("depends_on") is None,
            options=options,
        )

    def _add(
        self,
        kind: StepKind,
        function: StepFunction,
        *,
        name: str | None,
        options: Mapping[str, object],
        number: int | None = None,
        names: Mapping[str, object] | None = None,
        given: StepFunction | None = None,
        has_edges_by_name: bool = True,
        child: Workflow | str | None = None,
    ) -> None:
        if not callable(function):
            raise DefinitionError(
                f"a step of workflow {self.name!r} must be a function, "
                f"got {function!r}",
                hint="Write name=... to give a step another name.",
            )
        rest = dict(options)
        step: Any = name if name is not None else function_name(function)
        place = len(self._entries) if number is None else number
        pointer = json_pointer("steps", place)
        signature = read_signature(function, names)
        found = IssueCollector(pointer, signature.location)
        found.add(*self._name_issues(step, pointer))
        depends_on = _references(found, step, "depends_on", rest)
        over: Reference | None = None
        initial_tasks: Any = None
        if kind is StepKind.MAP:
            over = _read_over(found, step, pointer, rest)
            initial_tasks = rest.pop("initial_tasks", None)
            found.add(initial_tasks_issue(step, initial_tasks, pointer))
        compensate: Any = rest.pop("compensate", None)
        undo_signature = None
        if callable(compensate):
            undo_signature = found.catch(
                lambda: read_signature(compensate, names), "bad_compensate"
            )
        elif compensate is not None:
            found.add(_no_compensation(step, compensate, pointer))
        found.add(_child_issue(child, pointer))
        read, issues = StepOptions.read(rest, pointer=f"{pointer}/options")
        for one in issues:
            found.add(replace(one, message=f"step {step!r}: {one.message}"))
        raise_issues(self.name, found.issues)

        self._built = None
        self._entries[step] = StepEntry(
            name=step,
            kind=kind,
            function=function,
            given=given or function,
            signature=signature,
            depends_on=depends_on,
            has_edges_by_name=has_edges_by_name,
            over=over,
            initial_tasks=initial_tasks,
            child=child,
            compensate=compensate,
            undo_signature=undo_signature,
            options=read,
        )

    def _name_issues(self, step: Any, pointer: str) -> list[Issue | None]:
        found = [name_issue(step, "step", f"{pointer}/name")]
        if isinstance(step, str) and step in self._entries:
            earlier = self._entries[step].signature.location
            found.append(
                Issue(
                    code="duplicate_step",
                    pointer=f"{pointer}/name",
                    message=f"there is a step {step!r} already"
                    + (f", at {earlier}" if earlier else ""),
                    hint="Give one of them another name, with name=...",
                )
            )
        return found


def _reserved_issue(name: str) -> Issue | None:
    if not name.lower().endswith(COMPENSATION_SUFFIX):
        return None
    return Issue(
        code="bad_name",
        pointer="/name",
        message=f"the workflow name {name!r} is that of a compensation",
        hint="The library makes such workflows itself, of steps with compensate=...; "
        "use another name.",
    )


def _references(
    found: IssueCollector, step: object, option: str, options: dict[str, object]
) -> tuple[Reference, ...]:
    """Take *option* out of *options*, as names and functions of steps."""
    value = options.pop(option, None)
    what = f"{option} of step {step!r}"
    return found.catch(lambda: read_references(value, what), "bad_dependency") or ()


def _no_child(child: object, pointer: str) -> Issue:
    return Issue(
        code="bad_child",
        pointer=pointer,
        message=f"a child must be a Workflow or the name of one, got {child!r}",
        hint="Write Workflow.from_object(...) for a class or module with steps.",
    )


def _child_issue(child: object, pointer: str) -> Issue | None:
    if child is None or isinstance(child, Workflow):
        return None
    return name_issue(child, "workflow", f"{pointer}/workflow")


def _no_compensation(step: object, value: object, pointer: str) -> Issue:
    return Issue(
        code="bad_option",
        pointer=f"{pointer}/options/compensate",
        message=f"compensate of step {step!r} must be a function, got {value!r}",
        hint="Give the function that undoes one task of the step.",
    )


def _read_over(
    found: IssueCollector, step: object, pointer: str, options: dict[str, object]
) -> Reference | None:
    """Take `over` out of the options of a map step."""
    over = _references(found, step, "over", options)
    if len(over) > 1:
        message = f"over of step {step!r} must be one step"
        pointer = f"{pointer}/over"
        found.add(Issue(code="bad_option", pointer=pointer, message=message))
    return over[0] if over else None
