"""A pretended GPU: everything runs on the CPU, and what a real GPU refuses raises.

Inside `pretended_gpu()`, `device="cuda"` marks the memory of a tensor as being on a GPU. The results of operations on
marked tensors are marked. An operation on tensors of both places raises, as `.numpy()` of a marked tensor does.
Operations that exist only for one kind of device, and speed, are not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}  # take indices from the CPU
EITHER = "either"  # of tensors that autograd makes from nothing: on a real GPU they are on the right device


def gpu() -> AbstractContextManager[None]:
    """The GPU of the machine; the pretended one where there is none."""
    return nullcontext() if torch.cuda.is_available() else pretended_gpu()


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Pretend that there is one GPU."""
    found, recording = patch("torch.cuda.is_available", lambda: True), "torch.cuda.is_current_stream_capturing"
    with found, patch(recording, lambda: False), _Calls(), _Kernels():
        yield


def _memory(tensor: Tensor) -> Any:
    held = torch._C._TensorBase._values(tensor) if tensor.is_sparse else tensor
    return held.untyped_storage()


def _place(tensor: Tensor) -> str:
    return getattr(_memory(tensor), "place", "cpu")


def _put(tensor: Tensor, place: str) -> Tensor:
    _memory(tensor).place = place
    return tensor


def _on_gpu(tensor: object) -> bool:
    return isinstance(tensor, Tensor) and _place(tensor) == "cuda"


def _names_gpu(device: object) -> bool:
    return device is not None and torch.device(device).type == "cuda"  # type: ignore[call-overload]


def _moved(tensor: Tensor, *, to_gpu: bool) -> Tensor:
    """A copy on the other device, through which gradients flow."""
    if _on_gpu(tensor) == to_gpu:
        return tensor
    copy: Tensor = _Move.apply(tensor, to_gpu)  # type: ignore[no-untyped-call]
    return copy.detach().requires_grad_(tensor.requires_grad) if tensor.is_leaf else copy


def _copied(tensor: Tensor, place: str) -> Tensor:
    return _put(torch.empty(tensor.shape, dtype=tensor.dtype), place).copy_(tensor)


class _Move(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, to_gpu: bool) -> Tensor:
        ctx.place = _place(tensor)
        return _copied(tensor, "cuda" if to_gpu else "cpu")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return _copied(gradient, ctx.place), None


class _Kernels(TorchDispatchMode):
    """Refuses operations on tensors of two devices, those of the backward pass included."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        places = [_place(each) for each in tensors]
        counted = {place for each, place in zip(tensors, places, strict=True) if each.ndim or place == "cuda"} - {
            EITHER
        }
        if name in INDEXING:
            counted = {places[0]} if "cuda" not in counted or places[0] == "cuda" else counted
        if len(counted) > 1 and name != "copy_":
            shapes = [f"{place} {tuple(each.shape)}" for each, place in zip(tensors, places, strict=True)]
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found {shapes}")
        found = func(*args, **(kwargs or {}))
        unknown = torch._C._current_graph_task_id() != -1 and all(place == EITHER for place in places)
        place = "cuda" if counted == {"cuda"} else EITHER if unknown else None
        if place is not None and name != "copy_":
            for each in tree_leaves(found):
                if isinstance(each, Tensor):
                    _put(each, place)
        return found


class _Calls(TorchFunctionMode):
    """Answers questions about devices, and moves tensors between them."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        first = args[0] if args else None
        if name == "__get__" and getattr(func.__self__, "__name__", "") == "device":
            return GPU if _on_gpu(first) else CPU
        if name in ("numpy", "__array__") and _on_gpu(first):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        if name in ("cpu", "cuda"):
            return _moved(args[0], to_gpu=name == "cuda")
        if name == "to" and isinstance(first, Tensor):
            return _to(func, first, [*args[1:], *kwargs.values()])
        if func is torch.autograd.grad:
            return _gradients(func, args, kwargs)
        if _names_gpu(kwargs.get("device")) or (name == "new_tensor" and _on_gpu(first)):
            return _made_on_gpu(func, args, kwargs)
        if kwargs.get("generator") is not None and _on_gpu(first):
            raise RuntimeError("expected a 'cuda' device type for generator but found 'cpu'")
        found = func(*args, **kwargs)
        if name in ("tensor", "arange", "zeros", "ones", "full", "empty") and _place(found) == EITHER:
            _put(found, "cpu")  # a backward pass of ours made it, and not autograd
        return found


def _to(func: Callable[..., Tensor], tensor: Tensor, wanted: Sequence[object]) -> Tensor:
    """`tensor.to(...)` with a device, a type, another tensor, or several of them."""
    like = [each for each in wanted if isinstance(each, Tensor)]
    types = [each for each in wanted if isinstance(each, torch.dtype)] + [each.dtype for each in like]
    gpu = [_on_gpu(each) for each in like]
    gpu += [_names_gpu(each) for each in wanted if isinstance(each, torch.device | str)]
    found = func(tensor, types[0]) if types else tensor
    return _moved(found, to_gpu=gpu[0]) if gpu else found


def _made_on_gpu(func: Callable[..., Tensor], args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    if kwargs.get("generator") is not None:
        raise RuntimeError("expected a 'cuda' device type for generator but found 'cpu'")
    kwargs.pop("device", None)
    found = func(*args, **kwargs)
    return _put(found.clone() if args and found is args[0] else found, "cuda")


def _gradients(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    found = func(*args, **kwargs)
    for gradient, of in zip(found, args[1], strict=True):
        if gradient is not None and not gradient.is_sparse:
            _put(gradient, _place(of))
    return found
