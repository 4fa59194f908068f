"""Transforms a SAM template as AWS does and writes what it becomes, with the parameters given;
fails when anything in it refers to what is not there. Linters pass some of that by.

    references.py TEMPLATE TRANSFORMED.json [NAME=VALUE ...]
"""

import json
import logging
import os
import re
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
logging.disable(logging.WARNING)

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

# What code and layers are replaced by, as `sam package` does.
BUCKET = "s3://packages"
FOLDERS = ("CodeUri", "ContentUri")


class ManagedPolicies:
    """None is named without its ARN."""

    def load(self):
        return {}


def uses(node, where):
    """Every (kind, name, where) that a node of the template refers to."""
    if isinstance(node, list):
        for at, item in enumerate(node):
            yield from uses(item, f"{where}[{at}]")
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = f"{where}.{key}"
        if key == "Ref":
            yield "value", value, here
        elif key == "Fn::GetAtt":
            name = value.split(".")[0] if isinstance(value, str) else value[0]
            yield "resource", name, here
        elif key == "Fn::Sub":
            text, own = (value, {}) if isinstance(value, str) else value
            for name in re.findall(r"\$\{([^!}]+)\}", text):
                if name not in own:
                    yield ("resource" if "." in name else "value"), name.split(".")[0], here
            yield from uses(own, here)
            continue
        elif key == "Fn::If":
            yield "condition", value[0], here
        elif key == "Condition" and isinstance(value, str):
            yield "condition", value, here
        elif key == "DependsOn":
            for name in [value] if isinstance(value, str) else value:
                yield "resource", name, here
        yield from uses(value, here)


def missing(template):
    """What is referred to and is not there."""
    there = {
        "resource": set(template["Resources"]),
        "condition": set(template.get("Conditions", {})),
    }
    there["value"] = there["resource"] | set(template.get("Parameters", {}))
    for section in ("Conditions", "Resources", "Outputs"):
        for kind, name, where in uses(template.get(section, {}), section):
            if name not in there[kind] and not name.startswith("AWS::"):
                yield f"{where}: there is no {kind} {name}"


def read(source):
    """A template with packages in the place of its folders."""
    with open(source, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for folder in FOLDERS:
            if folder in properties:
                name = properties[folder].rsplit("/", 1)[-1]
                properties[folder] = f"{BUCKET}/{name}.zip"
    return template


def transformed(template, values):
    """What AWS makes of it with these values of parameters."""
    return transform(template, values, ManagedPolicies())


def main(source, target, *parameters):
    values = dict(parameter.split("=", 1) for parameter in parameters)
    becomes = transformed(read(source), values)
    with open(target, "w", encoding="utf-8") as file:
        json.dump(becomes, file, indent=1)
    found = list(missing(becomes))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
