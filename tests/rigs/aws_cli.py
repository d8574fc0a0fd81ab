"""The `aws` program, as far as the documentation types it: a line becomes a call of botocore."""

import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]
from botocore import xform_name


def aws(line: str, client: Callable[[str, str], Any], folder: Path) -> Any:
    """Run a line in a folder; gives its answer, or what `--query` picks, also written by `>`.

    `client` makes a client of a service in a region.
    """
    command, file = re.fullmatch(r"(.*?)(?: > (\S+))?", line).groups()  # type: ignore[union-attr]
    program, service, operation, *words = shlex.split(command)
    assert program == "aws"
    if (service, operation) == ("logs", "tail"):  # the program's own
        operation, words = "filter-log-events", ["--log-group-name", *words]
        since = words.index("--since")
        ago = int(words[since + 1][:-1]) * {"h": 3600, "d": 86400}[words[since + 1][-1]]
        words[since : since + 2] = ["--start-time", str(int((time.time() - ago) * 1000))]
    options: dict[str, str] = {}
    for word in words:
        if word.startswith("--"):
            options[name := word.removeprefix("--")] = ""
        else:
            options[name] = word
    region, query = options.pop("region", "us-east-1"), options.pop("query", "@")
    options.pop("output", None)
    made = client({"deploy": "codedeploy"}.get(service, service), region)
    method = operation.replace("-", "_")
    shape = made.meta.service_model.operation_model(made.meta.method_to_api_mapping[method])
    members = {xform_name(name, "-"): (name, m) for name, m in shape.input_shape.members.items()}
    arguments = {members[k][0]: _value(v, members[k][1], folder) for k, v in options.items()}
    found = jmespath.search(query, getattr(made, method)(**arguments))
    if file:
        (folder / file).write_text(found)
    return found


def _value(text: str, shape: Any, folder: Path) -> Any:
    if shape.type_name == "boolean":
        return True
    if shape.type_name in {"integer", "long"}:
        return int(text)
    if shape.type_name == "list":
        return [_value(each, shape.member, folder) for each in text.split(" ")]
    if shape.type_name == "structure":
        return dict(each.split("=", 1) for each in text.split(","))
    return (folder / text.removeprefix("file://")).read_text() if "file://" in text else text
