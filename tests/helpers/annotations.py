"""Checks annotations of functions, shapes included, while tests run."""

import ast
from collections.abc import Callable, Collection
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
import typing

import beartype
import jaxtyping

# Like a static checker, this lets an int pass for a float.
_check_types = beartype.beartype(
  conf=beartype.BeartypeConf(is_pep484_tower=True)
)
_DECORATOR = "__checked__"
_MADE: dict[tuple[str, str, str], Callable] = {}


def install(modules: Collection[str]):
  """Checks the functions of modules and of those inside.

  None of them may have been imported before.
  """
  sys.meta_path.insert(0, _Finder(tuple(modules)))


def _checked(item):
  """Returns a function or class that checks what it is given and returns.

  Names of dimensions are bound only where arrays are annotated: that takes
  longer than all else, and functions are called often while JAX traces. A
  function inside of another is made anew in each call; what jaxtyping has
  checked in its place is made once.
  """
  if (
    inspect.isclass(item)
    or "<locals>" in item.__qualname__
    or any(map(_holds_arrays, item.__annotations__.values()))
  ):
    return jaxtyping.jaxtyped(item, typechecker=_check_types_once)
  return _check_types(item)


def _check_types_once(stand_in: Callable) -> Callable:
  """Checks jaxtyping's stand-in for a function: annotations without a body."""
  # By their text: an annotation made anew does not equal the former one.
  hints = repr(stand_in.__annotations__)
  key = (stand_in.__module__, stand_in.__qualname__, hints)
  if key not in _MADE:
    _MADE[key] = _check_types(stand_in)
  return _MADE[key]


def _holds_arrays(annotation) -> bool:
  if isinstance(annotation, str):
    return True  # It may.
  if inspect.isclass(annotation):
    return issubclass(annotation, jaxtyping.AbstractArray)
  return any(map(_holds_arrays, typing.get_args(annotation)))


class _Decorated(ast.NodeTransformer):
  """Decorates all functions and classes."""

  def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
    # The innermost: others may take the annotations away.
    node.decorator_list.append(_decorator(node))
    return self.generic_visit(node)

  def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
    # The outermost: a data class has its __init__ by then.
    node.decorator_list.insert(0, _decorator(node))
    return self.generic_visit(node)


def _decorator(node: ast.AST) -> ast.expr:
  return ast.copy_location(ast.Name(_DECORATOR, ast.Load()), node)


class _Loader(importlib.machinery.SourceFileLoader):
  """Loads a module from its source, with decorated functions and classes."""

  def get_code(self, fullname):
    path = self.get_filename(fullname)
    source = importlib.util.decode_source(self.get_data(path))
    tree = _Decorated().visit(ast.parse(source, path))
    return compile(tree, path, "exec", dont_inherit=True)

  def exec_module(self, module):
    setattr(module, _DECORATOR, _checked)
    super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
  """Finds modules as usual, and has those that are named loaded by _Loader."""

  def __init__(self, modules: tuple[str, ...]):
    self._modules = modules

  def find_spec(self, fullname, path=None, target=None):
    if not any(f"{fullname}.".startswith(f"{m}.") for m in self._modules):
      return None
    spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
    if spec and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
      spec.loader = _Loader(spec.loader.name, spec.loader.path)
    return spec
