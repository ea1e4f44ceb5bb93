"""singularity_workflow.run_output: the result of a completed run."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_the_final_steps_by_name(db):
    """
    In the order of the definition, without those that were skipped (G 89).
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("z", "a"), single("b", "a"), map_step("m", "a"),
            single("s", "a", when={"never": 1}),
        )
    )  # fmt: skip
    db.work(a=[1], z="Z", b=None, m="M")

    found = db.value("select singularity_workflow.run_output(%s)::text", run.id)

    assert found.replace(" ", "") == '{"z":"Z","b":null,"m":["M"]}'
    assert run.output == {"z": "Z", "b": None, "m": ["M"]}


def test_a_run_of_skipped_steps_has_an_empty_one(db):
    """
    An object without members.
    """
    run = db.start(db.make_workflow(single("a", when={"never": 1})))

    assert db.call("run_output", run.id) == {}
