"""The Lambda function for POST /encode."""

import gc

gc.disable()  # what is loaded from here on is no garbage: a fifteenth of the cold start

import os
import sys
from dataclasses import replace

from aws_lambda_powertools import Logger

from handlers.access.guard import make_guard
from handlers.server.app import build_app
from handlers.server.audit import lines_to
from handlers.server.gateway import lambda_handler
from handlers.server.metrics import measured
from handlers.settings.server import server_settings
from handlers.startup import warm
from temporal_codec.keys.sources import open_source

_settings = server_settings(os.environ)
# This one alone, and not even it where CODEC_OPERATIONS leaves it out.
_served = tuple(each for each in _settings.operations if each == "encode")
_settings = replace(_settings, operations=_served)
_logger = Logger(service="codec-server")  # writes what handlers.asgi logs, as JSON
_write = measured(lines_to(sys.stdout), _settings.service)
_source, _guard = open_source(_settings.keyring), make_guard(_settings.access)
if _settings.warms:
    warm(_source.caches(), _guard)
_app = build_app(_settings, _source, _guard, _write)
handler = _logger.inject_lambda_context(lambda_handler(_app, _settings.cors, _write))
gc.freeze()  # what is here by now stays: never look at it again
gc.enable()
