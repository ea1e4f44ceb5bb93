"""
When steps fail: another attempt, giving up at once, leaving out, and the error.

It prints:

    paid 10 at attempt 3
    charge failed with ConnectionError, attempts: 3
        raise ConnectionError(f"no answer to attempt {ctx.attempt}")
    charge failed with Fail, attempts: 1
        raise Fail("the bank says no")
    free of charge
"""

from singularity_workflow import (
    Context,
    Engine,
    Fail,
    RetryPolicy,
    RunFailed,
    Skip,
    Workflow,
)

# waits 0.1 s after the first failure, 0.2 s after the second
payments = Workflow("payments", retry=RetryPolicy(max_attempts=3, delay=0.1))


@payments.step
def charge(input: dict[str, object], ctx: Context) -> str:
    if input["amount"] == 0:
        raise Skip("there is nothing to pay")
    if input["card"] == "stolen":  # another attempt would change nothing
        raise Fail("the bank says no")
    if input["card"] == "unreadable" or ctx.attempt < 3:  # another attempt may help
        raise ConnectionError(f"no answer to attempt {ctx.attempt}")
    return f"paid {input['amount']} at attempt {ctx.attempt}"


@payments.step(depends_on=[charge])
def notify(charge: str = "free of charge") -> str:
    return charge


def pay(engine: Engine, card: str, amount: int) -> None:
    try:
        print(engine.execute(payments, {"card": card, "amount": amount})["notify"])
    except RunFailed as error:
        kind = error.error_type.rpartition(".")[2]
        print(f"{error.step} failed with {kind}, attempts: {error.attempts}")
        # the traceback came back from wherever the step ran
        print(error.remote_traceback.splitlines()[-2])


if __name__ == "__main__":
    with Engine() as engine:
        pay(engine, "good", 10)
        pay(engine, "unreadable", 20)
        pay(engine, "stolen", 30)
        pay(engine, "good", 0)
