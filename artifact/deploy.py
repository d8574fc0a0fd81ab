"""`make deploy`: samconfig.toml says what is deployed, and what is served is compared with it.

Every parameter is given, so that one that leaves the file takes its default again. Those that name
a stack's keys stay as they are unless the file changes them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from artifact.parameters import CONFIG, ConfigError, defaults, live, overrides, save, settings
from artifact.release import NAME, release
from artifact.stack import Stack, told

BUILT, GIVEN = Path(".aws-sam/build"), Path(".aws-sam/parameters.yaml")
PREVIOUS = Path(".aws-sam/previous.yaml")
KEYS = ("Rings", "RingName", "ExistingRing", "ExistingRingKey", "ExistingLogsKey", "Keyring")
QUESTIONS = {
    "Readers": "Who may decode initially: e-mail addresses, such as *@example.com",
    "ReaderNamespaces": "Namespaces that they may decode, such as orders-*.a1b2c",
    "Origins": "Origins of the Web UIs that may call",
    "Issuer": "Issuer of the access tokens (empty: Temporal Cloud)",
    "JwksUrl": "https address of the issuer's public keys",
    "Audiences": "Accepted audiences of a token",
    "AlarmEmail": "E-mail address that receives the alarms (empty: none)",
}
NEED_AN_ISSUER = ("JwksUrl", "Audiences")


def ask(given: Mapping[str, str], read: Callable[[str], str] = input) -> dict[str, str]:
    """Ask for what a first deployment needs; an empty line takes what is in brackets."""
    answers = dict(given)
    for name, question in QUESTIONS.items():
        if name in NEED_AN_ISSUER and not answers["Issuer"]:
            continue
        answers[name] = read(f"{question} [{answers[name]}]: ").strip() or answers[name]
    return answers


def parameters(stack: Stack, environment: str) -> dict[str, str]:
    """Every parameter of the next deployment; raises ConfigError if it would lose the keys."""
    given, before = overrides(environment), stack.description()
    old = live(before)
    if before is not None and "RingName" not in old:  # by a template that gave it a fixed name
        ring = stack.resources().get("Ring", "")
        name = ring.split(":secret:", 1)[-1].rsplit("-", 1)[0]
        old |= {"RingName": name} if ring and name != stack.ring else {}
    unknown = sorted(given.keys() - defaults().keys())
    if unknown:
        raise ConfigError(
            f"samconfig.toml sets {', '.join(unknown)}, which template.yaml does not have"
        )
    kept = {name: old[name] for name in KEYS if name in old}
    changed = [name for name in kept if given.get(name, kept[name]) != kept[name]]
    if changed and not os.environ.get("FORCE"):
        raise ConfigError(
            f"samconfig.toml changes {', '.join(changed)} of a stack that is deployed: payloads "
            "that its keys encrypted could not be decoded. Undo that change, or set FORCE=1"
        )
    merged = {**defaults(), **kept, **given}
    for name in sorted(old.keys() & merged.keys() - {NAME}):
        if old[name] != merged[name]:
            print(f"{name}: {old[name] or 'empty'} becomes {merged[name] or 'empty'}")
    return merged


def deploy(sam: str, environment: str, more: list[str]) -> int:
    """Deploy what is built, with an environment of samconfig.toml; gives the exit status."""
    stack = Stack(settings(environment))
    unattended = os.environ.get("YES") or not sys.stdin.isatty()
    before = stack.description()
    if before is None and not overrides(environment) and not unattended:
        answers = ask(defaults())
        save(environment, {k: v for k, v in answers.items() if v != defaults()[k]})
    if before is not None and before["StackStatus"] == "ROLLBACK_COMPLETE":
        print(f"The first deployment of {stack.name} failed. It is deleted, then tried again.")
        stack.delete()
    given = parameters(stack, environment)
    given[NAME] = release(BUILT, given)
    if before is not None and stack.description() is not None:
        keep(stack, live(before))
    GIVEN.write_text(json.dumps(given))
    more += ["--no-confirm-changeset"] if unattended else []
    return run(sam, environment, GIVEN, more)


def run(sam: str, environment: str, given: Path, more: list[str]) -> int:
    """Call the SAM CLI; an empty value is possible only in a file."""
    command = [sam, "deploy", "--config-env", environment, *more]
    command += ["--parameter-overrides", f"file://{given.resolve()}"]
    environ = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    if "AWS_REGION" in environ:  # the SAM CLI does not look at it
        environ["AWS_DEFAULT_REGION"] = environ["AWS_REGION"]
    return subprocess.run(command, env=environ, check=False).returncode  # noqa: S603 — the SAM CLI


def keep(stack: Stack, given: Mapping[str, str]) -> None:
    """Note what is deployed, for `make rollback`: its packages stay in their bucket."""
    template = stack.template()
    text = template if isinstance(template, str) else json.dumps(template, default=str)
    PREVIOUS.with_suffix(".template").write_text(text)
    PREVIOUS.write_text(json.dumps(given))


def rollback(sam: str, environment: str) -> int:
    """Deploy once more what the last deployment replaced."""
    if not PREVIOUS.exists():
        raise ConfigError(
            f"{PREVIOUS} is missing: `make deploy` writes it. Check the older version out instead, "
            "then run make deploy"
        )
    # The SAM CLI looks for samconfig.toml beside the template.
    files = ["--template-file", str(PREVIOUS.with_suffix(".template"))]
    files += ["--config-file", str(CONFIG.resolve())]
    return run(sam, environment, PREVIOUS, [*files, "--no-confirm-changeset"])


def check(stack: Stack, given: Mapping[str, str]) -> str | None:
    """What is wrong with what a stack serves, in a sentence; None if nothing is."""
    found = live(stack.description())
    other = sorted(name for name in given if found.get(name, given[name]) != given[name])
    if other:
        return f"The stack's {', '.join(other)} differ from what was deployed: deploy again."
    old = list(stack.stale()) if found.get("Gradual") == "true" else []
    if not old:
        return None
    return (
        f"{', '.join(old)}: the settings of the serving version differ from those of the function. "
        "Either the deployment is not finished, or it was rolled back: check CodeDeploy, then "
        "deploy again."
    )


def main(arguments: list[str]) -> None:
    """Take the SAM CLI, the environment, and options for `sam deploy`, or --rollback."""
    sam, environment, *more = arguments
    try:
        if more == ["--rollback"]:
            sys.exit(rollback(sam, environment))
        if status := deploy(sam, environment, more):
            sys.exit(status)
        if fault := check(Stack(settings(environment)), json.loads(GIVEN.read_text())):
            sys.exit(fault)
    except ConfigError as error:
        sys.exit(str(error))
    except (BotoCoreError, ClientError) as error:
        sys.exit(told(error))


if __name__ == "__main__":
    main(sys.argv[1:])
