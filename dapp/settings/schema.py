"""The machinery of settings: what a declared tree of keys allows, and how values for it are read and explained.

A tree is a frozen dataclass of keys, made by :func:`setting`, and of such trees, one for each section, described by
:func:`about`. A `Schema` reads one from a TOML file, the environment and flags, in this order: a later source wins.
Checks, error messages, templates and the lists for ``--help`` all come from the declarations.
"""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cached_property
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import Any, Generic, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from dapp.errors import SettingsError

T = TypeVar("T")
Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a key's value must be, beside its type.

    Attributes:
        help: what the key means, in one sentence or two.
        least, most: inclusive bounds of a number.
        above: exclusive lower bound of a number.
        file: a text may also be ``file.py:Name``.
        pattern: regular expression that a text must match; ``shape`` says so in words.
        path: a text is a path; where a settings file says it, relative to that file.
        places: a text is URLs and paths, separated by commas.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    file: bool = False
    pattern: str = ""
    shape: str = ""
    path: bool = False
    places: bool = False


def setting(default: T, help: str, **bounds: Any) -> T:
    """Declares a key; `bounds` are the attributes of `Rule`."""
    declared: T = field(default=default, metadata={"rule": Rule(help, **bounds)})
    return declared


def same_as(tree: type, name: str) -> Any:
    """Declares a key with the default and the rule that it has in another tree."""
    (twin,) = (each for each in fields(tree) if each.name == name)
    return field(default=twin.default, metadata=twin.metadata)


