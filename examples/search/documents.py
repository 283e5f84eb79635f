"""Makes documents out of the docstrings of Python's own standard library: `documents.py FOLDER [COUNT]`."""

import ast
import json
import os
import sys
import sysconfig


def sources(root):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ("site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"))
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.join(folder, name)


def docstrings(path, module):
    with open(path, encoding="utf-8", errors="replace") as file:
        tree = ast.parse(file.read())
    yield module, ast.get_docstring(tree)
    pending = [(module, tree)]
    while pending:
        prefix, node = pending.pop(0)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}.{child.name}"
                yield name, ast.get_docstring(child)
                if isinstance(child, ast.ClassDef):
                    pending.append((name, child))


def main(folder, count):
    os.makedirs(folder, exist_ok=True)
    root = sysconfig.get_paths()["stdlib"]
    written = set()
    for path in sources(root):
        module = os.path.relpath(path, root)[:-3].replace(os.sep, ".").removesuffix(".__init__")
        try:
            found = list(docstrings(path, module))
        except SyntaxError:
            continue
        for name, text in found:
            if text and len(text) >= 60 and name not in written:
                written.add(name)
                with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
                    json.dump({"name": name, "text": text[:1500]}, file)
                if len(written) == count:
                    return
    print(f"{len(written)} documents", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
