"""
Make a workflow of a plan: a step for each task, bound to the functions of a catalog.

The same plan is the same workflow, in whatever process: its name ends with the digest
of all that decides what it does, so that two plans never share a version. Whoever has
the plan and a catalog with its functions can run it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from singularity_workflow.errors import ConnectionFailed, DecompositionFailed
from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.issues import Issue, json_pointer, raise_issues
from singularity_workflow.model.names import MAX_NAME_LENGTH
from singularity_workflow.model.options import StepOptions, WorkflowOptions
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import canonical
from singularity_workflow.orchestrator.graphs.graph import TaskGraph, TaskSpec
from singularity_workflow.orchestrator.graphs.limits import MAX_DEPTH, MAX_TASKS, Limits
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.graphs.validation import validate
from singularity_workflow.orchestrator.planning.flattening import flatten
from singularity_workflow.orchestrator.planning.plan import (
    Group,
    Kept,
    Output,
    Plan,
    PlannedTask,
    Source,
)
from singularity_workflow.orchestrator.planning.step_names import ATTEMPT, OUTPUTS
from singularity_workflow.orchestrator.planning.task_functions import (
    GoalCalls,
    attempt_function,
    child_input,
    elements_of,
    function_of,
    gather,
    goal_function,
    sees_run_input,
)

__all__ = [
    "MANY_ATTEMPTS",
    "OVER",
    "Goals",
    "plan_name",
    "raise_decomposition",
    "to_workflow",
    "tree_issues",
]

DEFAULT_NAME: Final = "goal"
OVER: Final = "_over_"
"""Begins the name of the step that looks up what the task of that name maps over."""

_DIGITS: Final = 16
_WIDEST: Final = Limits(max_depth=MAX_DEPTH, max_tasks=MAX_TASKS, max_fan_out=MAX_TASKS)
"""What is made a workflow was held to its own limits before."""
MANY_ATTEMPTS: Final = RetryPolicy(
    max_attempts=1_000, delay=0, jitter=False, retry_on=(ConnectionFailed,)
)
"""Of steps that decide by themselves what comes after a child run has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """
    How the tasks of a plan are goals with runs of their own.

    Args:
        calls: What starts them.
        workflow: Name of their workflow.
        kept: The tasks that an earlier plan has completed.
        finishes: Whether what does not depend on a task with `on_failure` of `replan`
            goes on when that fails.
    """

    calls: GoalCalls
    workflow: str
    kept: Collection[str] = ()
    finishes: bool = False


def to_workflow(
    plan: Plan | GoalTree | TaskGraph,
    catalog: Catalog | Mapping[str, StepFunction],
    *,
    name: str | None = None,
    is_flat: bool = True,
    schema: Mapping[str, object] | None = None,
    goals: Goals | None = None,
    **options: object,
) -> Workflow:
    """
    Return the workflow that runs *plan*.

    Args:
        plan: A plan, a decomposed goal, or a graph of tasks with handlers.
        catalog: The functions by name.
        name: What the name begins with; by default `goal`. The digest of the plan
            comes after it.
        is_flat: As of `flatten`, if that was not done yet.
        schema: JSON Schema of the run's input, for people and forms.
        goals: How tasks are goals of their own; by default none is, and handlers do
            the tasks that have both.
        options: Of the `Workflow`: defaults of all steps, and `deadline`.

    Raises:
        DecompositionFailed: With everything that is wrong with the plan.
        DefinitionError: If an option is not possible.

    A task's function gets what a step gets (`docs/howto/goals.md`): the arguments of
    the plan, then by name its dependencies, `run_input`, `ctx`, `item` and `index`,
    resources and as `input` the merged view. The run's input is the goal, if that is a
    mapping, else `{"goal": goal}`.

    .. versionadded:: 0.1
    """
    found = Catalog.of(catalog, ())
    read, issues = WorkflowOptions.read(options)
    raise_issues(name or DEFAULT_NAME, issues)
    if not isinstance(plan, Plan):
        tree = GoalTree(graph=plan) if isinstance(plan, TaskGraph) else plan
        wrong = tree_issues(tree, found, _WIDEST, is_nestable=goals is not None)
        if not wrong:
            plan, wrong = flatten(
                tree,
                is_flat=is_flat,
                kept=() if goals is None else goals.kept,
                has_goals=goals is not None,
            )
        raise_decomposition(tree.graph.goal, wrong)
    assert isinstance(plan, Plan)
    return _Compiler(found, name or DEFAULT_NAME, read, schema, goals).compile(plan)


