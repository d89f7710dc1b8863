"""What the asserts of a program read: where measured values flow to."""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
ADDING = {"append", "extend", "update", "add"}


def nothing(_) -> bool:
    return False


@dataclass(frozen=True)
class Flow:
    """source: whether a node measures. part: whether what has this name is measured.

    A name bound to something measured is measured, until it is bound again. counted:
    whether a part of something measured (an attribute, or a text in brackets) that has
    this name is not.
    """

    source: Callable[[ast.AST], bool]
    part: Callable[[str], bool] = nothing
    counted: Callable[[str], bool] = nothing

    def asserts(self, code: str) -> list[str]:
        """The asserts of a program, NumPy's among them, that read what is measured."""
        return list(dict.fromkeys(self._walk(ast.parse(code).body, set())))

    def _walk(self, body: Sequence[ast.stmt], names: set[str]) -> Iterator[str]:
        """The asserts of statements in their order; `names` are what is measured."""
        for node in body:
            if isinstance(node, ast.FunctionDef):
                yield from self._function(node, names)
                continue
            if isinstance(node, ast.For):
                self._assign(node.target, node.iter, names)
            blocks = [getattr(node, k, []) for k in ("body", "orelse", "finalbody")]
            for block in blocks * 2:  # a loop's start reads what its end bound
                yield from self._walk(block, names)
            if not any(blocks):
                yield from self._statement(node, names)

    def _function(self, node: ast.FunctionDef, names: set[str]) -> Iterator[str]:
        """The asserts within; the function is measured if what it returns is."""
        inner = names - {argument.arg for argument in node.args.args}
        yield from self._walk(node.body, inner)
        found = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
        measured = any(self._reads(value, inner) for value in found)
        self._set(ast.Name(node.name), measured, names)

    def _statement(self, node: ast.stmt, names: set[str]) -> Iterator[str]:
        if _is_assert(node) and self._reads(node, names):
            yield ast.unparse(node)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, names)
        elif isinstance(node, ast.AugAssign) and self._reads(node.value, names):
            names |= _names(node.target)
        for call in ast.walk(node):
            if getattr(getattr(call, "func", None), "attr", "") in ADDING and any(
                self._reads(value, names) for value in call.args
            ):
                names |= _names(call.func.value)

    def _assign(self, target: ast.AST, value: ast.AST, names: set[str]) -> None:
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        if both and len(target.elts) == len(value.elts):
            found = [self._reads(part, names) for part in value.elts]
            for part, measured in zip(target.elts, found, strict=True):
                self._set(part, measured, names)
        else:
            self._set(target, self._reads(value, names), names)

    def _set(self, target: ast.AST, measured: bool, names: set[str]) -> None:
        if measured:
            names |= _names(target)
        elif not isinstance(target, ast.Subscript | ast.Attribute):
            names -= _names(target)

    def _reads(self, node: ast.AST | None, names: set[str]) -> bool:
        """Whether an expression reads something measured, `names` among it."""
        if node is None:
            return False
        if self.source(node):
            return True
        if isinstance(node, ast.Name):
            return node.id in names
        if texts := _parts(node):
            if any(map(self.part, texts)):
                return True
            return self._reads(node.value, names) and not all(map(self.counted, texts))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            children = [node.func.value, *node.args, *node.keywords]
        elif isinstance(node, COMPREHENSIONS):
            inner = set(names)
            for loop in node.generators:
                self._assign(loop.target, loop.iter, inner)
            made = [node.key, node.value] if hasattr(node, "key") else [node.elt]
            tests = [test for loop in node.generators for test in loop.ifs]
            return any(self._reads(child, inner) for child in made + tests)
        else:
            children = ast.iter_child_nodes(node)
        return any(self._reads(child, names) for child in children)


def _parts(node: ast.AST) -> list[str]:
    """The names of the parts that an attribute or a subscript reads, if it does."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.Subscript):
        found = [n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant)]
        return [text for text in found if isinstance(text, str)]
    return []


def _names(target: ast.AST) -> set[str]:
    """The names that a target binds: of `a[k]` and `a.b` it is `a`."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _is_assert(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return "assert_" in ast.unparse(node.value.func)
    return isinstance(node, ast.Assert)
