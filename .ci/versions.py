"""Fails when a parameter of a SAM template reaches a function and not the description of its version: SAM makes
no new version of a new value, so the alias would keep the old one, and nothing would tell. CloudFormation
makes a new version of another description.

    versions.py TEMPLATE
"""

import sys

from references import read, transformed, uses

# What is built, and what the stack is called, change with these.
GO_WITH_MORE = {"Architecture", "Stage"}
# Characters that Lambda keeps of a description.
MOST = 256


def values(node, where):
    return {what for kind, what, _ in uses(node, where) if kind == "value"}


def main(source):
    template = transformed(read(source), {})
    resources, parameters = template["Resources"], template["Parameters"]
    wrong, seen = [], 0
    for name, version in resources.items():
        if version["Type"] != "AWS::Lambda::Version":
            continue
        function = version["Properties"]["FunctionName"]["Ref"]
        reach = values(resources[function]["Properties"], function) & set(parameters) - GO_WITH_MORE
        described = values({"Description": version["Properties"].get("Description")}, name)
        wrong += [f"{function}: a new {one} makes no new version" for one in sorted(reach - described)]
        longest = sum(int(parameters[one].get("MaxLength", MOST)) + 1 for one in described)
        if longest > MOST:
            wrong.append(f"{function}: the description of a version may have {longest} characters")
        seen += len(reach)
    if not seen:
        wrong.append("no parameter reaches a function: this looks at the wrong thing")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
