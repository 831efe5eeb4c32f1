# Shared by both walks.
import argparse
import ast
import asyncio
import codecs
import concurrent.futures
import contextvars
import inspect
import io
import logging
import numbers
import queue
import sys
import timeit
import tomllib
import traceback
import types
import warnings
import weakref
import xml.etree.ElementTree as ElementTree

import numpy

# Types not to descend into: they hold nothing, or are created anew on each access.
LEAVES = (
    str, bytes, numbers.Number, types.BuiltinFunctionType, types.MethodDescriptorType, types.MethodWrapperType,
    types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, types.ClassMethodDescriptorType,
    numpy.ndarray, numpy.generic, numpy.dtype,
)
HOPS_MAX = 12


def kind_of(thing):
    if isinstance(thing, types.ModuleType):
        return "module " + thing.__name__
    named = thing if isinstance(thing, type) else type(thing)
    return f"{'class' if named is thing else 'object'} {named.__module__}.{named.__qualname__}"


def caught(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return error


def instances():
    """Objects of the modules that are made by calls: a walk that starts at the modules meets their classes only."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="?", type=int)
    parser.add_subparsers().add_parser("sub")
    executor = concurrent.futures.ThreadPoolExecutor()
    future = executor.submit(caught, int, "x")
    error = caught(int, "x")
    tree = ElementTree.fromstring("<a b='c'><d/>text</a>")
    builder = ElementTree.TreeBuilder()
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        warnings.warn("careful")
    logger = logging.getLogger("walk.of.guards")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("{message}", style="{"))
    return {
        "argparse": [parser, parser.parse_args([]), parser._get_formatter()],
        "ast": [ast.parse("x = [1]"), ast.NodeVisitor()],
        "codecs": [
            *map(codecs.lookup, ("utf-8", "idna", "rot13", "punycode", "zlib")),
            codecs.getreader("utf-8")(io.BytesIO()),
            codecs.EncodedFile(io.BytesIO(), "utf-8"),
            codecs.lookup_error("strict"),
        ],
        "concurrent": [executor, future, list(concurrent.futures.as_completed([future]))],
        "contextvars": [contextvars.copy_context(), contextvars.ContextVar("v")],
        "inspect": [inspect.signature(caught), inspect.getfullargspec(caught), inspect.getmembers(tree)],
        "logging": [logger, handler, handler.formatter, logging.LoggerAdapter(logger), logger.makeRecord("n", 1, "f", 1, "m", (), None)],
        "numpy": [
            numpy.arange(2).ctypes, numpy.arange(2).flat, numpy.arange(2).flags, numpy.nditer([1, 2]), numpy.vectorize(len),
            numpy.random.default_rng(1), numpy.random.RandomState(1), numpy.random.SeedSequence(1), numpy.random.PCG64(1),
            numpy.poly1d([1]), numpy.polynomial.Polynomial([1]), numpy.errstate(), numpy.finfo(float), numpy.iinfo(int),
            caught(numpy.linalg.inv, numpy.zeros((2, 2))), caught(numpy.load, "x"),
        ],
        "queue": [queue.Queue(), queue.PriorityQueue(), queue.SimpleQueue(), caught(queue.Queue().get_nowait)],
        "sys": [sys.stdout, sys.stderr, sys.version_info, sys.argv],
        "timeit": [timeit.Timer("1"), timeit.Timer(caught)],
        "tomllib": [tomllib.loads("a = 1979-05-27"), caught(tomllib.loads, "=")],
        "traceback": [traceback.TracebackException.from_exception(error), traceback.extract_tb(error.__traceback__), traceback.extract_stack()],
        "warnings": [warnings.catch_warnings(), caught_warnings, warnings.deprecated("x")],
        "weakref": [
            weakref.ref(tree), weakref.proxy(tree), weakref.WeakMethod(parser.parse_args), weakref.WeakSet([tree]),
            weakref.WeakValueDictionary({1: tree}), weakref.finalize(tree, print),
        ],
        "xml": [tree, ElementTree.ElementTree(tree), builder, ElementTree.XMLParser(), ElementTree.XMLPullParser(), caught(ElementTree.XML, "<")],
        "asyncio": [asyncio.Queue(), asyncio.Lock(), asyncio.get_event_loop_policy()],
    }  # fmt: skip
