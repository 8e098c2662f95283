"""A client of `motet serve`: needs httpx (`pip install 'motet[client]'`), and neither a model nor torch."""

from motet.client.client import AsyncClient, Client
from motet.client.event import Event

__all__ = ["AsyncClient", "Client", "Event"]