def plan_name(
    plan: Plan, name: str | None, options: WorkflowOptions, mark: str = ""
) -> str:
    """Return what the workflow of *plan* with these options is called."""
    head = (name or DEFAULT_NAME)[: MAX_NAME_LENGTH - _DIGITS - 1]
    text = plan.digest + canonical(options.to_json()).decode() + mark
    return f"{head}_{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def raise_decomposition(goal: object, issues: list[Issue]) -> None:
    """
    Raise one error that lists all *issues*; without any, do nothing.

    Raises:
        DecompositionFailed: If there is at least one issue.
    """
    if not issues:
        return
    text = repr(goal)
    shown = text if len(text) <= 80 else text[:77] + "..."
    if len(issues) == 1:
        message = f"goal {shown}: {issues[0].placed_message}"
        raise DecompositionFailed(message, hint=issues[0].hint, issues=issues)
    lines = "".join(f"\n  - {issue}" for issue in issues[:20])
    more = f"\n  and {len(issues) - 20} more" if len(issues) > 20 else ""
    raise DecompositionFailed(
        f"goal {shown}: its plan has {len(issues)} problems:{lines}{more}",
        issues=issues,
    )


def tree_issues(
    tree: GoalTree,
    catalog: Catalog,
    limits: Limits | None = None,
    *,
    is_nestable: bool = False,
) -> list[Issue]:
    """
    Return what is wrong with the graphs of a tree, each for itself.

    Their pointers lead through the tasks whose graphs they are in. With *is_nestable*
    there may be goals that are not decomposed yet.
    """
    limits = limits or Limits()
    found: list[Issue] = []
    pointers: dict[tuple[str, ...], str] = {(): ""}
    for path, one in tree.walk():
        pointer = pointers.get(path, "")
        for number, task in enumerate(one.graph.tasks):
            pointers[*path, task.id] = pointer + json_pointer("tasks", number)
        left = [
            task
            for task in one.graph.tasks
            if task.is_compound and task.id not in one.nested
        ]
        issues = validate(one.graph, catalog, limits, depth=len(path) + 1)
        if left and not issues and not is_nestable:
            # with what the decomposer has not decomposed nothing can be run
            issues = [
                issue
                for issue in validate(one.graph, catalog, limits, is_nestable=False)
                if issue.code != "no_primitive"
                or any(repr(task.id) in issue.message for task in left)
            ]
        found += [replace(one, pointer=pointer + one.pointer) for one in issues]
    if not found and tree.task_count > limits.max_tasks:
        message = f"{tree.task_count} tasks are more than {limits.max_tasks}"
        found.append(Issue(code="too_many_tasks", pointer="/tasks", message=message))
    return found