def about(help: str) -> dict[str, Rule]:
    """What a section is about, as metadata of its field."""
    return {"rule": Rule(help)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One declared key or section."""

    path: str
    variable: str
    kinds: tuple[type, ...]
    choices: tuple[str, ...]
    default: Value | None
    rule: Rule

    @property
    def key(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def section(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def is_section(self) -> bool:
        return is_dataclass(self.kinds[0])

    @property
    def kind(self) -> type:
        return self.kinds[0]

    @property
    def allowed(self) -> str:
        """What the value may be, in words."""
        if self.choices:
            words = ", ".join(self.choices)
            return f'one of {words}, or "file.py:Name"' if self.rule.file else f"one of {words}"
        if self.rule.path:
            return "a path"
        noun = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[self.kind]
        if self.rule.shape:
            return f"{noun} of {self.rule.shape}"
        least, most, above = (_number(bound) for bound in (self.rule.least, self.rule.most, self.rule.above))
        if least and most:
            return f"{noun} from {least} to {most}"
        bounds = (f"of at least {least}" if least else "", f"of at most {most}" if most else "")
        return " ".join(filter(None, (noun, *bounds, f"above {above}" if above else "")))

    @property
    def meaning(self) -> str:
        return f"{self.rule.help} ({self.allowed[0].upper()}{self.allowed[1:]}.)"

    def accepts(self, value: object) -> bool:
        rule = self.rule
        if isinstance(value, str) and self.kind is str:
            if self.choices:
                return value in self.choices or (rule.file and re.fullmatch(r".+\.py:[^\W\d]\w*", value) is not None)
            if rule.path or rule.places:
                return bool(value.strip()) and "\0" not in value
            return re.fullmatch(rule.pattern or r".*", value) is not None
        if isinstance(value, bool) or self.kind is bool:
            return isinstance(value, bool) and self.kind is bool
        if not isinstance(value, int if self.kind is int else int | float) or not _finite(value):
            return False
        return (
            (rule.least is None or value >= rule.least)
            and (rule.most is None or value <= rule.most)
            and (rule.above is None or value > rule.above)
        )

    def convert(self, value: object, where: str) -> Value:
        """`value` in this key's type.

        Raises:
            SettingsError: not allowed.
        """
        if not self.accepts(value):
            near = get_close_matches(value, self.choices, 1) if isinstance(value, str) else []
            raise SettingsError(
                f"{where}: {self.path} must be {self.allowed}, not {_shown(value)}",
                help=f"did you mean {near[0]!r}?" if near else self.rule.help,
            )
        converted: Value = self.kind(value)
        return converted

    def parse(self, text: str, where: str) -> Value:
        """The value that `text` spells.

        Raises:
            SettingsError: it spells none that is allowed.
        """
        value: object = text
        if self.kind is bool:
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif self.kind is not str:
            try:
                value = self.kind(text)
            except ValueError:
                value = text
        return self.convert(value, where)

    def below(self, folder: Path, value: Value) -> Value:
        """The value as a file in `folder` means it: its paths begin there."""
        if self.rule.path:
            return str(folder / Path(str(value)).expanduser())
        if self.rule.places:
            parts = (part.strip() for part in str(value).split(","))
            return ",".join(p if "://" in p else str(folder / Path(p).expanduser()) for p in parts if p)
        return value


@dataclass(frozen=True)
class Schema(Generic[T]):
    """A tree of settings, and how it is read.

    Args:
        tree: the dataclass of the top level.
        prefix: what the names of its environment variables begin with: ``PREFIX_SECTION_KEY``.
        begin: how one gets a file to begin with.
        others: beginnings of names under `prefix` that are not of this tree.
    """

    tree: type[T]
    prefix: str
    begin: str
    others: tuple[str, ...] = ()

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every key and section in the order of a file: the keys of a section before the sections inside it."""
        return tuple(self._walk(self.tree, ""))

    @property
    def keys(self) -> Iterator[Entry]:
        """Every key."""
        return (entry for entry in self.entries if not entry.is_section)

    def read(
        self, path: Path | None, environment: Mapping[str, str], overrides: Sequence[str]
    ) -> tuple[T, dict[str, str]]:
        """The tree from a file, the environment and flags, and the place where each key was set last.

        Args:
            path: a TOML file, or None for the defaults.
            environment: as `os.environ`; only names that begin with the prefix are read.
            overrides: ``key=value`` with a full key (``section.key``) or one that only one section has.

        Raises:
            SettingsError: an unreadable file, an unknown key, or a value that is not allowed; the message says where.
        """
        given: dict[str, tuple[Value, str]] = {}
        if path is not None:
            given |= self._from_file(path)
        given |= self._from_environment(environment)
        given |= self._from_overrides(overrides)
        values = {key: value for key, (value, _) in given.items()}
        return _build(self.tree, "", values), {key: where for key, (_, where) in given.items()}

    def template(self, what: str, values: Mapping[str, Value], wanted: Callable[[Entry], bool] = lambda _: True) -> str:
        """A file for a new `what`: every wanted key with its meaning, and its value in `values` or its default;
        a key without either is commented out.

        Raises:
            SettingsError: a value that is not allowed.
        """
        lines = [f"# The settings of this {what}. Any of them can be changed for one run with -c key=value."]
        for entry in filter(wanted, self.entries):
            if entry.is_section:
                lines += ["", "", f"# {entry.rule.help}", f"[{entry.path}]"]
                continue
            value = entry.convert(values[entry.path], f"a new {what}") if entry.path in values else entry.default
            lines += ["", *(f"# {line}" for line in textwrap.wrap(entry.meaning, 110))]
            lines.append(f"# {entry.key} =" if value is None else f"{entry.key} = {_toml(value)}")
        return "\n".join(lines) + "\n"

    def describe(self, wanted: Callable[[Entry], bool] = lambda _: True) -> str:
        """Every wanted key with its default, its meaning and what is allowed; for ``--help``."""
        lines: list[str] = []
        for entry in filter(wanted, self.entries):
            if entry.is_section:
                lines += ["", f"[{entry.path}] {entry.rule.help}"]
            else:
                default = "" if entry.default is None else f" = {_toml(entry.default)}"
                lines.append(f"{entry.path}{default}")
                lines += textwrap.wrap(entry.meaning, 96, initial_indent="    ", subsequent_indent="    ")
        return "\n".join(lines)

    def _walk(self, tree: type, prefix: str) -> Iterator[Entry]:
        hints = get_type_hints(tree)
        inner: list[tuple[Entry, type]] = []
        for each in fields(tree):
            arms = get_args(hints[each.name]) if get_origin(hints[each.name]) is not Literal else ()
            arms = tuple(arm for arm in arms or (hints[each.name],) if arm is not NoneType)
            choices = tuple(str(word) for arm in arms if get_origin(arm) is Literal for word in get_args(arm))
            kinds = tuple(str if get_origin(arm) is Literal else arm for arm in arms)
            default: Any = None if is_dataclass(kinds[0]) else each.default
            path = prefix + each.name
            variable = self.prefix + path.upper().replace(".", "_")
            entry = Entry(path, variable, kinds, choices, default, each.metadata["rule"])
            if entry.is_section:
                inner.append((entry, kinds[0]))
            else:
                yield entry
        for entry, kind in inner:
            yield entry
            yield from self._walk(kind, f"{entry.path}.")

    def _from_file(self, path: Path) -> dict[str, tuple[Value, str]]:
        try:
            text = path.read_text(encoding="utf-8")
            tree = tomllib.loads(text)
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror or error}", help=self.begin) from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path} is not a text file in UTF-8", help="Save it as UTF-8.") from error
        except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers or nesting that Python refuses
            line = re.search(r"at line (\d+)", str(error))
            place = f"{path}:{line[1]}" if line else f"{path}"
            raise SettingsError(
                f"{place}: not TOML: {error}", help="A line is `key = value` or `[section]`; a text stands in quotes."
            ) from error
        lines = _line_numbers(text)
        return dict(self._flatten(tree, "", path.parent, lambda key: f"{path}:{_line_of(key, lines)}"))

    def _flatten(
        self, table: Mapping[str, object], prefix: str, folder: Path, where: Callable[[str], str]
    ) -> Iterator[tuple[str, tuple[Value, str]]]:
        declared = {entry.path: entry for entry in self.entries}
        for name, value in table.items():
            path = prefix + name
            entry = declared.get(path)
            if entry is None:
                self._refuse_unknown(where(path), path, isinstance(value, dict))
            elif not entry.is_section:
                yield path, (entry.below(folder, entry.convert(value, where(path))), where(path))
            elif isinstance(value, dict):
                yield from self._flatten(value, f"{path}.", folder, where)
            else:
                raise SettingsError(
                    f"{where(path)}: {path} is a section, not a key", help=f"write [{path}] and its keys below it."
                )

    def _from_environment(self, environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[Value, str]]]:
        variables = {entry.variable: entry for entry in self.keys}
        for name in sorted(environment):
            if name.startswith(self.prefix) and not name.startswith(self.others):
                where = f"environment variable {name}"
                if name not in variables:
                    raise SettingsError(
                        f"{where}: there is no such setting",
                        help=_suggestion(name, {variable: variable for variable in variables})
                        or f"A variable is {self.prefix}KEY, or {self.prefix}SECTION_KEY.",
                    )
                yield variables[name].path, (variables[name].parse(environment[name], where), where)

    def _from_overrides(self, overrides: Sequence[str]) -> Iterator[tuple[str, tuple[Value, str]]]:
        entries = tuple(self.keys)
        for override in overrides:
            where = f"-c {override}"
            name, equals, text = (part.strip() for part in override.partition("="))
            if not equals:
                example = next(f"{entry.key}=…" for entry in entries)
                raise SettingsError(f"{where}: no value", help=f"Write -c key=value, for example -c {example}")
            named = [each for each in entries if each.path == name] or [each for each in entries if each.key == name]
            if not named:
                self._refuse_unknown(where, name, is_table=False)
            if len(named) > 1:
                paths = " or ".join(entry.path for entry in named)
                raise SettingsError(f"{where}: {name!r} may be {paths}", help="Write the section too, as named here.")
            yield named[0].path, (named[0].parse(text, where), where)

    def _refuse_unknown(self, where: str, path: str, is_table: bool) -> NoReturn:
        """The error for a key that nobody declared: the right section for it, else the nearest name."""
        entries = [entry for entry in self.entries if entry.is_section == is_table]
        section, _, name = path.rpartition(".")
        anywhere = {entry.key: entry.path for entry in entries}
        beside = {entry.key: entry.path for entry in entries if entry.section == section}
        raise SettingsError(
            f"{where}: there is no {f'section [{path}]' if is_table else f'key {path!r}'}",
            help=(f"did you mean {anywhere[name]!r}?" if name in anywhere else "")
            or _suggestion(name, beside)
            or _suggestion(name, anywhere)
            or f"Known here: {', '.join(beside or anywhere)}.",
        )


