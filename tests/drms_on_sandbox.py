"""pytest plugin: drms's own tests with the sandbox as their "jsoc" server. Nothing in drms is changed."""

from __future__ import annotations

import importlib
import json
import os


def pytest_configure(config):
    import drms.config

    settings = json.loads(os.environ["SANDBOX_CONFIG"])
    drms.config._server_configs["jsoc"] = drms.config.ServerConfig(**settings)
    config.addinivalue_line("markers", "jsoc: needs the JSOC")
    config.addinivalue_line("markers", "kis: needs KIS")
    config.addinivalue_line("markers", "remote_data: needs a server")


def pytest_collection_modifyitems(config, items):
    conftest = importlib.import_module("drms.tests.conftest")
    url = json.loads(os.environ["SANDBOX_CONFIG"])["http_download_baseurl"]
    # the check "is the site there" has the address of the real one in it
    conftest.jsoc_reachable = conftest.lazily_cached(conftest.site_reachable, url)
    for module in list(config.pluginmanager.get_plugins()):
        if getattr(module, "__name__", "").endswith("conftest") and hasattr(module, "jsoc_reachable"):
            module.jsoc_reachable = conftest.jsoc_reachable
