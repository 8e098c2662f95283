"""Ask a service what its description allows and what it forbids, and hold every answer against that description.

    python -m benchmarks.fuzz_http --rounds 40

A round is so many inputs for each route that obey the description, as many that break it, and as many bodies with
damaged bytes; each round draws others. No answer may be a 5xx, show a traceback, take long, or be other than described.
The first round warms up; memory is compared from its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import schemathesis
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import InvalidArgument, Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance
from starlette.types import ASGIApp, Receive, Scope, Send

from motet import EventLog, FeatureTower, Model, Preference, Recommender, Schema
from motet.client.answers import Refusal
from motet.serve.events.store import EventStore
from motet.serve.gate import Gate
from motet.serve.http.app import create_app
from motet.serve.rollout.deployment import Deployment
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry
from motet.serve.run import begin
from motet.serve.service import Service
from motet.serve.tokens import Tokens
from motet.tasks import Rating, Retrieval

TOKEN = "correct-horse-battery"
HEADERS = {"Host": "localhost", "Authorization": f"Bearer {TOKEN}"}
# Some rules are beyond a schema, such as that a weight is that of a task; that each route wants a token is a test's.
BEYOND = [positive_data_acceptance, ignored_auth]
ADDRESS = [*BEYOND, negative_data_rejection]  # all is text in an address, a list of one is what it holds
REFUSED = [400, 404, 409, 413, 422]  # of an input that breaks its description; it may be too large besides
COLUMNS = ["title", "genres", "year", "price", "adult", "released"]
TASKS = ["retrieval", "stars"]
SHOWN = 5_000  # characters of a failure, whose input may have a million
LONGEST_S = 2.0  # of the processor: an answer takes some milliseconds
PAUSED_S = 3600.0  # the clock on the wall goes on while a busy machine does other things


def saved(folder: Path) -> None:
    """Two models whose ids are those that come to a generator's mind first: `0`, `1`, `A`."""
    titles = [*map(str, range(10)), "00", "A"]
    items = pl.DataFrame(
        {
            "title": titles,
            "genres": [["war", "0"], ["1"], []] * 4,
            "year": [*range(11), None],
            "price": [0.5 * place for place in range(12)],
            "adult": [True, False, None] * 4,
            "released": pl.Series(range(12)).cast(pl.Date),
        }
    )
    users = pl.DataFrame({"user": range(8), "country": ["0", "1"] * 4})
    drawn = random.Random(0)
    events = pl.DataFrame(
        {
            "user": [drawn.randrange(8) for _ in range(40)],
            "title": [drawn.choice(titles) for _ in range(40)],
            "stars": [drawn.randint(1, 5) for _ in range(40)],
            "at": range(40),
        }
    )
    log = EventLog.read(
        events, Schema(user="user", item="title", time="at", signals=("stars",)), items=items, users=users
    )
    for name, preference in (("0", None), ("1", Preference())):
        torch.manual_seed(0)
        towers: dict[str, Any] = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
        model = Model(**towers, tasks=[Retrieval(), Rating("stars")], preference=preference)
        Recommender(model, log).save(folder / name)


class Watched:
    """An application, and what became of the requests to it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and look at the answer."""
        began = time.process_time()

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
            assert b"Traceback" not in message.get("body", b"")
            await send(message)

        await self.app(scope, receive, sending)
        self.slowest = max(self.slowest, time.process_time() - began)


def named(names: list[str], found: Any) -> Any:
    """Most keys replaced by names that mean something."""
    if not isinstance(found, dict):
        return found
    places = ((key, zlib.crc32(key.encode("utf-8", "replace")) % (len(names) + 1)) for key in found)
    return {(names[place] if place < len(names) else key): found[key] for key, place in places}