def _build(tree: type[T], prefix: str, values: Mapping[str, Value]) -> T:
    arguments: dict[str, Any] = {}
    for each in fields(tree):  # type: ignore[arg-type]
        path = prefix + each.name
        if path in values:
            arguments[each.name] = values[path]
        elif isinstance(each.default_factory, type):
            arguments[each.name] = _build(each.default_factory, f"{path}.", values)
    return tree(**arguments)


def _suggestion(name: str, known: Mapping[str, str]) -> str:
    """Asks whether the nearest of the names was meant, and calls it by its value."""
    near = get_close_matches(name, known, 1)
    return f"did you mean {known[near[0]]!r}?" if near else ""


def _line_numbers(text: str) -> dict[str, int]:
    """The line of every section and key, for messages; `tomllib` does not tell."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]", line):
            section = f"{_plain(header[1])}."
            lines.setdefault(section[:-1], number)
        elif assignment := re.match(r"\s*([\w.\"' -]+?)\s*=", line):
            lines.setdefault(section + _plain(assignment[1]), number)
    return lines


def _plain(key: str) -> str:
    return re.sub(r"[\"'\s]", "", key)


def _line_of(path: str, lines: Mapping[str, int]) -> int:
    """The line of a key, else of a key below it (``a.b = 1`` for a), else of what it stands in (an inline table)."""
    if path in lines:
        return lines[path]
    below = [number for key, number in lines.items() if key.startswith(f"{path}.")]
    return min(below) if below else _line_of(path.rpartition(".")[0], lines) if path else 1


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _number(bound: float | None) -> str:
    return "" if bound is None else f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number past every float
        return False


def _shown(value: object) -> str:
    return _toml(value) if isinstance(value, bool | int | float) else repr(value)