class _Compiler:
    """Make the workflows of a plan and of those in it."""

    def __init__(
        self,
        catalog: Catalog,
        name: str,
        options: WorkflowOptions,
        schema: Mapping[str, object] | None,
        goals: Goals | None = None,
    ) -> None:
        self._goals = goals
        self._finishes = goals is not None and goals.finishes
        self._schema = schema
        self._catalog = catalog
        self._name = name
        self._options = options
        self._made: dict[str, Workflow] = {}

    def compile(self, plan: Plan) -> Workflow:
        """Return the workflow of a plan; equal plans have one."""
        mark = "finish" if self._finishes else ""
        name = plan_name(plan, self._name, self._options, mark)
        if name not in self._made:
            self._made[name] = self._compile(name, plan)
        return self._made[name]

    def _compile(self, name: str, plan: Plan) -> Workflow:
        steps: list[StepDefinition] = []
        functions: dict[str, StepFunction] = {}
        children: dict[str, Workflow] = {}
        for task in plan.tasks:
            over = self._over(task, steps, functions)
            if task.nested is not None:
                children[task.id] = self.compile(task.nested)
            elif task.is_goal and not task.spec.is_compound:
                children[task.id] = self._attempt(task)
            step, function = self._step(task, over, children.get(task.id))
            steps.append(step)
            functions[task.id] = function
        if plan.outputs is not None:
            self._gather(plan.outputs, steps, functions)
        definition = Definition(
            name=name,
            steps=tuple(steps),
            options=self._options,
            input_schema=self._schema,
        )
        return Workflow.from_definition(definition, functions, children)

    def _step(
        self, task: PlannedTask, over: str | None, child: Workflow | None
    ) -> tuple[StepDefinition, StepFunction]:
        workflow = None if child is None else child.name
        options = _options(task.spec, finishes=self._finishes)
        if task.is_goal:
            assert self._goals is not None
            function = goal_function(task, self._goals.calls)
            needs = task.needs(with_scope=True)
            if child is None:
                workflow = self._goals.workflow
            else:
                # its attempts are those of the run that tries it
                options = replace(options, retry=MANY_ATTEMPTS, timeout=None)
        elif task.nested is None:
            handler = self._catalog[task.spec.function]
            function = function_of(task, handler)
            needs = task.needs(with_scope=sees_run_input(task, handler))
        else:
            function = child_input(task)
            needs = task.needs(with_scope=True)
        depends_on = dict.fromkeys(needs)
        if over is not None:
            depends_on[over] = None
        definition = StepDefinition(
            name=task.id,
            kind=StepKind.SINGLE if over is None else StepKind.MAP,
            depends_on=tuple(depends_on),
            over=over,
            workflow=workflow,
            options=options,
        )
        return definition, function

    def _attempt(self, task: PlannedTask) -> Workflow:
        """Return the workflow that tries the handler of a task."""
        handler = self._catalog[task.spec.function]
        options = replace(_options(task.spec), on_failure=None)
        plan = Plan(goal=None, tasks=(task,))
        definition = Definition(
            name=plan_name(plan, self._name, self._options, ATTEMPT),
            steps=(StepDefinition(name=ATTEMPT, options=options),),
            options=self._options,
            input_schema=self._schema,
        )
        functions = {ATTEMPT: attempt_function(task, handler)}
        return Workflow.from_definition(definition, functions)

    @staticmethod
    def _over(
        task: PlannedTask,
        steps: list[StepDefinition],
        functions: dict[str, StepFunction],
    ) -> str | None:
        """Return the step that *task* maps over, added if it must be looked up."""
        source = task.over
        if source is None or isinstance(source, Group):
            return None
        is_kept = isinstance(source, Kept)
        if not (source.path or is_kept or getattr(source, "is_goal", False)):
            return source.task
        name = f"{OVER}{task.id}"
        needs = () if is_kept else (source.task,)
        steps.append(StepDefinition(name=name, depends_on=needs))
        functions[name] = elements_of(source, task.id)
        return name

    @staticmethod
    def _gather(
        outputs: Mapping[str, Source],
        steps: list[StepDefinition],
        functions: dict[str, StepFunction],
    ) -> None:
        """Add the step whose output is the result."""
        needed = {name for step in steps for name in step.depends_on}
        ends = tuple(step.name for step in steps if step.name not in needed)
        function = gather(outputs, ends)
        names = list(_names(outputs))
        steps.append(
            StepDefinition(
                name=OUTPUTS, depends_on=tuple(dict.fromkeys([*names, *ends]))
            )
        )
        functions[OUTPUTS] = function


def _options(spec: TaskSpec, *, finishes: bool = False) -> StepOptions:
    on_failure = {"skip": "skip", "replan": "skip_cascade" if finishes else None}
    given: dict[str, Any] = {
        "retry": spec.retry,
        # "auto" is for the optimizer, which may know enough to set one
        "timeout": None if spec.timeout == "auto" else spec.timeout,
        "on_failure": on_failure.get(spec.on_failure),
    }
    options, issues = StepOptions.read(given)
    raise_issues(spec.id, issues, "task")
    return options


def _names(sources: Mapping[str, Source]) -> list[str]:
    found: list[str] = []
    waiting = list(sources.values())
    while waiting:
        one = waiting.pop()
        if isinstance(one, Output):
            found.append(one.task)
        elif isinstance(one, Group):
            waiting += one.members.values()
    return found
