"""Routes: what a service answers, and the scope that each route requires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic_core import to_json
from starlette.responses import JSONResponse, Response

from motet.client import answers
from motet.errors import did_you_mean
from motet.serve.bodies import EventsBody, ModelsBody, Name, RecommendBody, ScoreBody, SimilarBody
from motet.serve.http.guard import no_token
from motet.serve.http.openapi import refusals, text
from motet.serve.problem import Problem
from motet.serve.service import Service

bearer = HTTPBearer(
    auto_error=False, description="A token of the service; needed unless it runs on this machine without tokens."
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]


async def service_of(request: Request) -> Service:
    """The service of a request.

    Args:
        request: The request.

    Returns:
        The service.
    """
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]


async def answer(service: Service, work: Callable[[], object]) -> Response:
    """Do some work, and write its result as JSON, in a thread of the gate.

    Args:
        service: Has the gate.
        work: Returns what JSON can hold.

    Returns:
        The response.
    """
    return Response(await service.gate.run(lambda: to_json(work())), media_type="application/json")


class Scope:
    """Admits a request if its token has a scope.

    Args:
        name: Name of the scope.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, request: Request, token: Bearer) -> None:
        """Check a request.

        Args:
            request: The request; its service has the tokens.
            token: The request's token, if any.

        Raises:
            Problem: If there is no valid token (401), or it lacks the scope (403).
        """
        service = await service_of(request)  # not a dependency of its own, which would cost more than the check
        if service.tokens is None:
            return
        scopes = service.tokens.scopes(token.credentials) if token else frozenset()
        if not scopes:
            raise no_token()
        if self.name not in scopes:
            raise Problem(403, f"the token does not have the scope {self.name!r}", code="wrong_scope")


async def known_query(request: Request) -> None:
    """Refuse parameters in the address that the route does not have.

    Args:
        request: The request.

    Raises:
        Problem: If there is one (422).
    """
    names = [field.alias for field in request.scope["route"].dependant.query_params]
    for name in request.query_params if request.url.query else ():
        if name not in names:
            listed = f"Parameters: {', '.join(names)}." if names else "This route takes none."
            raise Problem(422, f"no parameter {name!r}{did_you_mean(name, names)} {listed}", field=name)


ASKED = refusals(400, 401, 403, 404, 413, 422, 503)
LOOKED_UP = refusals(401, 403, 404, 422, 503)
reading = APIRouter(
    prefix="/v1",
    tags=["Ask and look up"],
    dependencies=[Depends(Scope("read")), Depends(known_query)],
    responses=LOOKED_UP,
)
writing = APIRouter(prefix="/v1", tags=["Tell"], dependencies=[Depends(Scope("write"))], responses=ASKED)
CHANGED = refusals(400, 401, 403, 409, 413, 422, 503)
administering = APIRouter(prefix="/v1", tags=["Administer"], dependencies=[Depends(Scope("admin"))])
watching = APIRouter(tags=["Watch"])
Limit = Annotated[int, Query(ge=1, le=1_000)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Search = Annotated[str, Query(max_length=200)]


@reading.post("/recommend", response_model=answers.Recommendations, responses=ASKED)
async def recommend(asked: RecommendBody, service: Serving) -> Response:
    """The best items for one user or several: retrieved, filtered, ranked by every task and fused."""
    kind = service.kind(asked)
    if kind is None:
        return await answer(service, lambda: service.recommend(asked))
    return Response(await service.batcher.ask(kind, asked), media_type="application/json")


@reading.post("/score", response_model=answers.Scores, responses=ASKED)
async def score(asked: ScoreBody, service: Serving) -> Response:
    """Every task's scores for one user and some items."""
    return await answer(service, lambda: service.score(asked))


@reading.post("/similar", response_model=answers.Neighbours, responses=ASKED)
async def similar(asked: SimilarBody, service: Serving) -> Response:
    """The items nearest to an item, or the users nearest to a user."""
    return await answer(service, lambda: service.lineup.named(asked.model).similar(asked))


@writing.post("/events", response_model=answers.Added)
async def events(told: EventsBody, service: Serving) -> Response:
    """Store events: on disk before the answer, each id once; their items are no longer recommended to their users."""
    return await answer(service, lambda: service.add(told))


@reading.get("/items", response_model=answers.Items)
async def items(
    service: Serving,
    search: Search = "",
    limit: Limit = 20,
    offset: Offset = 0,
    ids: Annotated[
        list[Name], Query(max_length=1_000, description="only these items; repeat the parameter, as in ids=1&ids=2")
    ] = [],  # noqa: B006
) -> Response:
    """Items, with the columns of their table."""
    return await answer(service, lambda: service.model.catalogue.items(search, limit, offset, ids))


@reading.get("/users", response_model=answers.Users)
async def users(service: Serving, search: Search = "", limit: Limit = 20, offset: Offset = 0) -> Response:
    """Users of the training log."""
    return await answer(service, lambda: service.model.catalogue.users(search, limit, offset))


@reading.get("/users/{user:path}/history", response_model=answers.History)
async def history(service: Serving, user: Annotated[Name, Path()], limit: Limit = 200) -> Response:
    """A user's events: those since training, then those of the training log; of each the newest first."""
    return await answer(service, lambda: service.history(user, limit))


@reading.get("/map", response_model=answers.Map)
async def map_of_items(service: Serving, limit: Annotated[int, Query(ge=1, le=20_000)] = 2_000) -> Response:
    """Items as points in the plane: the first two principal components of their vectors."""
    return await answer(service, lambda: service.model.catalogue.map(limit))


@reading.get("/model", response_model=answers.ModelCard)
async def model(
    service: Serving,
    model: Annotated[
        Name | None, Query(description="model to describe; the one with the largest share if not given")
    ] = None,
) -> Response:
    """Which models the service has, and a description of one of them."""
    lineup = service.lineup
    return JSONResponse({**lineup.named(model).describe(), **lineup.describe()})


@administering.post("/models", response_model=answers.Lineup, responses=CHANGED | refusals(404))
def change(asked: ModelsBody, service: Serving) -> Response:
    """Serve these models from now on. New ones are loaded and checked first; no request fails meanwhile."""
    return JSONResponse(service.change(asked))


@administering.post("/models/rollback", response_model=answers.Lineup, responses=CHANGED)
def roll_back(service: Serving) -> Response:
    """Undo the last change of what is served."""
    return JSONResponse(service.roll_back())


@reading.get("/report", response_class=Response, responses=text("text/html"))
async def report(service: Serving) -> Response:
    """The HTML report of the training, if the model has one; its scripts run in a sandbox."""
    if service.model.report is None:
        raise Problem(404, "the model has no report; motet export can add one")
    policy = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    policy += "style-src 'unsafe-inline'; img-src data:; font-src data:"
    return Response(service.model.report, media_type="text/html", headers={"Content-Security-Policy": policy})


@watching.get("/healthz", response_model=answers.Health)
async def healthy() -> Response:
    """Whether the process is alive."""
    return JSONResponse({"status": "ok"})


@watching.get("/readyz", response_model=answers.Readiness, responses=refusals(503))
async def ready(service: Serving) -> Response:
    """Whether it can answer, and whether its event store can be reached."""
    return await answer(service, service.ready)


@watching.get(
    "/metrics",
    dependencies=[Depends(Scope("read"))],
    response_class=Response,
    responses=text("text/plain") | refusals(401, 403),
)
async def metrics(service: Serving) -> Response:
    """Metrics for Prometheus."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
