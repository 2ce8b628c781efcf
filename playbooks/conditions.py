"""The language of `when` and of `{{ }}`: a small expression over plain data, compiled once, evaluated purely.

`simpleeval` evaluates; what may reach it is decided here by a list of what is allowed, so that no expression touches
a Python object: a dot is a look-up in a mapping, calls are those of `FUNCTIONS`, there is no power, no loop, no lambda.
It must not know what a playbook is. Invariant: an expression that compiled ends soon and either gives plain data or
raises EvaluationError; two evaluations over the same data give the same.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from supervisors.durations import nearest_match

Names = Mapping[str, Collection[str] | None]
"""The variables that may be used, each with its fields; None: its fields are known when it is evaluated."""

MAX_CHARACTERS = 1000
MAX_PARTS = 200
MAX_DEPTH = 25
MAX_TEXT = 10_000
MAX_NUMBER = 1e18

_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_PARTS = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Compare, ast.IfExp),
    *(ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple, ast.Call),
)
_WORDS = "and, or, not, in, if ... else, comparisons, + - * / // %, names with dots, texts, numbers, lists"
_SYMBOLS = {"Pow": "**", "MatMult": "@", "LShift": "<<", "RShift": ">>", "BitAnd": "&", "BitOr": "|", "BitXor": "^"}
_SYMBOLS |= {"Is": "is", "IsNot": "is not", "Invert": "~", "UAdd": "+"}
"""Operators of Python that are refused, as they are written."""


class ConditionError(Exception):
    """An expression that cannot be compiled: `offset` is where in its text, in characters."""

    def __init__(self, message: str, offset: int = 0, allowed: str = "", nearest: str | None = None) -> None:
        super().__init__(message)
        self.offset, self.allowed, self.nearest = offset, allowed, nearest


class EvaluationError(Exception):
    """An expression that has no value for this data: a field is missing, a text is compared with a number."""


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError(f"{value!r:.60} is not a number")
    if not abs(value) <= MAX_NUMBER:
        raise EvaluationError(f"a number beyond {MAX_NUMBER:g}")
    return value


def _arithmetic(of: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: _number(of(_number(left), _number(right)))


def _add(left: Any, right: Any) -> Any:
    if not (isinstance(left, str) and isinstance(right, str)):
        return _number(_number(left) + _number(right))
    if len(left) + len(right) > MAX_TEXT:
        raise EvaluationError(f"a text of more than {MAX_TEXT} characters")
    return left + right


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _add,
    ast.Sub: _arithmetic(operator.sub),
    ast.Mult: _arithmetic(operator.mul),
    ast.Div: _arithmetic(operator.truediv),
    ast.FloorDiv: _arithmetic(operator.floordiv),
    ast.Mod: _arithmetic(operator.mod),
    ast.USub: lambda value: -_number(value),
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, within: item in within,
    ast.NotIn: lambda item, within: item not in within,
}


def _get(within: Any, key: Any, default: Any = None) -> Any:
    """A field that may be missing."""
    return within.get(key, default) if isinstance(within, Mapping) else default


def _round(value: Any, digits: Any = 0) -> Any:
    return round(_number(value), min(max(int(digits), 0), 18))


def written(value: Any) -> str:
    """A value as text: a text as it is, anything else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int, int, str]] = {
    "abs": (abs, 1, 1, "the number without its sign"),
    "endswith": (lambda text, end: str.endswith(text, end), 2, 2, "whether a text ends so"),
    "get": (_get, 2, 3, "a field of a mapping, or else the third argument (null)"),
    "glob": (lambda text, form: fnmatchcase(text, form), 2, 2, "whether a text fits a form with `*` and `?`"),
    "int": (lambda value: _number(int(value)), 1, 1, "the whole number in a text or number"),
    "len": (len, 1, 1, "how many characters, items or fields"),
    "lower": (lambda text: str.lower(text), 1, 1, "a text in small letters"),
    "max": (max, 1, 8, "the largest"),
    "min": (min, 1, 8, "the smallest"),
    "round": (_round, 1, 2, "a number with so many digits"),
    "startswith": (lambda text, start: str.startswith(text, start), 2, 2, "whether a text begins so"),
    "str": (written, 1, 1, "the text of a value"),
}
"""Each function with its least and most arguments and its meaning."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. Equal texts are equal expressions."""

    text: str

    def value(self, data: Mapping[str, Any]) -> Any:
        """Its value for these variables. Raises EvaluationError."""
        found = _evaluate(self.text, _parsed(self.text), data)
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return _number(found) if is_number else found  # a literal has passed no operator

    def seen(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What each variable in it is now; those that have no value are left out."""
        found: dict[str, Any] = {}
        for node in _outermost_paths(_parsed(self.text)):
            try:
                found[ast.unparse(node)] = _evaluate(self.text, node, data)
            except EvaluationError:  # its absence is what there is to see
                continue
        return found


def compile_expression(text: str, names: Names) -> Expression:
    """The expression, its grammar and names checked. Raises ConditionError with the place of the first mistake."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(f"an expression of {len(text)} characters", 0, f"at most {MAX_CHARACTERS}")
    called: set[ast.AST] = set()
    for node in _parts(text, _parsed(text)):
        if isinstance(node, ast.Call):
            _check_call(node, _offset(text, node))
            called.add(node.func)
        elif node not in called:
            _check(text, node, names)
    return Expression(text)


def _parsed(text: str) -> ast.expr:
    line = text.strip().replace("\n", " ")
    if not line:
        raise ConditionError("an empty expression", 0, _WORDS)
    try:
        tree = ast.parse(line, mode="eval").body
        whole = ast.parse(f"({text.strip()}\n)", mode="eval").body if "\n" in text.strip() else tree
    except SyntaxError as error:
        at = min(error.offset - 1, len(line)) if error.offset else len(line)  # 0: it ends too early
        offset = _skipped(text) + at
        message = f"not an expression: {(error.msg or 'invalid syntax').partition('. ')[0]}"
        raise ConditionError(message, offset, _WORDS) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConditionError(f"not an expression: {error or type(error).__name__}", 0, _WORDS) from None
    if ast.dump(tree) != ast.dump(whole):  # a comment hides what follows it
        raise ConditionError("a comment within an expression", text.find("#"), _WORDS)
    return tree


def _skipped(text: str) -> int:
    return len(text) - len(text.lstrip())


def _parts(text: str, tree: ast.expr) -> Iterator[ast.AST]:
    """Every part, from the outside in, with a stack: no depth can exhaust it."""
    stack: list[tuple[ast.AST, int]] = [(tree, 1)]
    count = 0
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_PARTS:
            raise ConditionError("an expression too long or nested too deeply", _offset(text, node))
        yield node
        stack += [(child, depth + 1) for child in reversed(list(ast.iter_child_nodes(node)))]


def _offset(text: str, node: ast.AST) -> int:
    """Where a part begins in the text, in characters; the parser counts bytes."""
    before = text.strip().encode()[: getattr(node, "col_offset", 0)]
    return _skipped(text) + len(before.decode(errors="ignore"))


def _check(text: str, node: ast.AST, names: Names) -> None:
    at = _offset(text, node)
    match node:
        case ast.Name(id=name) if name not in names and name not in _CONSTANTS:
            raise ConditionError(f"unknown variable {name!r}", at, ", ".join(names), nearest_match(name, names))
        case ast.Attribute(value=ast.Name(id=name), attr=field):
            fields = names.get(name)
            if fields is not None and field not in fields:
                where = at + len(name) + 1
                message = f"unknown variable {name + '.' + field!r}"
                raise ConditionError(message, where, ", ".join(fields) or "none", nearest_match(field, fields))
        case ast.Constant(value=value) if not isinstance(value, str | int | float | None):
            raise ConditionError(f"the constant {value!r:.40}", at, _WORDS)
        case ast.operator() | ast.cmpop() | ast.unaryop() | ast.boolop():
            if type(node) not in _OPERATORS and not isinstance(node, ast.And | ast.Or):
                raise ConditionError(f"the operator {_SYMBOLS[type(node).__name__]}", at, _WORDS)
        case _ if not isinstance(node, _PARTS):
            raise ConditionError(f"{type(node).__name__} in an expression", at, _WORDS)


def _check_call(node: ast.Call, at: int) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in FUNCTIONS:
        allowed = ", ".join(FUNCTIONS)
        raise ConditionError(f"unknown function {name[:60]!r}", at, allowed, nearest_match(name, FUNCTIONS))
    if node.keywords:
        raise ConditionError(f"{name} with a named argument", at, "arguments by their order")
    _, least, most, _ = FUNCTIONS[name]
    if not least <= len(node.args) <= most:
        count = f"{least}" if least == most else f"{least} to {most}"
        raise ConditionError(f"{name} with {len(node.args)} arguments", at, count)


def _outermost_paths(tree: ast.expr) -> Iterator[ast.expr]:
    """Each variable with all its dots, once."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        inner = node
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        if isinstance(inner, ast.Name) and isinstance(node, ast.expr):
            if inner.id not in _CONSTANTS and inner.id not in FUNCTIONS:
                yield node
        else:
            stack += reversed(list(ast.iter_child_nodes(node)))


def _evaluate(text: str, tree: ast.expr, data: Mapping[str, Any]) -> Any:
    evaluator = SimpleEval(
        operators=dict(_OPERATORS),
        functions={name: function for name, (function, *_) in FUNCTIONS.items()},
        names={**_CONSTANTS, **data},
    )

    def look_up(within: Any, key: Any, shown: str) -> Any:
        if isinstance(within, Mapping):
            if key in within:
                return within[key]
            raise EvaluationError(f"{shown} is missing; there is {', '.join(map(str, within)) or 'nothing'}")
        if isinstance(within, list | str) and isinstance(key, int) and -len(within) <= key < len(within):
            return within[key]
        raise EvaluationError(f"{shown} is missing")

    def field(node: ast.Attribute) -> Any:
        return look_up(evaluator._eval(node.value), node.attr, ast.unparse(node))

    def item(node: ast.Subscript) -> Any:
        return look_up(evaluator._eval(node.value), evaluator._eval(node.slice), ast.unparse(node))

    def items(node: ast.List | ast.Tuple) -> list[Any]:
        return [evaluator._eval(each) for each in node.elts]

    evaluator.nodes |= {ast.Attribute: field, ast.Subscript: item, ast.List: items, ast.Tuple: items}
    try:
        return evaluator.eval(text, previously_parsed=tree)
    except EvaluationError:
        raise
    except (InvalidExpression, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise EvaluationError(f"{text.strip()}: {error}") from None
