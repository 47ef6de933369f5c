"""
The sandbox's HTTP front: a real server on the loopback interface, and what goes wrong there on purpose.

`HttpServer` speaks HTTP and knows no programs; `App` says which program answers which request, after `Faults` have had
their say; what was asked is kept as `LoggedRequest`.
"""

from .app import Answer, App, Fault, Faults
from .server import HttpServer

__all__ = ["Answer", "App", "Fault", "Faults", "HttpServer"]