def steered(case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """A valid input that gets further than to the first unknown name."""
    if isinstance(case.body, dict):
        known = {"where": COLUMNS, "by": TASKS, "preference": TASKS, "features": ["country", "user"]}
        case.body = {key: named(known[key], part) if key in known else part for key, part in case.body.items()}
    return case


def drawn(operation: Any, mode: schemathesis.GenerationMode, examples: int, number: int) -> bool:
    """Inputs of one route that obey its description, or that break it; whether all were answered as they should."""
    inputs = operation.as_strategy(generation_mode=mode)
    if mode is schemathesis.GenerationMode.POSITIVE:
        inputs = inputs.map(steered)

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=inputs)
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(headers=HEADERS, timeout=PAUSED_S)
        case.validate_response(
            answer, excluded_checks=BEYOND if operation.method == "post" else ADDRESS, headers=HEADERS
        )

    try:
        ask()
    except (Unsatisfiable, InvalidArgument):  # of a route that takes nothing there is nothing to break
        pass
    except FailureGroup as failures:
        print(str(failures)[:SHOWN], flush=True)
        return False
    return True


async def damage(app: ASGIApp, document: dict[str, Any], examples: int, number: int) -> bool:
    """Bodies of the examples, most with damaged bytes; whether all were answered or refused."""
    chance, fine = random.Random(number), True
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        for path, methods in document["paths"].items():
            if "requestBody" not in methods.get("post", {}):
                continue
            name = methods["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            whole = json.dumps(document["components"]["schemas"][name]["examples"][0]).encode()
            for _ in range(examples):
                body = bytearray(whole)
                for _ in range(chance.randint(0, 4)):  # one of five stays whole
                    place = chance.randrange(len(body))
                    body[place : place + chance.randint(0, 3)] = chance.choice(
                        (chance.randbytes(1), b"", body[place : place + 9], b"null", b"1e999", b"[", b'"')
                    )
                answer = await http.post(
                    path, content=bytes(body), headers=HEADERS | {"Content-Type": "application/json"}
                )
                try:
                    if not answer.is_success:
                        Refusal.model_validate_json(answer.content)
                    assert answer.status_code < 500
                except (AssertionError, ValueError):
                    print(path, bytes(body), answer.status_code, answer.text, flush=True)
                    fine = False
    return fine


def started(folder: Path) -> Service:
    """A service with everything on: two models, events, tokens."""
    saved(folder)
    registry, plans = Registry([folder / "0"], folder), PlanStore(folder / ".serving")
    begin(registry, plans, [folder / "0"], [], {})
    deployment, store = Deployment(registry, plans), EventStore(f"{folder}/events.db")
    guards: dict[str, Any] = {"tokens": Tokens({TOKEN: ["admin"]}), "gate": Gate(timeout_s=PAUSED_S)}
    service = Service(deployment.lineup, deployment=deployment, store=store, **guards)
    deployment.follow(service.show)
    return service


def fuzz(app: Watched, schema: Any, examples: int, damaged: int, number: int) -> bool:
    """Whether every input of a round was answered as it should."""
    fine = True
    for result in schema.get_all_operations() if examples else ():
        for mode in schemathesis.GenerationMode:
            fine &= drawn(result.ok(), mode, examples, number)
    return fine & asyncio.run(damage(app, schema.raw_schema, damaged, number))


def main(rounds: int, examples: int, damaged: int, first: int) -> int:
    logging.disable()
    checks = {"negative_data_rejection": {"expected-statuses": REFUSED}}
    config = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}, "checks": checks})
    fine, memory = True, []
    with tempfile.TemporaryDirectory() as folder:
        service = started(Path(folder))
        app = Watched(create_app(service))
        schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=HEADERS)
        for number in range(first, first + rounds):
            fine &= fuzz(app, schema, examples, damaged, number)
            memory.append(resident())
            answers = ", ".join(f"{count:,} x {status}" for status, count in sorted(app.statuses.items()))
            print(
                f"{sum(app.statuses.values()):,} inputs: {answers}; slowest {app.slowest:.2f} s of the processor; "
                f"memory {memory[0]} MB after the first round, {memory[-1]} MB now",
                flush=True,
            )
        service.close()
        assert service.store is not None
        service.store.close()
    return int(not fine or app.slowest > LONGEST_S)


def resident() -> int:
    """Memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 10**6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--examples", type=int, default=100, help="inputs a route and kind, each round; 0 for none")
    parser.add_argument("--damaged", type=int, default=100, help="bodies with damaged bytes a route, each round")
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    sys.exit(main(**vars(parser.parse_args())))
