"""Prints the results: as a table, as JSON, or as JUnit XML."""

import json
from collections import Counter
from xml.etree import ElementTree as ET

from temporal_codec.cli.conformance.check import Level, Outcome, Result
from temporal_codec.cli.conformance.suite import conforms


def line(result: Result) -> str:
    """One row of the table, with what was seen where there is something to say."""
    check = result.check
    row = f"{check.number:>3}  {check.level:<8}  {result.outcome:<7}  {check.rule}"
    if result.outcome is Outcome.FAIL:
        return f"{row}\n{'':24}Seen: {result.seen}\n{'':24}Source: {check.source}"
    return f"{row} {result.seen}." if result.seen else row


def summary(found: list[Result]) -> str:
    """The last line."""
    failed = Counter(each.check.level for each in found if each.outcome is Outcome.FAIL)
    verdict = "conforms" if conforms(found) else "does not conform"
    return (
        f"The server {verdict}. Failed: {failed[Level.MUST]} must, {failed[Level.SHOULD]} should."
    )


def as_json(url: str, found: list[Result]) -> str:
    """For programs."""
    checks = [
        {
            "number": each.check.number,
            "level": each.check.level,
            "rule": each.check.rule,
            "source": each.check.source,
            "outcome": each.outcome,
            "seen": each.seen,
        }
        for each in found
    ]
    document = {"endpoint": url, "conforms": conforms(found), "checks": checks}
    return json.dumps(document, indent=2)


def as_junit(url: str, found: list[Result]) -> bytes:
    """For CI systems: a failed must is a failure, a failed should is skipped with its reason."""
    suite = ET.Element("testsuite", name=f"Codec Server {url}", tests=str(len(found)))
    failures = skipped = 0
    for each in found:
        name = f"{each.check.number:02} {each.check.rule}"
        case = ET.SubElement(suite, "testcase", classname=str(each.check.level), name=name)
        if each.outcome is Outcome.FAIL and each.check.level is Level.MUST:
            failures += 1
            ET.SubElement(case, "failure", message=each.seen).text = each.check.source
        elif each.outcome in {Outcome.FAIL, Outcome.SKIPPED}:
            skipped += 1
            ET.SubElement(case, "skipped", message=each.seen)
        elif each.seen:
            ET.SubElement(case, "system-out").text = each.seen
    suite.set("failures", str(failures))
    suite.set("skipped", str(skipped))
    text: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text
