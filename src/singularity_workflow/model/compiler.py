"""
Put a definition and the functions of its steps together.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping

from singularity_workflow.model.adapters import Adapters
from singularity_workflow.model.binding import Binding, compile_binding
from singularity_workflow.model.compatibility import check_types
from singularity_workflow.model.compiled import (
    ByKeyword,
    CompiledPredicate,
    CompiledStep,
    CompiledWorkflow,
)
from singularity_workflow.model.conditions import Condition, Predicate
from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.input_codec import InputCodec
from singularity_workflow.model.inputs import UNDONE
from singularity_workflow.model.issues import (
    Issue,
    IssueCollector,
    json_pointer,
    raise_issues,
)
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.options import (
    StepOptions,
    effective_options,
    effective_retry,
)
from singularity_workflow.model.output import OutputCodec
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.signature import (
    Signature,
    StepFunction,
    read_signature,
)

__all__ = ["compile_definition"]

_MAX_SUGGESTIONS = 20
_NO_OPTIONS = StepOptions()


def compile_definition(
    definition: Definition,
    functions: Mapping[str, StepFunction],
    *,
    resources: Collection[str] = (),
    signatures: Mapping[str, Signature] | None = None,
    adapters: Adapters | None = None,
    input_codec: InputCodec | None = None,
) -> CompiledWorkflow:
    """
    Return *definition* with a function for each step.

    Args:
        definition: A valid definition in normal form.
        functions: The step functions by step name; others are ignored.
        resources: Names of the resources that the worker will have.
        signatures: Signatures of the functions by step name, if at hand.
        adapters: Where built type adapters are kept.
        input_codec: How the run's input is checked; by default not at all.

    Raises:
        DefinitionError: With every problem: missing functions, parameters that
            cannot be bound, annotations that cannot be checked or cannot fit.
    """
    raise_issues(definition.name, _missing_functions(definition, functions))
    known = dict(signatures or {})
    for step in definition.steps:
        if step.name not in known:
            known[step.name] = read_signature(functions[step.name])

    compiler = _StepCompiler(
        definition, resources=resources, adapters=adapters or Adapters()
    )
    issues: list[Issue] = []
    if signatures is None:
        issues.extend(check_types(definition, known))
    steps: list[CompiledStep] = []
    for number, step in enumerate(definition.steps):
        function, signature = functions[step.name], known[step.name]
        compiled = compiler.compile(number, step, function, signature)
        if isinstance(compiled, CompiledStep):
            steps.append(compiled)
        else:
            issues.extend(compiled)
    raise_issues(definition.name, issues)
    return CompiledWorkflow(
        definition=definition,
        steps=tuple(steps),
        input=input_codec or InputCodec(definition.name),
        by_name={step.name: step for step in steps},
    )


class _StepCompiler:
    """Compile the steps of one workflow."""

    def __init__(
        self, definition: Definition, *, resources: Collection[str], adapters: Adapters
    ) -> None:
        self._definition = definition
        self._names = frozenset(step.name for step in definition.steps)
        self._resources = frozenset(resources)
        self._adapters = adapters
        self._inherited: tuple[StepOptions, RetryPolicy] | None = None

    def compile(
        self,
        number: int,
        step: StepDefinition,
        function: StepFunction,
        signature: Signature,
    ) -> CompiledStep | list[Issue]:
        """Return the step, or everything that is wrong with its function."""
        found = IssueCollector(json_pointer("steps", number), signature.location)
        binding = found.catch(
            lambda: self._bind(number, step, function, signature),
            "bad_parameter",
        )
        output = found.catch(
            lambda: OutputCodec(step.name, signature.returns, self._adapters),
            "bad_annotation",
        )
        when = self._predicate(number, step, step.options.when, found)
        when_not = self._predicate(number, step, step.options.when_not, found)
        if binding is None or output is None or found.issues:
            return found.issues
        options, retry = self._effective(step.options)
        return CompiledStep(
            number=number,
            definition=step,
            function=_call_by_keyword(function, signature),
            is_async=signature.is_async,
            binding=binding,
            output=output,
            options=options,
            retry=retry,
            when=when,
            when_not=when_not,
            original=function,
        )

    def _effective(self, own: StepOptions) -> tuple[StepOptions, RetryPolicy]:
        """Return what holds for a step; those without options of their own share it."""
        if own == _NO_OPTIONS and self._inherited is not None:
            return self._inherited
        common = self._definition.options
        found = effective_options(own, common), effective_retry(own, common)
        if own == _NO_OPTIONS:
            self._inherited = found
        return found

    def _bind(
        self,
        number: int,
        step: StepDefinition,
        function: StepFunction,
        signature: Signature,
    ) -> Binding:
        return compile_binding(
            function,
            step=step.name,
            kind=step.kind,
            # an undoing sees what it undoes, not what was undone before it
            depends_on=(step.name, UNDONE)
            if step.kind is StepKind.UNDO
            else step.depends_on,
            all_step_names=self._names,
            resources=self._resources,
            signature=signature,
            adapters=self._adapters,
            pointer=json_pointer("steps", number),
        )

    def _predicate(
        self,
        number: int,
        step: StepDefinition,
        condition: Condition | None,
        found: IssueCollector,
    ) -> CompiledPredicate | None:
        if not isinstance(condition, Predicate):
            return None
        function = condition.function
        if function is None:
            found.add(_missing_predicate(number, step, condition))
            return None
        signature = found.catch(lambda: read_signature(function), "bad_predicate")
        if signature is None:
            return None
        inner = IssueCollector(json_pointer("steps", number), signature.location)
        binding = inner.catch(
            lambda: self._bind(number, step, function, signature),
            "bad_predicate",
        )
        found.add(*inner.issues)
        if binding is None:
            return None
        return CompiledPredicate(
            name=condition.name,
            function=_call_by_keyword(function, signature),
            is_async=signature.is_async,
            binding=binding,
        )


def _call_by_keyword(function: StepFunction, signature: Signature) -> StepFunction:
    names = [one.name for one in signature.parameters if one.is_positional_only]
    if not names:
        return function
    parameters = inspect.signature(function).parameters
    return ByKeyword(function, {name: parameters[name].default for name in names})


def _missing_functions(
    definition: Definition, functions: Mapping[str, StepFunction]
) -> list[Issue]:
    known = [name for name in functions if isinstance(name, str)]
    issues: list[Issue] = []
    for number, step in enumerate(definition.steps):
        if callable(functions.get(step.name)):
            continue
        hint = None
        if len(issues) < _MAX_SUGGESTIONS:
            hint = did_you_mean(step.name, [one for one in known if one != step.name])
        issues.append(
            Issue(
                code="missing_function",
                pointer=json_pointer("steps", number),
                message=f"step {step.name!r} has no function",
                hint=hint,
            )
        )
    return issues


def _missing_predicate(
    number: int, step: StepDefinition, condition: Predicate
) -> Issue:
    return Issue(
        code="missing_function",
        pointer=json_pointer("steps", number, "options"),
        message=f"predicate {condition.name} of step {step.name!r} is known by name "
        "only",
        hint="Give the function, or use a pattern or an SQL/JSON path.",
    )
