"""Functions and methods of the project by their address."""

from __future__ import annotations

import ast

from fieldstone.check.modules import Function
from fieldstone.check.project import Project


def function_at(project: Project, address: str | None) -> Function | None:
    """Find a function, or a method as `module:Class.method`."""
    if address is None or ":" not in address:
        return None
    name = address.partition(":")[2]
    if "." in name:
        owner, _, method = address.rpartition(".")
        return method_of(project, owner, method)
    module = project.module_of(address)
    for statement in reversed(module.bindings.get(name, ())) if module else ():
        if module and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            return Function(statement, module)
    return None


def method_of(project: Project, owner: str, name: str) -> Function | None:
    """Find a method in a class or the classes above it."""
    address = owner_of(project, owner, name)
    module = project.module_of(address) if address else None
    node = module.class_node(address.partition(":")[2]) if module and address else None
    found = module.methods(node).get(name) if module and node else None
    return Function(found, module, address) if module and found else None


def owner_of(project: Project, owner: str, name: str) -> str | None:
    """Find the class, or the one above it, whose body has a method."""
    for address in project.ancestry(owner):
        if address in project.classes:
            facts, found = project.classes[address]
            project.look_at_methods(facts.path)
            if name in found.methods:
                return address
    return None


def decorated_as(function: Function, *endings: str) -> bool:
    """Whether a decorator's last name is one of these."""
    return any(last_name(d) in endings for d in function.node.decorator_list)


def last_name(node: ast.expr) -> str:
    """The last part of a dotted name, called or not."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
